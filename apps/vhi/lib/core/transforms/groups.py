"""Keeping and clearing whole connected groups of a grade map."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from scipy import ndimage

# 26-connected: voxels that share a face, an edge or a corner
IN_SPACE = np.ones((3, 3, 3), dtype=bool)


def keep_groups(grade: np.ndarray, structure: np.ndarray, keep: Callable[[np.ndarray, np.ndarray], np.ndarray]) -> np.ndarray:
    """Clear the connected groups of a grade map that `keep` does not want.

    Parameters
    ----------
    grade : (I, J, K) uint8 array
        Both grades together form the groups.
    structure : (3, 3, 3) bool array
        Which neighbours are connected.
    keep : callable
        Takes the group number (from 0) and the grade of each graded voxel, both `(n,)`, and returns a bool per group.

    Returns
    -------
    (I, J, K) uint8 array
        A new one.
    """
    kept = grade.copy(order="C")
    graded = np.flatnonzero(kept)  # few of all voxels: the rest is never touched again
    if graded.size:
        labels, _ = ndimage.label(kept, structure=structure)
        group = labels.ravel()[graded] - 1
        kept.ravel()[graded[~keep(group, kept.ravel()[graded])[group]]] = 0
    return kept
