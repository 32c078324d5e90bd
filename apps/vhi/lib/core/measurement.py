"""VHI: how many voxels, how many cubic millimetres, on which side."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from .anatomy import Anatomy, PartExtent, PlacedVoxels, ZoneExtent, part_extents, zone_extents
from .lesions import Lesion, LesionMap, side_of, voxels_of
from .volume import Grid


@dataclass(frozen=True)
class Extent:
    """Voxels of a grade map, or of one side of it: `sensitive` counts grades 1 and 2, `conservative` grade 2."""

    sensitive: int
    conservative: int
    voxel_volume_mm3: float

    @property
    def sensitive_mm3(self) -> float:
        return self.sensitive * self.voxel_volume_mm3

    @property
    def conservative_mm3(self) -> float:
        return self.conservative * self.voxel_volume_mm3

    @property
    def mm3(self) -> dict[str, float]:
        """Both volumes by the name of their threshold, as results are told [mm3]."""
        return {"sensitive": self.sensitive_mm3, "conservative": self.conservative_mm3}


@dataclass(frozen=True)
class VhiMeasurement:
    """The numbers of one scan.

    `raw_sensitive` counts voxels at or above the sensitive threshold before any post-transform. `left` and `right` are the
    patient's, divided at the sagittal plane `midline_mm` (RAS+ x) through the centroid of the disease region. `parts`
    and `zones` say where it is (`lib.core.anatomy`).
    """

    total: Extent
    left: Extent
    right: Extent
    raw_sensitive: int
    midline_mm: float
    parts: tuple[PartExtent, ...] = ()
    zones: tuple[ZoneExtent, ...] = ()

    @property
    def left_out(self) -> tuple[ZoneExtent, ...]:
        """The zones of the disease region that the settings exclude from the count."""
        return tuple(zone for zone in self.zones if not zone.counted)


def with_places(
    measured: VhiMeasurement,
    graded: LesionMap,
    lesions: Sequence[Lesion],
    anatomy: Anatomy,
    grid: Grid,
    left_out: Sequence[ZoneExtent] = (),
) -> VhiMeasurement:
    """A measurement with its volumes by part and zone.

    Parameters
    ----------
    graded : LesionMap
    lesions : sequence of Lesion
        Those of the map.
    left_out : sequence of ZoneExtent
        What the settings leave out, as measured before it was.
    """
    at = tuple(graded.index.T)
    voxels = PlacedVoxels(anatomy.part[at], graded.grade[at], graded.labels[at], grid.world_mm(graded.index)[:, 0])
    sides = [lesion.side for lesion in lesions]
    known = {extent.zone: extent for extent in left_out}
    zones = zone_extents(anatomy, graded.grade, graded.index, (), grid.voxel_volume_mm3)
    return replace(
        measured,
        parts=part_extents(voxels, sides, measured.midline_mm, grid.voxel_volume_mm3),
        zones=tuple(known.get(extent.zone, extent) for extent in zones),
    )


def measure(grade: np.ndarray, raw_sensitive: int, grid: Grid, midline: float, index: np.ndarray | None = None) -> VhiMeasurement:
    """Count a cleared grade map.

    Parameters
    ----------
    grade : (I, J, K) uint8 array
    raw_sensitive : int
        Voxels of grade 1 or 2 before the post-transforms.
    midline : float
        RAS+ x of the plane between left and right [mm].
    index : (n, 3) int array, optional
        `voxels_of(grade)`, where it is known.
    """
    at = voxels_of(grade) if index is None else index
    conservative = grade[tuple(at.T)] == 2
    left = side_of(grid.world_mm(at)[:, 0], midline)

    def extent(where: np.ndarray) -> Extent:
        return Extent(int(where.sum()), int((where & conservative).sum()), grid.voxel_volume_mm3)

    return VhiMeasurement(extent(np.ones_like(left)), extent(left), extent(~left), raw_sensitive, midline)
