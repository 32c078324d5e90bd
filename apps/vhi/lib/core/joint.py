"""Where the sacroiliac joints run: on each side and slice, the dark line on T1W between two bright bones.

Rows run from superior to inferior and columns from the patient's right to the left, as `lib.core.orientation` hangs them. Only
T1W and the disease region decide: along every row the joint is a narrow dark gap with bone on both sides, and from row to row
and slice to slice it moves little. The line of least cost through one slice is found by dynamic programming, once alone and
once near the smoothed surface of all slices.
"""

from __future__ import annotations

from collections.abc import Iterable

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
    score, column_mm = _gap_score(t1w, region, spacing_mm[1]), spacing_mm[1]
    ends = [[midline + side * mm / column_mm for mm in (NEAREST_MM, FARTHEST_MM)] for side in (-1, 1)]
    spans = [slice(max(0, int(min(both))), min(score.shape[2], int(max(both)) + 1)) for both in ends]
    # where the image ends before a joint could begin there is none
    columns = np.stack([np.full(score.shape[:2], float(near)) for near, _ in ends])
    present = np.zeros(columns.shape, dtype=bool)
    seen = [n for n, span in enumerate(spans) if span.stop - span.start >= 2]
    for n, lines, clear in zip(seen, *_followed([score[:, :, spans[n]] for n in seen]), strict=True):
        columns[n] = lines.astype(np.float64) + spans[n].start
        present[n] = _without_astray(lines, _one_piece(clear), ASTRAY_MM / column_mm)
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
    # slice by slice: what lies between the steps stays near the processor
    rows, columns = score[box].shape[1:]
    # bone up to a column and within it: none before the first, no more after the last
    counts = np.zeros((rows, columns + 2 * reach), dtype=np.int32)
    before, count, after = (counts[:, start : start + columns] for start in (0, reach, 2 * reach))
    for one, bone, gap_score in zip(t1w[box], region[box], score[box], strict=True):
        smooth = ndimage.gaussian_filter(np.minimum(one, 1.5), (1.0, 0.5))
        gap = _closed(smooth, width) - smooth
        np.cumsum(bone & (one > 0.6), axis=1, out=count)
        counts[:, reach + columns :] = count[:, -1:]
        np.copyto(gap_score, gap, where=(count - before > reach // 4) & (after - count > reach // 4))
    return score


def _closed(values: np.ndarray, width: int) -> np.ndarray:
    """Grey closing of `(R, C)` values over an odd number of columns, mirrored at the ends; in half the time of a filter."""
    for of in (np.maximum, np.minimum):
        values = np.pad(values, ((0, 0), (width // 2,) * 2), mode="symmetric")
        length = 1
        while length < width:
            step = min(length, width - length)
            values = of(values[:, :-step], values[:, step:])
            length += step
    return values


def _followed(windows: list[np.ndarray]) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """The joint's line in each window of the score, `(K, R)` ints, and where the gap is clear on it, `(K, R)` bool."""
    alone = _lines_of(windows)
    surfaces = [_surface(lines, _along(window, lines)) for window, lines in zip(windows, alone, strict=True)]
    near = _lines_of(windows, surfaces)
    return near, [_along(window, lines) > CLEAR for window, lines in zip(windows, near, strict=True)]


def _along(window: np.ndarray, lines: np.ndarray) -> np.ndarray:
    along: np.ndarray = np.take_along_axis(window, lines[:, :, None], axis=2)[:, :, 0]
    return along


def _lines_of(windows: list[np.ndarray], surfaces: list[np.ndarray] | None = None) -> list[np.ndarray]:
    """The best lines of windows with as many slices and rows, near their surfaces where these are known.

    All at once: half of the time goes to the overhead of each row.
    """
    if not windows:
        return []
    slices, rows, _ = windows[0].shape
    widest = max(window.shape[2] for window in windows)
    score = np.full((rows, len(windows), slices, widest), -np.inf, dtype=np.float32)
    for n, window in enumerate(windows):
        score[:, n, :, : window.shape[2]] = window.transpose(1, 0, 2)
    score = score.reshape(rows, -1, widest)
    if surfaces is None:
        lines = _best_lines((-row for row in score), score.shape, np.float32)
    else:
        away = (np.arange(float(widest)) - line[:, np.newaxis] for line in np.concatenate(surfaces).T)
        lines = _best_lines(
            (far * far * SURFACE_COST - row for far, row in zip(away, score, strict=True)), score.shape, np.float64
        )
    return np.split(lines, len(windows))


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


def _best_lines(costs: Iterable[np.ndarray], shape: tuple[int, ...], kind: type[np.floating]) -> np.ndarray:
    """The column of least total cost in every row of every line, moving at most two columns a row.

    Parameters
    ----------
    costs : iterable of (lines, C) float arrays
        Row after row.
    shape : (R, lines, C)
    kind : float32 or float64
        Of the costs. The first row is float32.

    Returns
    -------
    (lines, R) int array
    """
    rows, lines, columns = shape
    # infinite beside each line: a row is passed over as if it were one, and no step leads from a line to the next
    width = columns + 2 * MOST_STEPS
    totals = np.full((rows, lines, width), np.inf, dtype=kind)
    inner, within = slice(MOST_STEPS, -MOST_STEPS), slice(MOST_STEPS, MOST_STEPS + columns)
    first = np.full((lines, width), np.inf, dtype=np.float32)
    for row, cost in enumerate(costs):
        if not row:
            first[:, within] = cost
            continue
        before = (first if row == 1 else totals[row - 1]).ravel()
        least = before.copy()
        for far in range(1, MOST_STEPS + 1):
            choice = np.minimum(before[MOST_STEPS - far : -MOST_STEPS - far], before[MOST_STEPS + far : far - MOST_STEPS or None])
            choice += STEP_COST * far
            np.minimum(least[inner], choice, out=least[inner])
        np.add(least.reshape(lines, width)[:, within], cost, out=totals[row, :, within])
    best = np.empty((rows, lines), dtype=np.intp)
    best[-1] = at = (first if rows == 1 else totals[-1]).argmin(axis=1)
    steps = np.arange(-MOST_STEPS, MOST_STEPS + 1)[:, np.newaxis]
    reached, dear = np.arange(lines) * width + steps, STEP_COST * np.abs(steps)
    for row in range(rows - 1, 0, -1):
        before = (first if row == 1 else totals[row - 1]).ravel()
        # of equal choices the first one
        at = at + (before[reached + at] + dear.astype(before.dtype)).argmin(axis=0) - MOST_STEPS
        best[row - 1] = at
    return np.clip(best.T - MOST_STEPS, 0, columns - 1)
