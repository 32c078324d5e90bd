"""`VhiService`: from the id of a series to regions, VHI, cleaning, submissions and reports.

It knows no web server. Every method may be called from any thread: work on one case is done one at a time, and so is the
networks' work; nothing else waits for anything.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from ..core.chain import Chain
from ..core.cleaning import pieces_after
from ..core.corrections import corrections_of
from ..core.gestures import clicks
from ..core.numbers import plain
from ..core.pipeline import VhiResult
from ..core.segment_names import DISEASE_REGION, INFLAMMATION, NORMAL_BONE
from ..core.settings import VhiSettings
from ..core.volume import Grid, Mask, check_same_grid
from ..errors import NormalBoneError, NotFoundError, RequestError
from ..findings import Finding
from ..readings.audit import AuditLog, log_unlogged
from ..readings.checking import report_damage
from ..readings.drafts import Drafts
from ..readings.leases import Leases
from ..readings.store import SHARED_PARTS, ReadingStore
from ..readings.submission import Submission, check_reader, reading_number
from ..retraining.holdout import PATIENTS
from ..retraining.patients import patients_of
from ..retraining.retraining_folder import RetrainingFolder
from ..sentences import without_uids
from ..studies.pairing import Case, CaseFinder, CaseSource, Role
from .answers import Answer, Voxel
from .automatic import Automatic, AutomaticRegions
from .blinding import Blinding
from .cases import Cases
from .chains import Chains
from .change_summary import reading_sentences
from .cleanings import Cleanings, submitted_cleanings
from .conduct import Conduct
from .doubts import checked_choice
from .drafting import Drafting
from .drawing import DrawnMap, segments_on_stir
from .earlier import EarlierVisits, VisitBeside
from .evaluation import StatedMetadata, SubmissionMetadata
from .fates import Fates, gives_label
from .findings import Disk, archive, conduct, damaged, model, share
from .gestures import Decisions, parse_decisions, parse_gestures
from .measuring import MeasurementService
from .networks import Networks
from .precomputing import Precomputing
from .proposals import CLEANING_DIR, OFF, Proposals, apply_gestures, checked_mode, render_result
from .reading_list import ReadingList, ReadingStudy
from .reading_timer import ReadingTimer
from .remaking import is_damaged, remake_reports
from .reopening import reading_facts, reading_labels, reopened
from .response_facts import clicked_bone_facts, normal_bone_facts, piece_facts, region_facts, response_facts
from .reviewing import Reviewing
from .scans import Scans
from .scores import Scores
from .segments import segments_of_masks
from .skipped import Skipped
from .study_config import StudyConfig
from .submission_files import REPORT_FILES, Delivery
from .submissions import Submissions
from .turns import Turns
from .worklist import Offer, Worklist

MODEL_DIR = Path(__file__).resolve().parents[2] / "model" / "disease_region"
DATA_FOLDER = ".vhi"
MOST_CLICKS = 10_000
BLINDED_WORDS = "This study is blinded: what the archive said is for its administrator."


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
    config : StudyConfig
    post_transforms : sequence of Chain
        A site's own, offered by name beside the paper's; readings that begin are measured with the first.

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
        config: StudyConfig | None = None,
        post_transforms: Sequence[Chain] = (),
    ) -> None:
        self.config = config or StudyConfig()
        source: CaseSource = CaseFinder(studies) if isinstance(studies, Path) else studies
        index = source.find()  # before anything is written
        if isinstance(studies, Path):
            self.config.conduct.check_known(index)
        root = Path(data) if data is not None else Path(studies) / DATA_FOLDER  # type: ignore[arg-type]
        self.readings = ReadingStore(root, {"blinded": True, "seed": self.config.seed} if self.config.blinded else {})
        self.audit = AuditLog(root / "audit.jsonl")
        self.leases = Leases(root / "leases", self.config.lease_minutes, several_readers=self.config.several_readers)
        self.networks = Networks(Path(model_dir), root)
        # where submissions are delivered to, beside the data folder; set at start, where there is such a place
        self.delivery: Delivery | None = None
        self._blinding = Blinding(root, self.config.seed) if self.config.blinded else None
        automatic = Automatic(root / "precomputed", self.networks, self.config.loaded_cases)
        proposals = Proposals(Path(cleaning_dir), root)
        self.chains = Chains(self.readings, post_transforms)
        self._proposals = proposals
        self._measuring = MeasurementService(self.readings, automatic, proposals, self.chains, self.config.kept_results)
        self._openings = ReadingTimer(self.audit)
        self.conduct = Conduct(
            self.readings, self.config.conduct, self._blinding.alias if self._blinding else lambda case_id: case_id
        )
        log_unlogged(self.audit, self.readings)
        self._disk = Disk(root)
        self.cases = Cases(source, self.readings, self._blinding, self.config.loaded_cases)
        self.reviewing = Reviewing(self.cases, self.audit)
        self._earlier = EarlierVisits(self.cases, self.config)
        self._submissions = Submissions(self._measuring, self._openings, self.audit, self.leases, self._earlier, self.conduct)
        drafts = Drafts(self.readings)
        self.drafting = Drafting(self.cases, drafts)
        study = ReadingStudy(self.cases, self.readings, self.leases, Skipped(root / "skipped"), self._blinding, self.config)
        self.reading_list = ReadingList(study, drafts, self.conduct)
        scores = Scores(root / "scores", automatic)
        self.precomputing = Precomputing(self.cases, self.readings, automatic, scores, self._blinding)
        self._turns = Turns(
            self.readings,
            self.conduct,
            lambda: patients_of(root, source, self.cases.index.cases),
            RetrainingFolder(root).root / PATIENTS,
        )
        if self.config.blinded:
            patients_of(root)  # a table that cannot be used is refused now, not passed over when readers are offered cases
        self._worklist = Worklist(study, scores, root / "reviews", self._turns)

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

    def disease_region(self, image_id: str, reader: str | None = None, reading: int = 1) -> Answer:
        """The automatic disease region; by the version of the networks that the reader was shown first in that reading.

        Raises
        ------
        VhiError
            Unknown id (UnknownImageError), unusable scans, no bone, no model.
        """
        case, role = self.cases.of_image(image_id)
        scans, regions = self._automatic_of(case, reader, reading)
        labels = scans.to_series_grid(regions.region.mask.data.astype(np.uint8), role)
        return Answer(labels, {DISEASE_REGION: 1}, scans.grid(role), region_facts(case.case_id, regions))

    def normal_bone(self, image_id: str, reader: str | None = None, reading: int = 1) -> Answer:
        """The automatic proposal of normal bone, in the automatic disease region that `disease_region` gives.

        Raises
        ------
        VhiError
            As `disease_region`; NormalBoneError where no place for it was found.
        """
        case, role = self.cases.of_image(image_id)
        scans, regions = self._automatic_of(case, reader, reading)
        if regions.normal_bone is None:
            raise NormalBoneError(regions.no_normal_bone or "No normal bone was found; draw it by hand on STIR.")
        facts = normal_bone_facts(case.case_id, regions, regions.normal_bone)
        labels = scans.to_series_grid(regions.normal_bone.data.astype(np.uint8), role)
        return Answer(labels, {NORMAL_BONE: 1}, scans.grid(role), facts)

    def _automatic_of(self, case: Case, reader: str | None, reading: int) -> tuple[Scans, AutomaticRegions]:
        with self.cases.loaded(case) as scans:
            return scans, self._measuring.automatic_regions_for(reader, reading_number(reading))(scans)

    # VHI ----------------------------------------------------------------------------------------------------------------

    def normal_bone_from_clicks(
        self,
        image_id: str,
        reader: str | None,
        clicks: Sequence[Voxel],
        values: Mapping[str, Any] | None = None,
        drawn: DrawnMap | None = None,
    ) -> Answer:
        """Normal bone grown from a reader's clicks, in the disease region in force for them or drawn; facts: both thresholds too.

        Parameters
        ----------
        clicks : sequence of (i, j, k)
            Voxels of the series' own grid.
        values : mapping, optional
            `reading` (1), and the settings that the thresholds follow from; without any, those of the number that the reader
            was shown last.

        Raises
        ------
        VhiError
            NormalBoneError for clicks that are not in marrow.
        """
        case, role = self.cases.of_image(image_id)
        chosen, options = _split_options(values or {}, {"reading": 1})
        settings = self.chains.settings_next(case.case_id, reader, options["reading"], chosen)
        with self.cases.loaded(case) as scans:
            submitted = None if drawn is None else segments_on_stir(scans, role, drawn)
            places = scans.voxels_to_stir_grid(clicks, role)
            bone = self._measuring.grow(scans, reader, options["reading"], places, submitted)
        facts = clicked_bone_facts(case.case_id, bone, scans.stir, settings.threshold_rule)
        labels = scans.to_series_grid(bone.mask.data.astype(np.uint8), role)
        return Answer(labels, {NORMAL_BONE: 1}, scans.grid(role), facts)

    def vhi(
        self,
        image_id: str,
        reader: str | None,
        values: Mapping[str, Any],
        drawn: DrawnMap | None = None,
        clicks: Sequence[Voxel] = (),
    ) -> Answer:
        """VHI from the regions in force for a reader, or from regions that they drew and have not submitted.

        Facts: the content of `vhi.json`, and `used`: where `normal bone` and `disease region` each came from.

        Parameters
        ----------
        image_id : str
            Of either series.
        reader : str or None
            None is offered the study's shared regions, else the automatic ones.
        values : mapping
            Settings by name, `post_transforms` (the name of a chain), `show` ("inflammation" or "both"), `proposal` ("off",
            "show", "apply") and `reading` (1).
        drawn : DrawnMap, optional
            The regions to measure with; kept nowhere.
        clicks : sequence of (i, j, k)
            Voxels of the series' own grid in normal bone, which is grown from them; kept nowhere.

        Raises
        ------
        VhiError
        """
        case, role = self.cases.of_image(image_id)
        chosen, options = _split_options(values, {"show": INFLAMMATION, "reading": 1, "proposal": OFF})
        if options["show"] not in (INFLAMMATION, "both"):
            raise RequestError(f"show is {str(options['show'])[:60]!r}; it must be inflammation or both.")
        mode = checked_mode(options["proposal"])
        version = self._measuring.proposal_version(mode)
        settings = self._begin(case, reader, options["reading"], chosen)
        with self.cases.loaded(case) as scans:
            submitted = None if drawn is None else segments_on_stir(scans, role, drawn)
            places = scans.voxels_to_stir_grid(clicks, role)
            regions = self._measuring.regions_shown(scans, reader, options["reading"], submitted, places)
            automatic = self._measuring.result(scans, version, regions, settings)
            displayed = render_result(automatic, mode, self._proposals, options["show"] == "both")
            self._measuring.note_shown(scans, reader, options["reading"], regions, displayed, Decisions(mode))
        facts = response_facts(scans, regions, displayed, "server, vhi", role, reader)
        facts |= self._since_earlier(scans, displayed.result, reader, options["reading"])
        return Answer(scans.to_series_grid(displayed.labels, role), displayed.names, scans.grid(role), facts)

    def clean(
        self,
        image_id: str,
        reader: str | None,
        values: Mapping[str, Any],
        remove: Sequence[Voxel],
        restore: Sequence[Voxel],
        drawn: DrawnMap | None = None,
    ) -> Answer:
        """VHI without the lesions that clicks and gestures removed: all are replayed over the automatic result.

        Facts: those of `vhi`, and `changes` (lesions kept and removed), `corrections`, `pieces`.

        Parameters
        ----------
        image_id, reader, values, drawn
            As for `vhi`, with `scope` ("lesion" or "slice") and `gestures` (see `lib.service.gestures`) in place of `show`.
        remove, restore : sequences of (i, j, k)
            Voxel indices on the series' own grid; first all removals count, then all restorations, then the gestures in order.

        Raises
        ------
        VhiError
        """
        case, role = self.cases.of_image(image_id)
        chosen, options = _split_options(values, {"scope": "lesion", "gestures": [], "reading": 1, "proposal": OFF})
        if options["scope"] not in ("lesion", "slice"):
            raise RequestError(f"scope is {str(options['scope'])[:60]!r}; it must be lesion or slice.")
        if len(remove) + len(restore) > MOST_CLICKS:
            raise RequestError(f"{len(remove) + len(restore)} clicks were sent; at most {MOST_CLICKS} are replayed.")
        mode = checked_mode(options["proposal"])
        # a version that is published meanwhile would decide otherwise on what stands on the screen
        shown = None if reader is None else self.readings.proposal_shown(case.case_id, reader, options["reading"])
        version = self._measuring.proposal_version(mode, shown)
        settings = self._begin(case, reader, options["reading"], chosen)
        with self.cases.loaded(case) as scans:
            submitted = None if drawn is None else segments_on_stir(scans, role, drawn)
            regions = self._measuring.regions_shown(scans, reader, options["reading"], submitted)
            automatic = self._measuring.result(scans, version, regions, settings)
            removed, restored = (scans.voxels_to_stir_grid(voxels, role) for voxels in (remove, restore))
            drawn_after = parse_gestures(options["gestures"], "gestures", partial(scans.points_to_stir_grid, role=role))
            gestures = (*clicks(removed, restored, options["scope"]), *drawn_after)
            displayed = apply_gestures(automatic, mode, gestures, self._proposals)
            self._measuring.note_shown(scans, reader, options["reading"], regions, displayed, Decisions(mode, gestures))
        facts = response_facts(scans, regions, displayed, "server, vhi_clean", role, reader)
        facts |= self._since_earlier(scans, displayed.result, reader, options["reading"])
        shown_mask = Mask(displayed.result.grade > 0, scans.stir.grid, INFLAMMATION)
        corrections = corrections_of(automatic, shown_mask, displayed.lesions).as_dict()
        changes = {INFLAMMATION: plain(displayed.changes)}
        messages = [*displayed.messages, *reading_sentences(changes, corrections)]
        facts |= {
            "changes": changes,
            "corrections": corrections,
            "messages": messages,
            "without_effect": list(displayed.messages),
        }
        pieces = pieces_after(automatic, gestures)
        facts["pieces"] = [] if pieces is None else piece_facts(pieces, scans, role)
        return Answer(scans.to_series_grid(displayed.labels, role), displayed.names, scans.grid(role), facts)

    def _begin(self, case: Case, reader: str | None, reading: int, chosen: Mapping[str, Any]) -> VhiSettings:
        """The settings that a reading is measured with; the reader has the case before them from now on."""
        if reader is not None:
            check_reader(reader)
        settings = self.chains.settings(case.case_id, reader, reading, chosen)
        self._openings.note(case.case_id, reader)
        return settings

    def _since_earlier(self, scans: Scans, result: VhiResult, reader: str | None, reading: int) -> dict[str, Any]:
        """The change since the patient's earlier visit; nothing where there is none."""
        return self._earlier.facts(self._earlier.since(scans, result, reader, reading), reader)

    def earlier(self, image_id: str, reader: str, reading: int = 1) -> VisitBeside:
        """The patient's earlier visit on the grid of this case's STIR, see `EarlierVisits.visit_on_grid`.

        Raises
        ------
        VhiError
        """
        case, _ = self.cases.of_image(image_id)
        check_reader(reader)
        with self.cases.loaded(case) as scans:
            return self._earlier.visit_on_grid(scans, reader, reading_number(reading))

    def findings(self) -> tuple[Finding, ...]:
        """Findings about the studies, the records, the disk and the networks; none where all is well."""
        unlogged = self._submissions.unlogged
        return (
            *share(self.cases),
            *archive(self.cases),
            *damaged(self.cases),
            *conduct(self.cases, self.conduct, self._turns),
            *self._disk.findings(),
            *model(self.networks),
            *([Finding("unlogged", "A submission was kept that the audit log lacks until there is room.")] if unlogged else []),
        )

    def catch_up(self) -> None:
        """Log what could not be logged when it was kept; nothing where there is no such thing.

        Raises
        ------
        OutputError
            It cannot be logged yet.
        """
        if self._submissions.unlogged:
            log_unlogged(self.audit, self.readings)
            self._submissions.unlogged = False

    # readers ------------------------------------------------------------------------------------------------------------

    def submit(
        self,
        image_id: str,
        labels: np.ndarray,
        grid: Grid,
        segments: Sequence[tuple[str, int | Sequence[int]]],
        normal_bone_clicks: Sequence[Voxel] = (),
        *,
        effort: Any = None,
        **stated: Any,
    ) -> Submission:
        """Keep what a reader hands in, measure it and write its report.

        Parameters
        ----------
        image_id : str
            Of either series.
        labels : (I, J, K) array
            One flattened map; what comes later in the list of segments covers what came before. See `segments_of_map` for
            segments that overlap.
        grid : Grid
            Of the map; it must be the scans'.
        segments : sequence of (name, value)
            Routed by name. A region that is missing or empty was not changed. `inflammation` that is listed and empty is no
            inflammation, except beside a newly drawn region before the reader ever asked for VHI: then it is a viewer's
            placeholder. What other segments cover of the region that the reader started from is filled in again; a region that
            then is the automatic proposal, voxel for voxel, stays the proposal.
        normal_bone_clicks : sequence of (i, j, k)
            Voxels of the series that normal bone was grown from; it is grown again, and a mask that differs was drawn.
        effort : mapping, optional
            See `lib.readings.effort`.
        stated
            `reader`, `reading`, `method`, `rating` and `amends`, see `lib.readings.submission`; `decisions`, `settings`,
            `displayed`, `confirmed` and `doubts`, see `SubmissionMetadata`. Without `amends` the reader's last submission of that
            reading and method is the one that is replaced, where there is one.

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
        with self.cases.loaded(case) as scans:
            metadata = _metadata(scans, role, StatedMetadata(**stated))
            submitted = segments_on_stir(scans, role, DrawnMap(labels, grid, segments, normal_bone_clicks))
            return self._submissions.accept(scans, submitted, metadata, effort, self.delivery)

    def preview(
        self,
        image_id: str,
        labels: np.ndarray,
        grid: Grid,
        segments: Sequence[tuple[str, int | Sequence[int]]],
        normal_bone_clicks: Sequence[Voxel] = (),
        **stated: Any,
    ) -> dict[str, Any]:
        """Facts of the number that `submit` with the same arguments would keep; nothing is kept.

        `labels` is an `(I, J, K)` map on `grid`, as for `submit`.

        Raises
        ------
        VhiError
            What `submit` would refuse.
        """
        case, role = self.cases.of_image(image_id)
        with self.cases.loaded(case) as scans:
            metadata = _metadata(scans, role, StatedMetadata(**stated))
            self._openings.note(case.case_id, metadata.reader)
            submitted = segments_on_stir(scans, role, DrawnMap(labels, grid, segments, normal_bone_clicks))
            return self._submissions.preview(scans, submitted, metadata, role)

    def reading(self, image_id: str, reader: str, reading: int = 1) -> dict[str, Any]:
        """The reader's last submission of a reading, for going on with it, see `lib.service.reopening`.

        Raises
        ------
        NotFoundError
            Nothing was.
        """
        case, role = self.cases.of_image(image_id)
        check_reader(reader)
        made = reopened(self.readings, case.case_id, reader, reading_number(reading))
        self._openings.note(case.case_id, reader)
        with self.cases.loaded(case) as scans:
            return reading_facts(self.readings, scans, role, made)

    def reading_labels(self, image_id: str, reader: str, reading: int = 1) -> tuple[np.ndarray, Grid]:
        """The reader's `(I, J, K)` uint8 label map on the grid of the series, in the values that `reading` states, and that grid.

        Raises
        ------
        NotFoundError
        """
        case, role = self.cases.of_image(image_id)
        check_reader(reader)
        made = reopened(self.readings, case.case_id, reader, reading_number(reading))
        with self.cases.loaded(case) as scans:
            return scans.to_series_grid(reading_labels(self.readings, scans, made), role), scans.grid(role)

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
        rating: str | None = None,
        source: str | None = None,
    ) -> Submission:
        """The same for masks that are kept apart, as a DICOM Segmentation has them: semi-automatic readings.

        Parameters
        ----------
        image_id : str
            Of either series.
        masks : mapping of name to Mask
            On the grid of STIR; routed by name. None at all, where the automatic disease region is rated and nothing drawn.
        reader, reading, rating, source
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
            metadata = SubmissionMetadata(reader, reading, "semi-automatic", rating, None, source)
            return self._submissions.accept(scans, submitted, metadata, delivery=self.delivery)

    def fate(self, image_id: str, reader: str | None, submission: str | None = None) -> str | None:
        """The fate of the region of a submission, in a sentence for its reader; None where there is none.

        Of the reader's newest submission of a case that gives a region, or of the one that is named.
        """
        case, _ = self.cases.of_image(image_id)
        made = self.readings.of_case(case.case_id)
        own = [
            handed_in
            for handed_in in made
            if handed_in.reader == reader and gives_label(handed_in) and submission in (None, handed_in.submission_id)
        ]
        fate = self.fates().of(own[-1], made) if own else None
        return None if fate is None else fate["reason"]

    def fates(self) -> Fates:
        """The fates of submissions in retraining, as of now."""
        return Fates.read(self.readings)

    def submissions(self, image_id: str, reader: str | None) -> tuple[Submission, ...]:
        """A reader's own submissions of a case, oldest first; everyone's for None, which is for administrators."""
        case, _ = self.cases.of_image(image_id)
        return tuple(
            submission for submission in self.readings.of_case(case.case_id) if reader is None or submission.reader == reader
        )

    def cleanings(self, patient_of: Callable[[str], str]) -> Cleanings:
        """Readers' submissions, for the cleaning proposal to learn from."""
        by_id = {case.case_id: case for case in self.cases.listed.cases}

        def measure(submission: Submission, settings: VhiSettings) -> VhiResult:
            if submission.case_id not in by_id:
                raise NotFoundError("its scans are no longer there.")
            with self.cases.loaded(by_id[submission.case_id]) as scans:
                regions = self._measuring.regions(scans, submission.reader, submission.reading)
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
        ShareError
            The studies are away: there being no case says nothing.
        """
        if self.cases.away is not None:
            raise self.cases.away
        offer = self._worklist.offer(reader, order, reading, **more)
        if offer is not None:
            self.cases.note_work()
            self._openings.note(offer.case.case_id, reader)
            self.audit.append("offered", reader=reader, case=offer.case.case_id, reading=reading, reason=offer.reason)
        return offer

    def why_no_case(self, reader: str, *, order: str = "first", reading: int = 1, **more: Any) -> str:
        """Why `next_case`, asked the same, had none: a sentence for the reader."""
        return self._worklist.why_none(reader, order, reading, **more)

    def report(
        self, image_id: str, reader: str | None, form: str, *, by: str | None = None, submission: str | None = None
    ) -> Path:
        """The report of the reader's newest measured submission, or of the one that is named.

        Parameters
        ----------
        image_id : str
        reader : str or None
            Whose report; the caller lets readers ask for their own only.
        form : "json", "html" or "pdf"
        by : str, optional
            Who asks, for the audit log, where that is not the reader.
        submission : str, optional
            The id of one of the reader's submissions.

        Raises
        ------
        NotFoundError
            That reader submitted nothing that could be measured.
        DamagedError
            It is damaged, and cannot be made again.
        RequestError
            No reader, or another form.
        """
        case, _ = self.cases.of_image(image_id)
        if form not in REPORT_FILES:
            raise RequestError(f"The report's form is {str(form)[:60]!r}; it must be {', '.join(REPORT_FILES)}.")
        check_reader(reader or "")
        measured = [
            handed_in
            for handed_in in self.submissions(image_id, reader)
            if handed_in.measured and submission in (None, handed_in.submission_id)
        ]
        if not measured:
            raise NotFoundError(f"{reader} has submitted nothing of case {case.case_id} that was measured; submit it first.")
        self.audit.append("exported", reader=by or reader, case=case.case_id, submission=measured[-1].submission_id, form=form)
        path = self.readings.folder_of(measured[-1]) / REPORT_FILES[form]
        if is_damaged(path, measured[-1]):
            with self.cases.loaded(case) as scans:
                remake_reports(self._measuring, self._earlier, scans, measured[-1])
        return path

    def remake_reports(self, case: Case) -> tuple[str, ...]:
        """Make again what is damaged of the reports of a case; the paths of the files below the data folder.

        Raises
        ------
        VhiError
            One of them cannot be made again.
        """
        made: list[str] = []
        for submission in self.readings.of_case(case.case_id):
            folder = self.readings.folder_of(submission)
            if any(report_damage(folder, submission)):
                with self.cases.loaded(case) as scans:
                    names = remake_reports(self._measuring, self._earlier, scans, submission)
                made += [str((folder / name).relative_to(self.readings.root)) for name in names]
        return tuple(made)

    def for_readers(self, sentence: str) -> str:
        """The sentence as readers may see it, without UIDs; in a blinded study a fixed sentence in its place."""
        return BLINDED_WORDS if self.config.blinded else without_uids(sentence)

    def public_name(self, reader: str) -> str:
        """A reader's name outside this server: as it is, or in a blinded study by a pseudonym."""
        return self._blinding.pseudonym(reader) if self._blinding else reader


