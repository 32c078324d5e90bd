"""The headers of the measured series, as results refer to them: where each frame lies, and what scanners leave out."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from io import BytesIO
from pathlib import Path
from typing import Any

from pydicom.dataset import Dataset
from pydicom.errors import BytesLengthException
from pydicom.multival import MultiValue
from pydicom.valuerep import DSfloat

from ..core.planes import Plane
from ..errors import InputError
from ..files import write_atomically

UTF_8 = "ISO_IR 192"
_ALWAYS_THERE = (
    "PatientID",
    "PatientName",
    "PatientBirthDate",
    "PatientSex",
    "StudyID",
    "StudyDate",
    "StudyTime",
    "AccessionNumber",
    "ReferringPhysicianName",
)
_NEEDED = (
    "SOPClassUID",
    "SOPInstanceUID",
    "StudyInstanceUID",
    "SeriesInstanceUID",
    "Modality",
    "Rows",
    "Columns",
)
_SEXES = ("M", "F", "O", "")
_PIXELS = ("PixelData", "FloatPixelData", "DoubleFloatPixelData")


def source_headers(headers: Sequence[Dataset], name: str) -> list[Dataset]:
    """Copies without pixels in which every attribute is there that a result repeats, empty where the scanner left it out.

    Parameters
    ----------
    headers : sequence of Dataset
        All instances of one series, in any order, or its one multi-frame instance.
    name : str
        What messages call the series.

    Raises
    ------
    InputError
        None, several series, several multi-frame instances, or an attribute is missing without which nothing can be placed.
    """
    if not headers:
        raise InputError(f"{name} has no DICOM headers; results as DICOM need the series itself.")
    copies = [_copy(header, name) for header in headers]
    if len({str(copy.SeriesInstanceUID) for copy in copies}) > 1:
        raise InputError(f"{name} holds instances of several series; pass one series.")
    if is_multi_frame(copies[0]) and len(copies) > 1:
        raise InputError(f"{name} is spread over {len(copies)} multi-frame instances; results are written for one.")
    return copies


def is_multi_frame(header: Dataset) -> bool:
    return "PerFrameFunctionalGroupsSequence" in header


def planes_of(headers: Sequence[Dataset], name: str) -> list[Plane]:
    """Where each frame of a series lies, in the order of the headers or of the frames of the multi-frame instance.

    Raises
    ------
    InputError
    """
    if is_multi_frame(headers[0]):
        return [_plane_in(headers[0], frame, name) for frame in headers[0].PerFrameFunctionalGroupsSequence]
    return [_plane(header.Rows, header.Columns, header, header, header, name) for header in headers]


def write_dicom(dataset: Dataset, path: Path) -> None:
    """Write a DICOM file; OutputError where that fails."""
    file = BytesIO()
    dataset.save_as(file, enforce_file_format=True)
    write_atomically(path, file.getvalue())


def complete_result(dataset: Dataset, header: Dataset) -> None:
    """Give a result the patient's name just as the series has it, and write everything as UTF-8."""
    dataset.SpecificCharacterSet = UTF_8
    dataset.PatientName = header.get("PatientName") or ""


def _copy(header: Dataset, name: str) -> Dataset:
    try:
        copy = _duplicate(header)
    except (ValueError, TypeError, AttributeError, NotImplementedError, BytesLengthException) as error:
        raise InputError(f"{name} has a damaged DICOM header ({error}); export it again.") from error
    missing = [keyword for keyword in _NEEDED if copy.get(keyword) in (None, "") or isinstance(copy[keyword].value, MultiValue)]
    if missing:
        raise InputError(
            f"{name} carries no usable {missing[0]} in its DICOM headers, so no result can refer to it; export it again."
        )
    if not copy.get("FrameOfReferenceUID"):
        # an object with positions needs one: the same for all results of a study whose series name none
        copy.FrameOfReferenceUID = f"2.25.{uuid.uuid5(uuid.NAMESPACE_OID, str(copy.StudyInstanceUID)).int}"
    for keyword in _ALWAYS_THERE:
        if copy.get(keyword) is None:
            setattr(copy, keyword, "")
    if copy.PatientName and "^" not in str(copy.PatientName):
        # highdicom warns of names of one part, and its warning would carry the name into logs
        copy.PatientName = f"{copy.PatientName}^"
    if copy.PatientSex not in _SEXES:
        copy.PatientSex = "O"
    if is_multi_frame(copy):
        _share_geometry(copy)
    elif "NumberOfFrames" in copy:
        del copy.NumberOfFrames
    return copy


def _duplicate(dataset: Dataset) -> Dataset:
    """A copy without pixels down to the last item; pydicom 2's own deep copy fails on nested sequences."""
    copy = Dataset()
    for element in dataset:
        if element.VR == "SQ":
            copy.add_new(element.tag, "SQ", [_duplicate(item) for item in element.value])
        elif element.VR == "DS":
            copy.add_new(element.tag, "DS", _short(element.value))
        elif element.keyword not in _PIXELS:
            copy.add_new(element.tag, element.VR, element.value)
    return copy


def _short(value: Any) -> Any:
    """Decimal strings in the 16 characters that are allowed; scanners and converters write longer ones, which results repeat."""
    if isinstance(value, MultiValue):
        return [_short(part) for part in value]
    return DSfloat(float(value), auto_format=True) if len(str(value)) > 16 else value


def _share_geometry(header: Dataset) -> None:
    """Orientation and pixel measures that are repeated for every frame, put where they are shared."""
    if not (header.get("SharedFunctionalGroupsSequence") and header.PerFrameFunctionalGroupsSequence):
        raise InputError("A multi-frame image describes no frames, so their places are not known; export the series again.")
    shared, first = header.SharedFunctionalGroupsSequence[0], header.PerFrameFunctionalGroupsSequence[0]
    for keyword in ("PlaneOrientationSequence", "PixelMeasuresSequence"):
        if keyword not in shared and keyword in first:
            whole = Dataset()
            whole.update(shared)
            setattr(whole, keyword, first[keyword].value)
            header.SharedFunctionalGroupsSequence = [whole]
            shared = whole


def _plane_in(header: Dataset, frame: Dataset, name: str) -> Plane:
    shared = header.SharedFunctionalGroupsSequence[0]

    def group(keyword: str) -> Any:
        sequence = frame.get(keyword) or shared.get(keyword)
        if not sequence:
            raise InputError(f"A frame of {name} carries no {keyword}, so its place is not known; export the series again.")
        return sequence[0]

    position, orientation = group("PlanePositionSequence"), group("PlaneOrientationSequence")
    return _plane(header.Rows, header.Columns, position, orientation, group("PixelMeasuresSequence"), name)


def _plane(rows: int, columns: int, position: Dataset, orientation: Dataset, measures: Dataset, name: str) -> Plane:
    values = (
        position.get("ImagePositionPatient"),
        orientation.get("ImageOrientationPatient"),
        measures.get("PixelSpacing"),
    )
    if any(value is None for value in values):
        raise InputError(f"{name} has a frame without position, orientation or pixel spacing; export the series again.")
    try:
        return Plane.of_dicom(rows, columns, *values)
    except InputError as error:
        raise InputError(f"{name}: {error}") from error
