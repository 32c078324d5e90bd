"""From which probability a lesion is kept: a large one from a lower probability than a small one.

What is missed is counted by its share of the patient's inflammation, what is kept by mistake partly by number and partly by
volume. With v a lesion's weight over what is expected in all (the sum of probability times weight), keeping it gains p v and
costs (1 - p) v^(2/3), between a count (power 0) and a volume (power 1): it is kept where p / (1 - p) times the cube root of v
reaches a limit. In training lesions weigh by the cube root of their volume.

A lesion's weight is its volume as far as it stands out: at a threshold that is too low speckle grows into large lesions, which
are hardly brighter than the bone around them. What lies in lumbar vertebrae above the L4/5 disc is never kept, as the method has
it (Hepburn et al. 2023, section 2.5.4).

This is the rule `BY_CONTRAST`. By the rule `BY_VOLUME`, of versions learnt before, a lesion weighs its voxels and nothing is left
out: their limit was chosen so.
"""

from __future__ import annotations

import numpy as np

from .features import FEATURES
from .forest import Forest

BY_VOLUME, BY_CONTRAST = 1, 2
RULES = (BY_VOLUME, BY_CONTRAST)
REFERENCE_SHARE = 0.01  # of the expected inflammation: the lesion for which a model's limit is given
POWER = 1 / 3
LEAST_CONTRAST = 0.02
_CONTRAST = list(FEATURES).index("contrast")


def weight_of(features: np.ndarray, voxels: np.ndarray) -> np.ndarray:
    """Weight of each lesion in the rule: its voxels times the square of how far its contrast lies above 1.

    Parameters
    ----------
    features : (lesions, len(FEATURES)) float array
    voxels : (lesions,) int array

    Returns
    -------
    (lesions,) float array
        In voxels.
    """
    return np.asarray(voxels * np.maximum(features[:, _CONTRAST] - 1.0, LEAST_CONTRAST) ** 2)


def limits_of(probability: np.ndarray, weight: np.ndarray, limit: float, least: float = LEAST_CONTRAST**2) -> np.ndarray:
    """The probability from which each lesion of a scan is kept.

    Parameters
    ----------
    probability, weight : (lesions,) arrays
        Of all lesions of the scan; see `probability_of` and `weight_of`.
    limit : float
        For a lesion of a hundredth of the expected inflammation; in (0, 1).
    least : float
        Weight that is expected at least, that of a faint voxel: where nothing is likely, nothing is kept.

    Returns
    -------
    (lesions,) float array
        In (0, 1), lower for larger lesions.
    """
    expected = max(float(probability @ weight), least)
    odds = limit / (1 - limit) * (REFERENCE_SHARE * expected / weight) ** POWER
    return np.asarray(odds / (1 + odds))


def probability_of(forest: Forest, features: np.ndarray, never_kept: np.ndarray | None) -> np.ndarray:
    """Probability that readers keep each lesion.

    Parameters
    ----------
    forest : Forest
    features : (lesions, len(FEATURES)) float array
    never_kept : (lesions,) bool array, optional
        Lesions that the method leaves out, whose probability is 0.

    Returns
    -------
    (lesions,) float array
    """
    probability = forest.probability(features)
    return probability if never_kept is None else np.where(never_kept, 0.0, probability)


def keeps(probability: np.ndarray, weight: np.ndarray, limit: float) -> np.ndarray:
    """Which lesions of a scan are kept, `(lesions,)` bool; `probability` and `weight` are `(lesions,)`, as in `limits_of`."""
    return np.asarray(probability >= limits_of(probability, weight, limit))
