"""How much the number depends on the threshold and on where normal bone was drawn."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from ..errors import NormalBoneError
from .normal_bone import NormalBoneSample
from .thresholds import ThresholdRule, thresholds_from

THRESHOLD_CHANGES = (-0.10, -0.05, 0.05, 0.10)
FEWEST_SLICES = 3
# A raw VHI moves by about this much on a typical scan when the sensitive threshold moves by 5%; what moves more says little.
LARGEST_STABLE_FACTOR = 1.5


@dataclass(frozen=True)
class ThresholdChange:
    """VHI [mm3] with the sensitive threshold changed by a share (-0.05 = 5% lower)."""

    change: float
    sensitive: float
    vhi_mm3: float


@dataclass(frozen=True)
class SliceLeftOut:
    """VHI [mm3] with one slice of normal bone left out; the threshold is None where the rest gives none."""

    left_out: int
    sensitive: float | None
    vhi_mm3: float | None


@dataclass(frozen=True)
class Stability:
    """VHI around the measured value.

    `slices_left_out` is None where normal bone covers fewer than three slices.
    """

    vhi_mm3: float
    threshold_changes: tuple[ThresholdChange, ...]
    slices_left_out: tuple[SliceLeftOut, ...] | None

    @property
    def slices_left_out_range_mm3(self) -> tuple[float, float] | None:
        """Smallest and largest VHI when one slice of normal bone is left out [mm3]; None where that has no value."""
        if self.slices_left_out is None:
            return None
        values = [one.vhi_mm3 for one in self.slices_left_out if one.vhi_mm3 is not None]
        return (min(values), max(values)) if values else None

    @property
    def five_percent_range_mm3(self) -> tuple[float, float]:
        """VHI with the sensitive threshold 5% higher and 5% lower [mm3]."""
        values = [one.vhi_mm3 for one in self.threshold_changes if abs(one.change) <= 0.05 + 1e-9]
        return min(values), max(values)

    @property
    def unstable_because(self) -> tuple[str, ...]:
        """Why the number should not be read alone; empty for a stable one."""
        reasons = []
        low, high = self.five_percent_range_mm3
        if _factor(self.vhi_mm3, low, high) > LARGEST_STABLE_FACTOR:
            reasons.append(f"a sensitive threshold 5% higher or lower gives {low:,.0f} to {high:,.0f} mm3")
        left_out = self.slices_left_out_range_mm3
        if left_out is not None and _factor(self.vhi_mm3, *left_out) > LARGEST_STABLE_FACTOR:
            reasons.append(f"leaving out one slice of normal bone gives {left_out[0]:,.0f} to {left_out[1]:,.0f} mm3")
        if self.slices_left_out is not None and any(one.vhi_mm3 is None for one in self.slices_left_out):
            reasons.append("without one of its slices, normal bone gives no threshold at all")
        return tuple(reasons)

    @property
    def warnings(self) -> tuple[str, ...]:
        """The sentence for the first page; empty for a stable number."""
        reasons = self.unstable_because
        return (f"The measured volume is unstable: {'; '.join(reasons)}.",) if reasons else ()


def _factor(value: float, low: float, high: float) -> float:
    """By how much `low` or `high` differs from `value` as a ratio; infinite when only one of two is zero."""
    if low == high == value:
        return 1.0
    return max(value / low, high / value) if low > 0 and value > 0 else np.inf


def stability_of(
    vhi_mm3_at: Callable[[float, float], float],
    sample: NormalBoneSample,
    rule: ThresholdRule,
    sensitive: float,
    conservative: float,
) -> Stability:
    """Measure again with changed thresholds and with each slice of normal bone left out.

    Parameters
    ----------
    vhi_mm3_at : callable
        `(sensitive, conservative)` [scanner units] to VHI [mm3].
    sample : NormalBoneSample
    rule : ThresholdRule
        How the thresholds follow from a sample.
    sensitive, conservative : float
        The thresholds of the measurement [scanner units].
    """
    changes = tuple(
        ThresholdChange(change, sensitive * (1 + change), vhi_mm3_at(sensitive * (1 + change), conservative))
        for change in THRESHOLD_CHANGES
    )
    enough = len(sample.slices) >= FEWEST_SLICES
    left_out = tuple(_without(k, vhi_mm3_at, sample, rule) for k in sample.slices) if enough else None
    return Stability(vhi_mm3_at(sensitive, conservative), changes, left_out)


def _without(k: int, vhi_mm3_at: Callable[[float, float], float], sample: NormalBoneSample, rule: ThresholdRule) -> SliceLeftOut:
    values, slices = sample.without_slice(k)
    try:
        rest = thresholds_from(values, rule, slices)
    except NormalBoneError:
        return SliceLeftOut(k, None, None)
    return SliceLeftOut(k, rest.sensitive, vhi_mm3_at(rest.sensitive, rest.conservative))
