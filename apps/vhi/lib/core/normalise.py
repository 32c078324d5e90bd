"""T1W as the networks see it, and their answer back on the scan's own grid.

A network was trained on slices hung one way, at one pixel spacing, at one intensity scale. A scan arrives with any axis order,
matrix and scanner gain. Everything between the two is here, for training and for use alike.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from skimage.transform import resize

from .orientation import Hanging, runs_to_front
from .volume import Grid, Volume

# 200 mm field of view in 336 pixels, the study's protocol
TRAINING_PIXEL_SPACING_MM = 200.0 / 336.0
# training already varies the size by 15%: a spacing this close is left alone, because interpolation blurs
SPACING_TOLERANCE = 0.10


def normalise_t1w(volume: Volume) -> np.ndarray:
    """Intensities divided by three times the standard deviation of the whole volume.

    Returns
    -------
    (I, J, K) float32 array
        Without unit; the same for a scan and for that scan times a constant.

    Notes
    -----
    Hepburn et al. 2023, section 2.5.1. A `Volume` is never constant, so the deviation is never zero.
    """
    return (volume.data / (3.0 * volume.data.std(dtype=np.float64))).astype(np.float32)


@dataclass(frozen=True)
class NetworkFrame:
    """The way from `(I, J, K)` arrays of one grid to a network's `(K, H, W)` slices, and back.

    Parameters
    ----------
    hanging : Hanging
        Rows from superior to inferior, columns from the patient's right to the left.
    own_size : (rows, columns)
        Size of a hung slice of the scan.
    network_size : (H, W)
        Size of the slice that the network sees; equal to `own_size` unless the pixel spacing is too different.
    back_to_front : bool
        Whether the slices run from the patient's back to the front.
    """

    hanging: Hanging
    own_size: tuple[int, int]
    network_size: tuple[int, int]
    back_to_front: bool = True

    @classmethod
    def of(cls, grid: Grid, pixel_spacing_mm: float = TRAINING_PIXEL_SPACING_MM) -> NetworkFrame:
        """The frame of a scan for a network trained at `pixel_spacing_mm`.

        A direction of the slice is resampled when its spacing differs from the network's by more than 10%.
        """
        hanging = Hanging.of(grid)
        rows, columns = grid.shape[:2] if hanging.transpose else grid.shape[1::-1]
        ratios = [spacing / pixel_spacing_mm for spacing in hanging.pixel_spacing_mm(grid)]
        height, width = (
            round(n * ratio) if abs(np.log(ratio)) > np.log1p(SPACING_TOLERANCE) else n
            for n, ratio in zip((rows, columns), ratios, strict=True)
        )
        return cls(hanging, (rows, columns), (max(height, 1), max(width, 1)), runs_to_front(grid))

    def slices(self, array: np.ndarray) -> np.ndarray:
        """`(I, J, K)` to contiguous `(K, H, W)` float32."""
        return self._resized(self.hanging.hang(array), self.network_size)

    def volume(self, slices: np.ndarray) -> np.ndarray:
        """`(K, H, W)` to `(I, J, K)` float32: the way back, of a probability for instance."""
        return self.hanging.unhang(self._resized(slices, self.own_size))

    @staticmethod
    def _resized(slices: np.ndarray, size: tuple[int, int]) -> np.ndarray:
        slices = np.ascontiguousarray(slices, dtype=np.float32)
        if slices.shape[1:] == size:
            return slices
        resized: np.ndarray = resize(slices, (len(slices), *size), order=1, mode="edge", anti_aliasing=True)
        return resized.astype(np.float32, copy=False)
