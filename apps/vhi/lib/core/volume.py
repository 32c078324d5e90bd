"""Voxel grids and the two things that live on them: intensity volumes and masks.

Arrays are `(I, J, K)` with `K` the slice axis, exactly as stored in the NIfTI file; they are never reoriented. The affine
maps voxel indices to RAS+ millimetres.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from ..errors import GridMismatchError, InputError

# Two series of one visit agree to about 0.01 mm after the round trips that files go through; a patient who moved or
# another visit is off by millimetres. Half a millimetre is below one pixel of any protocol in use.
GRID_TOLERANCE_MM = 0.5
# along the slice axis voxels are longer than this many times those in the slices; below it a scan has no slices to speak of
_SLICES_APART = 1.5
# corners of a slice show air, or at most fat
_PADDING_ABOVE = 3


@dataclass(frozen=True, eq=False)
class Grid:
    """Where voxels lie in the patient.

    Parameters
    ----------
    shape : (I, J, K)
        Number of voxels along each axis; `K` counts slices.
    affine : (4, 4) float array
        Voxel index to RAS+ millimetres.
    """

    shape: tuple[int, int, int]
    affine: np.ndarray

    def __post_init__(self) -> None:
        affine = np.array(self.affine, dtype=np.float64)
        if affine.shape != (4, 4) or not np.isfinite(affine).all():
            raise InputError("The voxel-to-patient matrix must be 4 x 4 and finite; re-export the file with its geometry.")
        if abs(np.linalg.det(affine[:3, :3])) < 1e-9:
            raise InputError("The voxel-to-patient matrix has no volume (a zero spacing); re-export the file with its geometry.")
        if len(self.shape) != 3 or min(self.shape) < 1:
            raise InputError(f"A 3-D image is needed, found shape {tuple(self.shape)}; pass one volume of slices.")
        affine.setflags(write=False)
        object.__setattr__(self, "affine", affine)
        object.__setattr__(self, "shape", tuple(int(n) for n in self.shape))

    @cached_property
    def spacing_mm(self) -> tuple[float, float, float]:
        """Distance between voxel centres along I, J, K [mm]; along K that is the slice spacing, not the slice thickness."""
        i, j, k = np.linalg.norm(self.affine[:3, :3], axis=0)
        return float(i), float(j), float(k)

    @cached_property
    def voxel_volume_mm3(self) -> float:
        """Volume of one voxel [mm3], from the spacing between slices."""
        # spacing, not thickness: slices are 3.0 mm thick but lie 3.3 mm apart
        return float(abs(np.linalg.det(self.affine[:3, :3])))

    def world_mm(self, index: np.ndarray) -> np.ndarray:
        """RAS+ position [mm] of voxel indices; `(..., 3)` in and out."""
        return np.asarray(index, dtype=np.float64) @ self.affine[:3, :3].T + self.affine[:3, 3]

    def corners_mm(self) -> np.ndarray:
        """`(8, 3)` RAS+ positions [mm] of the centres of the corner voxels."""
        ends = np.array(np.meshgrid(*[(0, n - 1) for n in self.shape], indexing="ij")).reshape(3, -1).T
        return self.world_mm(ends)


@dataclass(frozen=True, eq=False)
class Volume:
    """One intensity image.

    Parameters
    ----------
    data : (I, J, K) float64 array
        Intensities [scanner units], all finite; converted from other numbers.
    grid : Grid
    name : str
        How messages call it, e.g. ``"STIR"``.
    """

    data: np.ndarray
    grid: Grid
    name: str = field(default="image")

    def __post_init__(self) -> None:
        data = np.asarray(self.data)
        if data.shape != self.grid.shape:
            raise InputError(f"{self.name}: the array has shape {data.shape}, its grid {self.grid.shape}.")
        # numpy 2 takes a percentile of float32 in float32, off by 3e-5 at a thousand
        data = data.astype(np.float64, copy=False)
        low, high = data.min(), data.max()  # nan where one voxel is
        if not (np.isfinite(low) and np.isfinite(high)):
            bad = int(data.size - np.isfinite(data).sum())
            raise InputError(
                f"{self.name} holds {bad} voxels that are NaN or infinite; every voxel needs a finite intensity. "
                "Re-export the scan."
            )
        if low == high:
            value = f"{data.flat[0]:g}"
            raise InputError(f"{self.name} is constant (every voxel is {value}); this is not a scan. Pass the image series.")
        object.__setattr__(self, "data", data)


@dataclass(frozen=True, eq=False)
class Mask:
    """A set of voxels: `(I, J, K)` bool array on a grid. It may be empty."""

    data: np.ndarray
    grid: Grid
    name: str = field(default="mask")

    def __post_init__(self) -> None:
        data = np.asarray(self.data)
        if data.dtype != np.bool_:
            raise InputError(f"{self.name}: a mask holds only 0 and 1.")
        if data.shape != self.grid.shape:
            raise InputError(f"{self.name}: the array has shape {data.shape}, its grid {self.grid.shape}.")
        object.__setattr__(self, "data", data)

    @cached_property
    def voxels(self) -> int:
        """Number of voxels in the mask."""
        return int(np.count_nonzero(self.data))

    @property
    def volume_mm3(self) -> float:
        return self.voxels * self.grid.voxel_volume_mm3


def grid_distance_mm(a: Grid, b: Grid) -> float:
    """Largest distance between corresponding corner voxels of two grids of one shape [mm]."""
    return float(np.linalg.norm(a.corners_mm() - b.corners_mm(), axis=1).max())


def slice_axis(grid: Grid) -> int:
    """The axis along which slices lie behind each other: the one of clearly longer voxels, else K (2)."""
    axis = int(np.argmax(grid.spacing_mm))
    within = max(mm for other, mm in enumerate(grid.spacing_mm) if other != axis)
    return axis if grid.spacing_mm[axis] > _SLICES_APART * within else 2


def check_scan(scan: Volume) -> None:
    """Refuse a scan that cannot be measured, or learnt, as it lies.

    Raises
    ------
    InputError
        Slices along another axis than K, or blank between others; padding that was kept as signal.
    """
    check_slices_last(scan)
    check_no_slice_is_blank(scan)
    check_no_bright_padding(scan)


def check_slices_last(image: Volume | Mask) -> None:
    """Refuse an array whose slices lie along another axis than K: what counts pixels within slices would count across them.

    Raises
    ------
    InputError
        With the axis, and how to turn the file.
    """
    axis = slice_axis(image.grid)
    if axis != 2:
        apart, which = image.grid.spacing_mm[axis], ("first", "second")[axis]
        raise InputError(
            f"{image.name} holds its slices ({apart:.2f} mm apart) along the {which} axis of its array, as after a change of "
            "orientation (fslreorient2std, as_closest_canonical), and VHI is counted in slices along the third. Pass the file as "
            "it was converted, or a turned copy: python main.py nifti-header FILE --slices-last --out COPY."
        )


def blank_slices(volume: Volume) -> np.ndarray:
    """`(n,)` indices K of slices in which every voxel is 0."""
    candidates = np.flatnonzero(~volume.data[::16, ::16].any(axis=(0, 1)))
    return np.array([k for k in candidates if not volume.data[:, :, k].any()], dtype=int)


def check_no_slice_is_blank(volume: Volume, region: Mask | None = None) -> None:
    """Refuse a scan whose slices are blank between others, or where a region has voxels: a write or a transfer that ended early.

    Blank slices at the ends are what resampling and the correction of distortion leave, and nothing is counted there.

    Raises
    ------
    InputError
        With the slices, counted from 1.
    """
    blank = blank_slices(volume)
    if not blank.size:
        return
    shown = np.setdiff1d(np.arange(volume.grid.shape[2]), blank)
    first, last = (shown[0], shown[-1]) if shown.size else (-1, volume.grid.shape[2])
    between = (blank > first) & (blank < last)
    counted = np.zeros(len(blank), dtype=bool) if region is None else region.data[:, :, blank].any(axis=(0, 1))
    lost = blank[between | counted]
    if lost.size:
        which = ", ".join(str(k + 1) for k in lost[:10])
        raise InputError(
            f"{volume.name} has blank slices (number {which} of {volume.grid.shape[2]}: every voxel is 0), so their "
            "inflammation is lost: a transfer or a write ended early, or it was resampled from fewer slices. Export or copy the "
            "scan again, or cut both scans to the slices that it shows."
        )


def check_no_bright_padding(volume: Volume) -> None:
    """Refuse a scan whose corners hold one value far above all others: padding that a conversion handed out as signal.

    Raises
    ------
    InputError
        With the value, and how many voxels have it.
    """
    value = volume.data[:: volume.grid.shape[0] - 1 or 1, :: volume.grid.shape[1] - 1 or 1].max()
    if value < volume.data.max():
        return
    others = volume.data[volume.data < value]
    if others.size and value > _PADDING_ABOVE * np.percentile(others, 99.9):
        raise InputError(
            f"{volume.name} has {volume.data.size - others.size} voxels of {value:g}, in the corners of its slices too and over "
            f"{_PADDING_ABOVE} times as bright as nearly all others: padding that a conversion kept as signal. Set them to 0, or "
            "pass the DICOM series."
        )


def check_same_grid(a: Volume | Mask, b: Volume | Mask, tolerance_mm: float = GRID_TOLERANCE_MM) -> None:
    """Refuse two inputs whose voxels do not lie on top of each other.

    Compares shapes and then the positions of the eight corners, because files agree to about 0.01 mm and not to the bit.

    Raises
    ------
    GridMismatchError
        With both names, what differs and by how many millimetres.
    """
    if a.grid.shape != b.grid.shape:
        raise GridMismatchError(
            f"{a.name} has shape {a.grid.shape} and {b.name} has shape {b.grid.shape}; they must share one grid. "
            f"Resample {b.name} onto {a.name}, or pass the series of the same visit."
        )
    distance = grid_distance_mm(a.grid, b.grid)
    if distance > tolerance_mm:
        raise GridMismatchError(
            f"{a.name} and {b.name} have one shape {a.grid.shape} but lie up to {distance:.1f} mm apart (allowed "
            f"{tolerance_mm:g} mm); they may come from different visits. Register them first, or pass series of one visit."
        )
