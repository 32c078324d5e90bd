"""Where the frames of a DICOM series lie on a grid, by their positions alone.

Frames come in any order, some may be missing, and their rows and columns may run along any two axes of the grid: order numbers
say nothing about place (a known exporter writes the slices of a stack back to front).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ..errors import GridMismatchError, InputError
from .volume import Grid

_RAS_OF_LPS = np.array([-1.0, -1.0, 1.0])
# files agree to about 0.01 mm; a fifth of a voxel is beyond any rounding and still clearly the same voxel
TOLERANCE_VOXELS = 0.2


@dataclass(frozen=True, eq=False)
class Plane:
    """One frame in the patient.

    Parameters
    ----------
    rows, columns : int
    origin_mm : (3,) float array
        RAS+ position of the centre of the first pixel.
    along_row_mm, along_column_mm : (3,) float arrays
        From one pixel to the next within a row, and within a column.
    """

    rows: int
    columns: int
    origin_mm: np.ndarray
    along_row_mm: np.ndarray
    along_column_mm: np.ndarray

    @classmethod
    def of_dicom(
        cls, rows: int, columns: int, position: Sequence[float], orientation: Sequence[float], spacing: Sequence[float]
    ) -> Plane:
        """The plane by Image Position (Patient), Image Orientation (Patient) and Pixel Spacing, as DICOM orders them.

        Raises
        ------
        InputError
            Numbers that are missing, not finite, or no orientation.
        """
        try:
            place, turn, step = (np.array([float(n) for n in numbers]) for numbers in (position, orientation, spacing))
            rows, columns = int(rows), int(columns)
        except (TypeError, ValueError) as error:
            raise InputError(
                f"A frame's size, position, orientation or pixel spacing is no number ({error}); export it again."
            ) from error
        if place.shape != (3,) or turn.shape != (6,) or step.shape != (2,):
            raise InputError("A frame's position, orientation or pixel spacing has the wrong number of values; export it again.")
        turn = turn.reshape(2, 3)
        fine = np.isfinite([*place, *turn.ravel(), *step]).all() and (step > 0).all() and rows > 0 and columns > 0
        if not fine or np.abs(turn @ turn.T - np.eye(2)).max() > 1e-2:
            raise InputError(
                "A frame's position, orientation or pixel spacing is impossible (not finite, no right angle, or not positive); "
                "export it again."
            )
        # Pixel Spacing names the distance between rows first
        return cls(rows, columns, place * _RAS_OF_LPS, turn[0] * step[1] * _RAS_OF_LPS, turn[1] * step[0] * _RAS_OF_LPS)

    def index_on(self, grid: Grid) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """The voxel of `grid` that the first pixel is, and the steps in voxels along a row and along a column; `(3,)` ints.

        Raises
        ------
        GridMismatchError
            The pixels are not voxels of the grid: turned, of another spacing, or between its voxels.
        """
        to_index = np.linalg.inv(grid.affine)
        exact = [to_index[:3, :3] @ step for step in (self.along_row_mm, self.along_column_mm)]
        first = to_index[:3, :3] @ self.origin_mm + to_index[:3, 3]
        start, along_row, along_column = (np.rint(step).astype(int) for step in (first, *exact))
        corners = np.array([(0, 0), (self.columns - 1, 0), (0, self.rows - 1), (self.columns - 1, self.rows - 1)])
        off = first - start + corners @ (np.array(exact) - np.array([along_row, along_column]))
        units = np.abs(np.array([along_row, along_column]))
        if (units.sum(axis=1) != 1).any() or (units[0] == units[1]).all() or np.abs(off).max() > TOLERANCE_VOXELS:
            pixels = f"{np.linalg.norm(self.along_row_mm):.3g} x {np.linalg.norm(self.along_column_mm):.3g} mm pixels"
            i, j, k = grid.spacing_mm
            raise GridMismatchError(
                f"A frame of {self.columns} x {self.rows} pixels ({pixels}) does not lie on the voxels of the series "
                f"({i:.3g} x {j:.3g} x {k:.3g} mm): its orientation, spacing or position differs. Draw on the series itself, or "
                "resample the segmentation onto it before it is sent."
            )
        return start, along_row, along_column


def taken(array: np.ndarray, grid: Grid, plane: Plane) -> np.ndarray:
    """The part of an array on `grid` that lies in a frame: `(rows, columns)` of the array's type.

    Raises
    ------
    GridMismatchError
        The frame does not lie on the grid's voxels, or reaches beyond them.
    """
    start, along_row, along_column = plane.index_on(grid)
    last = start + (plane.columns - 1) * along_row + (plane.rows - 1) * along_column
    if ((np.minimum(start, last) < 0) | (np.maximum(start, last) >= grid.shape)).any():
        raise GridMismatchError(
            f"A frame of {plane.columns} x {plane.rows} pixels reaches beyond the grid of {' x '.join(map(str, grid.shape))} "
            "voxels; pass the series that the result was measured on."
        )
    row, column = np.arange(plane.rows)[:, np.newaxis], np.arange(plane.columns)[np.newaxis, :]
    i, j, k = (start[axis] + column * along_row[axis] + row * along_column[axis] for axis in range(3))
    return array[i, j, k]


def put(frame: np.ndarray, plane: Plane, mask: np.ndarray, grid: Grid) -> None:
    """Set in `mask`, `(I, J, K)` bool on `grid`, every voxel that is set in a frame, `(rows, columns)` bool.

    Raises
    ------
    GridMismatchError
        The frame does not lie on the grid's voxels, or has a pixel set beyond them.
    """
    row, column = np.nonzero(frame)
    if not row.size:
        return
    start, along_row, along_column = plane.index_on(grid)
    index = start + column[:, np.newaxis] * along_row + row[:, np.newaxis] * along_column
    outside = int(((index < 0) | (index >= np.array(grid.shape))).any(axis=1).sum())
    if outside:
        raise GridMismatchError(
            f"{outside} of the {row.size} pixels set in a frame lie outside the series ({' x '.join(map(str, grid.shape))} "
            "voxels); the segmentation belongs to another series, or was shifted. Draw on the series itself."
        )
    mask[tuple(index.T)] = True
