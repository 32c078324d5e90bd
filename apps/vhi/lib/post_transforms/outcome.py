"""The limits of what a step may make of a grade map: the volume stays one of voxels above the thresholds.

Our own steps keep these rules by what they do; a step from elsewhere is checked each time.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..core.transforms.holes import fill_holes
from ..errors import SettingsError


def check_outcome(before: np.ndarray, after: np.ndarray, disease_region: np.ndarray, source: str) -> None:
    """Refuse a grade map that a step may not make.

    Parameters
    ----------
    before : (I, J, K) uint8 array
        Grades 0, 1, 2.
    after : (I, J, K) array
        Any numbers.
    disease_region : (I, J, K) bool array
    source : str
        The step, as messages call it.

    Raises
    ------
    SettingsError
        Another shape; values other than 0, 1, 2; a grade that was changed without being cleared; voxels that were added without
        being enclosed in their slice by a lesion (with grade 2: by grade 2 alone), or outside the disease region.
    """
    if after.shape != before.shape:
        raise SettingsError(f"{source} gives a map of shape {after.shape} for one of {before.shape}; the grid must stay.")
    wrong = after[~np.isin(after, (0, 1, 2))]
    if wrong.size:
        raise SettingsError(f"{source} gives the value {wrong[0]:g}; a grade is 0, 1 or 2.")
    raised = after > np.maximum(before, 1)
    if raised.any():
        # a hole that grade 2 alone encloses may have its grade, as one that a lesion encloses may have grade 1
        enclosed = (before == 0) & (fill_holes(np.where(before == 2, 2, 0), disease_region) == 1)
        beyond = int(np.count_nonzero(raised & ~enclosed))
        if beyond:
            raise SettingsError(f"{source} gives grade 2 to {_voxels(beyond)} below the conservative threshold.")
    lowered = int(np.count_nonzero((after > 0) & (after < before)))
    if lowered:
        raise SettingsError(f"{source} gives grade 1 to {_voxels(lowered)} above the conservative threshold.")
    added = (after > 0) & (before == 0)
    if not added.any():
        return
    open_ended = int(np.count_nonzero(added & (fill_holes(before, disease_region) == 0)))
    if open_ended:
        raise SettingsError(
            f"{source} adds {_voxels(open_ended)} below the sensitive threshold that no lesion encloses in their slice, "
            "within the disease region; VHI would not be a volume above a threshold any more."
        )


def _voxels(n: int) -> str:
    return f"{n} voxel{'s' * (n != 1)}"


def check_keys(keys: Any, source: str) -> None:
    """Refuse a step of a chain that works on anything but the grade map.

    Raises
    ------
    SettingsError
    """
    if keys not in ("grade", ["grade"]):
        raise SettingsError(f"{source}: keys must be 'grade', the map of grades 0, 1 and 2; found {str(keys)[:60]!r}.")
