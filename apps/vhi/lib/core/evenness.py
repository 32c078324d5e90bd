"""How even an image is about each pixel: local mean and deviation, and the scan's own noise, which evenness is judged by."""

from __future__ import annotations

import numpy as np

from .library import ndimage

# Of the disease region's pixels, the share that vary least: their deviation is noise, not anatomy.
QUIETEST = 10.0


def local_statistics(image: np.ndarray, half_mm: float, spacing_mm: tuple[float, float]) -> tuple[np.ndarray, np.ndarray]:
    """Mean and standard deviation about each pixel of hung slices, `(K, rows, columns)` float each, in the units of `image`.

    Parameters
    ----------
    image : (K, rows, columns) array
    half_mm : float
        Half the side of the square [mm], within the slice.
    spacing_mm : (float, float)
        Of rows and columns.
    """
    size = (1, *(2 * round(half_mm / mm) + 1 for mm in spacing_mm))
    image = np.asarray(image, dtype=np.float64)
    mean = ndimage.uniform_filter(image, size, mode="nearest")
    square = ndimage.uniform_filter(image**2, size, mode="nearest")
    return mean, np.sqrt(np.maximum(square - mean**2, 0))


def noise_of(deviation: np.ndarray, region: np.ndarray) -> float:
    """The scan's noise [scanner units]: the deviation of the quietest tenth of the disease region, which is not empty.

    `deviation` is `(K, rows, columns)` float [scanner units], `region` bool of the same shape.

    Neighbouring pixels are correlated where a scanner interpolates, so that their differences would tell less than it is.
    """
    return float(np.percentile(deviation[region], QUIETEST))


def structure(deviation: np.ndarray, noise: float) -> np.ndarray:
    """The part of a deviation that is anatomy and not noise; `(K, rows, columns)` float [scanner units] in and out."""
    above_noise: np.ndarray = np.sqrt(np.maximum(deviation**2 - noise**2, 0))
    return above_noise
