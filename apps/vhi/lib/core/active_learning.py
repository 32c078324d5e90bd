"""Which scan teaches the networks most: what they are unsure of, and what is unlike the scans that were read.

Features of a scan are cheap numbers that need no network: grey values of the marrow, size and place of the region, voxels. They
are compared after each was divided by its spread over the scans at hand, so that none outweighs the others by its unit.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

import numpy as np

from .volume import Mask, Volume

MARROW_SHARES = (0.1, 0.25, 0.5, 0.75, 0.9)
FEATURES = (
    *(f"marrow {share:.0%}" for share in MARROW_SHARES),
    "marrow texture",
    "region log mm3",
    "region spread right-left mm",
    "region spread front-back mm",
    "region spread up-down mm",
    "pixel mm",
    "slice spacing mm",
)
# beyond so many spreads from the median one odd number would decide alone
MOST_SPREADS = 5.0


def features_of(t1w: Volume, region: Mask) -> tuple[float, ...]:
    """Numbers that tell scans apart, as `FEATURES` names them.

    Parameters
    ----------
    t1w : Volume
    region : Mask
        The disease region on its grid; not empty.

    Returns
    -------
    tuple of float
        Quantiles of T1W inside the region in units of three standard deviations of the volume, as the networks see it; the mean
        step from a pixel to its neighbours there, in the same units; volume; standard deviations of the region's voxels about
        its centre along RAS axes [mm]; in-plane and slice spacing [mm].
    """
    scale = 3.0 * float(np.std(t1w.data)) or 1.0
    inside = t1w.data[region.data] / scale
    quantiles = np.quantile(inside, MARROW_SHARES)
    places = region.grid.world_mm(np.argwhere(region.data)[::7].astype(np.float64))
    spacing = t1w.grid.spacing_mm
    return (
        *(float(value) for value in quantiles),
        _texture(t1w.data, region.data) / scale,
        float(np.log(region.volume_mm3)),
        *(float(value) for value in places.std(axis=0)),
        float(np.mean(spacing[:2])),
        float(spacing[2]),
    )


def _texture(data: np.ndarray, mask: np.ndarray) -> float:
    """Mean absolute step between neighbouring pixels of a slice that both lie in the mask."""
    steps = [np.abs(np.diff(data, axis=axis))[_both(mask, axis)] for axis in (0, 1)]
    every = np.concatenate(steps)
    return float(every.mean()) if len(every) else 0.0


def _both(mask: np.ndarray, axis: int) -> np.ndarray:
    first, second = np.swapaxes(mask, 0, axis)[:-1], np.swapaxes(mask, 0, axis)[1:]
    both: np.ndarray = np.swapaxes(first & second, 0, axis)
    return both


def feature_distance(features: Mapping[str, Sequence[float]], labelled: Collection[str]) -> dict[str, float]:
    """How far each scan lies from the nearest labelled one.

    Parameters
    ----------
    features : mapping of id to numbers
        Of all scans, the labelled ones included.
    labelled : ids
        Those without features are left out.

    Returns
    -------
    dict
        Root mean square of the differences, each in units of its spread over all scans (half the distance between the 16th and
        84th percentile) and at most `MOST_SPREADS`. Without any labelled scan, the distance from the median of all.
    """
    if not features:
        return {}
    ids = list(features)
    table = np.array([features[name] for name in ids], dtype=np.float64)
    low, high = np.percentile(table, [16, 84], axis=0)
    spread = (high - low) / 2
    scaled = (table - np.median(table, axis=0)) / np.where(spread > 0, spread, 1.0)
    scaled = np.clip(np.where(spread > 0, scaled, 0.0), -MOST_SPREADS, MOST_SPREADS)
    known = [n for n, name in enumerate(ids) if name in labelled]
    nearest = np.full(len(ids), np.inf)
    for case in scaled[known] if known else np.zeros((1, scaled.shape[1])):
        nearest = np.minimum(nearest, np.mean((scaled - case) ** 2, axis=1))
    return {name: float(distance) for name, distance in zip(ids, np.sqrt(nearest), strict=True)}


def standing(values: Mapping[str, float]) -> dict[str, float]:
    """The share of the other scans with a smaller value, ties counting half: 0 for the smallest, 1 for the largest, 0.5 alone."""
    if len(values) < 2:
        return dict.fromkeys(values, 0.5)
    table = np.array(list(values.values()), dtype=np.float64)
    ordered = np.sort(table)
    below, upto = np.searchsorted(ordered, table, "left"), np.searchsorted(ordered, table, "right")
    return {name: float(share) for name, share in zip(values, (below + upto - 1) / 2 / (len(table) - 1), strict=True)}


def uncertain_and_unlike(uncertainty: Mapping[str, float], unlike: Mapping[str, float], weight: float = 0.5) -> dict[str, float]:
    """One score in [0, 1] from both, by their standing among the scans at hand: units do not mix, and no outlier decides.

    Parameters
    ----------
    uncertainty, unlike : mapping of id to number
        Of the same scans.
    weight : float
        Of being unlike; the rest is that of being uncertain.
    """
    first, second = standing(uncertainty), standing({name: unlike[name] for name in uncertainty})
    return {name: (1 - weight) * first[name] + weight * second[name] for name in uncertainty}
