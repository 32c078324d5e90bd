"""NIfTI files to volumes and masks, and back.

Arrays and affines are taken as stored, never reoriented. Geometry comes from the sform, else from the qform: images often
carry both, masks drawn in viewers only a qform; where they differ, the file is refused (`nifti_geometry`). Files that are read
are decompressed to their end, so that a damaged archive shows by its checksum instead of as plausible intensities, but never to
more than their header promises.
"""

from __future__ import annotations

import hashlib
import logging
import math
import os
import re
import warnings
from pathlib import Path
from typing import BinaryIO

import numpy as np
from isal import igzip
from isal.igzip_lib import IsalError

from ..core.volume import Grid, Mask, Volume, slice_axis
from ..core.whole_numbers import whole_numbers
from ..errors import CopyBesideError, InputError, RequestError, TooLargeError
from ..files import write_atomically
from ..unpacking import MIB, check_memory, check_packed_length, length_of
from .nifti_geometry import Form, Forms, forms_of, grid_of_header, shear
from .nifti_library import HeaderDataError, WrapStructError, nib

# about fields that say nothing of voxels or place; once, since `warnings.catch_warnings` would change what other threads are
# warned of
warnings.filterwarnings("ignore", module=r"nibabel\b")
logging.getLogger("nibabel.global").setLevel(logging.CRITICAL)
_GZIP_MAGIC = b"\x1f\x8b"
_SMALLEST_HEADER = 348
_LONGEST_FIXED_HEADER = 540
# with extensions; and what some programs leave behind the voxels [bytes]
_LONGEST_HEADER = 16 * MIB
_PIECE = 64 * 1024
_SHEAR_OF_A_QFORM = 1e-4
# the copy that dcm2niix writes beside the file of a series whose slices lie unequally far apart: slices interpolated, equally far
_EQUALISED = re.compile(r"_Eq(_\d+)?\.nii(\.gz)?$", re.IGNORECASE)
_SUFFIX = re.compile(r"\.nii(\.gz)?$", re.IGNORECASE)


def read_volume(path: Path, name: str, form: Form | None = None) -> Volume:
    """Read an intensity image.

    Parameters
    ----------
    path : Path
        `.nii` or `.nii.gz`; one volume, so further axes of length one are dropped.
    name : str
        What it is for, e.g. ``"STIR"``; messages and `Volume.name` add the file's name.
    form : "sform" or "qform", optional
        Which transform rules where the file carries two that differ.

    Returns
    -------
    Volume
        float64 with the file's scaling applied in float64 [scanner units].

    Raises
    ------
    InputError
        Missing, a folder, unreadable, truncated, damaged, not NIfTI, not one 3-D volume of numbers, without geometry or with
        two that differ, not finite, or constant; larger than the memory that is free. Converted by dcm2niix from slices that lie
        unequally far apart.
    """
    label = f"{name} ({path.name})"
    if is_equalised(path):
        raise InputError(
            f"{label} is named as dcm2niix names its copy of a series whose slices lie unequally far apart: some of its slices "
            "are interpolated, and no scanner measured them. Pass the DICOM series, which says what is missing."
        )
    if (copy := equalised_copy(path)) is not None:
        raise CopyBesideError(
            f"Beside {label} lies {copy.name}, which dcm2niix writes where slices are missing or lie unequally far apart: the "
            "distances in this file are then wrong. Pass the DICOM series, or take that copy away if it is of another scan."
        )
    data, grid, label = _read(path, name, form)
    return Volume(data.astype(np.float64, copy=False), grid, label)


def read_mask(path: Path, name: str, form: Form | None = None) -> Mask:
    """A mask: zeros, and one other whole number from 1 on, stored as any number type; it may be empty.

    The one number is 1 as a rule, 255 from programs that think of pictures, a segment's number from those that save one segment.

    Raises
    ------
    InputError
        As `read_volume` (but constant is fine), or further values.
    """
    data, grid, label = _read(path, name, form)
    return Mask(mask_of(data, label), grid, label)


def is_equalised(path: Path) -> bool:
    """Whether a file is named as the copy in which dcm2niix interpolates the slices that a series lacks."""
    return _EQUALISED.search(path.name) is not None


def equalised_copy(path: Path) -> Path | None:
    """That copy beside a file of a series with a gap, whose own distances are then wrong; None where there is none."""
    stem = _SUFFIX.sub("", path.name)
    copies = (path.with_name(f"{stem}_Eq_1{suffix}") for suffix in (".nii", ".nii.gz"))
    # os.path: a name that is too long for the system is none that exists
    return next((copy for copy in copies if os.path.exists(copy)), None)


