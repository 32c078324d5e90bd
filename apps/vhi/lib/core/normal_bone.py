"""Normal bone: the sample of STIR intensities that both thresholds rest on.

A reader draws it in the sacrum between the foramina, marrow that sacroiliitis usually spares (Hepburn et al. 2023,
section 2.5.1), or clicks in it (`lib.core.normal_bone_clicks`). `lib.core.normal_bone_proposal` stands in when no reader did.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from ..errors import NormalBoneError
from .lesions import voxels_of
from .thresholds import ThresholdRule, Thresholds, thresholds_from
from .volume import Mask, Volume, check_same_grid

# A quartile of 30 values has seven or eight values beyond it; fewer say little about a spread. The published regions are far
# larger: 1256 to 7893 voxels, and no circle on a single slice below 169.
MIN_VOXELS = 30

Voxel = tuple[int, int, int]


@dataclass(frozen=True, eq=False)
class NormalBone:
    """The normal-bone region, and how it came about.

    Parameters
    ----------
    mask : Mask
        On the grid of STIR.
    source : str
        "given" where a reader drew it, "clicked" where it was grown from a reader's clicks, "proposed" where nobody changed a
        voxel of the automatic proposal. The first two are a reader's.
    confidence : float or None
        Of a proposed one.
    clicks : tuple of (i, j, k)
        The voxels that a clicked one was grown from.
    with_proposal : bool
        Whether a clicked one holds voxels of the automatic proposal which the clicks alone do not reach: nobody checked those.
    """

    mask: Mask
    source: str = "given"
    confidence: float | None = None
    clicks: tuple[Voxel, ...] = ()
    with_proposal: bool = False


@dataclass(frozen=True)
class NormalBoneClicks:
    """Where a reader clicked in sacral marrow: voxels `(i, j, k)` on the grid of STIR, from 0; normal bone is grown from them."""

    voxels: tuple[Voxel, ...]


@dataclass(frozen=True, eq=False)
class NormalBoneSample:
    """STIR intensities inside the normal-bone region.

    Parameters
    ----------
    values : (n,) float64 array
        Intensities [scanner units], n >= 30, not all equal.
    slice_index : (n,) int array
        Index along K of the slice each value comes from.

    Raises
    ------
    NormalBoneError
        Too few values, values that are not finite, or one value throughout.
    """

    values: np.ndarray
    slice_index: np.ndarray

    def __post_init__(self) -> None:
        values = np.asarray(self.values, dtype=np.float64)
        slice_index = np.asarray(self.slice_index, dtype=np.intp)
        if values.ndim != 1 or values.shape != slice_index.shape:
            raise NormalBoneError(
                f"Each normal-bone intensity needs its slice: found {values.shape} values and {slice_index.shape} slice indices."
            )
        if values.size < MIN_VOXELS:
            raise NormalBoneError(
                f"The normal-bone region holds {values.size} voxels; at least {MIN_VOXELS} are needed for its quartiles. "
                "Draw it larger, over several slices of the sacrum."
            )
        if not np.isfinite(values).all():
            raise NormalBoneError("Normal bone holds intensities that are NaN or infinite; re-export the STIR series.")
        if values.min() == values.max():
            raise NormalBoneError(
                f"All {values.size} normal-bone voxels have one STIR intensity ({values[0]:g}), so they cannot be marrow; "
                "the region may lie outside the body. Redraw it over the sacrum on STIR."
            )
        object.__setattr__(self, "values", values)
        object.__setattr__(self, "slice_index", slice_index)

    @property
    def slices(self) -> tuple[int, ...]:
        """Indices along K of the slices that contribute, rising."""
        return tuple(int(k) for k in np.unique(self.slice_index))

    def without_slice(self, k: int) -> tuple[np.ndarray, np.ndarray]:
        """Values and slice indices of all slices but `k`; `(m,)` each, possibly empty."""
        rest = self.slice_index != k
        return self.values[rest], self.slice_index[rest]

    def thresholds_without(self, k: int, rule: ThresholdRule) -> Thresholds | None:
        """The thresholds of all slices but `k`; None where none follow from them. Found once."""
        if (k, rule) not in self._thresholds:
            values, slices = self.without_slice(k)
            try:
                self._thresholds[k, rule] = thresholds_from(values, rule, slices)
            except NormalBoneError:
                self._thresholds[k, rule] = None
        return self._thresholds[k, rule]

    @cached_property
    def _thresholds(self) -> dict[tuple[int, ThresholdRule], Thresholds | None]:
        return {}


def sample_normal_bone(stir: Volume, normal_bone: Mask) -> NormalBoneSample:
    """STIR intensities inside the normal-bone region, with the slice of each.

    The region may overlap the disease region: on the published scans 3 to 100% of its voxels do.

    Raises
    ------
    NormalBoneError
        An empty region, fewer than `MIN_VOXELS` voxels, or one intensity throughout.
    GridMismatchError
        The region lies on another grid than STIR.
    """
    check_same_grid(stir, normal_bone)
    if not normal_bone.voxels:
        raise NormalBoneError(
            f"The normal-bone region ({normal_bone.name}) is empty; at least {MIN_VOXELS} voxels are needed. "
            "Draw it in the sacrum on STIR, or leave it out to have one proposed."
        )
    at = tuple(voxels_of(normal_bone.data).T)
    return NormalBoneSample(values=stir.data[at], slice_index=at[2])
