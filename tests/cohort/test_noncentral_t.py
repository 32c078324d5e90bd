"""The noncentral t distribution: against scipy where it answers, and where it does not."""

import math

import numpy as np
import pytest
from scipy import stats

from lib.cohort import noncentral_t
from lib.cohort.response import standardised_response_mean


@pytest.mark.parametrize("df", [1, 1.3, 2, 8, 57, 400, 5000])
@pytest.mark.parametrize("shift", [-9.0, -2, 0, 1.96, 5, 15])
def test_it_is_scipys_distribution_where_that_has_a_value(df, shift):
    for t in (-8.0, -1, 0, 0.7, 2, 8, 20):
        expected = stats.nct.cdf(t, df, shift)
        assert math.isnan(expected) or noncentral_t.cdf(t, df, shift) == pytest.approx(expected, abs=2e-8)
        assert noncentral_t.cdf(t, df, shift) + noncentral_t.sf(t, df, shift) == pytest.approx(1, abs=1e-12)


def test_it_has_a_value_where_scipy_has_none():
    rng = np.random.default_rng(0)
    draws = (rng.standard_normal(200_000) - 9) / np.sqrt(rng.chisquare(8, 200_000) / 8)
    assert noncentral_t.cdf(8, 8, -9) == pytest.approx(1, abs=1e-9)
    assert (draws <= 8).all()


@pytest.mark.parametrize(("n", "share"), [(2, 0.975), (3, 0.025), (58, 0.975), (50_000, 0.025)])
def test_quantiles_are_scipys(n, share):
    shift = 1.96 * math.sqrt(n)
    assert noncentral_t.quantile(share, n - 1, shift) == pytest.approx(stats.nct.ppf(share, n - 1, shift), rel=1e-8)


def test_a_noncentrality_gives_back_its_share():
    for t in (-20.0, -0.3, 0, 4, 30):
        for df in (1, 3, 40):
            for share in (0.025, 0.975):
                shift = noncentral_t.noncentrality(t, df, share)
                assert noncentral_t.cdf(t, df, shift) == pytest.approx(share, abs=1e-8)


def test_the_srm_of_a_large_even_change_has_an_interval():
    """A t of about 7 with 8 degrees of freedom once ended in a traceback."""
    for fall in np.linspace(1.5, 8, 60):
        before = np.zeros(9)
        after = -fall + np.array([-1.2, -1, -0.6, -0.3, 0, 0.3, 0.6, 1, 1.2])
        srm = standardised_response_mean(before, after).srm
        assert srm.low < srm.value < srm.high
