"""Two visits of one patient: which lesions are new, which are gone, and how the others changed."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Literal

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from ..core.library import ndimage
from ..core.volume import Grid
from ..errors import InputError, SettingsError

Status = Literal["new", "resolved", "persisting"]


@dataclass(frozen=True)
class LesionChange:
    """The fate of one lesion, or of several that touch across the visits (one that split, several that merged).

    `baseline_ids` and `follow_up_ids` are the labels of the two maps; one of them is empty for a lesion that is new or
    resolved. `centroid_mm` (RAS+) is that of the lesion at baseline, of a new one at follow-up.
    """

    status: Status
    baseline_ids: tuple[int, ...]
    follow_up_ids: tuple[int, ...]
    baseline_mm3: float
    follow_up_mm3: float
    centroid_mm: tuple[float, float, float]

    @property
    def change_mm3(self) -> float:
        """Follow-up minus baseline: negative where the lesion shrank."""
        return self.follow_up_mm3 - self.baseline_mm3

    @property
    def relative_change(self) -> float:
        """Change as a share of the baseline, -1 for a resolved lesion; `nan` for a new one."""
        return self.change_mm3 / self.baseline_mm3 if self.baseline_mm3 else float("nan")


@dataclass(frozen=True)
class VisitComparison:
    """All lesions of two visits, the largest at either visit first."""

    lesions: tuple[LesionChange, ...]
    tolerance_mm: float

    def count(self, status: Status) -> int:
        """Entries of one status; lesions that merged or split are one."""
        return Counter(lesion.status for lesion in self.lesions)[status]

    @property
    def baseline_mm3(self) -> float:
        return sum(lesion.baseline_mm3 for lesion in self.lesions)

    @property
    def follow_up_mm3(self) -> float:
        return sum(lesion.follow_up_mm3 for lesion in self.lesions)

    @property
    def change_mm3(self) -> float:
        return self.follow_up_mm3 - self.baseline_mm3


def match_lesions(baseline: np.ndarray, follow_up: np.ndarray, grid: Grid, *, tolerance_mm: float = 0.0) -> VisitComparison:
    """Match the lesions of two visits by where they lie.

    Parameters
    ----------
    baseline, follow_up : (I, J, K) int arrays
        Numbered lesions, 0 elsewhere, as `lib.core.lesions.label_lesions` gives them; the follow-up already aligned with the
        baseline and resampled (nearest neighbour) onto its grid.
    grid : Grid
        Of both.
    tolerance_mm : float
        Two lesions match that share a voxel or have voxels at most this far apart: alignment is not perfect.

    Returns
    -------
    VisitComparison
        Volumes in mm3 on that grid. Empty maps give no lesions, and a change of 0.

    Raises
    ------
    InputError
        Maps that do not have the grid's shape or hold anything but whole numbers from 0.
    """
    for name, labels in (("baseline", baseline), ("follow-up", follow_up)):
        if labels.shape != grid.shape:
            raise InputError(f"The {name} lesions have shape {labels.shape}, the grid {grid.shape}; resample them onto it first.")
        if not np.issubdtype(labels.dtype, np.integer) or labels.min() < 0:
            raise InputError(f"The {name} lesions must be numbered from 1, with 0 elsewhere.")
    if not 0 <= tolerance_mm < np.inf:
        raise SettingsError(f"The tolerance of matching must be 0 mm or more, found {tolerance_mm:g}.")
    ids_a, ids_b = (np.unique(labels[labels > 0]) for labels in (baseline, follow_up))
    links = _touching(baseline, follow_up, grid, tolerance_mm) | {
        (a, b) for b, a in _touching(follow_up, baseline, grid, tolerance_mm)
    }
    size = ids_a.size + ids_b.size
    if not size:
        return VisitComparison((), tolerance_mm)
    row = np.searchsorted(ids_a, [a for a, _ in links]).astype(int)
    column = ids_a.size + np.searchsorted(ids_b, [b for _, b in links]).astype(int)
    count, group = connected_components(coo_array((np.ones(row.size), (row, column)), shape=(size, size)), directed=False)
    changes = [
        _change(ids_a[group[: ids_a.size] == n], ids_b[group[ids_a.size :] == n], baseline, follow_up, grid) for n in range(count)
    ]
    changes.sort(key=lambda lesion: -max(lesion.baseline_mm3, lesion.follow_up_mm3))
    return VisitComparison(tuple(changes), tolerance_mm)


def _touching(a: np.ndarray, b: np.ndarray, grid: Grid, tolerance_mm: float) -> set[tuple[int, int]]:
    """Pairs (lesion of `a`, lesion of `b`) for each voxel of `b`: the lesion of `a` there, or the nearest within reach."""
    at = b > 0
    if not at.any() or not (a > 0).any():
        return set()
    if tolerance_mm:
        distance, nearest = ndimage.distance_transform_edt(a == 0, sampling=grid.spacing_mm, return_indices=True)
        # distances are sums of rounded squares
        at &= distance <= tolerance_mm + 1e-9
        of_a = a[tuple(axis[at] for axis in nearest)]
    else:
        at &= a > 0
        of_a = a[at]
    return {(int(x), int(y)) for x, y in np.unique(np.stack([of_a, b[at]], axis=1), axis=0)}


def _change(ids_a: np.ndarray, ids_b: np.ndarray, baseline: np.ndarray, follow_up: np.ndarray, grid: Grid) -> LesionChange:
    before, after = np.isin(baseline, ids_a), np.isin(follow_up, ids_b)
    status: Status = "persisting" if ids_a.size and ids_b.size else "resolved" if ids_a.size else "new"
    centre = grid.world_mm(np.argwhere(before if ids_a.size else after).mean(axis=0))
    return LesionChange(
        status=status,
        baseline_ids=tuple(map(int, ids_a)),
        follow_up_ids=tuple(map(int, ids_b)),
        baseline_mm3=int(np.count_nonzero(before)) * grid.voxel_volume_mm3,
        follow_up_mm3=int(np.count_nonzero(after)) * grid.voxel_volume_mm3,
        centroid_mm=(float(centre[0]), float(centre[1]), float(centre[2])),
    )
