"""Clear in-plane groups of very few pixels: noise and small vessels within the marrow."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from ..library import ndimage
from ..post_transform import PostTransform
from ..setting import setting
from ..volume import Grid
from .groups import keep_groups

_IN_PLANE = {
    8: np.ones((3, 3, 1), dtype=bool),
    4: ndimage.generate_binary_structure(2, 1)[:, :, np.newaxis],
}


def drop_small_components(grade: np.ndarray, min_pixels: float, connectivity: int = 8) -> np.ndarray:
    """Grade map without in-plane groups of fewer than `min_pixels` pixels.

    Parameters
    ----------
    grade : (I, J, K) uint8 array
        0, 1 or 2; both grades together form the groups.
    min_pixels : float
        A group of exactly this many pixels stays.
    connectivity : 4 or 8
        Whether pixels that touch only by a corner belong together.

    Returns
    -------
    (I, J, K) uint8 array

    Notes
    -----
    Hepburn et al. 2023, section 2.5.1 (v): fewer than 4 pixels, 8-connected, slice by slice.
    """
    structure = np.zeros((3, 3, 3), dtype=bool)
    structure[:, :, 1:2] = _IN_PLANE[connectivity]  # nothing connects one slice with the next
    return keep_groups(grade, structure, lambda group, _: np.bincount(group) >= min_pixels)


@dataclass(frozen=True)
class DropSmallComponentsd(PostTransform):
    """Clear in-plane groups below a number of pixels or an area, whichever is larger."""

    order: ClassVar[int] = 20
    min_pixels: int = setting(4, "smallest in-plane group that stays [pixels]", "paper, 2.5.1 (v)", minimum=1)
    min_area_mm2: float = setting(0.0, "smallest in-plane group that stays [mm2]; 0 is off", "off in the paper", minimum=0)
    connectivity: int = setting(8, "4: edges join pixels of a slice; 8: corners too", "authors' code", choices=(4, 8))

    def smallest(self, grid: Grid) -> float:
        """Pixels of the smallest group that stays."""
        pixel_mm2 = float(np.linalg.norm(np.cross(grid.affine[:3, 0], grid.affine[:3, 1])))
        # a hair less, so that a group of exactly this area stays whatever the rounding of the affine
        return max(self.min_pixels, self.min_area_mm2 / pixel_mm2 * (1 - 1e-6))

    def apply(self, grade: np.ndarray, grid: Grid, disease_region: np.ndarray) -> np.ndarray:
        return drop_small_components(grade, self.smallest(grid), self.connectivity)
