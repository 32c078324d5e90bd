"""Grids, volumes and masks."""

import numpy as np
import pytest

from drawing import OBLIQUE
from lib.core.volume import (
    Grid,
    Mask,
    Volume,
    check_no_bright_padding,
    check_no_slice_is_blank,
    check_same_grid,
    check_slices_last,
    grid_distance_mm,
    slice_axis,
)
from lib.errors import GridMismatchError, InputError


def test_voxel_volume_and_spacing_of_an_oblique_grid():
    turn = np.deg2rad(30)
    rotation = np.array([[1, 0, 0], [0, np.cos(turn), -np.sin(turn)], [0, np.sin(turn), np.cos(turn)]])
    affine = np.eye(4)
    affine[:3, :3] = rotation @ np.diag([0.5, 0.6, 3.3])
    grid = Grid((4, 5, 6), affine)
    assert grid.spacing_mm == pytest.approx((0.5, 0.6, 3.3))
    assert grid.voxel_volume_mm3 == pytest.approx(0.5 * 0.6 * 3.3)


def test_corners_are_the_centres_of_the_corner_voxels():
    corners = Grid((3, 2, 2), np.diag([2.0, 1.0, 1.0, 1.0])).corners_mm()
    assert corners.shape == (8, 3)
    np.testing.assert_allclose(corners.max(axis=0), [4.0, 1.0, 1.0])


def test_grids_that_agree_to_a_hundredth_of_a_millimetre_are_one():
    near = OBLIQUE.copy()
    near[:3, 3] += 0.01
    data = np.arange(60.0).reshape(3, 4, 5)
    a, b = Volume(data, Grid((3, 4, 5), OBLIQUE), "T1W 1"), Volume(data, Grid((3, 4, 5), near), "STIR 1")
    check_same_grid(a, b)
    assert grid_distance_mm(a.grid, b.grid) == pytest.approx(0.01 * np.sqrt(3))


def test_grids_apart_are_refused_in_millimetres():
    far = OBLIQUE.copy()
    far[0, 3] += 3.3
    data = np.arange(60.0).reshape(3, 4, 5)
    a, b = Volume(data, Grid((3, 4, 5), OBLIQUE), "T1W 1"), Volume(data, Grid((3, 4, 5), far), "STIR 1")
    with pytest.raises(GridMismatchError, match=r"T1W 1 and STIR 1 have one shape \(3, 4, 5\) but lie up to 3.3 mm apart"):
        check_same_grid(a, b)


def test_a_stack_stored_the_other_way_round_is_another_grid():
    flipped = OBLIQUE.copy()
    flipped[:3, 3] += OBLIQUE[:3, 2] * 4
    flipped[:3, 2] *= -1
    mask = Mask(np.zeros((3, 4, 5), dtype=bool), Grid((3, 4, 5), flipped))
    with pytest.raises(GridMismatchError):
        check_same_grid(Volume(np.arange(60.0).reshape(3, 4, 5), Grid((3, 4, 5), OBLIQUE)), mask)


def test_shapes_apart_are_refused():
    a = Volume(np.arange(60.0).reshape(3, 4, 5), Grid((3, 4, 5), OBLIQUE), "T1W")
    b = Volume(np.arange(48.0).reshape(3, 4, 4), Grid((3, 4, 4), OBLIQUE), "STIR")
    with pytest.raises(GridMismatchError, match=r"T1W has shape \(3, 4, 5\) and STIR has shape \(3, 4, 4\)"):
        check_same_grid(a, b)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (np.array([[[1.0, np.nan]]]), "STIR holds 1 voxels that are NaN or infinite"),
        (np.array([[[1.0, np.inf]]]), "STIR holds 1 voxels"),
        (np.array([[[7.0, 7.0]]]), "STIR is constant .every voxel is 7."),
        (np.array([[[1.0, 2.0, 3.0]]]), r"shape \(1, 1, 3\), its grid \(1, 1, 2\)"),
    ],
)
def test_an_image_without_usable_intensities_is_refused(data, message):
    with pytest.raises(InputError, match=message):
        Volume(data, Grid((1, 1, 2), np.eye(4)), "STIR")


