"""In-plane groups below a size are cleared."""

import numpy as np
import pytest

from drawing import grid_of, slice_of, stack_of
from lib.core.transforms.small_components import DropSmallComponentsd, drop_small_components


def test_a_group_of_four_pixels_is_kept_and_three_are_cleared():
    grade = slice_of("11..1",
                     "12..1",
                     "....1")  # fmt: skip
    kept = slice_of("11...",
                    "12...",
                    ".....")  # fmt: skip
    np.testing.assert_array_equal(drop_small_components(grade, min_pixels=4), kept)


def test_pixels_that_touch_by_a_corner_belong_together_unless_four_connected():
    grade = slice_of("11...",
                     "..11.",
                     ".....")  # fmt: skip
    np.testing.assert_array_equal(drop_small_components(grade, min_pixels=4), grade)
    np.testing.assert_array_equal(drop_small_components(grade, min_pixels=4, connectivity=4), np.zeros_like(grade))


def test_slices_do_not_hold_each_other_up():
    three = slice_of("111.",
                     "....")  # fmt: skip
    np.testing.assert_array_equal(drop_small_components(stack_of(three, three), min_pixels=4), np.zeros((2, 4, 2)))


def test_grades_form_groups_together_and_keep_their_values():
    grade = slice_of("1221")
    np.testing.assert_array_equal(drop_small_components(grade, min_pixels=4), grade)


def test_the_larger_of_pixels_and_area_decides():
    grade = slice_of("1111.",
                     "....1")  # fmt: skip
    grid = grid_of(grade)
    pixel = np.linalg.norm(np.cross(grid.affine[:3, 0], grid.affine[:3, 1]))
    everywhere = np.ones_like(grade, dtype=bool)
    exactly_five = DropSmallComponentsd(min_area_mm2=5 * pixel)
    np.testing.assert_array_equal(exactly_five.apply(grade, grid, everywhere), grade)
    assert not DropSmallComponentsd(min_area_mm2=5.01 * pixel).apply(grade, grid, everywhere).any()
    assert not DropSmallComponentsd(min_pixels=6, min_area_mm2=0.1).apply(grade, grid, everywhere).any()


def test_the_map_given_is_not_changed():
    grade = slice_of("1..1")
    DropSmallComponentsd().apply(grade, grid_of(grade), np.ones_like(grade, dtype=bool))
    assert grade.sum() == 2


@pytest.mark.parametrize("seed", range(20))
def test_it_equals_a_flood_fill_written_pixel_by_pixel(seed):
    rng = np.random.default_rng(seed)
    grade = rng.choice(3, size=(13, 11, 4), p=[0.7, 0.2, 0.1]).astype(np.uint8)
    least = int(rng.integers(2, 7))
    np.testing.assert_array_equal(drop_small_components(grade, least), flood_filled(grade, least))


def flood_filled(grade: np.ndarray, least: int) -> np.ndarray:
    out = grade.copy()
    for k in range(grade.shape[2]):
        left = {(i, j) for i in range(grade.shape[0]) for j in range(grade.shape[1]) if grade[i, j, k]}
        while left:
            group, front = set(), [left.pop()]
            while front:
                i, j = front.pop()
                group.add((i, j))
                near = {(i + a, j + b) for a in (-1, 0, 1) for b in (-1, 0, 1)} & left
                left -= near
                front += near
            if len(group) < least:
                for i, j in group:
                    out[i, j, k] = 0
    return out
