"""Where the body lies in the frame: air beyond it says nothing, and how much of it a frame holds is chance."""

from __future__ import annotations

import numpy as np

from .known import Known
from .volume import Volume

# What is body: brighter than a twentieth of fat, and fat is what the brightest 10 ml exceed. A volume and not a percentile, since
# a percentile falls with every column of air.
BODY_SHARE_OF_FAT = 0.05
FAT_ML = 10.0
# A row or column of pixels shows the body where, over the slices, at least this length of it is body; noise and ghosts are less
BODY_LENGTH_MM = 5.0

Box = tuple[slice, slice]
BOXES: Known[Volume, Volume, Box] = Known()  # intensities and frame both ask


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
    box = _extent(body.mean((1, 2)), body.shape[1] * j_mm), _extent(body.mean((0, 2)), body.shape[0] * i_mm)
    return BOXES.keep(volume, volume, box)


def _fat(volume: Volume) -> float:
    """The intensity [scanner units] that the brightest 10 ml exceed, of a small volume that of its brightest tenth."""
    count = min(round(FAT_ML * 1000 / volume.grid.voxel_volume_mm3), volume.data.size // 10)
    return float(np.partition(volume.data, -max(count, 1), axis=None)[-max(count, 1)])


def _extent(share: np.ndarray, frame_mm: float) -> slice:
    """From the shares of the pixels of each row that are body, and the length of a row [mm]."""
    shown = np.flatnonzero(share * frame_mm >= min(BODY_LENGTH_MM, frame_mm / 2))
    return slice(int(shown[0]), int(shown[-1]) + 1) if len(shown) else slice(0, len(share))
