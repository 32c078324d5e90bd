"""For a PACS: the report as Encapsulated PDF, and its pictures as RGB Secondary Capture, beside the other results."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from highdicom.uid import UID
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import EncapsulatedPDFStorage, ExplicitVRLittleEndian, SecondaryCaptureImageStorage

from ..core.stages import name_of
from .algorithm_identification import program_version, reader_name, series_description
from .codes import MANUFACTURER, MODEL_NAME
from .content import ReportContent
from .dicom_source import complete_result, source_headers

if TYPE_CHECKING:
    from collections.abc import Callable

    from ..core.change import Change

PDF_SERIES_NUMBER, PICTURES_SERIES_NUMBER = 5004, 5005
REPORT, PICTURE, VISITS = "report.dcm", "picture.dcm", "picture-visits.dcm"
PAGE_FILES = (REPORT, PICTURE, VISITS)
_OF_STUDY = (
    "PatientID",
    "PatientBirthDate",
    "PatientSex",
    "StudyInstanceUID",
    "StudyID",
    "StudyDate",
    "StudyTime",
    "AccessionNumber",
    "ReferringPhysicianName",
)


def pages_of(content: ReportContent, stir: Sequence[Dataset]) -> Mapping[str, Dataset]:
    """The report and its pictures as DICOM objects, by the name of their file.

    Parameters
    ----------
    content : ReportContent
    stir : sequence of Dataset
        The headers of the measured series: whose study the objects belong to.

    Raises
    ------
    InputError
        The headers lack what results repeat.
    """
    header = source_headers(stir, "STIR")[0]
    made: dict[str, Dataset] = {REPORT: _encapsulated_pdf(content, header)}
    series = UID()
    for number, (name, draw) in enumerate(_pictures(content).items(), start=1):
        made[name] = _secondary_capture(content, header, draw(), series, number)
    for dataset in made.values():
        complete_result(dataset, stir[0])
    return made


def _pictures(content: ReportContent) -> Mapping[str, Callable[[], np.ndarray]]:
    from ..figures.mosaic import mosaic_picture

    pages: dict[str, Callable[[], np.ndarray]] = {PICTURE: lambda: mosaic_picture(content.result)}
    visits = content.visits
    if visits is not None and visits.earlier_stir is not None:
        pages[VISITS] = lambda: _visits_pixels(visits)
    return pages


def _visits_pixels(visits: Change) -> np.ndarray:
    from ..figures.canvas import rgb_pixels
    from ..figures.two_visits import two_visits_figure
    from .pictures import CHART_DPI

    return rgb_pixels(two_visits_figure(visits), CHART_DPI)


def _encapsulated_pdf(content: ReportContent, header: Dataset) -> Dataset:
    from .pdf import pdf_bytes

    made = _object(content, header, _DOCUMENT, UID(), 1)
    document = pdf_bytes(content)
    # whose scan it is stands on the page, except in a blinded study
    made.BurnedInAnnotation = "YES" if any(name == "Patient" for name, _ in content.who) else "NO"
    made.AcquisitionDateTime = ""
    made.DocumentTitle = f"{content.title}: {content.vhi}".replace("mm³", "mm3")
    made.ConceptNameCodeSequence = []
    made.MIMETypeOfEncapsulatedDocument = "application/pdf"
    made.EncapsulatedDocumentLength = len(document)
    made.EncapsulatedDocument = document + b"\0" * (len(document) % 2)
    return made


def _secondary_capture(content: ReportContent, header: Dataset, pixels: np.ndarray, series: UID, number: int) -> Dataset:
    """`pixels` is `(rows, columns, 3)` uint8."""
    made = _object(content, header, _PICTURES, series, number)
    made.BurnedInAnnotation = "NO"  # no more than numbers of slices and sides
    made.ImageType = ["DERIVED", "SECONDARY"]
    made.PatientOrientation = ""
    made.BodyPartExamined = "PELVIS"  # not one of a pair
    made.DerivationDescription = f"{content.title}: {content.vhi}. {content.verdict}".replace("mm³", "mm3")[:1024]
    made.SamplesPerPixel, made.PhotometricInterpretation, made.PlanarConfiguration = 3, "RGB", 0
    made.Rows, made.Columns = pixels.shape[:2]
    made.BitsAllocated, made.BitsStored, made.HighBit, made.PixelRepresentation = 8, 8, 7, 0
    data = pixels.tobytes()
    made.PixelData = data + b"\0" * (len(data) % 2)
    return made


class _Kind(NamedTuple):
    """A kind of object: its SOP class, modality and series number, and what the list of series calls it."""

    sop_class: str
    modality: str
    series_number: int
    what: str


_DOCUMENT = _Kind(EncapsulatedPDFStorage, "DOC", PDF_SERIES_NUMBER, "report")
_PICTURES = _Kind(SecondaryCaptureImageStorage, "OT", PICTURES_SERIES_NUMBER, "pictures")


def _object(content: ReportContent, header: Dataset, kind: _Kind, series: UID, number: int) -> Dataset:
    """The attributes of both kinds of object: patient, study, series, equipment."""
    now = datetime.now()
    made = Dataset()
    made.file_meta = FileMetaDataset()
    made.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    made.SOPClassUID, made.SOPInstanceUID = UID(kind.sop_class), UID()
    made.file_meta.MediaStorageSOPClassUID, made.file_meta.MediaStorageSOPInstanceUID = UID(kind.sop_class), made.SOPInstanceUID
    for keyword in _OF_STUDY:
        setattr(made, keyword, header.get(keyword))
    made.Modality, made.SeriesNumber = kind.modality, kind.series_number
    made.SeriesInstanceUID, made.InstanceNumber = series, number
    made.SeriesDescription = series_description(f"{name_of(content.result.stage)} {kind.what}", reader_name(content))
    made.Manufacturer, made.ManufacturerModelName = MANUFACTURER, MODEL_NAME
    made.SoftwareVersions = program_version(content)
    made.ConversionType = "WSD"
    made.ContentDate, made.ContentTime = now.strftime("%Y%m%d"), now.strftime("%H%M%S")
    return made
