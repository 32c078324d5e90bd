"""A T1W and a STIR scan kept as NIfTI, written as a DICOM MR study: for tests, demos, and sites that keep NIfTI.

NIfTI tells where voxels lie and how bright they are, and nothing else that DICOM asks for. Names, dates and identifiers are
those given; inversion, repetition and echo times are nominal ones, written so that the series can be told apart, and every
image says so. Slice thickness is written as the spacing, the only one that NIfTI holds.
"""

from __future__ import annotations

import hashlib
import re
import uuid
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import numpy as np
from pydicom.dataset import FileDataset, FileMetaDataset
from pydicom.uid import UID, ExplicitVRLittleEndian
from pydicom.valuerep import format_number_as_ds

from ..core.orientation import DisplayOrientation
from ..core.volume import Grid, Volume
from ..errors import InputError
from ..files import result_folder
from .dicom_frames import MR_IMAGE
from .nifti import read_volume
from .nifti_library import ArrayProxy, nib

# [ms]; a published protocol's order of magnitude
_TIMES = {
    "STIR": {"InversionTime": 210, "RepetitionTime": 5316, "EchoTime": 50},
    "T1W": {"RepetitionTime": 600, "EchoTime": 10},
}
_SERIES_NUMBER = {"T1W": 1, "STIR": 2}
_LARGEST = 2**16 - 1
_COMMENT = "Converted from NIfTI; inversion, repetition and echo time are nominal, slice thickness is the slice spacing."
# of the root for UIDs that are made from UUIDs (PS3.5, B.2)
_UUID_ROOT = "2.25"


@dataclass(frozen=True)
class Written:
    """One series that was written; `largest_error` is the largest change of an intensity [scanner units].

    Where the NIfTI file holds whole numbers and a slope, as converters write it, that is the rounding of the slope to the 16
    characters that DICOM allows, and of no consequence; where it holds other numbers, it is half a step of 65535.
    """

    role: str
    series_uid: str
    slices: int
    rescale_slope: float
    rescale_intercept: float
    largest_error: float


@dataclass(frozen=True)
class Labels:
    """The labels that the study is to carry; all but the order of the numbers may stay empty."""

    patient_id: str = ""
    study_date: str = ""
    descending: bool = False

    def __post_init__(self) -> None:
        if len(self.patient_id) > 64 or not self.patient_id.isprintable() or "\\" in self.patient_id:
            raise InputError("A patient id may have at most 64 printable characters and no backslash; pass another --patient-id.")
        if self.study_date and not re.fullmatch(r"\d{4}(0[1-9]|1[0-2])(0[1-9]|[12]\d|3[01])", self.study_date):
            raise InputError(f"A study date is YYYYMMDD, found {self.study_date!r}; pass another --study-date.")


@dataclass(frozen=True, eq=False)
class _Stored:
    """Voxels as DICOM stores them: `(K, rows, columns)` uint16, their scaling, and what was lost."""

    slices: np.ndarray
    slope: float
    intercept: float
    largest_error: float


def write_dicom_study(folder: Path, t1w: Path, stir: Path, labels: Labels | None = None) -> tuple[Written, Written]:
    """Write `folder/T1W/*.dcm` and `folder/STIR/*.dcm`, one file a slice, all or nothing.

    UIDs follow from the voxels, the geometry and the labels, so equal input gives equal files.

    Parameters
    ----------
    folder : Path
        New or empty.
    t1w, stir : Path
        NIfTI files of one visit.
    labels : Labels, optional

    Raises
    ------
    InputError
        A scan cannot be read, or its axes are not perpendicular.
    OutputError
    """
    labels = labels or Labels()
    scans = {"T1W": read_volume(t1w, "T1W"), "STIR": read_volume(stir, "STIR")}
    stored = {role: _stored(volume, _scaling(path)) for (role, volume), path in zip(scans.items(), (t1w, stir), strict=True)}
    digest = hashlib.sha256(repr(labels).encode())
    for role, volume in scans.items():
        digest.update(role.encode() + volume.grid.affine.tobytes() + stored[role].slices.tobytes())
        digest.update(np.array([stored[role].slope, stored[role].intercept]).tobytes())
    content = digest.hexdigest()
    with result_folder(folder, ()) as staging:
        done = [_write_series(staging / role, role, scans[role], stored[role], labels, content) for role in scans]
    return done[0], done[1]


