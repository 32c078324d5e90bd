"""Where the sacroiliac joints run: on each side and slice, the dark line on T1W between two bright bones.

Rows run from superior to inferior and columns from the patient's right to the left, as `lib.core.orientation` hangs them. Only
T1W and the disease region decide: along every row the joint is a narrow dark gap with bone on both sides, and from row to row
and slice to slice it moves little. The line of least cost through one slice is found by dynamic programming, once alone and
once near the smoothed surface of all slices.
"""

from __future__ import annotations

import numpy as np

from .box import box_of
from .library import ndimage

GAP_MM = 8.0  # a dark gap wider than this is no joint
NEAREST_MM, FARTHEST_MM = 22.0, 85.0  # from the midline
BONE_WITHIN_MM = 14.0  # bone must be found this near on both sides of the gap
STEP_COST = 0.05  # for a line that moves one column from a row to the next
ASTRAY_MM = 15.0  # in the foremost slices the line may follow the ilium, this far lateral of the joint
CLEAR = 0.1  # of the marrow's median: a gap this much darker than what lies beside it
MOST_STEPS = 2  # so many columns a line may move from a row to the next
SURFACE_COST = 0.004  # per square column away from the surface of all slices


def joint_columns(
    t1w: np.ndarray, region: np.ndarray, midline: float, spacing_mm: tuple[float, float]
) -> tuple[np.ndarray, np.ndarray]:
    """The column of both joints in every slice and row, and where there is a joint at all.

    Parameters
    ----------
    t1w : (K, R, C) float array
        Hung slices, over the marrow's median.
    region : (K, R, C) bool array
        The disease region.
    midline : float
        Column.
    spacing_mm : (row, column)

    Returns
    -------
    columns : (2, K, R) float array
        The patient's right, then left.
    present : (2, K, R) bool array
        Rows that have bone on both sides of a dark gap there.
    """
    score = _gap_score(t1w, region, spacing_mm[1])
    sides = [_one_side(score, midline, spacing_mm[1], side) for side in (-1, 1)]
    columns = np.stack([column for column, _ in sides])
    present = np.stack([has_joint for _, has_joint in sides])
    return columns, present


