"""A label map as a viewer sends it: over either series, with its segments' names."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ..core.normal_bone import Voxel
from ..core.volume import Grid, Mask, check_same_grid
from ..errors import RequestError
from ..studies.pairing import Role
from .scans import Scans
from .segments import Submitted, checked_labels, segments_of_map

MOST_CLICKS = 10_000


@dataclass(frozen=True, eq=False)
class DrawnMap:
    """`labels`, (I, J, K) whole numbers on `grid`, and `segments`, names with their values: see `segments_of_map`.

    `normal_bone_clicks` are the voxels of the series that its normal bone was grown from, as the viewer says.
    """

    labels: np.ndarray
    grid: Grid
    segments: Sequence[tuple[str, int | Sequence[int]]]
    normal_bone_clicks: Sequence[Voxel] = ()


def segments_on_stir(scans: Scans, role: Role, drawn: DrawnMap) -> Submitted:
    """Its segments on the grid of STIR.

    Raises
    ------
    RequestError
        No label map, or names that make no sense.
    GridMismatchError
        It lies on another grid than the scans.
    """
    labels, grid = scans.to_stir_grid(checked_labels(drawn.labels), drawn.grid, role)
    map_grid = Grid((labels.shape[0], labels.shape[1], labels.shape[2]), grid.affine)
    check_same_grid(scans.stir, Mask(labels > 0, map_grid, "the submitted label map"))
    clicks = tuple(scans.voxels_to_stir_grid(drawn.normal_bone_clicks, role))
    return replace(segments_of_map(labels, scans.stir.grid, drawn.segments), normal_bone_clicks=clicks)


def voxels_of(value: Any, name: str) -> tuple[Voxel, ...]:
    """Clicked voxels, as viewers send them: a list of `[i, j, k]` on the series' own grid.

    Raises
    ------
    RequestError
    """
    if not isinstance(value, list) or len(value) > MOST_CLICKS:
        raise RequestError(f"{name} must be a list of at most {MOST_CLICKS} voxels [i, j, k].")
    return tuple(_voxel(click, name) for click in value)


def _voxel(value: Any, name: str) -> Voxel:
    numbers = list(value) if isinstance(value, list) else []
    whole = [isinstance(n, (int, float)) and not isinstance(n, bool) and math.isfinite(n) and n == round(n) for n in numbers]
    if len(numbers) != 3 or not all(whole):
        raise RequestError(f"{name} holds {str(value)[:60]}; a voxel is three whole numbers [i, j, k].")
    return int(numbers[0]), int(numbers[1]), int(numbers[2])