def mask_of(data: np.ndarray, label: str) -> np.ndarray:
    """Values that stand for one thing and nothing, as a bool array of the same shape.

    Raises
    ------
    InputError
        Other values.
    """
    whole = whole_numbers(data)
    if whole is not None:
        least, most = whole.min(initial=0), whole.max(initial=0)
        mask: np.ndarray = whole == most if most > 0 else np.zeros(whole.shape, dtype=bool)
        if least >= 0 and np.array_equal(mask, whole != 0):
            return mask
    values = np.unique(data[np.isfinite(data)])
    shown = ", ".join(f"{value:g}" for value in values[:6]) + (", ..." if len(values) > 6 else "")
    broken = int(data.size - np.isfinite(data).sum())
    content = f"{len(values)} values ({shown})" + (f" and {broken} voxels that are NaN or infinite" if broken else "")
    raise InputError(f"{label} holds {content}; a mask holds only 0 and 1. Export the one segment that is meant.")


def read_labels(path: Path, name: str, form: Form | None = None, *, most_voxels: int | None = None) -> tuple[np.ndarray, Grid]:
    """A label map, stored as any number type, and the grid it lies on; it may be empty.

    Parameters
    ----------
    most_voxels : int, optional
        What the scan has that was drawn on; a map of more is refused by its header.

    Returns
    -------
    labels : (I, J, K) uint8 array
    grid : Grid

    Raises
    ------
    InputError
        As `read_volume` (but constant is fine), or any value that is not a whole number from 0 to 255.
    TooLargeError
        More voxels than `most_voxels`.
    """
    data, grid, label = _read(path, name, form, most_voxels)
    return labels_of(data, label), grid


def labels_of(data: np.ndarray, label: str) -> np.ndarray:
    """Values that stand for whole numbers from 0 to 255, as a uint8 array of the same shape.

    Raises
    ------
    InputError
        Other values.
    """
    whole = whole_numbers(data)
    if whole is None or whole.min(initial=0) < 0 or whole.max(initial=0) > 255:
        finite = data[np.isfinite(data)]
        broken = data.size - finite.size
        content = f"{broken} voxels that are NaN or infinite" if broken else f"values from {finite.min():g} to {finite.max():g}"
        raise InputError(f"{label} holds {content}; a label map holds whole numbers from 0 to 255. Save the segmentation again.")
    return whole.astype(np.uint8)


def voxels_sha256(volume: Volume) -> str:
    """Checksum of the shape and the decoded intensities: the same however other programs compressed or stored the file."""
    digest = hashlib.sha256(repr(volume.grid.shape).encode("ascii"))
    digest.update(np.ascontiguousarray(volume.data + 0.0, dtype="<f8").data)  # + 0.0: -0.0 is 0.0
    return digest.hexdigest()


def header_is_plain(head: bytes) -> bool:
    """Whether the first bytes of a file are a header whose place in the patient every program reads alike, slices last."""
    try:
        header, _ = _parse(head, "", whole=False)
        return slice_axis(grid_of_header(header, _shape(header, ""), "")) == 2
    except InputError:
        return False


def read_forms(path: Path, name: str) -> tuple[Forms, tuple[int, int, int]]:
    """The transforms that a file's header carries, and its shape.

    Raises
    ------
    InputError
    """
    label = f"{name} ({path.name})"
    header, _ = _parse(file_content(path, name), label)
    return forms_of(header, label), _shape(header, label)


def write_with_form(path: Path, form: Form, out: Path) -> None:
    """A copy of a file in which one of its transforms is the only one, so that all programs read it alike; voxels stay as stored.

    Raises
    ------
    InputError
        It has no such transform.
    RequestError
        The copy would replace the file, or the transform is sheared, which no program but nibabel reads.
    OutputError
    """
    label = f"the file ({path.name})"
    content = file_content(path, "the file")
    header, _ = _parse(content, label)
    affine = getattr(forms_of(header, label), form)
    if affine is None:
        raise InputError(f"{path} has no {form} (its code is 0); choose the other.")
    Grid(_shape(header, label), affine)  # refuses an impossible one
    if shear(affine) > _SHEAR_OF_A_QFORM:
        raise RequestError(f"The sform of {path} is sheared, which other programs do not read; resample the image instead.")
    if out.exists() and out.resolve().samefile(path):
        raise RequestError(f"--out {out} is the file itself; the original is kept, so pass another name.")
    before = len(header.binaryblock)
    header.set_sform(affine, code=1)
    header.set_qform(affine, code=1)
    content = header.binaryblock + content[before:]
    _write_content(out, content)


