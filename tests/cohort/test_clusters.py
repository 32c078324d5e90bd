"""Uncertainty when patients repeat: against slow versions, other programs, and the ordinary formulas where nobody repeats."""

import math

import numpy as np
import pytest
import statsmodels.api as sm
from scipy import linalg, stats

from lib.cohort.clusters import (
    bootstrap_interval,
    cluster_numbers,
    cluster_robust,
    clustered_median,
    medians,
    repeats,
    variance_components,
)
from lib.errors import InputError


def slow_cr2(design, residuals, clusters, contrast):
    """Standard error and degrees of freedom of Bell and McCaffrey, with every matrix written out."""
    n = len(design)
    inverse = np.linalg.inv(design.T @ design)
    maker = np.eye(n) - design @ inverse @ design.T
    covariance, parts = np.zeros((design.shape[1],) * 2), []
    for cluster in np.unique(clusters):
        select = np.eye(n)[:, clusters == cluster]
        root = np.linalg.inv(linalg.sqrtm(select.T @ maker @ select).real)
        score = inverse @ design.T @ select @ root @ select.T @ residuals
        covariance += np.outer(score, score)
        parts.append(maker @ select @ root @ select.T @ design @ inverse @ contrast)
    gram = np.array(parts) @ np.array(parts).T
    return math.sqrt(contrast @ covariance @ contrast), np.trace(gram) ** 2 / np.trace(gram @ gram)


@pytest.mark.parametrize("seed", range(10))
def test_robust_errors_and_degrees_of_freedom_are_those_of_the_definition(seed):
    rng = np.random.default_rng(seed)
    clusters = np.unique(rng.integers(0, 9, 25), return_inverse=True)[1]
    design = np.stack([np.ones(25), rng.normal(size=25)], axis=1)
    y = rng.normal(size=25)
    residuals = y - design @ np.linalg.lstsq(design, y)[0]
    robust = cluster_robust(design, residuals, clusters)
    for contrast in np.array([[1.0, 0], [0, 1], [1, -2.5]]):
        error, df = slow_cr2(design, residuals, clusters, contrast)
        assert robust.standard_error(contrast) == pytest.approx(error, rel=1e-9)
        assert robust.df(contrast) == pytest.approx(df, rel=1e-9)


def test_without_small_sample_corrections_the_errors_are_those_of_statsmodels():
    """With many patients both tend to one value: 300 patients leave less than 1%."""
    rng = np.random.default_rng(0)
    clusters = np.repeat(np.arange(300), 2)
    x, y = rng.normal(size=600), np.repeat(rng.normal(size=300), 2) + rng.normal(size=600)
    fit = sm.OLS(y, sm.add_constant(x)).fit(cov_type="cluster", cov_kwds={"groups": clusters, "use_correction": False})
    robust = cluster_robust(sm.add_constant(x), fit.resid, clusters)
    assert robust.standard_error(np.array([0.0, 1])) == pytest.approx(fit.bse[1], rel=0.01)


def test_of_equally_many_visits_a_mean_has_the_t_interval_of_the_patients_means():
    values, clusters = np.array([1.0, 3, 2, 6, 9, 4]), np.array([0, 0, 1, 1, 2, 2])
    robust = cluster_robust(np.ones((6, 1)), values - values.mean(), clusters)
    means = np.array([2.0, 4, 6.5])
    assert robust.standard_error(np.ones(1)) == pytest.approx(stats.sem(means))
    assert robust.df(np.ones(1)) == pytest.approx(2)


def test_variance_components_by_hand():
    # patients' means 2 and 8, within squares 2 + 2: mean square between 36, within 2, so 17 of a patient and 2 of a visit
    components = variance_components(np.array([1.0, 3, 7, 9]), np.array([0, 0, 1, 1]))
    assert components.total == pytest.approx(19)
    assert components.correlation == pytest.approx(17 / 19)
    assert components.of_mean == pytest.approx(36 / 4)
    # (36 + 2) / 2 squared, over (36 / 2) squared / 1 + (2 / 2) squared / 2
    assert components.df == pytest.approx(19**2 / (18**2 + 1 / 2))


