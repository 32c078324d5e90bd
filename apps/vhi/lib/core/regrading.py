"""One scan graded and cleared at whatever thresholds: each pair once, and of the voxels that are bright alone."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .box import Box, box_of, grid_of_box
from .lesions import clear, grade_hyperintensity, label_lesions
from .settings import VhiSettings
from .touching import BrightGroups, TouchingVoxels, groups_of_pairs, in_slices
from .transforms.small_components import DropSmallComponentsd
from .volume import Mask, Volume

# voxels; the pairs of more would take more memory than the scan, and a pass over the whole region is quicker but for clicks
MOST_BRIGHT_VOXELS = 400_000
# the lowest threshold of a stability, as a share of the sensitive one
_LOWEST = 0.9


class BoxedScan:
    """STIR and the disease region, cut to the region's box, and the region's bright voxels.

    Parameters
    ----------
    stir : Volume
    region : Mask
    box : Box, optional
        Another box to cut to; needed for a region that may be empty.
    """

    def __init__(self, stir: Volume, region: Mask, box: Box | None = None) -> None:
        self.box, self.shape = box or box_of(region.data), stir.grid.shape
        grid = grid_of_box(stir.grid, self.box)
        # copies, slice after slice in memory: what follows passes over them more than once
        self.stir = Volume(np.asfortranarray(stir.data[self.box]), grid, stir.name)
        self.region = Mask(np.asfortranarray(region.data[self.box]), grid, region.name)
        self._bright: tuple[float, TouchingVoxels | None, np.ndarray] | None = None
        self._groups: dict[int, BrightGroups] = {}

    def bright(self, sensitive: float) -> tuple[TouchingVoxels, np.ndarray] | None:
        """The region's voxels at or above a threshold [scanner units], or more of them, and the `(n,)` intensity of each.

        None where they are many.
        """
        if self._bright is None or self._bright[0] > sensitive:
            floor = sensitive * _LOWEST if self._bright is None else sensitive
            mask = self.region.data & (self.stir.data >= floor)
            self._groups.clear()
            if np.count_nonzero(mask) > MOST_BRIGHT_VOXELS:
                self._bright = (floor, None, np.empty(0))
            else:
                index = in_slices(mask)
                self._bright = (floor, TouchingVoxels.of(index, self.stir.grid.shape), self.stir.data[tuple(index.T)])
        _, voxels, values = self._bright
        return None if voxels is None else (voxels, values)

    def bright_groups(self, bright: tuple[TouchingVoxels, np.ndarray], sensitive: float, connectivity: int) -> np.ndarray:
        """The group of each voxel of `bright` among those at or above a threshold, `(n,)` int32, see `BrightGroups.at`."""
        if connectivity not in self._groups:
            self._groups[connectivity] = BrightGroups(*bright, connectivity)
        return self._groups[connectivity].at(sensitive)

    def uncropped(self, values: np.ndarray, at: tuple[np.ndarray, ...] | None = None) -> np.ndarray:
        """An array of the box's shape, or `(n,)` values of the voxels `at` in it, on the whole grid, `(I, J, K)`; 0 elsewhere."""
        whole = np.zeros(self.shape, dtype=values.dtype, order="F")  # slice after slice in memory, as the scan
        whole[self.box][... if at is None else at] = values
        return whole


@dataclass(frozen=True, eq=False)
class GradedVoxels:
    """Voxels of the region's box that may be graded, which of them are once cleared, and their grades.

    Parameters
    ----------
    voxels : TouchingVoxels
        n of them.
    kept : (n,) bool array
    grade : (n,) uint8 array
        1 or 2.
    raw : int
        Voxels at or above the sensitive threshold before anything was cleared.
    """

    voxels: TouchingVoxels
    kept: np.ndarray
    grade: np.ndarray
    raw: int


