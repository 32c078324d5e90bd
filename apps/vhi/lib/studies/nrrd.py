"""Label maps as NRRD: written in the form in which viewers ask for answers, read as 3D Slicer and others save them.

NRRD holds the voxel-to-patient matrix as it is, column by column, so that an oblique stack keeps its geometry to the last digit.
"""

from __future__ import annotations

import bz2
import gzip
import io
import math
import re
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from ..core.volume import Grid, Mask
from ..errors import InputError, TooLargeError
from ..unpacking import MIB, check_memory, check_packed_length, length_of
from .nifti import labels_of

MAGIC = b"NRRD"
MOST_VOXELS = 300_000_000
# along each axis of the space, what makes it RAS+
_SPACES = {
    "left-posterior-superior": (-1, -1, 1),
    "lps": (-1, -1, 1),
    "right-anterior-superior": (1, 1, 1),
    "ras": (1, 1, 1),
    "left-anterior-superior": (-1, 1, 1),
    "las": (-1, 1, 1),
}
_SEGMENT = re.compile(r"Segment(\d+)_Name")
_LPS_OF_RAS = np.array([-1.0, -1.0, 1.0])
_GZIP = 16 + zlib.MAX_WBITS
_GZIPPED, _BZIPPED = ("gzip", "gz"), ("bzip2", "bz2")
_LARGEST_VOXEL = 8


@dataclass(frozen=True, eq=False)
class SegmentedNrrd:
    """Segments of a file by name.

    Parameters
    ----------
    layers : (I, J, K, L) uint8 array
        Overlapping segments lie in several layers.
    grid : Grid
    segments : mapping of name to (layer, value)
        Where the file names none: one for each value, called by it.
    """

    layers: np.ndarray
    grid: Grid
    segments: Mapping[str, tuple[int, int]]

    def mask(self, name: str) -> Mask:
        layer, value = self.segments[name]
        return Mask(self.layers[..., layer] == value, self.grid, name)


def read_nrrd(path: Path, name: str) -> SegmentedNrrd:
    """A label map or a segmentation (`.nrrd`, `.seg.nrrd`), with one layer or several.

    Raises
    ------
    InputError
        Unreadable, damaged, with its voxels in another file, not of whole numbers from 0 to 255, or without a place in the
        patient.
    """
    import nrrd

    label = f"{name} ({path.name})"
    try:
        with path.open("rb") as file:
            header = nrrd.read_header(file)
            if "data file" in header or "datafile" in header:
                raise InputError(f"{label} keeps its voxels in another file; save it as one .nrrd file.")
            voxels = math.prod(int(n) for n in header["sizes"])
            if voxels > MOST_VOXELS:
                raise TooLargeError(f"{label} has {voxels} voxels, more than any MR series; save it again.")
            # as packed, unpacked, twice by pynrrd, and as the numbers that are computed with
            check_memory(_LARGEST_VOXEL * 4 * voxels, label)
            plain, source = _unpacked(file, header, _LARGEST_VOXEL * voxels, label)
            data = nrrd.read_data(plain, source, str(path))
            if source.read(1):
                raise ValueError("there are more voxels than its sizes say")
    except InputError:
        raise
    except (nrrd.NRRDError, OSError, ValueError, KeyError, TypeError, EOFError, zlib.error) as error:
        raise InputError(f"{label} is damaged or no NRRD file ({' '.join(str(error).split())}); save it again.") from error
    if data.dtype.kind not in "iuf" or data.ndim not in (3, 4):
        raise InputError(f"{label} holds {data.ndim}-D {data.dtype}; a 3-D label map of whole numbers is needed.")
    kinds = [str(kind) for kind in header.get("kinds", [])]
    if data.ndim == 4:
        axis = next((n for n, kind in enumerate(kinds) if kind in ("list", "vector")), 0)
        data = np.moveaxis(data, axis, -1)
    else:
        data = data[..., np.newaxis]
    layers = labels_of(data, label)
    return SegmentedNrrd(layers, _grid(header, layers.shape[:3], label), _segments(header, layers, label))


