"""The two hyperintensity thresholds, from the STIR intensities of normal bone (Hepburn et al. 2023, section 2.5.2)."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np

from ..errors import NormalBoneError
from .setting import check_settings, setting

# On the eight published normal-bone regions the multiple lies between 1.5 and 3.0. Beyond this one the brightest voxel is
# no longer the tail of normal marrow but something else in the region (vessel, foramen, artefact).
LARGEST_PLAUSIBLE_MULTIPLE = 6.0
LARGEST_MULTIPLE = 50.0
PAPER, ROBUST = "paper", "robust"
# Tukey's far fence: beyond the third quartile by three interquartile ranges a value is no tail of the sample
FAR_FENCE = 3.0
# Slices with fewer voxels have no quartiles to speak of; theirs count in the whole sample alone.
MIN_SLICE_VOXELS = 30
# Of the sensitive threshold below the limit, in interquartile ranges, so that VHI is the paper rule's in the median of the
# published scans; 0.595 to 0.605 with each scan left out (benchmarks/thresholds.py). The paper's own gap is 0.1 to 0.5.
GAP_IQR = 0.6


@dataclass(frozen=True)
class ThresholdRule:
    """How the thresholds follow from the sample; the defaults are the paper's.

    `rule` "auto" is the paper's for a region that a reader drew, and "robust" for a proposed or clicked one, which no reader has
    kept free of bright voxels. The other settings are the paper rule's alone.
    """

    rule: str = setting(
        "auto",
        "rule of both thresholds: paper, robust, or auto: paper for a drawn normal bone, robust for a clicked or proposed one",
        "paper, 2.5.2; docs/thresholds.md",
        choices=("auto", PAPER, ROBUST),
    )
    first_multiple: float = setting(
        1.5, "multiple of the interquartile range tried first for the sensitive threshold", "paper, 2.5.2", minimum=0, maximum=20
    )
    multiple_step: float = setting(0.05, "step by which the multiple is changed", "paper, 2.5.2", minimum=0.001, maximum=0.4)
    upper_percentile: float = setting(
        100.0,
        "percentile of normal bone that is the conservative threshold; 100 is its maximum",
        "paper, 2.5.2",
        minimum=80,
        maximum=100,
    )

    def __post_init__(self) -> None:
        check_settings(self)

    def resolved(self, drawn: bool) -> ThresholdRule:
        """The rule for a normal bone that a reader drew, or that the program did: "auto" becomes one of the two."""
        if self.rule != "auto":
            return self
        return replace(self, rule=PAPER if drawn else ROBUST)

    def upper_limit(self, rule: str) -> str:
        """The conservative threshold by "paper" or "robust", in words: which value of normal bone it is."""
        if rule == ROBUST:
            return "robust upper limit"
        return "brightest voxel" if self.upper_percentile == 100 else f"percentile {self.upper_percentile:g}"


@dataclass(frozen=True)
class Thresholds:
    """Sensitive and conservative threshold [scanner units] and how they came about.

    A voxel at a threshold counts as above it. `multiple` is the n of ``sensitive = q3 + n * iqr``. `rule` is the one that was
    used, "paper" or "robust".
    """

    sensitive: float
    conservative: float
    multiple: float
    q1: float
    q3: float
    n_normal_bone: int
    rule: str = PAPER

    def __post_init__(self) -> None:
        if not (math.isfinite(self.sensitive) and math.isfinite(self.conservative)) or self.sensitive >= self.conservative:
            raise NormalBoneError(
                f"The thresholds {self.sensitive:g} (sensitive) and {self.conservative:g} (conservative) are not two finite, "
                "rising values; redraw the normal-bone region."
            )
        if self.sensitive <= 0:
            raise NormalBoneError(
                f"The sensitive threshold is {self.sensitive:g}, but tissue that gives signal lies above 0 in a magnitude image: "
                "STIR's intensities look shifted by a constant, or it is no magnitude image. Pass it as the scanner stored it."
            )

    @property
    def iqr(self) -> float:
        """Interquartile range of normal bone [scanner units]."""
        return self.q3 - self.q1


def thresholds_from(sample: np.ndarray, rule: ThresholdRule | None = None, slice_index: np.ndarray | None = None) -> Thresholds:
    """Two hyperintensity thresholds from normal-bone STIR intensities.

    Parameters
    ----------
    sample : (n,) float array
        Intensities inside the normal-bone region [scanner units], n >= 2.
    rule : ThresholdRule, optional
        "auto" counts as the paper's: who drew the sample is not known here.
    slice_index : (n,) int array, optional
        The slice of each value, for the robust rule; one slice when absent.

    Returns
    -------
    Thresholds
        In the units of `sample`: they scale with it.

    Raises
    ------
    NormalBoneError
        Fewer than two values, a value that is not finite, an interquartile range of zero, an upper limit that does not
        exceed the third quartile, or one so far above it that no multiple up to 50 reaches it.

    Notes
    -----
    The paper's rule: the conservative threshold is the maximum. The multiple is raised from `first_multiple` until
    ``0 < conservative - sensitive < iqr / 2``. Where the first multiple already lies at or above the conservative threshold,
    which the paper's text leaves open, it is lowered in the same steps until the difference is positive, as the authors' code
    does. Both loops are solved in closed form here. Quartiles and percentiles by linear interpolation.

    The robust rule: the conservative threshold is `robust_limit`, the sensitive one `GAP_IQR` interquartile ranges below.
    """
    rule = rule or ThresholdRule()
    sample = np.asarray(sample, dtype=np.float64).ravel()
    _check_sample(sample)
    q1, q3 = (float(q) for q in np.percentile(sample, [25, 75]))
    iqr = q3 - q1
    if iqr <= 0:
        raise NormalBoneError(
            f"Half of the {sample.size} normal-bone voxels share one intensity ({q3:g}), so their interquartile range is zero "
            "and no threshold follows from it; redraw the normal-bone region over marrow on the STIR series."
        )
    if rule.rule == ROBUST:
        upper = robust_limit(sample, np.zeros(sample.size, dtype=np.intp) if slice_index is None else slice_index)
        _check_upper(q3, iqr, upper)
        multiple = (upper - q3) / iqr - GAP_IQR
        return Thresholds(upper - GAP_IQR * iqr, upper, multiple, q1, q3, sample.size, ROBUST)
    upper = float(np.percentile(sample, rule.upper_percentile))
    _check_upper(q3, iqr, upper)
    multiple = _multiple(q3, iqr, upper, rule)
    return Thresholds(q3 + multiple * iqr, upper, multiple, q1, q3, sample.size, PAPER)


def _check_upper(q3: float, iqr: float, upper: float) -> None:
    if upper <= q3:
        raise NormalBoneError(
            f"The upper limit of normal bone ({upper:g}) does not exceed its third quartile ({q3:g}): it looks clipped "
            "or saturated. Redraw it, or raise upper_percentile."
        )
    if (upper - q3) / iqr > LARGEST_MULTIPLE:
        raise NormalBoneError(
            f"The brightest normal-bone voxel ({upper:g}) lies {(upper - q3) / iqr:.0f} interquartile ranges above the third "
            f"quartile ({q3:g}); a vessel or another bright structure is inside the region. Redraw it without that."
        )


def _check_sample(sample: np.ndarray) -> None:
    if sample.size < 2:
        raise NormalBoneError(f"The normal-bone region holds {sample.size} voxels; at least two are needed. Redraw it on STIR.")
    if not np.isfinite(sample).all():
        raise NormalBoneError("Normal bone holds intensities that are NaN or infinite; re-export the STIR series.")


def _multiple(q3: float, iqr: float, upper: float, rule: ThresholdRule) -> float:
    """The published loop in closed form: steps are estimated, then corrected by one for rounding."""

    def at(steps: int) -> float:
        # rounded, so that 1.5 + 2 * 0.05 is the decimal 1.6 and a voxel exactly at the threshold stays in
        return round(rule.first_multiple + steps * rule.multiple_step, 10)

    def gap(steps: int) -> float:
        return upper - (q3 + at(steps) * iqr)

    if gap(0) > 0:
        steps = max(0, math.ceil(((upper - q3) / iqr - 0.5 - rule.first_multiple) / rule.multiple_step) - 1)
        while gap(steps) >= iqr / 2:
            steps += 1
    else:
        steps = min(0, math.floor(((upper - q3) / iqr - rule.first_multiple) / rule.multiple_step) + 1)
        while gap(steps) <= 0:
            steps -= 1
    return at(steps)


def robust_limit(values: np.ndarray, slice_index: np.ndarray) -> float:
    """Mean of two estimates: the typical slice's brightest voxel, and the far fence of the whole sample.

    Neither can be moved far by a few voxels: a slice's brightest voxel counts up to the slice's own far fence.

    Parameters
    ----------
    values : (n,) float array
        STIR intensities of normal bone [scanner units], n >= 2.
    slice_index : (n,) int array
        The slice of each.

    Returns
    -------
    float
        [scanner units]; scales and shifts with the intensities.
    """
    slices = [values[slice_index == k] for k in np.unique(slice_index)]
    large = [of_slice for of_slice in slices if of_slice.size >= MIN_SLICE_VOXELS] or [values]
    typical = float(np.mean([min(float(of_slice.max()), far_fence(of_slice)) for of_slice in large]))
    return (typical + far_fence(values)) / 2


def far_fence(values: np.ndarray) -> float:
    """Third quartile plus three interquartile ranges of `(n,)` values, in their units."""
    q1, q3 = np.percentile(values, [25, 75])
    return float(q3 + FAR_FENCE * (q3 - q1))
