"""Grades and lesions."""

import numpy as np
import pytest

from drawing import OBLIQUE, grid_of, mask_of, slice_of, stack_of
from lib.core.lesions import LesionMap, grade_hyperintensity, label_lesions, lesion_table, midline_mm
from lib.core.thresholds import Thresholds
from lib.core.volume import Grid, Volume

THRESHOLDS = Thresholds(sensitive=100.0, conservative=200.0, multiple=1.5, q1=50.0, q3=80.0, n_normal_bone=9)


def test_a_voxel_at_a_threshold_is_above_it_and_nothing_counts_outside_the_region():
    data = np.array([[99.999, 100.0, 199.999, 200.0, 300.0]]).reshape(1, 5, 1)
    region = mask_of(np.array([1, 1, 1, 1, 0]).reshape(1, 5, 1))
    grade = grade_hyperintensity(Volume(data, region.grid), region, 100.0, 200.0)
    np.testing.assert_array_equal(grade.ravel(), [0, 1, 1, 2, 0])


def test_lesions_are_numbered_from_the_largest_and_touch_across_slices_by_a_corner():
    grade = stack_of(slice_of("1....11",
                              ".....12"),
                     slice_of(".......",
                              ".1....."))  # fmt: skip
    labels, count = label_lesions(grade)
    assert count == 2
    np.testing.assert_array_equal(
        labels,
        stack_of(slice_of("2....11",
                          ".....11"),
                 slice_of(".......",
                          ".2.....")),
    )  # fmt: skip


def test_a_lesion_is_described_in_patient_millimetres():
    grade = stack_of(slice_of("1....",
                              "2....",
                              "....."),
                     slice_of(".....",
                              "1....",
                              "....1"))  # fmt: skip
    affine = np.diag([2.0, 3.0, 5.0, 1.0])  # I to the right, J forward, K up
    grid = Grid(grade.shape, affine)
    stir = Volume(np.where(grade == 2, 260.0, np.where(grade == 1, 120.0, 10.0)), grid)
    labels, count = label_lesions(grade)
    first, second = lesion_table(LesionMap(grade, labels, count), stir, THRESHOLDS, midline=3.0)
    assert (first.id, first.voxels, first.conservative_voxels) == (1, 3, 1)
    assert first.mm3 == pytest.approx(90.0)
    assert first.centroid_mm == pytest.approx((2 * 2 / 3, 0.0, 5 / 3))
    assert (first.slices, first.side) == ((0, 1), "left")
    assert first.mean_intensity == pytest.approx(500 / 3)
    assert first.relative_to_sensitive == pytest.approx(5 / 3)
    assert first.conservative_share == pytest.approx(1 / 3)
    assert (second.voxels, second.slices, second.side, second.centroid_mm) == (1, (1,), "right", (4.0, 12.0, 5.0))


def test_no_inflammation_is_no_lesion():
    grade = slice_of("...", "...")
    labels, count = label_lesions(grade)
    assert count == 0
    stir = Volume(np.arange(6.0).reshape(2, 3, 1), grid_of(grade))
    assert lesion_table(LesionMap(grade, labels, count), stir, THRESHOLDS, 0.0) == ()


def test_the_midline_goes_through_the_centroid_of_the_region():
    region = mask_of(slice_of("1...", "1...", "11..", "...."))
    i, j = [0, 1, 2, 2], [0, 0, 0, 1]
    x = OBLIQUE[0, 3] + OBLIQUE[0, 0] * np.mean(i) + OBLIQUE[0, 1] * np.mean(j)
    assert midline_mm(region) == pytest.approx(x)
