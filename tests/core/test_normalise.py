"""Whatever the file's axis order, pixel spacing or scanner gain, a network sees the same slices."""

import nibabel as nib
import numpy as np
import pytest

from drawing import OBLIQUE
from lib.core.body import body_box
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
    array = np.random.default_rng(0).random((20, 30, 4)).astype(np.float32)
    frame = NetworkFrame.of(volume_of(array, coronal(TRAINING_PIXEL_SPACING_MM * 1.09, TRAINING_PIXEL_SPACING_MM / 1.09)))
    assert frame.slices(array).shape == (4, 30, 20)
    np.testing.assert_array_equal(frame.volume(frame.slices(array)), array)


def test_only_the_direction_with_another_spacing_is_resampled():
    array = np.random.default_rng(0).random((20, 30, 4))
    frame = NetworkFrame.of(volume_of(array, coronal(TRAINING_PIXEL_SPACING_MM / 2, TRAINING_PIXEL_SPACING_MM)))
    slices = frame.slices(array)
    assert slices.shape == (4, 30, 10)
    assert frame.volume(slices).shape == (20, 30, 4)


def test_a_shape_stays_in_place_through_resampling_and_back():
    spacing = TRAINING_PIXEL_SPACING_MM * 0.6
    disc = np.hypot(*np.indices((100, 100)) - np.array([55, 40])[:, None, None]) < 20
    array = np.repeat(disc[:, :, None], 2, axis=2).astype(np.float32)
    frame = NetworkFrame.of(volume_of(array + 0.2, coronal(spacing, spacing)))
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
    expected = NetworkFrame.of(volume_of(array)).slices(array)
    frame = NetworkFrame.of(volume_of(stored, affine))
    np.testing.assert_array_equal(frame.slices(stored), expected)
    np.testing.assert_array_equal(frame.volume(expected), stored)


@pytest.mark.data
@pytest.mark.parametrize("scan", ["images_study/T1W/1013_T1W", "images_atypical/T1W/2016_T1W", "images_unlabelled/T1W/9807_T1W"])
def test_study_scans_are_turned_as_the_published_networks_expect(vhi_data, scan):
    image = nib.load(vhi_data / f"{scan}.nii.gz")
    array = np.asarray(image.dataobj, dtype=np.float32)
    frame = NetworkFrame.of(volume_of(array, image.affine))
    np.testing.assert_array_equal(frame.slices(array), np.moveaxis(np.rot90(array), 2, 0))


@pytest.mark.slow
@pytest.mark.parametrize("matrix", [(192, 200), (256, 256), (336, 336)])
def test_air_round_a_scan_changes_nothing_that_a_network_sees(matrix):
    """However much, on whichever side: slices of 1 to 40 more pixels."""
    rng = np.random.default_rng(sum(matrix))
    spacing = 200.0 / matrix[0]
    array = rng.uniform(100, 900, (*matrix, 3))
    expected = frame_and_slices(array, coronal(spacing, spacing))
    for _ in range(5):
        before, after = rng.integers(0, 41, (2, 2))
        wider = np.pad(array, (*zip(before, after, strict=True), (0, 0)))
        frame, slices = frame_and_slices(wider, coronal(spacing, spacing))
        np.testing.assert_array_equal(slices, expected[1])
        back = frame.volume(slices)
        body = tuple(slice(b, b + n) for b, n in zip(before, matrix, strict=True))
        np.testing.assert_array_equal(back[body], expected[0].volume(slices))
        assert np.count_nonzero(back) == np.count_nonzero(back[body])


def frame_and_slices(array: np.ndarray, affine: np.ndarray) -> tuple[NetworkFrame, np.ndarray]:
    t1w = volume_of(array, affine)
    frame = NetworkFrame.of(t1w)
    return frame, frame.slices(normalise_t1w(t1w))


def test_noise_in_the_air_is_not_the_body():
    rng = np.random.default_rng(0)
    array = np.abs(rng.normal(0, 10, (120, 100, 4)))  # air: at most some 50
    array[20:90, 5:95] = rng.uniform(300, 2000, (70, 90, 4))
    assert body_box(volume_of(array, coronal(2.0, 2.0))) == (slice(20, 90), slice(5, 95))


def test_a_scan_without_anything_but_noise_is_body_all_over():
    array = np.random.default_rng(0).uniform(0, 1, (30, 20, 2))
    assert body_box(volume_of(array, coronal(2.0, 2.0))) == (slice(0, 30), slice(0, 20))
