"""Sensitivity to change: by hand, against other programs and slow versions, and samples that carry no estimate."""

import math

import numpy as np
import pingouin
import pytest
from scipy import stats
from statsmodels.stats.power import TTestIndPower

from lib.cohort.responsiveness import compare_auc, compare_srm, patients_per_arm, responsiveness, roc, two_arm_power
from lib.cohort.sensitivity import LOG_VHI, SPARCC_NAME, VHI_NAME, sensitivity
from lib.errors import InputError, SettingsError


def test_srm_and_effect_size_by_hand():
    # changes -4, -2, -6, -4: mean -4, SD sqrt(8 / 3); baselines 10, 12, 14, 12: SD sqrt(8 / 3)
    change = responsiveness([10, 12, 14, 12], [6, 10, 8, 8])
    assert change.mean_change.value == -4
    assert change.srm.value == pytest.approx(-4 / math.sqrt(8 / 3))
    assert change.effect_size.value == pytest.approx(-4 / math.sqrt(8 / 3))
    ends = pingouin.ttest([-4, -2, -6, -4], 0)["CI95"].iloc[0]
    # rounded to two decimals there
    assert (change.mean_change.low, change.mean_change.high) == pytest.approx(tuple(ends), abs=0.006)


def test_the_bootstrap_interval_is_that_of_scipy():
    rng = np.random.default_rng(4)
    before, change = rng.normal(50, 10, 40), rng.normal(-8, 6, 40)
    found = responsiveness(before, before + change)
    for estimate, statistic in (
        (found.srm_bootstrap, lambda b, c: c.mean() / c.std(ddof=1)),
        (found.effect_size, lambda b, c: c.mean() / b.std(ddof=1)),
    ):
        assert estimate.value == pytest.approx(statistic(before, change))
        own = stats.bootstrap(
            (before, change), statistic, paired=True, vectorized=False, method="BCa", n_resamples=4000, rng=rng
        ).confidence_interval
        # two bootstraps differ by chance, by less than a tenth of the length
        assert (estimate.low, estimate.high) == pytest.approx(tuple(own), abs=0.1 * (own.high - own.low))


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ([], []),
        ([1], [2]),
        ([1, 2], [2, 1]),
        ([5, 5, 5, 5], [4, 4, 4, 4]),
        ([0, 0, 0, 0, 0], [0, 0, 0, 0, 1]),
        ([7, 7, 7, 7], [1, 2, 3, 4]),
        ([1, 2, 3, math.nan], [1, 2, 3, 4]),
    ],
)
def test_degenerate_changes_have_a_value_with_width_or_none_and_say_why(before, after):
    change = responsiveness(before, after)
    for one in (change.srm, change.srm_bootstrap, change.effect_size, change.mean_change):
        assert math.isnan(one.low) or one.low < one.high
    assert change.note or not math.isnan(change.effect_size.value)


def test_two_measures_that_are_one_differ_by_nothing():
    rng = np.random.default_rng(0)
    before, after = rng.normal(10, 3, 12), rng.normal(6, 3, 12)
    comparison = compare_srm((before, after), (3 * before, 3 * after))
    assert comparison.difference.value == pytest.approx(0, abs=1e-12)
    assert comparison.patients.value == pytest.approx(1)
    assert compare_srm((before[:3], after[:3]), (before[:3], after[:3])).note


def test_a_measure_of_twice_the_srm_needs_a_quarter_of_the_patients():
    before = np.zeros(6)
    sharp, blunt = np.array([-4.0, -4, -4, -2, -2, -2]), np.array([-4.0, -4, -4, 0, 0, 0])
    # SRM 3 / sqrt(1.2) and 2 / sqrt(4.8): three times
    comparison = compare_srm((before, sharp), (before, blunt))
    assert comparison.patients.value == pytest.approx(1 / 9)
    with pytest.raises(InputError, match="patient by patient"):
        compare_srm((before, sharp), (before[:2], blunt[:2]))


def test_a_measure_that_rose_is_not_compared_with_one_that_fell():
    before = np.zeros(6)
    fell = np.array([-4.0, -4, -4, -2, -2, -2])
    for pair in ((-fell, fell), (fell, -fell)):
        comparison = compare_srm((before, pair[0]), (before, pair[1]))
        assert math.isnan(comparison.patients.value)
        assert math.isnan(comparison.difference.value)
        assert "moved in opposite directions" in comparison.note


def slow_delong(score, response):
    """Area and variance with one comparison after the other."""
    positive, negative = ([s for s, r in zip(score, response, strict=True) if r == want] for want in (1, 0))
    kernel = [[1.0 if p > n else 0.5 if p == n else 0.0 for n in negative] for p in positive]
    rows, columns = [sum(row) / len(negative) for row in kernel], [sum(col) / len(positive) for col in zip(*kernel, strict=True)]
    area = sum(rows) / len(rows)
    return area, sum(sum((value - area) ** 2 for value in side) / (len(side) - 1) / len(side) for side in (rows, columns))


