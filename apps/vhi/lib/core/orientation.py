"""Slices as a radiologist sees them, and back.

Volumes stay as stored (`lib.core.volume`). The networks and the figures need each slice the same way up whatever the file's
axis order: rows run from superior to inferior, columns from the patient's right to the left, as a coronal image is hung.
Which array axis is which follows from the affine alone.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .volume import Grid

_LEFT = np.array([-1.0, 0.0, 0.0])
# An oblique coronal stack parallel to the sacrum leans so far that "up" may be nearer to anterior than to superior: the
# promontory lies in front of and above the coccyx. The bisector is on the right side for every lean, and for axial slices too.
_UP = np.array([0.0, 1.0, 1.0]) / np.sqrt(2.0)
# across such a stack: in front lies below, as seen along the sacrum
_FRONT = np.array([0.0, 1.0, -1.0]) / np.sqrt(2.0)


@dataclass(frozen=True)
class DisplayOrientation:
    """How to turn `(I, J, K)` arrays of one grid into hung slices `(K, rows, columns)` and back, without interpolation."""

    transpose: bool
    flip_rows: bool
    flip_columns: bool

    @classmethod
    def of(cls, grid: Grid) -> DisplayOrientation:
        i, j = grid.affine[:3, 0], grid.affine[:3, 1]
        i, j = i / np.linalg.norm(i), j / np.linalg.norm(j)
        transpose = abs(i @ _LEFT) < abs(j @ _LEFT)  # then columns run along J
        across, along = (j, i) if transpose else (i, j)
        return cls(transpose=bool(transpose), flip_rows=bool(along @ _UP > 0), flip_columns=bool(across @ _LEFT < 0))

    def hang(self, array: np.ndarray) -> np.ndarray:
        """`(I, J, K)` to `(K, rows, columns)`, the values and their units as they are; a view."""
        slices = array.transpose(2, 0, 1) if self.transpose else array.transpose(2, 1, 0)
        return slices[:, :: -1 if self.flip_rows else 1, :: -1 if self.flip_columns else 1]

    def unhang(self, slices: np.ndarray) -> np.ndarray:
        """`(K, rows, columns)` back to `(I, J, K)`, the values and their units as they are; a view."""
        slices = slices[:, :: -1 if self.flip_rows else 1, :: -1 if self.flip_columns else 1]
        return slices.transpose(1, 2, 0) if self.transpose else slices.transpose(2, 1, 0)

    def hung_index(self, voxel: tuple[int, int, int], shape: tuple[int, int, int]) -> tuple[int, int, int]:
        """Where voxel `(i, j, k)` of an array of that shape lies in hung slices: slice, row, column."""
        i, j, k = voxel
        (row, rows), (column, columns) = ((i, shape[0]), (j, shape[1])) if self.transpose else ((j, shape[1]), (i, shape[0]))
        return k, rows - 1 - row if self.flip_rows else row, columns - 1 - column if self.flip_columns else column

    def voxel(self, index: tuple[int, int, int], shape: tuple[int, int, int]) -> tuple[int, int, int]:
        """The voxel `(i, j, k)` at slice, row, column of hung slices of an `(I, J, K)` array of that shape."""
        k, row, column = index
        rows, columns = (shape[0], shape[1]) if self.transpose else (shape[1], shape[0])
        row = rows - 1 - row if self.flip_rows else row
        column = columns - 1 - column if self.flip_columns else column
        return (row, column, k) if self.transpose else (column, row, k)

    def pixel_spacing_mm(self, grid: Grid) -> tuple[float, float]:
        """Spacing of rows and of columns [mm]."""
        i, j, _ = grid.spacing_mm
        return (i, j) if self.transpose else (j, i)


def runs_to_front(grid: Grid) -> bool:
    """Whether the slices of an oblique coronal stack run from the patient's back to the front."""
    return bool(grid.affine[:3, 2] @ _FRONT > 0)
