"""Do two readers measure the same: limits of agreement, intraclass correlation, smallest detectable change."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import ArrayLike
from scipy import linalg, optimize, stats

from ..errors import InputError, SettingsError
from .clusters import cluster_numbers, cluster_robust, variance_components
from .estimate import NO_ESTIMATE, Estimate, check_confidence, complete_pairs, without_interval
from .noncentral_t import quantile


@dataclass(frozen=True, eq=False)
class BlandAltman:
    """Limits of agreement of two readers; everything in the unit of the readings.

    Parameters
    ----------
    means, differences : (n,) arrays
        Of each complete pair; a difference is first minus second.
    kept : (n,) int array
        Positions of these pairs in the input.
    bias : Estimate
        Mean difference.
    sd : float
        Standard deviation of the differences.
    lower, upper : Estimate
        The two limits, each with an exact interval of its own.
    n_subjects : int
        Patients that the pairs are of; fewer than pairs where visits repeat, and then every interval takes that into account.
    correlation : float
        Of the differences of two visits of one patient; `nan` where nobody repeats.
    total_sd, n_effective, df : float
        What the intervals rest on: standard deviation of a difference without bias, effective number of pairs, and degrees of
        freedom; without repetition `sd`, `n` and `n - 1`. `nan` where there are no intervals.
    note : str
        Why something is `nan`; empty when all is there.
    """

    means: np.ndarray
    differences: np.ndarray
    kept: np.ndarray
    bias: Estimate
    sd: float
    lower: Estimate
    upper: Estimate
    confidence: float
    coverage: float
    n_subjects: int
    correlation: float
    total_sd: float
    n_effective: float
    df: float
    note: str

    @property
    def n(self) -> int:
        """Number of complete pairs."""
        return int(self.differences.size)

    @property
    def inner(self) -> tuple[float, float]:
        """The two limits as a pair: with 97.5% certainty (for a confidence of 95%) this holds less of all differences than the
        limits should hold."""
        return self._pair((1 - self.confidence) / 2)

    @property
    def outer(self) -> tuple[float, float]:
        """The two limits as a pair: with 97.5% certainty this holds more of all differences than the limits should hold."""
        return self._pair((1 + self.confidence) / 2)

    def _pair(self, share: float) -> tuple[float, float]:
        if np.isnan(self.df):
            return float("nan"), float("nan")
        half = pair_factor(self.n_effective, share, self.coverage, self.df) * self.total_sd
        return self.bias.value - half, self.bias.value + half

    @property
    def repeated(self) -> bool:
        """Whether a patient has more than one pair."""
        return self.n_subjects < self.n


def bland_altman(
    a: ArrayLike,
    b: ArrayLike,
    *,
    subjects: Sequence[Hashable] | None = None,
    confidence: float = 0.95,
    coverage: float = 0.95,
) -> BlandAltman:
    """Bias and limits of agreement of two readers, with exact confidence intervals.

    Parameters
    ----------
    a, b : (n,) arrays
        Two readings of each scan, in one unit and on one scale; a pair with a missing value (`nan`) is left out.
    subjects : n names, optional
        Whose scan each pair is of. Where one repeats, the intervals count its pairs as dependent; bias and limits stay the same.
    confidence : float
        Of the intervals.
    coverage : float
        Share of differences between the limits: 0.95 puts them 1.96 standard deviations from the bias.

    Returns
    -------
    BlandAltman
        With `nan` and a note for fewer than two complete pairs. With differences that are all equal the limits are the bias,
        and nothing has an interval.

    Raises
    ------
    InputError
        Readings that are not paired one to one, or not finite.

    Notes
    -----
    Bland and Altman 1986; intervals of the limits: Carkeet 2015, doi 10.1097/OPX.0000000000000513, each limit by itself from
    the noncentral t distribution, both as a pair from two-sided tolerance factors. They assume normal differences.
    Where patients repeat: the interval of the bias is cluster-robust (`clusters.cluster_robust`); the limits have the same
    distributions with the degrees of freedom and the effective number of pairs of a random-effects model, as in Mee and Owen
    1983, doi 10.1080/01621459.1983.10477043.
    """
    check_confidence(confidence)
    check_confidence(coverage)
    first, second, kept = complete_pairs(a, b, ("the first reader", "the second reader"))
    clusters = _clusters_of(subjects, np.asarray(a).size, kept)
    differences = first - second
    means, n = (first + second) / 2, differences.size
    n_subjects, nothing, nan = int(np.unique(clusters).size), (float("nan"), float("nan")), float("nan")

    def without(bias: Estimate, sd: float, limits: tuple[Estimate, Estimate], note: str) -> BlandAltman:
        return BlandAltman(
            means, differences, kept, bias, sd, *limits, confidence, coverage, n_subjects, nan, nan, nan, nan, note
        )

    if n < 2:
        bias = Estimate(float(differences[0]), *nothing) if n else NO_ESTIMATE
        note = f"Limits of agreement need at least 2 complete pairs of readings; there are {n}."
        return without(bias, nan, (NO_ESTIMATE, NO_ESTIMATE), note)
    mean, sd = float(differences.mean()), float(differences.std(ddof=1))
    if _is_rounding(sd, first, second):
        flat = without_interval(mean)
        note = f"All {n} differences are equal: the limits are the bias, and no interval can be computed from such data."
        return without(flat, 0.0, (flat, flat), note)
    z = _two_sided_z(coverage)
    ends = without_interval(mean - z * sd), without_interval(mean + z * sd)
    parts = variance_components(differences, clusters)
    if parts is None:
        note = f"All {n} pairs are of one patient, so that no interval can be computed."
        return without(without_interval(mean), sd, ends, note)
    bias = _bias(differences, clusters, confidence)
    note = "" if bias.low < bias.high else "The patients' mean differences are all equal: the bias has no interval."
    tail, size, total = (1 - confidence) / 2, parts.n_effective, float(np.sqrt(parts.total))
    near, far = (limit_factor(size, share, coverage, parts.df) * total for share in (tail, 1 - tail))
    return BlandAltman(
        means=means,
        differences=differences,
        kept=kept,
        bias=bias,
        sd=sd,
        lower=_holding(mean - z * sd, mean - far, mean - near),
        upper=_holding(mean + z * sd, mean + near, mean + far),
        confidence=confidence,
        coverage=coverage,
        n_subjects=n_subjects,
        correlation=parts.correlation,
        total_sd=total,
        n_effective=size,
        df=parts.df,
        note=note,
    )


def _clusters_of(subjects: Sequence[Hashable] | None, n: int, kept: np.ndarray) -> np.ndarray:
    """Patients of the kept values, numbered anew."""
    numbers = cluster_numbers(subjects, n)[kept]
    return np.unique(numbers, return_inverse=True)[1]


def _bias(differences: np.ndarray, clusters: np.ndarray, confidence: float) -> Estimate:
    mean, ones = float(differences.mean()), np.ones(1)
    spread = cluster_robust(np.ones((differences.size, 1)), differences - mean, clusters)
    half = float(stats.t.ppf((1 + confidence) / 2, spread.df(ones))) * spread.standard_error(ones)
    if half <= 8 * np.finfo(float).eps * float(np.abs(differences).max()):
        return without_interval(mean)
    return Estimate(mean, mean - half, mean + half)


def _holding(value: float, low: float, high: float) -> Estimate:
    """An interval, or none where it misses the value: of few patients with very different numbers of visits it may."""
    return Estimate(value, low, high) if low < value < high else without_interval(value)


def _is_rounding(sd: float, *values: np.ndarray) -> bool:
    """Whether a standard deviation is only what the subtraction of equal differences leaves."""
    return sd <= 8 * float(np.finfo(float).eps) * max(float(np.abs(of_reader).max()) for of_reader in values)


def _two_sided_z(coverage: float) -> float:
    return float(stats.norm.ppf((1 + coverage) / 2))


@lru_cache(maxsize=1024)
def limit_factor(n: float, share: float, coverage: float = 0.95, df: float | None = None) -> float:
    """Standard deviations from the bias to the bound of one limit of agreement.

    Parameters
    ----------
    n : float
        Pairs, 2 or more; the effective number where they are not independent.
    share : float
        Probability that the true limit lies nearer to the bias than the bound: 0.025 and 0.975 for an interval of 95%.
    coverage : float
        Share of differences between the limits.
    df : float, optional
        Degrees of freedom of the standard deviation; n - 1 of independent pairs when absent.

    Notes
    -----
    Carkeet 2015, limits considered individually: the noncentral t distribution over the square root of `n`.
    """
    return quantile(share, n - 1 if df is None else df, _two_sided_z(coverage) * float(np.sqrt(n))) / float(np.sqrt(n))


@lru_cache(maxsize=1)
def _nodes() -> tuple[np.ndarray, np.ndarray]:
    return np.polynomial.legendre.leggauss(96)


@lru_cache(maxsize=1024)
def pair_factor(n: float, share: float, coverage: float = 0.95, df: float | None = None) -> float:
    """Standard deviations from the bias to a pair of bounds that hold at least `coverage` with probability `share`.

    Parameters
    ----------
    n, df : float
        As for `limit_factor`.
    share : float
        0.025 for the inner and 0.975 for the outer bounds of an interval of 95%.

    Notes
    -----
    Carkeet 2015, limits considered as a pair: the two-sided tolerance factor of a normal distribution.
    """
    degrees = n - 1 if df is None else df
    if not degrees > 0:
        raise SettingsError(f"Tolerance factors need at least 2 pairs, found {n}.")
    nodes, weights = _nodes()
    # the mean of n standard normal values, from 0 to where nothing of its distribution is left; the other half is the same
    end = 9 / np.sqrt(n)
    mean = end * (nodes + 1) / 2
    density = weights * end * stats.norm.pdf(mean, scale=1 / np.sqrt(n))
    # squared half width of the interval around that mean which holds `coverage` of a standard normal distribution
    reach_squared = stats.ncx2.ppf(coverage, 1, mean**2)

    def certainty(factor: float) -> float:
        return float(density @ stats.chi2.sf(degrees * reach_squared / factor**2, degrees))

    low, high = 0.1, 4.0
    while certainty(high) < share:
        high *= 2
    return float(optimize.brentq(lambda factor: certainty(factor) - share, low, high, xtol=1e-10))


@dataclass(frozen=True)
class IntraclassCorrelation:
    """ICC(A,1) and the mean squares it rests on: of subjects (`ms_rows`), readers (`ms_columns`) and the rest (`ms_error`)."""

    icc: Estimate
    n: int
    readers: int
    ms_rows: float
    ms_columns: float
    ms_error: float
    note: str


def icc_a1(ratings: ArrayLike, *, subjects: Sequence[Hashable] | None = None, confidence: float = 0.95) -> IntraclassCorrelation:
    """Intraclass correlation for absolute agreement of single readings, subjects and readers random.

    Parameters
    ----------
    ratings : (n, k) array
        One row per scan, one column per reader; a row with a missing value (`nan`) is left out.
    subjects : n names, optional
        Whose scan each row is. Where one repeats, the interval counts its scans as dependent; the value stays the same.
    confidence : float

    Returns
    -------
    IntraclassCorrelation
        With `nan` and a note for fewer than two complete rows or when no two ratings differ. A value without an interval, and
        why, where the ratings leave no error to estimate one from: readers who agree exactly (1), or scans that each reader
        rates alike (0).

    Raises
    ------
    InputError
        Fewer than two readers, or values that are not finite.

    Notes
    -----
    ICC(A,1) of McGraw and Wong 1996, doi 10.1037/1082-989X.1.1.30, interval after their table 7; the same as ICC(2,1) of
    Shrout and Fleiss 1979. Where patients repeat, the mean squares, their degrees of freedom and the number of scans in that
    interval are those of a random-effects model by patient (`clusters.variance_components`).
    """
    check_confidence(confidence)
    table, kept = _complete(ratings)
    clusters = _clusters_of(subjects, len(np.asarray(ratings)), kept)
    n, k = table.shape
    if n < 2:
        nan = float("nan")
        return IntraclassCorrelation(
            NO_ESTIMATE, n, k, nan, nan, nan, f"Intraclass correlation needs at least 2 complete scans; there are {n}."
        )
    rows, columns, error = mean_squares(table)
    if np.ptp(table) == 0:
        return IntraclassCorrelation(
            NO_ESTIMATE, n, k, rows, columns, error, "All ratings are equal, so that an intraclass correlation has no meaning."
        )
    variance = rows + (k - 1) * error + k * (columns - error) / n  # of one rating, times k
    if variance <= 0:
        note = f"The {n} scans and {k} readers leave an estimated variance of a rating of 0 or less: no ICC can be computed."
        return IntraclassCorrelation(NO_ESTIMATE, n, k, rows, columns, error, note)
    value = (rows - error) / variance
    note = ""
    if error == 0 and columns == 0:
        note = f"The readers agree exactly on all {n} scans: no interval can be computed from such data."
    elif error == 0 and rows == 0:
        note = f"Each reader gives all {n} scans one value: the scans do not differ, and no interval can be computed."
    elif int(clusters.max()) == 0:
        note = f"All {n} scans are of one patient, so that no interval can be computed."
    icc = without_interval(float(value)) if note else _icc_interval(value, table, clusters, confidence)
    if not note and not icc.low < icc.value < icc.high:
        # the interval of McGraw and Wong rests on scans that differ by more than error
        icc = without_interval(float(value))
        note = f"The {n} scans differ by no more than the readers' error: the interval of an ICC has no meaning there."
    return IntraclassCorrelation(icc, n, k, rows, columns, error, note)


def complete_rows(ratings: ArrayLike) -> np.ndarray:
    """`(m, k)` float ratings of the scans that every reader rated, from an `(n, k)` array, k >= 2, of any unit.

    Raises
    ------
    InputError
    """
    return _complete(ratings)[0]


def _complete(ratings: ArrayLike) -> tuple[np.ndarray, np.ndarray]:
    """The complete rows, and their positions."""
    table = np.asarray(ratings, dtype=np.float64)
    if table.ndim != 2 or table.shape[1] < 2:
        raise InputError(f"Ratings must be a table with a row per scan and 2 readers or more, found shape {table.shape}.")
    if np.isinf(table).any():
        raise InputError("Ratings hold infinite numbers; leave missing values empty.")
    kept = np.flatnonzero(~np.isnan(table).any(axis=1))
    return table[kept], kept


def mean_squares(table: np.ndarray) -> tuple[float, float, float]:
    """Two-way analysis of variance of `(n, k)` complete ratings: mean squares of rows, of columns and of the rest, in the square
    of the ratings' unit.
    """
    n, k = table.shape
    grand, row, column = table.mean(), table.mean(axis=1, keepdims=True), table.mean(axis=0, keepdims=True)
    rest = table - row - column + grand
    # what rounding leaves of equal ratings is no variance
    noise = (np.finfo(float).eps * np.abs(table).max()) ** 2 * table.size
    squares = k * np.sum((row - grand) ** 2), n * np.sum((column - grand) ** 2), np.sum(rest**2)
    rows, columns, error = (0.0 if s <= noise else float(s) for s in squares)
    return rows / (n - 1), columns / (k - 1), error / ((n - 1) * (k - 1))


def _icc_interval(value: float, table: np.ndarray, clusters: np.ndarray, confidence: float) -> Estimate:
    k = table.shape[1]
    contrasts = table @ _contrasts(k)
    of_scans, of_error = variance_components(table.mean(axis=1), clusters), variance_components(contrasts, clusters)
    if of_scans is None or of_error is None:
        return without_interval(float(value))
    exact = mean_squares(table)[2] == 0  # but for a constant offset; the rest is rounding
    n, error = (float(clusters.max() + 1), 0.0) if exact else (of_error.n_effective, of_error.total)
    rows, columns = k * of_scans.total, n * float(np.sum(contrasts.mean(axis=0) ** 2)) / (k - 1)
    variance = rows + (k - 1) * error + k * (columns - error) / n
    centre = (rows - error) / variance if variance > 0 else float("nan")
    if not centre < 1:
        return without_interval(float(value))
    a, b = k * centre / (n * (1 - centre)), 1 + k * centre * (n - 1) / (n * (1 - centre))
    if a * columns + b * error <= 0:  # a negative estimate so large that no variance is left
        return without_interval(float(value))
    # Satterthwaite's degrees of freedom
    df = (a * columns + b * error) ** 2 / ((a * columns) ** 2 / (k - 1) + (b * error) ** 2 / of_error.df)
    top = 1 - (1 - confidence) / 2
    f_low, f_high = float(stats.f.ppf(top, of_scans.df, df)), float(stats.f.ppf(top, df, of_scans.df))
    rest = k * columns + (k * n - k - n) * error
    low = n * (rows - f_low * error) / (f_low * rest + n * rows)
    high = n * (f_high * rows - error) / (rest + n * f_high * rows)
    return Estimate(float(value), float(low), float(high))


def _contrasts(k: int) -> np.ndarray:
    """`(k, k - 1)` orthonormal columns that each sum to 0: what distinguishes readers (Helmert)."""
    return linalg.helmert(k).T


@dataclass(frozen=True)
class MeasurementError:
    """Standard error of one reading, and the smallest change that is more than such error, in the unit of the readings.

    `agreement` counts the readers' systematic differences as error, `consistency` does not.
    """

    sem_agreement: float
    sem_consistency: float
    sdc_agreement: float
    sdc_consistency: float
    n: int
    note: str


def measurement_error(ratings: ArrayLike, *, coverage: float = 0.95) -> MeasurementError:
    """Standard error of measurement (SEM) and smallest detectable change (SDC = 1.96 sqrt(2) SEM).

    Parameters
    ----------
    ratings : (n, k) array
        One row per scan, one column per reader; a row with a missing value is left out.
    coverage : float
        Share of changes by error alone that lie within the smallest detectable change.

    Returns
    -------
    MeasurementError
        With `nan` and a note for fewer than two complete rows.

    Notes
    -----
    de Vet et al. 2006, doi 10.1016/j.jclinepi.2005.10.015; a negative estimate of the readers' variance counts as 0.
    """
    check_confidence(coverage)
    table = complete_rows(ratings)
    if len(table) < 2:
        nan = float("nan")
        note = f"The standard error of measurement needs at least 2 complete scans; there are {len(table)}."
        return MeasurementError(nan, nan, nan, nan, len(table), note)
    _, columns, error = mean_squares(table)
    readers = max(columns - error, 0.0) / len(table)
    agreement, consistency = float(np.sqrt(readers + error)), float(np.sqrt(error))
    factor = _two_sided_z(coverage) * np.sqrt(2)
    return MeasurementError(agreement, consistency, float(factor * agreement), float(factor * consistency), len(table), "")


def cases_beyond(a: ArrayLike, b: ArrayLike, multiple: float = 2.0) -> np.ndarray:
    """Positions of the pairs whose difference lies more than `multiple` standard deviations from 0.

    Parameters
    ----------
    a, b : (n,) arrays
        Two readings of each scan; pairs with a missing value are never among the cases.
    multiple : float
        Of the standard deviation of the differences.

    Returns
    -------
    (m,) int array
        The largest difference first; empty for fewer than two complete pairs, or differences that are all equal.

    Notes
    -----
    Hepburn et al. 2023, section 2.7.4: from 0, not from the bias.
    """
    if not multiple > 0:
        raise SettingsError(f"The number of standard deviations must be above 0, found {multiple:g}.")
    first, second, kept = complete_pairs(a, b, ("the first reader", "the second reader"))
    if kept.size < 2 or _is_rounding(float((first - second).std(ddof=1)), first, second):
        return kept[:0]
    size = np.abs(first - second)
    beyond = np.flatnonzero(size > multiple * (first - second).std(ddof=1))
    return kept[beyond[np.argsort(-size[beyond], kind="stable")]]
