"""Bringing two series of one visit onto one grid by their geometry alone; nothing is estimated from intensities."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import permutations
from typing import TYPE_CHECKING, TypeVar

import numpy as np

from ..core.planes import TOLERANCE_VOXELS
from ..core.volume import GRID_TOLERANCE_MM, Grid, Mask, Volume, check_no_slice_is_blank, grid_distance_mm
from ..errors import GridMismatchError

if TYPE_CHECKING:
    import SimpleITK

# Below this, most of what STIR shows has no T1W signal, and no disease region follows from it.
LEAST_COVERAGE = 0.5
_LPS_OF_RAS = np.array([-1.0, -1.0, 1.0])
Image = TypeVar("Image", Volume, Mask)


@dataclass(frozen=True)
class Turn:
    """How one array becomes another with the same voxels: axes exchanged, then some of them reversed."""

    axes: tuple[int, int, int]
    reversed_axes: tuple[int, ...]

    def apply(self, array: np.ndarray) -> np.ndarray:
        """A 3-D array with its axes turned, the values as they are: a view, not a copy; `(I, J, K)` in any of its orders."""
        return np.flip(array.transpose(self.axes), self.reversed_axes)

    def apply_to_grid(self, grid: Grid) -> Grid:
        """Where the voxels of a turned array lie: where they lay before."""
        shape = tuple(grid.shape[a] for a in self.axes)
        affine = grid.affine.copy()
        affine[:, :3] = grid.affine[:, list(self.axes)]
        for k in self.reversed_axes:
            affine[:3, 3] += affine[:3, k] * (shape[k] - 1)
            affine[:3, k] *= -1
        return Grid((shape[0], shape[1], shape[2]), affine)


AS_IT_IS = Turn((0, 1, 2), ())


def turn_between(grid: Grid, onto: Grid, tolerance_mm: float = GRID_TOLERANCE_MM) -> Turn | None:
    """The turn that brings arrays of one grid onto another whose voxels lie at the same places, None where they do not."""
    unit = grid.affine[:3, :3] / np.array(grid.spacing_mm)
    cosines = unit.T @ (onto.affine[:3, :3] / np.array(onto.spacing_mm))
    axes = max(permutations(range(3)), key=lambda order: sum(abs(cosines[a, k]) for k, a in enumerate(order)))
    if tuple(grid.shape[a] for a in axes) != onto.shape:
        return None
    turn = Turn((axes[0], axes[1], axes[2]), tuple(k for k, a in enumerate(axes) if cosines[a, k] < 0))
    return turn if grid_distance_mm(turn.apply_to_grid(grid), onto) <= tolerance_mm else None


def reoriented(image: Image, onto: Grid) -> Image:
    """The same voxels in the array order of `onto` where both lie at the same places; otherwise the image as it is."""
    turn = turn_between(image.grid, onto)
    if turn is None or turn == AS_IT_IS:
        return image
    return type(image)(np.ascontiguousarray(turn.apply(image.data)), turn.apply_to_grid(image.grid), image.name)


def placed(mask: Mask, onto: Grid) -> Mask:
    """A mask on the grid of a scan where its voxels are voxels of it, turned or a box cut out of it; otherwise as it is.

    Programs save the box around what was drawn, or the slices that hold something; beyond the box there is nothing.
    """
    same = reoriented(mask, onto)
    if same is not mask or mask.grid.shape == onto.shape:
        return same
    to_index = np.linalg.inv(onto.affine) @ mask.grid.affine
    whole = np.rint(to_index)[:3]
    ends = np.array(np.meshgrid(*[(0, n - 1) for n in mask.grid.shape], indexing="ij")).reshape(3, -1)
    ends = np.vstack([ends, np.ones(ends.shape[1])])
    off = np.abs((to_index[:3] - whole) @ ends).max()
    steps = np.abs(whole[:, :3])
    corners = whole @ ends
    inside = (corners >= 0).all() and (corners.max(axis=1) < onto.shape).all()
    if off > TOLERANCE_VOXELS or not inside or not ((steps.sum(axis=0) == 1) & (steps.sum(axis=1) == 1)).all():
        return mask
    at = (whole[:, :3] @ np.argwhere(mask.data).T + whole[:, 3:]).astype(np.int64)
    data = np.zeros(onto.shape, dtype=bool)
    data[tuple(at)] = True
    return Mask(data, onto, mask.name)


def coverage(grid: Grid, onto: Grid) -> float:
    """Share of the voxels of `onto` whose centres lie in the field of view of `grid`, 0 to 1."""
    steps = [np.unique(np.linspace(0, n - 1, min(n, 32)).round()) for n in onto.shape]
    points = onto.world_mm(np.stack(np.meshgrid(*steps, indexing="ij"), axis=-1).reshape(-1, 3))
    to_index = np.linalg.inv(grid.affine)
    index = points @ to_index[:3, :3].T + to_index[:3, 3]
    # the field of view ends half a voxel beyond the outermost centres
    return float(((index >= -0.5) & (index <= np.array(grid.shape) - 0.5)).all(axis=1).mean())


def resampled(volume: Volume, onto: Grid) -> Volume:
    """A volume read at the voxel centres of another grid by linear interpolation; 0 outside its field of view."""
    import SimpleITK

    image = SimpleITK.GetImageFromArray(np.ascontiguousarray(volume.data.transpose(2, 1, 0)))
    _place(image, volume.grid)
    target = SimpleITK.Image([int(n) for n in onto.shape], SimpleITK.sitkUInt8)
    _place(target, onto)
    on_grid = SimpleITK.Resample(image, target, SimpleITK.Transform(3, SimpleITK.sitkIdentity), SimpleITK.sitkLinear, 0.0)
    return Volume(SimpleITK.GetArrayFromImage(on_grid).transpose(2, 1, 0), onto, volume.name)


def labels_at(labels: np.ndarray, grid: Grid, onto: Grid) -> np.ndarray:
    """Labels read at the voxel centres of another grid: each from the nearest voxel, 0 outside; of equal voxels turned.

    Parameters
    ----------
    labels : (I, J, K) array on `grid`
    """
    turn = turn_between(grid, onto)
    if turn is not None:
        return np.ascontiguousarray(turn.apply(labels))
    to_index = np.linalg.inv(grid.affine) @ onto.affine
    moved = np.zeros(onto.shape, labels.dtype)
    rows = np.stack(np.meshgrid(*(np.arange(n) for n in onto.shape[:2]), indexing="ij"), axis=-1)
    for k in range(onto.shape[2]):
        index = np.rint(rows @ to_index[:3, :2].T + (to_index[:3, 2] * k + to_index[:3, 3])).astype(np.int64)
        inside = ((index >= 0) & (index < np.array(grid.shape))).all(axis=-1)
        moved[inside, k] = labels[tuple(index[inside].T)]
    return moved


def on_grid_of(volume: Volume, onto: Volume) -> tuple[Volume, tuple[str, ...]]:
    """A volume on the grid of another of the same visit: as it is, turned, or resampled.

    Returns
    -------
    volume : Volume
    warnings : tuple of str
        One sentence where it was resampled.

    Raises
    ------
    GridMismatchError
        It covers too little of the other.
    InputError
        It would be resampled, and a slice between others is blank.
    """
    if turn_between(volume.grid, onto.grid) is not None:
        return reoriented(volume, onto.grid), ()
    covered = coverage(volume.grid, onto.grid)
    if covered < LEAST_COVERAGE:
        raise GridMismatchError(
            f"{volume.name} covers {covered:.0%} of {onto.name} (needed {LEAST_COVERAGE:.0%}), so it cannot be resampled; "
            "pass series of one visit that show the same place."
        )
    check_no_slice_is_blank(volume)  # its neighbours would fill it
    missing = "" if covered >= 0.995 else f" It covers {covered:.0%} of it; beyond, no disease region can be found."
    return resampled(volume, onto.grid), (
        f"{volume.name} ({_shown(volume.grid)}) was resampled onto the grid of {onto.name} ({_shown(onto.grid)}) by linear "
        f"interpolation, with the scanner's coordinates and no registration; check that the anatomy agrees.{missing}",
    )


def _place(image: SimpleITK.Image, grid: Grid) -> None:
    spacing = np.array(grid.spacing_mm)
    direction = grid.affine[:3, :3] / spacing * _LPS_OF_RAS[:, np.newaxis]
    image.SetSpacing([float(mm) for mm in spacing])
    image.SetOrigin([float(mm) for mm in grid.affine[:3, 3] * _LPS_OF_RAS])
    image.SetDirection([float(cosine) for cosine in direction.ravel()])


def _shown(grid: Grid) -> str:
    voxels = " x ".join(str(n) for n in grid.shape)
    return f"{voxels} voxels of {' x '.join(f'{mm:.2f}' for mm in grid.spacing_mm)} mm"
