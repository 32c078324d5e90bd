"""Sensitivity to change: how well a measure shows that treatment did something, and how many patients that saves a trial.

One value per patient at each of two visits, so that patients are independent. Changes are follow-up minus baseline.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import ArrayLike
from scipy import stats

from ..errors import InputError, SettingsError
from . import noncentral_t
from .clusters import bootstrap_interval
from .estimate import NO_ESTIMATE, Estimate, as_numbers, check_confidence, complete_pairs, without_interval
from .response import standardised_response_mean

FEWEST = 4  # a bootstrap of fewer patients draws mostly the same ones
MOST_PER_ARM = 1_000_000
Visits = tuple[np.ndarray, np.ndarray]


@dataclass(frozen=True)
class Responsiveness:
    """Sensitivity to change of one measure.

    Parameters
    ----------
    n : int
        Patients with both visits.
    mean_change : Estimate
        With its t interval, in the measure's unit.
    sd_change, sd_baseline : float
        Standard deviations between patients.
    srm, srm_bootstrap : Estimate
        Standardised response mean (mean change over `sd_change`) with its exact interval for normal changes, and with that of a
        bootstrap of patients.
    effect_size : Estimate
        Mean change over `sd_baseline`, with a bootstrap interval.
    note : str
        Why something has no value or no interval.
    """

    n: int
    mean_change: Estimate
    sd_change: float
    sd_baseline: float
    srm: Estimate
    srm_bootstrap: Estimate
    effect_size: Estimate
    note: str


def responsiveness(baseline: ArrayLike, follow_up: ArrayLike, *, confidence: float = 0.95) -> Responsiveness:
    """Mean change, standardised response mean and effect size of a measure.

    Parameters
    ----------
    baseline, follow_up : (n,) arrays
        Paired by patient, both in one unit; patients with a missing value are left out.

    Notes
    -----
    SRM: Liang, Fossel and Larson 1990; effect size: Kazis, Anderson and Meenan 1989 (baseline standard deviation, as Glass's
    delta); bootstrap of patients, BCa: Efron 1987.
    """
    check_confidence(confidence)
    before, after, _ = complete_pairs(baseline, follow_up, ("the baseline", "the follow-up"))
    n, change = before.size, after - before
    exact = standardised_response_mean(before, after, confidence=confidence)
    sd_baseline = _sd(before)
    effect = exact.mean_change / sd_baseline if sd_baseline > 0 else float("nan")
    notes = [exact.note] if exact.note else []
    if n >= 2 and not sd_baseline > 0:
        notes.append("All patients have one baseline value, so that there is no effect size.")
    if 2 <= n < FEWEST:
        notes.append(f"A bootstrap of {n} patients says nothing; its intervals need at least {FEWEST}.")

    def resampled(value: float, statistic: str) -> Estimate:
        if math.isnan(value) or n < FEWEST:
            return without_interval(value)
        over = change if statistic == "srm" else before
        ends = bootstrap_interval(lambda counts: _drawn_ratio(counts, change, over), np.arange(n), confidence, accelerated=True)
        return Estimate(value, *ends)

    return Responsiveness(
        n=n,
        mean_change=_mean(change, confidence),
        sd_change=exact.sd_change,
        sd_baseline=sd_baseline,
        srm=exact.srm,
        srm_bootstrap=resampled(exact.srm.value, "srm"),
        effect_size=resampled(effect, "effect size"),
        note=" ".join(notes),
    )


def _sd(values: np.ndarray) -> float:
    """`nan` for fewer than two values; 0 where they differ by rounding alone."""
    if values.size < 2:
        return float("nan")
    sd = float(values.std(ddof=1))
    return 0.0 if sd <= 1e-12 * float(np.abs(values).max()) else sd


def _ratio(value: float, sd: float) -> float:
    return float(value) / sd if sd > 0 else float("nan")


def _drawn_ratio(counts: np.ndarray, values: np.ndarray, over: np.ndarray) -> np.ndarray:
    """`(r,)` means of `values` over standard deviations of `over` in draws of `(r, n)` counts; `nan` where nothing varies."""
    size = counts.sum(axis=1)
    centred = over - over.mean()
    mean = counts @ centred / size
    variance = (counts @ centred**2 - size * mean**2) / (size - 1)
    least = 1e-18 * float(np.abs(over).max()) ** 2
    sd = np.sqrt(np.where(variance > least, variance, np.nan))
    return np.asarray((counts @ values / size) / sd)


def _mean(values: np.ndarray, confidence: float) -> Estimate:
    if not values.size:
        return NO_ESTIMATE
    mean, sd = float(values.mean()), _sd(values)
    if not sd > 0:
        return without_interval(mean)
    half = float(stats.t.ppf((1 + confidence) / 2, values.size - 1)) * sd / math.sqrt(values.size)
    return Estimate(mean, mean - half, mean + half)


@dataclass(frozen=True)
class SrmComparison:
    """Two measures of the same patients: by how much the size of the first's SRM exceeds the second's, and how many patients a
    trial by the first needs for one by the second (`patients`: the second's squared SRM over the first's).

    Both are `nan`, with a `note`, where one measure rose and the other fell on average."""

    n: int
    difference: Estimate
    patients: Estimate
    note: str


def compare_srm(first: Visits, second: Visits, *, confidence: float = 0.95) -> SrmComparison:
    """Compare the sensitivity to change of two measures, patient by patient.

    Parameters
    ----------
    first, second : (baseline, follow-up), each (n,)
        Of the same patients in one order; patients with any value missing are left out.

    Notes
    -----
    The number of patients that a trial needs goes with the inverse square of the SRM. Intervals are of a bootstrap that draws
    whole patients, so that both measures are of the same ones.
    """
    check_confidence(confidence)
    values = [as_numbers(visit, "the measure") for visit in (*first, *second)]
    if len({visit.size for visit in values}) > 1:
        raise InputError("Two measures are compared patient by patient; pass as many values of one as of the other.")
    table = np.stack(values, axis=1)
    table = table[~np.isnan(table).any(axis=1)]
    changes, n = np.stack([table[:, 1] - table[:, 0], table[:, 3] - table[:, 2]], axis=1), len(table)

    if n < FEWEST:
        note = f"The comparison needs at least {FEWEST} patients with both measures at both visits; there are {n}."
        return SrmComparison(n, NO_ESTIMATE, NO_ESTIMATE, note)
    first_srm, second_srm = (_ratio(change.mean(), _sd(change)) for change in changes.T)
    if math.isnan(first_srm + second_srm) or first_srm == 0:
        return SrmComparison(n, NO_ESTIMATE, NO_ESTIMATE, "A measure did not change, or changed by one amount in all patients.")
    if first_srm * second_srm < 0:
        note = "They moved in opposite directions: the ratio of their SRMs does not say which is the better outcome."
        return SrmComparison(n, NO_ESTIMATE, NO_ESTIMATE, note)
    a, b = abs(first_srm), abs(second_srm)

    def sizes(counts: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        own, other = (np.abs(_drawn_ratio(counts, change, change)) for change in changes.T)
        return own, other

    def apart(counts: np.ndarray) -> np.ndarray:
        own, other = sizes(counts)
        return own - other

    def patients(counts: np.ndarray) -> np.ndarray:
        own, other = sizes(counts)
        return np.divide(other**2, own**2, out=np.full(own.size, np.nan), where=own > 0)

    of_apart, of_patients = (
        bootstrap_interval(statistic, np.arange(n), confidence, accelerated=True) for statistic in (apart, patients)
    )
    return SrmComparison(n, Estimate(a - b, *of_apart), Estimate((b / a) ** 2, *of_patients), "")


@dataclass(frozen=True, eq=False)
class Roc:
    """How well a number tells responders from non-responders.

    Parameters
    ----------
    auc : Estimate
        Area under the curve: the probability that a responder has the larger number, ties counting half.
    false_positive, true_positive : (k,) arrays
        The curve, from (0, 0) to (1, 1).
    responders, others : int
    """

    auc: Estimate
    false_positive: np.ndarray
    true_positive: np.ndarray
    responders: int
    others: int
    note: str


def roc(score: ArrayLike, responded: ArrayLike, *, confidence: float = 0.95) -> Roc:
    """Receiver operating characteristic of a score.

    Parameters
    ----------
    score : (n,) array
        Larger in responders: a fall (baseline minus follow-up), in any unit.
    responded : (n,) array
        1, 0, or `nan` where not known.

    Notes
    -----
    Interval: DeLong, DeLong and Clarke-Pearson 1988, doi 10.2307/2531595, on the logit scale, so that it stays within 0 and 1.
    """
    check_confidence(confidence)
    numbers, response, _ = complete_pairs(score, responded, ("the score", "the response"))
    positive, negative = _split(numbers, response)
    m, k = positive.size, negative.size
    if not m or not k:
        note = f"A curve needs responders and non-responders; there are {m} and {k}."
        return Roc(NO_ESTIMATE, np.array([]), np.array([]), m, k, note)
    of_positive, of_negative = _placements(positive, negative)
    area = float(of_positive.mean())
    cuts = np.unique(numbers)[::-1]
    true = np.array([0.0, *((positive >= cut).mean() for cut in cuts)])
    false = np.array([0.0, *((negative >= cut).mean() for cut in cuts)])
    estimate, note = without_interval(area), ""
    variance = _delong(of_positive, of_negative)
    if m < 2 or k < 2:
        note = f"An interval needs at least 2 responders and 2 non-responders; there are {m} and {k}."
    elif area in (0.0, 1.0):
        note = "The score parts responders and non-responders completely: no interval can be computed from such data."
    elif variance <= 0:
        note = "The scores leave no variance to compute an interval from."
    else:
        half = float(stats.norm.ppf((1 + confidence) / 2)) * math.sqrt(variance) / (area * (1 - area))
        centre = math.log(area / (1 - area))
        estimate = Estimate(area, *(1 / (1 + math.exp(-end)) for end in (centre - half, centre + half)))
    return Roc(estimate, false, true, m, k, note)


@dataclass(frozen=True)
class AucComparison:
    """Difference of the areas of two scores of the same patients, first minus second, with its P (two-sided)."""

    difference: Estimate
    p: float
    n: int
    note: str


def compare_auc(first: ArrayLike, second: ArrayLike, responded: ArrayLike, *, confidence: float = 0.95) -> AucComparison:
    """DeLong's test of two correlated areas under the curve; patients with any value missing are left out.

    Parameters
    ----------
    first, second : (n,) arrays
        Two scores of each patient.
    responded : (n,) array
        1 responded, 0 did not.
    """
    check_confidence(confidence)
    table = np.stack([as_numbers(values, "a score or response") for values in (first, second, responded)], axis=1)
    table = table[~np.isnan(table).any(axis=1)]
    pairs = [_split(table[:, column], table[:, 2]) for column in (0, 1)]
    m, k = pairs[0][0].size, pairs[0][1].size
    if m < 2 or k < 2:
        note = f"A comparison needs at least 2 responders and 2 non-responders with both measures; there are {m} and {k}."
        return AucComparison(NO_ESTIMATE, float("nan"), len(table), note)
    (a, b), (c, d) = (_placements(*pair) for pair in pairs)
    apart, variance = float(a.mean() - c.mean()), _delong(a - c, b - d)
    if variance <= 1e-24:
        note = "The two scores leave no variance of their difference: it has no interval."
        return AucComparison(without_interval(apart), float("nan"), len(table), note)
    half = float(stats.norm.ppf((1 + confidence) / 2)) * math.sqrt(variance)
    p = float(2 * stats.norm.sf(abs(apart) / math.sqrt(variance)))
    return AucComparison(Estimate(apart, max(apart - half, -1.0), min(apart + half, 1.0)), p, len(table), "")


def _split(score: np.ndarray, response: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    if not np.isin(response, (0, 1)).all():
        raise InputError("A response is 1 (responded), 0 (did not) or missing; found other numbers.")
    return score[response == 1], score[response == 0]


def _placements(positive: np.ndarray, negative: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Share of the others that each responder lies above, and of the responders that lie above each of the others."""
    above = (positive[:, np.newaxis] > negative) + 0.5 * (positive[:, np.newaxis] == negative)
    return above.mean(axis=1), above.mean(axis=0)


