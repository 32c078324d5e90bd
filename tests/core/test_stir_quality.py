"""Fat that is bright on one side, and copies of the body in the air, on a frame drawn by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import ndimage

from lib.core import stir_quality as quality_module
from lib.core.stir_quality import stir_quality, stir_warnings
from lib.core.volume import Grid, Volume

SHAPE = (120, 120, 8)
GRID = Grid(SHAPE, np.diag([-2.0, 2.0, 4.0, 1.0]))


def frame(fat: float, muscle: float, air: float) -> np.ndarray:
    """Air, in it a body of muscle with a broad rim of fat."""
    image = np.full(SHAPE, air)
    image[20:100, 20:100] = fat
    image[42:78, 42:78] = muscle
    return image


T1W = Volume(frame(fat=600.0, muscle=270.0, air=5.0), GRID, "T1W")


def stir(*, left_fat: float = 30.0, air: float = 1.0) -> Volume:
    image = frame(fat=30.0, muscle=20.0, air=air)
    left = np.zeros(SHAPE, dtype=bool)
    left[60:] = True
    image[left & (T1W.data == 600.0)] = left_fat
    return Volume(image, GRID, "STIR")


def test_even_fat_and_dark_air_say_nothing():
    quality = stir_quality(T1W, stir())
    assert quality.fat_unevenness == pytest.approx(1.0)
    assert quality.air == pytest.approx(1.0 / 20.0)
    assert list(stir_warnings(T1W, stir())) == []


def test_fat_twice_as_bright_on_one_side_is_a_failed_suppression():
    spoilt = stir(left_fat=60.0)
    assert stir_quality(T1W, spoilt).fat_unevenness == pytest.approx(2.0)
    (warning,) = stir_warnings(T1W, spoilt)
    assert warning.about == "fat suppression"
    assert "2.00 times as bright" in warning


def test_signal_in_the_air_is_motion():
    (warning,) = stir_warnings(T1W, stir(air=4.0))
    assert warning.about == "motion"
    assert "20% of muscle" in warning


def test_without_air_in_the_frame_motion_is_not_judged():
    body = Volume(T1W.data[42:78, 42:78] + np.arange(8), Grid((36, 36, 8), GRID.affine), "T1W")
    same = Volume(stir().data[42:78, 42:78] + np.arange(8), body.grid, "STIR")
    assert math.isnan(stir_quality(body, same).air)
    assert list(stir_warnings(body, same)) == []


def test_the_sides_are_the_patients_whichever_way_the_frame_is_stored():
    turned = Grid(SHAPE, np.array([[0.0, -2.0, 0.0, 0.0], [2.0, 0.0, 0.0, 0.0], [0.0, 0.0, 4.0, 0.0], [0.0, 0.0, 0.0, 1.0]]))
    spoilt = Volume(np.swapaxes(stir(left_fat=60.0).data, 0, 1), turned, "STIR")
    anatomy = Volume(np.swapaxes(T1W.data, 0, 1), turned, "T1W")
    assert stir_quality(anatomy, spoilt).fat_unevenness == pytest.approx(2.0)


def test_what_lies_inside_and_beyond_is_what_filters_say():
    body = np.random.default_rng(0).random((17, 14, 3)) > 0.2
    np.testing.assert_array_equal(quality_module._inner(body, 1), ndimage.binary_erosion(body, np.ones((3, 3, 1))))
    image = ndimage.gaussian_filter(np.random.default_rng(1).random((60, 48, 3)), (6, 6, 0))
    image = np.where(image > np.median(image), 100.0, 0.0)
    smooth = ndimage.gaussian_filter(image, (0.7, 0.7, 0)) > 0.12 * np.percentile(image, 99)
    filled = np.stack([ndimage.binary_fill_holes(smooth[..., k]) for k in range(3)], axis=2)
    np.testing.assert_array_equal(quality_module._air(image), ~ndimage.binary_dilation(filled, np.ones((5, 5, 1))))
