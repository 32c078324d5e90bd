"""The interval around a VHI, by hand."""

import json
from dataclasses import replace

import numpy as np
import pytest

from handmade import handmade
from lib.core.interval import (
    COMPONENTS,
    Interval,
    NoInterval,
    NumberBasis,
    carried,
    factor_of,
    interval_of,
    log_ratio_at,
    normal,
    spread_of,
)

FLAT = [(-0.1, 1000.0), (-0.05, 1000.0), (0.05, 1000.0), (0.1, 1000.0)]
DRAWN = NumberBasis(stage="cleaned", normal_bone="given", rule="paper", region="given")


def test_a_number_that_no_threshold_moves_varies_with_its_cleaning_alone():
    interval = interval_of(1000.0, FLAT, [], DRAWN, 1.0)
    known = json.loads(COMPONENTS.read_text())
    spread = known["scale"] * known["cleaning"]["cleaned"]["log_sd_at_1_mm3"] / np.sqrt(1000)
    assert interval.factor == pytest.approx(np.exp(1.96 * spread), rel=0.03)  # 4000 draws of a normal distribution
    assert (interval.low_mm3, interval.high_mm3) == (pytest.approx(1000 / interval.factor), pytest.approx(1000 * interval.factor))
    assert {one.name: one.factor for one in interval.components}["threshold"] == 1.0


def test_a_larger_volume_and_a_raw_one_have_a_narrower_interval():
    large = interval_of(100000.0, [(share, 100000.0) for share, _ in FLAT], [], DRAWN, 1.0)
    small = interval_of(1000.0, FLAT, [], DRAWN, 1.0)
    assert 1.0 < large.factor < small.factor
    steep = [(-0.1, 2000.0), (-0.05, 1400.0), (0.05, 700.0), (0.1, 500.0)]
    raw, cleaned = (interval_of(1000.0, steep, [], replace(DRAWN, stage=stage), 1.0) for stage in ("raw", "cleaned"))
    assert 1.0 < raw.factor < cleaned.factor


def test_vhi_is_carried_along_the_slope_beyond_the_measured_thresholds():
    halving = [(share, 1000.0 * (1 + share) ** -4) for share in (-0.1, -0.05, 0.05, 0.1)]
    moved = np.log([0.8, 0.9, 1.0, 1.1, 1.2])
    np.testing.assert_allclose(log_ratio_at(moved, 1000.0, halving, 0.0), -4 * moved, rtol=1e-9)
    draws = carried([-1.0, 1.0], 0.05, 1000.0, halving, 0.0)
    assert factor_of(draws) == pytest.approx(np.exp(4 * 0.05 * 0.95), rel=0.01)  # even from -1 to 1: 95% lie within 0.95


def test_slices_that_disagree_widen_the_threshold_and_two_slices_say_nothing():
    assert spread_of([0.1, -0.1, 0.1], 0.3) == pytest.approx(np.hypot(0.045, 0.1))
    assert spread_of([0.1, -0.1], 0.3) == 0.3


def test_what_was_not_measured_has_no_interval_and_says_why():
    for other, words in (({"normal_bone": "clicked"}, "clicked was not measured"), ({"rule": "robust"}, "robust rule moves")):
        interval = interval_of(1000.0, FLAT, [], replace(DRAWN, **other), 1.0)
        assert isinstance(interval, NoInterval)
        assert words in interval.reason
    assert "zero" in interval_of(0.0, FLAT, [], DRAWN, 1.0).reason


def test_a_clicked_normal_bone_varies_as_clicks_were_measured_to_and_its_own_slices_do_not_count():
    clicked = replace(DRAWN, normal_bone="clicked", rule="robust")
    steep = [(share, 1000.0 * (1 + share) ** -4) for share in (-0.1, -0.05, 0.05, 0.1)]
    interval = interval_of(1000.0, steep, [], clicked, 1.0)
    known = json.loads(COMPONENTS.read_text())
    # clicks moved the threshold by -7% to +8% and the other way round, so that 95% of the fourth power lie within 1.2 to 1.4
    widest = known["typical_spread"] * max(known["threshold"]["clicked, robust"]["quantiles"])
    assert 0.06 < widest < 0.12
    parts = {one.name: one for one in interval.components}
    assert 1.2 < parts["threshold"].factor < 1.4
    assert parts["threshold"].source == "clicked, robust rule"
    assert interval_of(1000.0, steep, [0.3, -0.3, 0.3], clicked, 1.0).factor == interval.factor
    assert interval_of(1000.0, steep, [0.3, -0.3, 0.3], DRAWN, 1.0).factor > interval.factor


def test_the_draws_are_the_same_each_time():
    np.testing.assert_array_equal(normal(0.2, 1), normal(0.2, 1))
    assert handmade().interval == handmade().interval
    assert isinstance(handmade().interval, Interval)


def test_a_changed_chain_has_none():
    scan = handmade(min_pixels=1)
    assert scan.interval is None
    assert "post-transforms" in scan.no_interval_because


def test_a_cleaned_volume_below_the_smallest_that_was_read_has_none_and_says_so():
    known = json.loads(COMPONENTS.read_text())["cleaning"]["cleaned"]["least_mm3"]
    flat = [(share, known) for share, _ in FLAT]
    assert isinstance(interval_of(known, flat, [], DRAWN, 1.0), Interval)
    interval = interval_of(known - 1, flat, [], DRAWN, 1.0)
    assert isinstance(interval, NoInterval)
    assert f"below {known:,.0f} mm³" in interval.reason
    assert isinstance(interval_of(known - 1, flat, [], replace(DRAWN, stage="raw"), 1.0), Interval)
