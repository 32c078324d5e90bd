"""A region as another reader might have drawn it: what depends on a reader's hand is measured with these.

A reader marks outlines, one or several a slice, on a few slices. Each kind of change is small: another reader of the same scan
would hardly call the region wrong. Hepburn et al. 2023 drew normal bone as circles in the sacrum on 3 to 6 slices.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

from ..core.library import ndimage
from ..core.volume import Mask, Volume, check_same_grid
from ..errors import InputError

MOVED_PIXELS = (1, 3)  # by how much an outline is moved, smallest and largest
GROWN_PIXELS = (1, 2)  # likewise, by how much its edge
RADIUS_FACTORS = (0.8, 1.2)  # of a circle drawn in an outline's place
PLACES, REACH_PIXELS = 20, 10  # tried for an outline on a new slice, and how far from where it was
_DISC = ndimage.generate_binary_structure(2, 1)


def redrawings(region: Mask, image: Volume, each: int, seed: int = 0) -> Iterator[tuple[str, Mask]]:
    """The region drawn again, `each` times for each kind of change in `KINDS`.

    Parameters
    ----------
    region : Mask
        (I, J, K), K the slices. Not changed.
    image : Volume
        What it was drawn on, on the same grid: a reader who adds a slice looks for a place free of what is bright.
    each : int
    seed : int
        The same seed draws the same regions, whatever `each` is.

    Yields
    ------
    kind : str
    Mask
        On the grid of `region`, never empty.

    Raises
    ------
    InputError
        `region` is empty.
    GridMismatchError
        The two lie on different grids.
    """
    check_same_grid(image, region)
    if not region.voxels:
        raise InputError(f"{region.name} is empty, so there is nothing to draw again.")
    for number, (kind, change) in enumerate(KINDS.items()):
        rng = np.random.default_rng([seed, number])
        for _ in range(each):
            changed = change(region.data, image.data, rng)
            yield kind, Mask(changed if changed.any() else region.data, region.grid, f"{region.name}, {kind}")


def _moved(region: np.ndarray, image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """The whole region, one to three pixels in any direction in the plane."""
    angle, length = rng.uniform(0, 2 * np.pi), rng.uniform(*MOVED_PIXELS)
    return _shifted(region, round(length * np.cos(angle)), round(length * np.sin(angle)))


def _each_moved(region: np.ndarray, image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Each slice's outlines on their own."""
    changed = np.zeros_like(region)
    for k in _slices(region):
        changed[:, :, [k]] = _moved(region[:, :, [k]], image, rng)
    return changed


def _shrunk(region: np.ndarray, image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    return ndimage.binary_erosion(region, _DISC[:, :, np.newaxis], _times(rng))


def _grown(region: np.ndarray, image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    return ndimage.binary_dilation(region, _DISC[:, :, np.newaxis], _times(rng))


def _slice_less(region: np.ndarray, image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    changed = region.copy()
    slices = _slices(region)
    if len(slices) > 1:
        changed[:, :, rng.choice(slices)] = False
    return changed


def _slice_more(region: np.ndarray, image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Outlines of one slice repeated on a neighbour that has none, moved to where their brightest pixel is darkest."""
    slices = _slices(region)
    free = [(k, n) for k in slices for n in (k - 1, k + 1) if 0 <= n < region.shape[2] and n not in slices]
    changed = region.copy()
    if free:
        k, n = free[int(rng.integers(len(free)))]
        moves = rng.integers(-REACH_PIXELS, REACH_PIXELS + 1, (PLACES, 2))
        places = [_shifted(region[:, :, k], i, j) for i, j in moves]
        changed[:, :, n] = min(places, key=lambda place: image[:, :, n][place].max(initial=-np.inf))
    return changed


def _circle_less(region: np.ndarray, image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Without one connected outline of one slice."""
    outlines = list(_outlines(region))
    changed = region.copy()
    if len(outlines) > 1:
        k, outline = outlines[int(rng.integers(len(outlines)))]
        changed[:, :, k] &= ~outline
    return changed


def _circles(region: np.ndarray, image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Each outline replaced by a circle about its centre, of another radius and moved a little."""
    changed = np.zeros_like(region)
    i, j = np.indices(region.shape[:2])
    factor = rng.uniform(*RADIUS_FACTORS)
    for k, outline in _outlines(region):
        centre = np.argwhere(outline).mean(axis=0) + rng.uniform(-MOVED_PIXELS[0], MOVED_PIXELS[0], 2)
        radius = factor * np.sqrt(np.count_nonzero(outline) / np.pi)
        changed[:, :, k] |= (i - centre[0]) ** 2 + (j - centre[1]) ** 2 <= radius**2
    return changed


KINDS: dict[str, Callable[[np.ndarray, np.ndarray, np.random.Generator], np.ndarray]] = {
    "moved": _moved,
    "each slice moved": _each_moved,
    "shrunk": _shrunk,
    "grown": _grown,
    "a slice less": _slice_less,
    "a slice more": _slice_more,
    "a circle less": _circle_less,
    "circles of another radius": _circles,
}


def _times(rng: np.random.Generator) -> int:
    return int(rng.integers(GROWN_PIXELS[0], GROWN_PIXELS[1] + 1))


def _slices(region: np.ndarray) -> np.ndarray:
    return np.flatnonzero(region.any(axis=(0, 1)))


def _outlines(region: np.ndarray) -> Iterator[tuple[int, np.ndarray]]:
    """Slice and `(I, J)` mask of every connected piece."""
    for k in _slices(region):
        labels, count = ndimage.label(region[:, :, k])
        for n in range(1, count + 1):
            yield int(k), labels == n


def _shifted(region: np.ndarray, i: int, j: int) -> np.ndarray:
    """Moved by whole pixels; what leaves the image is lost."""
    moved = np.zeros_like(region)

    def ends(by: int, size: int) -> tuple[slice, slice]:
        return slice(max(0, by), size + min(0, by)), slice(max(0, -by), size - max(0, by))

    (to_i, from_i), (to_j, from_j) = ends(i, region.shape[0]), ends(j, region.shape[1])
    moved[to_i, to_j] = region[from_i, from_j]
    return moved
