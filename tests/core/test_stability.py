"""The number when the threshold moves."""

import numpy as np
import pytest

from lib.core.normal_bone import NormalBoneSample
from lib.core.stability import stability_of
from lib.core.thresholds import ThresholdRule, thresholds_from


def sample(per_slice: list[list[float]]) -> NormalBoneSample:
    values = np.array([value for one in per_slice for value in one])
    slices = np.array([k for k, one in enumerate(per_slice) for _ in one])
    return NormalBoneSample(values=values, slice_index=slices)


STEADY = [[1.0, 2.0, 3.0, 4.0, 7.5] * 6] * 3


def test_vhi_is_measured_again_at_thresholds_five_and_ten_percent_away():
    stability = stability_of(lambda sensitive, _: 1000 - sensitive, sample(STEADY), ThresholdRule(), (100.0, 200.0))
    assert stability.vhi_mm3 == 900.0
    assert [(one.change, one.sensitive) for one in stability.threshold_changes] == [
        (-0.10, pytest.approx(90.0)),
        (-0.05, pytest.approx(95.0)),
        (0.05, pytest.approx(105.0)),
        (0.10, pytest.approx(110.0)),
    ]
    assert stability.threshold_changes[0].vhi_mm3 == pytest.approx(910.0)
    assert stability.five_percent_range_mm3 == (pytest.approx(895.0), pytest.approx(905.0))
    assert stability.unstable_because == ()


def test_each_slice_of_normal_bone_is_left_out_in_turn():
    per_slice = [[1.0, 2.0, 3.0, 4.0, 7.5] * 6, [2.0, 3.0, 4.0, 5.0, 8.5] * 6, [1.0, 2.0, 3.0, 4.0, 20.0] * 6]
    whole = thresholds_from(sample(per_slice).values)
    stability = stability_of(
        lambda sensitive, _: 1000 / sensitive, sample(per_slice), ThresholdRule(), (whole.sensitive, whole.conservative)
    )
    without_last = thresholds_from(np.array(per_slice[0] + per_slice[1])).sensitive
    assert [one.left_out for one in stability.slices_left_out] == [0, 1, 2]
    assert stability.slices_left_out[2].sensitive == pytest.approx(without_last)
    assert stability.slices_left_out_range_mm3[1] == pytest.approx(1000 / without_last)
    assert any("leaving out one slice" in reason for reason in stability.unstable_because)


def test_below_three_slices_nothing_can_be_left_out():
    stability = stability_of(lambda *_: 5.0, sample(STEADY[:2]), ThresholdRule(), (100.0, 200.0))
    assert stability.slices_left_out is None
    assert stability.slices_left_out_range_mm3 is None
    assert stability.unstable_because == ()


def test_a_number_that_doubles_within_five_percent_is_unstable():
    stability = stability_of(lambda s, _: 2000.0 if s < 100 else 1000.0, sample(STEADY), ThresholdRule(), (100.0, 200.0))
    assert stability.unstable_because[0] == "a sensitive threshold 5% higher or lower gives 1,000 to 2,000 mm3"


def test_zero_that_stays_zero_is_stable_and_zero_that_does_not_is_not():
    steady = stability_of(lambda *_: 0.0, sample(STEADY), ThresholdRule(), (100.0, 200.0))
    assert steady.unstable_because == ()
    appearing = stability_of(lambda s, _: 50.0 if s < 100 else 0.0, sample(STEADY), ThresholdRule(), (100.0, 200.0))
    assert appearing.unstable_because


def test_a_slice_without_which_there_is_no_threshold_is_told():
    per_slice = [[5.0] * 20, [5.0] * 20, list(np.linspace(1, 9, 60))]
    stability = stability_of(lambda *_: 1.0, sample(per_slice), ThresholdRule(), (100.0, 200.0))
    assert stability.slices_left_out[2].vhi_mm3 is None
    assert "gives no threshold at all" in stability.unstable_because[-1]


def test_with_a_proposed_normal_bone_a_number_is_never_called_stable():
    def of(source, mm3_at=lambda *_: 5.0):
        return stability_of(mm3_at, sample(STEADY), ThresholdRule(), (100.0, 200.0), source)

    assert (of("given").stable, of("given").reasons) == (True, ())
    assert of("clicked").stable is True
    assert of("proposed").stable is None
    assert "normal bone was proposed" in of("proposed").reasons[0]
    assert of("proposed").warnings == ()
    assert of("proposed", lambda s, _: 2000.0 if s < 100 else 1000.0).stable is False