def _unpacked(file: BinaryIO, header: Mapping[str, Any], most: int, label: str) -> tuple[Mapping[str, Any], BinaryIO]:
    """Header and voxels as pynrrd reads them whole: of packed voxels it takes the first member alone, of whatever length.

    Unpacked a piece at a time, to their end. Refused is what holds more than `most` bytes beside what is to be skipped, a wrong
    checksum and an early end.
    """
    kind = str(header["encoding"])
    if kind not in (*_GZIPPED, *_BZIPPED):
        return header, file
    if any(header.get(key) for key in ("lineskip", "line skip")):
        raise ValueError("lines before packed voxels are to be skipped")
    most += MIB if any(key.endswith("skip") for key in header) else 0
    check_packed_length(length_of(file) - file.tell(), most, label)
    voxels = io.BytesIO()
    with gzip.GzipFile(fileobj=file) if kind in _GZIPPED else bz2.BZ2File(file) as unpacked:
        while piece := unpacked.read(MIB):
            voxels.write(piece)
            if voxels.tell() > most:
                raise TooLargeError(f"{label} unpacks to more than the {most} bytes that its sizes need; save it again.")
    voxels.seek(0)
    return {**header, "encoding": "raw"}, voxels


def _grid(header: Mapping[str, object], shape: tuple[int, ...], label: str) -> Grid:
    signs = _SPACES.get(str(header.get("space", "")).lower())
    try:
        directions = np.array(header["space directions"], dtype=np.float64)
        origin = np.array(header["space origin"], dtype=np.float64)
    except (KeyError, TypeError, ValueError):
        signs = None
    if signs is None:
        raise InputError(
            f"{label} does not say where its voxels lie (space, space directions, space origin); save it again with its geometry."
        )
    directions = directions[np.isfinite(directions).all(axis=1)]
    if directions.shape != (3, 3) or origin.shape != (3,):
        raise InputError(f"{label} gives {len(directions)} directions of its axes; three are needed. Save it again.")
    affine = np.eye(4)
    affine[:3, :3] = directions.T * np.array(signs)[:, np.newaxis]
    affine[:3, 3] = origin * signs
    try:
        return Grid((shape[0], shape[1], shape[2]), affine)
    except InputError as error:
        raise InputError(f"{label}: {error}") from error


def _segments(header: Mapping[str, object], layers: np.ndarray, label: str) -> dict[str, tuple[int, int]]:
    numbers = sorted(int(match[1]) for key in header if (match := _SEGMENT.fullmatch(key)))
    places: dict[str, tuple[int, int]] = {}
    for number in numbers:
        segment = f"Segment{number}_"
        name = str(header[f"{segment}Name"]).strip() or f"segment {number + 1}"
        try:
            place = int(str(header.get(f"{segment}Layer", 0))), int(str(header.get(f"{segment}LabelValue", 1)))
        except ValueError as error:
            raise InputError(f"{label}: the segment {name!r} has no usable layer or value ({error}); save it again.") from error
        if name in places:
            raise InputError(f"{label}: two segments are called {name!r}; merge them, or rename one.")
        if not 0 <= place[0] < layers.shape[-1] or place[1] < 1:
            raise InputError(f"{label}: the segment {name!r} lies in layer {place[0]}, which is not there; save it again.")
        places[name] = place
    if places:
        return places
    if layers.shape[-1] > 1:
        raise InputError(f"{label} has several layers and names no segments; save it from 3D Slicer as .seg.nrrd.")
    return {str(value): (0, int(value)) for value in np.unique(layers) if value} or {"1": (0, 1)}


def nrrd_labels(labels: np.ndarray, grid: Grid, *, compress: bool = True) -> bytes:
    """The file that holds an `(I, J, K)` array of whole numbers 0 to 255, as uint8.

    Parameters
    ----------
    compress : bool
        Gzip; viewers in a browser ask for raw voxels.
    """
    # a copy in Fortran order takes a tenth of the time of tobytes(order="F")
    voxels = np.asfortranarray(labels, dtype=np.uint8).T.tobytes()
    if compress:
        squeeze = zlib.compressobj(level=1, wbits=_GZIP)  # label maps shrink fifty-fold at the fastest level
        voxels = squeeze.compress(voxels) + squeeze.flush()
    return _header(grid, "gzip" if compress else "raw") + voxels


def _header(grid: Grid, encoding: str) -> bytes:
    columns = [_vector(grid.affine[:3, axis]) for axis in range(3)]
    lines = [
        "NRRD0004",
        "type: uint8",
        "dimension: 3",
        "space: left-posterior-superior",
        f"sizes: {' '.join(str(n) for n in grid.shape)}",
        f"space directions: {' '.join(columns)}",
        "kinds: domain domain domain",
        f"encoding: {encoding}",
        f"space origin: {_vector(grid.affine[:3, 3])}",
    ]
    return ("\n".join(lines) + "\n\n").encode("ascii")


def _vector(ras_mm: np.ndarray) -> str:
    # repr: the shortest text that reads back as the same number; + 0.0 writes -0.0 as 0.0
    return "(" + ",".join(repr(float(value) + 0.0) for value in ras_mm * _LPS_OF_RAS) + ")"
