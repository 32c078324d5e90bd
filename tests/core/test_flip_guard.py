"""A flipped mask is refused, and a poor one is not called flipped."""

from __future__ import annotations

import numpy as np
import pytest

from drawing import OBLIQUE
from lib.core.flip_guard import check_inflammation_not_flipped, check_region_not_flipped, hyperintense_share
from lib.core.normal_bone import sample_normal_bone
from lib.core.thresholds import thresholds_from
from lib.core.volume import Grid, Mask, Volume
from lib.errors import GridMismatchError, InputError
from lib.studies.nifti import read_mask, read_volume

SHAPE = (10, 8, 6)
GRID = Grid(SHAPE, OBLIQUE)


def stir_with_a_lesion() -> Volume:
    """Twelve bright voxels (9) in slice 1, everything else dark (1)."""
    data = np.ones(SHAPE)
    data[2:6, 3:6, 1] = 9.0
    return Volume(data, GRID, "STIR")


def mask(*boxes: tuple[slice, slice, int], name: str = "inflammation") -> Mask:
    data = np.zeros(SHAPE, dtype=bool)
    for box in boxes:
        data[box] = True
    return Mask(data, GRID, name)


def test_a_mask_on_its_lesion_is_fine_and_its_flip_is_refused_with_both_shares():
    right = mask((slice(2, 6), slice(3, 6), 1))
    check_inflammation_not_flipped(right, stir_with_a_lesion(), 5.0)
    with pytest.raises(InputError, match="flipped along the slices: 0% of its 12 voxels.* and 100% with"):
        check_inflammation_not_flipped(Mask(right.data[:, :, ::-1], GRID, "inflammation"), stir_with_a_lesion(), 5.0)


def test_a_mask_on_dark_voxels_whose_flip_is_as_dark_is_not_called_flipped():
    check_inflammation_not_flipped(mask((slice(7, 9), slice(0, 2), 4)), stir_with_a_lesion(), 5.0)


def test_a_mask_painted_generously_around_its_lesion_is_fine():
    # 12 of 60 voxels are bright: 20%, and none of its flip
    check_inflammation_not_flipped(mask((slice(0, 10), slice(2, 8), 1)), stir_with_a_lesion(), 5.0)


def test_no_inflammation_is_fine():
    check_inflammation_not_flipped(mask(), stir_with_a_lesion(), 5.0)
    assert np.isnan(hyperintense_share(mask().data, stir_with_a_lesion().data, 5.0))


def test_a_mask_in_the_middle_slice_is_its_own_flip():
    grid = Grid((4, 4, 3), OBLIQUE)
    data = np.zeros(grid.shape, dtype=bool)
    data[1:3, 1:3, 1] = True
    stir = np.ones(grid.shape)
    stir[0, 0, 0] = 2.0
    check_inflammation_not_flipped(Mask(data, grid), Volume(stir, grid, "STIR"), 1.5)


def test_another_grid_is_refused_before_anything_else():
    other = Grid((10, 8, 5), OBLIQUE)
    with pytest.raises(GridMismatchError):
        check_inflammation_not_flipped(Mask(np.zeros(other.shape, bool), other), stir_with_a_lesion(), 5.0)


def region_growing_with_the_slice() -> Mask:
    """K + 2 rows in slice K: 2 to 7 rows."""
    return mask(*((slice(0, k + 2), slice(0, 8), k) for k in range(6)), name="disease region")


def test_a_region_that_fits_only_when_flipped_is_refused():
    automatic = region_growing_with_the_slice()
    check_region_not_flipped(automatic, automatic)
    with pytest.raises(InputError, match=r"Dice with the automatic region is 0\.67, and 1\.00 with"):
        check_region_not_flipped(Mask(automatic.data[:, :, ::-1], GRID, "disease region"), automatic)


def test_a_region_that_fits_neither_way_is_the_readers_business():
    elsewhere = mask((slice(7, 10), slice(0, 8), 0), name="disease region")
    check_region_not_flipped(elsewhere, region_growing_with_the_slice())
    check_region_not_flipped(mask(), region_growing_with_the_slice())


@pytest.mark.data
@pytest.mark.parametrize("case", ["3002", "4386"])  # the flattest and the darkest of the manual readings
def test_manual_readings_pass_and_their_flips_are_refused(vhi_data, case):
    stir = read_volume(vhi_data / f"images_study/STIR/{case}_STIR.nii.gz", "STIR")
    bone = read_mask(vhi_data / f"segmentations/normal_marrow/{case}_normal_marrow.nii.gz", "normal bone")
    sensitive = thresholds_from(sample_normal_bone(stir, bone).values).sensitive
    for reader in ("R11", "R21"):
        (path,) = (vhi_data / f"segmentations/inflammation_manual/{reader}").glob(f"{case}_*")
        drawn = read_mask(path, "inflammation")
        check_inflammation_not_flipped(drawn, stir, sensitive)
        with pytest.raises(InputError, match="flipped along the slices"):
            check_inflammation_not_flipped(Mask(drawn.data[:, :, ::-1], drawn.grid, "inflammation"), stir, sensitive)
