"""Whether a proposed normal bone can be trusted: do its parts agree, and does its threshold leave the marrow below it?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from .box import box_of
from .lesions import voxels_of
from .runs import grouped_runs
from .thresholds import ROBUST, ThresholdRule, thresholds_from

AGREEMENT = 0.05  # thresholds that differ by no more than this agree; VHI moves by a factor of about 1.5 with it

# A threshold that is too low cuts through marrow: then a large part of all bone hangs together in one lesion, which falls apart
# where the threshold is a little higher. True inflammation, large as it may be, stays in one piece.
HIGHER = 0.10
LARGE_LESION = 0.01  # of the disease region; what smaller lesions do says nothing about marrow

_ROBUST = ThresholdRule(rule=ROBUST)


@dataclass(frozen=True)
class Confidence:
    """How far a proposed normal bone can be trusted.

    Parameters
    ----------
    agreement : float
        Share of halves of its parts from which a sensitive threshold follows that lies within 5% of the whole's.
    joined : float
        Share of the voxels above its sensitive threshold, inside the disease region, that the largest lesion loses when the
        threshold rises by 10%; 0 where that lesion is less than 1% of the region.
    """

    agreement: float
    joined: float

    @property
    def value(self) -> float:
        """Between 0 and 1: the smaller of `agreement` and 1 minus twice `joined`."""
        return max(0.0, min(self.agreement, 1.0 - 2.0 * self.joined))


def confidence_of(stir: np.ndarray, parts: np.ndarray, region: np.ndarray) -> Confidence:
    """The confidence of a normal bone.

    Parameters
    ----------
    stir : (K, rows, columns) float array
    parts : same shape, int
        The number of each voxel's part (circle), 0 outside; at least two parts.
    region : same shape, bool
        The disease region, not empty.
    """
    at = tuple(voxels_of(parts).T)
    whole = thresholds_from(stir[at], _ROBUST, at[0]).sensitive
    return Confidence(_agreement(stir[at], at[0], parts[at], whole), joined(stir, region, whole))


def joined(stir: np.ndarray, region: np.ndarray, sensitive: float) -> float:
    """The `joined` of `Confidence`, 0 to 1.

    Parameters
    ----------
    stir : (K, rows, columns) float array
        Intensities [scanner units].
    region : same shape, bool
        The disease region, not empty.
    sensitive : float
        The threshold of the normal bone [scanner units].
    """
    box = box_of(region)
    stir, region = stir[box], region[box]
    largest, above = _largest(region & (stir >= sensitive))
    if largest < LARGE_LESION * np.count_nonzero(region):
        return 0.0
    return (largest - _largest(region & (stir >= (1 + HIGHER) * sensitive))[0]) / above


def _largest(mask: np.ndarray) -> tuple[int, int]:
    """Voxels of the largest lesion and of all."""
    sizes = grouped_runs(mask).sizes
    return int(sizes.max(initial=0)), int(sizes.sum())


def _agreement(values: np.ndarray, slice_index: np.ndarray, part: np.ndarray, whole: float) -> float:
    def sensitive(chosen: Sequence[int]) -> float:
        some = np.isin(part, chosen)
        return thresholds_from(values[some], _ROBUST, slice_index[some]).sensitive

    numbers = np.unique(part)
    agree = [abs(sensitive(half) / whole - 1) <= AGREEMENT for half in combinations(numbers.tolist(), (numbers.size + 1) // 2)]
    return float(np.mean(agree))
