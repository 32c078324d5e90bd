"""Which scan teaches most: worked out on paper."""

from __future__ import annotations

import numpy as np
import pytest

from lib.core.active_learning import FEATURES, feature_distance, features_of, standing, uncertain_and_unlike
from lib.core.volume import Grid, Mask, Volume

GRID = Grid((8, 6, 4), np.diag([0.5, 0.5, 3.0, 1.0]))


def box() -> Mask:
    mask = np.zeros(GRID.shape, dtype=bool)
    mask[2:6, 1:5, 1:3] = True
    return Mask(mask, GRID, "region")


def test_features_of_an_even_box_are_its_value_its_size_and_no_texture():
    data = np.zeros(GRID.shape)
    data[box().data] = 12.0
    found = dict(zip(FEATURES, features_of(Volume(data, GRID, "T1W"), box()), strict=True))
    # 32 of 192 voxels hold 12: standard deviation 12 * sqrt(1/6 * 5/6)
    value = 12.0 / (3 * 12.0 * np.sqrt(5 / 36))
    assert [found[f"marrow {share}%"] for share in (10, 25, 50, 75, 90)] == pytest.approx([value] * 5)
    assert found["marrow texture"] == 0.0
    assert found["region log mm3"] == pytest.approx(np.log(32 * 0.75))
    assert (found["pixel mm"], found["slice spacing mm"]) == (0.5, 3.0)


def test_texture_is_the_mean_step_between_neighbours_in_the_region():
    data = np.zeros(GRID.shape)
    data[box().data] = 10.0
    data[3, :, :] += 6.0  # one row of the box steps up by 6 and down again; along J nothing changes
    found = dict(zip(FEATURES, features_of(Volume(data, GRID, "T1W"), box()), strict=True))
    # of 3 steps along I, two are 6: 16 of 24 pairs; along J 24 pairs of 0
    assert found["marrow texture"] * 3 * data.std() == pytest.approx(6 * 16 / 48)


def test_grey_values_in_other_units_are_the_same_scan():
    data = np.random.default_rng(1).uniform(1, 9, GRID.shape)
    first, second = (features_of(Volume(data * gain, GRID, "T1W"), box()) for gain in (1, 40))
    assert first == pytest.approx(second)


def test_unlike_is_the_distance_to_the_nearest_labelled_scan_in_spreads():
    # percentiles 16 and 84 of 0..4 are 0.64 and 3.36, so a spread is 1.36; the second number never varies
    features = {name: (float(n), 7.0) for n, name in enumerate("abcde")}
    distance = feature_distance(features, {"a", "c"})
    one = np.sqrt((1 / 1.36) ** 2 / 2)
    assert distance == pytest.approx({"a": 0, "b": one, "c": 0, "d": one, "e": 2 * one})


def test_without_labelled_scans_the_most_unusual_one_is_the_most_unlike():
    features = {"a": (0.0,), "b": (1.0,), "c": (1.0,), "d": (2.0,), "e": (90.0,)}
    distance = feature_distance(features, ())
    assert max(distance, key=distance.__getitem__) == "e"
    assert distance["b"] == 0
    assert feature_distance({}, ()) == {}


def test_standing_counts_those_below_and_half_of_the_equal_ones():
    assert standing({"a": 5.0, "b": 1.0, "c": 1.0}) == {"a": 1.0, "b": 0.25, "c": 0.25}
    assert standing({"a": 5.0}) == {"a": 0.5}


def test_the_weight_moves_the_choice_from_uncertain_to_unlike():
    uncertainty, unlike = {"a": 3.0, "b": 2.0, "c": 1.0}, {"a": 0.0, "b": 0.1, "c": 9.0}
    chosen = [max(found, key=found.__getitem__) for found in (uncertain_and_unlike(uncertainty, unlike, w) for w in (0, 1))]
    assert chosen == ["a", "c"]
    assert uncertain_and_unlike(uncertainty, unlike)["b"] == pytest.approx(0.5)
