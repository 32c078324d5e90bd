"""Response, by hand, as the paper counts it, and against statsmodels and pingouin."""

from __future__ import annotations

import math

import numpy as np
import pingouin
import pytest
from scipy import stats
from statsmodels.stats.contingency_tables import mcnemar
from statsmodels.stats.inter_rater import cohens_kappa

from lib.cohort.response import (
    asdas_improvement,
    asdas_inactive,
    basdai50,
    clinical_responses,
    cross_table,
    imaging_response,
    nice_response,
    standardised_response_mean,
)
from lib.errors import InputError, SettingsError

NAN = float("nan")


def same(found, expected):
    np.testing.assert_array_equal(found, np.array(expected, dtype=float))


def test_nice_needs_both_improvements_and_takes_the_exact_amount():
    # 5.3 - 4.1 is 1.1999999999999993 in binary fractions, and counts
    before, after = [5.3, 5.3, 5.3, 5.3, 8], [4.1, 4.2, 4.1, 4.1, 2]
    vas, vas_after = [6.0, 6.0, 5.9, 6.1, 3], [5.0, 2.0, 5.0, 5.2, 4]
    same(nice_response(before, after, vas, vas_after), [1, 0, 0, 0, 0])


def test_what_is_not_known_stays_not_known_unless_the_other_half_decides():
    same(nice_response([6, 6, NAN], [3, 5.9, 3], [NAN, NAN, 6], [3, 3, 3]), [NAN, 0, NAN])


def test_basdai50_is_half_or_less():
    same(basdai50([6, 6, 0, NAN, 5.4], [3, 3.1, 0, 3, 2.7]), [1, 0, NAN, NAN, 1])


def test_asdas_must_fall_by_more_than_one_point_one():
    # 3.3 - 2.2 is 1.0999999999999996, and 3.2 - 2.1 is 1.1: neither is more than 1.1
    same(asdas_improvement([3.3, 3.2, 3.3, 3, NAN], [2.2, 2.1, 2.19, 4, 1]), [0, 0, 1, 0, NAN])


def test_inactive_disease_is_below_one_point_three():
    same(asdas_inactive([1.29, 1.3, 0.5, NAN]), [1, 0, 1, NAN])


def test_imaging_response_is_any_decrease_or_more_than_a_threshold():
    same(imaging_response([10, 10, 10, NAN], [9.99, 10, 11, 3]), [1, 0, 0, NAN])
    same(imaging_response([10, 10, 10], [9, 8, 7.9], threshold=2), [0, 0, 1])
    with pytest.raises(SettingsError, match="0 or more"):
        imaging_response([1], [2], threshold=-1)


def test_the_definitions_follow_from_the_columns_that_are_there():
    values = {"basdai": [6.0], "basdai_after": [2.0], "asdas": [3.0], "asdas_after": [1.2]}
    assert {name: float(found[0]) for name, found in clinical_responses(values).items()} == {
        "BASDAI50": 1,
        "ASDAS improvement": 1,
        "ASDAS inactive": 1,
    }
    assert "BASDAI and spinal VAS" in clinical_responses({**values, "spinal_vas_cm": [5], "spinal_vas_cm_after": [3]})
    assert clinical_responses({}) == {}


def expand(both, only_a, only_b, neither):
    a = [1] * (both + only_a) + [0] * (only_b + neither)
    b = [1] * both + [0] * only_a + [1] * only_b + [0] * neither
    return a, b


def test_the_papers_table_of_clinical_response_and_vhi():
    # Hepburn et al. 2023, section 3.5: 11 of 16 responders and 4 of 13 non-responders, agreement in 15 of 29
    table = cross_table(*expand(11, 5, 9, 4))
    assert (table.n, table.agreeing, table.missing) == (29, 15, 0)
    assert table.agreement.value == 15 / 29


@pytest.mark.parametrize("counts", [(11, 5, 9, 4), (20, 1, 2, 6), (1, 2, 0, 9)])
def test_kappa_and_exact_tests_equal_statsmodels(counts):
    found = cross_table(*expand(*counts))
    table = np.array(counts).reshape(2, 2)
    kappa = cohens_kappa(table)
    assert found.kappa.value == pytest.approx(kappa.kappa, abs=1e-9)
    assert found.kappa.low == pytest.approx(max(kappa.kappa_low, -1), abs=1e-9)
    assert found.kappa.high == pytest.approx(min(kappa.kappa_upp, 1), abs=1e-9)
    assert found.p_mcnemar == pytest.approx(mcnemar(table, exact=True).pvalue, abs=1e-9)
    assert found.p_fisher == pytest.approx(stats.fisher_exact(table)[1], abs=1e-9)


@pytest.mark.parametrize(("counts", "kappa"), [((3, 0, 0, 4), 1), ((0, 5, 5, 0), -1)])
def test_a_kappa_of_one_or_minus_one_has_no_interval(counts, kappa):
    table = cross_table(*expand(*counts))
    assert table.kappa.value == pytest.approx(kappa)
    assert math.isnan(table.kappa.low)
    assert "leave no error" in table.note


def test_patients_with_an_unknown_response_are_counted_apart():
    table = cross_table([1, NAN, 0, 1], [1, 1, NAN, 0])
    assert (table.both, table.only_a, table.n, table.missing) == (1, 1, 2, 2)


def test_one_answer_for_all_has_no_kappa():
    table = cross_table([1, 1, 1], [1, 1, 1])
    assert table.agreement.value == 1
    assert math.isnan(table.kappa.value)
    assert "same one answer" in table.note


def test_no_patients_no_numbers():
    table = cross_table([NAN], [1])
    assert math.isnan(table.agreement.value)
    assert math.isnan(table.p_mcnemar)
    assert "No patient" in table.note


def test_a_response_is_zero_or_one():
    with pytest.raises(InputError, match="1 \\(responded\\)"):
        cross_table([2], [1])


def test_the_standardised_response_mean_is_the_mean_change_over_its_sd():
    # changes -2, -1, 0: mean -1, standard deviation 1
    srm = standardised_response_mean([5, 4, 3, NAN], [3, 3, 3, 1])
    assert (srm.srm.value, srm.mean_change, srm.sd_change, srm.n) == (-1, -1, 1, 3)


@pytest.mark.parametrize("seed", range(4))
def test_its_interval_holds_the_t_value_with_the_stated_probability(seed):
    rng = np.random.default_rng(seed)
    n = int(rng.integers(3, 40))
    before = rng.normal(50, 10, n)
    after = before + rng.normal(-6, 8, n)
    srm = standardised_response_mean(before, after)
    t = srm.srm.value * math.sqrt(n)
    assert t == pytest.approx(pingouin.ttest(after, before, paired=True)["T"].iloc[0], abs=1e-6)
    assert stats.nct.sf(t, n - 1, srm.srm.low * math.sqrt(n)) == pytest.approx(0.025, abs=1e-6)
    assert stats.nct.cdf(t, n - 1, srm.srm.high * math.sqrt(n)) == pytest.approx(0.025, abs=1e-6)


@pytest.mark.parametrize(
    ("before", "after", "note"), [([1], [2], "at least 2"), ([], [], "at least 2"), ([1, 2.2, 3], [2, 3.2, 4], "same")]
)
def test_single_patients_and_equal_changes_have_none(before, after, note):
    srm = standardised_response_mean(before, after)
    assert math.isnan(srm.srm.value)
    assert note in srm.note
