"""Stored values of DICOM files, uncompressed or compressed."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
from pydicom.dataset import Dataset
from pydicom.uid import UID

from ..errors import InputError
from .dicom_frames import read_whole

_PLAIN = {"1.2.840.10008.1.2", "1.2.840.10008.1.2.1", "1.2.840.10008.1.2.1.99", "1.2.840.10008.1.2.2"}
# decoded by GDCM, which SimpleITK brings: lossless JPEG is common in archives and pydicom alone cannot decode it
_BY_GDCM = {
    "1.2.840.10008.1.2.5": "RLE Lossless",
    "1.2.840.10008.1.2.4.50": "JPEG Baseline",
    "1.2.840.10008.1.2.4.51": "JPEG Extended",
    "1.2.840.10008.1.2.4.57": "JPEG Lossless",
    "1.2.840.10008.1.2.4.70": "JPEG Lossless, first-order prediction",
    "1.2.840.10008.1.2.4.80": "JPEG-LS Lossless",
    "1.2.840.10008.1.2.4.81": "JPEG-LS near-lossless",
    "1.2.840.10008.1.2.4.90": "JPEG 2000 Lossless",
    "1.2.840.10008.1.2.4.91": "JPEG 2000",
}


def read_stored(path: Path) -> np.ndarray:
    """Values as stored, before any rescaling: `(frames, rows, columns)` integers.

    Raises
    ------
    InputError
        The file is damaged or truncated, holds no voxels, or is compressed in a way that cannot be decoded.
    """
    dataset = read_whole(path)
    if not dataset.get("PixelData"):
        raise InputError(f"{path.name} holds no voxels: it is truncated or damaged. Export the series again.")
    shape = (int(dataset.get("NumberOfFrames") or 1), int(dataset.Rows), int(dataset.Columns))
    syntax = UID(str(dataset.file_meta.get("TransferSyntaxUID", "")))
    if syntax in _BY_GDCM:
        stored = _decoded(dataset, path)
    elif syntax in _PLAIN:
        stored = _plain(dataset, path, shape)
    else:
        raise InputError(
            f"{path.name} is compressed as {syntax.name or 'an unnamed syntax'}, which cannot be decoded here; export the series "
            f"uncompressed, or as one of: {', '.join(_BY_GDCM.values())}."
        )
    if stored.size != np.prod(shape):
        raise InputError(f"{path.name} is truncated: it holds {stored.size} of {np.prod(shape)} voxels. Export the series again.")
    return stored.reshape(shape)


def _plain(dataset: Dataset, path: Path, shape: tuple[int, int, int]) -> np.ndarray:
    bits = dataset.get("BitsAllocated")
    if bits not in (8, 16, 32):
        raise InputError(f"{path.name} stores {bits} bits per voxel; 8, 16 or 32 can be read. Export the series again.")
    needed = int(np.prod(shape)) * bits // 8
    if len(dataset.PixelData) < needed:
        raise InputError(
            f"{path.name} is truncated: its voxels need {needed} bytes, the file holds {len(dataset.PixelData)}. "
            "Export the series again."
        )
    try:
        return np.asarray(dataset.pixel_array)
    except (ValueError, AttributeError, NotImplementedError, TypeError) as error:
        raise InputError(f"{path.name} holds voxels that cannot be read ({error}); export the series again.") from error


def _decoded(dataset: Dataset, path: Path) -> np.ndarray:
    import SimpleITK

    # without scaling, which is applied once and for every syntax alike by who asked
    for sequence in (dataset.get("SharedFunctionalGroupsSequence"), dataset.get("PerFrameFunctionalGroupsSequence")):
        for group in sequence or []:
            group.pop("PixelValueTransformationSequence", None)
    for keyword in ("RescaleSlope", "RescaleIntercept", "RescaleType"):
        if keyword in dataset:
            delattr(dataset, keyword)
    SimpleITK.ProcessObject.SetGlobalWarningDisplay(False)  # the sentence below says it all
    try:
        with tempfile.TemporaryDirectory() as folder:
            copy = Path(folder) / "copy.dcm"
            dataset.save_as(copy, enforce_file_format=False)
            return SimpleITK.GetArrayFromImage(SimpleITK.ReadImage(str(copy), imageIO="GDCMImageIO"))
    except (RuntimeError, ValueError) as error:
        raise InputError(
            f"{path.name} holds compressed voxels that are truncated or damaged; export the series again."
        ) from error
