"""NIfTI files to volumes and masks, and back.

Arrays and affines are taken as stored, never reoriented. Geometry comes from the sform, else from the qform: images often
carry both, masks drawn in viewers only a qform. Files that are read are decompressed whole, so that a damaged archive shows
by its checksum instead of as plausible intensities.
"""

from __future__ import annotations

import gzip
import math
import zlib
from pathlib import Path
from typing import cast

import nibabel as nib
import numpy as np
from nibabel.arrayproxy import ArrayProxy
from nibabel.spatialimages import HeaderDataError
from nibabel.wrapstruct import WrapStructError

from ..core.volume import Grid, Mask, Volume
from ..errors import InputError
from ..files import write_atomically

_GZIP_MAGIC = b"\x1f\x8b"
_SMALLEST_HEADER = 348


def read_volume(path: Path, name: str) -> Volume:
    """An intensity image.

    Parameters
    ----------
    path : Path
        `.nii` or `.nii.gz`; one volume, so a fourth axis of length one is dropped.
    name : str
        What it is for, e.g. ``"STIR"``; messages and `Volume.name` add the file's name.

    Returns
    -------
    Volume
        float64 with the file's scaling applied in float64 [scanner units].

    Raises
    ------
    InputError
        Missing, a folder, unreadable, truncated, damaged, not NIfTI, not one 3-D volume of numbers, without geometry, not
        finite, or constant.
    """
    data, grid, label = _read(path, name)
    return Volume(data, grid, label)


def read_mask(path: Path, name: str) -> Mask:
    """A mask of zeros and ones, stored as any number type; it may be empty.

    Raises
    ------
    InputError
        As `read_volume` (but constant is fine), or any other value.
    """
    data, grid, label = _read(path, name)
    mask = data == 1
    if not (mask | (data == 0)).all():
        values = np.unique(data[np.isfinite(data)])
        shown = ", ".join(f"{value:g}" for value in values[:6]) + (", ..." if len(values) > 6 else "")
        broken = int(data.size - np.isfinite(data).sum())
        found = f"{len(values)} values ({shown})" + (f" and {broken} voxels that are NaN or infinite" if broken else "")
        raise InputError(f"{label} holds {found}; a mask holds only 0 and 1. Export the one segment that is meant.")
    return Mask(mask, grid, label)


def read_labels(path: Path, name: str) -> tuple[np.ndarray, Grid]:
    """A label map, stored as any number type, and the grid it lies on; it may be empty.

    Returns
    -------
    labels : (I, J, K) uint8 array
    grid : Grid

    Raises
    ------
    InputError
        As `read_volume` (but constant is fine), or any value that is not a whole number from 0 to 255.
    """
    data, grid, label = _read(path, name)
    with np.errstate(invalid="ignore"):
        labels = data.astype(np.uint8)
    if not np.array_equal(labels, data):
        finite = data[np.isfinite(data)]
        broken = data.size - finite.size
        found = f"{broken} voxels that are NaN or infinite" if broken else f"values from {finite.min():g} to {finite.max():g}"
        raise InputError(f"{label} holds {found}; a label map holds whole numbers from 0 to 255. Save the segmentation again.")
    return labels, grid


def write_volume(path: Path, volume: Volume) -> None:
    """Write intensities in the number type of `volume.data`, without scaling; `.nii.gz` is compressed.

    Raises
    ------
    OutputError
    """
    _write(path, volume.data, volume.grid)


def write_scan(path: Path, volume: Volume) -> None:
    """Write an intensity image in the smallest of int16, int32, float32 and float64 that holds every value exactly.

    Raises
    ------
    OutputError
    """
    with np.errstate(invalid="ignore"):  # of a value outside a type's range, which another type then holds
        copies = (volume.data.astype(kind) for kind in (np.int16, np.int32, np.float32, np.float64))
        _write(path, next(one for one in copies if np.array_equal(one, volume.data)), volume.grid)


def write_mask(path: Path, mask: Mask) -> None:
    """Write a mask as uint8 zeros and ones.

    Raises
    ------
    OutputError
    """
    _write(path, mask.data.astype(np.uint8), mask.grid)


def write_labels(path: Path, labels: np.ndarray, grid: Grid) -> None:
    """Write an `(I, J, K)` array of whole numbers >= 0 in the smallest of uint8, int16 and int32 that holds them.

    Raises
    ------
    OutputError
    """
    largest = int(labels.max(initial=0))
    kind = np.uint8 if largest <= 255 else np.int16 if largest <= 32767 else np.int32
    _write(path, labels.astype(kind), grid)


