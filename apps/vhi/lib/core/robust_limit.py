"""The upper limit of normal bone that does not hang on one voxel: the `robust` rule's counterpart of the brightest voxel."""

from __future__ import annotations

import numpy as np

# Tukey's far fence: beyond the third quartile by three interquartile ranges a value is no tail of the sample
FAR_FENCE = 3.0
# Slices with fewer voxels have no quartiles to speak of; theirs count in the whole sample alone.
MIN_SLICE_VOXELS = 30
# Of the sensitive threshold below the limit, in interquartile ranges, so that VHI is the paper rule's in the median of the
# published scans; 0.595 to 0.605 with each scan left out (benchmarks/thresholds.py). The paper's own gap is 0.1 to 0.5.
GAP_IQR = 0.6


def robust_limit(values: np.ndarray, slice_index: np.ndarray) -> float:
    """Mean of two estimates: the typical slice's brightest voxel, and the far fence of the whole sample.

    Neither can be moved far by a few voxels: a slice's brightest voxel counts up to the slice's own far fence.

    Parameters
    ----------
    values : (n,) float array
        STIR intensities of normal bone [scanner units], n >= 2.
    slice_index : (n,) int array
        The slice of each.

    Returns
    -------
    float
        [scanner units]; scales and shifts with the intensities.
    """
    slices = [values[slice_index == k] for k in np.unique(slice_index)]
    large = [of_slice for of_slice in slices if of_slice.size >= MIN_SLICE_VOXELS] or [values]
    typical = float(np.mean([min(float(of_slice.max()), far_fence(of_slice)) for of_slice in large]))
    return (typical + far_fence(values)) / 2


def far_fence(values: np.ndarray) -> float:
    """Third quartile plus three interquartile ranges of `(n,)` values."""
    q1, q3 = np.percentile(values, [25, 75])
    return float(q3 + FAR_FENCE * (q3 - q1))
