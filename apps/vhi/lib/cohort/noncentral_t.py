"""The noncentral t distribution, by quadrature: limits of agreement, standardised means and power rest on it.

scipy's answers `nan` for some ordinary arguments: a t of 8 with 8 degrees of freedom and a noncentrality of -9 is one (1.17).
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from scipy import optimize, special, stats

_NODES = 200
_TAIL = 1e-17


@lru_cache(maxsize=256)
def _scales(df: float) -> tuple[np.ndarray, np.ndarray]:
    """Nodes and weights of the distribution of an estimated over a true standard deviation, `(k,)` each."""
    low, high = (float(np.sqrt(one / df)) for one in (stats.chi2.ppf(_TAIL, df), stats.chi2.isf(_TAIL, df)))
    nodes, weights = np.polynomial.legendre.leggauss(_NODES)
    # nodes gather at the low end, where few degrees of freedom leave a density without a slope
    place = (nodes + 1) / 2
    scale = low + (high - low) * place**3
    density = stats.chi.pdf(scale * np.sqrt(df), df) * np.sqrt(df)
    weights = weights * 3 * place**2 * density
    return scale, weights / weights.sum()


def cdf(t: float, df: float, shift: float) -> float:
    """Probability of a value of at most `t`, with `df` degrees of freedom (1 or more) and a noncentrality of `shift`."""
    scale, weights = _scales(df)
    return float(weights @ special.ndtr(t * scale - shift))


def sf(t: float, df: float, shift: float) -> float:
    """Probability of a value above `t`."""
    return cdf(-t, df, -shift)


def quantile(share: float, df: float, shift: float) -> float:
    """The `t` below which a share of the distribution lies."""
    low, high = shift - 1.0, shift + 1.0
    step = 2.0
    while cdf(low, df, shift) > share:
        low, step = low - step, 2 * step
    step = 2.0
    while cdf(high, df, shift) < share:
        high, step = high + step, 2 * step
    return float(optimize.brentq(lambda t: cdf(t, df, shift) - share, low, high, xtol=1e-12, rtol=1e-13))


def noncentrality(t: float, df: float, share: float) -> float:
    """The noncentrality for which a value of at most `t` has probability `share`."""
    # the scale is below 6 with any degrees of freedom from 1 on, as far as 15 digits see
    reach = 9.0 * abs(t) + 12.0
    return float(optimize.brentq(lambda shift: cdf(t, df, shift) - share, -reach, reach, xtol=1e-12, rtol=1e-13))
