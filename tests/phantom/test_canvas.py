"""One tissue laid over another, and the part of the other that is left."""

import numpy as np
import pytest

from lib.phantom.canvas import Canvas, Noise, Texture

EVERYWHERE = (slice(None), slice(None))


@pytest.fixture
def canvas():
    xyz = np.stack(np.meshgrid(np.arange(8.0), np.arange(6.0), [0.0], indexing="ij"))[..., 0].astype(np.float32)
    return Canvas(xyz, xyz, width_mm=1.0, texture=Texture.at(Noise(np.random.default_rng(0)), *xyz))


def test_a_tissue_replaces_the_fraction_of_a_pixel_that_it_covers(canvas):
    cover = np.full((8, 6), 0.25, np.float32)
    canvas.lay(EVERYWHERE, np.ones((8, 6), np.float32), (8.0, 4.0), region=1.0)
    canvas.lay(EVERYWHERE, cover, (0.0, 8.0))
    np.testing.assert_allclose(canvas.channels[:3, 3, 3], (6.0, 5.0, 0.75))


def test_a_tissue_may_leave_the_disease_region_as_it_is(canvas):
    full = np.ones((8, 6), np.float32)
    canvas.lay(EVERYWHERE, full, (8.0, 4.0), region=1.0)
    canvas.lay(EVERYWHERE, full, (2.0, 2.0), region=None)
    np.testing.assert_array_equal(canvas.channels[:3, 0, 0], (2.0, 2.0, 1.0))


def test_the_disease_region_is_read_without_changing_a_signal(canvas):
    cover = np.full((8, 6), 0.5, np.float32)
    canvas.lay(EVERYWHERE, np.ones((8, 6), np.float32), (8.0, 4.0))
    canvas.read(EVERYWHERE, cover, 1.0)
    np.testing.assert_array_equal(canvas.channels[:3, 7, 5], (8.0, 4.0, 0.5))
    canvas.read(EVERYWHERE, cover, 0.0)
    assert canvas.channels[2, 7, 5] == 0.25
