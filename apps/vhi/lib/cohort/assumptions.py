"""Assumptions of limits of agreement, checked: normal differences, and a bias and spread that do not change with the mean.

Where bias or spread does change, limits that follow the mean (Bland and Altman 1999).
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy import stats

from ..errors import SettingsError
from .agreement import BlandAltman
from .estimate import NO_ESTIMATE, Estimate, check_confidence
from .regression import Regression, linear_regression

LEVEL = 0.05
MOST_NORMALITY = 5000  # scipy's P of Shapiro and Wilk's test holds up to there
# mean absolute value of a normal variable with standard deviation 1, inverted
_SD_OF_MEAN_ABSOLUTE = float(np.sqrt(np.pi / 2))


@dataclass(frozen=True)
class Normality:
    """Shapiro and Wilk's test: `w` is 1 for a perfect normal sample; `p` small where the sample is unlikely to be normal."""

    w: float
    p: float
    n: int
    note: str


def normality(values: ArrayLike) -> Normality:
    """Whether `(n,)` finite values of any unit may come from a normal distribution.

    Returns
    -------
    Normality
        With `nan` and a note for fewer than 3 or more than 5,000 values, or values that are all equal.

    Notes
    -----
    Shapiro and Wilk 1965, Royston 1995.
    """
    numbers, nan = np.asarray(values, dtype=np.float64), float("nan")
    if not 3 <= numbers.size <= MOST_NORMALITY:
        note = f"The test of normality is for 3 to {MOST_NORMALITY} values; there are {numbers.size}."
        return Normality(nan, nan, numbers.size, note)
    if np.ptp(numbers) <= 1e-12 * float(np.abs(numbers).max()):
        return Normality(nan, nan, numbers.size, f"All {numbers.size} values are equal: there is no distribution to test.")
    # scaled: scipy warns of, and loses, ranges that are small beside its own constants
    scaled = (numbers - numbers.mean()) / numbers.std()
    test = stats.shapiro(scaled)
    return Normality(float(test.statistic), float(test.pvalue), numbers.size, "")


@dataclass(frozen=True)
class LimitsByMean:
    """Limits of agreement as lines: at a mean of both readers `x` the bias is `bias_at_0 + bias_slope x`, and the limits lie
    `multiple (sd_at_0 + sd_slope x)` to both sides of it."""

    bias_at_0: float
    bias_slope: float
    sd_at_0: float
    sd_slope: float
    multiple: float

    def at(self, means: ArrayLike) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Lower limit, bias and upper limit at each mean, arrays of the shape of `means` in the unit of the readings.

        Limits are `nan` where the line of the spread is below 0.
        """
        x = np.asarray(means, dtype=np.float64)
        bias, sd = self.bias_at_0 + self.bias_slope * x, self.sd_at_0 + self.sd_slope * x
        half = self.multiple * np.where(sd >= 0, sd, np.nan)
        return bias - half, bias, bias + half


@dataclass(frozen=True, eq=False)
class Assumptions:
    """Checks of the differences of two readers.

    Parameters
    ----------
    normal : Normality
        Of the differences.
    trend : Regression
        Difference on mean: a slope is a bias that changes with the size of what is measured.
    spread : Regression
        Absolute residual on mean: a slope above 0 is a spread that grows with it.
    by_mean : LimitsByMean or None
        Where one of the two slopes is there (P below `level`).
    level : float
        Of the tests of both slopes.
    """

    normal: Normality
    trend: Regression
    spread: Regression
    by_mean: LimitsByMean | None
    level: float

    @property
    def trend_found(self) -> bool:
        return self.trend.p_slope < self.level

    @property
    def spread_found(self) -> bool:
        return self.spread.p_slope < self.level


def check_assumptions(limits: BlandAltman, *, subjects: Sequence[Hashable] | None = None, level: float = LEVEL) -> Assumptions:
    """Check what limits of agreement assume, and follow the mean where that is needed.

    Parameters
    ----------
    limits : BlandAltman
    subjects : n names, optional
        Of the complete pairs, in their order: intervals and P of both slopes count pairs of one patient as dependent. The test
        of normality takes all pairs as independent.
    level : float
        A slope with a smaller P counts as there.

    Notes
    -----
    Bland and Altman 1999, doi 10.1177/096228029900800204, section 3.2: the absolute residuals of a normal variable are
    sqrt(2/pi) standard deviations on average, so that their line times sqrt(pi/2) is that of the standard deviation.
    """
    if not 0 < level < 1:
        raise SettingsError(f"The level of a test lies between 0 and 1 (0.05 is usual), found {level:g}.")
    check_confidence(limits.coverage)
    confidence = limits.confidence
    trend = linear_regression(limits.means, limits.differences, subjects=subjects, confidence=confidence)
    drifts = trend.p_slope < level
    centre = trend.line(limits.means) if drifts else np.full(limits.n, limits.bias.value)
    size = np.abs(limits.differences - centre)
    spread = linear_regression(limits.means, size, subjects=subjects, confidence=confidence)
    grows = spread.p_slope < level
    by_mean = None
    if drifts or grows:
        bias_at_0, bias_slope = (trend.intercept.value, trend.slope.value) if drifts else (limits.bias.value, 0.0)
        sd_at_0, sd_slope = trend.residual_sd, 0.0
        if grows:
            sd_at_0, sd_slope = (_SD_OF_MEAN_ABSOLUTE * estimate.value for estimate in (spread.intercept, spread.slope))
        by_mean = LimitsByMean(bias_at_0, bias_slope, sd_at_0, sd_slope, float(stats.norm.ppf((1 + limits.coverage) / 2)))
    return Assumptions(normality(limits.differences), trend, spread, by_mean, level)


def factors(limits: BlandAltman) -> tuple[Estimate, Estimate, Estimate]:
    """Lower limit, bias and upper limit of differences of logarithms, as factors between the readings, each with its interval."""
    if np.isnan(limits.sd):
        return NO_ESTIMATE, NO_ESTIMATE, NO_ESTIMATE
    lower, bias, upper = (
        Estimate(*(float(np.exp(end)) for end in (limit.value, limit.low, limit.high)))
        for limit in (limits.lower, limits.bias, limits.upper)
    )
    return lower, bias, upper