def write_slices_last(path: Path, out: Path) -> None:
    """A copy of a file whose array has its slices along the third axis, each voxel at its place; values stay as stored.

    Raises
    ------
    InputError
        It cannot be read, or its header says two things of where its voxels lie.
    RequestError
        The copy would replace the file.
    OutputError
    """
    label = f"the file ({path.name})"
    content = file_content(path, "the file")
    header, offset = _parse(content, label)
    shape = _shape(header, label)
    grid = grid_of_header(header, shape, label)
    if out.exists() and out.resolve().samefile(path):
        raise RequestError(f"--out {out} is the file itself; the original is kept, so pass another name.")
    last = slice_axis(grid)
    axes = [*(axis for axis in range(3) if axis != last), last]
    stored = np.frombuffer(content, header.get_data_dtype(), count=math.prod(shape), offset=offset).reshape(shape, order="F")
    affine = grid.affine.copy()
    affine[:, :3] = grid.affine[:, axes]
    header.set_data_shape([shape[axis] for axis in axes])
    header.set_dim_info(slice=2)
    header.set_qform(affine, code=1)
    header.set_sform(affine, code=1)
    if shear(affine) > _SHEAR_OF_A_QFORM:
        header["qform_code"] = 0
    header["vox_offset"] = header.single_vox_offset
    # four zeros: no extension follows
    _write_content(out, header.binaryblock + bytes(4) + stored.transpose(axes).tobytes(order="F"))


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
        _write(path, next(copy for copy in copies if np.array_equal(copy, volume.data)), volume.grid)


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


def _read(path: Path, name: str, form: Form | None, most_voxels: int | None = None) -> tuple[np.ndarray, Grid, str]:
    """`(I, J, K)` array of numbers, its grid, and how messages call it."""
    label = f"{name} ({path.name})"
    content = file_content(path, name, most_voxels)
    header, offset = _parse(content, label)
    kind = header.get_data_dtype()
    if np.dtype(kind).kind not in "iuf":
        raise InputError(
            f"{label} holds colour or complex voxels ({kind}); one number per voxel is needed. "
            "Export the original grey-value series."
        )
    shape = _shape(header, label)
    unit = header.get_xyzt_units()[0]
    if unit not in ("mm", "unknown"):
        raise InputError(f"{label} gives its geometry in {unit}; millimetres are needed. Export it in millimetres.")
    grid = grid_of_header(header, shape, label, form)
    stored = np.frombuffer(content, kind, count=math.prod(shape), offset=offset).reshape(shape, order="F")
    return _scaled(stored, header, label), grid, label


def _shape(header: nib.Nifti1Header, label: str) -> tuple[int, int, int]:
    shape = tuple(int(n) for n in header.get_data_shape())
    while len(shape) > 3 and shape[-1] == 1:
        shape = shape[:-1]
    if len(shape) != 3:
        raise InputError(
            f"{label} is {len(shape)}-D with shape {shape}; one 3-D volume is needed. "
            + ("Extract the volume that is meant." if len(shape) > 3 else "Export the whole series, not one slice.")
        )
    return shape[0], shape[1], shape[2]


def _scaled(stored: np.ndarray, header: nib.Nifti1Header, label: str) -> np.ndarray:
    """Intensities in float64, or whole numbers as stored. A slope of 0 or NaN means, as the standard says, values as stored."""
    try:
        slope, intercept = header.get_slope_inter()
        if np.isinf(header["scl_slope"]):
            raise HeaderDataError("scl_slope is infinite")
    except HeaderDataError as error:
        raise InputError(f"{label} has a damaged NIfTI header ({str(error).rstrip('.')}); export the file again.") from error
    if slope is None or (slope == 1 and not intercept):
        return stored if stored.dtype.kind in "iu" else stored.astype(np.float64)
    scaled = np.multiply(stored, slope, dtype=np.float64)
    return np.add(scaled, intercept or 0.0, out=scaled)  # 0 too: no -0.0 is left


def file_content(path: Path, name: str, most_voxels: int | None = None) -> bytes:
    """The decompressed bytes of a NIfTI file, no more than its header promises.

    Raises
    ------
    InputError
    """
    if path.is_dir():
        raise InputError(f"{name}: {path} is a folder; a NIfTI file (.nii or .nii.gz) is needed. Convert a DICOM series first.")
    label = f"{name} ({path.name})"
    try:
        with path.open("rb") as file:
            packed = file.read(2) == _GZIP_MAGIC
            file.seek(0)
            return _gunzipped(file, label, most_voxels) if packed else _promised(file, label, most_voxels)
    except FileNotFoundError as error:
        raise InputError(f"{name}: there is no file {path}; check the path.") from error
    except PermissionError as error:
        raise InputError(f"{name}: {path} may not be read by this account; change its permissions or pass a copy.") from error
    except OSError as error:
        raise InputError(f"{name}: {path} cannot be read ({error.strerror or error}); pass an intact copy.") from error


