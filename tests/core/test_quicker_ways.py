"""Measurements from few voxels against the same by passes over the whole grid: equal, voxel for voxel and digit for digit."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from clicking import kept_after_clicks
from drawing import pair
from lib.core import cleaning, regrading
from lib.core.anatomy import PlacedVoxels, part_extents
from lib.core.cleaning import changes_of, kept_after, lesion_field, lesions_after, measure_cleaned
from lib.core.corrections import DisplayedLesions
from lib.core.gestures import Click, replay
from lib.core.lesions import LesionMap, clear, grade_hyperintensity, label_lesions, lesion_table, voxels_of
from lib.core.partition import PARTS, ZONES
from lib.core.pipeline import measure_prepared, measure_vhi, prepare_scan, with_grade
from lib.core.regrading import BoxedScan, Regrading
from lib.core.settings import VhiSettings
from lib.core.touching import BrightGroups, TouchingVoxels, in_slices
from lib.core.volume import Mask
from lib.readings.shown_lesions import ShownLesions
from oracle import IN_SPACE, groups

pytestmark = pytest.mark.slow  # seconds in all

SETTINGS = (
    {},
    {"min_pixels": 9},
    {"connectivity": 4},
    {"min_area_mm2": 2.0, "first_multiple": 2.0},
    {"hysteresis": True},
    {"fill_holes": True},
)


def scan_of(seed):
    return pair(np.random.default_rng(seed), (24, 20, 6))


def measured(seed, **values):
    scan = scan_of(seed)
    settings = VhiSettings.from_values(values)
    return measure_vhi(scan.t1w, scan.stir, normal_bone=scan.normal_bone, disease_region=scan.disease_region, settings=settings)


def by_passes(result, sensitive, conservative):
    """Grade map and labels as `lib.core.lesions` makes them of the whole grid."""
    raw = grade_hyperintensity(result.stir, result.disease_region.mask, sensitive, conservative)
    grade = clear(raw, result.disease_region.mask, result.settings)
    return grade, *label_lesions(grade), int(np.count_nonzero(raw))


@pytest.mark.parametrize("connectivity", [4, 8, 26])
@pytest.mark.parametrize("seed", range(3))
def test_groups_of_few_voxels_are_those_that_a_walk_from_voxel_to_voxel_finds(seed, connectivity):
    mask = np.random.default_rng(seed).random((7, 6, 4)) > 0.7
    index = in_slices(mask)
    found = TouchingVoxels.of(index, mask.shape).groups(np.ones(len(index), dtype=bool), connectivity)
    steps = {
        4: [step for step in IN_SPACE if step[2] == 0 and abs(step[0]) + abs(step[1]) == 1],
        8: [step for step in IN_SPACE if step[2] == 0],
        26: IN_SPACE,
    }[connectivity]
    expected = {frozenset(one) for one in groups({tuple(at) for at in index.tolist()}, steps)}
    assert {frozenset(map(tuple, index[found == number].tolist())) for number in np.unique(found)} == expected
    # numbered by their first voxels
    assert list(dict.fromkeys(found.tolist())) == sorted(set(found.tolist()))


@pytest.mark.parametrize("connectivity", [4, 8, 26])
def test_groups_that_grow_from_higher_thresholds_are_those_of_each_threshold_alone(connectivity):
    rng = np.random.default_rng(connectivity)
    index = in_slices(rng.random((12, 11, 5)) > 0.3)
    voxels, values = TouchingVoxels.of(index, (12, 11, 5)), rng.integers(1, 60, len(index)).astype(float)
    grown = BrightGroups(voxels, values, connectivity)
    for threshold in rng.permutation(np.tile(np.arange(1, 62), 2)):  # up and down, more than are remembered, some twice
        alone = voxels.groups(values >= threshold, connectivity)
        first = np.unique(alone, return_index=True)[1]
        np.testing.assert_array_equal(grown.at(float(threshold)), first[alone])


def same_maps(result, regraded, sensitive, conservative):
    found, expected = regraded.maps_at(sensitive, conservative), by_passes(result, sensitive, conservative)
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_array_equal(one, other)
    assert regraded.voxels_at(sensitive, conservative) == np.count_nonzero(expected[0])


@pytest.mark.parametrize("most", [regrading.MOST_BRIGHT_VOXELS, 20])
@pytest.mark.parametrize("values", SETTINGS, ids=str)
def test_grades_and_lesions_at_any_thresholds_are_those_of_passes_over_the_whole_region(values, most, monkeypatch):
    monkeypatch.setattr(regrading, "MOST_BRIGHT_VOXELS", most)
    for seed in range(2):
        result = measured(seed, **values)
        t = result.thresholds
        regraded = Regrading(BoxedScan(result.stir, result.disease_region.mask), result.settings)
        for factor in (1.0, 1.1, 0.5, 0.9, 2.0):  # downwards too, below what was looked at first
            same_maps(result, regraded, t.sensitive * factor, t.conservative * factor)
        np.testing.assert_array_equal(result.grade, by_passes(result, t.sensitive, t.conservative)[0])


def test_a_scan_prepared_once_gives_for_every_setting_what_measuring_it_anew_gives():
    scan = scan_of(4)
    prepared = prepare_scan(scan.t1w, scan.stir, normal_bone=scan.normal_bone, disease_region=scan.disease_region)
    for values in SETTINGS:
        assert_same(measure_prepared(prepared, VhiSettings.from_values(values)), measured(4, **values))


def assert_same(one, other):
    for name in ("grade", "lesion_labels", "normal_bone_values"):
        np.testing.assert_array_equal(getattr(one, name), getattr(other, name))
    for name in ("lesions", "measurement", "stability", "thresholds", "warnings", "stage", "raw"):
        assert getattr(one, name) == getattr(other, name), name


def gestures(result, rng):
    """Clicks on lesions and on their slices, some undone, some on nothing."""
    at = np.argwhere(result.grade > 0)
    for n in range(12):
        voxel = tuple(int(index) for index in (rng.integers(result.grade.shape) if n == 3 else at[rng.integers(len(at))]))
        yield Click("restore" if n % 5 == 4 else "remove", voxel, "slice" if rng.random() > 0.5 else "lesion")


@pytest.mark.parametrize("most", [regrading.MOST_BRIGHT_VOXELS, 20])
@pytest.mark.parametrize("values", SETTINGS, ids=str)
def test_a_list_of_gestures_measures_what_passes_over_the_whole_region_measure(values, most, monkeypatch):
    monkeypatch.setattr(regrading, "MOST_BRIGHT_VOXELS", most)
    for seed in range(3):
        automatic, rng = measured(seed, **values), np.random.default_rng(seed)
        clicks = list(gestures(automatic, rng))
        for count in (1, 4, 12):
            keep = replay(lesion_field(automatic), clicks[:count], np.ones(len(automatic.lesions) + 1, dtype=bool)).keep
            slices = np.arange(automatic.grade.shape[2])
            kept = Mask(keep[automatic.lesion_labels, slices], automatic.stir.grid, "inflammation")
            cleaned = measure_cleaned(automatic, kept)
            slow = cleaning._CleanedAt(automatic, kept)
            compare_with_passes(cleaned, automatic, kept, slow)


def compare_with_passes(found, automatic, kept, slow):
    grade = np.where(kept.data, automatic.grade, 0)
    expected = with_grade(automatic, grade, automatic.measurement.raw_sensitive)
    for name in ("grade", "lesion_labels"):
        np.testing.assert_array_equal(getattr(found, name), getattr(expected, name))
    assert found.lesions == expected.lesions
    assert found.measurement == expected.measurement
    t, s = found.thresholds, found.stability
    assert s.vhi_mm3 == slow(t.sensitive, t.conservative)
    for one in s.threshold_changes:
        factor = 1 + one.change
        assert one.vhi_mm3 == slow(t.sensitive * factor, t.conservative * factor)
    sizes = np.bincount(automatic.lesion_labels[kept.data], minlength=len(automatic.lesions) + 1)[1:]
    changes = changes_of(automatic, kept)
    assert changes.lesions_kept == tuple(one.id for one in automatic.lesions if sizes[one.id - 1] == one.voxels)
    assert changes.lesions_removed == tuple(one.id for one in automatic.lesions if not sizes[one.id - 1])


def test_replayed_clicks_keep_what_a_look_at_every_voxel_keeps():
    automatic = measured(1)
    at = [tuple(int(i) for i in voxel) for voxel in np.argwhere(automatic.grade > 0)[::40]]
    kept, _ = kept_after_clicks(automatic, at[:6], at[4:5], "slice")
    gone = {(automatic.lesion_labels[v], v[2]) for v in at[:6]} - {(automatic.lesion_labels[v], v[2]) for v in at[4:5]}
    for voxel in np.ndindex(automatic.grade.shape):
        lesion = automatic.lesion_labels[voxel]
        assert kept.data[voxel] == (lesion > 0 and (lesion, voxel[2]) not in gone)


@pytest.mark.parametrize("removed", [(), (1, 3)])
def test_gestures_replayed_once_leave_the_lesions_and_the_mask_that_each_asked_for_apart(removed):
    automatic = measured(1)
    at = [tuple(int(i) for i in voxel) for voxel in np.argwhere(automatic.grade > 0)[::8]]
    clicks = [*(Click("remove", voxel, "slice") for voxel in at[:6]), Click("restore", at[1])]
    start = np.ones(len(automatic.lesions) + 1, dtype=bool)
    start[list(removed)] = False
    once = lesions_after(automatic, clicks, start)
    shown, apart = DisplayedLesions.of(once, start), DisplayedLesions.after(lesion_field(automatic), clicks, removed)
    for name in ("labels", "proposed", "kept"):
        np.testing.assert_array_equal(getattr(shown, name), getattr(apart, name))
    keep = apart.kept[automatic.lesion_labels, np.arange(automatic.grade.shape[2])]
    kept, again = kept_after(automatic, clicks, start)
    np.testing.assert_array_equal(kept.data, (automatic.grade > 0) & keep)
    np.testing.assert_array_equal(again.labels, once.labels)


@pytest.mark.parametrize("order", ["C", "F"])
def test_voxels_of_a_map_are_those_of_argwhere_and_noted_lesions_those_of_the_whole_grid(order):
    automatic = measured(2)
    grade = np.asarray(automatic.grade, order=order)
    np.testing.assert_array_equal(voxels_of(grade), np.argwhere(grade))
    noted = ShownLesions.of(dataclasses.replace(automatic, grade=grade))
    known = automatic.anatomy is not None and automatic.anatomy.is_known
    expected = (grade > 0) * (automatic.anatomy.part + np.uint8(2) if known else np.uint8(1))
    np.testing.assert_array_equal(noted.coded, expected)
    assert noted.coded.dtype == expected.dtype


@pytest.mark.parametrize("seed", range(3))
def test_lesions_are_described_as_by_a_look_at_each_alone(seed):
    result = measured(seed)
    grade, labels, midline = result.grade, result.lesion_labels, result.measurement.midline_mm
    rng = np.random.default_rng(seed)
    part, zone = (rng.integers(0, most, grade.shape).astype(np.uint8) for most in (len(PARTS), len(ZONES)))
    anatomy = dataclasses.replace(result.anatomy, part=part, zone=zone)
    graded = LesionMap(grade, labels, len(result.lesions))
    table = lesion_table(graded, result.stir, result.thresholds, midline, anatomy)
    for lesion in table:
        own = labels == lesion.id
        assert lesion.slices == tuple(np.flatnonzero(own.any(axis=(0, 1))).tolist())
        assert lesion.part == PARTS[np.bincount(part[own], minlength=len(PARTS)).argmax()]
    where = np.nonzero(grade)
    x_mm = result.stir.grid.world_mm(np.argwhere(grade))[:, 0]
    placed = PlacedVoxels(grade=grade[where], lesion=labels[where], part=part[where], x_mm=x_mm)
    sides = [lesion.side for lesion in table]
    found = {
        (extent.part, extent.side): (extent.sensitive_mm3, extent.conservative_mm3)
        for extent in part_extents(placed, sides, midline, 2.0)
    }
    expected = {}
    for voxel, x in zip(np.argwhere(grade), x_mm, strict=True):
        at = tuple(voxel)
        side = sides[labels[at] - 1]
        side = "midline" if side == "midline" else "left" if x < midline else "right"
        before = expected.get((PARTS[part[at]], side), (0.0, 0.0))
        expected[PARTS[part[at]], side] = (before[0] + 2.0, before[1] + 2.0 * (grade[at] == 2))
    assert found == expected


def test_a_mask_that_a_reader_erased_in_part_goes_the_way_of_passes_over_the_region_and_gives_the_same_lesions():
    automatic, rng = measured(2), np.random.default_rng(2)
    kept = Mask((automatic.grade > 0) & (rng.random(automatic.grade.shape) > 0.3), automatic.stir.grid, "inflammation")
    compare_with_passes(measure_cleaned(automatic, kept), automatic, kept, cleaning._CleanedAt(automatic, kept))


def test_a_cleaned_result_cleaned_again_forgets_nothing_of_the_automatic_one():
    automatic = measured(0)
    first = measure_cleaned(automatic, kept_after_clicks(automatic, [tuple(np.argwhere(automatic.lesion_labels == 1)[0])])[0])
    again = measure_cleaned(first, Mask(first.grade > 0, first.stir.grid, "inflammation"))
    slow = cleaning._CleanedAt(dataclasses.replace(first), Mask(first.grade > 0, first.stir.grid, "inflammation"))
    assert again.stability.threshold_changes[0].vhi_mm3 == slow(
        *(0.9 * limit for limit in (first.thresholds.sensitive, first.thresholds.conservative))
    )
