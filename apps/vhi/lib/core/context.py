"""Where things are in the imaged pelvis: midline, joints, sacrum and ilium, vertebrae, from T1W and the disease region alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ..errors import InputError
from .joint import joint_columns
from .library import ndimage
from .orientation import DisplayOrientation
from .volume import Grid, Mask, Volume

SPINE_HALF_MM = 12.0  # of the column of vertebral bodies that is looked along
DISC_MM = 18.0  # a gap between two bones that is wider is no disc


@dataclass(frozen=True, eq=False)
class Context:
    """Anatomy of one scan, on hung slices `(K, R, C)`: superior row first, the patient's right column first.

    Parameters
    ----------
    hanging : DisplayOrientation
        How `(I, J, K)` arrays become hung slices.
    spacing_mm : (slice, row, column)
    front_first : bool
        Whether the first slice is the most anterior one.
    midline : float
        Column between left and right.
    joints : (2, K, R) float array
        Column of the joint line, the patient's right and left.
    present : (2, K, R) bool array
        Where there is a joint.
    level : (K, R) int array
        Of the spine: 0 the sacrum and below, 1 the vertebra above it (L5), 2 what lies above the L4/5 disc, and so on.
    marrow : float
        Median T1W intensity of the region.
    """

    hanging: DisplayOrientation
    spacing_mm: tuple[float, float, float]
    front_first: bool
    midline: float
    joints: np.ndarray
    present: np.ndarray
    level: np.ndarray
    marrow: float

    @classmethod
    def on(cls, grid: Grid, midline: float, joints: np.ndarray, present: np.ndarray, level: np.ndarray, marrow: float) -> Context:
        """These landmarks of a T1W scan on that grid, which says how its slices hang; shapes and units as in `Context`."""
        hanging = DisplayOrientation.of(grid)
        spacing_mm = (grid.spacing_mm[2], *hanging.pixel_spacing_mm(grid))
        return cls(hanging, spacing_mm, bool(grid.affine[1, 2] <= 0), midline, joints, present, level, marrow)

    @property
    def joint_rows(self) -> tuple[float, float]:
        """First and last row of the joints, over both sides and all slices."""
        return _ends(np.nonzero(self.present)[2], self.present.shape[2])

    @property
    def joint_slices(self) -> tuple[float, float]:
        """First and last slice of the joints."""
        return _ends(np.nonzero(self.present)[1], self.present.shape[1])


def _ends(at: np.ndarray, length: int) -> tuple[float, float]:
    """Where most of it begins and ends; single outliers do not count."""
    if not at.size:
        return 0.25 * length, 0.75 * length
    low, high = np.percentile(at, [2, 98])
    return float(low), float(max(high, low + 1))


def context_of(t1w: Volume, disease_region: Mask) -> Context:
    """The anatomy of a scan.

    Raises
    ------
    InputError
        The disease region is empty.
    """
    if not disease_region.voxels:
        raise InputError("The disease region is empty; nothing can be told about lesions without it.")
    grid = t1w.grid
    hanging = DisplayOrientation.of(grid)
    region = np.ascontiguousarray(hanging.hang(disease_region.data))
    hung = np.ascontiguousarray(hanging.hang(t1w.data), dtype=np.float32)
    marrow = max(float(np.median(hung[region])), 1e-6)
    row_mm, column_mm = hanging.pixel_spacing_mm(grid)
    midline = _midline(region)
    joints, present = joint_columns(hung / marrow, region, midline, (row_mm, column_mm))
    return Context.on(grid, midline, joints, present, _levels(region, present, midline, (row_mm, column_mm)), marrow)


def _midline(region: np.ndarray) -> float:
    """Middle between the outermost columns that hold a fair share of the region."""
    per_column = np.count_nonzero(region, axis=(0, 1))
    columns = np.flatnonzero(per_column >= 0.05 * per_column.max())
    return float(columns[0] + columns[-1]) / 2


def _levels(region: np.ndarray, present: np.ndarray, midline: float, spacing_mm: tuple[float, float]) -> np.ndarray:
    """How many discs lie between a row of the spine and the sacrum, per slice and row; `(K, R)` int array."""
    half = round(SPINE_HALF_MM / spacing_mm[1])
    spine = region[:, :, max(0, int(midline) - half) : int(midline) + half + 1].mean(axis=2) > 0.5
    pieces, count = ndimage.label(spine)  # over rows and slices: neighbours in one row, or in one column
    levels = np.zeros(count + 1, dtype=np.intp)
    if not count:
        return levels[pieces]
    lowest = _sacrum(pieces, count, present)
    above = _above(pieces, round(DISC_MM / spacing_mm[0]))
    levels[:] = -1
    levels[lowest] = 0
    for _ in range(count):
        for lower, upper in above:
            if levels[lower] >= 0 and levels[upper] < 0:
                levels[upper] = levels[lower] + 1
    at = ndimage.distance_transform_edt(pieces == 0, sampling=(1e3, 1.0), return_distances=False, return_indices=True)
    nearest: np.ndarray = np.maximum(levels, 0)[pieces[tuple(at)]]
    return nearest


def _sacrum(pieces: np.ndarray, count: int, present: np.ndarray) -> int:
    """The piece of the spine that shares most rows with the joints."""
    beside = present.any(axis=0)
    shared = np.bincount(pieces[beside], minlength=count + 1)[1:]
    return 1 + int(np.argmax(shared if shared.any() else np.bincount(pieces.ravel(), minlength=count + 1)[1:]))


def _above(pieces: np.ndarray, most_rows: int) -> Sequence[tuple[int, int]]:
    """(lower, upper) of pieces that face each other in some slice with no more than a disc between them."""
    gaps: dict[tuple[int, int], None] = {}
    for rows in pieces:
        starts = np.flatnonzero((rows > 0) & (np.pad(rows, (1, 0))[:-1] != rows))
        ends = np.flatnonzero((rows > 0) & (np.pad(rows, (0, 1))[1:] != rows))
        for n in range(1, len(starts)):
            if starts[n] - ends[n - 1] <= most_rows and rows[starts[n]] != rows[ends[n - 1]]:
                gaps[int(rows[starts[n]]), int(rows[ends[n - 1]])] = None
    return tuple(gaps)
