"""What the networks of normal bone see, and where."""

import numpy as np
import pytest

from lib.core.marrow import CHANNELS, WINDOW, marrow_probability, marrow_slices, windowed
from lib.core.normalise import TRAINING_PIXEL_SPACING_MM, NetworkFrame
from lib.core.volume import Grid, Mask, Volume
from lib.errors import ModelError, NormalBoneError

SPACING = TRAINING_PIXEL_SPACING_MM
# hung as stored: I to the patient's left, J downwards, K backwards
AFFINE = np.array([[-SPACING, 0, 0, 0], [0, 0, -3.3, 0], [0, -SPACING, 0, 0], [0, 0, 0, 1]])


def scan(shape=(300, 280, 4), affine=AFFINE):
    grid = Grid(shape, affine)
    rng = np.random.default_rng(2)
    t1w, stir = (Volume(rng.uniform(1, 100, shape), grid, name) for name in ("T1W", "STIR"))
    region = np.zeros(shape, dtype=bool)
    region[100:181, 120:161, 1:3] = True  # middle of the columns 140, of the rows 140
    return t1w, stir, Mask(region, grid, "disease region")


def test_the_window_lies_about_the_middle_of_the_disease_region():
    t1w, stir, region = scan()
    slices, corner = marrow_slices(t1w, stir, region.data)
    assert slices.shape == (4, CHANNELS, WINDOW, WINDOW)
    assert corner == (140 - WINDOW // 2, 140 - WINDOW // 2)
    frame = NetworkFrame.of(stir.grid)
    expected = frame.slices(stir.data / (3 * np.median(stir.data[region.data])))
    np.testing.assert_allclose(
        slices[2, 1], expected[2, corner[0] : corner[0] + WINDOW, corner[1] : corner[1] + WINDOW], rtol=1e-5
    )


def test_the_neighbours_are_those_in_front_and_behind_and_the_first_and_last_repeat_themselves():
    t1w, stir, region = scan()
    slices, _ = marrow_slices(t1w, stir, region.data)
    for k, front, behind in ((0, 0, 1), (1, 0, 2), (3, 2, 3)):
        np.testing.assert_array_equal(slices[k, 2], slices[front, 1])
        np.testing.assert_array_equal(slices[k, 3], slices[behind, 1])


def test_a_file_with_its_slices_reversed_shows_the_networks_the_same():
    t1w, stir, region = scan()
    affine = AFFINE.copy()
    affine[:3, 3] += affine[:3, 2] * 3
    affine[:3, 2] *= -1
    grid = Grid(stir.grid.shape, affine)
    turned = [Volume(one.data[:, :, ::-1], grid, one.name) for one in (t1w, stir)]
    slices, _ = marrow_slices(t1w, stir, region.data)
    np.testing.assert_array_equal(marrow_slices(*turned, region.data[:, :, ::-1])[0][::-1], slices)


def test_beyond_the_image_there_is_nothing():
    t1w, stir, region = scan((150, 150, 4))
    region.data[:] = False
    region.data[0:21, 0:21, 1] = True
    slices, corner = marrow_slices(t1w, stir, region.data)
    assert corner == (10 - WINDOW // 2, 10 - WINDOW // 2)
    assert not slices[:, :, :100].any()
    assert slices[:, :, -corner[0] :, -corner[1] :].all()


def test_an_answer_returns_to_where_it_was_seen():
    t1w, stir, region = scan()
    drawn = np.zeros(stir.grid.shape, dtype=bool)
    drawn[130:150, 125:140, 2] = True
    frame = NetworkFrame.of(stir.grid)
    _, corner = marrow_slices(t1w, stir, region.data)
    answer = windowed(drawn, frame, corner)
    assert np.count_nonzero(answer) == np.count_nonzero(drawn)
    (probability,) = marrow_probability(t1w, stir, region, [lambda slices: answer.astype(np.float32)])
    np.testing.assert_array_equal(probability > 0.5, drawn)


def test_networks_of_something_else_are_refused():
    t1w, stir, region = scan()
    with pytest.raises(ModelError, match="is no model of normal bone"):
        marrow_probability(t1w, stir, region, [lambda slices: slices[:, 0, :-1]])


def test_an_empty_disease_region_is_refused():
    t1w, stir, region = scan()
    region.data[:] = False
    with pytest.raises(NormalBoneError, match="the disease region is empty"):
        marrow_probability(t1w, stir, region, [])
