"""Stored values of DICOM files, uncompressed or compressed.

A pixel cell has BitsAllocated bits, of which BitsStored below and including HighBit are the value (PS3.5, 8.1.1). What stands
in the others (overlays of old files, padding markers, signs that were not extended) is never signal.
"""

from __future__ import annotations

import math
import struct
import tempfile
from copy import copy
from io import BytesIO
from pathlib import Path

import numpy as np
from pydicom.dataset import Dataset
from pydicom.encaps import encapsulate, generate_frames, parse_basic_offsets, parse_fragments
from pydicom.pixels import get_decoder
from pydicom.uid import UID, RLELossless

from ..errors import InputError
from ..unpacking import check_memory
from .dicom_codestreams import FrameSize, check_frame
from .dicom_files import read_whole

_BIG_ENDIAN = "1.2.840.10008.1.2.2"
_PLAIN = {"1.2.840.10008.1.2", "1.2.840.10008.1.2.1", "1.2.840.10008.1.2.1.99", _BIG_ENDIAN}
# decoded by pydicom: GDCM refuses a frame that run lengths made longer
_RLE = "1.2.840.10008.1.2.5"
# the others by GDCM, which SimpleITK brings: lossless JPEG is common in archives and pydicom alone cannot decode it
_COMPRESSED = {
    _RLE: "RLE Lossless",
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
    return values_of(_cells(dataset, path), dataset, path.name)


def read_cells(path: Path) -> np.ndarray:
    """Pixel cells with all their bits, `(frames, rows, columns)` unsigned integers: what an uncompressed copy of the file holds.

    Raises
    ------
    InputError
        As `read_stored`.
    """
    return _cells(read_whole(path), path)


def cells_of_frame(header: Dataset, content: bytes, path: Path) -> np.ndarray:
    """Pixel cells of one compressed frame, `(rows, columns)` unsigned integers; other frames of the file are not touched.

    Parameters
    ----------
    header : Dataset
        Of the file; not changed.
    content : bytes
        The frame's fragments, joined.
    path : Path
        Of the file, for messages.

    Raises
    ------
    InputError
        As `read_stored`.
    """
    alone = copy(header)
    alone.file_meta = header.file_meta
    for sequence in ("PerFrameFunctionalGroupsSequence", "SharedFunctionalGroupsSequence"):
        alone.pop(sequence, None)
    alone.NumberOfFrames = 1
    alone.PixelData = encapsulate([content])
    alone["PixelData"].VR, alone["PixelData"].is_undefined_length = "OB", True
    cells: np.ndarray = _cells(alone, path)[0]
    return cells


def values_of(cells: np.ndarray, header: Dataset, name: str) -> np.ndarray:
    """The values in pixel cells: BitsStored bits up to HighBit, as whole numbers with or without sign.

    Parameters
    ----------
    cells : unsigned integer array of any shape
        Of BitsAllocated bits.
    header : Dataset
        With BitsStored, HighBit and PixelRepresentation.
    name : str
        What messages call the file.

    Returns
    -------
    integer array of the same shape
        As stored, before any rescaling.

    Raises
    ------
    InputError
        The header contradicts itself.

    Notes
    -----
    PS3.5, 8.1.1. HighBit is BitsStored - 1 in new files, and where it is absent.
    """
    allocated = cells.dtype.itemsize * 8
    stored = int(header.get("BitsStored") or allocated)
    high = int(header.get("HighBit") if header.get("HighBit") is not None else stored - 1)
    if not 1 <= stored <= high + 1 <= allocated:
        raise InputError(
            f"{name} says that {stored} of {allocated} bits are stored up to bit {high}, which cannot be; export the series "
            "again."
        )
    # the value's highest bit to the cell's highest, then back: what lies above is lost, and the sign comes down with it
    shifted = (cells << np.array(allocated - 1 - high, cells.dtype)).astype(cells.dtype, copy=False)
    whole = shifted.view(f"i{cells.dtype.itemsize}") if header.get("PixelRepresentation") else shifted
    return whole >> np.array(allocated - stored, whole.dtype)


def _cells(dataset: Dataset, path: Path) -> np.ndarray:
    if dataset.get("FloatPixelData") or dataset.get("DoubleFloatPixelData"):
        raise InputError(
            f"{path.name} stores its voxels as floating-point numbers (FloatPixelData), which no MR image does; pass the "
            "original series, with whole numbers."
        )
    if not dataset.get("PixelData"):
        raise InputError(f"{path.name} holds no voxels: it is truncated or damaged. Export the series again.")
    shape = (int(dataset.get("NumberOfFrames") or 1), int(dataset.Rows), int(dataset.Columns))
    bits = dataset.get("BitsAllocated")
    if bits not in (8, 16, 32):
        raise InputError(f"{path.name} stores {bits} bits per voxel; 8, 16 or 32 can be read. Export the series again.")
    syntax = UID(str(dataset.file_meta.get("TransferSyntaxUID", "")))
    check_memory(2 * math.prod(shape) * bits // 8, path.name)
    if syntax in _COMPRESSED:
        _check_frames(dataset, shape, path.name)
        cells = _decoded(dataset, path)
    elif syntax in _PLAIN:
        cells = _plain(dataset, path, shape, big_endian=syntax == _BIG_ENDIAN)
    else:
        raise InputError(
            f"{path.name} is compressed as {syntax.name or 'an unnamed syntax'}, which cannot be decoded here; export the series "
            f"uncompressed, or as one of: {', '.join(_COMPRESSED.values())}."
        )
    if cells.size != np.prod(shape):
        raise InputError(f"{path.name} is truncated: it holds {cells.size} of {np.prod(shape)} voxels. Export the series again.")
    return cells.reshape(shape)


def _check_frames(dataset: Dataset, shape: tuple[int, int, int], name: str) -> None:
    """Refuse frames that say of themselves that they are larger than the file does, before they are decoded."""
    count, rows, columns = shape
    samples, syntax = int(dataset.get("SamplesPerPixel") or 1), str(dataset.file_meta.TransferSyntaxUID)
    try:
        for frame in generate_frames(dataset.PixelData, number_of_frames=count):
            check_frame(frame, syntax, FrameSize(rows, columns, samples, dataset.BitsAllocated), name)
    except (ValueError, struct.error) as error:
        raise InputError(f"{name} holds compressed voxels that are truncated or damaged; export the series again.") from error


def _plain(dataset: Dataset, path: Path, shape: tuple[int, int, int], big_endian: bool) -> np.ndarray:
    bits = dataset.BitsAllocated
    needed = int(np.prod(shape)) * bits // 8
    content = bytes(dataset.PixelData)
    if len(content) < needed:
        raise InputError(
            f"{path.name} is truncated: its voxels need {needed} bytes, the file holds {len(content)}. Export the series again."
        )
    if big_endian and bits == 8 and dataset["PixelData"].VR == "OW":  # two values to a word, whose bytes are exchanged
        content = np.frombuffer(content[: needed + needed % 2], ">u2").astype("<u2").tobytes()
    order = ">" if big_endian else "<"
    return np.frombuffer(content[:needed], f"{order}u{bits // 8}").astype(f"u{bits // 8}")


def _decoded(dataset: Dataset, path: Path) -> np.ndarray:
    # without scaling, which is applied once and for every syntax alike by who asked
    for sequence in (dataset.get("SharedFunctionalGroupsSequence"), dataset.get("PerFrameFunctionalGroupsSequence")):
        for group in sequence or []:
            group.pop("PixelValueTransformationSequence", None)
    for keyword in ("RescaleSlope", "RescaleIntercept", "RescaleType"):
        if keyword in dataset:
            delattr(dataset, keyword)
    # all bits of a cell, as an uncompressed file has them: which of them hold the value is settled once, for every syntax alike
    bits = dataset.BitsAllocated
    described = dataset.get("BitsStored"), dataset.get("HighBit"), dataset.get("PixelRepresentation")
    dataset.BitsStored, dataset.HighBit, dataset.PixelRepresentation = bits, bits - 1, 0
    try:
        run_lengths = dataset.file_meta.TransferSyntaxUID == _RLE
        pixels = get_decoder(RLELossless).as_array(dataset, raw=True)[0] if run_lengths else _by_gdcm(dataset)
        return pixels.astype(f"u{bits // 8}", copy=False)
    except (RuntimeError, ValueError) as error:
        raise InputError(
            f"{path.name} holds compressed voxels that are truncated or damaged; export the series again."
        ) from error
    finally:
        dataset.BitsStored, dataset.HighBit, dataset.PixelRepresentation = described


def _by_gdcm(dataset: Dataset) -> np.ndarray:
    import SimpleITK

    SimpleITK.ProcessObject.SetGlobalWarningDisplay(False)  # the sentence of the caller says it all
    count = int(dataset.get("NumberOfFrames") or 1)
    content = BytesIO(dataset.PixelData)
    parse_basic_offsets(content)
    if count > 1 and parse_fragments(content)[0] != count:  # GDCM takes each fragment for a frame
        dataset.PixelData = encapsulate(list(generate_frames(dataset.PixelData, number_of_frames=count)))
    for keyword in ("ExtendedOffsetTable", "ExtendedOffsetTableLengths"):  # GDCM refuses them
        dataset.pop(keyword, None)
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / "copy.dcm"
        dataset.preamble = bytes(128)
        dataset.save_as(copy, enforce_file_format=False)
        pixels: np.ndarray = SimpleITK.GetArrayFromImage(SimpleITK.ReadImage(str(copy), imageIO="GDCMImageIO"))
        return pixels
