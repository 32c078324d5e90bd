"""Few voxels of a large grid and which of them touch: their connected groups without a pass over the whole grid."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

# steps (slice, row, column) to voxels that touch, each pair of voxels once; what each connectivity adds to the one before: edges
# within a slice, corners within a slice, the next slice
_STEPS = {
    4: ((0, 0, 1), (0, 1, 0)),
    8: ((0, 1, -1), (0, 1, 1)),
    26: tuple((1, row, column) for row in (-1, 0, 1) for column in (-1, 0, 1)),
}
# beyond the thresholds of a stability, as a multiple of the sensitive one
_HIGHEST = 1.15
_MOST_KNOWN = 32


@dataclass(frozen=True, eq=False)
class TouchingVoxels:
    """Voxels, and the pairs of them that touch.

    Parameters
    ----------
    index : (n, 3) int array
        Of the voxels, along I, J and K; slice after slice, as `in_slices` orders them.
    pairs : (2, m) int32 array
        Positions in `index` of voxels that touch, each pair once: the pairs of a slice that share an edge first, then those
        that share a corner, then those of neighbouring slices.
    counts : mapping of 4, 8, 26 to int
        How many of the pairs make that connectivity; 4 and 8 are within a slice.
    """

    index: np.ndarray
    pairs: np.ndarray
    counts: dict[int, int]

    @classmethod
    def of(cls, index: np.ndarray, shape: tuple[int, int, int]) -> TouchingVoxels:
        """The voxels of a grid of that shape; `index` (n, 3) in the order of `in_slices`."""
        columns, rows, slices = shape
        # a rim of one voxel, so that no step leads from the end of a row to the next
        row_step, slice_step = columns + 2, (columns + 2) * (rows + 2)
        at = index @ np.array([1, row_step, slice_step]) + (1 + row_step + slice_step)
        number = np.zeros((slices + 2) * slice_step, dtype=np.int32)
        number[at] = np.arange(1, len(at) + 1)
        of_steps: list[np.ndarray] = []
        counts = {}
        for connectivity, steps in _STEPS.items():
            for k, j, i in steps:
                other = number[at + (k * slice_step + j * row_step + i)]
                here = np.flatnonzero(other)
                of_steps.append(np.stack([here.astype(np.int32), other[here] - 1]))
            counts[connectivity] = sum(pairs.shape[1] for pairs in of_steps)
        return cls(index, np.concatenate(of_steps, axis=1), counts)

    def groups(self, alive: np.ndarray, connectivity: int = 26, same: np.ndarray | None = None) -> np.ndarray:
        """The connected group of each voxel.

        Parameters
        ----------
        alive : (n,) bool array
            Voxels that are there; the others are alone.
        connectivity : 4, 8 or 26
        same : (n,) array, optional
            Voxels touch only where this is equal.

        Returns
        -------
        (n,) int32 array
            From 0, in the order of each group's first voxel.
        """
        first, second = self.pairs[:, : self.counts[connectivity]]
        there = alive[first] & alive[second]
        if same is not None:
            there &= same[first] == same[second]
        return groups_of_pairs(len(self.index), first[there], second[there])


def in_slices(mask: np.ndarray) -> np.ndarray:
    """`(n, 3)` indices of a mask's voxels, slice after slice and row after row, as labelling goes through them."""
    columns, rows, _ = mask.shape
    flat = np.flatnonzero(mask.T)
    rest, i = np.divmod(flat, columns)
    k, j = np.divmod(rest, rows)
    return np.stack([i, j, k], axis=1)


def groups_of_pairs(count: int, first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """The connected group of each of `count` things, of which pairs touch.

    Parameters
    ----------
    first, second : (m,) int arrays
        Numbers, from 0, of the two things of each pair.

    Returns
    -------
    (count,) int32 array
        From 0, in the order of the groups' first things.

    Notes
    -----
    Every group's root, its first thing so far, is hung below the lowest root that it touches, until no two roots touch (Shiloach
    and Vishkin 1982). scipy's `connected_components` takes a tenth of a second to import, half of what one scan takes.
    """
    root = joined(np.arange(count, dtype=np.int32), first, second)
    number = np.cumsum(root == np.arange(count), dtype=np.int32) - 1
    return number[root]


def joined(root: np.ndarray, first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Groups, each by the number of its first thing, once further pairs touch.

    Parameters
    ----------
    root : (count,) int32 array
        The groups so far.
    first, second : (m,) int arrays
        As in `groups_of_pairs`.

    Returns
    -------
    (count,) int32 array
    """
    low, high = _apart(root[first], root[second])
    if low.size >= root.size:
        return _hung(root.copy(), low, high)
    # among the groups that touch alone, as they are few
    touched = np.zeros(root.size, dtype=bool)
    touched[low] = touched[high] = True
    groups = np.flatnonzero(touched).astype(np.int32)
    place, lead = np.arange(root.size, dtype=np.int32), np.arange(root.size, dtype=np.int32)
    place[groups] = np.arange(groups.size, dtype=np.int32)
    lead[groups] = groups[_hung(np.arange(groups.size, dtype=np.int32), place[low], place[high])]
    return lead[root]


def _hung(root: np.ndarray, low: np.ndarray, high: np.ndarray) -> np.ndarray:
    """`joined` of pairs of roots, the lower one of each first; `root` is written to."""
    while low.size:
        np.minimum.at(root, high, low)
        while not np.array_equal(above := root[root], root):
            root = above
        low, high = _apart(root[low], root[high])
    return root


def _apart(first: np.ndarray, second: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The pairs of two different numbers, the lower one of each first."""
    apart = first != second
    first, second = first[apart], second[apart]
    return np.minimum(first, second), np.maximum(first, second)


class BrightGroups:
    """The connected groups of voxels at or above any threshold: each threshold's grow from those of the next higher one.

    Parameters
    ----------
    voxels : TouchingVoxels
    values : (n,) float array
        Their intensities [scanner units].
    connectivity : 4, 8 or 26
    """

    def __init__(self, voxels: TouchingVoxels, values: np.ndarray, connectivity: int) -> None:
        self._first, self._second = voxels.pairs[:, : voxels.counts[connectivity]]
        self._touch_up_to = np.minimum(values[self._first], values[self._second])
        self._known = {np.inf: np.arange(len(values), dtype=np.int32)}

    def at(self, threshold: float) -> np.ndarray:
        """The first voxel of each voxel's group, `(n,)` int32; voxels below the threshold [scanner units] are alone."""
        if threshold not in self._known:
            if len(self._known) > _MOST_KNOWN:
                self._known = {np.inf: self._known[np.inf]}
            if len(self._known) == 1:  # one above all that will be asked for: the others need not begin anew
                self._grow(threshold * _HIGHEST)
            self._grow(threshold)
        return self._known[threshold]

    def _grow(self, threshold: float) -> None:
        higher = min(known for known in self._known if known > threshold)
        new = np.flatnonzero((self._touch_up_to >= threshold) & (self._touch_up_to < higher))
        self._known[threshold] = joined(self._known[higher], self._first[new], self._second[new])
