"""Series of one visit belong together however they lie in space, and though each file's numbers were rounded for itself."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from lib.core.volume import Grid, Volume, check_same_grid
from lib.errors import GridMismatchError
from lib.studies.dicom_series import read_series
from lib.studies.nifti import read_volume, write_volume
from mrseries import mr_series

SHAPE = (10, 12, 5)
CORNERS = np.array([[i, j, k] for i in (0, SHAPE[0] - 1) for j in (0, SHAPE[1] - 1) for k in (0, SHAPE[2] - 1)])
quarter = settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@st.composite
def grids(draw) -> Grid:
    """Any plane, pixel size, gap between slices and place."""
    turn = Rotation.random(random_state=draw(st.integers(0, 2**31))).as_matrix()
    pixel, between = draw(st.floats(0.3, 1.5)), draw(st.floats(1.5, 7))
    affine = np.eye(4)
    affine[:3, :3] = turn * [-pixel, pixel, between]
    affine[:3, 3] = [draw(st.floats(-300, 300)) for _ in range(3)]
    return Grid(SHAPE, affine)


def volume_on(grid: Grid) -> Volume:
    return Volume(np.random.default_rng(3).integers(0, 2000, SHAPE).astype(float), grid, "STIR")


@pytest.mark.slow
@quarter
@given(grid=grids())
def test_a_dicom_series_whose_positions_are_rounded_to_a_tenth_belongs_to_the_scan_it_was_made_of(tmp_path_factory, grid):
    scan, folder = volume_on(grid), tmp_path_factory.mktemp("series")
    for n, instance in enumerate(mr_series(scan)):
        instance.ImagePositionPatient = [round(float(x), 1) for x in instance.ImagePositionPatient]
        instance.PixelSpacing = [round(float(x), 6) for x in instance.PixelSpacing]
        instance.save_as(folder / f"{n}.dcm", enforce_file_format=True)
    found, _ = read_series(folder, "STIR")
    # the series' own axes: columns along I, rows against J, slices in either order
    again = np.rint(np.linalg.inv(grid.affine) @ found.grid.affine)[:3, :3].astype(int)
    assert np.array_equal(np.abs(again).sum(axis=0), [1, 1, 1])
    flips = [axis for axis in range(3) if again[:, axis].sum() < 0]
    np.testing.assert_array_equal(np.flip(found.data, flips), scan.data)
    there = found.grid.world_mm(np.where([axis in flips for axis in range(3)], np.array(SHAPE) - 1 - CORNERS, CORNERS))
    assert np.abs(there - grid.world_mm(CORNERS)).max() < 0.15


@quarter
@given(grid=grids(), move=st.floats(0, 0.3), angle=st.floats(0, 2 * np.pi))
def test_nifti_scans_within_the_tolerance_are_of_one_grid_and_those_beyond_it_are_not(tmp_path_factory, grid, move, angle):
    folder, direction = tmp_path_factory.mktemp("pair"), np.array([np.cos(angle), np.sin(angle), 0])
    for name, shift in (("a", 0.0), ("b", move), ("c", 1.0 + move)):
        affine = grid.affine.copy()
        affine[:3, 3] += shift * direction
        write_volume(folder / f"{name}.nii", volume_on(Grid(SHAPE, affine)))
    a, b, c = (read_volume(folder / f"{name}.nii", name) for name in "abc")
    check_same_grid(a, b)
    with pytest.raises(GridMismatchError, match="may come from different visits"):
        check_same_grid(a, c)
