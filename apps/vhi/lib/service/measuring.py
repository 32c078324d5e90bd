"""VHI of a scan from the regions in force for a reader, with what the cleaning model proposes; measurements are kept."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np

from ..core.disease_region import DiseaseRegionError
from ..core.normal_bone import NormalBone, Voxel
from ..core.normal_bone_clicks import normal_bone_from_clicks
from ..core.pipeline import PreparedScan, VhiResult, measure_prepared
from ..core.segment_names import NORMAL_BONE
from ..core.settings import VhiSettings
from ..core.volume import Mask
from ..errors import ModelError, NormalBoneError, OutputError
from ..readings.clicked_bones import ClickedBones
from ..readings.store import ReadingStore
from .active_regions import DRAWN, ActiveRegions, DrawnRegions, drawn_regions, grown_from, prepared, regions_in_force
from .automatic import Automatic, AutomaticRegions
from .chains import Chains
from .gestures import Decisions
from .memory_cache import LastUsed
from .proposals import OFF, DisplayedResult, Proposals
from .reading_context import automatic_regions_shown_to
from .response_facts import result_id_of, short_result
from .scans import Scans
from .segments import Submitted

NUMBERS_SHOWN = 1000
# of a reader in a case: what undo may bring back; beyond them the clicks are asked for again
CLICKED_CASES, CLICKED_BONES = 100, 10


@dataclass(frozen=True, eq=False)
class KnownRegions:
    """The regions of a reader before anything is drawn; `missing` says why there are none in force.

    `clicked` are the normal bones that were grown from the reader's clicks, the newest first.
    """

    in_force: ActiveRegions | None
    automatic: AutomaticRegions | None
    missing: ModelError | DiseaseRegionError | None
    clicked: tuple[NormalBone, ...] = ()


class MeasurementService:
    """Measures what readers are shown; `kept` is how many results stay in memory. Callers hold the case's lock."""

    def __init__(self, readings: ReadingStore, automatic: Automatic, proposals: Proposals, chains: Chains, kept: int) -> None:
        self.readings, self.automatic, self._proposals, self.chains = readings, automatic, proposals, chains
        self._results: LastUsed[VhiResult] = LastUsed(kept)
        self._prepared: LastUsed[PreparedScan] = LastUsed(kept)
        self._clicked: LastUsed[tuple[NormalBone, ...]] = LastUsed(CLICKED_CASES)
        self._clicked_before = ClickedBones(readings)
        self._shown: LastUsed[dict[str, Any]] = LastUsed(NUMBERS_SHOWN)

    def automatic_regions_for(self, reader: str | None, reading: int) -> Callable[[Scans], AutomaticRegions]:
        """The automatic regions of a scan as that reader first saw them in that reading, see `lib.service.reading_context`."""
        return partial(automatic_regions_shown_to, self.readings, self.automatic, reader, reading)

    def regions(self, scans: Scans, reader: str | None, reading: int) -> ActiveRegions:
        """The regions in force for a reader.

        Raises
        ------
        VhiError
        """
        return regions_in_force(self.readings, self.automatic_regions_for(reader, reading), scans, reader, reading)

    def known_regions(self, scans: Scans, reader: str | None, reading: int) -> KnownRegions:
        """The regions in force and the automatic proposals, as far as there are any."""
        in_force, automatic, missing = None, None, None
        try:
            in_force = self.regions(scans, reader, reading)
        except (ModelError, DiseaseRegionError) as error:
            missing = error
        with suppress(ModelError, DiseaseRegionError):
            automatic = self.automatic_regions_for(reader, reading)(scans)
        return KnownRegions(in_force, automatic, missing, self._clicked_by(scans, reader))

    def drawn(self, scans: Scans, reader: str | None, reading: int, submitted: Submitted, words: str) -> DrawnRegions:
        """The regions of a label map, beside those that are known; `words` say where a drawn one comes from."""
        return self.drawn_beside(self.known_regions(scans, reader, reading), scans, reader, submitted, words)

    def drawn_beside(
        self, known: KnownRegions, scans: Scans, reader: str | None, submitted: Submitted, words: str
    ) -> DrawnRegions:
        """The same beside regions that were looked up before."""
        clicked = self._clicked_bones(known, scans, reader, submitted)
        return drawn_regions(submitted, known.in_force, known.automatic, words, clicked)

    def _clicked_bones(
        self, known: KnownRegions, scans: Scans, reader: str | None, submitted: Submitted
    ) -> tuple[NormalBone, ...]:
        """The bones grown from the reader's clicks, that of the clicks which come with the label map first.

        The viewer knows the clicks of what it shows, also after undo. Where none that is kept was grown from them, they are grown
        again: in the disease region as it is drawn, in force, or found automatically.
        """
        clicks = submitted.normal_bone_clicks
        if not clicks or submitted.normal_bone is None:
            return known.clicked
        same = tuple(bone for bone in known.clicked if bone.clicks == clicks)
        if not same:
            active = drawn_regions(submitted, known.in_force, known.automatic).active
            places = (
                active and active.region,
                known.in_force and known.in_force.region,
                known.automatic and known.automatic.region,
            )
            same = self._grown_again(scans, reader, clicks, [place.mask for place in places if place])
        return (*same, *(bone for bone in known.clicked if bone.clicks != clicks))

    def _grown_again(
        self, scans: Scans, reader: str | None, clicks: tuple[Voxel, ...], regions: Sequence[Mask]
    ) -> tuple[NormalBone, ...]:
        grown: list[NormalBone] = []
        for n, region in enumerate(regions):
            if not any(np.array_equal(region.data, other.data) for other in regions[:n]):
                with suppress(NormalBoneError):  # then it was not grown in this region
                    grown.append(normal_bone_from_clicks(scans.t1w, scans.stir, region, clicks))
        self._note_clicked(scans, reader, *grown)
        return tuple(grown)

    def _note_clicked(self, scans: Scans, reader: str | None, *bones: NormalBone) -> None:
        known = (*bones, *self._clicked_by(scans, reader))[:CLICKED_BONES]
        self._clicked.put((scans.case.case_id, reader), known)
        if reader is not None and bones:
            with suppress(OutputError):  # a full disk: they are known until the server ends
                self._clicked_before.keep(scans.case.case_id, reader, known)

    def _clicked_by(self, scans: Scans, reader: str | None) -> tuple[NormalBone, ...]:
        """The normal bone grown from a reader's clicks, the newest first."""
        key = (scans.case.case_id, reader)
        known = self._clicked.get(key)
        if known is None:
            known = () if reader is None else self._clicked_before.of(scans.case.case_id, reader, scans.stir.grid)
            self._clicked.put(key, known)
        return known

    def grow(
        self, scans: Scans, reader: str | None, reading: int, clicks: Sequence[Voxel], drawn: Submitted | None = None
    ) -> NormalBone:
        """Normal bone grown from a reader's clicks; where a label map has it again, voxel for voxel, it is known to be that.

        Parameters
        ----------
        clicks : sequence of (i, j, k)
            Voxels of STIR.

        Raises
        ------
        VhiError
        """
        regions = self._regions_drawn(scans, reader, reading, drawn)
        bone = normal_bone_from_clicks(scans.t1w, scans.stir, regions.region.mask, clicks)
        self._note_clicked(scans, reader, bone)
        return bone

    def _regions_drawn(self, scans: Scans, reader: str | None, reading: int, drawn: Submitted | None) -> ActiveRegions:
        regions = None if drawn is None else self.drawn(scans, reader, reading, drawn, DRAWN).active
        return self.regions(scans, reader, reading) if regions is None else regions

    def regions_shown(
        self,
        scans: Scans,
        reader: str | None,
        reading: int,
        drawn: Submitted | None = None,
        clicks: Sequence[Voxel] = (),
    ) -> ActiveRegions:
        """The regions that a reader is shown a number of: those in force, or drawn and not submitted.

        Normal bone is grown from clicks on STIR where there are any.

        Raises
        ------
        VhiError
        """
        regions = self._regions_drawn(scans, reader, reading, drawn)
        if clicks:
            bone = self.grow(scans, reader, reading, clicks, drawn)
            regions = replace(regions, normal_bone=bone, used={**regions.used, NORMAL_BONE: grown_from(bone)})
        return regions

    def proposal_version(self, mode: str, shown: str | None = None) -> str | None:
        """The version of the cleaning model that proposes: the one that was shown, while it is there, else the live one.

        None with the mode "off".

        Raises
        ------
        ModelError
            There is no version.
        """
        if mode == OFF:
            return None
        return shown if shown is not None and self.has_proposal(shown) else self._proposals.live_version()

    def has_proposal(self, version: str) -> bool:
        """Whether that version of the cleaning model is still there."""
        return self._proposals.has(version)

    def note_shown(
        self,
        scans: Scans,
        reader: str | None,
        reading: int,
        regions: ActiveRegions,
        displayed: DisplayedResult,
        decisions: Decisions,
    ) -> None:
        """Remember what a reader was shown: the number, the lesions behind it, and what the proposal and clicks did to them."""
        if reader is None:
            return
        automatic, shown = displayed.automatic, displayed.result
        display = {
            **self.note_number(scans, reader, shown, regions.model),
            "sensitive_threshold": shown.thresholds.sensitive,
            "regions": regions.key,
            "automatic_id": result_id_of(automatic, regions.model),
            "decisions": decisions.as_dict(),
        }
        self.readings.note_shown(scans.case.case_id, reader, reading, automatic, display)

    def note_number(self, scans: Scans, reader: str, shown: VhiResult, model: Mapping[str, Any] | None) -> dict[str, Any]:
        """Remember a number that a reader was shown, in memory; it is given back in short."""
        numbers = short_result(shown, model)
        self._shown.put((scans.case.case_id, reader, numbers["result_id"]), numbers)
        return numbers

    def number_shown(self, case_id: str, reader: str, result_id: str) -> dict[str, Any] | None:
        """The number of that id, where this server showed it to the reader since it started."""
        return self._shown.get((case_id, reader, result_id))

    def result(self, scans: Scans, proposal: str | None, regions: ActiveRegions, settings: VhiSettings) -> VhiResult:
        """The automatic result, with what that version of the cleaning model proposes.

        Raises
        ------
        VhiError
        """
        key = (
            scans.case.case_id,
            *sorted(scans.sha256.values()),
            regions.key,
            settings,
            proposal,
        )
        result = self._results.get(key)
        if result is None:
            if proposal is not None:
                result = self._proposals.proposed(self.result(scans, None, regions, settings), proposal)
            else:
                result = measure_prepared(self._prepared_scan(scans, regions), settings)
                result = replace(result, warnings=(*scans.warnings, *result.warnings))
            self._results.put(key, result)
        return result

    def _prepared_scan(self, scans: Scans, regions: ActiveRegions) -> PreparedScan:
        """Regions, normal bone and what is odd about the images: the same for every setting."""
        key = (scans.case.case_id, *sorted(scans.sha256.values()), regions.key)
        scan = self._prepared.get(key)
        if scan is None:
            scan = prepared(scans, regions)
            self._prepared.put(key, scan)
        return scan
