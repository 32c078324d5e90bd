"""The line of least cost: the quick way against the plain one."""

from __future__ import annotations

import numpy as np
import pytest

from lib.core import joint


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
    np.testing.assert_array_equal(joint._best_lines(cost), plainly(cost))
