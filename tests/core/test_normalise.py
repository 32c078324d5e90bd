"""Whatever the file's axis order, pixel spacing or scanner gain, a network sees the same slices."""

import nibabel as nib
import numpy as np
import pytest

from drawing import OBLIQUE
from lib.core.normalise import TRAINING_PIXEL_SPACING_MM, NetworkFrame, normalise_t1w
from lib.core.volume import Grid, Volume


def volume_of(array: np.ndarray, affine: np.ndarray = OBLIQUE) -> Volume:
    return Volume(array, Grid(array.shape, affine))


def coronal(spacing_i: float, spacing_j: float) -> np.ndarray:
    """I to the patient's left, J up, K back."""
    return np.array([[-spacing_i, 0, 0, 0], [0, 0, -3.3, 0], [0, spacing_j, 0, 0], [0, 0, 0, 1.0]])


def test_intensities_are_divided_by_three_standard_deviations():
    # values -3 and 3 have standard deviation 3, so 9 is the divisor
    array = np.array([-3.0, 3.0, -3.0, 3.0]).reshape(2, 2, 1)
    normalised = normalise_t1w(volume_of(array))
    np.testing.assert_allclose(normalised, array / 9.0, rtol=1e-7)
    assert normalised.dtype == np.float32


def test_scanner_gain_does_not_matter():
    array = np.random.default_rng(0).random((8, 6, 3))
    np.testing.assert_allclose(normalise_t1w(volume_of(array * 37.0)), normalise_t1w(volume_of(array)), rtol=1e-6)


def test_a_spacing_within_ten_percent_is_left_alone():
    grid = Grid((20, 30, 4), coronal(TRAINING_PIXEL_SPACING_MM * 1.09, TRAINING_PIXEL_SPACING_MM / 1.09))
    array = np.random.default_rng(0).random((20, 30, 4)).astype(np.float32)
    frame = NetworkFrame.of(grid)
    assert frame.slices(array).shape == (4, 30, 20)
    np.testing.assert_array_equal(frame.volume(frame.slices(array)), array)


def test_only_the_direction_with_another_spacing_is_resampled():
    grid = Grid((20, 30, 4), coronal(TRAINING_PIXEL_SPACING_MM / 2, TRAINING_PIXEL_SPACING_MM))
    frame = NetworkFrame.of(grid)
    slices = frame.slices(np.ones(grid.shape))
    assert slices.shape == (4, 30, 10)
    assert frame.volume(slices).shape == (20, 30, 4)


def test_a_shape_stays_in_place_through_resampling_and_back():
    spacing = TRAINING_PIXEL_SPACING_MM * 0.6
    grid = Grid((100, 100, 2), coronal(spacing, spacing))
    disc = np.hypot(*np.indices((100, 100)) - np.array([55, 40])[:, None, None]) < 20
    array = np.repeat(disc[:, :, None], 2, axis=2).astype(np.float32)
    frame = NetworkFrame.of(grid)
    assert frame.slices(array).shape == (2, 60, 60)
    back = frame.volume(frame.slices(array)) >= 0.5
    assert 2 * (back & (array > 0)).sum() / (back.sum() + array.sum()) > 0.97  # the rim of a disc of 20 pixels


@pytest.mark.parametrize("transpose", [False, True])
@pytest.mark.parametrize("flip", [(), (0,), (1,), (0, 1)])
def test_the_network_sees_the_same_slices_whatever_the_axis_order(transpose, flip):
    array = np.random.default_rng(1).random((5, 7, 3)).astype(np.float32)
    stored, affine = array, OBLIQUE.copy()
    for axis in flip:
        affine[:3, 3] += affine[:3, axis] * (array.shape[axis] - 1)
        affine[:3, axis] *= -1
        stored = np.flip(stored, axis)
    if transpose:
        stored, affine = stored.transpose(1, 0, 2), affine[:, [1, 0, 2, 3]]
    expected = NetworkFrame.of(Grid(array.shape, OBLIQUE)).slices(array)
    frame = NetworkFrame.of(Grid(stored.shape, affine))
    np.testing.assert_array_equal(frame.slices(stored), expected)
    np.testing.assert_array_equal(frame.volume(expected), stored)


@pytest.mark.data
@pytest.mark.parametrize("scan", ["images_study/T1W/1013_T1W", "images_atypical/T1W/2016_T1W", "images_unlabelled/T1W/9807_T1W"])
def test_study_scans_are_turned_as_the_published_networks_expect(vhi_data, scan):
    image = nib.load(vhi_data / f"{scan}.nii.gz")
    array = np.asarray(image.dataobj, dtype=np.float32)
    frame = NetworkFrame.of(Grid(array.shape, image.affine))
    np.testing.assert_array_equal(frame.slices(array), np.moveaxis(np.rot90(array), 2, 0))
