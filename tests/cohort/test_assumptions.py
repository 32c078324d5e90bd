"""The assumptions of limits of agreement: known samples, another program, and samples that carry no test."""

import math

import numpy as np
import pytest
import statsmodels.api as sm
from scipy import stats

from lib.cohort.agreement import bland_altman
from lib.cohort.assumptions import check_assumptions, factors, normality
from lib.errors import SettingsError


def test_normality_of_the_weights_that_shapiro_and_wilk_published():
    """Eleven men's weights of their 1965 article: W = 0.79, P below 0.01."""
    normal = normality([148, 154, 158, 160, 161, 162, 166, 170, 182, 195, 236])
    assert normal.w == pytest.approx(0.79, abs=0.005)
    assert normal.p < 0.01


def test_normality_does_not_depend_on_unit_and_place():
    values = np.random.default_rng(0).normal(size=20)
    assert normality(1e-6 * values + 3).w == pytest.approx(normality(values).w, abs=1e-6)


@pytest.mark.parametrize("values", [[], [1.0], [1.0, 2.0], [4.0] * 9, [0.0] * 5, [0.1 + 0.2, 0.3, 0.3]])
def test_normality_without_enough_values_or_spread_has_no_value(values):
    normal = normality(values)
    assert math.isnan(normal.w)
    assert math.isnan(normal.p)
    assert normal.note


def growing(n=60, seed=1):
    """Readers whose spread is 0.1 of what is measured and whose bias 0.05 of it."""
    rng = np.random.default_rng(seed)
    true = rng.uniform(100, 1000, n)
    return true * (1 + rng.normal(0.05, 0.1, n)), true


def test_limits_by_regression_are_those_of_bland_and_altman_in_two_steps():
    a, b = growing()
    assumptions = check_assumptions(bland_altman(a, b))
    mean = sm.add_constant((a + b) / 2)
    first = sm.OLS(a - b, mean).fit()
    assert assumptions.trend.slope.value == pytest.approx(first.params[1])
    assert assumptions.trend.p_slope == pytest.approx(first.pvalues[1])
    centre = first.fittedvalues if first.pvalues[1] < 0.05 else np.full(a.size, (a - b).mean())
    second = sm.OLS(np.abs(a - b - centre), mean).fit()
    assert assumptions.spread.slope.value == pytest.approx(second.params[1])
    assert assumptions.spread_found
    at = np.array([200.0, 900])
    low, bias, high = assumptions.by_mean.at(at)
    expected = first.params[0] + first.params[1] * at if first.pvalues[1] < 0.05 else np.full(2, (a - b).mean())
    half = stats.norm.ppf(0.975) * math.sqrt(math.pi / 2) * (second.params[0] + second.params[1] * at)
    np.testing.assert_allclose([low, bias, high], [expected - half, expected, expected + half])


def test_limits_by_regression_hold_their_share_where_plain_limits_do_not():
    a, b = growing(4000)
    limits = bland_altman(a, b)
    assumptions = check_assumptions(limits)
    small = limits.means < 300
    low, _, high = assumptions.by_mean.at(limits.means)
    inside = (limits.differences > low) & (limits.differences < high)
    assert inside[small].mean() == pytest.approx(0.95, abs=0.03)
    assert ((limits.differences > limits.lower.value) & (limits.differences < limits.upper.value))[small].mean() > 0.995


def test_a_spread_that_stays_the_same_needs_no_lines():
    rng = np.random.default_rng(8)
    true = rng.uniform(100, 1000, 40)
    assumptions = check_assumptions(bland_altman(true + rng.normal(0, 5, 40), true + rng.normal(0, 5, 40)))
    assert not assumptions.trend_found
    assert not assumptions.spread_found
    assert assumptions.by_mean is None


def test_limits_have_no_value_where_the_line_of_the_spread_is_below_zero():
    assumptions = check_assumptions(bland_altman(*growing()))
    low, bias, high = assumptions.by_mean.at([-5000.0])
    assert np.isnan([low[0], high[0]]).all()
    assert np.isfinite(bias[0])


@pytest.mark.parametrize(
    ("a", "b"),
    [
        ([], []),
        ([1.0], [2.0]),
        ([1.0, 2], [1.0, 2]),
        ([1.0, 2, 3], [2.0, 3, 4]),
        ([5.0] * 4, [5.0] * 4),
        ([1.0, 2, 3, 4, np.nan], [1.0, 2, 3, 5, 1]),
        ([0.0, 0, 0, 9], [0.0, 0, 0, 1]),
    ],
)
def test_degenerate_samples_have_a_value_or_none_and_never_a_traceback(a, b):
    assumptions = check_assumptions(bland_altman(a, b))
    assert assumptions.trend.note or np.isfinite(assumptions.trend.slope.value)
    assert assumptions.by_mean is None or np.isfinite(assumptions.by_mean.bias_at_0)


def test_a_patients_visits_do_not_count_twice_for_a_trend():
    a, b = growing(20)
    once = check_assumptions(bland_altman(a, b)).trend
    subjects = [n // 2 for n in range(40)]
    twice = check_assumptions(bland_altman(np.repeat(a, 2), np.repeat(b, 2), subjects=subjects), subjects=subjects).trend
    naive = check_assumptions(bland_altman(np.repeat(a, 2), np.repeat(b, 2))).trend
    assert twice.slope.value == pytest.approx(once.slope.value)
    # the interval of forty copies is not shorter than that of twenty scans by more than the estimators differ
    assert twice.slope.high - twice.slope.low > 0.8 * (once.slope.high - once.slope.low)
    assert naive.slope.high - naive.slope.low < 0.75 * (once.slope.high - once.slope.low)


def test_limits_of_logarithms_as_factors():
    limits = bland_altman(np.log([2.0, 4, 9]), np.log([1.0, 4, 3]))
    lower, bias, upper = factors(limits)
    assert bias.value == pytest.approx(6 ** (1 / 3))
    assert (lower.value, upper.high) == pytest.approx((math.exp(limits.lower.value), math.exp(limits.upper.high)))
    assert math.isnan(factors(bland_altman([1.0], [2.0]))[1].value)


def test_a_level_that_is_no_share_is_refused():
    with pytest.raises(SettingsError, match="between 0 and 1"):
        check_assumptions(bland_altman([1.0, 2], [2.0, 1]), level=5)
