"""Keeping and clearing whole connected groups of a grade map."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from ..library import ndimage

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
    kept = np.array(grade.T, order="C")
    graded = np.flatnonzero(kept > 0)  # few of all voxels: the rest is never touched again
    if graded.size:
        group = label_groups(kept.T, structure)[0].T.ravel()[graded] - 1
        kept.ravel()[graded[~keep(group, kept.ravel()[graded])[group]]] = 0
    return kept.T


def label_groups(grade: np.ndarray, structure: np.ndarray = IN_SPACE) -> tuple[np.ndarray, int]:
    """Number the connected groups of an `(I, J, K)` grade map from 1, an int32 array of its shape, and count them.

    `structure`, `(3, 3, 3)` bool, says which neighbours are connected.
    """
    # labelling goes line by line along the last axis: the long rows of a slice are faster lines than 25 slices are
    labels, count = ndimage.label(grade.T, structure=structure.T)
    return labels.T, count