def _delong(of_positive: np.ndarray, of_negative: np.ndarray) -> float:
    if of_positive.size < 2 or of_negative.size < 2:
        return float("nan")
    return float(of_positive.var(ddof=1) / of_positive.size + of_negative.var(ddof=1) / of_negative.size)


@lru_cache(maxsize=4096)
def two_arm_power(effect: float, per_arm: int, alpha: float = 0.05) -> float:
    """Power of a two-sided t test between the changes of two arms of equal size.

    Parameters
    ----------
    effect : float
        Difference of the arms' mean changes over the standard deviation of changes.
    per_arm : int
        Patients in each arm, 2 or more.

    Notes
    -----
    Exact for normal changes of one standard deviation, from the noncentral t distribution. Cohen 1988.
    """
    if per_arm < 2:
        raise SettingsError(f"A trial of two arms needs at least 2 patients in each, found {per_arm}.")
    df, shift = 2 * per_arm - 2, abs(effect) * math.sqrt(per_arm / 2)
    critical = float(stats.t.ppf(1 - alpha / 2, df))
    return noncentral_t.sf(critical, df, shift) + noncentral_t.cdf(-critical, df, shift)


def patients_per_arm(effect: float, power: float = 0.8, alpha: float = 0.05) -> int | None:
    """Fewest patients in each of two arms for a power; None without an effect, or for more than `MOST_PER_ARM`.

    Raises
    ------
    SettingsError
        A power or level that is no share between 0 and 1.
    """
    for share in (power, alpha):
        check_confidence(share)
    if math.isnan(effect) or effect == 0:
        return None
    z = float(stats.norm.ppf(1 - alpha / 2) + stats.norm.ppf(power))
    guess = 2 * (z / effect) ** 2
    if guess > MOST_PER_ARM:
        return None
    # the normal approximation needs fewer than the t test, by less than two for any usual level
    low, high = max(2, math.floor(guess) - 1), max(3, math.ceil(guess) + 4)
    while two_arm_power(effect, high, alpha) < power:
        low, high = high, 2 * high
    while low > 2 and two_arm_power(effect, low, alpha) >= power:
        low -= 1
    return next(n for n in range(low, high + 1) if two_arm_power(effect, n, alpha) >= power)
