"""Linear regression with confidence intervals: VHI on SPARCC, and the change of one on that of the other."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy import stats

from .clusters import ClusterRobust, cluster_numbers, cluster_robust, repeats
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
    n_subjects : int
        Patients that the pairs are of; fewer than pairs where visits repeat.
    robust : ClusterRobust or None
        Where visits repeat: what the intervals rest on, in terms of (1, x).
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
    n_subjects: int
    robust: ClusterRobust | None
    note: str

    @property
    def n(self) -> int:
        """Number of complete pairs."""
        return int(self.x.size)

    def line(self, x: ArrayLike) -> np.ndarray:
        """The fitted `y` at each `x`, an array of the shape of `x` in the unit of `y`; `nan` where there is no line."""
        return self.intercept.value + self.slope.value * np.asarray(x, dtype=np.float64)

    def band(self, x: ArrayLike) -> tuple[np.ndarray, np.ndarray]:
        """Lower and upper end of the confidence interval of the line at each `x`, arrays of the shape of `x` in the unit of `y`.

        It is that of the mean of `y` there, not of single values; `nan` where there is no line.
        """
        at = np.asarray(x, dtype=np.float64)
        if np.isnan(self.slope.value):
            return np.full(at.shape, np.nan), np.full(at.shape, np.nan)
        half = np.reshape([self._half_width(float(position)) for position in at.ravel()], at.shape)
        return self.line(at) - half, self.line(at) + half

    def _half_width(self, x: float) -> float:
        se, df = _uncertainty(np.array([1.0, x]), self.x, self.residual_sd, self.robust)
        return float(stats.t.ppf((1 + self.confidence) / 2, df)) * se if se else float("nan")


def linear_regression(
    x: ArrayLike, y: ArrayLike, *, subjects: Sequence[Hashable] | None = None, confidence: float = 0.95
) -> Regression:
    """Ordinary least squares of `y` on `x`.

    Parameters
    ----------
    x, y : (n,) arrays
        Paired by position; a pair with a missing value (`nan`) is left out. In the paper `x` is SPARCC and `y` is VHI, or the
        changes of both.
    subjects : n names, optional
        Whom each pair is of. Where one repeats, intervals and P are cluster-robust by patient; the line stays the same.
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
    Hepburn et al. 2023, section 2.7.2. Where patients repeat: `clusters.cluster_robust`, and t with its degrees of freedom.
    """
    check_confidence(confidence)
    first, second, kept = complete_pairs(x, y, ("x", "y"))
    clusters = np.unique(cluster_numbers(subjects, np.asarray(x).size)[kept], return_inverse=True)[1]
    n, n_subjects = first.size, int(np.unique(clusters).size)
    note = ""
    if n < FEWEST:
        note = f"A regression needs at least {FEWEST} complete pairs; there are {n}."
    elif np.ptp(first) == 0:
        note = f"A regression needs values of x that differ; all {n} are {first[0]:g}."
    if note:
        nan = float("nan")
        return Regression(first, second, kept, NO_ESTIMATE, NO_ESTIMATE, nan, nan, nan, nan, confidence, n_subjects, None, note)
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
    robust = None
    if repeats(clusters) and residual_sd:
        robust = cluster_robust(np.stack([np.ones(n), first], axis=1), residuals, clusters)
        if n_subjects < 2:
            note = note or f"All {n} pairs are of one patient, so that no interval can be computed."
    at_zero, rise = (_uncertainty(np.array(contrast), first, residual_sd, robust) for contrast in ((1.0, 0.0), (0.0, 1.0)))
    if residual_sd and (not at_zero[0] or not rise[0]):
        note = note or "The visits of each patient leave no error of the line: it has no interval."
    return Regression(
        x=first,
        y=second,
        kept=kept,
        slope=_estimate(slope, *rise, confidence),
        intercept=_estimate(intercept, *at_zero, confidence),
        p_slope=_p_value(slope, *rise),
        p_intercept=_p_value(intercept, *at_zero),
        r_squared=float("nan") if constant else 1 - float(np.sum(residuals**2)) / total,
        residual_sd=residual_sd,
        confidence=confidence,
        n_subjects=n_subjects,
        robust=robust,
        note=note,
    )


def _uncertainty(contrast: np.ndarray, x: np.ndarray, residual_sd: float, robust: ClusterRobust | None) -> tuple[float, float]:
    """Standard error and degrees of freedom of `contrast @ (intercept, slope)`; a standard error of 0 where there is none."""
    if robust is None:
        at, factor = contrast[1], contrast[0]
        centre = x.mean()
        spread = float(np.sum((x - centre) ** 2))
        return residual_sd * float(np.sqrt(factor**2 / x.size + (at - factor * centre) ** 2 / spread)), x.size - 2
    se, df = robust.standard_error(contrast), robust.df(contrast)
    smallest = 1e-12 * residual_sd * float(np.sqrt(np.sum(contrast**2)))
    return (se, df) if len(robust.scores) > 1 and np.isfinite(df) and se > smallest else (0.0, 0.0)


def _estimate(value: float, se: float, df: float, confidence: float) -> Estimate:
    if se == 0:
        return without_interval(value)
    half = float(stats.t.ppf((1 + confidence) / 2, df)) * se
    return Estimate(value, value - half, value + half)


def _p_value(value: float, se: float, df: float) -> float:
    return float("nan") if se == 0 else float(2 * stats.t.sf(abs(value) / se, df))
