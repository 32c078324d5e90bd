"""Points of a plane against polygons and lines."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

Point = tuple[float, float]


def inside_polygon(points: np.ndarray, polygon: Sequence[Point]) -> np.ndarray:
    """Which points lie in a closed polygon, by the even-odd rule; where it crosses itself, what it goes round twice is outside.

    Parameters
    ----------
    points : (n, 2) float array
    polygon : sequence of (x, y)
        Corners in order; the last one is joined to the first.

    Returns
    -------
    (n,) bool array
        A point on the left or lower edge of an upright square is inside, on the right or upper edge outside: polygons side by
        side share no point.
    """
    x, y = np.asarray(points, dtype=np.float64).T
    inside = np.zeros(x.shape, dtype=bool)
    corners = np.asarray(polygon, dtype=np.float64)
    for (x0, y0), (x1, y1) in zip(corners, np.roll(corners, -1, axis=0), strict=True):
        spans = (y0 > y) != (y1 > y)
        if y1 != y0:
            inside ^= spans & (x < x0 + (y - y0) * (x1 - x0) / (y1 - y0))
    return inside


def left_of_line(points: np.ndarray, line: tuple[Point, Point]) -> np.ndarray:
    """1 to the left of a line from its first point to its second, -1 to the right, 0 on it; `(n, 2)` in its units, `(n,)` out."""
    (x0, y0), (x1, y1) = line
    x, y = np.asarray(points, dtype=np.float64).T
    return np.sign((x1 - x0) * (y - y0) - (y1 - y0) * (x - x0))
