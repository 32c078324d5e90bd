"""The whole method after the network, written a second time: voxel by voxel, in plain Python, straight from the paper.

Slow on purpose and independent of `lib.core`: it takes arrays, and knows nothing of how the product does it.
"""

from __future__ import annotations

from itertools import product
from statistics import mean

import numpy as np

Voxel = tuple[int, int, int]
IN_PLANE = [(a, b, 0) for a, b in product((-1, 0, 1), repeat=2)]
IN_SPACE = list(product((-1, 0, 1), repeat=3))


def quartile(ordered: list[float], share: float) -> float:
    """Linear interpolation between the two nearest ranks."""
    at = share * (len(ordered) - 1)
    low = int(at)
    high = min(low + 1, len(ordered) - 1)
    return ordered[low] + (at - low) * (ordered[high] - ordered[low])


def thresholds(sample: list[float]) -> tuple[float, float, float]:
    """Sensitive, conservative and the multiple, by the paper's loop."""
    ordered = sorted(sample)
    q1, q3 = quartile(ordered, 0.25), quartile(ordered, 0.75)
    iqr, upper, steps = q3 - q1, ordered[-1], 0
    while upper - (q3 + (1.5 + 0.05 * steps) * iqr) >= iqr / 2:
        steps += 1
    while upper - (q3 + (1.5 + 0.05 * steps) * iqr) <= 0:
        steps -= 1
    multiple = 1.5 + 0.05 * steps
    return q3 + multiple * iqr, upper, multiple


def groups(voxels: set[Voxel], steps: list[Voxel]) -> list[set[Voxel]]:
    """Connected groups of voxels, by flood fill."""
    left, connected = set(voxels), []
    while left:
        group, front = set(), [left.pop()]
        while front:
            i, j, k = front.pop()
            group.add((i, j, k))
            near = {(i + a, j + b, k + c) for a, b, c in steps} & left
            left -= near
            front += near
        connected.append(group)
    return connected


def vhi_voxels(stir: np.ndarray, region: np.ndarray, every: list[Voxel], sensitive: float) -> tuple[int, set[Voxel]]:
    """Voxels above a threshold, and those of them in groups of four pixels or more."""
    raw = {v for v in every if region[v] and stir[v] >= sensitive}
    return len(raw), set().union(*[group for group in groups(raw, IN_PLANE) if len(group) >= 4])


def stability(stir: np.ndarray, region: np.ndarray, normal_bone: np.ndarray, sensitive: float) -> tuple[list[int], list[int]]:
    """VHI in voxels at thresholds 10% and 5% lower, 5% and 10% higher, and with each slice of normal bone left out."""
    every = list(product(*map(range, stir.shape)))
    changed = [len(vhi_voxels(stir, region, every, sensitive * (1 + change))[1]) for change in (-0.1, -0.05, 0.05, 0.1)]
    left_out = []
    for k in sorted({v[2] for v in every if normal_bone[v]}):
        rest = thresholds([float(stir[v]) for v in every if normal_bone[v] and v[2] != k])
        left_out.append(len(vhi_voxels(stir, region, every, rest[0])[1]))
    return changed, left_out


def measure(stir: np.ndarray, region: np.ndarray, normal_bone: np.ndarray, affine: np.ndarray) -> dict:
    """The numbers of one scan; arrays are `(I, J, K)`."""
    every = list(product(*map(range, stir.shape)))
    sensitive, conservative, multiple = thresholds([float(stir[v]) for v in every if normal_bone[v]])
    raw_sensitive, kept = vhi_voxels(stir, region, every, sensitive)
    red = {v for v in kept if stir[v] >= conservative}

    def x_mm(voxel: Voxel) -> float:
        return float(sum(affine[0, axis] * voxel[axis] for axis in range(3)) + affine[0, 3])

    midline = mean(x_mm(v) for v in every if region[v])
    lesions = groups(kept, IN_SPACE)
    return {
        "sensitive_threshold": sensitive,
        "conservative_threshold": conservative,
        "multiple": multiple,
        "raw_sensitive": raw_sensitive,
        "sensitive": len(kept),
        "conservative": len(red),
        "left": sum(x_mm(v) < midline for v in kept),
        "lesion_sizes": sorted((len(group) for group in lesions), reverse=True),
        "kept": kept,
    }
