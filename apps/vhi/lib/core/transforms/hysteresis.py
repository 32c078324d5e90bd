"""Keep what is above the sensitive threshold only where it touches something above the conservative one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from ..post_transform import PostTransform
from ..setting import setting
from ..volume import Grid
from .groups import IN_SPACE, keep_groups


def keep_touching_conservative(grade: np.ndarray) -> np.ndarray:
    """Grade map of those 26-connected 3-D groups that hold at least one voxel of grade 2; `(I, J, K)` uint8 in and out."""
    return keep_groups(grade, IN_SPACE, lambda group, grades: np.bincount(group, weights=grades == 2) > 0)


@dataclass(frozen=True)
class Hysteresisd(PostTransform):
    """Two-threshold hysteresis on the 3-D groups."""

    order: ClassVar[int] = 10
    switch: ClassVar[str | None] = "hysteresis"
    hysteresis: bool = setting(False, "keep groups above sensitive only when they touch conservative", "off in the paper")

    def apply(self, grade: np.ndarray, grid: Grid, disease_region: np.ndarray) -> np.ndarray:
        return keep_touching_conservative(grade) if self.hysteresis else grade
