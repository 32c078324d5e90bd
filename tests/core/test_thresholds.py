"""Sensitive and conservative threshold."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lib.core.thresholds import ThresholdRule, thresholds_from
from lib.errors import NormalBoneError, SettingsError


def published_loop(sample: np.ndarray) -> tuple[float, float]:
    """The multiple and the sensitive threshold by the loop as the paper tells it; slow, and only for samples where it ends."""
    q1, q3 = np.percentile(sample, [25, 75])
    iqr, upper, steps = q3 - q1, sample.max(), 0
    while upper - (q3 + (1.5 + steps * 0.05) * iqr) >= iqr / 2:
        steps += 1
    while upper - (q3 + (1.5 + steps * 0.05) * iqr) <= 0:
        steps -= 1
    return 1.5 + steps * 0.05, q3 + (1.5 + steps * 0.05) * iqr


def test_the_first_multiple_stands_when_the_maximum_is_near():
    # quartiles 2 and 4, so IQR 2; 4 + 1.5 * 2 = 7, and 7.5 - 7 lies between 0 and IQR / 2
    thresholds = thresholds_from(np.array([1.0, 2.0, 3.0, 4.0, 7.5]))
    assert (thresholds.q1, thresholds.q3, thresholds.iqr) == (2.0, 4.0, 2.0)
    assert (thresholds.sensitive, thresholds.conservative, thresholds.multiple, thresholds.n_normal_bone) == (7.0, 7.5, 1.5, 5)


def test_the_multiple_is_raised_until_the_gap_is_less_than_half_the_iqr():
    # 9 - (4 + n * 2) < 1 first at n = 2.05 (2.0 gives exactly 1, which is not less)
    thresholds = thresholds_from(np.array([1.0, 2.0, 3.0, 4.0, 9.0]))
    assert thresholds.multiple == 2.05
    assert thresholds.sensitive == pytest.approx(8.1, abs=1e-12)


def test_the_multiple_is_lowered_where_the_first_one_already_exceeds_the_maximum():
    # 4 + 1.5 * 2 = 7 > 6; 6 - (4 + n * 2) > 0 first at n = 0.95 (1.0 gives exactly 0)
    thresholds = thresholds_from(np.array([1.0, 2.0, 3.0, 4.0, 6.0]))
    assert thresholds.multiple == 0.95
    assert thresholds.sensitive == pytest.approx(5.9, abs=1e-12)


def test_a_round_multiple_gives_a_round_threshold():
    # q1 100, q3 200, max 399: the multiple is 1.5 and the threshold 350 to the bit, so a voxel of 350 counts
    assert thresholds_from(np.array([50.0, 100.0, 150.0, 200.0, 399.0])).sensitive == 350.0
    # 1.5 + 2 * 0.05 is the decimal 1.6, not 1.6000000000000001: 3 + 1.6 * 1
    thresholds = thresholds_from(np.array([1.0, 2.0, 2.5, 3.0, 5.06]))
    assert (thresholds.multiple, thresholds.sensitive) == (1.6, 4.6)


@pytest.mark.parametrize("seed", range(200))
def test_the_closed_form_equals_the_published_loop(seed):
    rng = np.random.default_rng(seed)
    sample = rng.gamma(rng.uniform(0.5, 20), rng.uniform(1, 100), size=int(rng.integers(5, 400)))
    multiple, sensitive = published_loop(sample)
    thresholds = thresholds_from(sample)
    assert thresholds.multiple == pytest.approx(multiple, abs=1e-9)
    assert thresholds.sensitive == pytest.approx(sensitive, rel=1e-12)


@given(st.lists(st.integers(0, 3000), min_size=2, max_size=60))
def test_any_sample_gives_ordered_thresholds_or_is_refused(values):
    sample = np.array(values, dtype=float)
    try:
        thresholds = thresholds_from(sample)
    except NormalBoneError:
        return
    gap = thresholds.conservative - thresholds.sensitive
    assert thresholds.conservative == sample.max()
    # half the IQR, or one step below the maximum when the multiple had to be lowered; a hair for rounding
    assert 0 < gap <= max(thresholds.iqr / 2, 0.05 * thresholds.iqr) * (1 + 1e-9)


@given(st.floats(1e-3, 1e4))
def test_thresholds_scale_with_the_intensities(factor):
    sample = np.random.default_rng(0).gamma(9.0, 40.0, 300)
    one, scaled = thresholds_from(sample), thresholds_from(sample * factor)
    assert scaled.multiple == one.multiple
    assert scaled.sensitive == pytest.approx(one.sensitive * factor, rel=1e-9)
    assert scaled.conservative == pytest.approx(one.conservative * factor, rel=1e-9)


def test_a_percentile_may_stand_in_for_the_maximum():
    sample = np.append(np.arange(101.0), 1000.0)
    thresholds = thresholds_from(sample, ThresholdRule(upper_percentile=95))
    assert thresholds.conservative == np.percentile(sample, 95) < 1000


def test_the_robust_rule_is_worked_out_from_the_slices_and_the_whole():
    # one slice of 0, 1, ..., 40 twice: quartiles 10 and 30, far fence 30 + 3 * 20 = 90; its brightest voxel 40 lies below
    sample = np.repeat(np.arange(41.0), 2)
    thresholds = thresholds_from(sample, ThresholdRule(rule="robust"))
    assert (thresholds.q1, thresholds.q3, thresholds.rule) == (10.0, 30.0, "robust")
    assert thresholds.conservative == (40 + 90) / 2
    assert thresholds.sensitive == pytest.approx(65 - 0.6 * 20)
    assert thresholds.multiple == pytest.approx((53 - 30) / 20)
    # a second slice, 10 brighter, of half as many voxels: brightest 50; the whole sample's quartiles are numpy's
    both = np.concatenate([sample, np.arange(41.0) + 10])
    q1, q3 = np.percentile(both, [25, 75])
    thresholds = thresholds_from(both, ThresholdRule(rule="robust"), np.repeat([3, 7], [82, 41]))
    assert thresholds.conservative == pytest.approx(((40 + 50) / 2 + q3 + 3 * (q3 - q1)) / 2)


def test_one_bright_voxel_moves_the_papers_threshold_and_hardly_the_robust_one():
    sample = np.random.default_rng(1).normal(400.0, 50.0, 3000)
    slices = np.repeat(np.arange(5), 600)
    with_vessel = sample.copy()
    with_vessel[17] = 1500.0

    def moved(rule):
        before, after = (thresholds_from(one, ThresholdRule(rule=rule), slices).sensitive for one in (sample, with_vessel))
        return after / before

    assert moved("paper") > 2
    # the slice's brightest voxel counts up to that slice's far fence, a tenth of the limit: (Q3 + 3 IQR - max) / 10
    assert 1 <= moved("robust") < 1.02


@given(st.floats(1e-3, 1e4), st.integers(1, 6))
def test_robust_thresholds_scale_with_the_intensities(factor, slices):
    sample = np.random.default_rng(0).gamma(9.0, 40.0, 300)
    index = np.arange(300) % slices
    one, scaled = (thresholds_from(values, ThresholdRule(rule="robust"), index) for values in (sample, sample * factor))
    assert scaled.multiple == pytest.approx(one.multiple, rel=1e-9)
    assert scaled.sensitive == pytest.approx(one.sensitive * factor, rel=1e-9)
    assert scaled.conservative == pytest.approx(one.conservative * factor, rel=1e-9)


@given(st.lists(st.integers(0, 3000), min_size=2, max_size=60), st.integers(1, 3))
def test_any_sample_gives_ordered_robust_thresholds_or_is_refused(values, slices):
    sample = np.array(values, dtype=float)
    try:
        thresholds = thresholds_from(sample, ThresholdRule(rule="robust"), np.arange(sample.size) % slices)
    except NormalBoneError:
        return
    assert thresholds.q3 < thresholds.conservative
    assert thresholds.conservative - thresholds.sensitive == pytest.approx(0.6 * thresholds.iqr)
    assert thresholds.sensitive == pytest.approx(thresholds.q3 + thresholds.multiple * thresholds.iqr)


def test_a_slice_with_few_voxels_has_no_say_of_its_own():
    sample = np.append(np.repeat(np.arange(41.0), 2), [39.0] * 5)
    one_slice = thresholds_from(sample, ThresholdRule(rule="robust"), np.repeat([0, 1], [82, 5]))
    q1, q3 = np.percentile(sample, [25, 75])
    assert one_slice.conservative == pytest.approx((40 + q3 + 3 * (q3 - q1)) / 2)


def test_the_rule_is_the_papers_for_a_reader_and_robust_for_a_proposal_unless_it_is_set():
    assert [ThresholdRule().resolved(drawn).rule for drawn in (True, False)] == ["paper", "robust"]
    assert [ThresholdRule(rule="paper").resolved(drawn).rule for drawn in (True, False)] == ["paper", "paper"]
    assert [ThresholdRule(rule="robust").resolved(drawn).rule for drawn in (True, False)] == ["robust", "robust"]


@pytest.mark.parametrize("sample", [[5.0], [1.0, np.inf, 2.0], [1.0, 2.0, 2.0, 2.0, 2.0, 9.0]])
def test_an_impossible_sample_is_refused_by_the_robust_rule_too(sample):
    with pytest.raises(NormalBoneError):
        thresholds_from(np.array(sample), ThresholdRule(rule="robust"))


@pytest.mark.parametrize(
    ("sample", "message"),
    [
        ([5.0], "holds 1 voxels; at least two"),
        ([1.0, np.nan, 2.0], "NaN or infinite"),
        ([1.0, 2.0, 2.0, 2.0, 2.0, 9.0], "interquartile range is zero"),
        ([1.0, 2.0, 3.0, 3.0, 3.0], "looks clipped or saturated"),
        ([1.0, 2.0, 3.0, 4.0, 1000.0], "vessel or another bright structure"),
    ],
)
def test_an_impossible_sample_is_refused(sample, message):
    with pytest.raises(NormalBoneError, match=message):
        thresholds_from(np.array(sample))


def test_a_rule_outside_its_range_is_refused():
    with pytest.raises(SettingsError, match="upper_percentile must be from 80 to 100, found 20"):
        ThresholdRule(upper_percentile=20)


def test_a_threshold_below_zero_is_refused_as_shifted_intensities():
    sample = np.random.default_rng(0).normal(100, 10, 500)
    for rule in (None, ThresholdRule(rule="robust")):
        assert thresholds_from(sample, rule).sensitive > 0
        with pytest.raises(NormalBoneError, match="intensities look shifted by a constant"):
            thresholds_from(sample - 1000, rule)
