"""Where inflammation is: by part of the pelvis and side, for every lesion and in total (the voxels: `lib.core.partition`)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

import numpy as np

from .context import Context, context_of
from .pair_cache import PairCache
from .partition import PARTS, ZONES, partition
from .volume import Mask, Volume

Side = Literal["left", "right", "midline"]
SIDES: tuple[Side, ...] = ("left", "right", "midline")
MIDLINE_SHARE = 0.2  # of a lesion's voxels on its smaller side: then it crosses the midline
MIDLINE_MM = 5.0  # a lesion whose centre lies this near to the midline lies on neither side


class Partition(Protocol):
    """Parts of the pelvis, as `Anatomy` has them."""

    @property
    def part(self) -> np.ndarray:
        """`(I, J, K)` uint8 index of `PARTS`."""

    @property
    def is_known(self) -> bool:
        """Whether the joints were found, on which all of it rests."""


@dataclass(frozen=True, eq=False)
class Anatomy:
    """The part of the pelvis that each voxel of the disease region belongs to.

    Parameters
    ----------
    context : Context
    part, zone : (I, J, K) uint8 arrays
        Indices of `PARTS` and `ZONES` (`lib.core.partition`); "other" throughout where no joint was found.
    """

    context: Context
    part: np.ndarray
    zone: np.ndarray

    @property
    def is_known(self) -> bool:
        """Whether the joints were found, on which all of it rests."""
        return bool(self.part.any())


@dataclass(frozen=True)
class PartExtent:
    """Volume in one part on one side [mm3]; what belongs to a lesion across the midline counts as "midline"."""

    part: str
    side: Side
    sensitive_mm3: float
    conservative_mm3: float


@dataclass(frozen=True)
class ZoneExtent:
    """Volume in one zone [mm3], and whether it counts in the total (`lib.core.limits`)."""

    zone: str
    sensitive_mm3: float
    conservative_mm3: float
    counted: bool = True


ANATOMIES: PairCache[Mask, Volume, Anatomy] = PairCache()


def anatomy_of(t1w: Volume, disease_region: Mask) -> Anatomy:
    """The anatomy of a scan; found once for the same objects, as other settings do not change it.

    Raises
    ------
    InputError
        The disease region is empty.
    """
    known = ANATOMIES.find(disease_region, t1w)
    if known is not None:
        return known
    context = context_of(t1w, disease_region)
    hang = context.hanging.hang
    part, zone = partition(context, hang(t1w.data), np.ascontiguousarray(hang(disease_region.data)))
    anatomy = Anatomy(context, context.hanging.unhang(part), context.hanging.unhang(zone))
    return ANATOMIES.keep(disease_region, t1w, anatomy)


def part_of_lesions(part: np.ndarray, which: np.ndarray, count: int) -> tuple[str, ...]:
    """The part that most of a lesion lies in.

    Parameters
    ----------
    part, which : (voxels,) int arrays
        Part of each voxel, and its lesion (1..count).
    """
    votes = np.bincount(which * np.intp(len(PARTS)) + part, minlength=(count + 1) * len(PARTS)).reshape(-1, len(PARTS))
    return tuple(PARTS[n] for n in votes[1:].argmax(axis=1))


def side_of_lesions(x_mm: np.ndarray, which: np.ndarray, count: int, midline: float) -> tuple[Side, ...]:
    """Left, right, or "midline" for a lesion that crosses it or whose centre lies on it.

    Parameters
    ----------
    x_mm : (voxels,) float array
        RAS+ x of each voxel.
    which : (voxels,) int array
        Its lesion (1..count).
    midline : float
        RAS+ x [mm].
    """
    voxels = np.bincount(which, minlength=count + 1)[1:]
    left = np.bincount(which, weights=x_mm < midline, minlength=count + 1)[1:] / voxels
    centre = np.bincount(which, weights=x_mm, minlength=count + 1)[1:] / voxels
    across = (np.minimum(left, 1 - left) >= MIDLINE_SHARE) | (
        (np.abs(centre - midline) < MIDLINE_MM) & (np.minimum(left, 1 - left) > 0)
    )
    return tuple("midline" if both else "left" if x < midline else "right" for both, x in zip(across, centre, strict=True))


@dataclass(frozen=True, eq=False)
class PlacedVoxels:
    """The voxels of all lesions.

    Parameters
    ----------
    part, grade, lesion : (voxels,) int arrays
        Part of the pelvis, grade, and lesion (1..count) of each.
    x_mm : (voxels,) float array
        RAS+ x of each.
    """

    part: np.ndarray
    grade: np.ndarray
    lesion: np.ndarray
    x_mm: np.ndarray


def part_extents(voxels: PlacedVoxels, sides: Sequence[Side], midline: float, voxel_mm3: float) -> tuple[PartExtent, ...]:
    """Volume by part and side, of those parts where there is any.

    Parameters
    ----------
    voxels : PlacedVoxels
    sides : sequence of Side
        Of each lesion, in the order of their ids.
    midline, voxel_mm3 : float
        RAS+ x of the midline [mm]; volume of a voxel [mm3].
    """
    across = np.array([False, *(side == "midline" for side in sides)])[voxels.lesion]
    side = np.where(across, 2, np.where(voxels.x_mm < midline, 0, 1))
    cell = voxels.part * np.intp(3) + side
    cells = [np.bincount(cell[voxels.grade >= least], minlength=3 * len(PARTS)).reshape(-1, 3) for least in (1, 2)]
    counts = np.stack(cells, axis=-1)
    return tuple(
        PartExtent(PARTS[n], SIDES[s], float(counts[n, s, 0] * voxel_mm3), float(counts[n, s, 1] * voxel_mm3))
        for n, s in np.argwhere(counts[..., 0])
    )


def zone_extents(
    anatomy: Anatomy, grade: np.ndarray, index: np.ndarray, left_out: Sequence[int], voxel: float
) -> tuple[ZoneExtent, ...]:
    """Volume by zone, as `ZONES` lists them; empty where the anatomy is not known.

    Parameters
    ----------
    grade : (I, J, K) uint8 array
        Of the whole disease region.
    index : (n, 3) int array
        Where the grade is not 0.
    left_out : sequence of int
        Zones that do not count.
    """
    if not anatomy.is_known:
        return ()
    at = tuple(index.T)
    zone, grades = anatomy.zone[at], grade[at]
    every = [np.bincount(zone[grades >= least], minlength=len(ZONES)) * voxel for least in (1, 2)]
    return tuple(ZoneExtent(name, float(every[0][n]), float(every[1][n]), n not in left_out) for n, name in enumerate(ZONES))
