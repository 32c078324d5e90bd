"""Parts that all statistics of a study share: an estimate with its interval, and pairs without missing values.

Everywhere in this room: input that is malformed (lengths that differ, infinite numbers) is refused with an `InputError`; data
that are well formed but cannot carry a statistic (too few, constant) give `nan`, and a sentence in `note` that says why.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy import stats

from ..errors import InputError, SettingsError


@dataclass(frozen=True)
class Estimate:
    """A value with its confidence interval, all in one unit; `nan` where there is none."""

    value: float
    low: float
    high: float


NO_ESTIMATE = Estimate(float("nan"), float("nan"), float("nan"))


def without_interval(value: float) -> Estimate:
    """A value whose interval the data cannot give: an interval without width would be printed as certainty."""
    return Estimate(value, float("nan"), float("nan"))


@dataclass(frozen=True)
class Summary:
    """Median and range of the values that are there."""

    n: int
    median: float
    low: float
    high: float


def summary(values: ArrayLike) -> Summary:
    """Median, smallest and largest of `(n,)` values in their unit, without those that are missing; `nan` when none is left."""
    present = as_numbers(values, "values")
    present = present[~np.isnan(present)]
    if not present.size:
        return Summary(0, float("nan"), float("nan"), float("nan"))
    return Summary(present.size, float(np.median(present)), float(present.min()), float(present.max()))


def as_numbers(values: ArrayLike, name: str) -> np.ndarray:
    """`(n,)` float array in which `nan` (or None) is a missing value.

    Raises
    ------
    InputError
        Not one-dimensional, not numbers, or infinite.
    """
    try:
        array = np.asarray(values, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise InputError(f"{name} must be numbers, with missing ones left empty; found {values!r:.80}.") from error
    if array.ndim != 1:
        raise InputError(f"{name} must be one list of numbers, found an array of shape {array.shape}.")
    if np.isinf(array).any():
        raise InputError(f"{name} holds {int(np.isinf(array).sum())} infinite numbers; leave missing values empty.")
    return array


def complete_pairs(a: ArrayLike, b: ArrayLike, names: tuple[str, str] = ("a", "b")) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The pairs in which neither value is missing.

    Parameters
    ----------
    a, b : (n,) arrays
        Paired by position; `nan` is missing.
    names : two str
        How messages call them.

    Returns
    -------
    a, b : (m,) float arrays
    kept : (m,) int array
        Their positions in the input.

    Raises
    ------
    InputError
        Lengths that differ, or values that are no finite numbers.
    """
    first, second = as_numbers(a, names[0]), as_numbers(b, names[1])
    if first.size != second.size:
        raise InputError(f"{names[0]} has {first.size} values and {names[1]} has {second.size}; pair them one to one.")
    kept = np.flatnonzero(~(np.isnan(first) | np.isnan(second)))
    return first[kept], second[kept], kept


def check_confidence(confidence: float) -> None:
    """Refuse a level of confidence that is no share between 0 and 1.

    Raises
    ------
    SettingsError
    """
    if not 0 < confidence < 1:
        raise SettingsError(f"A level of confidence lies between 0 and 1 (0.95 is usual), found {confidence:g}.")


def exact_share(count: int, n: int, confidence: float = 0.95) -> Estimate:
    """A share `count / n` with its exact binomial interval; `nan` for `n` = 0.

    Notes
    -----
    Clopper and Pearson 1934.
    """
    check_confidence(confidence)
    if not 0 <= count <= n:
        raise InputError(f"{count} of {n} is no share; the count lies between 0 and the number of cases.")
    if n == 0:
        return NO_ESTIMATE
    tail = (1 - confidence) / 2
    low = float(stats.beta.ppf(tail, count, n - count + 1)) if count else 0.0
    high = float(stats.beta.ppf(1 - tail, count + 1, n - count)) if count < n else 1.0
    return Estimate(count / n, low, high)
