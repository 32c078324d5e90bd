"""The body in the frame: the quick way against the plain one."""

from __future__ import annotations

import numpy as np
import pytest

from lib.core import body
from lib.core.volume import Grid, Volume


@pytest.mark.parametrize("n", [1, 2, 50, 3000, 20_000])
@pytest.mark.parametrize("bright", ["spread", "in one place", "equal", "in the sample alone"])
def test_the_nth_brightest_is_that_of_all_in_order(bright, n):
    values = np.random.default_rng(n).exponential(1.0, 20_000).round(2)
    if bright == "in one place":
        values = np.sort(values)
    elif bright == "equal":
        values[:] = 3.0
    elif bright == "in the sample alone":
        values[:: body.SAMPLED] += 100.0
    assert body._nth_brightest(values, n) == np.sort(values)[-n]


def test_the_box_is_that_of_shares_of_each_row_and_column():
    rng = np.random.default_rng(0)
    data = rng.uniform(0.0, 3.0, (60, 70, 5))
    data[10:48, 20:63] += rng.uniform(50.0, 400.0, (38, 43, 5))
    data[9] += 90.0 * (rng.random((70, 5)) < 0.03)  # a ghost
    volume = Volume(data, Grid(data.shape, np.diag([1.2, 0.9, 4.0, 1.0])))
    shown = data > body.BODY_SHARE_OF_FAT * body._fat(volume)
    assert body.body_box(volume) == (body._extent(shown.mean((1, 2)), 70 * 0.9), body._extent(shown.mean((0, 2)), 60 * 1.2))
    assert body.body_box(volume) == (slice(10, 48), slice(20, 63))
