"""Groups from runs against those of a labelling of every voxel."""

from __future__ import annotations

import numpy as np
import pytest

from lib.core.disease_region import drop_small_pieces
from lib.core.library import ndimage
from lib.core.runs import grouped_runs


@pytest.mark.parametrize("share", [0.0, 0.05, 0.2, 0.35, 0.5, 0.8, 1.0])
@pytest.mark.parametrize("shape", [(5, 12, 17), (1, 9, 8), (6, 1, 5), (4, 7, 1), (0, 3, 4)])
def test_groups_of_runs_are_the_26_connected_ones(shape, share):
    mask = np.random.default_rng(int(share * 100)).random(shape) < share
    labels, count = ndimage.label(mask, np.ones((3, 3, 3)))
    runs, painted = grouped_runs(mask), np.zeros(mask.size, dtype=int)
    for first, last, group in zip(runs.first, runs.last, runs.group, strict=True):
        assert not painted[first:last].any()
        painted[first:last] = group + 1
    np.testing.assert_array_equal(painted.reshape(shape) > 0, mask)
    pairs = {*zip(painted.tolist(), labels.ravel().tolist(), strict=True)} - {(0, 0)}
    assert len(pairs) == count == len({one for one, _ in pairs}) == len({other for _, other in pairs})
    np.testing.assert_array_equal(np.sort(runs.sizes), np.sort(np.bincount(labels.ravel())[1:]))


@pytest.mark.parametrize("seed", range(4))
def test_small_pieces_are_dropped_as_by_labelling_every_voxel(seed):
    rng = np.random.default_rng(seed)
    mask = ndimage.gaussian_filter(rng.random((30, 28, 9)), 1.5) > 0.51
    mask[:3], mask[:, 25:] = False, False
    labels, _ = ndimage.label(mask, np.ones((3, 3, 3)))
    sizes = np.bincount(labels.ravel())
    sizes[0] = 0
    for smallest in (0.02, 0.3, 1.0):
        expected = (sizes >= smallest * sizes.max())[labels] & mask
        np.testing.assert_array_equal(drop_small_pieces(mask, smallest), expected)
