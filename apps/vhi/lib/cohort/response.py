"""Response to treatment: by clinical definitions, by imaging, and how far they agree.

A response of each patient is a number: 1 responded, 0 did not, `nan` not known because a value is missing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy import stats

from ..errors import InputError, SettingsError
from .estimate import NO_ESTIMATE, Estimate, as_numbers, check_confidence, complete_pairs, exact_share, without_interval
from .noncentral_t import noncentrality

BASDAI_IMPROVEMENT = 1.2
SPINAL_VAS_IMPROVEMENT_CM = 1.0
ASDAS_IMPROVEMENT = 1.1
ASDAS_INACTIVE = 1.3
# scores have one or two decimals: what a binary fraction adds or takes away is far smaller
_DECIMALS = 6


def nice_response(basdai: ArrayLike, basdai_after: ArrayLike, vas_cm: ArrayLike, vas_cm_after: ArrayLike) -> np.ndarray:
    """`(n,)` response by BASDAI (improvement of 1.2 or more) and spinal pain (1 cm or more) together.

    Where one of the two is known not to have improved, the patient has not responded, whatever the other.

    Parameters
    ----------
    basdai, basdai_after : (n,) arrays
        0 to 10, baseline and follow-up.
    vas_cm, vas_cm_after : (n,) arrays
        Spinal pain on a visual analogue scale [cm].

    Notes
    -----
    Hepburn et al. 2023, section 2.3, after NICE. Improvements are rounded to six decimals, because 5.3 - 4.1 is a little
    less than 1.2 in binary fractions.
    """
    index = _reaches(_improvement(basdai, basdai_after), BASDAI_IMPROVEMENT)
    pain = _reaches(_improvement(vas_cm, vas_cm_after), SPINAL_VAS_IMPROVEMENT_CM)
    if index.size != pain.size:
        raise InputError(f"BASDAI has {index.size} patients and spinal VAS {pain.size}; pair them one to one.")
    known_no = (index == 0) | (pain == 0)
    return np.where(known_no, 0.0, index * pain)


def basdai50(basdai: ArrayLike, basdai_after: ArrayLike) -> np.ndarray:
    """`(n,)` response by halving BASDAI or better, from `(n,)` scores of 0 to 10; `nan` where the baseline is 0 and nothing can
    be halved.

    Notes
    -----
    Hepburn et al. 2023, section 2.3.
    """
    before, after = _both(basdai, basdai_after)
    response = _response(np.round(after - before / 2, _DECIMALS) <= 0, before + after)
    return np.where(before == 0, np.nan, response)


def asdas_improvement(asdas: ArrayLike, asdas_after: ArrayLike) -> np.ndarray:
    """`(n,)` clinically important improvement, from `(n,)` scores each: ASDAS fell by more than 1.1; by exactly 1.1 is none.

    Notes
    -----
    Hepburn et al. 2023, section 2.3 (the definition of ASAS has 1.1 or more).
    """
    improvement = _improvement(asdas, asdas_after)
    return _response(improvement > ASDAS_IMPROVEMENT, improvement)


def asdas_inactive(asdas_after: ArrayLike) -> np.ndarray:
    """`(n,)` inactive disease: ASDAS below 1.3 at follow-up, `(n,)` scores, whatever it was before. Hepburn et al. 2023, section
    2.3.
    """
    after = as_numbers(asdas_after, "ASDAS at follow-up")
    return _response(np.round(after, _DECIMALS) < ASDAS_INACTIVE, after)


def imaging_response(baseline: ArrayLike, follow_up: ArrayLike, threshold: float = 0.0) -> np.ndarray:
    """`(n,)` response of a volume or score, `(n,)` at each visit: it fell by more than `threshold`, in its own unit; no change is
    no response.

    Notes
    -----
    Hepburn et al. 2023, section 2.7.3: any decrease, a simplification rather than a clinical threshold.
    """
    if not 0 <= threshold < np.inf:
        raise SettingsError(f"The decrease that counts as response must be 0 or more, found {threshold:g}.")
    improvement = _improvement(baseline, follow_up)
    return _response(improvement > threshold, improvement)


def clinical_responses(values: Mapping[str, ArrayLike]) -> dict[str, np.ndarray]:
    """Every clinical definition for which there are values.

    Parameters
    ----------
    values : mapping
        Any of basdai, basdai_after, spinal_vas_cm, spinal_vas_cm_after, asdas, asdas_after to `(n,)` arrays, of scores or, for
        spinal pain, cm.

    Returns
    -------
    dict
        Some of "BASDAI and spinal VAS", "BASDAI50", "ASDAS improvement", "ASDAS inactive" to `(n,)` responses.
    """
    responses: dict[str, np.ndarray] = {}
    if all(name in values for name in ("basdai", "basdai_after", "spinal_vas_cm", "spinal_vas_cm_after")):
        responses["BASDAI and spinal VAS"] = nice_response(
            values["basdai"], values["basdai_after"], values["spinal_vas_cm"], values["spinal_vas_cm_after"]
        )
    if "basdai" in values and "basdai_after" in values:
        responses["BASDAI50"] = basdai50(values["basdai"], values["basdai_after"])
    if "asdas" in values and "asdas_after" in values:
        responses["ASDAS improvement"] = asdas_improvement(values["asdas"], values["asdas_after"])
    if "asdas_after" in values:
        responses["ASDAS inactive"] = asdas_inactive(values["asdas_after"])
    return responses


def _both(before: ArrayLike, after: ArrayLike) -> tuple[np.ndarray, np.ndarray]:
    first, second = as_numbers(before, "baseline"), as_numbers(after, "follow-up")
    if first.size != second.size:
        raise InputError(f"The baseline has {first.size} patients and the follow-up {second.size}; pair them one to one.")
    return first, second


def _improvement(before: ArrayLike, after: ArrayLike) -> np.ndarray:
    first, second = _both(before, after)
    return np.round(first - second, _DECIMALS)


def _response(responded: np.ndarray, known: np.ndarray) -> np.ndarray:
    return np.where(np.isnan(known), np.nan, responded)


def _reaches(improvement: np.ndarray, least: float) -> np.ndarray:
    return _response(improvement >= least, improvement)


@dataclass(frozen=True)
class CrossTable:
    """Two definitions of response in the same patients.

    Parameters
    ----------
    both, only_a, only_b, neither : int
        Patients who respond by both, by one, by none.
    missing : int
        Patients left out because one of the two is not known.
    agreement : Estimate
        Share of patients on whom the two agree, with its exact interval.
    kappa : Estimate
        Cohen's kappa with its large-sample interval, cut at -1 and 1; `nan` where both give one same answer to all, without an
        interval where the counts leave no error to estimate one from.
    p_mcnemar : float
        Exact, two-sided: does one of the two find more responders; `nan` without patients.
    p_fisher : float
        Exact, two-sided: are the two associated at all; `nan` without patients.
    note : str
    """

    both: int
    only_a: int
    only_b: int
    neither: int
    missing: int
    agreement: Estimate
    kappa: Estimate
    p_mcnemar: float
    p_fisher: float
    note: str

    @property
    def n(self) -> int:
        """Patients of whom both are known."""
        return self.both + self.only_a + self.only_b + self.neither

    @property
    def agreeing(self) -> int:
        return self.both + self.neither


def cross_table(a: ArrayLike, b: ArrayLike, *, confidence: float = 0.95) -> CrossTable:
    """Count how two definitions of response agree, patient by patient.

    Parameters
    ----------
    a, b : (n,) arrays
        Responses: 1, 0, or `nan` where not known.

    Raises
    ------
    InputError
        Anything else than 0, 1 and missing, or lists that are not paired one to one.

    Notes
    -----
    Hepburn et al. 2023, section 3.5, reports the counts. Kappa: Cohen 1960, standard error of Fleiss, Cohen and Everitt 1969.
    """
    check_confidence(confidence)
    first, second, kept = complete_pairs(a, b, ("the first response", "the second response"))
    for numbers in (as_numbers(a, "a"), as_numbers(b, "b")):
        if not np.isin(numbers[~np.isnan(numbers)], (0, 1)).all():
            raise InputError("A response is 1 (responded), 0 (did not) or missing; found other numbers.")
    counts = [int(np.sum((first == mine) & (second == other))) for mine, other in ((1, 1), (1, 0), (0, 1), (0, 0))]
    both, only_a, only_b, neither = counts
    n, note = sum(counts), ""
    if not n:
        note = "No patient has both responses known."
    elif n in (both, neither):
        note = "Both give the same one answer for all patients, so that kappa has no meaning."
    nan = float("nan")
    apart = only_a + only_b
    kappa = NO_ESTIMATE if note else _kappa(np.array([[both, only_a], [only_b, neither]]) / n, n, confidence)
    if not note and np.isnan(kappa.low):
        note = f"The counts of these {n} patients leave no error to compute an interval of kappa from."
    return CrossTable(
        both=both,
        only_a=only_a,
        only_b=only_b,
        neither=neither,
        missing=len(as_numbers(a, "a")) - kept.size,
        agreement=exact_share(both + neither, n, confidence),
        kappa=kappa,
        p_mcnemar=nan if not n else float(stats.binomtest(only_a, apart).pvalue) if apart else 1.0,
        p_fisher=float(stats.fisher_exact([[both, only_a], [only_b, neither]]).pvalue) if n else nan,
        note=note,
    )


def _kappa(share: np.ndarray, n: int, confidence: float) -> Estimate:
    row, column = share.sum(axis=1), share.sum(axis=0)
    observed, expected = float(np.trace(share)), float(row @ column)
    kappa = (observed - expected) / (1 - expected)
    diagonal = np.sum(np.diag(share) * (1 - (row + column) * (1 - kappa)) ** 2)
    sums = column[:, np.newaxis] + row[np.newaxis, :]
    off = (1 - kappa) ** 2 * np.sum((share * (1 - np.eye(2))) * sums**2)
    variance = (diagonal + off - (kappa - expected * (1 - kappa)) ** 2) / (n * (1 - expected) ** 2)
    if variance <= 1e-12:  # what rounding leaves
        return without_interval(kappa)
    half = float(stats.norm.ppf((1 + confidence) / 2)) * float(np.sqrt(variance))
    return Estimate(kappa, max(kappa - half, -1.0), min(kappa + half, 1.0))


@dataclass(frozen=True)
class StandardisedResponseMean:
    """Mean change over its standard deviation; negative where values fell. `n` patients have both visits."""

    srm: Estimate
    mean_change: float
    sd_change: float
    n: int
    note: str


def standardised_response_mean(
    baseline: ArrayLike, follow_up: ArrayLike, *, confidence: float = 0.95
) -> StandardisedResponseMean:
    """How large the change between two visits is beside its variation between patients.

    Parameters
    ----------
    baseline, follow_up : (n,) arrays
        Paired by position, both in one unit; patients with a missing value are left out.

    Returns
    -------
    StandardisedResponseMean
        With `nan` and a note for fewer than two patients or changes that are all equal.

    Notes
    -----
    Liang, Fossel and Larson 1990. The interval is exact for normal changes, from the noncentral t distribution.
    """
    check_confidence(confidence)
    before, after, _ = complete_pairs(baseline, follow_up, ("the baseline", "the follow-up"))
    change, nan = after - before, float("nan")
    n = change.size
    mean = float(change.mean()) if n else nan
    if n < 2:
        note = f"A standardised response mean needs at least 2 patients with both visits; there are {n}."
        return StandardisedResponseMean(NO_ESTIMATE, mean, nan, n, note)
    sd = float(change.std(ddof=1))
    if sd <= 1e-12 * abs(mean) or np.ptp(change) == 0:  # what rounding leaves of equal changes
        note = "All patients changed by the same amount, so that the change cannot be standardised."
        return StandardisedResponseMean(NO_ESTIMATE, mean, sd, n, note)
    t, tail = mean / sd * np.sqrt(n), (1 - confidence) / 2
    low, high = (noncentrality(t, n - 1, share) / np.sqrt(n) for share in (1 - tail, tail))
    return StandardisedResponseMean(Estimate(mean / sd, low, high), mean, sd, n, "")
