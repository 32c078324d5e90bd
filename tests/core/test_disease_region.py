"""Members vote with probabilities; large pieces stay; an empty answer is an error."""

import numpy as np
import pytest

from drawing import slice_of, stack_of
from lib.core.disease_region import (
    DiseaseRegionError,
    binary_entropy,
    disagreement,
    drop_small_pieces,
    interior,
    segment_disease_region,
    slice_dice,
)
from lib.core.orientation import DisplayOrientation
from lib.core.volume import Grid, Mask, Volume
from lib.errors import ModelError

SHAPE = (6, 5, 3)
T1W = Volume(np.random.default_rng(0).random(SHAPE), Grid(SHAPE, np.diag([-0.6, 0.6, 3.3, 1.0])), "T1W")


def member_saying(probability: np.ndarray):
    """A network that answers with an (I, J, K) array, whatever it is shown."""
    hung = DisplayOrientation.of(T1W.grid).hang(probability).astype(np.float32)
    return lambda slices: hung.copy()


def filled(value: float) -> np.ndarray:
    return np.full(SHAPE, value)


def test_probabilities_are_averaged_and_a_half_counts_as_bone():
    a, b, c = filled(0.0), filled(0.0), filled(0.0)
    a[1:4, 1, 1], b[1:4, 1, 1], c[1:4, 1, 1] = 0.9, 0.6, 0.0  # mean exactly 0.5
    a[1:4, 2, 1], b[1:4, 2, 1], c[1:4, 2, 1] = 0.6, 0.6, 0.2  # two of three vote for it, the mean is below
    region = segment_disease_region(T1W, [member_saying(p) for p in (a, b, c)])
    expected = np.zeros(SHAPE, dtype=bool)
    expected[1:4, 1, 1] = True
    np.testing.assert_array_equal(region.mask.data, expected)
    assert region.mask.grid is T1W.grid
    assert region.source == "ensemble of 3"


def test_a_network_is_shown_normalised_hung_slices():
    seen = []

    def member(slices):
        seen.append(slices)
        return np.ones_like(slices)

    segment_disease_region(T1W, [member])
    expected = DisplayOrientation.of(T1W.grid).hang(T1W.data / (3 * T1W.data.std()))
    np.testing.assert_allclose(seen[0], expected, rtol=1e-6)
    assert seen[0].dtype == np.float32


def test_disagreement_is_one_minus_the_mean_dice_of_all_pairs():
    a = np.array([1, 1, 0, 0], dtype=bool)
    b = np.array([1, 1, 1, 1], dtype=bool)
    c = np.array([0, 0, 1, 1], dtype=bool)
    # Dice: a-b 2*2/6, a-c 0, b-c 2*2/6
    assert disagreement([a, b, c]) == pytest.approx(1 - (2 / 3 + 0 + 2 / 3) / 3)
    assert disagreement([a, a]) == 0.0
    assert disagreement([a]) is None


def test_members_are_compared_by_their_own_rounded_masks():
    a, b = filled(0.0), filled(0.0)
    a[1:3, 1, 1], b[1:5, 1, 1] = 0.9, 0.7
    # 2 of 4 voxels in common: Dice 2*2/6
    assert segment_disease_region(T1W, [member_saying(a), member_saying(b)]).member_disagreement == pytest.approx(1 / 3)
    assert segment_disease_region(T1W, [member_saying(a)]).member_disagreement is None


def test_entropy_is_that_of_the_mean_inside_the_outline():
    # the mean is 3/4 in all of a region of 3 x 3 pixels: 3/4 log2(4/3) + 1/4 log2(4) bit
    a, b = filled(0.0), filled(0.0)
    a[1:4, 1:4, 1], b[1:4, 1:4, 1] = 1.0, 0.5
    assert segment_disease_region(T1W, [member_saying(a), member_saying(b)]).entropy == pytest.approx(0.81128, abs=1e-4)


def test_the_border_takes_no_part_in_the_entropy_where_there_is_an_inside():
    grid = Grid((30, 30, 2), np.diag([-0.5, 1.0, 3.3, 1.0]))
    mask = Mask(np.zeros(grid.shape, dtype=bool), grid)
    mask.data[5:25, 5:25, 0] = True
    expected = np.zeros_like(mask.data)
    expected[9:21, 7:23, 0] = True  # 2 mm are 4 pixels along I and 2 along J
    np.testing.assert_array_equal(interior(mask), expected)
    np.testing.assert_array_equal(interior(mask, 20.0), mask.data)
    assert not interior(Mask(np.zeros(grid.shape, dtype=bool), grid)).any()
    assert binary_entropy(np.array([0.0, 0.5, 1.0])) == pytest.approx([0, 1, 0], abs=1e-4)


def test_no_bone_is_an_error_that_says_what_to_check():
    with pytest.raises(DiseaseRegionError, match=r"No bone was found on T1W.*contrast, plane and body part"):
        segment_disease_region(T1W, [member_saying(filled(0.49))])


def test_no_member_is_an_error():
    with pytest.raises(ModelError, match="No network was given"):
        segment_disease_region(T1W, [])


def test_a_member_that_answers_another_shape_is_refused():
    with pytest.raises(ModelError, match="with shape"):
        segment_disease_region(T1W, [lambda slices: slices[:, 1:]])


def test_pieces_of_two_percent_of_the_largest_stay_and_smaller_ones_go():
    mask = np.zeros((20, 20, 6), dtype=bool)
    mask[0:10, 0:10, 0:2] = True  # 200 voxels
    mask[15, 0:4, 0] = True  # exactly 2%
    mask[15, 10:13, 0] = True  # 3 voxels
    mask[18, 18, 5] = True
    expected = mask.copy()
    expected[15, 10:13, 0] = False
    expected[18, 18, 5] = False
    np.testing.assert_array_equal(drop_small_pieces(mask), expected)
    assert not drop_small_pieces(np.zeros((3, 3, 3), dtype=bool)).any()


def test_pieces_that_touch_by_a_corner_across_slices_are_one():
    mask = stack_of(slice_of("11.", "11.", "..."), slice_of("...", "...", "..1")).astype(bool)
    np.testing.assert_array_equal(drop_small_pieces(mask, smallest=0.9), mask)


def test_slice_dice_is_per_slice_and_nan_where_both_are_empty():
    a = stack_of(slice_of("11", ".."), slice_of("..", ".."), slice_of("1.", "..")).astype(bool)
    b = stack_of(slice_of("1.", ".."), slice_of("..", ".."), slice_of("..", "..")).astype(bool)
    np.testing.assert_allclose(slice_dice(a, b), [2 / 3, np.nan, 0.0])
