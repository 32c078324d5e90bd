"""The lesions of an automatic result that a model proposes to keep and to remove, as plain values (the model: `lib.cleaning`)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from .lesions import Lesion
from .measurement import Extent

# which number a result holds: all lesions, those that a model keeps, or those that a reader kept
Stage = Literal["raw", "proposed", "cleaned"]


@dataclass(frozen=True)
class LesionProposal:
    """Keep or remove one lesion of the automatic result: `probability` that a reader keeps it, the main `reason` in words."""

    lesion: Lesion
    keep: bool
    probability: float
    reason: str


@dataclass(frozen=True)
class Proposal:
    """Keep or remove for every lesion of an automatic result, in its order.

    Parameters
    ----------
    version : str
        Of the model.
    limit : float
        Probability from which a lesion of a hundredth of the expected inflammation is kept; a larger one is from a lower.
    lesions : tuple of LesionProposal
    uncertain : tuple of int
        Ids of the few lesions that a reader should look at first: a wrong decision is likely there, and large.
    """

    version: str
    limit: float
    lesions: tuple[LesionProposal, ...]
    uncertain: tuple[int, ...] = ()

    @property
    def kept(self) -> tuple[Lesion, ...]:
        return tuple(proposed.lesion for proposed in self.lesions if proposed.keep)

    @property
    def removed(self) -> tuple[Lesion, ...]:
        return tuple(proposed.lesion for proposed in self.lesions if not proposed.keep)

    def keeps(self) -> np.ndarray:
        """`(lesions + 1,)` bool array by the lesion's id; False for id 0, which is no lesion."""
        return np.array([False, *(proposed.keep for proposed in self.lesions)])

    def extent(self, voxel_volume_mm3: float) -> Extent:
        """The volumes that are left when the proposal is followed."""
        kept = self.kept
        return Extent(sum(lesion.voxels for lesion in kept), sum(lesion.conservative_voxels for lesion in kept), voxel_volume_mm3)
