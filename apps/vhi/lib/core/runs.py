"""The connected groups of a mask of which much is true, from its runs along rows: fewer by far than its voxels."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .touching import groups_of_pairs

# from a row to the rows whose voxels touch its own, each pair of rows once: (slices on, rows on)
_ROWS = ((0, 1), (1, -1), (1, 0), (1, 1))


@dataclass(frozen=True, eq=False)
class GroupedRuns:
    """Runs of true voxels, n of them.

    Parameters
    ----------
    first, last : (n,) int arrays
        Positions in the mask's C order of each run's first voxel and of the one behind its last.
    group : (n,) int32 array
        Its 26-connected group, from 0.
    """

    first: np.ndarray
    last: np.ndarray
    group: np.ndarray

    @property
    def sizes(self) -> np.ndarray:
        """Voxels of each group, `(groups,)` ints."""
        return np.bincount(self.group, weights=self.last - self.first).astype(np.intp)


def grouped_runs(mask: np.ndarray) -> GroupedRuns:
    """The runs of a `(K, R, C)` bool array along its last axis."""
    slices, rows, columns = mask.shape
    # air around rows and below slices: no run leads from one row to the next, no step from one slice into another
    room = np.zeros((slices, rows + 1, columns + 2), dtype=bool)
    room[:, :rows, 1:-1] = mask
    flat = room.ravel()
    ends = np.flatnonzero(flat[1:] != flat[:-1]) + 1
    first, last = ends[::2], ends[1::2]
    pairs = [_touching(first, last, (k * (rows + 1) + row) * (columns + 2)) for k, row in _ROWS]
    one, other = (np.concatenate(side) for side in zip(*pairs, strict=True))
    group = groups_of_pairs(first.size, one, other)
    line = first // (columns + 2)
    begin = line // (rows + 1) * (rows * columns) + line % (rows + 1) * columns + first % (columns + 2) - 1
    return GroupedRuns(begin, begin + (last - first), group)


def _touching(first: np.ndarray, last: np.ndarray, away: int) -> tuple[np.ndarray, np.ndarray]:
    """Pairs of runs of which the second touches the first, moved `away` positions on, by a side or a corner."""
    low = np.searchsorted(last, first + away)
    count = np.maximum(np.searchsorted(first, last + away, side="right") - low, 0)
    one = np.repeat(np.arange(first.size), count)
    return one, np.arange(one.size) - np.repeat(np.cumsum(count) - count - low, count)
