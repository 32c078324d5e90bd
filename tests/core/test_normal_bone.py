"""The normal-bone sample."""

import numpy as np
import pytest

from lib.core.normal_bone import MIN_VOXELS, NormalBoneSample, sample_normal_bone
from lib.core.volume import Grid, Mask, Volume
from lib.errors import GridMismatchError, NormalBoneError

# 1 mm pixels, 3.3 mm slices, hung as stored: I to the patient's left, J downwards, K backwards
CORONAL = Grid((130, 90, 9), np.array([[-1.0, 0, 0, 65], [0, 0, -3.3, 0], [0, -1.0, 0, 0], [0, 0, 0, 1]]))


def normal_bone(values, grid=CORONAL):
    """STIR that holds `values` in its first voxels, and the mask of these."""
    stir = np.zeros(grid.shape)
    stir.flat[-1] = -1.0
    stir.flat[: len(values)] = values
    mask = np.zeros(grid.shape, dtype=bool)
    mask.flat[: len(values)] = True
    return Volume(stir, grid, "STIR"), Mask(mask, grid, "normal bone")


def test_the_sample_is_what_lies_under_the_mask_with_the_slice_of_each_value():
    stir, mask = normal_bone(np.arange(45.0))  # the last axis runs fastest, so five rows of nine slices
    sample = sample_normal_bone(stir, mask)
    np.testing.assert_array_equal(sample.values, np.arange(45.0))
    np.testing.assert_array_equal(sample.slice_index, np.tile(np.arange(9), 5))
    assert sample.slices == tuple(range(9))


def test_one_slice_can_be_left_out():
    sample = NormalBoneSample(np.arange(30.0), np.repeat([4, 5, 7], 10))
    values, slices = sample.without_slice(5)
    np.testing.assert_array_equal(values, [*range(10), *range(20, 30)])
    np.testing.assert_array_equal(slices, [4] * 10 + [7] * 10)


def test_normal_bone_on_another_grid_is_refused():
    stir, _ = normal_bone(np.arange(45.0))
    moved = CORONAL.affine.copy()
    moved[0, 3] += 7
    with pytest.raises(GridMismatchError, match=r"lie up to 7\.0 mm apart"):
        sample_normal_bone(stir, Mask(np.ones(CORONAL.shape, dtype=bool), Grid(CORONAL.shape, moved), "normal bone"))


def test_an_empty_region_is_refused():
    with pytest.raises(NormalBoneError, match=r"normal-bone region \(normal bone\) is empty; at least 30 voxels are needed"):
        sample_normal_bone(*normal_bone([]))


def test_thirty_voxels_are_enough_and_twenty_nine_are_refused():
    assert sample_normal_bone(*normal_bone(np.arange(float(MIN_VOXELS)))).values.size == 30
    with pytest.raises(NormalBoneError, match="holds 29 voxels; at least 30 are needed"):
        sample_normal_bone(*normal_bone(np.arange(29.0)))


def test_one_intensity_throughout_is_refused():
    with pytest.raises(NormalBoneError, match=r"All 40 normal-bone voxels have one STIR intensity \(7\)"):
        sample_normal_bone(*normal_bone(np.full(40, 7.0)))


def test_a_sample_that_is_not_finite_or_lacks_slices_is_refused():
    with pytest.raises(NormalBoneError, match="NaN or infinite"):
        NormalBoneSample(np.array([np.nan, *range(40)]), np.zeros(41))
    with pytest.raises(NormalBoneError, match=r"found \(40,\) values and \(39,\) slice indices"):
        NormalBoneSample(np.arange(40.0), np.zeros(39))
