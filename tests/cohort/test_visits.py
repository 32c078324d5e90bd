"""Lesions of two visits, drawn by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest

from drawing import slice_of, stack_of
from lib.cohort.visits import match_lesions
from lib.core.volume import Grid
from lib.errors import InputError, SettingsError

AFFINE = np.diag([1.0, 1.0, 3.0, 1.0])  # voxels of 3 mm3
EMPTY = slice_of("......", "......")


def match(before, after, **settings):
    before, after = stack_of(before, EMPTY), stack_of(after, EMPTY)
    return match_lesions(before, after, Grid(before.shape, AFFINE), **settings)


def outline(found):
    return {
        (one.status, one.baseline_ids, one.follow_up_ids, round(one.baseline_mm3, 9), round(one.follow_up_mm3, 9))
        for one in found.lesions
    }


def test_lesions_that_share_a_voxel_persist_and_others_are_new_or_resolved():
    matching = match(slice_of("11...2", "11...2"), slice_of("1.....", "..33.."))
    assert outline(matching) == {
        ("persisting", (1,), (1,), 12.0, 3.0),
        ("resolved", (2,), (), 6.0, 0.0),
        ("new", (), (3,), 0.0, 6.0),
    }
    assert [matching.count(status) for status in ("new", "resolved", "persisting")] == [1, 1, 1]


def test_changes_add_up_to_the_change_of_the_volume():
    matching = match(slice_of("11...2", "11...2"), slice_of("1.....", "..33.."))
    assert (matching.baseline_mm3, matching.follow_up_mm3, matching.change_mm3) == pytest.approx((18, 9, -9))
    persisting = next(one for one in matching.lesions if one.status == "persisting")
    assert (persisting.change_mm3, persisting.relative_change) == pytest.approx((-9, -0.75))
    assert math.isnan(next(one for one in matching.lesions if one.status == "new").relative_change)
    assert next(one for one in matching.lesions if one.status == "resolved").relative_change == -1


def test_a_lesion_that_splits_and_lesions_that_merge_stay_together():
    matching = match(slice_of("111.22", "......"), slice_of("1.2222", "......"))
    assert outline(matching) == {("persisting", (1, 2), (1, 2), 15.0, 15.0)}


def test_lesions_within_the_tolerance_match_and_beyond_it_do_not():
    before, after = slice_of("1.....", "......"), slice_of("...2..", "......")
    assert match(before, after, tolerance_mm=3).count("persisting") == 1
    assert match(before, after, tolerance_mm=2.9).count("persisting") == 0


def test_the_tolerance_counts_millimetres_between_slices():
    before = stack_of(slice_of("1"), slice_of("."))
    after = stack_of(slice_of("."), slice_of("1"))
    grid = Grid((1, 1, 2), AFFINE)
    assert match_lesions(before, after, grid, tolerance_mm=2).count("new") == 1
    assert match_lesions(before, after, grid, tolerance_mm=3).count("persisting") == 1


def test_a_neighbour_hidden_behind_another_lesion_matches_too():
    # follow-up 3 is nearest to baseline 2, but baseline 1 is within reach as well: seen from its side
    matching = match(slice_of("1.2...", "......"), slice_of("...3..", "......"), tolerance_mm=3)
    assert outline(matching) == {("persisting", (1, 2), (3,), 6.0, 3.0)}


def test_the_place_of_a_lesion_is_that_at_baseline():
    matching = match(slice_of("11....", "......"), slice_of("111...", "......"))
    assert matching.lesions[0].centroid_mm == (0.0, 0.5, 0.0)


def test_two_visits_without_lesions_have_no_change():
    matching = match(EMPTY, EMPTY)
    assert (matching.lesions, matching.change_mm3) == ((), 0)


@pytest.mark.parametrize(("before", "after"), [(slice_of("11....", "......"), EMPTY), (EMPTY, slice_of("11....", "......"))])
def test_one_visit_may_be_empty(before, after):
    matching = match(before, after, tolerance_mm=5)
    assert len(matching.lesions) == 1
    assert abs(matching.change_mm3) == pytest.approx(6)


def test_maps_that_do_not_fit_are_refused():
    grid = Grid((2, 6, 1), AFFINE)
    with pytest.raises(InputError, match="resample"):
        match_lesions(EMPTY[1:], EMPTY, grid)
    with pytest.raises(InputError, match="numbered"):
        match_lesions(EMPTY, EMPTY.astype(float), grid)
    with pytest.raises(SettingsError, match="0 mm or more"):
        match_lesions(EMPTY, EMPTY, grid, tolerance_mm=-1)