def _gap_score(t1w: np.ndarray, region: np.ndarray, column_mm: float) -> np.ndarray:
    """How much darker a pixel is than what lies beside it on both sides, 0 where bone is not near on both sides."""
    width = 2 * round(GAP_MM / 2 / column_mm) + 1
    reach = round(BONE_WITHIN_MM / column_mm)
    # without bone on both sides nothing counts: filters see the box of the region, and as far beyond it as they look
    box = tuple(
        slice(max(0, span.start - more), span.stop + more) for span, more in zip(box_of(region), (0, 4, width + 2), strict=True)
    )
    score = np.zeros(t1w.shape, dtype=np.float32)
    if not score[box].size:
        return score
    t1w, region = t1w[box], region[box]
    smooth = ndimage.gaussian_filter(np.minimum(t1w, 1.5), (0.0, 1.0, 0.5))
    gap = ndimage.grey_closing(smooth, (1, 1, width)) - smooth
    bone = region & (t1w > 0.6)
    count = np.cumsum(bone, axis=2, dtype=np.int32)
    before = np.pad(count, ((0, 0), (0, 0), (reach, 0)))[:, :, :-reach]
    after = np.pad(count, ((0, 0), (0, 0), (0, reach)), mode="edge")[:, :, reach:]
    between = (count - before > reach // 4) & (after - count > reach // 4)
    score[box] = np.where(between, gap, 0.0)
    return score


def _one_side(score: np.ndarray, midline: float, column_mm: float, side: int) -> tuple[np.ndarray, np.ndarray]:
    near, far = (midline + side * distance / column_mm for distance in (NEAREST_MM, FARTHEST_MM))
    low, high = max(0, int(min(near, far))), min(score.shape[2], int(max(near, far)) + 1)
    if high - low < 2:  # the image ends before a joint could begin
        return np.full(score.shape[:2], float(near)), np.zeros(score.shape[:2], dtype=bool)
    window = score[:, :, low:high]
    alone = _best_lines(-window)
    strength = np.take_along_axis(window, alone[:, :, None], axis=2)[:, :, 0]
    surface = _surface(alone, strength)
    away = np.arange(high - low, dtype=np.float32) - surface[:, :, None]
    lines = _best_lines(SURFACE_COST * away**2 - window)
    strength = np.take_along_axis(window, lines[:, :, None], axis=2)[:, :, 0]
    return lines.astype(np.float64) + low, _without_astray(lines, _one_piece(strength > CLEAR), ASTRAY_MM / column_mm)


def _without_astray(lines: np.ndarray, present: np.ndarray, most: float) -> np.ndarray:
    """Without slices whose line runs farther than `most` columns from where the joint runs in the others."""
    if not present.any():
        return present
    typical = np.median(lines[present])
    astray = [
        bool(there.any()) and abs(np.median(line[there]) - typical) > most for line, there in zip(lines, present, strict=True)
    ]
    return present & ~np.array(astray)[:, np.newaxis]


def _one_piece(clear: np.ndarray) -> np.ndarray:
    """The largest piece of the surface where the gap is clear, holes of a few rows and single slices closed."""
    dense = ndimage.uniform_filter(clear.astype(np.float32), (1, 9)) > 0.5
    closed = ndimage.binary_closing(np.pad(dense, 4), np.ones((3, 5), dtype=bool))[4:-4, 4:-4]
    pieces, count = ndimage.label(closed, np.ones((3, 3)))
    if not count:
        return closed
    largest: np.ndarray = pieces == 1 + np.argmax(np.bincount(pieces.ravel())[1:])
    return largest


def _surface(lines: np.ndarray, strength: np.ndarray) -> np.ndarray:
    """Lines of all slices, smoothed over slices and rows, the clear ones counting most."""
    weight = np.clip(strength, 0.0, 0.5) + 1e-3
    sigma = (1.5, 8.0)
    smoothed: np.ndarray = ndimage.gaussian_filter(lines * weight, sigma) / ndimage.gaussian_filter(weight, sigma)
    return smoothed


def _best_lines(cost: np.ndarray) -> np.ndarray:
    """The column of least total cost in every row of every slice, moving at most two columns a row; `(K, R)` int array."""
    slices, rows, width = cost.shape
    total = cost[:, 0].astype(np.float32)
    came = np.zeros((rows, slices, width), dtype=np.int8)
    padded: np.ndarray = np.empty(0, dtype=np.int8)
    choice, is_less = padded, np.empty((slices, width), dtype=bool)
    for row in range(1, rows):
        if padded.dtype != total.dtype:  # the first row is float32, and what follows has the precision of the cost
            padded = np.full((slices, width + 2 * MOST_STEPS), np.inf, dtype=total.dtype)
            choice = np.empty((slices, width), dtype=total.dtype)
        padded[:, MOST_STEPS:-MOST_STEPS] = total
        # the least of the choices, the first of equal ones: five times as fast as argmin over their axis
        least = padded[:, :width] + STEP_COST * MOST_STEPS
        step = came[row]
        step[:] = -MOST_STEPS
        for n in range(1, 2 * MOST_STEPS + 1):
            np.add(padded[:, n : n + width], STEP_COST * abs(n - MOST_STEPS), out=choice)
            np.less(choice, least, out=is_less)
            np.copyto(step, n - MOST_STEPS, where=is_less)
            np.minimum(choice, least, out=least)
        total = least + cost[:, row]
    lines = np.empty((slices, rows), dtype=np.intp)
    lines[:, -1] = total.argmin(axis=1)
    for row in range(rows - 1, 0, -1):
        lines[:, row - 1] = lines[:, row] + came[row, np.arange(slices), lines[:, row]]
    return np.clip(lines, 0, width - 1)