def _write_series(folder: Path, role: str, volume: Volume, stored: _Stored, labels: Labels, content: str) -> Written:
    folder.mkdir()
    rows, columns, normal_first, positions = _geometry(volume)
    slices = stored.slices if normal_first else stored.slices[::-1]
    series_uid = _uid(content, role)
    count = len(slices)
    image = _image(role, volume, stored, labels, content)
    image.SeriesInstanceUID = series_uid
    for k in range(count):
        number = count - k if labels.descending else k + 1
        image.SOPInstanceUID = image.file_meta.MediaStorageSOPInstanceUID = UID(_uid(content, role, str(k)))
        image.InstanceNumber = number
        image.ImageOrientationPatient = [_ds(value) for value in (*columns, *rows)]
        image.ImagePositionPatient = [_ds(value) for value in positions[k]]
        image.Rows, image.Columns = slices[k].shape
        image.PixelData = slices[k].astype("<u2").tobytes()
        image.save_as(folder / f"{number:04d}.dcm", enforce_file_format=True)
    return Written(role, series_uid, count, stored.slope, stored.intercept, stored.largest_error)


def _image(role: str, volume: Volume, stored: _Stored, labels: Labels, content: str) -> FileDataset:
    """Everything that the slices of a series share."""
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = UID(MR_IMAGE)
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    image = FileDataset("", {}, file_meta=meta, preamble=bytes(128))
    image.SpecificCharacterSet = "ISO_IR 192"
    image.ImageType = ["ORIGINAL", "PRIMARY", "M", "SE" if role == "T1W" else "IR"]
    image.SOPClassUID = MR_IMAGE
    image.StudyDate, image.StudyTime, image.AccessionNumber, image.StudyID = labels.study_date, "", "", ""
    image.Modality, image.Manufacturer, image.ReferringPhysicianName = "MR", "", ""
    image.SeriesDescription, image.SeriesNumber = role, _SERIES_NUMBER[role]
    image.StudyDescription = "Sacroiliac joints"
    patient_id = labels.patient_id or f"VHI-{content[:8]}"
    image.PatientID, image.PatientName, image.PatientBirthDate, image.PatientSex = patient_id, patient_id, "", ""
    image.BodyPartExamined, image.PatientPosition, image.PatientOrientation = "PELVIS", "HFS", ""
    image.ScanningSequence = ["SE"] if role == "T1W" else ["SE", "IR"]
    image.SequenceVariant, image.ScanOptions, image.MRAcquisitionType, image.EchoTrainLength = "SK", "", "2D", ""
    for keyword, milliseconds in _TIMES[role].items():
        setattr(image, keyword, milliseconds)
    image.StudyInstanceUID, image.FrameOfReferenceUID = _uid(content, "study"), _uid(content, "frame of reference")
    image.PositionReferenceIndicator = ""
    image.ImageComments = _COMMENT
    row_mm, column_mm = DisplayOrientation.of(volume.grid).pixel_spacing_mm(volume.grid)
    image.PixelSpacing = [_ds(row_mm), _ds(column_mm)]
    image.SliceThickness = image.SpacingBetweenSlices = _ds(volume.grid.spacing_mm[2])
    image.SamplesPerPixel, image.PhotometricInterpretation, image.PixelRepresentation = 1, "MONOCHROME2", 0
    image.BitsAllocated = image.BitsStored = 16
    image.HighBit = 15
    image.RescaleSlope, image.RescaleIntercept, image.RescaleType = _ds(stored.slope), _ds(stored.intercept), "US"
    low, high = np.percentile(volume.data[::2, ::2], [1, 99.5])
    image.WindowCenter, image.WindowWidth = f"{(low + high) / 2:.6g}", f"{max(high - low, 1):.6g}"
    return image


