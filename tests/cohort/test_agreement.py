"""Agreement, against published examples, published tables and other people's software."""

from __future__ import annotations

import csv
import math
from pathlib import Path

import numpy as np
import pandas as pd
import pingouin
import pytest
from scipy import integrate, stats

from lib.cohort.agreement import (
    bland_altman,
    cases_beyond,
    icc_a1,
    limit_factor,
    measurement_error,
    pair_factor,
)
from lib.errors import InputError, SettingsError

NAN = float("nan")
# Bland and Altman 1986, table: peak expiratory flow [l/min], first readings, Wright and mini Wright meter
WRIGHT = (494, 395, 516, 434, 476, 557, 413, 442, 650, 433, 417, 656, 267, 478, 178, 423, 427)
MINI = (512, 430, 520, 428, 500, 600, 364, 380, 658, 445, 432, 626, 260, 477, 259, 350, 451)
# Shrout and Fleiss 1979, table 2: six targets, four judges
JUDGES = np.array([[9, 2, 5, 8], [6, 1, 3, 2], [8, 4, 6, 8], [7, 1, 2, 6], [10, 5, 6, 9], [6, 2, 4, 7]])
CARKEET = Path(__file__).parents[1] / "reference" / "carkeet_pair_factors.csv"


def test_the_example_of_bland_and_altman():
    limits = bland_altman(WRIGHT, MINI)
    # as printed: mean difference -2.1, standard deviation 38.8, interval of the bias -22.0 to 17.8
    assert round(limits.bias.value, 1) == -2.1
    assert round(limits.sd, 1) == 38.8
    assert (round(limits.bias.low, 1), round(limits.bias.high, 1)) == (-22.0, 17.8)
    # the paper rounds the multiple to 2: -79.7 and 75.5
    assert limits.lower.value == pytest.approx(-36 / 17 - stats.norm.ppf(0.975) * limits.sd, abs=1e-6)
    assert round(limits.bias.value - 2 * 38.8, 1) == -79.7
    assert limits.upper.value == pytest.approx(73.860611, abs=1e-6)


def test_the_limits_equal_those_of_pingouin_and_of_a_t_test():
    differences = np.subtract(WRIGHT, MINI)
    limits = bland_altman(WRIGHT, MINI)
    test = stats.ttest_1samp(differences, 0).confidence_interval()
    assert (limits.bias.low, limits.bias.high) == pytest.approx((test.low, test.high), abs=1e-6)
    table = pingouin.ttest(np.array(WRIGHT, float), np.array(MINI, float), paired=True)
    assert table["T"].iloc[0] == pytest.approx(limits.bias.value / limits.sd * math.sqrt(17), abs=1e-6)


with CARKEET.open() as file:
    ROWS = list(csv.DictReader(file))


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row["df"])
def test_factors_of_the_pair_of_limits_equal_carkeets_table(row):
    for share in ("0.025", "0.05", "0.95", "0.975"):
        # the table has four decimals
        assert pair_factor(int(row["df"]) + 1, float(share)) == pytest.approx(float(row[share]), abs=0.6e-4)


@pytest.mark.parametrize("n", [2, 5, 10, 29, 58, 400])
@pytest.mark.parametrize("share", [0.025, 0.975])
def test_the_factor_of_one_limit_holds_the_true_limit_with_its_probability(n, share):
    factor, z = limit_factor(n, share), stats.norm.ppf(0.975)

    # P(mean + factor sd > z), by integration over the standard deviation's own distribution
    def given(chi: float) -> float:
        return stats.norm.sf((z - factor * chi / math.sqrt(n - 1)) * math.sqrt(n)) * stats.chi.pdf(chi, n - 1)

    middle = math.sqrt(n - 1)
    parts = [integrate.quad(given, a, b, epsabs=1e-12)[0] for a, b in ((0, middle), (middle, middle + 40))]
    assert sum(parts) == pytest.approx(share, abs=1e-8)


@pytest.mark.parametrize(("n", "factor"), [(10, 2.911), (20, 2.396), (30, 2.220), (50, 2.065)])
def test_the_factor_of_one_limit_equals_the_published_one_sided_tolerance_factor(n, factor):
    # Natrella 1963, table A-7: 95% of the distribution with 95% certainty; the upper of two limits around 90%
    assert limit_factor(n, 0.95, coverage=0.9) == pytest.approx(factor, abs=0.6e-3)


