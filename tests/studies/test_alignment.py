"""Two visits aligned: a known motion is found."""

import numpy as np
import pytest
from scipy import ndimage

from lib.core.volume import Grid, Mask, Volume
from lib.errors import GridMismatchError
from lib.studies.alignment import Alignment, align, moved_mask, moved_volume

AFFINE = np.array([[-2.0, 0.0, 0.0, 40.0], [0.0, 1.5, -2.6, -20.0], [0.0, 1.3, 3.0, -40.0], [0.0, 0.0, 0.0, 1.0]])
SHAPE = (40, 40, 16)


def rigid(turn_deg: float, shift_mm: tuple[float, float, float]) -> np.ndarray:
    """About the left-right axis."""
    c, s = np.cos(np.radians(turn_deg)), np.sin(np.radians(turn_deg))
    matrix = np.eye(4)
    matrix[1:3, 1:3] = [[c, -s], [s, c]]
    matrix[:3, 3] = shift_mm
    return matrix


def scan(grid: Grid) -> Volume:
    """Smooth blobs that lie in the patient, sampled on a grid."""
    rng = np.random.default_rng(3)
    points = np.stack(np.meshgrid(*[np.arange(n) for n in grid.shape], indexing="ij"), axis=-1)
    at = grid.world_mm(points)
    centre = Grid(SHAPE, AFFINE).world_mm((np.array(SHAPE) - 1) / 2)
    data = np.zeros(grid.shape)
    for _ in range(30):
        position, size = centre + rng.uniform(-28, 28, 3), rng.uniform(5, 12)
        data += rng.uniform(50, 300) * np.exp(-np.sum((at - position) ** 2, axis=-1) / (2 * size**2))
    return Volume(data + 5, grid, "STIR")


def test_a_known_motion_is_found_to_half_a_millimetre():
    fixed = scan(Grid(SHAPE, AFFINE))
    motion = rigid(4.0, (3.0, -5.0, 6.0))
    # the patient lies elsewhere at the second visit: what was at x is at motion x, and the stack did not follow
    moving = scan(Grid(SHAPE, np.linalg.inv(motion) @ AFFINE))
    moving = Volume(moving.data, Grid(SHAPE, AFFINE), "STIR 2")
    alignment = align(fixed, moving)
    corners = fixed.grid.corners_mm() * 0.5 + fixed.grid.corners_mm().mean(axis=0) * 0.5
    expected = corners @ motion[:3, :3].T + motion[:3, 3]
    got = corners @ alignment.matrix[:3, :3].T + alignment.matrix[:3, 3]
    # voxels are 2 x 2 x 4 mm
    assert np.linalg.norm(got - expected, axis=1).max() < 0.5
    assert alignment.turn_deg == pytest.approx(4.0, abs=0.7)
    back = moved_volume(moving, fixed.grid, alignment)
    inside = (slice(8, -8), slice(8, -8), slice(4, -4))
    assert np.corrcoef(back.data[inside].ravel(), fixed.data[inside].ravel())[0, 1] > 0.99


def test_a_mask_is_carried_by_nearest_neighbour():
    grid = Grid((10, 10, 6), np.diag([2.0, 2.0, 3.0, 1.0]))
    data = np.zeros(grid.shape, dtype=bool)
    data[4:6, 4:6, 2] = True
    # what lies at x on the fixed grid lies 2 mm further along x in the moving one
    shift = Alignment(rigid(0.0, (2.0, 0.0, 0.0)), np.zeros(3))
    moved = moved_mask(Mask(data, grid, "m"), grid, shift)
    np.testing.assert_array_equal(moved.data, ndimage.shift(data.astype(np.uint8), (-1, 0, 0), order=0) > 0)


def test_scans_of_different_patients_that_cannot_be_aligned_are_refused(monkeypatch):
    fixed = scan(Grid(SHAPE, AFFINE))
    monkeypatch.setattr("lib.studies.alignment.LARGEST_TURN_DEG", 1.0)
    moving = scan(Grid(SHAPE, np.linalg.inv(rigid(6.0, (0.0, 0.0, 0.0))) @ AFFINE))
    with pytest.raises(GridMismatchError, match="no motion of one patient between visits"):
        align(fixed, Volume(moving.data, Grid(SHAPE, AFFINE), "STIR 2"))
