"""Facts of an answer, ready for JSON."""

from __future__ import annotations

from typing import Any

import numpy as np

from lib.core.pipeline import VhiResult
from lib.core.volume import Mask
from lib.reports.numbers import vhi_numbers
from lib.service.answers import Voxel
from lib.service.provenance import provenance_of
from lib.service.regions import InForce
from lib.service.scans import Scans
from lib.studies.pairing import Role


def size_of(mask: Mask) -> dict[str, Any]:
    return {"voxels": mask.voxels, "mm3": mask.volume_mm3}


def facts_of(scans: Scans, regions: InForce, result: VhiResult, command: str, role: Role) -> dict[str, Any]:
    """The numbers of a measurement, and where its lesions lie in the series that was asked for."""
    provenance = provenance_of(scans, result.settings, regions.model, command)
    numbers = vhi_numbers(result, provenance)
    return {
        "case": scans.case.case_id,
        **numbers,
        "lesions": _placed(numbers["lesions"], scans, result, role),
        "used": dict(regions.used),
        "model_version": regions.model["version"] if regions.model else None,
        "messages": [],
    }


def _placed(lesions: list[dict[str, Any]], scans: Scans, result: VhiResult, role: Role) -> list[dict[str, Any]]:
    """Lesions with `voxel`, one of theirs as `[i, j, k]` of the series asked for, its `slice`, and mm3 per grade."""
    voxel_mm3 = result.stir.grid.voxel_volume_mm3
    placed = zip(lesions, result.lesions, scans.voxels_seen(_central(result), role), strict=True)
    return [
        {
            **numbers,
            "vhi_mm3": {"sensitive": lesion.mm3, "conservative": lesion.conservative_voxels * voxel_mm3},
            "voxel": list(voxel),
            "slice": voxel[2],
        }
        for numbers, lesion, voxel in placed
    ]


def _central(result: VhiResult) -> list[Voxel]:
    """Of each lesion the voxel next to its centroid, on STIR's grid."""
    at = np.argwhere(result.lesion_labels > 0)
    which = result.lesion_labels[tuple(at.T)]
    centroids = np.array([lesion.centroid_mm for lesion in result.lesions]).reshape(-1, 3)
    distance = np.linalg.norm(result.stir.grid.world_mm(at) - centroids[which - 1], axis=1)
    order = np.lexsort((distance, which))
    nearest = at[order[np.searchsorted(which[order], np.arange(1, len(result.lesions) + 1))]]
    return [(int(i), int(j), int(k)) for i, j, k in nearest]
