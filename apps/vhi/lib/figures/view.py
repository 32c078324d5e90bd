"""The part of a scan that figures show, hung as a radiologist hangs it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..core.orientation import DisplayOrientation
from ..core.pipeline import VhiResult
from ..core.volume import Grid

MARGIN_MM = 5.0


@dataclass(frozen=True)
class View:
    """A crop of hung slices: patient's right on the left of the picture, superior at the top.

    `rows` and `columns` index hung slices; `row_mm` and `column_mm` are the pixel spacings.
    """

    grid: Grid
    hanging: DisplayOrientation
    rows: slice
    columns: slice
    row_mm: float
    column_mm: float

    @classmethod
    def of(cls, result: VhiResult, margin_mm: float = MARGIN_MM) -> View:
        """The smallest view that holds disease region and normal bone in every slice, with a margin."""
        return cls.around(result.disease_region.mask.data | result.normal_bone.data, result.stir.grid, margin_mm)

    @classmethod
    def around(cls, mask: np.ndarray, grid: Grid, margin_mm: float) -> View:
        """The smallest view that holds an `(I, J, K)` bool array in every slice, with a margin."""
        hanging = DisplayOrientation.of(grid)
        row_mm, column_mm = hanging.pixel_spacing_mm(grid)
        shown = hanging.hang(mask)
        rows = _span(np.asarray(shown.any(axis=(0, 2))), round(margin_mm / row_mm))
        columns = _span(np.asarray(shown.any(axis=(0, 1))), round(margin_mm / column_mm))
        return cls(grid, hanging, rows, columns, row_mm, column_mm)

    def crop(self, array: np.ndarray) -> np.ndarray:
        """`(I, J, K)` to the hung and cropped `(K, rows, columns)`; a view, the values as they are."""
        return self.hanging.hang(array)[:, self.rows, self.columns]

    @property
    def size_mm(self) -> tuple[float, float]:
        """Height and width of the crop [mm]."""
        return (self.rows.stop - self.rows.start) * self.row_mm, (self.columns.stop - self.columns.start) * self.column_mm

    def x_mm(self, k: float) -> np.ndarray:
        """RAS+ x [mm] of every pixel of the crop at slice index `k`; `(rows, columns)`."""
        a = self.grid.affine
        i, j = (np.arange(n, dtype=np.float64) for n in self.grid.shape[:2])
        plane = a[0, 0] * i[:, np.newaxis] + a[0, 1] * j[np.newaxis, :] + a[0, 2] * k + a[0, 3]
        return self.crop(plane[:, :, np.newaxis])[0]


def _span(hit: np.ndarray, margin: int) -> slice:
    """The stretch that holds every True of a 1-D array with a margin; all of it where there is none."""
    at = np.flatnonzero(hit)
    if not at.size:
        return slice(0, hit.size)
    return slice(max(0, int(at[0]) - margin), min(hit.size, int(at[-1]) + 1 + margin))
