"""From which probability lesions are kept."""

import numpy as np
import pytest

from lib.cleaning.rule import keeps, limits_of


def test_the_limit_is_that_of_a_hundredth_of_the_expected_inflammation():
    # expected: 0.5 x 990 + 0.5 x 10 = 500 voxels, of which five are a hundredth
    probability, voxels = np.array([0.5, 0.5, 0.0]), np.array([990, 10, 5])
    assert limits_of(probability, voxels, 0.3)[2] == pytest.approx(0.3)


def test_eight_times_the_volume_halves_the_odds():
    found = limits_of(np.full(3, 0.5), np.array([8, 64, 512]), 0.3)
    odds = found / (1 - found)
    np.testing.assert_allclose(odds[:-1] / odds[1:], 2.0)


def test_the_same_lesion_is_kept_where_there_is_little_else():
    small = {"probability": 0.3, "voxels": 20}
    for others, kept in (((0.9, 100), True), ((0.9, 50_000), False)):
        found = keeps(np.array([small["probability"], others[0]]), np.array([small["voxels"], others[1]]), 0.3)
        assert found.tolist() == [kept, True]


def test_where_nothing_is_likely_nothing_is_kept():
    assert not keeps(np.zeros(3), np.array([4, 40, 4000]), 0.3).any()
    assert keeps(np.zeros(0), np.zeros(0, dtype=int), 0.3).shape == (0,)
