"""How much the number depends on the threshold and on where normal bone was drawn.

Every value here is that of measuring anew: the scan is graded, cleared and its lesions found again at the other thresholds. A
raw number counts all of them, a proposed one those that the model proposes to keep *there*, a cleaned one what the reader's
decisions keep of them (`lib.core.cleaning`).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from .normal_bone import NormalBoneSample
from .thresholds import ThresholdRule

THRESHOLD_CHANGES = (-0.10, -0.05, 0.05, 0.10)
FEWEST_SLICES = 3
# A raw VHI moves by about this much on a typical scan when the sensitive threshold moves by 5%; what moves more says little.
LARGEST_STABLE_FACTOR = 1.5
NOT_JUDGED = (
    "normal bone was proposed and no reader drew it: its own threshold may be off by more than the changes that were tried",
)
NOT_JUDGED_WITH_PROPOSAL = (
    "part of normal bone was proposed and no reader clicked there: the threshold may be off by more than the changes tried",
)


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

    `slices_left_out` is None where normal bone covers fewer than three slices. `normal_bone_source` as `NormalBone.source`,
    `with_proposal` as `NormalBone.with_proposal`.
    """

    vhi_mm3: float
    threshold_changes: tuple[ThresholdChange, ...]
    slices_left_out: tuple[SliceLeftOut, ...] | None
    normal_bone_source: str = "given"
    with_proposal: bool = False

    @property
    def slices_left_out_range_mm3(self) -> tuple[float, float] | None:
        """Smallest and largest VHI when one slice of normal bone is left out [mm3]; None where that has no value."""
        if self.slices_left_out is None:
            return None
        values = [without_slice.vhi_mm3 for without_slice in self.slices_left_out if without_slice.vhi_mm3 is not None]
        return (min(values), max(values)) if values else None

    @property
    def five_percent_range_mm3(self) -> tuple[float, float]:
        """VHI with the sensitive threshold 5% higher and 5% lower [mm3]."""
        values = [moved.vhi_mm3 for moved in self.threshold_changes if abs(moved.change) <= 0.05 + 1e-9]
        return min(values), max(values)

    @property
    def unstable_because(self) -> tuple[str, ...]:
        """Reasons why the number moves too far; empty where nothing moves it."""
        reasons = []
        low, high = self.five_percent_range_mm3
        if _factor(self.vhi_mm3, low, high) > LARGEST_STABLE_FACTOR:
            reasons.append(f"a sensitive threshold 5% higher or lower gives {low:,.0f} to {high:,.0f} mm3")
        left_out = self.slices_left_out_range_mm3
        if left_out is not None and _factor(self.vhi_mm3, *left_out) > LARGEST_STABLE_FACTOR:
            reasons.append(f"leaving out one slice of normal bone gives {left_out[0]:,.0f} to {left_out[1]:,.0f} mm3")
        if self.slices_left_out is not None and any(without_slice.vhi_mm3 is None for without_slice in self.slices_left_out):
            reasons.append("without one of its slices, normal bone gives no threshold at all")
        return tuple(reasons)

    @property
    def stable(self) -> bool | None:
        """Whether the number holds still; None where that cannot be said, as the threshold itself rests on a proposal."""
        if self.unstable_because:
            return False
        return None if self.normal_bone_source == "proposed" or self.with_proposal else True

    @property
    def reasons(self) -> tuple[str, ...]:
        """Why the number is not called stable; empty for a stable one."""
        if self.unstable_because or self.stable:
            return self.unstable_because
        return NOT_JUDGED_WITH_PROPOSAL if self.with_proposal else NOT_JUDGED

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
    at: tuple[float, float],
    normal_bone_source: str = "given",
    with_proposal: bool = False,
) -> Stability:
    """Measure again with changed thresholds and with each slice of normal bone left out.

    Parameters
    ----------
    vhi_mm3_at : callable
        `(sensitive, conservative)` [scanner units] to VHI [mm3], measured anew.
    sample : NormalBoneSample
    rule : ThresholdRule
        How the thresholds follow from a sample.
    at : (float, float)
        Sensitive and conservative threshold of the measurement [scanner units]; both move together, as they do with another
        normal bone.
    normal_bone_source : str
        With a "proposed" one the number is never called stable.
    with_proposal : bool
        Nor with one that holds voxels of the proposal which nobody checked.
    """
    sensitive, conservative = at
    changes = tuple(
        ThresholdChange(change, sensitive * factor, vhi_mm3_at(sensitive * factor, conservative * factor))
        for change, factor in ((change, 1 + change) for change in THRESHOLD_CHANGES)
    )
    enough = len(sample.slices) >= FEWEST_SLICES
    left_out = tuple(_without(k, vhi_mm3_at, sample, rule) for k in sample.slices) if enough else None
    return Stability(vhi_mm3_at(sensitive, conservative), changes, left_out, normal_bone_source, with_proposal)


def _without(k: int, vhi_mm3_at: Callable[[float, float], float], sample: NormalBoneSample, rule: ThresholdRule) -> SliceLeftOut:
    rest = sample.thresholds_without(k, rule)
    if rest is None:
        return SliceLeftOut(k, None, None)
    return SliceLeftOut(k, rest.sensitive, vhi_mm3_at(rest.sensitive, rest.conservative))
