"""From thresholds to the grade map, and from the grade map to lesions."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from .anatomy import Anatomy, Side, part_of_lesions, side_of_lesions
from .settings import VhiSettings
from .thresholds import Thresholds
from .transforms.groups import label_groups
from .volume import Mask, Volume


def grade_hyperintensity(stir: Volume, disease_region: Mask, sensitive: float, conservative: float) -> np.ndarray:
    """Grade of each voxel: 0 below the sensitive threshold or outside the region, 1 at or above it, 2 at or above both.

    Parameters
    ----------
    stir : Volume
    disease_region : Mask
        On the grid of `stir`.
    sensitive, conservative : float
        [scanner units]; a voxel at a threshold counts as above it.

    Returns
    -------
    (I, J, K) uint8 array

    Notes
    -----
    Hepburn et al. 2023, section 2.5.1 (iv).
    """
    grade = (disease_region.data & (stir.data >= sensitive)).view(np.uint8)
    grade += grade & (stir.data >= conservative)
    return grade


def clear(grade: np.ndarray, disease_region: Mask, settings: VhiSettings) -> np.ndarray:
    """The grade map after every post-transform of `settings`, in order; `(I, J, K)` uint8 in and out."""
    data: dict[str, Any] = {"grade": grade, "grid": disease_region.grid, "disease_region": disease_region.data}
    for step in settings.chain.steps:
        data = step(data)
    cleared: np.ndarray = data["grade"]
    return cleared


@dataclass(frozen=True)
class Lesion:
    """One 26-connected 3-D group of the cleared grade map.

    `centroid_mm` is RAS+; `slices` are indices along K, from 0. `relative_to_sensitive` and `relative_to_conservative` are the
    mean STIR intensity divided by that threshold, `conservative_share` the share of its voxels of grade 2. `part` is what most of
    it lies in (`lib.core.partition.PARTS`); `side` is "midline" for one that crosses it.
    """

    id: int
    voxels: int
    mm3: float
    conservative_voxels: int
    centroid_mm: tuple[float, float, float]
    slices: tuple[int, ...]
    side: Side
    mean_intensity: float
    relative_to_sensitive: float
    relative_to_conservative: float
    conservative_share: float
    part: str = "other"


def label_lesions(grade: np.ndarray) -> tuple[np.ndarray, int]:
    """Number the lesions of a grade map from the largest (1) to the smallest.

    Returns
    -------
    labels : (I, J, K) int32 array
        0 where there is no lesion.
    count : int
    """
    labels, count = label_groups(grade)
    flat = labels.ravel(order="K")  # a view
    graded = np.flatnonzero(flat > 0)
    size = np.bincount(flat[graded], minlength=count + 1)[1:]
    rank = np.zeros(count + 1, dtype=labels.dtype)
    rank[1 + np.argsort(-size, kind="stable")] = np.arange(1, count + 1)
    flat[graded] = rank[flat[graded]]
    return labels, count


def midline_mm(disease_region: Mask) -> float:
    """Left-right position (RAS+ x) of the sagittal plane through the region's centroid [mm].

    Patient's left lies at smaller, right at larger x.
    """
    if not disease_region.voxels:
        return float(disease_region.grid.corners_mm()[:, 0].mean())
    # the mean index along each axis from its projection: no list of all the region's voxels
    counts = [np.count_nonzero(disease_region.data, axis=others) for others in ((1, 2), (0, 2), (0, 1))]
    index = [float(count @ np.arange(len(count))) / disease_region.voxels for count in counts]
    return float(disease_region.grid.world_mm(np.array(index))[0])


def side_of(x_mm: np.ndarray, midline: float) -> np.ndarray:
    """True where an RAS+ x position [mm] lies on the patient's left of the midline; the plane itself counts as right.

    `x_mm` may have any shape; the answer has the same.
    """
    return np.asarray(x_mm) < midline


def voxels_of(grade: np.ndarray) -> np.ndarray:
    """`(n, 3)` indices of the voxels of an `(I, J, K)` map that are not 0, in the array's order.

    `argwhere`, quicker where few are.
    """
    columns, rows, slices = grade.shape
    if grade.flags.c_contiguous or not grade.flags.f_contiguous:
        rest, k = np.divmod(np.flatnonzero(grade.ravel() != 0), slices)
        return np.stack([*np.divmod(rest, rows), k], axis=1)
    # slice after slice in memory: found there, and put in the array's order
    rest, i = np.divmod(np.flatnonzero(grade.T.ravel() != 0), columns)
    k, j = np.divmod(rest, rows)
    rest, k = np.divmod(np.sort((i * rows + j) * slices + k), slices)
    return np.stack([*np.divmod(rest, rows), k], axis=1)


@dataclass(frozen=True, eq=False)
class LesionMap:
    """A grade map and its lesions.

    Parameters
    ----------
    grade : (I, J, K) uint8 array
    labels : (I, J, K) int array
        1..count, as `label_lesions` gives them.
    count : int
    """

    grade: np.ndarray
    labels: np.ndarray
    count: int

    @cached_property
    def index(self) -> np.ndarray:
        """`(n, 3)` indices of the graded voxels, as `voxels_of` gives them."""
        return voxels_of(self.grade)


def lesion_table(
    lesions: LesionMap, stir: Volume, thresholds: Thresholds, midline: float, anatomy: Anatomy | None = None
) -> tuple[Lesion, ...]:
    """Describe every lesion of a map, in the order of its numbers.

    Parameters
    ----------
    lesions : LesionMap
    midline : float
        RAS+ x of the sagittal plane that divides left from right [mm].
    anatomy : Anatomy, optional
        Every lesion's part is "other" when absent.
    """
    grid, grade, labels, count = stir.grid, lesions.grade, lesions.labels, lesions.count
    at = lesions.index
    which = labels[tuple(at.T)]

    def total(weights: np.ndarray) -> np.ndarray:
        return np.bincount(which, weights=weights, minlength=count + 1)[1:]

    voxels = np.bincount(which, minlength=count + 1)[1:]
    conservative = total(grade[tuple(at.T)] == 2)
    mean = total(stir.data[tuple(at.T)]) / np.maximum(voxels, 1)
    centre = grid.world_mm(np.stack([total(at[:, axis]) for axis in range(3)], axis=1) / np.maximum(voxels, 1)[:, np.newaxis])
    slices = grid.shape[2]
    in_slice = np.stack(np.divmod(np.flatnonzero(np.bincount(which * np.intp(slices) + at[:, 2])), slices), axis=1)
    sides = side_of_lesions(grid.world_mm(at)[:, 0], which, count, midline)
    parts = ("other",) * count if anatomy is None else part_of_lesions(anatomy.part[tuple(at.T)], which, count)
    first = np.searchsorted(in_slice[:, 0], np.arange(1, count + 2))
    return tuple(
        Lesion(
            id=n + 1,
            voxels=int(voxels[n]),
            mm3=float(voxels[n] * grid.voxel_volume_mm3),
            conservative_voxels=int(conservative[n]),
            centroid_mm=(float(centre[n, 0]), float(centre[n, 1]), float(centre[n, 2])),
            slices=tuple(int(k) for k in in_slice[first[n] : first[n + 1], 1]),
            side=sides[n],
            mean_intensity=float(mean[n]),
            relative_to_sensitive=float(mean[n] / thresholds.sensitive),
            relative_to_conservative=float(mean[n] / thresholds.conservative),
            conservative_share=float(conservative[n] / max(voxels[n], 1)),
            part=parts[n],
        )
        for n in range(count)
    )