def _split_options(values: Mapping[str, Any], own: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Settings of the method by name, and the options of a task, which `own` names with their defaults."""
    settings = {name: value for name, value in values.items() if name not in own}
    options = {name: values.get(name, default) for name, default in own.items()}
    return settings, {**options, "reading": reading_number(options["reading"])}


def _metadata(scans: Scans, role: Role, stated: StatedMetadata) -> SubmissionMetadata:
    """The metadata of a submission as a viewer states them, checked."""
    check_reader(stated.reader)
    for name, value in (("displayed", stated.displayed), ("confirmed", stated.confirmed)):
        if value is not None and not isinstance(value, str):
            raise RequestError(f"{name} is the result_id of an answer; found {str(value)[:60]!r}.")
    if stated.settings is not None and not isinstance(stated.settings, Mapping):
        raise RequestError(f"settings is an object of settings by name; found {str(stated.settings)[:60]!r}.")
    to_stir_grid = partial(scans.points_to_stir_grid, role=role)
    return SubmissionMetadata(
        stated.reader,
        reading_number(stated.reading),
        stated.method,
        stated.rating or None,
        stated.amends,
        decisions=None if stated.decisions is None else parse_decisions(stated.decisions, to_stir_grid),
        settings=stated.settings,
        displayed=stated.displayed,
        confirmed=stated.confirmed,
        doubts=checked_choice(stated.doubts),
    )