def test_exact_intervals_of_the_limits_sit_around_them_and_are_wider_outside():
    limits = bland_altman(WRIGHT, MINI)
    assert limits.lower.low < limits.lower.value < limits.lower.high < limits.upper.low < limits.upper.value < limits.upper.high
    assert limits.upper.high - limits.upper.value > limits.upper.value - limits.upper.low
    assert limits.outer[1] - limits.bias.value == pytest.approx(3.0824 * limits.sd, abs=0.6e-4 * limits.sd)
    assert limits.inner[1] - limits.bias.value == pytest.approx(1.49 * limits.sd, abs=0.6e-4 * limits.sd)


def test_exchanged_readers_mirror_everything():
    found, mirrored = bland_altman(WRIGHT, MINI), bland_altman(MINI, WRIGHT)
    assert mirrored.bias.value == -found.bias.value
    assert (mirrored.lower.low, mirrored.upper.high) == pytest.approx((-found.upper.high, -found.lower.low))


def test_missing_readings_are_left_out_and_the_places_of_the_others_kept():
    limits = bland_altman([1, NAN, 3, 9], [2, 5, 5, None])
    assert (limits.n, limits.kept.tolist(), limits.differences.tolist(), limits.means.tolist()) == (2, [0, 2], [-1, -2], [1.5, 4])


@pytest.mark.parametrize(("a", "b", "bias"), [([], [], NAN), ([NAN], [1], NAN), ([3], [1], 2)])
def test_fewer_than_two_pairs_have_no_limits_and_a_reason(a, b, bias):
    limits = bland_altman(a, b)
    assert math.isnan(limits.lower.value)
    assert math.isnan(limits.outer[0])
    assert limits.bias.value == pytest.approx(bias, nan_ok=True)
    assert "at least 2" in limits.note


# 0.1 + 0.2 is not 0.3 in binary fractions: what rounding leaves of equal differences is no spread
@pytest.mark.parametrize(("a", "b", "bias"), [([3, 4, 5], [1, 2, 3], 2), ([0.3, 1.3, 2.3], [0.1, 1.1, 2.1], 0.2)])
def test_equal_differences_have_limits_without_an_interval_and_the_reason(a, b, bias):
    limits = bland_altman(a, b)
    assert (limits.bias.value, limits.lower.value, limits.upper.value) == pytest.approx((bias, bias, bias))
    assert limits.sd == 0
    assert all(math.isnan(end) for one in (limits.bias, limits.lower, limits.upper) for end in (one.low, one.high))
    assert "All 3 differences are equal" in limits.note


def test_the_example_of_shrout_and_fleiss():
    icc = icc_a1(JUDGES)
    assert round(icc.icc.value, 2) == 0.29
    # their table 3: mean squares 11.24, 32.49 and 1.02
    assert [round(ms, 2) for ms in (icc.ms_rows, icc.ms_columns, icc.ms_error)] == [11.24, 32.49, 1.02]


def long_table(ratings: np.ndarray) -> pd.DataFrame:
    return pd.DataFrame([(i, j, x) for (i, j), x in np.ndenumerate(ratings)], columns=["scan", "reader", "score"])


@pytest.mark.parametrize("seed", range(8))
def test_icc_equals_pingouin(seed):
    rng = np.random.default_rng(seed)
    n, k = rng.integers(5, 60), rng.integers(2, 5)
    ratings = JUDGES if seed == 0 else rng.normal(50, 20, (n, 1)) + rng.normal(0, 3, k) + rng.normal(0, 8, (n, k))
    icc = icc_a1(ratings)
    table = pingouin.intraclass_corr(long_table(ratings), "scan", "reader", "score").set_index("Type")
    row = table.loc["ICC(A,1)"]
    assert icc.icc.value == pytest.approx(row["ICC"], abs=1e-6)
    # pingouin rounds the interval to two decimals
    assert (icc.icc.low, icc.icc.high) == pytest.approx(tuple(row["CI95"]), abs=0.0051)


def test_the_interval_of_the_icc_is_that_of_mcgraw_and_wong():
    # their inference: MS_rows / (a MS_columns + b MS_error) times (1 - rho) / ... is F; solved here by bisection on rho
    icc = icc_a1(JUDGES)
    n, k = JUDGES.shape
    rho = icc.icc.value
    a, b = k * rho / (n * (1 - rho)), 1 + k * rho * (n - 1) / (n * (1 - rho))
    parts = (a * icc.ms_columns) ** 2 / (k - 1), (b * icc.ms_error) ** 2 / ((n - 1) * (k - 1))
    df = (a * icc.ms_columns + b * icc.ms_error) ** 2 / sum(parts)

    def ratio(p: float) -> float:
        expected = k * p / (n * (1 - p)) * icc.ms_columns + (1 + k * p * (n - 1) / (n * (1 - p))) * icc.ms_error
        return icc.ms_rows / expected

    assert ratio(icc.icc.low) == pytest.approx(stats.f.ppf(0.975, n - 1, df), abs=1e-6)
    assert ratio(icc.icc.high) == pytest.approx(1 / stats.f.ppf(0.975, df, n - 1), abs=1e-6)


