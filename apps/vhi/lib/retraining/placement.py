"""Does a region lie right on its image, whatever any network thinks? By the edges of the image under its outline.

Moved over the image, an outline that was drawn on it crosses the strongest edges where it was drawn, and weaker ones the further
away in either direction. Measured on twelve scans of another scanner with the labels of their bones (docs/retraining.md):

===============================  ==================  ====================================
what                             right labels        wrong ones
===============================  ==================  ====================================
edges 7 mm away, over own        0.53 to 0.73        another patient's: 0.92 to 1.03
centre of the edges, pixels      0.0 to 1.25         moved by 2 pixels: 1.0 to 2.75
edges one slice on, over own     0.73 to 0.89        moved by one slice: 1.13 to 1.46
edges of the flipped label       0.34 to 0.88        flipped left to right: 1.13 to 1.76
===============================  ==================  ====================================
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..core.library import ndimage
from ..core.volume import Mask, Volume

# how far an outline is moved each way
REACH_MM, LEAST_REACH, MOST_REACH = 7.3, 6, 12
# an outline that crosses hardly stronger edges than its surroundings was not drawn on this image
FLAT = 0.88
LARGEST_SHIFT = 1.25
SLICE_GAIN, FLIP_GAIN = 0.1, 0.05
_POINTS, _SMOOTHING, _SEED = 15_000, 1.0, 0


@dataclass(frozen=True)
class Placement:
    """How a region lies on its image.

    Parameters
    ----------
    shift : tuple of float
        By how many pixels along i and j it seems to have been moved away from the edges.
    flat : float
        Strength of the edges some pixels away over that under the outline, the mean of four directions.
    flipped : tuple of float
        Strength of the edges under the region flipped along i, j and k over that under the region.
    next_slice : float
        The same for the region one slice on, in the better direction.
    """

    shift: tuple[float, float]
    flat: float
    flipped: tuple[float, float, float]
    next_slice: float


class Edges:
    """The edges of an image within its slices.

    Parameters
    ----------
    image : (I, J, K) array
        Scanner units.
    """

    def __init__(self, image: np.ndarray) -> None:
        smooth = ndimage.gaussian_filter(np.asarray(image, np.float32), (_SMOOTHING, _SMOOTHING, 0))
        self.along_i, self.along_j = np.gradient(smooth, axis=(0, 1))

    def under(self, outline: Outline, shift: tuple[int, int, int] = (0, 0, 0)) -> float:
        """Mean strength of the edges along an outline that was moved; what leaves the image is left out."""
        places = outline.places + np.array(shift)
        inside = ((places >= 0) & (places < self.along_i.shape)).all(axis=1)
        at = tuple(places[inside].T)
        crossed = self.along_i[at] * outline.normal_i[inside] + self.along_j[at] * outline.normal_j[inside]
        return float(np.abs(crossed).mean()) if inside.any() else 0.0


@dataclass(frozen=True, eq=False)
class Outline:
    """Voxels `(n, 3)` on the outline of a region within the slices, and the direction `(n,)` that leads out of it there."""

    places: np.ndarray
    normal_i: np.ndarray
    normal_j: np.ndarray

    @classmethod
    def of(cls, region: np.ndarray) -> Outline:
        """The outline of an `(I, J, K)` bool array; of many voxels some, always the same."""
        places = np.argwhere(region & ~_eroded(region))
        if len(places) > _POINTS:
            places = places[np.sort(np.random.default_rng(_SEED).permutation(len(places))[:_POINTS])]
        smooth = ndimage.gaussian_filter(region.astype(np.float32), (1.5, 1.5, 0))
        i, j = (-gradient[tuple(places.T)] for gradient in np.gradient(smooth, axis=(0, 1)))
        length = np.maximum(np.hypot(i, j), 1e-6)
        return cls(places, i / length, j / length)

    def flipped(self, axis: int, shape: tuple[int, ...]) -> Outline:
        """That of the region flipped along an axis of its array."""
        places = self.places.copy()
        places[:, axis] = shape[axis] - 1 - places[:, axis]
        return Outline(places, self.normal_i * (-1) ** (axis == 0), self.normal_j * (-1) ** (axis == 1))


def _eroded(region: np.ndarray) -> np.ndarray:
    """Voxels whose four neighbours in the slice are of the region; beyond the image all is."""
    inner = region.copy()
    inner[1:] &= region[:-1]
    inner[:-1] &= region[1:]
    inner[:, 1:] &= region[:, :-1]
    inner[:, :-1] &= region[:, 1:]
    return inner


def placement_of(region: Mask, t1w: Volume) -> Placement:
    """How a region that is not empty lies on its image."""
    edges, outline = Edges(t1w.data), Outline.of(region.data)
    own = max(edges.under(outline), 1e-12)
    shift, ends = [], []
    for axis in (0, 1):
        reach = int(np.clip(round(REACH_MM / t1w.grid.spacing_mm[axis]), LEAST_REACH, MOST_REACH))
        profile = np.array([edges.under(outline, _along(axis, n)) for n in range(-reach, reach + 1)]) / own
        shift.append(-_centre(profile, reach))
        ends += [profile[0], profile[-1]]
    i, j, k = (edges.under(outline.flipped(axis, region.data.shape)) / own for axis in range(3))
    return Placement(
        shift=(shift[0], shift[1]),
        flat=float(np.mean(ends)),
        flipped=(i, j, k),
        next_slice=max(edges.under(outline, (0, 0, n)) for n in (-1, 1)) / own,
    )


def _along(axis: int, n: int) -> tuple[int, int, int]:
    return (n, 0, 0) if axis == 0 else (0, n, 0)


def _centre(profile: np.ndarray, reach: int) -> float:
    """Where a profile over -reach ... reach pixels is most nearly symmetric, within half of that."""
    at = np.arange(-reach, reach + 1)
    centres = np.arange(-reach / 2, reach / 2 + 0.01, 0.25)
    apart = [
        float(np.mean((np.interp(centre + d, at, profile) - np.interp(centre - d, at, profile)) ** 2))
        for centre in centres
        for d in [np.arange(0.5, reach - abs(centre) + 0.01, 0.5)]
    ]
    return float(centres[int(np.argmin(apart))])
