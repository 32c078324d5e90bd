"""Regions as another reader might have drawn them."""

import numpy as np
import pytest
from scipy import ndimage

from lib.cohort.redrawn import KINDS, redrawings
from lib.core.volume import Grid, Mask, Volume
from lib.errors import GridMismatchError, InputError

GRID = Grid((60, 60, 8), np.diag([1.0, 1.0, 3.3, 1.0]))


def circles():
    """Two circles of radius 7 on slice 3 and one on slice 4, as a mask; and an even image with a bright column."""
    i, j = np.indices((60, 60))
    data = np.zeros(GRID.shape, dtype=bool)
    data[:, :, 3] = ((i - 20) ** 2 + (j - 20) ** 2 <= 49) | ((i - 40) ** 2 + (j - 20) ** 2 <= 49)
    data[:, :, 4] = (i - 20) ** 2 + (j - 20) ** 2 <= 49
    image = np.random.default_rng(0).normal(100.0, 1.0, GRID.shape)
    image[28:32] = 1000.0
    return Mask(data, GRID, "normal bone"), Volume(image, GRID, "STIR")


def drawn(kind, each=10):
    region, image = circles()
    return region.data, [mask.data for name, mask in redrawings(region, image, each) if name == kind]


def centre(data):
    return np.argwhere(data).mean(axis=0)


def test_every_kind_is_drawn_as_often_and_the_seed_settles_what():
    region, image = circles()
    before = region.data.copy()
    few, many, other = (
        list(redrawings(region, image, 2)),
        list(redrawings(region, image, 3)),
        list(redrawings(region, image, 2, 1)),
    )
    assert [kind for kind, _ in few] == [kind for kind in KINDS for _ in range(2)]
    np.testing.assert_array_equal(region.data, before)
    first = {kind: mask.data for kind, mask in reversed(many)}
    for kind, mask in few[::2]:
        np.testing.assert_array_equal(mask.data, first[kind])
    assert any((a.data != b.data).any() for (_, a), (_, b) in zip(few, other, strict=True))


def test_a_moved_region_is_the_same_region_one_to_three_pixels_away():
    region, moved = drawn("moved")
    for one in moved:
        assert one.sum() == region.sum()
        step = centre(one) - centre(region)
        # whole pixels: 1 to 3 before rounding either coordinate
        assert 0.5 <= np.hypot(*step[:2]) <= np.hypot(2.5, 2.5)
        assert step[2] == 0


def test_slices_may_be_moved_each_on_its_own():
    region, moved = drawn("each slice moved")
    steps = [[tuple(centre(one[:, :, k]) - centre(region[:, :, k])) for k in (3, 4)] for one in moved]
    assert any(first != second for first, second in steps)


def test_edges_shrink_and_grow_within_their_slices():
    region, shrunk = drawn("shrunk")
    assert all((one <= region).all() and 0 < one.sum() < region.sum() for one in shrunk)
    region, grown = drawn("grown")
    plane = np.zeros((3, 3, 3), dtype=bool)
    plane[1, :, 1] = plane[:, 1, 1] = True
    furthest = ndimage.binary_dilation(region, plane, 2)
    assert all((one >= region).all() and (one <= furthest).all() and one.sum() > region.sum() for one in grown)


def test_a_slice_or_a_circle_may_be_missing():
    _, less = drawn("a slice less")
    assert {tuple(np.unique(np.nonzero(one)[2])) for one in less} == {(3,), (4,)}
    region, fewer = drawn("a circle less")
    circle = 149  # pixels within 7 of one
    assert all((one <= region).all() and one.sum() == 2 * circle for one in fewer)


def test_a_further_slice_is_a_neighbour_where_the_circles_avoid_what_is_bright():
    region, more = drawn("a slice more")
    _, image = circles()
    for one in more:
        added = one & ~region
        assert np.unique(np.nonzero(added)[2]).tolist() in ([2], [5])
        # of 20 places within 10 pixels some lie free of the bright column between 28 and 31
        assert image.data[added].max() < 1000 or np.unique(np.nonzero(added)[2]).tolist() == [2]


def test_circles_of_another_radius_keep_their_centre():
    region, others = drawn("circles of another radius")
    areas = [one[:, :, 4].sum() / region[:, :, 4].sum() for one in others]
    # radius 0.8 to 1.2 of its own; a pixel either way
    assert 0.55 < min(areas) < 1 < max(areas) < 1.6
    assert all(np.linalg.norm(centre(one[:, :, 4]) - centre(region[:, :, 4])) < 2 for one in others)


def test_nothing_cannot_be_drawn_again_nor_on_another_grid():
    region, image = circles()
    with pytest.raises(InputError, match="normal bone is empty"):
        next(redrawings(Mask(np.zeros(GRID.shape, dtype=bool), GRID, "normal bone"), image, 1))
    elsewhere = Volume(np.random.default_rng(0).normal(1.0, 1.0, (60, 60, 7)), Grid((60, 60, 7), GRID.affine), "STIR")
    with pytest.raises(GridMismatchError):
        next(redrawings(region, elsewhere, 1))