def test_a_missing_rating_leaves_its_scan_out():
    with_gap = np.vstack([JUDGES.astype(float), [5, NAN, 5, 5]])
    assert icc_a1(with_gap).icc == icc_a1(JUDGES).icc


def test_readers_who_agree_to_the_last_digit_have_an_icc_of_one():
    ratings = np.repeat(np.array([[0.1], [0.7], [3.3]]), 2, axis=1)
    assert icc_a1(ratings).icc.value == 1
    assert math.isnan(icc_a1(ratings).icc.low)
    assert "agree exactly on all 3 scans" in icc_a1(ratings).note


@pytest.mark.parametrize("readers", [2, 3])
def test_readers_who_each_give_all_scans_one_value_have_an_icc_of_0_without_an_interval(readers):
    # by hand: no variance of scans and none of error, so that all variance is the readers': 0 / (0 + readers' variance)
    icc = icc_a1(np.tile(np.arange(readers) * 100.0, (4, 1)))
    assert icc.icc.value == 0
    assert math.isnan(icc.icc.low)
    assert math.isnan(icc.icc.high)
    assert "Each reader gives all 4 scans one value" in icc.note


def test_a_constant_offset_between_readers_lowers_the_icc_and_is_an_error_of_agreement():
    ratings = np.array([[1.0, 3], [2, 4], [6, 8]])
    icc = icc_a1(ratings)
    # by hand: MS rows 14, columns 6, error 0
    assert icc.icc.value == pytest.approx(14 / (14 + 2 * 6 / 3))
    assert icc.icc.low <= icc.icc.value <= icc.icc.high
    error = measurement_error(ratings)
    assert (error.sem_agreement, error.sem_consistency) == pytest.approx((math.sqrt(2), 0))


def test_ratings_that_never_differ_and_single_scans_have_no_icc():
    assert "All ratings are equal" in icc_a1([[3, 3], [3, 3]]).note
    assert math.isnan(icc_a1([[3, 3], [3, 3]]).icc.value)
    assert "there are 1" in icc_a1([[3, 4], [NAN, 1]]).note


def test_one_reader_is_refused():
    with pytest.raises(InputError, match="2 readers or more"):
        icc_a1([[3], [4]])


def test_the_error_of_measurement_of_two_readers_is_their_sd_over_the_root_of_two():
    error = measurement_error(np.column_stack([WRIGHT, MINI]))
    sd = bland_altman(WRIGHT, MINI).sd
    assert error.sem_consistency == pytest.approx(sd / math.sqrt(2), abs=1e-6)
    # the smallest detectable change is then half the width of the limits of agreement
    assert error.sdc_consistency == pytest.approx(bland_altman(WRIGHT, MINI).upper.value + 36 / 17, abs=1e-6)
    # the readers' mean squares are equal by chance to less than the error: no systematic difference
    assert error.sem_agreement == pytest.approx(error.sem_consistency, abs=1e-6)
    assert math.isnan(measurement_error([[1, 2]]).sdc_agreement)


def test_cases_are_judged_from_zero_not_from_the_bias():
    # differences 10, 0, 0, 0, 0, -6 have a standard deviation of 5.2
    a, b = [10, 1, 2, NAN, 3, 0, 0], [0, 1, 2, 5, 3, 0, 6]
    assert cases_beyond(a, b, 1.5).tolist() == [0]
    assert cases_beyond(a, b, 1.1).tolist() == [0, 6]
    assert cases_beyond(a, b, 2).tolist() == []
    # every difference is 5 or 6: none is far from the bias, all are far from 0
    assert cases_beyond([5, 6, 5, 6], [0, 0, 0, 0]).tolist() == [1, 3, 0, 2]


def test_settings_out_of_range_are_refused():
    with pytest.raises(SettingsError, match="between 0 and 1"):
        bland_altman([1, 2], [1, 3], confidence=95)
    with pytest.raises(SettingsError, match="above 0"):
        cases_beyond([1, 2], [1, 3], 0)


