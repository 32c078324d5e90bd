"""Linear regression with confidence intervals: VHI on SPARCC, and the change of one on that of the other."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy import stats

from .estimate import NO_ESTIMATE, Estimate, check_confidence, complete_pairs, without_interval

FEWEST = 3


@dataclass(frozen=True, eq=False)
class Regression:
    """A least-squares line `y = intercept + slope x`.

    Parameters
    ----------
    x, y : (n,) arrays
        The complete pairs.
    kept : (n,) int array
        Their positions in the input.
    slope, intercept : Estimate
    p_slope, p_intercept : float
        Two-sided, of the hypothesis that it is 0.
    r_squared : float
    residual_sd : float
        Standard deviation of the residuals, with n - 2 degrees of freedom, in the unit of `y`.
    note : str
        Why something is `nan`; empty when all is there.
    """

    x: np.ndarray
    y: np.ndarray
    kept: np.ndarray
    slope: Estimate
    intercept: Estimate
    p_slope: float
    p_intercept: float
    r_squared: float
    residual_sd: float
    confidence: float
    note: str

    @property
    def n(self) -> int:
        """Complete pairs."""
        return int(self.x.size)

    def line(self, x: ArrayLike) -> np.ndarray:
        """The fitted `y` at each `x`, `nan` where there is no line."""
        return self.intercept.value + self.slope.value * np.asarray(x, dtype=np.float64)

    def band(self, x: ArrayLike) -> tuple[np.ndarray, np.ndarray]:
        """Confidence interval of the line at each `x` (of the mean of `y` there, not of single values)."""
        at = np.asarray(x, dtype=np.float64)
        if np.isnan(self.slope.value):
            return np.full(at.shape, np.nan), np.full(at.shape, np.nan)
        centre = self.x.mean()
        spread = np.sum((self.x - centre) ** 2)
        t = stats.t.ppf((1 + self.confidence) / 2, self.n - 2)
        if self.residual_sd == 0:
            return np.full(at.shape, np.nan), np.full(at.shape, np.nan)
        half = t * self.residual_sd * np.sqrt(1 / self.n + (at - centre) ** 2 / spread)
        return self.line(at) - half, self.line(at) + half


def linear_regression(x: ArrayLike, y: ArrayLike, *, confidence: float = 0.95) -> Regression:
    """Ordinary least squares of `y` on `x`.

    Parameters
    ----------
    x, y : (n,) arrays
        Paired by position; a pair with a missing value (`nan`) is left out. In the paper `x` is SPARCC and `y` is VHI, or the
        changes of both.
    confidence : float

    Returns
    -------
    Regression
        With `nan` and a note for fewer than three complete pairs or an `x` that is constant. A constant `y` has slope 0 and no
        R2. Points exactly on a line give the line, no interval and no P, since nothing scatters.

    Raises
    ------
    InputError
        Values that are not paired one to one, or not finite.

    Notes
    -----
    Hepburn et al. 2023, section 2.7.2.
    """
    check_confidence(confidence)
    first, second, kept = complete_pairs(x, y, ("x", "y"))
    n = first.size
    note = ""
    if n < FEWEST:
        note = f"A regression needs at least {FEWEST} complete pairs; there are {n}."
    elif np.ptp(first) == 0:
        note = f"A regression needs values of x that differ; all {n} are {first[0]:g}."
    if note:
        nan = float("nan")
        return Regression(first, second, kept, NO_ESTIMATE, NO_ESTIMATE, nan, nan, nan, nan, confidence, note)
    centre = first.mean()
    spread = float(np.sum((first - centre) ** 2))
    slope = float(np.sum((first - centre) * (second - second.mean())) / spread)
    intercept = float(second.mean() - slope * centre)
    total = float(np.sum((second - second.mean()) ** 2))
    constant = bool(np.ptp(second) == 0)
    if constant:
        slope, intercept = 0.0, float(second[0])
        note = f"All {n} values of y are {second[0]:g}: there is nothing to explain, and no R2."
    residuals = second - intercept - slope * first
    residual_sd = float(np.sqrt(np.sum(residuals**2) / (n - 2)))
    if residual_sd <= 16 * np.finfo(float).eps * float(np.abs(second).max() + abs(slope) * np.abs(first).max()):
        residual_sd = 0.0
        note = note or f"All {n} points lie on one line: nothing scatters, and no interval can be computed from such data."
    se_slope = residual_sd / np.sqrt(spread)
    se_intercept = residual_sd * np.sqrt(1 / n + centre**2 / spread)
    return Regression(
        x=first,
        y=second,
        kept=kept,
        slope=_estimate(slope, se_slope, n, confidence),
        intercept=_estimate(intercept, se_intercept, n, confidence),
        p_slope=_p_value(slope, se_slope, n),
        p_intercept=_p_value(intercept, se_intercept, n),
        r_squared=float("nan") if constant else 1 - float(np.sum(residuals**2)) / total,
        residual_sd=residual_sd,
        confidence=confidence,
        note=note,
    )


def _estimate(value: float, se: float, n: int, confidence: float) -> Estimate:
    if se == 0:
        return without_interval(value)
    half = float(stats.t.ppf((1 + confidence) / 2, n - 2)) * se
    return Estimate(value, value - half, value + half)


def _p_value(value: float, se: float, n: int) -> float:
    if se == 0:
        return float("nan")
    return float(2 * stats.t.sf(abs(value) / se, n - 2))