@pytest.mark.parametrize("affine", [np.zeros((4, 4)), np.full((4, 4), np.nan), np.diag([1.0, 0.0, 1.0, 1.0])])
def test_a_grid_without_geometry_is_refused(affine):
    with pytest.raises(InputError, match="re-export the file with its geometry"):
        Grid((2, 2, 2), affine)


def test_a_mask_of_numbers_is_refused():
    with pytest.raises(InputError, match="only 0 and 1"):
        Mask(np.ones((2, 2, 2), dtype=np.uint8), Grid((2, 2, 2), np.eye(4)))


@pytest.mark.parametrize(
    ("spacing_mm", "axis"),
    [((0.6, 0.6, 3.3), 2), ((3.3, 0.6, 0.6), 0), ((0.6, 3.3, 0.6), 1), ((1, 1, 1), 2), ((1.2, 1, 0.9), 2), ((0.5, 1, 0.6), 1)],
)
def test_slices_lie_along_the_axis_of_clearly_longer_voxels(spacing_mm, axis):
    assert slice_axis(Grid((3, 4, 5), np.diag([*spacing_mm, 1.0]))) == axis


def test_an_array_whose_slices_are_not_last_is_refused_by_its_axis():
    data = np.arange(60.0).reshape(3, 4, 5)
    with pytest.raises(InputError, match=r"STIR 1 holds its slices \(3.30 mm apart\) along the second axis .* --slices-last"):
        check_slices_last(Volume(data, Grid((3, 4, 5), np.diag([0.6, 3.3, 0.6, 1.0])), "STIR 1"))
    check_slices_last(Volume(data, Grid((3, 4, 5), OBLIQUE), "STIR 1"))


def with_blank(*slices: int) -> Volume:
    data = 1 + np.arange(60.0).reshape(3, 4, 5)
    data[:, :, list(slices)] = 0
    return Volume(data, Grid((3, 4, 5), OBLIQUE), "STIR 1")


def test_a_blank_slice_between_others_is_refused_by_its_number():
    with pytest.raises(InputError, match=r"STIR 1 has blank slices \(number 3 of 5"):
        check_no_slice_is_blank(with_blank(2))


def test_blank_slices_at_the_ends_are_refused_where_a_region_lies_in_them():
    scan, region = with_blank(0, 4), np.zeros((3, 4, 5), dtype=bool)
    check_no_slice_is_blank(scan)
    region[1, 1, 1:4] = True
    check_no_slice_is_blank(scan, Mask(region, scan.grid))
    region[1, 1, 4] = True
    with pytest.raises(InputError, match=r"number 5 of 5"):
        check_no_slice_is_blank(scan, Mask(region, scan.grid))


def test_corners_far_brighter_than_all_else_are_padding_and_refused():
    data = np.random.default_rng(0).uniform(0, 900, (40, 40, 5))
    data[0, 0] = 900  # saturated fat is no padding
    check_no_bright_padding(Volume(data, Grid(data.shape, OBLIQUE), "STIR 1"))
    data[20, 20, 2] = 65535  # nor is a vessel
    check_no_bright_padding(Volume(data, Grid(data.shape, OBLIQUE), "STIR 1"))
    data[:2, -2:] = 65535
    with pytest.raises(InputError, match=r"STIR 1 has 21 voxels of 65535, in the corners of its slices too"):
        check_no_bright_padding(Volume(data, Grid(data.shape, OBLIQUE), "STIR 1"))


def test_a_slice_with_one_other_voxel_is_not_blank():
    scan = with_blank(2)
    scan.data[2, 3, 2] = 8
    check_no_slice_is_blank(scan)
