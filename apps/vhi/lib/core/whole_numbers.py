"""Whole numbers that other programs saved as fractions."""

from __future__ import annotations

import numpy as np

# 255 x 1/255 is 1.00000006 in single precision, a one of half precision is off by 0.0005 at most; what an interpolation leaves
# between two labels lies further away in some voxel
ROUNDING = 1e-3


def whole_numbers(values: np.ndarray) -> np.ndarray | None:
    """The whole numbers that values stand for, integers as they are, others in float64; None where one lies between two
    or is not finite.

    Parameters
    ----------
    values : array of numbers, any shape
    """
    values = np.asarray(values)
    if values.dtype.kind in "iu":
        return values
    values = values.astype(np.float64, copy=False)
    if not np.isfinite(values).all():
        return None
    whole: np.ndarray = np.rint(values)
    return whole if np.abs(values - whole).max(initial=0.0) <= ROUNDING else None
