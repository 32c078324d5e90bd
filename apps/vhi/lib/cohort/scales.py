"""The three scales on which volumes are compared: raw, truncated, and log(x + 1)."""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import ArrayLike

from ..errors import InputError, SettingsError
from .estimate import as_numbers

Scale = Literal["raw", "truncated", "log"]
SCALES: tuple[Scale, ...] = ("raw", "truncated", "log")


def truncated(values: ArrayLike, at: float) -> np.ndarray:
    """`(n,)` values without those above `at`, in the same unit, which become missing (`nan`); a value of exactly `at` stays.

    Notes
    -----
    Hepburn et al. 2023, section 2.7.2: the highest values are removed, not clipped.
    """
    if not np.isfinite(at):
        raise SettingsError(f"Truncation needs a finite value above which cases are left out, found {at}.")
    numbers = as_numbers(values, "values")
    return np.where(numbers > at, np.nan, numbers)


def log_plus_one(values: ArrayLike) -> np.ndarray:
    """Natural logarithm of `x + 1` of `(n,)` volumes [mm3] or scores, which leaves 0 at 0.

    Raises
    ------
    InputError
        A value below 0: volumes and scores are none.
    """
    numbers = as_numbers(values, "values")
    if (numbers < 0).any():
        raise InputError(f"log(x + 1) is for volumes and scores, which are 0 or more; found {np.nanmin(numbers):g}.")
    return np.log1p(numbers)


def on_scale(values: ArrayLike, scale: Scale, truncate_at: float | None = None) -> np.ndarray:
    """`(n,)` values on one of the three scales; what truncation leaves out is `nan`.

    Parameters
    ----------
    values : (n,) array
    scale : "raw", "truncated" or "log"
    truncate_at : float, optional
        Needed for "truncated", in the unit of `values`.

    Raises
    ------
    SettingsError
        An unknown scale, or "truncated" without a value to truncate at.
    """
    if scale == "raw":
        return as_numbers(values, "values")
    if scale == "log":
        return log_plus_one(values)
    if scale != "truncated":
        raise SettingsError(f"The scale is {scale!r}; it must be {', '.join(SCALES)}.")
    if truncate_at is None:
        raise SettingsError("The truncated scale needs the value above which cases are left out.")
    return truncated(values, truncate_at)
