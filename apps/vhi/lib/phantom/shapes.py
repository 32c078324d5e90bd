"""Signed distances [mm] of a few solids, negative inside, for coordinate arrays of any shape.

A surface is turned into a tissue fraction by `coverage`, so a voxel that a surface cuts holds a fraction of each side.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

Point = tuple[float, float, float]


def clipped(value: np.ndarray) -> np.ndarray:
    """Shares held within 0 and 1, an array of the same shape; `np.clip` takes longer where arrays are small."""
    return np.minimum(np.maximum(value, 0), 1)


def coverage(distance: np.ndarray, width_mm: float) -> np.ndarray:
    """Fraction of a sample inside a surface, of the shape of `distance` [mm]: 1/2 on it, 0 and 1 from half of `width_mm` away."""
    return clipped(np.float32(0.5) - distance * np.float32(1 / width_mm))


def ellipsoid(x: np.ndarray, y: np.ndarray, z: np.ndarray, centre: Point, radii: Point) -> np.ndarray:
    """Signed distance [mm] to an axis-aligned ellipsoid, of the shape of the coordinates [mm].

    Exact on its surface and first-order correct near it.
    """
    u, v, w = (x - centre[0]) * (1 / radii[0]), (y - centre[1]) * (1 / radii[1]), (z - centre[2]) * (1 / radii[2])
    length = np.sqrt(u * u + v * v + w * w)
    gradient = np.sqrt((u / radii[0]) ** 2 + (v / radii[1]) ** 2 + (w / radii[2]) ** 2)
    return length * (length - 1) / np.maximum(gradient, np.float32(1e-6))


def capsule(x: np.ndarray, y: np.ndarray, z: np.ndarray, a: Point, b: Point, radii: tuple[float, float]) -> np.ndarray:
    """Signed distance [mm] to a rod with round ends from `a` to `b`, of the shape of the coordinates.

    Its radius changes linearly between the two of `radii`.
    """
    d = np.subtract(b, a)
    px, py, pz = x - a[0], y - a[1], z - a[2]
    t = clipped((px * d[0] + py * d[1] + pz * d[2]) * (1 / float(d @ d)))
    px, py, pz = px - t * d[0], py - t * d[1], pz - t * d[2]
    return np.sqrt(px * px + py * py + pz * pz) - (radii[0] + t * (radii[1] - radii[0]))


def ribbon(x: np.ndarray, y: np.ndarray, points: Sequence[tuple[float, float]], radii: Sequence[float]) -> np.ndarray:
    """Signed distance [mm] in the plane to a thick polyline, of the shape of the coordinates.

    Its half-thickness changes linearly between its points.
    """
    nearest: np.ndarray | None = None
    for (ax, ay), (bx, by), ra, rb in zip(points[:-1], points[1:], radii[:-1], radii[1:], strict=True):
        dx, dy = bx - ax, by - ay
        px, py = x - ax, y - ay
        t = clipped((px * dx + py * dy) * (1 / (dx * dx + dy * dy)))
        distance = np.hypot(px - t * dx, py - t * dy) - (ra + t * (rb - ra))
        nearest = distance if nearest is None else np.minimum(nearest, distance)
    if nearest is None:
        raise ValueError("a ribbon needs two points")
    return nearest


def smooth_max(a: np.ndarray, b: np.ndarray, blend_mm: float) -> np.ndarray:
    """Intersection of two solids whose common edge is rounded over about `blend_mm`; signed distances [mm] of one shape."""
    h = np.maximum(blend_mm - np.abs(a - b), 0)
    return np.maximum(a, b) + h * h * (0.25 / blend_mm)


class Curve:
    """A function of one coordinate [mm] through given points, straight between them and constant beyond.

    Called with an array of any shape it gives a float32 array of the same shape.
    """

    STEP_MM = 0.1

    def __init__(self, nodes: Sequence[float], values: Sequence[float]) -> None:
        self._start = nodes[0]
        grid = np.arange(nodes[0], nodes[-1] + self.STEP_MM, self.STEP_MM)
        # a table read by index is several times faster than np.interp on every pixel
        self._table = np.interp(grid, nodes, values).astype(np.float32)

    def __call__(self, at: np.ndarray) -> np.ndarray:
        index = ((at - self._start) * (1 / self.STEP_MM)).astype(np.int32)
        return np.take(self._table, index, mode="clip")


def ramp(value: np.ndarray, start: float, end: float) -> np.ndarray:
    """0 at `start`, 1 at `end`, straight between; an array of the shape of `value`, in whose unit both ends are."""
    return clipped((value - start) * (1 / (end - start)))
