"""Segmentations that readers store in the archive from any viewer: found, checked, and taken as submissions.

What became of each lies in `corrections/cases/<case>/<SOP UID>.json`: a Segmentation is looked at once. A submission names the
Segmentation it was read from, so that a process killed in between takes none twice.

Who read is who stored it through this server's gateway, which asks for a login. Of what reached the archive otherwise it is who
the Segmentation names (ContentCreatorName, else OperatorsName): a login where it is one; another name, or none, becomes a reader
of its own, `archive-<name>` or `archive-unknown`.
"""

from __future__ import annotations

import logging
import re
import time
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from ..core.disease_region import DiseaseRegionError
from ..core.segment_names import CONSERVATIVE, DISEASE_REGION, INFLAMMATION, NORMAL_BONE
from ..errors import ArchiveError, InputError, NormalBoneError, RequestError
from ..provenance import now
from ..readings.data_folder import LEFTOVER, make_folder
from ..readings.submission import LAST_READING
from ..records import Kinds, read_remakable, write_json
from ..service.conduct import OutOfTurnError
from ..service.service import VhiService
from ..studies.dicom_files import read_header
from ..studies.dicom_seg_reader import read_segments
from ..studies.pairing import ROLES, Case, Role
from .authors import bare, named_person, plain, stated_reading, written_at
from .client import Archive
from .results import SEG_STIR, SEG_T1W, is_ours, uid_of

if TYPE_CHECKING:
    from pydicom.dataset import Dataset

Outcome = Literal["taken", "refused", "older", "other"]
UNKNOWN_READER = "archive-unknown"
# a part of what a reader hands in; display segments alone are no reading
PARTS = (NORMAL_BONE, DISEASE_REGION, INFLAMMATION, CONSERVATIVE)
# of one poll, so that what waits beside it gets its turn [s]
BUDGET_S = 5.0
# a case that could not be looked through is left alone for so long [s]
PAUSE_S = 60.0
_CONTENT: dict[str, Kinds] = {"sop_uid": str, "case_id": str, "outcome": str, "parts": list}
# instances of one request to store, up to which its sender is noted: a Segmentation is sent alone, images are not
MOST_NOTED = 20
log = logging.getLogger("vhi.pacs")


@dataclass(frozen=True)
class Correction:
    """One Segmentation of a case and what became of it.

    Attributes
    ----------
    outcome : "taken", "refused", "older" than one of the same reader that was taken, or "other" than a reader's correction
    reason : a sentence; empty where it was taken
    parts : names of the segments that count
    written : date and time of its content, as it says
    submission : the submission's id where it was taken
    """

    sop_uid: str
    case_id: str
    outcome: Outcome
    reason: str = ""
    reader: str = ""
    reading: int = 1
    parts: tuple[str, ...] = ()
    written: str = ""
    submission: str | None = None
    time: str = ""


