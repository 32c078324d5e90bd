"""`VhiService`: from the id of a series to regions, VHI, cleaning, submissions and reports.

It knows no web server. Every method may be called from any thread: work on one case is done one at a time, and so is the
networks' work; nothing else waits for anything.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ..core.pipeline import VhiResult
from ..core.segment_names import DISEASE_REGION, INFLAMMATION, NORMAL_BONE
from ..core.settings import VhiSettings
from ..core.volume import Grid, Mask, check_same_grid
from ..errors import NormalBoneError, NotFoundError, RequestError
from ..readings.audit import AuditLog, log_unlogged
from ..readings.drafts import Drafts
from ..readings.leases import Leases
from ..readings.store import SHARED_PARTS, ReadingStore
from ..readings.submission import Submission, check_reader
from ..reports.numbers import plain
from ..studies.pairing import Case, CaseFinder, CaseSource
from .answers import CleanAnswer, NormalBoneAnswer, RegionAnswer, ServiceConfig, VhiAnswer, Voxel
from .automatic import Automatic, AutomaticRegions
from .blinding import Blinding
from .cases import Cases
from .cleanings import Cleanings, submitted_cleanings
from .drafting import Drafting
from .intake import Intake
from .measuring import Measuring
from .networks import Networks
from .openings import Openings
from .options import options_of, reading_number
from .precomputing import Precomputing
from .proposals import CLEANING_DIR, OFF, Proposals, checked_mode, clicked, shown
from .regions import InForce
from .scans import Scans
from .scores import Scores
from .segments import checked_labels, segments_of_map, segments_of_masks
from .submitting import REPORT_FILES, Delivery, Terms
from .told import facts_of, normal_bone_facts, region_facts
from .words import reading_sentences
from .worklist import Offer, Worklist

MODEL_DIR = Path(__file__).resolve().parents[2] / "model" / "disease_region"
DATA_FOLDER = ".vhi"
MOST_CLICKS = 10_000


class VhiService:
    """The studies of one folder or archive and what is read of them.

    Parameters
    ----------
    studies : Path or CaseSource
        Folder of the scans, where nothing is written but the data folder; or what else they come from.
    data : Path, optional
        Where submissions are kept; `.vhi` in the folder of studies when absent. Needed for another source.
    model_dir, cleaning_dir : Path
        The disease-region ensemble, and the model of the cleaning proposal.
    config : ServiceConfig

    Raises
    ------
    VhiError
        The folder of studies is missing, or the data folder cannot be used.
    """

    def __init__(
        self,
        studies: Path | CaseSource,
        *,
        data: Path | None = None,
        model_dir: Path = MODEL_DIR,
        cleaning_dir: Path = CLEANING_DIR,
        config: ServiceConfig | None = None,
    ) -> None:
        self.config = config or ServiceConfig()
        source: CaseSource = CaseFinder(studies) if isinstance(studies, Path) else studies
        source.find()  # before anything is written
        root = Path(data) if data is not None else Path(studies) / DATA_FOLDER  # type: ignore[arg-type]
        study = {"blinded": True, "seed": self.config.seed} if self.config.blinded else {}
        self.readings = ReadingStore(root, study)
        self.audit = AuditLog(root / "audit.jsonl")
        self.leases = Leases(root / "leases", self.config.lease_minutes)
        self.networks = Networks(Path(model_dir), root)
        # where submissions are delivered to, beside the data folder; set at start, where there is such a place
        self.delivery: Delivery | None = None
        self._blinding = Blinding(root, self.config.seed) if self.config.blinded else None
        automatic = Automatic(root / "precomputed", self.networks, self.config.loaded_cases)
        proposals = Proposals(Path(cleaning_dir), root)
        self._measuring = Measuring(self.readings, automatic, proposals, self.config.kept_results)
        self._openings = Openings(self.audit)
        self._intake = Intake(self._measuring, self._openings, self.audit, self.leases)
        log_unlogged(self.audit, self.readings)
        self.cases = Cases(source, self.readings, self._blinding, self.config.loaded_cases)
        self.drafting = Drafting(self.cases, Drafts(self.readings))
        scores = Scores(root / "scores", automatic)
        self.precomputing = Precomputing(self.cases, self.readings, automatic, scores, self._blinding)
        self._worklist = Worklist(
            lambda: self.cases.index, self.readings, self.leases, scores, self._blinding, self.config, root / "reviews"
        )

    # what needs no reader -----------------------------------------------------------------------------------------------

    def image_file(self, image_id: str, reader: str | None = None) -> Path:
        """The file to hand to a viewer; of a blinded study a copy without a name.

        Raises
        ------
        UnknownImageError
        InputError, ConflictError
            The scan is gone, or is no longer the file that was opened first.
        """
        case, role = self.cases.of_image(image_id)
        path = self.cases.file(case, role)
        self._openings.note(case.case_id, reader)
        return path

    def disease_region(self, image_id: str, reader: str | None = None, reading: int = 1) -> RegionAnswer:
        """The automatic disease region; by the version of the networks that the reader was shown first in that reading.

        Raises
        ------
        VhiError
            Unknown id (UnknownImageError), unusable scans, no bone, no model.
        """
        case, role = self.cases.of_image(image_id)
        scans, found = self._automatic_of(case, reader, reading)
        labels = scans.seen(found.region.mask.data.astype(np.uint8), role)
        return RegionAnswer(labels, {DISEASE_REGION: 1}, scans.grid(role), region_facts(case.case_id, found))

    def normal_bone(self, image_id: str, reader: str | None = None, reading: int = 1) -> NormalBoneAnswer:
        """The automatic proposal of normal bone, in the automatic disease region that `disease_region` gives.

        Raises
        ------
        VhiError
            As `disease_region`; NormalBoneError where no place for it was found.
        """
        case, role = self.cases.of_image(image_id)
        scans, found = self._automatic_of(case, reader, reading)
        if found.normal_bone is None:
            raise NormalBoneError(found.no_normal_bone or "No normal bone was found; draw it by hand on STIR.")
        facts = normal_bone_facts(case.case_id, found, found.normal_bone)
        labels = scans.seen(found.normal_bone.data.astype(np.uint8), role)
        return NormalBoneAnswer(labels, {NORMAL_BONE: 1}, scans.grid(role), facts)

    def _automatic_of(self, case: Case, reader: str | None, reading: int) -> tuple[Scans, AutomaticRegions]:
        with self.cases.loaded(case) as scans:
            return scans, self._measuring.shown(reader, reading_number(reading))(scans)

    # VHI ----------------------------------------------------------------------------------------------------------------

    def vhi(self, image_id: str, reader: str | None, values: Mapping[str, Any]) -> VhiAnswer:
        """VHI from the regions in force for a reader.

        Parameters
        ----------
        image_id : str
            Of either series.
        reader : str or None
            None is offered the study's shared regions, else the automatic ones.
        values : mapping
            Settings by name, `show` ("inflammation" or "both"), `proposal` ("off", "show", "apply") and `reading` (1).

        Raises
        ------
        VhiError
        """
        case, role = self.cases.of_image(image_id)
        settings, options = options_of(values, {"show": INFLAMMATION, "reading": 1, "proposal": OFF})
        if options["show"] not in (INFLAMMATION, "both"):
            raise RequestError(f"show is {str(options['show'])[:60]!r}; it must be inflammation or both.")
        mode = checked_mode(options["proposal"])
        scans, regions, automatic = self._measured(case, reader, options["reading"], settings, mode)
        seen = shown(automatic, mode, options["show"] == "both")
        facts = facts_of(scans, regions, seen, "server, vhi", role, automatic)
        return VhiAnswer(scans.seen(seen.labels, role), seen.names, scans.grid(role), facts)

    def clean(
        self, image_id: str, reader: str | None, values: Mapping[str, Any], remove: Sequence[Voxel], restore: Sequence[Voxel]
    ) -> CleanAnswer:
        """VHI without the lesions that clicks removed: all clicks are replayed over the automatic result.

        Parameters
        ----------
        image_id, reader, values
            As for `vhi`, with `scope` ("lesion" or "slice") in place of `show`.
        remove, restore : sequences of (i, j, k)
            Voxel indices on the series' own grid; first all removals count, then all restorations.

        Raises
        ------
        VhiError
        """
        case, role = self.cases.of_image(image_id)
        settings, options = options_of(values, {"scope": "lesion", "reading": 1, "proposal": OFF})
        if options["scope"] not in ("lesion", "slice"):
            raise RequestError(f"scope is {str(options['scope'])[:60]!r}; it must be lesion or slice.")
        if len(remove) + len(restore) > MOST_CLICKS:
            raise RequestError(f"{len(remove) + len(restore)} clicks were sent; at most {MOST_CLICKS} are replayed.")
        mode = checked_mode(options["proposal"])
        scans, regions, automatic = self._measured(case, reader, options["reading"], settings, mode)
        clicks = scans.voxels(remove, role), scans.voxels(restore, role)
        seen = clicked(automatic, mode, *clicks, options["scope"])
        facts = facts_of(scans, regions, seen, "server, vhi_clean", role, automatic)
        changes = {INFLAMMATION: plain(seen.changes)}
        facts |= {"changes": changes, "messages": [*seen.messages, *reading_sentences(changes)]}
        return CleanAnswer(scans.seen(seen.labels, role), seen.names, scans.grid(role), facts)

    def _measured(
        self, case: Case, reader: str | None, reading: int, settings: VhiSettings, mode: str
    ) -> tuple[Scans, InForce, VhiResult]:
        if reader is not None:
            check_reader(reader)
        self._openings.note(case.case_id, reader)
        with self.cases.loaded(case) as scans:
            return scans, *self._measuring.show(scans, reader, reading, settings, mode)

    # readers ------------------------------------------------------------------------------------------------------------

    def submit(
        self,
        image_id: str,
        labels: np.ndarray,
        grid: Grid,
        segments: Sequence[tuple[str, int]],
        *,
        reader: str,
        reading: int = 1,
        method: str = "semi-automatic",
        rating: str | None = None,
        amends: str | None = None,
        effort: Any = None,
    ) -> Submission:
        """Keep what a reader hands in, measure it and write its report.

        Parameters
        ----------
        image_id : str
            Of either series.
        labels : (I, J, K) array
            One flattened map; what comes later in the list of segments covers what came before.
        grid : Grid
            Of the map; it must be the scans'.
        segments : sequence of (name, value)
            Routed by name. A region that is missing or empty was not changed. `inflammation` that is listed and empty is no
            inflammation, except beside a newly drawn region before the reader ever asked for VHI: then it is a viewer's
            placeholder. What other segments cover of the region that the reader started from is filled in again.
        reader, reading, method, rating, amends
            See `lib.readings.submission`. Without `amends` the reader's last submission of that reading and method is the one
            that is replaced, where there is one.
        effort : mapping, optional
            See `lib.readings.effort`.

        Returns
        -------
        Submission
            As it lies on disk.

        Raises
        ------
        VhiError
            Nothing was kept then.
        """
        case, role = self.cases.of_image(image_id)
        check_reader(reader)
        reading = reading_number(reading)
        labels = checked_labels(labels)
        with self.cases.loaded(case) as scans:
            labels, grid = scans.measured(labels, grid, role)
            map_grid = Grid((labels.shape[0], labels.shape[1], labels.shape[2]), grid.affine)
            check_same_grid(scans.stir, Mask(labels > 0, map_grid, "the submitted label map"))
            submitted = segments_of_map(labels, scans.stir.grid, segments)
            terms = Terms(reader, reading, method, rating or None, amends)
            return self._intake.take(scans, submitted, terms, effort, self.delivery)

    def stir_grid(self, image_id: str) -> Grid:
        """Where the masks of a case lie.

        Raises
        ------
        VhiError
            Its scans cannot be had now, or cannot be used.
        """
        case, _ = self.cases.of_image(image_id)
        with self.cases.loaded(case) as scans:
            return scans.stir.grid

    def submit_masks(
        self,
        image_id: str,
        masks: Mapping[str, Mask],
        *,
        reader: str,
        reading: int = 1,
        method: str = "semi-automatic",
        rating: str | None = None,
        source: str | None = None,
    ) -> Submission:
        """The same for masks that are kept apart, as a DICOM Segmentation has them.

        Parameters
        ----------
        image_id : str
            Of either series.
        masks : mapping of name to Mask
            On the grid of STIR; routed by name. None at all, where the automatic disease region is rated and nothing drawn.
        reader, reading, method, rating, source
            See `lib.readings.submission`.

        Raises
        ------
        VhiError
            Nothing was kept then.
        """
        case, _ = self.cases.of_image(image_id)
        check_reader(reader)
        reading = reading_number(reading)
        with self.cases.loaded(case) as scans:
            for mask in masks.values():
                check_same_grid(scans.stir, mask)
            submitted = segments_of_masks(masks, scans.stir.grid)
            terms = Terms(reader, reading, method, rating, None, source)
            return self._intake.take(scans, submitted, terms, delivery=self.delivery)

    def submissions(self, image_id: str, reader: str | None) -> tuple[Submission, ...]:
        """A reader's own submissions of a case, oldest first; everyone's for None, which is for administrators."""
        case, _ = self.cases.of_image(image_id)
        return tuple(one for one in self.readings.of_case(case.case_id) if reader is None or one.reader == reader)

    def cleanings(self, patient_of: Callable[[str], str]) -> Cleanings:
        """What readers submitted, for the cleaning proposal to learn from."""
        by_id = {case.case_id: case for case in self.cases.listed.cases}

        def measure(one: Submission, settings: VhiSettings) -> VhiResult:
            if one.case_id not in by_id:
                raise NotFoundError("its scans are no longer there.")
            with self.cases.loaded(by_id[one.case_id]) as scans:
                regions = self._measuring.regions(scans, one.reader, one.reading)
                return self._measuring.result(scans, None, regions, settings)

        return submitted_cleanings(self.readings, measure, patient_of)

    def share(self, image_id: str, submission_id: str, parts: Sequence[str] = SHARED_PARTS, *, admin: str) -> None:
        """For administrators: every reader of the case starts from these regions of that submission.

        Raises
        ------
        NotFoundError, RequestError
        """
        case, _ = self.cases.of_image(image_id)
        self.readings.share(case.case_id, submission_id, parts)
        self.audit.append("changed", reader=admin, case=case.case_id, submission=submission_id, shared=list(parts))

    def next_case(self, reader: str, *, order: str = "first", reading: int = 1, **more: Any) -> Offer | None:
        """The next case for a reader, leased to them, and why this one; None when there is none. See `Worklist.offer`.

        Raises
        ------
        RequestError, ModelError
        """
        offer = self._worklist.offer(reader, order, reading, **more)
        if offer is not None:
            self.cases.note_work()
            self._openings.note(offer.case.case_id, reader)
        return offer

    def report(self, image_id: str, reader: str | None, form: str, *, by: str | None = None) -> Path:
        """The report of the reader's newest measured submission.

        Parameters
        ----------
        image_id : str
        reader : str or None
            Whose report; the caller lets readers ask for their own only.
        form : "json", "html" or "pdf"
        by : str, optional
            Who asks, for the audit log, where that is not the reader.

        Raises
        ------
        NotFoundError
            That reader submitted nothing that could be measured.
        RequestError
            No reader, or another form.
        """
        case, _ = self.cases.of_image(image_id)
        if form not in REPORT_FILES:
            raise RequestError(f"The report's form is {str(form)[:60]!r}; it must be {', '.join(REPORT_FILES)}.")
        check_reader(reader or "")
        found = [one for one in self.submissions(image_id, reader) if one.measured]
        if not found:
            raise NotFoundError(f"{reader} has submitted nothing of case {case.case_id} that was measured; submit it first.")
        self.audit.append("exported", reader=by or reader, case=case.case_id, submission=found[-1].submission_id, form=form)
        return self.readings.folder_of(found[-1]) / REPORT_FILES[form]

    def public_name(self, reader: str) -> str:
        """What a reader is called outside this server: by name, or in a blinded study by a pseudonym."""
        return self._blinding.pseudonym(reader) if self._blinding else reader
