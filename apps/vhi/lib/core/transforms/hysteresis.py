"""Keep what is above the sensitive threshold only where it touches something above the conservative one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from scipy import ndimage

from lib.core.setting import setting
from lib.core.transforms.base import PostTransform
from lib.core.volume import Grid

_TOUCHING = np.ones((3, 3, 3), dtype=bool)


def keep_touching_conservative(grade: np.ndarray) -> np.ndarray:
    """Grade map of those 26-connected 3-D groups that hold at least one voxel of grade 2; `(I, J, K)` uint8 in and out."""
    labels, count = ndimage.label(grade > 0, structure=_TOUCHING)
    seeded = np.zeros(count + 1, dtype=bool)
    seeded[labels[grade == 2]] = True
    seeded[0] = False
    return np.where(seeded[labels], grade, 0).astype(np.uint8)


@dataclass(frozen=True)
class Hysteresisd(PostTransform):
    """Two-threshold hysteresis on the 3-D groups."""

    order: ClassVar[int] = 10
    hysteresis: bool = setting(False, "keep groups above sensitive only when they touch conservative", "off in the paper")

    def apply(self, grade: np.ndarray, grid: Grid, disease_region: np.ndarray) -> np.ndarray:
        return keep_touching_conservative(grade) if self.hysteresis else grade