class ArchiveCorrections:
    """Looks for new Segmentations of the cases, and submits them.

    Parameters
    ----------
    service : VhiService
        With cases of the archive.
    archive : Archive
    series_folder : callable
        The folder with the DICOM files of one of a case's two series.
    logins : callable
        The names of the accounts; None where nobody logs in, and every usable name is a reader's.
    version : callable
        A text that changes when something is added to a case's study; empty where that is not known.
    """

    def __init__(
        self,
        service: VhiService,
        archive: Archive,
        series_folder: Callable[[Case, Role], Path],
        logins: Callable[[], Collection[str] | None] = lambda: None,
        version: Callable[[Case], str] = lambda case: "",
    ) -> None:
        self._service, self._archive, self._series_folder = service, archive, series_folder
        self._logins, self._version = logins, version
        self._root = service.readings.root / "corrections" / "cases"
        self._senders = service.readings.root / "corrections" / "senders"
        make_folder(self._root)
        for leftover in self._root.parent.rglob(LEFTOVER):
            leftover.unlink(missing_ok=True)
        self._known: dict[str, dict[str, Correction]] = {}
        for path in self._root.glob("*/*.json"):
            # one that is damaged is looked at anew, as if it had just been found in the archive
            if (content := read_remakable(path, **_CONTENT)) is not None:
                with suppress(TypeError):
                    self._remember(_from_json(content))
        self._settled: dict[str, str] = {}
        self._not_before: dict[str, float] = {}

    def poll(self) -> int:
        """Look for what is new, for a few seconds at most; how many Segmentations were submitted.

        Raises
        ------
        ArchiveError
            The archive cannot be asked; the rest is looked at next time.
        """
        until, taken = time.monotonic() + BUDGET_S, 0
        for case in self._service.cases.index.cases:
            version = self._version(case)
            settled = bool(version) and self._settled.get(case.case_id) == version
            if case.archived is None or settled or time.monotonic() < self._not_before.get(case.case_id, 0.0):
                continue
            if time.monotonic() > until:
                break
            self._not_before[case.case_id] = time.monotonic() + PAUSE_S
            try:
                taken += sum(self._handle(case, correction) for correction in self._news(case))
            except ArchiveError:
                raise
            except Exception as error:  # of this case: others have their turn; no message, which may name a patient
                log.warning("segmentations of a case wait, they cannot be looked at now: %s", type(error).__name__)
            else:
                del self._not_before[case.case_id]
                self._settled[case.case_id] = version
        return taken

    def refused(self, reader: str | None = None) -> list[Correction]:
        """The refused corrections, the newest first; of one reader, or of all."""
        refused = [
            correction
            for known in list(self._known.values())
            for correction in list(known.values())
            if correction.outcome == "refused"
        ]
        return sorted(
            (correction for correction in refused if reader in (None, correction.reader)),
            key=lambda correction: correction.time,
            reverse=True,
        )

    def note_sender(self, sop_uids: Collection[str], reader: str) -> None:
        """Remember which reader stored some instances through the gateway.

        Raises
        ------
        OutputError
        """
        for uid in sop_uids if len(sop_uids) <= MOST_NOTED else ():
            if re.fullmatch(r"[0-9.]{1,64}", uid):
                make_folder(self._senders)
                write_json(self._senders / f"{uid}.json", {"reader": reader, "time": now()})

    def is_sent_by(self, sop_uid: str, reader: str) -> bool:
        """Whether that reader stored an instance through the gateway."""
        noted = read_remakable(self._senders / f"{sop_uid}.json", reader=str) if re.fullmatch(r"[0-9.]{1,64}", sop_uid) else None
        return noted is not None and noted["reader"] == reader

    def _news(self, case: Case) -> Iterator[Dataset]:
        """Segmentations that were not looked at yet and are not ours, in the order in which they were written."""
        if case.archived is None:
            return
        study, submissions = case.archived.study_uid, self._service.readings.of_case(case.case_id)
        known = {*self._known.get(case.case_id, ()), *(submission.source for submission in submissions if submission.source)}
        known |= {uid_of(submission, study, what) for submission in submissions for what in (SEG_STIR, SEG_T1W)}
        news: list[Dataset] = []
        for series in self._archive.series(study, Modality="SEG"):
            uids = (
                {instance.sop_uid for instance in self._archive.instances(study, series.series_uid)}
                if series.modality == "SEG"
                else set()
            )
            if uids - known:
                try:
                    objects = self._archive.retrieve(study, series.series_uid)
                except InputError as error:  # damaged or too large: it will be so the next time
                    for uid in sorted(uids - known):
                        self._note(Correction(uid, case.case_id, "refused", str(error)))
                    continue
                news += [dataset for dataset in objects if str(dataset.SOPInstanceUID) not in known]
        yield from sorted(news, key=lambda dataset: (written_at(dataset), str(dataset.SOPInstanceUID)))

    def _handle(self, case: Case, segmentation: Dataset) -> bool:
        """Submit a Segmentation, or note why not."""
        sop_uid = str(segmentation.SOPInstanceUID)
        role = self._drawn_on(case, segmentation)
        if is_ours(segmentation) or role is None:
            why = "This program made it." if role else "It is not drawn on the T1W or the STIR series of the case."
            self._note(Correction(sop_uid, case.case_id, "other", why))
            return False
        reader = self._reader_of(segmentation, case)
        reading = self._reading_of(segmentation, case, reader)
        facts: dict[str, Any] = {"reader": reader, "reading": reading, "written": written_at(segmentation)}
        image_id = case.image_id("STIR")
        grid = self._service.stir_grid(image_id)
        try:
            masks = read_segments(segmentation, grid, self._frame_of_reference(case, role))
            facts["parts"] = tuple(name for name in PARTS if name in masks)
            if not facts["parts"]:
                self._note(
                    Correction(sop_uid, case.case_id, "other", f"None of its segments is {' or '.join(PARTS[:3])}.", **facts)
                )
                return False
            newer = self._newer(case, **facts)
            if newer is not None:
                why = f"{reader} stored it before the one of submission {newer.submission}, which had been taken already."
                self._note(Correction(sop_uid, case.case_id, "older", why, **facts))
                return False
            made = self._service.submit_masks(image_id, masks, reader=reader, reading=reading, source=sop_uid)
        except (InputError, RequestError, NormalBoneError, DiseaseRegionError, OutOfTurnError) as error:
            self._note(Correction(sop_uid, case.case_id, "refused", str(error), **facts))
            self._service.audit.append("refused", reader=reader, case=case.case_id, source=sop_uid)
            log.warning("a segmentation in the archive was refused; /vhi/archive says why")
            return False
        self._note(Correction(sop_uid, case.case_id, "taken", submission=made.submission_id, **facts))
        log.info("a segmentation in the archive was taken as a submission")
        return True

    def _drawn_on(self, case: Case, segmentation: Dataset) -> Role | None:
        """Which series of the case: the one that is referred to, or STIR where none is and the frame of reference is its own."""
        if case.archived is None:
            return None
        named = {str(series.get("SeriesInstanceUID", "")) for series in segmentation.get("ReferencedSeriesSequence") or []}
        if not named:
            same = str(segmentation.get("FrameOfReferenceUID", "")) == self._frame_of_reference(case, "STIR")
            return "STIR" if same else None
        return next((role for role in reversed(ROLES) if case.archived.series_uid(role) in named), None)

    def _frame_of_reference(self, case: Case, role: Role) -> str:
        header = read_header(next(self._series_folder(case, role).glob("*.dcm")))
        return str(header.get("FrameOfReferenceUID", ""))

    def _newer(self, case: Case, reader: str, reading: int, written: str, parts: tuple[str, ...]) -> Correction | None:
        """One that was written later, was taken, and holds all that this one does."""
        return next(
            (
                correction
                for correction in self._known.get(case.case_id, {}).values()
                if (correction.outcome, correction.reader, correction.reading) == ("taken", reader, reading)
                and correction.written > written
                and {*parts} <= {*correction.parts}
            ),
            None,
        )

    # who read -----------------------------------------------------------------------------------------------------------------

    def _reader_of(self, segmentation: Dataset, case: Case) -> str:
        sender = read_remakable(self._senders / f"{segmentation.SOPInstanceUID}.json", reader=str)
        if sender is not None:
            return str(sender["reader"])
        logins, name = self._logins(), named_person(segmentation)
        handed_in = {submission.reader for submission in self._service.readings.of_case(case.case_id)}
        known: dict[str, str] = {}
        for reader in sorted({*logins} if logins is not None else handed_in):
            known |= {bare(self._service.public_name(reader)): reader, bare(reader): reader}
        for order in (name, name[::-1]):
            if bare("".join(order)) in known:
                return known[bare("".join(order))]
        login = re.sub(r"[^A-Za-z0-9._@-]+", "-", plain("-".join(filter(None, name)))).strip("-._@")
        if not login:
            return UNKNOWN_READER
        return login[:64] if logins is None else f"archive-{login}"[:64]

    def _reading_of(self, segmentation: Dataset, case: Case, reader: str) -> int:
        """The one that its description names ("reading 2"), else the one that the reader is in."""
        stated = stated_reading(segmentation)
        if stated is not None:
            return min(stated, LAST_READING)
        newest = self._service.readings.newest(case.case_id, reader)
        return newest.reading if newest else 1

    # what is known ------------------------------------------------------------------------------------------------------------

    def _note(self, correction: Correction) -> None:
        content = {**asdict(correction), "time": now()}
        make_folder(self._root / correction.case_id)
        write_json(self._root / correction.case_id / f"{correction.sop_uid}.json", content)
        self._remember(_from_json(content))

    def _remember(self, correction: Correction) -> None:
        self._known.setdefault(correction.case_id, {})[correction.sop_uid] = correction


def _from_json(content: Mapping[str, Any]) -> Correction:
    return Correction(**{**content, "parts": tuple(content["parts"])})
