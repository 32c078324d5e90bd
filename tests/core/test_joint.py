"""The line of least cost: the quick way against the plain one."""

from __future__ import annotations

import numpy as np
import pytest

from lib.core import joint
from lib.core.library import ndimage


def plainly(cost: np.ndarray) -> np.ndarray:
    """As the recurrence is written: every row padded, all steps beside each other, the first of the cheapest taken."""
    slices, rows, width = cost.shape
    total, came = cost[:, 0].astype(np.float32), np.zeros((rows, slices, width), dtype=int)
    for row in range(1, rows):
        padded = np.pad(total, ((0, 0), (2, 2)), constant_values=np.inf)
        choices = np.stack([padded[:, 2 + s : 2 + s + width] + joint.STEP_COST * abs(s) for s in (-2, -1, 0, 1, 2)])
        best = choices.argmin(axis=0)
        came[row] = best - 2
        total = np.take_along_axis(choices, best[None], axis=0)[0] + cost[:, row]
    lines = np.empty((slices, rows), dtype=int)
    lines[:, -1] = total.argmin(axis=1)
    for row in range(rows - 1, 0, -1):
        lines[:, row - 1] = lines[:, row] + came[row, np.arange(slices), lines[:, row]]
    return lines


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("shape", [(25, 120, 60), (3, 2, 5), (4, 1, 9), (5, 40, 2)])
def test_lines_of_least_cost_are_those_of_the_plain_recurrence(shape, dtype):
    rng = np.random.default_rng(0)
    cost = rng.random(shape).astype(dtype)
    cost[rng.random(shape) < 0.5] = 0  # ties, as where there is no gap
    rows = cost.transpose(1, 0, 2)
    np.testing.assert_array_equal(joint._best_lines(iter(rows), rows.shape, dtype), plainly(cost))


def plain_gap(t1w: np.ndarray, region: np.ndarray, column_mm: float) -> np.ndarray:
    """Of the whole scan, without a box."""
    smooth = ndimage.gaussian_filter(np.minimum(t1w, 1.5), (0.0, 1.0, 0.5))
    gap = ndimage.grey_closing(smooth, (1, 1, 2 * round(joint.GAP_MM / 2 / column_mm) + 1)) - smooth
    reach = round(joint.BONE_WITHIN_MM / column_mm)
    bone = region & (t1w > 0.6)
    score = np.zeros(t1w.shape, dtype=np.float32)
    for at in np.ndindex(*t1w.shape):
        row, column = bone[at[:2]], at[2]
        before = np.count_nonzero(row[max(0, column - reach + 1) : column + 1])
        after = np.count_nonzero(row[column + 1 : column + reach + 1])
        if min(before, after) > reach // 4:
            score[at] = gap[at]
    return score


@pytest.mark.parametrize(
    "box",
    [
        (slice(1, 3), slice(10, 30), slice(20, 60)),  # amid the scan
        (slice(0, 4), slice(0, 40), slice(0, 80)),  # all of it
        (slice(2, 3), slice(38, 40), slice(50, 80)),  # at an edge
        (slice(0, 0), slice(0, 0), slice(0, 0)),  # none
    ],
)
def test_the_gap_is_that_of_the_whole_scan_though_filters_see_a_box(box):
    rng = np.random.default_rng(1)
    t1w = rng.uniform(0.2, 1.8, (4, 40, 80)).astype(np.float32)
    region = np.zeros(t1w.shape, dtype=bool)
    region[box] = rng.random(region[box].shape) < 0.9
    score = joint._gap_score(t1w, region, 1.3)
    np.testing.assert_array_equal(score, plain_gap(t1w, region, 1.3))
    assert score.dtype == np.float32
    assert score.any() == region.any()
