"""Lesions below a volume are cleared."""

import numpy as np

from drawing import grid_of, slice_of, stack_of
from lib.core.transforms.small_volumes import DropSmallVolumesd, drop_small_volumes


def test_a_lesion_counts_its_voxels_over_all_slices():
    grade = stack_of(slice_of("11..1"), slice_of(".1..."))
    kept = stack_of(slice_of("11..."), slice_of(".1..."))
    np.testing.assert_array_equal(drop_small_volumes(grade, 3), kept)


def test_a_lesion_of_exactly_the_volume_stays():
    grade = slice_of("111.")
    grid, everywhere = grid_of(grade), np.ones_like(grade, dtype=bool)
    three = 3 * grid.voxel_volume_mm3
    np.testing.assert_array_equal(DropSmallVolumesd(min_volume_mm3=three).apply(grade, grid, everywhere), grade)
    assert not DropSmallVolumesd(min_volume_mm3=three + 0.01).apply(grade, grid, everywhere).any()


def test_it_is_off_unless_asked_for():
    grade = slice_of("1...")
    np.testing.assert_array_equal(DropSmallVolumesd().apply(grade, grid_of(grade), np.ones_like(grade, dtype=bool)), grade)
