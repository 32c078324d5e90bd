"""Clear 3-D lesions below a volume."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from ..post_transform import PostTransform
from ..setting import setting
from ..volume import Grid
from .groups import IN_SPACE, keep_groups


def drop_small_volumes(grade: np.ndarray, min_voxels: float) -> np.ndarray:
    """Grade map without 26-connected 3-D groups of fewer than `min_voxels` voxels; `(I, J, K)` uint8 in and out."""
    return keep_groups(grade, IN_SPACE, lambda group, _: np.bincount(group) >= min_voxels)


@dataclass(frozen=True)
class DropSmallVolumesd(PostTransform):
    """Clear lesions below a volume in mm3."""

    order: ClassVar[int] = 30
    switch: ClassVar[str | None] = "min_volume_mm3"
    min_volume_mm3: float = setting(0.0, "smallest 3-D lesion that stays [mm3]; 0 is off", "off in the paper", minimum=0)

    def apply(self, grade: np.ndarray, grid: Grid, disease_region: np.ndarray) -> np.ndarray:
        if self.min_volume_mm3 <= 0:
            return grade
        # a hair less, so that a lesion of exactly this volume stays whatever the rounding of the affine
        return drop_small_volumes(grade, self.min_volume_mm3 / grid.voxel_volume_mm3 * (1 - 1e-6))