@pytest.mark.parametrize("seed", range(8))
def test_area_and_interval_of_a_curve(seed):
    rng = np.random.default_rng(seed)
    response = np.r_[np.ones(9), np.zeros(12)]
    score = np.round(rng.normal(response * 0.8, 1), seed % 2)  # with ties, and without
    curve = roc(score, response)
    area, variance = slow_delong(score, response)
    assert curve.auc.value == pytest.approx(area)
    u = stats.mannwhitneyu(score[response == 1], score[response == 0]).statistic
    assert curve.auc.value == pytest.approx(u / (9 * 12))
    assert curve.auc.value == pytest.approx(np.trapezoid(curve.true_positive, curve.false_positive))
    half = stats.norm.ppf(0.975) * math.sqrt(variance) / (area * (1 - area))
    logit = math.log(area / (1 - area))
    assert curve.auc.low == pytest.approx(1 / (1 + math.exp(half - logit)))
    assert curve.auc.high == pytest.approx(1 / (1 + math.exp(-half - logit)))


@pytest.mark.parametrize(
    ("score", "response", "area"),
    [
        ([], [], math.nan),
        ([1, 2], [1, 1], math.nan),
        ([2, 1], [1, 0], 1.0),
        ([3, 4, 1, 2], [1, 1, 0, 0], 1.0),
        ([1, 2, 3, 4], [1, 1, 0, 0], 0.0),
        ([5, 5, 5, 5], [1, 1, 0, 0], 0.5),
        ([1, math.nan, 2, 3], [0, 1, 1, math.nan], 1.0),
    ],
)
def test_curves_that_leave_no_variance_have_no_interval_and_say_why(score, response, area):
    curve = roc(score, response)
    assert curve.auc.value == pytest.approx(area, nan_ok=True)
    assert math.isnan(curve.auc.low)
    assert curve.note


@pytest.mark.slow
def test_two_areas_are_compared_as_a_bootstrap_of_patients_compares_them():
    rng = np.random.default_rng(2)
    response = np.r_[np.ones(40), np.zeros(40)]
    common = rng.normal(size=80)
    good, poor = response * 1.5 + common, response * 0.5 + common + rng.normal(size=80)
    comparison = compare_auc(good, poor, response)
    draws = []
    for _ in range(1000):
        rows = np.r_[rng.integers(0, 40, 40), rng.integers(40, 80, 40)]
        draws.append(roc(good[rows], response[rows]).auc.value - roc(poor[rows], response[rows]).auc.value)
    assert (comparison.difference.high - comparison.difference.low) / (2 * 1.96) == pytest.approx(np.std(draws), rel=0.1)
    assert comparison.p < 0.05
    assert compare_auc(good, good, response).note
    assert math.isnan(compare_auc([1, 2], [1, 2], [1, 0]).p)


@pytest.mark.parametrize("effect", [0.1, 0.35, 0.8, 1.7, 4.0])
@pytest.mark.parametrize("per_arm", [2, 7, 40])
def test_power_is_that_of_statsmodels(effect, per_arm):
    expected = TTestIndPower().power(effect, per_arm, 0.05)
    assert two_arm_power(effect, per_arm) == pytest.approx(expected, abs=1e-6)
    assert two_arm_power(-effect, per_arm) == two_arm_power(effect, per_arm)


@pytest.mark.parametrize("effect", [-0.15, 0.3, 0.5, 0.9, 1.5, 2.5, 8.0])
@pytest.mark.parametrize("power", [0.8, 0.9])
def test_patients_per_arm_are_the_fewest_that_statsmodels_finds(effect, power):
    needed = patients_per_arm(effect, power)
    assert two_arm_power(effect, needed) >= power
    assert needed == 2 or TTestIndPower().power(abs(effect), needed - 1, 0.05) < power


def test_no_effect_needs_no_number_of_patients():
    assert patients_per_arm(0.0) is None
    assert patients_per_arm(math.nan) is None
    assert patients_per_arm(1e-6) is None
    with pytest.raises(SettingsError, match="at least 2"):
        two_arm_power(1, 1)
    with pytest.raises(SettingsError, match="between 0 and 1"):
        patients_per_arm(1, power=80)


def test_vhi_and_sparcc_are_compared_in_the_patients_who_have_both():
    rng = np.random.default_rng(0)
    subjects = [f"S{n}" for n in range(12)]
    vhi = {
        name: (float(a), float(a * b))
        for name, a, b in zip(subjects, rng.uniform(500, 900, 12), rng.uniform(0.2, 0.6, 12), strict=True)
    }
    sparcc = {name: (10.0, float(x)) for name, x in zip(subjects[:9], rng.integers(2, 12, 9), strict=True)}
    response = {name: float(n % 2) for n, name in enumerate(subjects)}
    analysis = sensitivity(vhi, sparcc, {"BASDAI50": response})
    assert [analysis.measures[name].n for name in (VHI_NAME, LOG_VHI, SPARCC_NAME)] == [12, 12, 9]
    assert analysis.comparisons[VHI_NAME].n == 9
    ratio = np.mean([math.log1p(after) - math.log1p(before) for before, after in vhi.values()])
    assert analysis.factor.value == pytest.approx(math.exp(ratio))
    (telling,) = analysis.telling
    assert (telling.curves[VHI_NAME].responders, telling.comparison.n) == (6, 9)
    whole = next(one for one in analysis.sizes if (one.measure, one.share) == (VHI_NAME, 1.0))
    assert whole.patients[0.8].value == patients_per_arm(analysis.measures[VHI_NAME].srm.value)
    assert whole.patients[0.8].low <= whole.patients[0.8].value <= whole.patients[0.8].high
    # SPARCC is constant at baseline
    assert math.isnan(analysis.measures[SPARCC_NAME].effect_size.value)
