"""Regression, against statsmodels and lines drawn by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest
import statsmodels.api as sm

from lib.cohort.regression import linear_regression
from lib.cohort.scales import log_plus_one, truncated

NAN = float("nan")


@pytest.mark.parametrize("seed", range(6))
def test_everything_equals_statsmodels(seed):
    rng = np.random.default_rng(seed)
    n = int(rng.integers(4, 60))
    x = np.round(rng.uniform(0, 47.5, n) * 2) / 2  # ties, as mean scores of two readers have
    y = 900 * x + rng.normal(400, 4000, n)
    found = linear_regression(x, y, confidence=0.9 if seed == 0 else 0.95)
    fit = sm.OLS(y, sm.add_constant(x)).fit()
    low, high = fit.conf_int(alpha=0.1 if seed == 0 else 0.05).T
    assert (found.intercept.value, found.slope.value) == pytest.approx(tuple(fit.params), rel=1e-9)
    assert (found.intercept.low, found.slope.low) == pytest.approx(tuple(low), rel=1e-9)
    assert (found.intercept.high, found.slope.high) == pytest.approx(tuple(high), rel=1e-9)
    assert (found.p_intercept, found.p_slope) == pytest.approx(tuple(fit.pvalues), rel=1e-8, abs=1e-300)
    assert found.r_squared == pytest.approx(fit.rsquared, abs=1e-9)
    assert found.residual_sd == pytest.approx(math.sqrt(fit.mse_resid), rel=1e-9)
    at = np.array([0.0, 20.0, 60.0])
    band = fit.get_prediction(sm.add_constant(at)).summary_frame(alpha=0.1 if seed == 0 else 0.05)
    np.testing.assert_allclose(found.line(at), band["mean"], rtol=1e-9)
    np.testing.assert_allclose(found.band(at), band[["mean_ci_lower", "mean_ci_upper"]].T, rtol=1e-8)


def test_points_on_a_line_give_the_line_and_no_interval():
    fit = linear_regression([0, 1, 2, 4], [1, 3, 5, 9])
    assert (fit.slope.value, fit.intercept.value, fit.r_squared) == (2, 1, 1)
    assert all(math.isnan(value) for value in (fit.slope.low, fit.slope.high, fit.intercept.low, fit.p_slope))
    assert "All 4 points lie on one line" in fit.note
    assert all(np.isnan(fit.band([0, 3])[0]))


def test_missing_values_leave_their_pair_out():
    fit = linear_regression([0, 1, NAN, 2, 3], [1, 3, 9, 5, None])
    assert (fit.n, fit.kept.tolist(), fit.slope.value) == (3, [0, 1, 3], 2)


@pytest.mark.parametrize(
    ("x", "y", "note"),
    [([], [], "there are 0"), ([1, 2], [1, 2], "there are 2"), ([4, 4, 4], [1, 2, 3], "all 3 are 4")],
)
def test_too_few_pairs_and_a_constant_x_have_no_line(x, y, note):
    fit = linear_regression(x, y)
    assert note in fit.note
    assert math.isnan(fit.slope.value)
    assert math.isnan(fit.r_squared)
    assert np.isnan(fit.line([1.0])).all()
    assert np.isnan(fit.band([1.0])).all()


def test_a_constant_y_has_slope_zero_and_no_r2():
    fit = linear_regression([1, 2, 3, 4], [0.1, 0.1, 0.1, 0.1])
    assert (fit.slope.value, fit.intercept.value) == (0, 0.1)
    assert math.isnan(fit.p_slope)
    assert math.isnan(fit.r_squared)
    assert "nothing to explain" in fit.note


def test_large_numbers_lose_nothing():
    x = 1e9 + np.arange(6)
    found = linear_regression(x, 3 * np.arange(6) + [0.1, -0.1, 0, 0, -0.1, 0.1])
    fit = sm.OLS(3 * np.arange(6) + [0.1, -0.1, 0, 0, -0.1, 0.1], sm.add_constant(np.arange(6))).fit()
    assert (found.slope.value, found.slope.low, found.p_slope) == pytest.approx(
        (fit.params[1], fit.conf_int()[1][0], fit.pvalues[1]), rel=1e-6
    )


def test_truncated_volumes_leave_their_scan_out_and_logarithms_keep_it():
    sparcc, vhi = [0, 2, 10, 40], [0, 100, 900, 90000]
    assert linear_regression(sparcc, truncated(vhi, 1000)).n == 3
    assert linear_regression(sparcc, log_plus_one(vhi)).n == 4


def test_where_nobody_repeats_naming_the_patients_changes_nothing():
    x, y = np.random.default_rng(1).normal(size=(2, 9))
    plain, named = linear_regression(x, y), linear_regression(x, y, subjects=list(range(9)))
    assert (plain.slope, plain.intercept, plain.p_slope) == (named.slope, named.intercept, named.p_slope)
    np.testing.assert_array_equal(plain.band([0, 1]), named.band([0, 1]))


def test_copies_of_each_point_have_the_robust_error_of_each_point_once():
    x, y = np.random.default_rng(2).normal(size=(2, 40))
    single = sm.OLS(y, sm.add_constant(x)).fit()
    twice = linear_regression(np.repeat(x, 2), np.repeat(y, 2), subjects=np.repeat(np.arange(40), 2).tolist())
    assert twice.robust.standard_error(np.array([0.0, 1])) == pytest.approx(single.HC2_se[1])
    assert twice.slope.value == pytest.approx(single.params[1])
    # the degrees of freedom are fewer than those of 80 points, or of 40
    assert twice.robust.df(np.array([0.0, 1])) < 38
    assert twice.slope.high - twice.slope.value > single.HC2_se[1] * 2
    assert twice.n_subjects == 40
    below, above = twice.band(x)
    assert ((below < twice.line(x)) & (twice.line(x) < above)).all()


@pytest.mark.parametrize(
    ("x", "y", "subjects"),
    [
        ([1, 2, 3], [1, 5, 2], "aaa"),
        ([1, 2, 1, 2], [1, 5, 2, 4], "aabb"),
        ([0, 0, 1, 1], [1, 1, 2, 2], "aabb"),
        ([0, 0, 1, 1], [1, 3, 2, 4], "aabb"),
        ([0, 0, 0, 1], [1, 3, 2, 4], "aabb"),
        ([1, 2, 3, 4], [5, 5, 5, 5], "aabb"),
    ],
)
def test_degenerate_repetitions_have_intervals_with_width_or_none_and_say_why(x, y, subjects):
    fit = linear_regression(x, y, subjects=list(subjects))
    for one in (fit.slope, fit.intercept):
        assert (math.isnan(one.low) and fit.note) or one.low < one.value < one.high
    assert np.isfinite(fit.line([0, 1])).all()
    fit.band([0, 1])
