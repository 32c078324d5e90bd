"""The lesions of an automatic result that a reader was shown, each voxel with its part of the pelvis, as they are noted.

Gestures by part and side are replayed over them when a reading is handed in: as they were on the screen, whatever region was
drawn since.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..core.pipeline import VhiResult
from ..core.volume import Grid

_UNKNOWN, _PARTS_FROM = 1, 2


@dataclass(frozen=True, eq=False)
class ShownLesions:
    """Lesions that were shown.

    Parameters
    ----------
    coded : (I, J, K) uint8 array
        0 outside lesions, 1 where the part is not known, else 2 and more: the index of `lib.core.partition.PARTS` and 2.
    grid : Grid
    removed : tuple of int
        Ids of those that the cleaning proposal takes out.
    midline_mm : float or None
        RAS+ x of the midline; None where that was not noted, nor any part then.
    """

    coded: np.ndarray
    grid: Grid
    removed: tuple[int, ...] = ()
    midline_mm: float | None = None

    @classmethod
    def of(cls, automatic: VhiResult) -> ShownLesions:
        """The lesions of an automatic result, as they are noted."""
        anatomy, proposal = automatic.anatomy, automatic.proposal
        coded, at = np.zeros(automatic.grade.shape, dtype=np.uint8), automatic.graded.at
        coded[at] = anatomy.part[at] + np.uint8(_PARTS_FROM) if anatomy is not None and anatomy.is_known else _UNKNOWN
        removed = () if proposal is None else tuple(lesion.id for lesion in proposal.removed)
        return cls(coded, automatic.stir.grid, removed, automatic.measurement.midline_mm)

    @property
    def mask(self) -> np.ndarray:
        """`(I, J, K)` bool: where there is a lesion."""
        return self.coded > 0

    @property
    def part(self) -> np.ndarray:
        """`(I, J, K)` uint8: the index of `PARTS` of each voxel of a lesion."""
        return np.asarray(np.maximum(self.coded, _PARTS_FROM) - np.uint8(_PARTS_FROM))

    @property
    def is_known(self) -> bool:
        """Whether their parts are known."""
        return bool((self.coded > _UNKNOWN).any())