def _read(path: Path, name: str) -> tuple[np.ndarray, Grid, str]:
    """`(I, J, K)` float64 array, its grid, and how messages call it."""
    label = f"{name} ({path.name})"
    image = _parse(_content(path, name), label)
    if np.dtype(image.get_data_dtype()).kind not in "iuf":
        raise InputError(
            f"{label} holds colour or complex voxels ({image.get_data_dtype()}); one number per voxel is needed. "
            "Export the original grey-value series."
        )
    shape = tuple(int(n) for n in image.shape)
    while len(shape) > 3 and shape[-1] == 1:
        shape = shape[:-1]
    if len(shape) != 3:
        raise InputError(
            f"{label} is {len(shape)}-D with shape {shape}; one 3-D volume is needed. "
            + ("Extract the volume that is meant." if len(shape) > 3 else "Export the whole series, not one slice.")
        )
    grid = _grid(image, (shape[0], shape[1], shape[2]), label)
    data = np.asarray(image.dataobj, dtype=np.float64)  # scaled in float64, whatever the scan is stored in
    return data.reshape(shape, order="F"), grid, label


def _content(path: Path, name: str) -> bytes:
    """The decompressed bytes of a file."""
    if path.is_dir():
        raise InputError(f"{name}: {path} is a folder; a NIfTI file (.nii or .nii.gz) is needed. Convert a DICOM series first.")
    label = f"{name} ({path.name})"
    try:
        content = path.read_bytes()
    except FileNotFoundError as error:
        raise InputError(f"{name}: there is no file {path}; check the path.") from error
    except PermissionError as error:
        raise InputError(f"{name}: {path} may not be read by this account; change its permissions or pass a copy.") from error
    except OSError as error:
        raise InputError(f"{name}: {path} cannot be read ({error.strerror or error}); pass an intact copy.") from error
    if not content.startswith(_GZIP_MAGIC):
        return content
    try:
        return gzip.decompress(content)
    except EOFError as error:
        raise InputError(f"{label} is truncated: the compressed data end early. Copy or export the file again.") from error
    except (OSError, zlib.error) as error:
        raise InputError(f"{label} is damaged: it does not decompress ({error}). Copy or export the file again.") from error


def _parse(content: bytes, label: str) -> nib.Nifti1Image:
    not_nifti = f"{label} is not a NIfTI file; a single .nii or .nii.gz is needed. Convert the series first."
    if len(content) < _SMALLEST_HEADER:
        raise InputError(f"{label} is empty or truncated: it holds {len(content)} bytes, less than a header. Export it again.")
    if nib.Nifti2Header.may_contain_header(content):
        kind: type[nib.Nifti1Image] = nib.Nifti2Image
    elif nib.Nifti1Header.may_contain_header(content) and content[344:347] == b"n+1":
        kind = nib.Nifti1Image
    else:
        raise InputError(not_nifti)
    try:
        image = kind.from_bytes(content)
        offset, item = cast(ArrayProxy, image.dataobj).offset, image.get_data_dtype().itemsize
    except (HeaderDataError, WrapStructError, ValueError, TypeError) as error:
        raise InputError(f"{label} has a damaged NIfTI header ({str(error).rstrip('.')}); export the file again.") from error
    needed = offset + item * math.prod(int(n) for n in image.shape)
    if len(content) < needed:
        raise InputError(
            f"{label} is truncated: shape {image.shape} needs {needed} bytes, the file holds {len(content)}. "
            "Copy or export the file again."
        )
    return image


def _grid(image: nib.Nifti1Image, shape: tuple[int, int, int], label: str) -> Grid:
    header = image.header
    unit = header.get_xyzt_units()[0]
    if unit not in ("mm", "unknown"):
        raise InputError(f"{label} gives its geometry in {unit}; millimetres are needed. Export it in millimetres.")
    try:
        affine = header.get_sform(coded=True)[0]
        if affine is None:
            affine = header.get_qform(coded=True)[0]
    except (HeaderDataError, ValueError) as error:
        raise InputError(f"{label} has a damaged geometry ({str(error).rstrip('.')}); export it again.") from error
    if affine is None:
        raise InputError(
            f"{label} carries no geometry (its qform and sform codes are both 0), so no mm3 follow from its voxels; "
            "export it again with its geometry."
        )
    try:
        return Grid(shape, affine)
    except InputError as error:
        raise InputError(f"{label}: {error}") from error


def _write(path: Path, array: np.ndarray, grid: Grid) -> None:
    image = nib.Nifti1Image(array, grid.affine, dtype=array.dtype)
    image.header.set_xyzt_units("mm", "sec")
    image.set_sform(grid.affine, code=1)
    image.set_qform(grid.affine, code=1)
    if not np.allclose(image.get_qform(), grid.affine, atol=1e-3):
        image.header["qform_code"] = 0  # a qform holds no shear: better none than another geometry
    content = image.to_bytes()
    # mtime 0: equal results are equal files
    write_atomically(path, gzip.compress(content, compresslevel=5, mtime=0) if path.suffix == ".gz" else content)
