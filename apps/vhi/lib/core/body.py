"""Where the body lies in the frame: air beyond it says nothing, and how much of it a frame holds is chance."""

from __future__ import annotations

import numpy as np

from .pair_cache import PairCache
from .volume import Volume

# What is body: brighter than a twentieth of fat, and fat is what the brightest 10 ml exceed. A volume and not a percentile, since
# a percentile falls with every column of air.
BODY_SHARE_OF_FAT = 0.05
FAT_ML = 10.0
SAMPLED = 61  # so many voxels stand for one of a sample; no divisor of usual matrices
# A row or column of pixels shows the body where, over the slices, at least this length of it is body; noise and ghosts are less
BODY_LENGTH_MM = 5.0

Box = tuple[slice, slice]
BOXES: PairCache[Volume, Volume, Box] = PairCache()  # intensities and frame both ask


def body_box(volume: Volume) -> Box:
    """The rows and columns of pixels between the first and the last that show the body.

    Parameters
    ----------
    volume : Volume
        `(I, J, K)` intensities, air near 0 [scanner units].

    Returns
    -------
    box : (slice, slice)
        Along I and J; the whole frame where nothing stands out from air. The same anatomy whatever air lies round it.
    """
    known = BOXES.find(volume, volume)
    if known is not None:
        return known
    i_mm, j_mm, _ = volume.grid.spacing_mm
    body = volume.data > BODY_SHARE_OF_FAT * _fat(volume)
    i, j, k = body.shape
    count = np.add.reduce(body.view(np.uint8), axis=2, dtype=np.uint32)
    box = _extent(count.sum(axis=1) / (j * k), j * j_mm), _extent(count.sum(axis=0) / (i * k), i * i_mm)
    return BOXES.keep(volume, volume, box)


def _fat(volume: Volume) -> float:
    """The intensity [scanner units] that the brightest 10 ml exceed, of a small volume that of its brightest tenth."""
    count = min(round(FAT_ML * 1000 / volume.grid.voxel_volume_mm3), volume.data.size // 10)
    return _nth_brightest(volume.data.ravel(order="K"), max(count, 1))


def _nth_brightest(values: np.ndarray, n: int) -> float:
    """The n-th largest of `(m,)` values, n from 1 to m.

    Of the brightest alone, as a sample tells which are: an eighth of the time of a partition of all.
    """
    sample = values[::SAMPLED]
    enough = min(2 * n // SAMPLED + 20, sample.size)
    top = values[values >= np.partition(sample, -enough)[-enough]]
    return float(np.partition(top if top.size >= n else values, -n)[-n])


def _extent(share: np.ndarray, frame_mm: float) -> slice:
    """From the shares of the pixels of each row that are body, and the length of a row [mm]."""
    shown = np.flatnonzero(share * frame_mm >= min(BODY_LENGTH_MM, frame_mm / 2))
    return slice(int(shown[0]), int(shown[-1]) + 1) if len(shown) else slice(0, len(share))
