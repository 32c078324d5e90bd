"""Several scans of one patient are not independent: what that does to the uncertainty of a mean, a spread, a line, a median.

A cluster is a patient; what is computed here falls back to the ordinary formulas, number for number, where no patient repeats.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass

import numpy as np
from scipy import special

from ..errors import InputError
from .estimate import NO_ESTIMATE, Estimate

RESAMPLES = 2000
FEWEST_MEDIAN = 5
_BLOCK = 500  # draws at once: memory
SEED = 20230425  # any fixed one: a report made twice says the same


def cluster_numbers(subjects: Sequence[Hashable] | None, n: int) -> np.ndarray:
    """`(n,)` ints that are equal for values of one patient; all differ where `subjects` is None.

    Raises
    ------
    InputError
        Not one subject per value.
    """
    if subjects is None:
        return np.arange(n)
    if len(subjects) != n:
        raise InputError(f"There are {len(subjects)} subjects for {n} values; name one for each.")
    order = {subject: number for number, subject in enumerate(dict.fromkeys(subjects))}
    return np.array([order[subject] for subject in subjects], dtype=np.int64)


def repeats(clusters: np.ndarray) -> bool:
    """Whether any patient has more than one value; `clusters`, `(n,)` ints, see `cluster_numbers`."""
    return bool(np.unique(clusters).size < clusters.size)


@dataclass(frozen=True)
class Components:
    """Variance of single values and of their mean, when values of one patient are alike.

    Parameters
    ----------
    total : float
        Variance of a single value, between and within patients together, without bias.
    df : float
        Degrees of freedom that this estimate is worth (Satterthwaite).
    of_mean : float
        Variance of the mean of all values.
    correlation : float
        Of two values of one patient: the share of `total` that lies between patients. `nan` where nobody repeats.
    """

    total: float
    df: float
    of_mean: float
    correlation: float

    @property
    def n_effective(self) -> float:
        """How many independent values would give a mean of that precision; `nan` without variance."""
        return self.total / self.of_mean if self.of_mean > 0 else float("nan")


def variance_components(values: np.ndarray, clusters: np.ndarray) -> Components | None:
    """One-way analysis of variance by patient.

    Parameters
    ----------
    values : (n,) or (n, c) array
        Of several columns the sums of squares are pooled, as of contrasts with one variance.
    clusters : (n,) int array
        See `cluster_numbers`.

    Returns
    -------
    Components or None
        None for fewer than two patients. Where patients are no more unlike than visits of one (a negative estimate), all values
        count as independent.

    Notes
    -----
    Bland and Altman 2007, doi 10.1080/10543400701329422, section 3; unequal numbers of visits as in Searle, Casella and
    McCulloch 1992, section 3.6; degrees of freedom: Satterthwaite 1946.
    """
    table = np.asarray(values, dtype=np.float64).reshape(len(values), -1)
    sizes = np.bincount(clusters)
    n, patients, columns = len(table), sizes.size, table.shape[1]
    if patients < 2:
        return None
    means = np.stack([np.bincount(clusters, column) / sizes for column in table.T], axis=1)
    between = float((sizes[:, np.newaxis] * (means - table.mean(axis=0)) ** 2).sum())
    within = float(((table - means[clusters]) ** 2).sum())
    df_between, df_within = (patients - 1) * columns, (n - patients) * columns
    ms_between, ms_within = between / df_between, within / df_within if df_within else 0.0
    if ms_between <= ms_within:
        pooled = (between + within) / (df_between + df_within)
        return Components(pooled, df_between + df_within, pooled / n, 0.0 if pooled else float("nan"))
    share = float((sizes**2).sum()) / n
    size = (n - share) / (patients - 1)  # visits of a patient, as the mean squares count them
    total, df = _satterthwaite([(1 / size, ms_between, df_between), (1 - 1 / size, ms_within, df_within)])
    of_patient = (ms_between - ms_within) / size
    return Components(total, df, share / n * of_patient + ms_within / n, of_patient / total if df_within else float("nan"))


def _satterthwaite(parts: Sequence[tuple[float, float, float]]) -> tuple[float, float]:
    """A sum of weighted mean squares, and the degrees of freedom it is worth; parts are (weight, mean square, its degrees)."""
    total = sum(weight * square for weight, square, _ in parts)
    return total, total**2 / sum((weight * square) ** 2 / df for weight, square, df in parts if df)


@dataclass(frozen=True, eq=False)
class ClusterRobust:
    """Uncertainty of the p coefficients of a least-squares fit to m patients, whose residuals are alike within patients.

    Parameters
    ----------
    scores : (m, p) array
        What each patient's residuals add to the coefficients, in their units, leverage taken into account.
    own, shared : (m, p, p) array
        What each patient adds to the expected variance were the residuals independent, and how it hangs together with others.
    inverse : (p, p) array
        Of the design's cross product.
    """

    scores: np.ndarray
    own: np.ndarray
    shared: np.ndarray
    inverse: np.ndarray

    def standard_error(self, contrast: np.ndarray) -> float:
        """Standard error of `contrast @ coefficients`, in its unit; `contrast` is `(p,)`."""
        return float(np.sqrt(np.sum((self.scores @ contrast) ** 2)))

    def df(self, contrast: np.ndarray) -> float:
        """Degrees of freedom of `standard_error(contrast)`, by which its t distribution is chosen; `contrast` is `(p,)`."""
        own = np.einsum("i,mij,j->m", contrast, self.own, contrast)
        shared = self.shared @ contrast
        through = shared @ self.inverse
        taken = np.sum(through * shared, axis=1)
        cross = shared.T @ through
        # trace, and sum of squares, of diag(own) - shared @ inverse @ shared.T
        trace = float(np.sum(own - taken))
        squares = float(np.sum(own**2) - 2 * np.sum(own * taken) + np.sum(cross * cross.T))
        return trace**2 / squares if squares > 0 else float("nan")


def cluster_robust(design: np.ndarray, residuals: np.ndarray, clusters: np.ndarray) -> ClusterRobust:
    """Cluster-robust covariance of least squares with the small-sample corrections of Bell and McCaffrey (CR2).

    Parameters
    ----------
    design : (n, p) array
        Of full column rank.
    residuals : (n,) array
    clusters : (n,) int array

    Notes
    -----
    Bell and McCaffrey 2002, Survey Methodology 28:169-181; Pustejovsky and Tipton 2018, doi 10.1080/07350015.2016.1247004.
    Of one column of ones and equally many values per patient it is the t interval of the patients' means.
    """
    inverse = np.linalg.inv(design.T @ design)
    hat_half = design @ inverse
    scores, own, shared = [], [], []
    order = np.argsort(clusters, kind="stable")
    for rows in np.split(order, np.flatnonzero(np.diff(clusters[order])) + 1):
        effect = _inverse_root(np.eye(rows.size) - hat_half[rows] @ design[rows].T) @ hat_half[rows]
        scores.append(residuals[rows] @ effect)
        own.append(effect.T @ effect)
        shared.append(design[rows].T @ effect)
    return ClusterRobust(np.array(scores), np.array(own), np.array(shared), inverse)


def _inverse_root(matrix: np.ndarray) -> np.ndarray:
    """Symmetric inverse square root; directions that the fit leaves no residual in stay out."""
    values, vectors = np.linalg.eigh(matrix)
    root = np.where(values > 1e-10, 1 / np.sqrt(np.maximum(values, 1e-10)), 0.0)
    return (vectors * root) @ vectors.T


def bootstrap_interval(
    statistic: Callable[[np.ndarray], np.ndarray],
    clusters: np.ndarray,
    confidence: float = 0.95,
    *,
    accelerated: bool = False,
    resamples: int = RESAMPLES,
) -> tuple[float, float]:
    """Interval of a statistic when whole patients are drawn again.

    Parameters
    ----------
    statistic : callable
        How often each value was drawn, `(r, n)` counts, to `(r,)` numbers; `nan` where a draw gives none.
    clusters : (n,) int array
    accelerated : bool
        Bias-corrected and accelerated (BCa), for smooth statistics such as ratios of moments; else percentiles, as for medians.
    resamples : int
        Draws with replacement of as many patients as there are, always the same for the same data.

    Returns
    -------
    low, high : float
        `nan` for fewer than two patients, where more than 5% of the draws give no value, or where all give one.

    Notes
    -----
    Efron 1979, BCa: Efron 1987, doi 10.1080/01621459.1987.10478410; patients as the unit of resampling: Davison and Hinkley
    1997, section 3.8.
    """
    patients = int(clusters.max(initial=-1)) + 1
    if patients < 2:
        return float("nan"), float("nan")
    rng = np.random.default_rng(SEED)
    parts = []
    for start in range(0, resamples, _BLOCK):
        drawn = rng.integers(0, patients, (min(_BLOCK, resamples - start), patients))
        rows = np.arange(len(drawn))[:, np.newaxis] * patients
        counts = np.bincount((drawn + rows).ravel(), minlength=len(drawn) * patients).reshape(drawn.shape)
        parts.append(statistic(counts[:, clusters]))
    values = np.concatenate(parts)
    values = values[~np.isnan(values)]
    if values.size < 0.95 * resamples or np.ptp(values) <= 1e-12 * np.abs(values).max(initial=0):
        return float("nan"), float("nan")
    tails = np.array([(1 - confidence) / 2, (1 + confidence) / 2])
    if accelerated:
        tails = _accelerated_tails(statistic, clusters, values, tails)
        if not np.isfinite(tails).all():
            return float("nan"), float("nan")
    low, high = np.quantile(values, tails)
    return float(low), float(high)


def _accelerated_tails(
    statistic: Callable[[np.ndarray], np.ndarray], clusters: np.ndarray, drawn: np.ndarray, tails: np.ndarray
) -> np.ndarray:
    """Shares of the draws below the two ends, corrected for bias and skewness; `nan` where a patient left out gives no value."""
    value = statistic(np.ones((1, clusters.size), dtype=np.int64))[0]
    left_out = statistic((clusters != np.arange(clusters.max() + 1)[:, np.newaxis]).astype(np.int64))
    below = float(np.mean(drawn < value) + np.mean(drawn == value) / 2)
    apart = left_out.mean() - left_out
    spread = float(np.sum(apart**2))
    if not 0 < below < 1 or not spread > 0:
        return np.full(2, np.nan)
    bias, z = special.ndtri(below), special.ndtri(tails)
    acceleration = float(np.sum(apart**3)) / (6 * spread**1.5)
    return np.asarray(special.ndtr(bias + (bias + z) / (1 - acceleration * (bias + z))))


def medians(values: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """`(r,)` medians, in their unit, of `(n,)` values that were drawn `(r, n)` times each."""
    order = np.argsort(values, kind="stable")
    reached = np.cumsum(counts[:, order], axis=1)
    total = reached[:, -1:]
    low, high = (np.argmax(reached >= needed, axis=1) for needed in ((total + 1) // 2, total // 2 + 1))
    return (values[order][low] + values[order][high]) / 2


def clustered_median(values: Sequence[float], subjects: Sequence[Hashable], confidence: float = 0.95) -> Estimate:
    """Median of `(n,)` values, without those that are missing, with the interval of a bootstrap of whole patients.

    It has no interval for fewer than five patients: of four, a draw of one patient alone is too likely.
    """
    numbers = np.asarray(values, dtype=np.float64)
    present = ~np.isnan(numbers)
    if not present.any():
        return NO_ESTIMATE
    clusters = np.unique(cluster_numbers(subjects, numbers.size)[present], return_inverse=True)[1]
    numbers = numbers[present]
    ends = (float("nan"),) * 2
    if clusters.max() + 1 >= FEWEST_MEDIAN:
        ends = bootstrap_interval(lambda counts: medians(numbers, counts), clusters, confidence)
    return Estimate(float(np.median(numbers)), *ends)
