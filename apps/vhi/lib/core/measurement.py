"""VHI: how many voxels, how many cubic millimetres, on which side."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .lesions import side_of
from .volume import Grid


@dataclass(frozen=True)
class Extent:
    """Voxels of a grade map, or of one side of it: `sensitive` counts grades 1 and 2, `conservative` grade 2."""

    sensitive: int
    conservative: int
    voxel_volume_mm3: float

    @property
    def sensitive_mm3(self) -> float:
        return self.sensitive * self.voxel_volume_mm3

    @property
    def conservative_mm3(self) -> float:
        return self.conservative * self.voxel_volume_mm3


@dataclass(frozen=True)
class VhiMeasurement:
    """The numbers of one scan.

    `raw_sensitive` counts voxels at or above the sensitive threshold before any post-transform. `left` and `right` are the
    patient's, divided at the sagittal plane `midline_mm` (RAS+ x) through the centroid of the disease region.
    """

    total: Extent
    left: Extent
    right: Extent
    raw_sensitive: int
    midline_mm: float


def measure(grade: np.ndarray, raw_sensitive: int, grid: Grid, midline: float) -> VhiMeasurement:
    """Count a cleared grade map.

    Parameters
    ----------
    grade : (I, J, K) uint8 array
    raw_sensitive : int
        Voxels of grade 1 or 2 before the post-transforms.
    midline : float
        RAS+ x of the plane between left and right [mm].
    """
    at = np.argwhere(grade > 0)
    conservative = grade[tuple(at.T)] == 2
    left = side_of(grid.world_mm(at)[:, 0], midline)

    def extent(where: np.ndarray) -> Extent:
        return Extent(int(where.sum()), int((where & conservative).sum()), grid.voxel_volume_mm3)

    return VhiMeasurement(extent(np.ones_like(left)), extent(left), extent(~left), raw_sensitive, midline)
