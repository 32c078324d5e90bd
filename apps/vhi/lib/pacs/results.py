"""A submission as it goes into the archive: Segmentations on the series that were drawn on, and a structured report.

| file in the submission's folder | object |
|---|---|
| `seg-stir.dcm` | on STIR: everything that was measured; of a submission that cannot be measured yet, the regions drawn |
| `seg-t1w.dcm` | on T1W: the disease region that the reader handed in |
| `sr.dcm` | structured report, TID 1500; where VHI was measured, be it zero |
| `report.dcm`, `picture.dcm` | on choice (`pacs_report`): the report as Encapsulated PDF, its pictures as Secondary Capture |

The files appear with the submission, whole, and their UIDs follow from it: what is sent twice is stored once.
"""

from __future__ import annotations

import json
import logging
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydicom.uid import UID

from ..core.segment_names import DISEASE_REGION, NORMAL_BONE
from ..errors import InputError, OutputError, VhiError
from ..readings.store import ReadingStore
from ..readings.submission import Submission
from ..reports.algorithm_identification import Maker, makers, person_name
from ..reports.codes import ARTIFICIAL_INTELLIGENCE, MANUFACTURER, MODEL_NAME
from ..reports.dicom_pages import PICTURE, REPORT, VISITS, pages_of
from ..reports.dicom_seg import SegmentationWords, segmentation, segmentation_of
from ..reports.dicom_source import write_dicom
from ..reports.dicom_sr import structured_report
from ..reports.parts import ScanFacts
from ..service.submission_files import content_of
from ..studies.dicom_series import one_series
from ..studies.pairing import Case, Role
from ..studies.scan_facts import day_of, patient_of, scanner_of
from .outbox import Outbox

if TYPE_CHECKING:
    from pydicom.dataset import Dataset

    from ..core.volume import Mask
    from ..reports import ReportContent
    from ..service.evaluation import EvaluatedSubmission
    from ..service.scans import Scans

SEG_STIR, SEG_T1W, SR = "seg-stir.dcm", "seg-t1w.dcm", "sr.dcm"
T1W_SERIES_NUMBER = 5003
# names of our UIDs
_NAMESPACE = uuid.UUID("6f1b0f0e-7c1d-5f0a-9d8e-2a6c4b1e7d35")
log = logging.getLogger("vhi.pacs")


