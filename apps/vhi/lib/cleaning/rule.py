"""From which probability a lesion is kept: a large one from a lower probability than a small one.

What is missed is counted by its share of the patient's inflammation, what is kept by mistake partly by number and partly by
volume. With v a lesion's volume over the inflammation that is expected in all (the sum of probability times volume), keeping it
gains p v and costs (1 - p) v^(2/3), between a count (power 0) and a volume (power 1): it is kept where p / (1 - p) times the
cube root of v reaches a limit. In training, too, lesions weigh by the cube root of their volume.
"""

from __future__ import annotations

import numpy as np

REFERENCE_SHARE = 0.01  # of the expected inflammation: the lesion that a model's limit is told for
POWER = 1 / 3


def limits_of(probability: np.ndarray, voxels: np.ndarray, limit: float) -> np.ndarray:
    """The probability from which each lesion of a scan is kept.

    Parameters
    ----------
    probability, voxels : (lesions,) arrays
        Of all lesions of the scan.
    limit : float
        For a lesion of a hundredth of the expected inflammation; in (0, 1).

    Returns
    -------
    (lesions,) float array
        In (0, 1), lower for larger lesions.
    """
    # no less than a voxel: where nothing is likely, nothing is kept
    expected = max(float(probability @ voxels), 1.0)
    odds = limit / (1 - limit) * (REFERENCE_SHARE * expected / voxels) ** POWER
    return np.asarray(odds / (1 + odds))


def keeps(probability: np.ndarray, voxels: np.ndarray, limit: float) -> np.ndarray:
    """Which lesions of a scan are kept; `(lesions,)` bool array."""
    return np.asarray(probability >= limits_of(probability, voxels, limit))
