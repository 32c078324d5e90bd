"""Lesions that do not touch the conservative threshold go."""

import numpy as np

from drawing import grid_of, slice_of, stack_of
from lib.core.transforms.hysteresis import Hysteresisd, keep_touching_conservative


def test_a_group_with_a_voxel_of_grade_two_stays_whole_and_the_others_go():
    grade = slice_of("11..1",
                     ".2..1",
                     ".....")  # fmt: skip
    kept = slice_of("11...",
                    ".2...",
                    ".....")  # fmt: skip
    np.testing.assert_array_equal(keep_touching_conservative(grade), kept)


def test_a_group_is_held_up_from_the_next_slice_even_by_a_corner():
    grade = stack_of(slice_of("1.."), slice_of(".2."))
    np.testing.assert_array_equal(keep_touching_conservative(grade), grade)


def test_it_is_off_unless_asked_for():
    grade = slice_of("11..")
    everywhere = np.ones_like(grade, dtype=bool)
    np.testing.assert_array_equal(Hysteresisd().apply(grade, grid_of(grade), everywhere), grade)
    assert not Hysteresisd(hysteresis=True).apply(grade, grid_of(grade), everywhere).any()