@pytest.mark.parametrize("seed", range(3))
def test_variance_components_of_equal_numbers_are_those_of_a_mixed_model(seed):
    rng = np.random.default_rng(seed)
    clusters = np.repeat(np.arange(12), 2)
    values = np.repeat(rng.normal(0, 2, 12), 2) + rng.normal(size=24)
    fit = sm.MixedLM(values, np.ones(24), clusters).fit(reml=True)
    of_patient = float(np.ravel(fit.cov_re)[0])
    components = variance_components(values, clusters)
    assert components.total == pytest.approx(of_patient + fit.scale, rel=1e-3)
    assert components.correlation == pytest.approx(of_patient / (of_patient + fit.scale), rel=1e-3)
    assert math.sqrt(components.of_mean) == pytest.approx(fit.bse_fe[0], rel=1e-3)


@pytest.mark.parametrize("n", [2, 3, 5, 40])
def test_where_nobody_repeats_variance_and_degrees_of_freedom_are_the_ordinary_ones(n):
    values = np.random.default_rng(n).normal(size=n)
    components = variance_components(values, np.arange(n))
    assert components.total == pytest.approx(values.var(ddof=1))
    assert (components.df, components.n_effective) == (n - 1, pytest.approx(n))
    assert math.isnan(components.correlation)


def test_patients_no_more_unlike_than_visits_count_as_independent():
    values = np.array([0.0, 10, 1, 9, 2, 8])
    components = variance_components(values, np.array([0, 0, 1, 1, 2, 2]))
    assert (components.total, components.df, components.correlation) == (pytest.approx(values.var(ddof=1)), 5, 0.0)
    assert variance_components(values, np.zeros(6, int)) is None


def test_drawn_medians_are_those_of_the_repeated_values():
    rng = np.random.default_rng(3)
    values, counts = rng.integers(0, 5, 9).astype(float), rng.integers(0, 4, (50, 9)) + np.eye(9, dtype=int)[0]
    expected = [np.median(np.repeat(values, row)) for row in counts]
    np.testing.assert_array_equal(medians(values, counts), expected)


def test_a_bootstrap_draws_whole_patients():
    """Of three patients of two equal visits only patients can be drawn: the mean of the visits has 10 values, not 28."""
    values, clusters = np.array([0.0, 0, 3, 3, 9, 9]), np.array([0, 0, 1, 1, 2, 2])
    seen = []
    bootstrap_interval(lambda counts: seen.append(counts) or counts @ values / counts.sum(axis=1), clusters)
    counts = np.concatenate(seen)
    np.testing.assert_array_equal(counts[:, ::2], counts[:, 1::2])
    assert (counts.sum(axis=1) == 6).all()


def test_a_bootstrap_has_the_ends_of_a_slow_one():
    rng = np.random.default_rng(0)
    values, clusters = rng.normal(size=30), np.repeat(np.arange(15), 2)
    low, high = bootstrap_interval(lambda counts: medians(values, counts), clusters)
    own = np.random.default_rng(99)
    draws = [np.median(values.reshape(15, 2)[own.integers(0, 15, 15)]) for _ in range(4000)]
    # two bootstraps of 2,000 and 4,000 draws differ by chance: by less than a tenth of the interval's length
    assert [low, high] == pytest.approx(np.percentile(draws, [2.5, 97.5]).tolist(), abs=0.1 * (high - low))


@pytest.mark.parametrize(
    ("values", "median"),
    [([], math.nan), ([math.nan], math.nan), ([0.5], 0.5), ([0.5] * 8, 0.5), ([0.2, 0.4, 0.6, 0.8], 0.5)],
)
def test_a_median_without_spread_or_of_few_patients_has_no_interval(values, median):
    found = clustered_median(values, range(len(values)))
    assert found.value == pytest.approx(median, nan_ok=True)
    assert math.isnan(found.low)
    assert math.isnan(found.high)


def test_names_that_are_not_one_for_each_value_are_refused():
    with pytest.raises(InputError, match="1 subjects for 2 values"):
        cluster_numbers(["S1"], 2)
    assert repeats(cluster_numbers(["b", "a", "b"], 3))
    assert not repeats(cluster_numbers(None, 3))
