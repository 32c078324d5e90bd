"""Pairs, medians, shares and scales."""

from __future__ import annotations

import math

import numpy as np
import pytest
from statsmodels.stats.proportion import proportion_confint

from lib.cohort.estimate import complete_pairs, exact_share, summary
from lib.cohort.scales import log_plus_one, on_scale, truncated
from lib.errors import InputError, SettingsError

NAN = float("nan")


def test_pairs_with_a_missing_value_are_left_out_and_their_places_kept():
    a, b, kept = complete_pairs([1, NAN, 3, 4], [5, 6, None, 8])
    assert a.tolist() == [1, 4]
    assert b.tolist() == [5, 8]
    assert kept.tolist() == [0, 3]


@pytest.mark.parametrize(
    ("a", "b", "match"),
    [
        ([1, 2], [1], "2 values and b has 1"),
        ([1, math.inf], [1, 2], "infinite"),
        ([[1, 2]], [1], "one list"),
        (["x"], [1], "must be numbers"),
    ],
)
def test_what_is_no_list_of_pairs_is_refused(a, b, match):
    with pytest.raises(InputError, match=match):
        complete_pairs(a, b)


def test_median_and_range_of_an_even_number_of_values():
    summarised = summary([4, NAN, 1, 3, 2])
    assert (summarised.n, summarised.median, summarised.low, summarised.high) == (4, 2.5, 1, 4)


def test_nothing_has_no_median():
    summarised = summary([NAN])
    assert summarised.n == 0
    assert math.isnan(summarised.median)


@pytest.mark.parametrize(("count", "n"), [(0, 7), (7, 7), (3, 19), (16, 29), (1, 2)])
def test_an_exact_share_equals_statsmodels(count, n):
    share = exact_share(count, n)
    assert (share.low, share.high) == pytest.approx(proportion_confint(count, n, method="beta"), abs=1e-9)
    assert share.value == count / n


def test_a_share_of_nothing_has_no_value_and_more_than_all_is_refused():
    assert math.isnan(exact_share(0, 0).value)
    with pytest.raises(InputError, match="5 of 4"):
        exact_share(5, 4)


def test_truncation_leaves_out_what_lies_above_and_keeps_the_value_itself():
    np.testing.assert_array_equal(truncated([1, 5, 6, NAN], 5), [1, 5, NAN, NAN])


def test_the_logarithm_leaves_zero_at_zero():
    np.testing.assert_allclose(log_plus_one([0, math.e - 1, NAN]), [0, 1, NAN])


def test_scales_that_cannot_be_are_refused():
    with pytest.raises(InputError, match="found -1"):
        on_scale([3, -1], "log")
    with pytest.raises(SettingsError, match="value above which"):
        on_scale([3], "truncated")
    with pytest.raises(SettingsError, match="'cube'"):
        on_scale([3], "cube")


def test_the_raw_scale_changes_nothing():
    np.testing.assert_array_equal(on_scale([3, NAN, -1], "raw"), [3, NAN, -1])