def _geometry(volume: Volume) -> tuple[np.ndarray, np.ndarray, bool, np.ndarray]:
    """How slices lie, in DICOM's LPS+ coordinates.

    Returns
    -------
    rows, columns : (3,) unit vectors
        Along which rows and columns are counted, hung as a radiologist sees them.
    ascending : bool
        Whether K runs along columns x rows; otherwise the positions are those of the reversed slices.
    positions : (K, 3)
        Of each slice's first pixel [mm], in the order of that normal.
    """
    grid, hanging = volume.grid, DisplayOrientation.of(volume.grid)
    down_axis, across_axis = (0, 1) if hanging.transpose else (1, 0)
    corner = np.zeros(3)
    steps = {}
    for axis, flipped in ((down_axis, hanging.flip_rows), (across_axis, hanging.flip_columns)):
        direction = grid.affine[:3, axis] / grid.spacing_mm[axis]
        steps[axis] = -direction if flipped else direction
        corner[axis] = grid.shape[axis] - 1 if flipped else 0
    index = np.tile(corner, (grid.shape[2], 1))
    index[:, 2] = np.arange(grid.shape[2])
    _check_perpendicular(grid, volume.name)
    to_lps = np.array([-1.0, -1.0, 1.0])
    rows, columns = steps[down_axis] * to_lps, steps[across_axis] * to_lps
    positions = grid.world_mm(index) * to_lps
    ascending = bool((positions[-1] - positions[0]) @ np.cross(columns, rows) >= 0)
    return rows, columns, ascending, positions if ascending else positions[::-1]


def _check_perpendicular(grid: Grid, name: str) -> None:
    unit = grid.affine[:3, :3] / np.array(grid.spacing_mm)
    if np.abs(unit.T @ unit - np.eye(3)).max() > 1e-3:
        raise InputError(f"{name}: its axes are not perpendicular, which DICOM series cannot hold; resample it first.")


def _scaling(path: Path) -> tuple[float, float]:
    """Slope and intercept that a NIfTI file stores its numbers with."""
    stored = cast(ArrayProxy, cast(nib.Nifti1Image, nib.load(path)).dataobj)
    return float(stored.slope), float(stored.inter)


def _stored(volume: Volume, scaling: tuple[float, float]) -> _Stored:
    """Whole numbers and a scaling that give the intensities back: the file's own where its numbers fit, else 65535 steps."""
    slope, intercept = scaling
    low, high = float(volume.data.min()), float(volume.data.max())
    whole = np.round((volume.data - intercept) / slope)
    fits = np.array_equal(whole * slope + intercept, volume.data) and whole.max() - min(whole.min(), 0) <= _LARGEST
    if not fits:
        slope, intercept = float(_ds((high - low) / _LARGEST * (1 + 1e-12))), low
        whole = np.round((volume.data - intercept) / slope)
    lowest = min(float(whole.min()), 0.0)
    slope, intercept = float(_ds(slope)), float(_ds(intercept + slope * lowest))
    numbers = np.clip(whole - lowest, 0, _LARGEST)
    error = float(np.abs(numbers * slope + intercept - volume.data).max())
    return _Stored(DisplayOrientation.of(volume.grid).hang(numbers.astype(np.uint16)), slope, intercept, error)


def _ds(value: float) -> str:
    """A number in the 16 characters that DICOM allows."""
    return format_number_as_ds(float(value) + 0.0)


def _uid(*parts: str) -> str:
    digest = hashlib.sha256("/".join(parts).encode()).digest()
    return f"{_UUID_ROOT}.{uuid.UUID(bytes=digest[:16], version=5).int}"