def _gunzipped(file: BinaryIO, label: str, most_voxels: int | None) -> bytes:
    try:
        with igzip.IGzipFile(fileobj=file) as unpacked:
            return _promised(unpacked, label, most_voxels, length_of(file))
    except EOFError as error:
        raise InputError(f"{label} is truncated: the compressed data end early. Copy or export the file again.") from error
    except (OSError, IsalError) as error:  # type: ignore[misc]  # its stubs call the class an instance
        raise InputError(f"{label} is damaged: it does not decompress ({error}). Copy or export the file again.") from error


def _promised(file: BinaryIO | igzip.IGzipFile, label: str, most_voxels: int | None, packed_length: int = 0) -> bytes:
    """Header and voxels, once the header says how many bytes they have together."""
    head = file.read(_LONGEST_FIXED_HEADER)
    header, offset = _parse(head, label, whole=False)
    shape = tuple(int(n) for n in header.get_data_shape())
    voxels = math.prod(shape)
    if most_voxels is not None and voxels > most_voxels:
        raise TooLargeError(
            f"{label} has {voxels} voxels (shape {shape}) and its scan at most {most_voxels}; draw on a series of this case, "
            "and save it again."
        )
    if offset > _LONGEST_HEADER:
        raise TooLargeError(f"{label} says that its voxels begin at byte {offset}; at most {_LONGEST_HEADER} are a header.")
    needed = offset + header.get_data_dtype().itemsize * voxels
    check_packed_length(packed_length, needed, label)
    # stored, and as the numbers that are computed with
    check_memory(needed + 8 * voxels, label)
    content = head + file.read(max(0, needed - len(head)))
    behind = 0
    while piece := file.read(_PIECE):  # to its end, where a gzip file's checksum is
        behind += len(piece)
        if behind > _LONGEST_HEADER:
            raise TooLargeError(
                f"{label} goes on behind its voxels: its shape {shape} needs {needed} bytes, and it holds at least "
                f"{needed + behind}. Save it again."
            )
    return content


def _parse(content: bytes, label: str, whole: bool = True) -> tuple[nib.Nifti1Header, int]:
    """The header, and where the voxels begin; `whole` where these must be there too."""
    if len(content) < _SMALLEST_HEADER:
        raise InputError(f"{label} is empty or truncated: it holds {len(content)} bytes, less than a header. Export it again.")
    if nib.Nifti2Header.may_contain_header(content):
        kind: type[nib.Nifti1Header] = nib.Nifti2Header
    elif nib.Nifti1Header.may_contain_header(content) and content[344:347] == b"n+1":
        kind = nib.Nifti1Header
    elif content[344:347] == b"ni1":
        raise InputError(f"{label} is one half of a pair (.hdr and .img); save it as a single .nii or .nii.gz.")
    else:
        raise InputError(f"{label} is not a NIfTI file; a single .nii or .nii.gz is needed. Convert the series first.")
    try:
        header = kind(content[: kind.sizeof_hdr])
        offset, item = int(header.get_data_offset()), header.get_data_dtype().itemsize
        if any(int(n) < 1 for n in header.get_data_shape()):
            raise HeaderDataError(f"shape {header.get_data_shape()}")
        if offset < kind.single_vox_offset:  # nibabel lets 0 pass, and reads the header as voxels
            raise HeaderDataError(f"voxels from byte {offset}, where the header is")
    except (HeaderDataError, WrapStructError, ValueError, TypeError, OverflowError) as error:
        raise InputError(f"{label} has a damaged NIfTI header ({str(error).rstrip('.')}); export the file again.") from error
    shape = tuple(int(n) for n in header.get_data_shape())
    needed = offset + item * math.prod(shape)
    if whole and len(content) < needed:
        raise InputError(
            f"{label} is truncated: shape {shape} needs {needed} bytes, the file holds {len(content)}. "
            "Copy or export the file again."
        )
    return header, offset


def _write(path: Path, array: np.ndarray, grid: Grid) -> None:
    image = nib.Nifti1Image(array, grid.affine, dtype=array.dtype)
    image.header.set_xyzt_units("mm", "sec")
    image.set_sform(grid.affine, code=1)
    image.set_qform(grid.affine, code=1)
    if shear(grid.affine) > _SHEAR_OF_A_QFORM:
        image.header["qform_code"] = 0  # a qform holds no shear: better none than another geometry
    _write_content(path, image.to_bytes())


def _write_content(path: Path, content: bytes) -> None:
    # zlib's files are a quarter smaller and take twenty times as long; mtime 0: equal results are equal files
    write_atomically(path, igzip.compress(content, 1, mtime=0) if path.suffix == ".gz" else content)
