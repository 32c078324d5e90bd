"""A label map as a viewer sends it: over either series, with its segments' names."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ..core.volume import Grid, Mask, check_same_grid
from ..studies.pairing import Role
from .scans import Scans
from .segments import Submitted, checked_labels, segments_of_map


@dataclass(frozen=True, eq=False)
class DrawnMap:
    """`labels`, (I, J, K) whole numbers on `grid`, and `segments`, names with their values: see `segments_of_map`."""

    labels: np.ndarray
    grid: Grid
    segments: Sequence[tuple[str, int | Sequence[int]]]


def segments_on_stir(scans: Scans, role: Role, drawn: DrawnMap) -> Submitted:
    """Its segments on the grid of STIR.

    Raises
    ------
    RequestError
        No label map, or names that make no sense.
    GridMismatchError
        It lies on another grid than the scans.
    """
    labels, grid = scans.measured(checked_labels(drawn.labels), drawn.grid, role)
    map_grid = Grid((labels.shape[0], labels.shape[1], labels.shape[2]), grid.affine)
    check_same_grid(scans.stir, Mask(labels > 0, map_grid, "the submitted label map"))
    return segments_of_map(labels, scans.stir.grid, drawn.segments)