class Regrading:
    """A scan's region graded and cleared, by one chain of post-transforms, at any thresholds [scanner units]."""

    def __init__(self, scan: BoxedScan, settings: VhiSettings) -> None:
        self.scan, self._settings = scan, settings
        self._graded: dict[tuple[float, float], GradedVoxels] = {}

    def voxels_at(self, sensitive: float, conservative: float) -> int:
        """How many voxels are graded, once cleared."""
        graded = self._of_bright(sensitive, conservative)
        return int(np.count_nonzero(self._of_all(sensitive, conservative)[0] if graded is None else graded.kept))

    def maps_at(self, sensitive: float, conservative: float) -> tuple[np.ndarray, np.ndarray, int, int]:
        """`(I, J, K)` grade map and lesion labels, the number of lesions, and how many voxels were graded before clearing."""
        graded, whole = self._of_bright(sensitive, conservative), self.scan.uncropped
        if graded is None:
            grade, raw = self._of_all(sensitive, conservative)
            labels, count = label_lesions(grade)
            return whole(grade), whole(labels), count, raw
        at, group = tuple(graded.voxels.index[graded.kept].T), graded.voxels.groups(graded.kept)[graded.kept]
        lesion = by_size(group)
        return whole(graded.grade[graded.kept], at), whole(lesion, at), int(lesion.max(initial=0)), graded.raw

    def pieces_at(self, sensitive: float, conservative: float, lesion_labels: np.ndarray) -> RegradedPieces | None:
        """The graded voxels as pieces of the lesions of a label map, `(I, J, K)` ints; None where they are too many."""
        graded = self._of_bright(sensitive, conservative) or self._of_cleared(*self._of_all(sensitive, conservative))
        if graded is None:
            return None
        lesion = lesion_labels[self.scan.box][tuple(graded.voxels.index.T)]
        return RegradedPieces.of(graded, lesion, self.scan.shape[2], self.scan.box[2].start)

    def _of_bright(self, sensitive: float, conservative: float) -> GradedVoxels | None:
        """By the bright voxels alone; None where the chain asks for more, or where they are many."""
        steps = [step for step in self._settings.chain.steps if type(step) is DropSmallComponentsd]
        bright = self.scan.bright(sensitive) if len(steps) == len(self._settings.chain.steps) else None
        if bright is None:
            return None
        key = (float(sensitive), float(conservative))
        if key not in self._graded:
            voxels, values = bright
            kept = values >= sensitive
            raw = int(np.count_nonzero(kept))
            for n, step in enumerate(steps):
                # what a step before cleared no longer joins anything
                group = (
                    voxels.groups(kept, step.connectivity) if n else self.scan.bright_groups(bright, sensitive, step.connectivity)
                )
                size = np.bincount(group[kept], minlength=len(kept))
                kept &= size[group] >= step.smallest(self.scan.stir.grid)
            self._graded[key] = GradedVoxels(voxels, kept, 1 + (values >= conservative).astype(np.uint8), raw)
        return self._graded[key]

    def _of_all(self, sensitive: float, conservative: float) -> tuple[np.ndarray, int]:
        """By a pass over the whole region, whatever the chain: the cleared grade map of the box, and voxels graded before."""
        raw = grade_hyperintensity(self.scan.stir, self.scan.region, sensitive, conservative)
        return clear(raw, self.scan.region, self._settings), int(np.count_nonzero(raw))

    def _of_cleared(self, cleared: np.ndarray, raw: int) -> GradedVoxels | None:
        index = in_slices(cleared > 0)
        if len(index) > MOST_BRIGHT_VOXELS:
            return None
        voxels = TouchingVoxels.of(index, self.scan.stir.grid.shape)
        return GradedVoxels(voxels, np.ones(len(index), dtype=bool), cleared[tuple(index.T)], raw)


@dataclass(frozen=True, eq=False)
class RegradedPieces:
    """The voxels graded at other thresholds, divided by lesions of a result and their slices: a click takes whole pieces.

    Parameters
    ----------
    size : (n,) int array
        Voxels.
    cell : (n,) int array
        Lesion times the number of slices, plus slice; negative for a piece beyond all lesions, which may span slices.
    touching : (2, m) int array
        Pieces that touch.
    """

    size: np.ndarray
    cell: np.ndarray
    touching: np.ndarray

    @classmethod
    def of(cls, graded: GradedVoxels, lesion: np.ndarray, slices: int, first_slice: int) -> RegradedPieces:
        """Pieces from voxels of a box that begins with slice `first_slice`, and `(n,)` ids of each one's lesion, or 0."""
        voxels, kept = graded.voxels, graded.kept
        cell = np.where(lesion > 0, lesion * slices + voxels.index[:, 2] + first_slice, -1)
        _, piece = np.unique(voxels.groups(kept, same=cell)[kept], return_inverse=True)
        of_voxel = np.full(len(kept), -1)
        of_voxel[kept] = piece
        count = int(piece.max(initial=-1)) + 1
        cell_of = np.empty(count, dtype=cell.dtype)
        cell_of[piece] = cell[kept]
        first, second = of_voxel[voxels.pairs]
        apart = (first >= 0) & (second >= 0) & (first != second)
        touching = np.unique(first[apart] * np.int64(count) + second[apart])
        return cls(np.bincount(piece, minlength=count), cell_of, np.stack(np.divmod(touching, max(count, 1))))

    def voxels_left(self, keep: np.ndarray) -> int:
        """Voxels in groups that hold a voxel of a kept cell, without those of removed ones.

        Parameters
        ----------
        keep : (lesions + 1, K) bool array
            What a reader kept, by lesion and slice.
        """
        if not self.size.size:
            return 0
        own = self.cell >= 0
        kept = own & keep.ravel()[np.maximum(self.cell, 0)]
        alive = kept | ~own
        first, second = self.touching[:, alive[self.touching].all(axis=0)]
        group = groups_of_pairs(len(self.size), first, second)
        touched = np.zeros(len(self.size), dtype=bool)
        touched[group[kept]] = True
        return int(self.size[touched[group] & alive].sum())


def by_size(group: np.ndarray) -> np.ndarray:
    """Groups numbered from 1, the largest first, those of one size in the order of their first voxel; `(n,)` ints in and out."""
    _, first, number, size = np.unique(group, return_index=True, return_inverse=True, return_counts=True)
    rank = np.empty(len(size), dtype=np.int32)
    rank[np.lexsort((first, -size))] = np.arange(1, len(size) + 1)
    return rank[number]
