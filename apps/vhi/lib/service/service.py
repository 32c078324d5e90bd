"""`VhiService`: from the id of a series to regions, VHI, cleaning, submissions and reports.

It knows no web server. Every method may be called from any thread: work on one case is done one at a time, and so is the
networks' work; nothing else waits for anything.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ..core.chain import Chain
from ..core.cleaning import Click
from ..core.corrections import DisplayedLesions, corrections_of
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
from ..readings.submission import Submission, check_reader
from ..reports.numbers import plain
from ..studies.pairing import Case, CaseFinder, CaseSource, Role
from .answers import CleanAnswer, NormalBoneAnswer, RegionAnswer, ServiceConfig, VhiAnswer, Voxel
from .automatic import Automatic, AutomaticRegions
from .blinding import Blinding
from .cases import Cases
from .chains import Chains
from .change_summary import reading_sentences
from .cleanings import Cleanings, submitted_cleanings
from .decisions import Decisions, parse_decisions
from .drafting import Drafting
from .drawing import DrawnMap, segments_on_stir
from .evaluation import SubmissionMetadata
from .findings import Disk, damaged, model, share
from .measuring import MeasurementService
from .networks import Networks
from .openings import Openings
from .options import options_of, reading_number
from .precomputing import Precomputing
from .proposals import APPLY, CLEANING_DIR, OFF, Proposals, apply_clicks, checked_mode, render_result
from .regions import ActiveRegions
from .remaking import is_damaged, remake_reports
from .reopening import reading_facts, reading_labels, reopened
from .response_facts import normal_bone_facts, region_facts, response_facts
from .scans import Scans
from .scores import Scores
from .segments import segments_of_masks
from .submissions import Submissions
from .submitting import REPORT_FILES, Delivery
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
        config: ServiceConfig | None = None,
        post_transforms: Sequence[Chain] = (),
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
        self.chains = Chains(self.readings, post_transforms)
        self._measuring = MeasurementService(self.readings, automatic, proposals, self.chains, self.config.kept_results)
        self._openings = Openings(self.audit)
        self._submissions = Submissions(self._measuring, self._openings, self.audit, self.leases)
        log_unlogged(self.audit, self.readings)
        self._disk = Disk(root)
        self.cases = Cases(source, self.readings, self._blinding, self.config.loaded_cases)
        self.drafting = Drafting(self.cases, Drafts(self.readings))
        scores = Scores(root / "scores", automatic)
        self.precomputing = Precomputing(self.cases, self.readings, automatic, scores, self._blinding)
        self._worklist = Worklist(
            lambda: self.cases.index,
            self.cases.is_whole,
            self.readings,
            self.leases,
            scores,
            self._blinding,
            self.config,
            root / "reviews",
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

    def vhi(self, image_id: str, reader: str | None, values: Mapping[str, Any], drawn: DrawnMap | None = None) -> VhiAnswer:
        """VHI from the regions in force for a reader, or from regions that they drew and have not submitted.

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

        Raises
        ------
        VhiError
        """
        case, role = self.cases.of_image(image_id)
        chosen, options = options_of(values, {"show": INFLAMMATION, "reading": 1, "proposal": OFF})
        if options["show"] not in (INFLAMMATION, "both"):
            raise RequestError(f"show is {str(options['show'])[:60]!r}; it must be inflammation or both.")
        mode = checked_mode(options["proposal"])
        scans, regions, automatic = self._measured(case, role, reader, options["reading"], chosen, mode, drawn)
        seen = render_result(automatic, mode, options["show"] == "both")
        self._note_shown(scans, reader, options["reading"], regions, automatic, seen.result, Decisions(mode))
        facts = response_facts(scans, regions, seen, "server, vhi", role, automatic)
        return VhiAnswer(scans.seen(seen.labels, role), seen.names, scans.grid(role), facts)

    def clean(
        self,
        image_id: str,
        reader: str | None,
        values: Mapping[str, Any],
        remove: Sequence[Voxel],
        restore: Sequence[Voxel],
        drawn: DrawnMap | None = None,
    ) -> CleanAnswer:
        """VHI without the lesions that clicks removed: all clicks are replayed over the automatic result.

        Parameters
        ----------
        image_id, reader, values, drawn
            As for `vhi`, with `scope` ("lesion" or "slice") in place of `show`.
        remove, restore : sequences of (i, j, k)
            Voxel indices on the series' own grid; first all removals count, then all restorations.

        Raises
        ------
        VhiError
        """
        case, role = self.cases.of_image(image_id)
        chosen, options = options_of(values, {"scope": "lesion", "reading": 1, "proposal": OFF})
        if options["scope"] not in ("lesion", "slice"):
            raise RequestError(f"scope is {str(options['scope'])[:60]!r}; it must be lesion or slice.")
        if len(remove) + len(restore) > MOST_CLICKS:
            raise RequestError(f"{len(remove) + len(restore)} clicks were sent; at most {MOST_CLICKS} are replayed.")
        mode = checked_mode(options["proposal"])
        scans, regions, automatic = self._measured(case, role, reader, options["reading"], chosen, mode, drawn)
        removed, restored, scope = scans.voxels(remove, role), scans.voxels(restore, role), options["scope"]
        seen = apply_clicks(automatic, mode, removed, restored, scope)
        clicks = [*(Click("remove", one, scope) for one in removed), *(Click("restore", one, scope) for one in restored)]
        self._note_shown(scans, reader, options["reading"], regions, automatic, seen.result, Decisions(mode, tuple(clicks)))
        facts = response_facts(scans, regions, seen, "server, vhi_clean", role, automatic)
        proposal = automatic.proposal if mode == APPLY else None
        before = DisplayedLesions.after(
            automatic.lesion_labels, clicks, [] if proposal is None else [lesion.id for lesion in proposal.removed]
        )
        corrections = corrections_of(automatic, Mask(seen.result.grade > 0, scans.stir.grid, INFLAMMATION), before).as_dict()
        changes = {INFLAMMATION: plain(seen.changes)}
        messages = [*seen.messages, *reading_sentences(changes, corrections)]
        facts |= {"changes": changes, "corrections": corrections, "messages": messages}
        return CleanAnswer(scans.seen(seen.labels, role), seen.names, scans.grid(role), facts)

    def _measured(
        self,
        case: Case,
        role: Role,
        reader: str | None,
        reading: int,
        chosen: Mapping[str, Any],
        mode: str,
        drawn: DrawnMap | None,
    ) -> tuple[Scans, ActiveRegions, VhiResult]:
        if reader is not None:
            check_reader(reader)
        settings = self.chains.settings(case.case_id, reader, reading, chosen)
        self._openings.note(case.case_id, reader)
        with self.cases.loaded(case) as scans:
            submitted = None if drawn is None else segments_on_stir(scans, role, drawn)
            return scans, *self._measuring.show(scans, reader, reading, settings, mode, submitted)

    def _note_shown(self, scans: Scans, reader: str | None, reading: int, *shown: Any) -> None:
        with self.cases.loaded(scans.case):
            self._measuring.note_shown(scans, reader, reading, *shown)

    def findings(self) -> tuple[Finding, ...]:
        """What is wrong with the studies, the records, the disk and the networks; nothing where all is well."""
        unlogged = self._submissions.unlogged
        return (
            *share(self.cases),
            *damaged(self.cases),
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
        effort : mapping, optional
            See `lib.readings.effort`.
        stated
            `reader`, `reading`, `method`, `rating` and `amends`, see `lib.readings.submission`; `decisions`, `settings`,
            `displayed` and `confirmed`, see `SubmissionMetadata`. Without `amends` the reader's last submission of that reading
            and method is the one that is replaced, where there is one.

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
            metadata = _metadata(scans, role, **stated)
            submitted = segments_on_stir(scans, role, DrawnMap(labels, grid, segments))
            return self._submissions.accept(scans, submitted, metadata, effort, self.delivery)

    def preview(
        self,
        image_id: str,
        labels: np.ndarray,
        grid: Grid,
        segments: Sequence[tuple[str, int | Sequence[int]]],
        **stated: Any,
    ) -> dict[str, Any]:
        """Facts of the number that `submit` with the same arguments would keep; nothing is kept.

        Raises
        ------
        VhiError
            What `submit` would refuse.
        """
        case, role = self.cases.of_image(image_id)
        with self.cases.loaded(case) as scans:
            metadata = _metadata(scans, role, **stated)
            self._openings.note(case.case_id, metadata.reader)
            submitted = segments_on_stir(scans, role, DrawnMap(labels, grid, segments))
            return self._submissions.preview(scans, submitted, metadata, role)

    def reading(self, image_id: str, reader: str, reading: int = 1) -> dict[str, Any]:
        """What a reader handed in last in a reading, for going on with it, see `lib.service.reopening`.

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
        """Its label map on the grid of the series, in the values that `reading` states.

        Raises
        ------
        NotFoundError
        """
        case, role = self.cases.of_image(image_id)
        check_reader(reader)
        made = reopened(self.readings, case.case_id, reader, reading_number(reading))
        with self.cases.loaded(case) as scans:
            return scans.seen(reading_labels(self.readings, scans, made), role), scans.grid(role)

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
            metadata = SubmissionMetadata(reader, reading, method, rating, None, source)
            return self._submissions.accept(scans, submitted, metadata, delivery=self.delivery)

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
        ShareError
            The studies are away: there being no case says nothing.
        """
        if self.cases.away is not None:
            raise self.cases.away
        offer = self._worklist.offer(reader, order, reading, **more)
        if offer is not None:
            self.cases.note_work()
            self._openings.note(offer.case.case_id, reader)
        return offer

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
        found = [one for one in self.submissions(image_id, reader) if one.measured and submission in (None, one.submission_id)]
        if not found:
            raise NotFoundError(f"{reader} has submitted nothing of case {case.case_id} that was measured; submit it first.")
        self.audit.append("exported", reader=by or reader, case=case.case_id, submission=found[-1].submission_id, form=form)
        path = self.readings.folder_of(found[-1]) / REPORT_FILES[form]
        if is_damaged(path, found[-1]):
            with self.cases.loaded(case) as scans:
                remake_reports(self._measuring, scans, found[-1])
        return path

    def remake_reports(self, case: Case) -> tuple[str, ...]:
        """Make again what is damaged of the reports of a case; the paths of the files below the data folder.

        Raises
        ------
        VhiError
            One of them cannot be made again.
        """
        made: list[str] = []
        for one in self.readings.of_case(case.case_id):
            folder = self.readings.folder_of(one)
            if any(report_damage(folder, one)):
                with self.cases.loaded(case) as scans:
                    names = remake_reports(self._measuring, scans, one)
                made += [str((folder / name).relative_to(self.readings.root)) for name in names]
        return tuple(made)

    def public_name(self, reader: str) -> str:
        """What a reader is called outside this server: by name, or in a blinded study by a pseudonym."""
        return self._blinding.pseudonym(reader) if self._blinding else reader


def _metadata(
    scans: Scans,
    role: Role,
    *,
    reader: str,
    reading: Any = 1,
    method: str = "semi-automatic",
    rating: str | None = None,
    amends: str | None = None,
    decisions: Any = None,
    settings: Mapping[str, Any] | None = None,
    displayed: str | None = None,
    confirmed: str | None = None,
) -> SubmissionMetadata:
    """What a viewer states of a submission, checked."""
    check_reader(reader)
    for name, value in (("displayed", displayed), ("confirmed", confirmed)):
        if value is not None and not isinstance(value, str):
            raise RequestError(f"{name} is the result_id of an answer; found {str(value)[:60]!r}.")
    if settings is not None and not isinstance(settings, Mapping):
        raise RequestError(f"settings is an object of settings by name; found {str(settings)[:60]!r}.")
    return SubmissionMetadata(
        reader,
        reading_number(reading),
        method,
        rating or None,
        amends,
        decisions=None if decisions is None else parse_decisions(decisions, lambda voxels: scans.voxels(voxels, role)),
        settings=settings,
        displayed=displayed,
        confirmed=confirmed,
    )
