"""Keeping and removing lesions of the scan that `handmade` draws: lesion 1 has 8 voxels, lesion 2 has 4."""

import dataclasses

import numpy as np
import pytest

from clicking import kept_after_clicks
from drawing import pair
from handmade import SHAPE, handmade
from lib.core.cleaning import changes_of, measure_cleaned
from lib.core.gestures import lesion_at
from lib.core.pipeline import measure_vhi
from lib.core.volume import Grid, Mask, Volume
from lib.errors import GridMismatchError, InputError

IN_1, IN_1_NEXT_SLICE, IN_2, NOWHERE = (9, 1, 1), (10, 2, 2), (1, 1, 3), (5, 5, 1)


@pytest.fixture(scope="module")
def automatic():
    return handmade()


def mask(data, result):
    return Mask(data, result.stir.grid)


def test_a_voxel_knows_its_lesion(automatic):
    assert [lesion_at(automatic.lesion_labels, at) for at in (IN_1, IN_1_NEXT_SLICE, IN_2, NOWHERE)] == [1, 1, 2, 0]


@pytest.mark.parametrize("voxel", [(12, 0, 0), (0, 10, 0), (0, 0, 4), (-1, 0, 0)])
def test_a_click_beyond_the_grid_is_refused_with_the_grid(automatic, voxel):
    with pytest.raises(InputError, match=r"outside the scan's grid of 12 x 10 x 4 voxels"):
        lesion_at(automatic.lesion_labels, voxel)


def test_without_clicks_everything_is_kept(automatic):
    kept, messages = kept_after_clicks(automatic)
    np.testing.assert_array_equal(kept.data, automatic.grade > 0)
    assert messages == ()


def test_one_click_removes_a_lesion_of_both_grades_in_all_its_slices(automatic):
    kept, messages = kept_after_clicks(automatic, remove=[IN_1])
    np.testing.assert_array_equal(kept.data, automatic.lesion_labels == 2)
    assert messages == ()


def test_in_slice_scope_a_click_removes_what_lies_in_its_slice(automatic):
    kept, _ = kept_after_clicks(automatic, remove=[IN_1], scope="slice")
    expected = automatic.grade > 0
    expected[..., 1] = False
    np.testing.assert_array_equal(kept.data, expected)


def test_a_restoring_click_brings_the_lesion_back_whatever_came_before(automatic):
    kept, _ = kept_after_clicks(automatic, remove=[IN_1, IN_2], restore=[IN_1_NEXT_SLICE])
    np.testing.assert_array_equal(kept.data, automatic.lesion_labels == 1)


def test_in_slice_scope_a_click_restores_its_slice_alone(automatic):
    kept, _ = kept_after_clicks(automatic, remove=[IN_1, IN_1_NEXT_SLICE], restore=[IN_1], scope="slice")
    expected = automatic.grade > 0
    expected[..., 2] = False
    np.testing.assert_array_equal(kept.data, expected)


def test_a_click_on_no_lesion_changes_nothing_and_says_so(automatic):
    kept, messages = kept_after_clicks(automatic, remove=[NOWHERE, IN_2], restore=[(0, 0, 99)])
    np.testing.assert_array_equal(kept.data, automatic.lesion_labels == 1)
    assert len(messages) == 2
    assert "no lesion at voxel (5, 5, 1)" in messages[0]
    assert "(0, 0, 99) lies outside the scan's grid of 12 x 10 x 4" in messages[1]


def test_an_unknown_scope_is_refused(automatic):
    with pytest.raises(InputError, match="'region'; it must be lesion or slice"):
        kept_after_clicks(automatic, scope="region")


def test_what_is_kept_is_measured_again(automatic):
    kept, _ = kept_after_clicks(automatic, remove=[IN_2])
    cleaned = measure_cleaned(automatic, kept)
    total, left, right = cleaned.measurement.total, cleaned.measurement.left, cleaned.measurement.right
    assert (total.sensitive, total.conservative, total.sensitive_mm3) == (8, 4, 48.0)
    assert (left.sensitive, right.sensitive) == (8, 0)
    assert cleaned.measurement.raw_sensitive == automatic.measurement.raw_sensitive
    assert cleaned.measurement.midline_mm == automatic.measurement.midline_mm
    assert [(lesion.id, lesion.voxels, lesion.side) for lesion in cleaned.lesions] == [(1, 8, "left")]


def test_the_stability_is_that_of_the_cleaned_number(automatic):
    # lesion 1 holds four voxels of 8 and four of 7.2; 7 * 1.05 = 7.35 loses the latter
    cleaned = measure_cleaned(automatic, kept_after_clicks(automatic, remove=[IN_2])[0])
    assert cleaned.stability.vhi_mm3 == 48.0
    assert [one.vhi_mm3 for one in cleaned.stability.threshold_changes] == [48.0, 48.0, 24.0, 24.0]


@pytest.mark.parametrize(("removed", "told"), [([IN_2], "24 to 48"), ([IN_1], "0 to 24"), ([IN_1, IN_2], None)])
def test_the_warning_of_instability_is_that_of_the_cleaned_number(automatic, removed, told):
    sentence = "The measured volume is unstable: a sensitive threshold 5% higher or lower gives {} mm3."
    assert automatic.stability.warnings == (sentence.format("24 to 72"),)
    cleaned = measure_cleaned(automatic, kept_after_clicks(automatic, remove=removed)[0])
    expected = {sentence.format(told)} if told else set()
    assert set(cleaned.warnings) == set(automatic.warnings) - set(automatic.stability.warnings) | expected
    assert len(cleaned.warnings) == len(set(cleaned.warnings))


