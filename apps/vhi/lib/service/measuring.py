"""VHI of a scan from the regions in force for a reader, with what the cleaning model proposes; measurements are kept."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from ..core.disease_region import DiseaseRegionError
from ..core.pipeline import VhiResult
from ..core.segment_names import INFLAMMATION
from ..core.settings import VhiSettings
from ..core.volume import Mask
from ..errors import ModelError
from ..readings.store import ReadingStore
from .automatic import Automatic, AutomaticRegions
from .begun import shown_to
from .chains import Chains
from .decisions import Decisions
from .keep import Kept
from .proposals import OFF, Proposals
from .regions import DRAWN, ActiveRegions, DrawnRegions, drawn_regions, measured, regions_in_force
from .response_facts import result_id_of, short_result
from .scans import Scans
from .segments import Submitted

NUMBERS_SHOWN = 1000


@dataclass(frozen=True, eq=False)
class KnownRegions:
    """The regions of a reader before anything is drawn; `missing` says why there are none in force."""

    in_force: ActiveRegions | None
    automatic: AutomaticRegions | None
    missing: ModelError | DiseaseRegionError | None


class MeasurementService:
    """Measures what readers are shown; `kept` is how many results stay in memory. Callers hold the case's lock."""

    def __init__(self, readings: ReadingStore, automatic: Automatic, proposals: Proposals, chains: Chains, kept: int) -> None:
        self.readings, self.automatic, self._proposals, self.chains = readings, automatic, proposals, chains
        self._results: Kept[VhiResult] = Kept(kept)
        self._shown: Kept[dict[str, Any]] = Kept(NUMBERS_SHOWN)

    def shown(self, reader: str | None, reading: int) -> Callable[[Scans], AutomaticRegions]:
        """The automatic regions of a scan as that reader first saw them in that reading, see `lib.service.begun`."""
        return partial(shown_to, self.readings, self.automatic, reader, reading)

    def regions(self, scans: Scans, reader: str | None, reading: int) -> ActiveRegions:
        """The regions in force for a reader.

        Raises
        ------
        VhiError
        """
        return regions_in_force(self.readings, self.shown(reader, reading), scans, reader, reading)

    def known_regions(self, scans: Scans, reader: str | None, reading: int) -> KnownRegions:
        """The regions in force and the automatic proposals, as far as there are any."""
        in_force, automatic, missing = None, None, None
        try:
            in_force = self.regions(scans, reader, reading)
        except (ModelError, DiseaseRegionError) as error:
            missing = error
        with suppress(ModelError, DiseaseRegionError):
            automatic = self.shown(reader, reading)(scans)
        return KnownRegions(in_force, automatic, missing)

    def drawn(self, scans: Scans, reader: str | None, reading: int, submitted: Submitted, words: str) -> DrawnRegions:
        """The regions of a label map, beside those that are known; `words` say where a drawn one comes from."""
        known = self.known_regions(scans, reader, reading)
        return drawn_regions(submitted, known.in_force, known.automatic, words)

    def show(
        self, scans: Scans, reader: str | None, reading: int, settings: VhiSettings, mode: str, drawn: Submitted | None = None
    ) -> tuple[ActiveRegions, VhiResult]:
        """The automatic result for a reader, with the regions that it rests on: those in force, or drawn and not submitted.

        Raises
        ------
        VhiError
        """
        regions = None if drawn is None else self.drawn(scans, reader, reading, drawn, DRAWN).active
        if regions is None:
            regions = self.regions(scans, reader, reading)
        return regions, self.result(scans, None if mode == OFF else self._proposals.live_version(), regions, settings)

    def note_shown(
        self,
        scans: Scans,
        reader: str | None,
        reading: int,
        regions: ActiveRegions,
        automatic: VhiResult,
        shown: VhiResult,
        decisions: Decisions,
    ) -> None:
        """Remember what a reader was shown: the number, the lesions behind it, and what the proposal and clicks did to them."""
        if reader is None:
            return
        case_id, proposal = scans.case.case_id, automatic.proposal
        version = None if proposal is None else proposal.version
        self.readings.note_shown(case_id, reader, reading, automatic.settings.stored(), version)
        numbers = self.note_number(scans, reader, shown, regions.model)
        display = {
            **numbers,
            "sensitive_threshold": shown.thresholds.sensitive,
            "regions": regions.key,
            "automatic_id": result_id_of(automatic, regions.model),
            "decisions": decisions.as_dict(),
        }
        lesions = Mask(automatic.grade > 0, scans.stir.grid, INFLAMMATION)
        removed = None if proposal is None else [lesion.id for lesion in proposal.removed]
        self.readings.note_display(case_id, reader, reading, display, lesions, removed)

    def note_number(self, scans: Scans, reader: str, shown: VhiResult, model: Mapping[str, Any] | None) -> dict[str, Any]:
        """Remember a number that a reader was shown, in memory; it is given back in short."""
        numbers = short_result(shown, model)
        self._shown.keep((scans.case.case_id, reader, numbers["result_id"]), numbers)
        return numbers

    def number_shown(self, case_id: str, reader: str, result_id: str) -> dict[str, Any] | None:
        """The number of that id, where this server showed it to the reader since it started."""
        return self._shown.find((case_id, reader, result_id))

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
            tuple(settings.values().items()),
            settings.chain,
            proposal,
        )
        result = self._results.find(key)
        if result is None:
            if proposal is not None:
                result = self._proposals.proposed(self.result(scans, None, regions, settings), proposal)
            else:
                result = measured(scans, regions, settings)
                result = replace(result, warnings=(*scans.warnings, *result.warnings))
            self._results.keep(key, result)
        return result