def test_where_nobody_repeats_naming_the_patients_changes_nothing():
    a, b = np.random.default_rng(0).normal(100, 20, (2, 12))
    names = [f"S{n}" for n in range(12)]
    plain, named = bland_altman(a, b), bland_altman(a, b, subjects=names)
    assert (plain.bias, plain.lower, plain.upper) == (named.bias, named.lower, named.upper)
    assert (plain.inner, plain.outer) == (named.inner, named.outer)
    ratings = np.stack([a, b], axis=1)
    assert icc_a1(ratings) == icc_a1(ratings, subjects=names)
    assert not named.repeated


def two_visits(seed: int = 0, patients: int = 15):
    """Readers whose difference is mostly the patient's own."""
    rng = np.random.default_rng(seed)
    true, own = (np.repeat(rng.normal(0, sd, patients), 2) for sd in (10, 3))
    a = true + own + rng.normal(0, 1, 2 * patients)
    return a, true + rng.normal(0, 1, 2 * patients), np.repeat(np.arange(patients), 2).tolist()


def test_bias_of_two_visits_each_has_the_t_interval_of_the_patients_means():
    a, b, subjects = two_visits()
    found, naive = bland_altman(a, b, subjects=subjects), bland_altman(a, b)
    expected = stats.ttest_1samp((a - b).reshape(-1, 2).mean(axis=1), 0).confidence_interval()
    assert (found.bias.low, found.bias.high) == pytest.approx((expected.low, expected.high))
    assert found.bias.value == naive.bias.value
    assert (found.lower.value, found.upper.value) == pytest.approx((naive.lower.value, naive.upper.value))
    assert (found.n_subjects, found.repeated) == (15, True)
    assert found.correlation > 0.5
    for one, other in ((found.lower, naive.lower), (found.upper, naive.upper)):
        assert one.high - one.low > 1.1 * (other.high - other.low)


def test_copies_of_each_scan_teach_nothing_new():
    """Every scan twice: the limits have the interval of each scan once, up to what copies do to the standard deviation."""
    a, b, _ = two_visits(3)
    once = bland_altman(a, b)
    twice = bland_altman(np.repeat(a, 2), np.repeat(b, 2), subjects=np.repeat(np.arange(30), 2).tolist())
    assert twice.bias.low == pytest.approx(once.bias.low)
    assert (twice.upper.low, twice.upper.high) == pytest.approx((once.upper.low, once.upper.high))
    ratings = np.stack([a, b], axis=1)
    alone = icc_a1(ratings).icc
    copied = icc_a1(np.repeat(ratings, 2, axis=0), subjects=np.repeat(np.arange(30), 2).tolist()).icc
    assert (copied.low, copied.high) == pytest.approx((alone.low, alone.high))


def test_three_readers_of_copied_scans_have_the_interval_of_each_scan_once():
    ratings = np.random.default_rng(5).normal(0, 1, (12, 3)) + np.random.default_rng(6).normal(0, 3, (12, 1))
    alone = icc_a1(ratings).icc
    copied = icc_a1(np.repeat(ratings, 2, axis=0), subjects=np.repeat(np.arange(12), 2).tolist()).icc
    assert (copied.low, copied.high) == pytest.approx((alone.low, alone.high))


@pytest.mark.parametrize(
    ("a", "b", "subjects"),
    [
        ([1, 2, 3], [2, 1, 5], ["S", "S", "S"]),
        ([1, 2, 1, 2], [2, 1, 2, 1], ["S", "S", "T", "T"]),
        ([1, 2, 3, 4], [0, 0, 0, 0], ["S", "S", "T", "T"]),
        ([1, np.nan, 3, 4], [0, 1, 0, np.nan], ["S", "S", "T", "T"]),
        ([5, 5, 5, 5], [5, 5, 5, 5], ["S", "S", "T", "T"]),
        ([0, 0, 0, 9], [0, 0, 0, 1], ["S", "S", "T", "U"]),
    ],
)
def test_degenerate_repetitions_have_intervals_with_width_or_none(a, b, subjects):
    limits = bland_altman(a, b, subjects=subjects)
    icc = icc_a1(np.stack([a, b], axis=1), subjects=subjects)
    for one in (limits.bias, limits.lower, limits.upper, icc.icc):
        assert math.isnan(one.low) or one.low < one.value < one.high
    if subjects == ["S", "S", "S"]:
        assert "one patient" in limits.note
        assert math.isnan(limits.bias.low)


def test_names_that_do_not_fit_the_pairs_are_refused():
    with pytest.raises(InputError, match="1 subjects for 2 values"):
        bland_altman([1, 2], [1, 2], subjects=["S"])
