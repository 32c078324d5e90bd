"""T1W as the networks see it, and their answer back on the scan's own grid.

A network was trained on slices hung one way, at one pixel spacing, at one intensity scale, filled by the body. A scan arrives
with any axis order, matrix, scanner gain and border of air. Everything between the two is here, for training and for use alike.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..errors import ModelError
from .body import Box, body_box
from .orientation import DisplayOrientation, runs_to_front
from .volume import Volume

# 200 mm field of view in 336 pixels, the study's protocol
TRAINING_PIXEL_SPACING_MM = 200.0 / 336.0
# training already varies the size by 15%: a spacing this close is left alone, because interpolation blurs
SPACING_TOLERANCE = 0.10


def normalise_t1w(volume: Volume) -> np.ndarray:
    """Intensities divided by three times the standard deviation of the part of the frame that the body fills.

    Returns
    -------
    (I, J, K) float32 array
        Without unit; the same for a scan and for that scan times a constant, or with more air round it.

    Notes
    -----
    Hepburn et al. 2023, section 2.5.1, where the body fills the frame. A box without contrast is divided by that of the
    whole volume, which is never constant.
    """
    deviation = volume.data[body_box(volume)].std(dtype=np.float64) or volume.data.std(dtype=np.float64)
    normalised = np.empty_like(volume.data, dtype=np.float32)
    return np.divide(volume.data, 3.0 * deviation, out=normalised, casting="same_kind")  # in double precision, then rounded


def check_training_spacing(version: str, pixel_spacing_mm: float) -> None:
    """Refuse networks that learnt slices of another pixel spacing than they are fed.

    Raises
    ------
    ModelError
    """
    if abs(pixel_spacing_mm - TRAINING_PIXEL_SPACING_MM) > 1e-3:
        raise ModelError(
            f"Version {version} was trained at {pixel_spacing_mm} mm pixels, this program feeds networks "
            f"{TRAINING_PIXEL_SPACING_MM:.4f} mm; use a version trained by it."
        )


@dataclass(frozen=True)
class NetworkFrame:
    """The way from `(I, J, K)` arrays of one scan to a network's `(K, H, W)` slices of the body, and back.

    Parameters
    ----------
    hanging : DisplayOrientation
        Rows from superior to inferior, columns from the patient's right to the left.
    shape : (I, J, K)
        Of the scan.
    body : (slice, slice)
        What the network sees of it, along I and J.
    own_size : (rows, columns)
        Size of a hung slice of the body.
    network_size : (H, W)
        Size of the slice that the network sees; equal to `own_size` unless the pixel spacing is too different.
    back_to_front : bool
        Whether the slices run from the patient's back to the front.
    """

    hanging: DisplayOrientation
    shape: tuple[int, int, int]
    body: Box
    own_size: tuple[int, int]
    network_size: tuple[int, int]
    back_to_front: bool = True

    @classmethod
    def of(cls, t1w: Volume, pixel_spacing_mm: float = TRAINING_PIXEL_SPACING_MM, *, air: bool = False) -> NetworkFrame:
        """The frame of a scan for a network trained at `pixel_spacing_mm`; with `air` of all that the scan holds.

        A direction of the slice is resampled when its spacing differs from the network's by more than 10%.
        """
        size_i, size_j, _ = t1w.grid.shape
        hanging, body = DisplayOrientation.of(t1w.grid), (slice(0, size_i), slice(0, size_j)) if air else body_box(t1w)
        size = [part.stop - part.start for part in body]
        rows, columns = size if hanging.transpose else size[::-1]
        ratios = [spacing / pixel_spacing_mm for spacing in hanging.pixel_spacing_mm(t1w.grid)]
        height, width = (
            round(n * ratio) if abs(np.log(ratio)) > np.log1p(SPACING_TOLERANCE) else n
            for n, ratio in zip((rows, columns), ratios, strict=True)
        )
        seen = (max(height, 1), max(width, 1))
        return cls(hanging, t1w.grid.shape, body, (rows, columns), seen, runs_to_front(t1w.grid))

    def slices(self, array: np.ndarray) -> np.ndarray:
        """`(I, J, K)` to contiguous `(K, H, W)` float32 of the body, in the units of `array`."""
        return self._resized(self.hanging.hang(array[self.body]), self.network_size)

    def volume(self, slices: np.ndarray) -> np.ndarray:
        """`(K, H, W)` to `(I, J, K)` float32: the way back, of a probability for instance; 0 beyond the body."""
        # slice after slice in memory, as the scan's files are: what follows goes through slices
        volume = np.zeros(self.shape, np.float32, order="F")
        volume[self.body] = self.hanging.unhang(self._resized(slices, self.own_size))
        return volume

    @staticmethod
    def _resized(slices: np.ndarray, size: tuple[int, int]) -> np.ndarray:
        slices = np.ascontiguousarray(slices, dtype=np.float32)
        if slices.shape[1:] == size:
            return slices
        from skimage.transform import resize  # slow to import, and few scans need it

        resized: np.ndarray = resize(slices, (len(slices), *size), order=1, mode="edge", anti_aliasing=True)
        return resized.astype(np.float32, copy=False)
