"""Slices hang the same way whatever the axis order of the file."""

import itertools

import nibabel as nib
import numpy as np
import pytest

from drawing import OBLIQUE
from lib.core.orientation import DisplayOrientation
from lib.core.volume import Grid

ARRAY = np.arange(3 * 4 * 2).reshape(3, 4, 2)


def stored_as(flip_i: bool, flip_j: bool, transpose: bool) -> tuple[np.ndarray, Grid]:
    """The same voxels at the same places, stored with other in-plane axes."""
    array, affine = ARRAY, OBLIQUE.copy()
    for axis, flip in enumerate((flip_i, flip_j)):
        if flip:
            affine[:3, 3] += affine[:3, axis] * (array.shape[axis] - 1)
            affine[:3, axis] *= -1
            array = np.flip(array, axis)
    if transpose:
        array, affine = array.transpose(1, 0, 2), affine[:, [1, 0, 2, 3]]
    return array, Grid(array.shape, affine)


@pytest.mark.parametrize(("flip_i", "flip_j", "transpose"), itertools.product([False, True], repeat=3))
def test_every_in_plane_storage_hangs_alike_and_comes_back(flip_i, flip_j, transpose):
    array, grid = stored_as(flip_i, flip_j, transpose)
    hanging = DisplayOrientation.of(grid)
    # I runs to the patient's left: columns; J runs up: rows from its end
    np.testing.assert_array_equal(hanging.hang(array), ARRAY[:, ::-1].transpose(2, 1, 0))
    np.testing.assert_array_equal(hanging.unhang(hanging.hang(array)), array)
    assert hanging.pixel_spacing_mm(grid) == pytest.approx((np.hypot(0.52, 0.39), 0.6))


def test_the_first_column_is_the_patients_right_and_the_first_row_the_top():
    grid = Grid((3, 4, 2), OBLIQUE)
    hanging = DisplayOrientation.of(grid)
    world = grid.world_mm(np.stack(np.meshgrid(*map(np.arange, (3, 4, 2)), indexing="ij"), axis=-1))
    x, z = hanging.hang(world[..., 0]), hanging.hang(world[..., 2])
    assert (np.diff(x, axis=2) < 0).all()  # RAS+: right is larger
    assert (np.diff(z, axis=1) < 0).all()


@pytest.mark.data
def test_the_published_scans_hang_as_their_networks_were_fed(vhi_data):
    for path in sorted((vhi_data / "images_study" / "T1W").glob("*.nii.gz"))[:3]:
        image = nib.load(path)
        array = np.asarray(image.dataobj)
        hung = DisplayOrientation.of(Grid(array.shape, image.affine)).hang(array)
        np.testing.assert_array_equal(hung, np.rot90(array).transpose(2, 0, 1))