def test_a_removed_lesion_does_not_come_back_when_a_lower_threshold_joins_it_to_one_that_was_kept(automatic):
    data = automatic.stir.data.copy()
    data[3:9, 1, 3] = 6.8  # joins the lesions below 7, and is nothing at 7
    stir = Volume(data, automatic.stir.grid, "STIR")
    joined = measure_vhi(automatic.t1w, stir, normal_bone=automatic.normal_bone, disease_region=automatic.disease_region.mask)
    cleaned = measure_cleaned(joined, kept_after_clicks(joined, remove=[IN_2])[0])
    at_less = {round(one.change, 2): one.vhi_mm3 for one in cleaned.stability.threshold_changes}
    assert cleaned.measurement.total.sensitive == 8
    assert at_less[-0.05] == (8 + 6) * 6.0  # not the four of lesion 2


def test_nothing_kept_is_no_inflammation(automatic):
    cleaned = measure_cleaned(automatic, mask(np.zeros(SHAPE, dtype=bool), automatic))
    assert cleaned.measurement.total.sensitive_mm3 == 0.0
    assert cleaned.lesions == ()
    assert {one.vhi_mm3 for one in cleaned.stability.threshold_changes} == {0.0}
    assert cleaned.stability.unstable_because == ()


def test_a_part_that_was_erased_splits_a_lesion_into_two(automatic):
    kept = automatic.grade > 0
    kept[9:11, 1:3, 1] = False
    kept[9, 1:3, 2] = kept[10, 2, 2] = False  # of lesion 1 one voxel is left
    cleaned = measure_cleaned(automatic, mask(kept, automatic))
    assert [lesion.voxels for lesion in cleaned.lesions] == [4, 1]  # numbered anew, and a small group of the reader's stays
    changes = changes_of(automatic, mask(kept, automatic))
    assert changes.boundary_edits == ((1, 7),)
    assert (changes.lesions_kept, changes.lesions_removed, changes.removed_voxels) == ((2,), (), 7)


def test_what_was_painted_counts_where_it_reaches_the_threshold(automatic):
    kept = automatic.lesion_labels == 1
    kept[7, 4, 0] = True  # normal bone of 7.5, cleared by the rule for small groups
    kept[5, 5, 0] = kept[0, 0, 0] = True  # 0.5
    changes = changes_of(automatic, mask(kept, automatic))
    assert (changes.painted_outside, changes.painted_below_threshold) == (1, 2)
    assert (changes.lesions_kept, changes.lesions_removed) == ((1,), (2,))
    cleaned = measure_cleaned(automatic, mask(kept, automatic))
    assert (cleaned.measurement.total.sensitive, cleaned.measurement.total.conservative) == (9, 5)
    # 7.5 stays above 7.35 and falls below 7.7
    assert [one.vhi_mm3 / 6 for one in cleaned.stability.threshold_changes] == [9, 9, 4 + 1, 4]


def test_a_mask_of_another_grid_is_refused(automatic):
    other = Grid(SHAPE, automatic.stir.grid.affine + np.eye(4) * 2)
    for refuse in (measure_cleaned, changes_of):
        with pytest.raises(GridMismatchError, match="must share one grid|mm apart"):
            refuse(automatic, Mask(automatic.grade > 0, other))


@pytest.mark.parametrize("seed", range(6))
def test_keeping_everything_changes_no_number(seed):
    scan = pair(np.random.default_rng(seed))
    before = measure_vhi(scan.t1w, scan.stir, normal_bone=scan.normal_bone, disease_region=scan.disease_region)
    after = measure_cleaned(before, kept_after_clicks(before)[0])
    assert before.lesions
    assert after.measurement == before.measurement
    assert after.lesions == before.lesions
    np.testing.assert_array_equal(after.grade, before.grade)
    assert after.stability.vhi_mm3 == before.stability.vhi_mm3


@pytest.mark.parametrize("seed", range(3))
def test_removing_every_lesion_one_by_one_leaves_nothing(seed):
    scan = pair(np.random.default_rng(seed))
    before = measure_vhi(scan.t1w, scan.stir, normal_bone=scan.normal_bone, disease_region=scan.disease_region)
    clicks = [tuple(np.argwhere(before.lesion_labels == lesion.id)[0]) for lesion in before.lesions]
    kept, messages = kept_after_clicks(before, remove=clicks)
    assert not kept.voxels
    assert messages == ()
    assert dataclasses.astuple(changes_of(before, kept))[:2] == ((), tuple(lesion.id for lesion in before.lesions))


def test_voxels_that_a_setting_filled_below_the_threshold_are_kept_with_their_grade():
    ring = handmade()
    data = ring.stir.data.copy()
    data[3:6, 1:4, 3] = 9.0
    data[4, 2, 3] = 0.5
    stir = Volume(data, ring.stir.grid, "STIR")
    settings = type(ring.settings).from_values({"fill_holes": True})
    filled = measure_vhi(ring.t1w, stir, normal_bone=ring.normal_bone, settings=settings, disease_region=ring.disease_region.mask)
    assert filled.grade[4, 2, 3] == 1
    cleaned = measure_cleaned(filled, kept_after_clicks(filled)[0])
    assert cleaned.measurement == filled.measurement
    assert changes_of(filled, kept_after_clicks(filled)[0]).painted_below_threshold == 0


def test_a_cleaned_result_keeps_the_rule_of_its_thresholds():
    result = handmade(rule="robust")
    # quartiles 2 and 4, far fence 10, brightest voxel 7.5: limit 8.75, sensitive 0.6 * 2 lower; each slice holds the same values
    assert result.thresholds.sensitive == pytest.approx(7.55)
    cleaned = measure_cleaned(result, Mask(result.grade > 0, result.stir.grid, "kept"))
    for one in (result, cleaned):
        assert [left.sensitive for left in one.stability.slices_left_out] == pytest.approx([7.55] * 3)
