"""The box of a mask: all that need be looked at of a grid whose other voxels are empty."""

from __future__ import annotations

import numpy as np

from .volume import Grid

Box = tuple[slice, ...]


def box_of(mask: np.ndarray) -> Box:
    """The smallest box that holds every True of a bool array of any shape, one slice an axis; empty slices where none is."""
    box = []
    for axis in range(mask.ndim):
        at = np.flatnonzero(mask.any(axis=tuple(other for other in range(mask.ndim) if other != axis)))
        box.append(slice(int(at[0]), int(at[-1]) + 1) if at.size else slice(0, 0))
    return tuple(box)


def grid_of_box(grid: Grid, box: Box) -> Grid:
    """The grid of that part of a grid."""
    affine = grid.affine.copy()
    affine[:3, 3] = grid.world_mm(np.array([span.start for span in box]))
    columns, rows, slices = (span.stop - span.start for span in box)
    return Grid((columns, rows, slices), affine)
