"""Frames on a grid, by hand: a 4 x 3 x 2 grid of 1 x 2 x 3 mm voxels at the origin, axes along RAS+."""

from __future__ import annotations

import numpy as np
import pytest

from lib.core.planes import Plane, put, taken
from lib.core.volume import Grid
from lib.errors import GridMismatchError, InputError

GRID = Grid((4, 3, 2), np.diag([1.0, 2.0, 3.0, 1.0]))
NUMBERED = np.arange(24).reshape(4, 3, 2)  # voxel (i, j, k) holds 6i + 2j + k


def plane(position=(0, 0, 0), orientation=(-1, 0, 0, 0, -1, 0), spacing=(2, 1), rows=3, columns=4) -> Plane:
    """By default slice 0, columns along I and rows along J: LPS turns both signs."""
    return Plane.of_dicom(rows, columns, position, orientation, spacing)


def test_columns_run_along_i_and_rows_along_j():
    np.testing.assert_array_equal(taken(NUMBERED, GRID, plane()), [[0, 6, 12, 18], [2, 8, 14, 20], [4, 10, 16, 22]])


def test_a_position_chooses_the_slice():
    np.testing.assert_array_equal(taken(NUMBERED, GRID, plane(position=(0, 0, 3)))[0], [1, 7, 13, 19])


def test_a_frame_may_be_turned_upside_down_or_cut_along_another_axis():
    turned = plane(position=(-3, -4, 0), orientation=(1, 0, 0, 0, 1, 0))
    np.testing.assert_array_equal(taken(NUMBERED, GRID, turned), [[22, 16, 10, 4], [20, 14, 8, 2], [18, 12, 6, 0]])
    sagittal = plane(position=(-1, 0, 0), orientation=(0, -1, 0, 0, 0, 1), spacing=(3, 2), rows=2, columns=3)
    np.testing.assert_array_equal(taken(NUMBERED, GRID, sagittal), [[6, 8, 10], [7, 9, 11]])


def test_what_is_put_comes_out_where_it_was_put():
    mask = np.zeros(GRID.shape, dtype=bool)
    frame = np.zeros((3, 4), dtype=bool)
    frame[2, 1] = True
    put(frame, plane(position=(0, 0, 3)), mask, GRID)
    assert np.argwhere(mask).tolist() == [[1, 2, 1]]


def test_a_smaller_frame_is_put_and_one_that_reaches_out_only_where_it_is_empty():
    mask = np.zeros(GRID.shape, dtype=bool)
    beyond = plane(position=(1, 0, 0), columns=6)
    frame = np.zeros((3, 6), dtype=bool)
    frame[0, 1] = True
    put(frame, beyond, mask, GRID)
    assert np.argwhere(mask).tolist() == [[0, 0, 0]]
    frame[0, 0] = True
    with pytest.raises(GridMismatchError, match="1 of the 2 pixels"):
        put(frame, beyond, mask, GRID)
    with pytest.raises(GridMismatchError, match="reaches beyond"):
        taken(NUMBERED, GRID, beyond)


@pytest.mark.parametrize(
    "elsewhere",
    [
        plane(spacing=(1, 1)),
        plane(position=(0.3, 0, 0)),
        plane(position=(0, 0, 1.5)),
        plane(orientation=(-0.6, -0.8, 0, 0.8, -0.6, 0)),
        plane(spacing=(2, 1.1)),
    ],
    ids=["spacing", "between voxels", "between slices", "turned", "drifting"],
)
def test_a_frame_between_the_voxels_is_refused(elsewhere):
    with pytest.raises(GridMismatchError, match="does not lie on the voxels"):
        taken(NUMBERED, GRID, elsewhere)


@pytest.mark.parametrize(
    "wrong",
    [
        {"spacing": (0, 1)},
        {"spacing": (1,)},
        {"position": (0, 0, float("nan"))},
        {"orientation": (1, 0, 0, 1, 0, 0)},
        {"orientation": (1, 0, 0)},
        {"rows": 0},
        {"rows": "x"},
        {"position": 7},
    ],
)
def test_an_impossible_frame_is_refused(wrong):
    with pytest.raises(InputError, match="export it again"):
        plane(**wrong)