class ArchiveResults:
    """Writes what a submission becomes in the archive, and puts it into the outbox.

    Parameters
    ----------
    readings : ReadingStore
    outbox : Outbox
        Over the same data folder.
    series_folder : callable
        The folder with the DICOM files of one of a case's two series.
    public_name : callable
        What a reader is called in the archive.
    with_pages : bool
        Whether the report and its pictures are sent too.
    """

    def __init__(
        self,
        readings: ReadingStore,
        outbox: Outbox,
        series_folder: Callable[[Case, Role], Path],
        public_name: Callable[[str], str],
        with_pages: bool = False,
    ) -> None:
        self._readings, self.outbox = readings, outbox
        self._series_folder, self._public_name, self._with_pages = series_folder, public_name, with_pages

    def write(self, folder: Path, scans: Scans, evaluated: EvaluatedSubmission, made: Submission) -> tuple[str, ...]:
        """Put the DICOM files into the submission's folder; a sentence where that is not possible.

        Raises
        ------
        OutputError
            The disk: nothing of the submission can be kept then.
        """
        try:
            objects = dict(self._objects(scans, evaluated, replace(made, reader=self._public_name(made.reader)), made))
        except OutputError:
            raise
        except VhiError as error:
            if not scans.case.blinded:
                return (f"The submission was kept, but nothing of it goes to the archive: {error}",)
            log.error("submission %s of %s cannot go to the archive: %s", made.submission_id, made.case_id, error)
            return ("The submission was kept, but nothing of it goes to the archive; the administrator's log says why.",)
        except Exception as error:  # a reader's work is never lost for a header that nobody foresaw
            log.error("a submission cannot be written as DICOM: %s", type(error).__name__)
            return (f"The submission was kept, but it could not be written as DICOM ({type(error).__name__}).",)
        for name, dataset in objects.items():
            write_dicom(dataset, folder / name)
        return ()

    def post(self, made: Submission) -> None:
        """Have the archive store a submission that was kept; what fails here is put into the outbox at the next start."""
        files = sorted(self._readings.folder_of(made).glob("*.dcm"))
        if not files:
            return
        try:
            self.outbox.put(f"{made.case_id}~{made.submission_id}", files)
        except OutputError as error:
            log.error("a submission waits for the next start to be sent: %s", type(error).__name__)

    def post_missing(self) -> None:
        """Post what a process left behind that was killed between keeping a submission and posting it."""
        for _, submissions in self._readings.intact():
            for made in submissions:
                self.post(made)

    def delivery_state(self, made: Submission) -> dict[str, Any]:
        """Whether a submission is in the archive by now, how many wait, and why; for its reader."""
        state = self.outbox.state()
        stored = self.outbox.has_sent(f"{made.case_id}~{made.submission_id}")
        return {"stored": stored, "waiting": state.waiting, "last_error": state.last_error}

    def _objects(
        self, scans: Scans, evaluated: EvaluatedSubmission, named: Submission, made: Submission
    ) -> Iterator[tuple[str, Dataset]]:
        stir, t1w = (self._headers(scans.case, role) for role in ("STIR", "T1W"))
        content = (
            None
            if evaluated.result is None
            else content_of(scans, evaluated, named, evaluated.result, _scan_facts(scans, stir[0]))
        )
        made_by = _drawn_by(evaluated, made) if content is None else makers(content)
        drawn = {name: mask for name, mask in evaluated.segments.items() if name in (NORMAL_BONE, DISEASE_REGION)}
        region = self._region_on_t1w(drawn.get(DISEASE_REGION), t1w, made_by, named, content)
        if region is not None:
            yield SEG_T1W, _known_as(region, made, SEG_T1W)
        if content is None:
            if region is not None:
                drawn.pop(DISEASE_REGION)
            words = SegmentationWords(person_name(named.reader), _program(made), "Regions that VHI is measured with", "Regions")
            seg = segmentation_of(drawn, stir, "STIR", made_by, words)
        else:
            seg = segmentation(content, stir)
        if seg is not None:
            yield SEG_STIR, _known_as(seg, made, SEG_STIR)
        if content is not None:
            yield SR, _known_as(structured_report(content, stir, t1w, seg), made, SR)
            if self._with_pages:
                for name, page in pages_of(content, stir).items():
                    yield name, _known_as(page, made, name)

    def _region_on_t1w(
        self,
        region: Mask | None,
        t1w: Sequence[Dataset],
        made_by: Mapping[str, Maker],
        named: Submission,
        content: ReportContent | None,
    ) -> Dataset | None:
        if region is None:
            return None
        words = SegmentationWords(
            person_name(named.reader), _program(named), "Disease region that VHI is measured in", "Disease region"
        )
        try:
            seg = segmentation_of({DISEASE_REGION: region}, t1w, "T1W", made_by, words)
        except InputError:  # T1W was resampled: the region lies on the voxels of STIR alone
            return None
        if seg is not None:
            seg.SeriesNumber = T1W_SERIES_NUMBER
        return seg

    def _headers(self, case: Case, role: Role) -> list[Dataset]:
        series, _ = one_series(self._series_folder(case, role), role)
        return list({frame.path: frame.header for frame in series.frames}.values())


def is_ours(dataset: Dataset) -> bool:
    """Whether this program, or another copy of it, made an object."""
    return (str(dataset.get("Manufacturer", "")), str(dataset.get("ManufacturerModelName", ""))) == (MANUFACTURER, MODEL_NAME)


def uids_of(made: Submission, study_uid: str) -> frozenset[str]:
    """The instances that a submission becomes, whether or not each of them was made."""
    return frozenset(uid_of(made, study_uid, what) for what in (SEG_STIR, SEG_T1W, SR, REPORT, PICTURE, VISITS))


def uid_of(made: Submission, study_uid: str, what: str) -> str:
    """The UID of something that belongs to a submission: the same whenever it is asked for, and never another's."""
    facts = [
        study_uid,
        made.case_id,
        made.submission_id,
        made.created,
        dict(made.scans),
        [segment.sha256 for segment in made.segments],
        what,
    ]
    return f"2.25.{uuid.uuid5(_NAMESPACE, json.dumps(facts, sort_keys=True)).int}"


def _scan_facts(scans: Scans, header: Dataset) -> ScanFacts | None:
    return None if scans.case.blinded else ScanFacts(patient_of(header), day_of(header), scanner_of(header))


def _known_as(dataset: Dataset, made: Submission, what: str) -> Dataset:
    study_uid = str(dataset.StudyInstanceUID)
    dataset.SOPInstanceUID = UID(uid_of(made, study_uid, what))
    dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
    dataset.SeriesInstanceUID = UID(uid_of(made, study_uid, f"series of {what}"))
    return dataset


def _drawn_by(evaluated: EvaluatedSubmission, made: Submission) -> dict[str, Maker]:
    """Of regions that nothing was measured from yet."""
    unchanged, corrected = (
        Maker(kind, "VHI disease region ensemble", _program(made), ARTIFICIAL_INTELLIGENCE)
        for kind in ("AUTOMATIC", "SEMIAUTOMATIC")
    )
    drawn = corrected if DISEASE_REGION in evaluated.changes else Maker("MANUAL")
    return {NORMAL_BONE: Maker("MANUAL"), DISEASE_REGION: unchanged if DISEASE_REGION in evaluated.proposals else drawn}


def _program(made: Submission) -> str:
    return str(made.versions.get("vhi", "unknown"))
