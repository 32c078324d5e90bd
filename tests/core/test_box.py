"""The box of a mask, against scipy's."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage

from lib.core.box import box_of
from lib.core.disease_region import drop_small_pieces


@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("seed", range(5))
def test_the_box_is_that_of_a_search_through_the_whole_grid(seed, order):
    rng = np.random.default_rng(seed)
    mask = np.zeros((20, 15, 8), dtype=bool, order=order)
    mask[tuple(rng.integers(0, mask.shape, (seed + 1, 3)).T)] = True
    assert box_of(mask) == ndimage.find_objects(mask.astype(np.uint8))[0]


def test_nothing_has_an_empty_box():
    nothing = np.zeros((4, 5, 6), dtype=bool)
    assert nothing[box_of(nothing)].size == 0
    assert not drop_small_pieces(nothing).any()


@pytest.mark.parametrize("seed", range(3))
def test_pieces_kept_within_the_box_are_those_of_the_whole_grid(seed):
    mask = ndimage.gaussian_filter(np.random.default_rng(seed).random((30, 25, 12)), 1.2) > 0.53
    mask[:4] = False
    labels, _ = ndimage.label(mask, structure=np.ones((3, 3, 3)))
    sizes = np.bincount(labels.ravel())
    sizes[0] = 0
    kept = drop_small_pieces(mask, 0.1)
    np.testing.assert_array_equal(kept, (sizes >= 0.1 * sizes.max())[labels] & mask)
    assert 0 < np.count_nonzero(kept) < np.count_nonzero(mask)
