"""Fill what a lesion encloses within a slice."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from ..library import ndimage
from ..post_transform import PostTransform
from ..setting import setting
from ..volume import Grid

_IN_PLANE_EDGES = np.zeros((3, 3, 3), dtype=bool)
_IN_PLANE_EDGES[:, :, 1] = ndimage.generate_binary_structure(2, 1)


def fill_holes(grade: np.ndarray, within: np.ndarray) -> np.ndarray:
    """Grade map in which pixels enclosed in-plane by a lesion have grade 1.

    Parameters
    ----------
    grade : (I, J, K) uint8 array
    within : (I, J, K) bool array
        Where pixels may be filled: the disease region.

    Returns
    -------
    (I, J, K) uint8 array
    """
    background, _ = ndimage.label(grade == 0, structure=_IN_PLANE_EDGES)
    open_ended = np.zeros(background.max() + 1, dtype=bool)
    for edge in (background[0], background[-1], background[:, 0], background[:, -1]):
        open_ended[edge] = True
    holes = (grade == 0) & ~open_ended[background] & within
    return np.where(holes, 1, grade).astype(np.uint8)


@dataclass(frozen=True)
class FillHolesd(PostTransform):
    """Fill in-plane holes inside the disease region with grade 1."""

    order: ClassVar[int] = 40
    switch: ClassVar[str | None] = "fill_holes"
    fill_holes: bool = setting(False, "count pixels that a lesion encloses in-plane as grade 1", "off in the paper")

    def apply(self, grade: np.ndarray, grid: Grid, disease_region: np.ndarray) -> np.ndarray:
        return fill_holes(grade, disease_region) if self.fill_holes else grade
