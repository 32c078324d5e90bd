"""Facts of an answer, ready for JSON."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..core.pipeline import VhiResult
from ..core.volume import Mask
from ..provenance import provenance_of
from ..reports.numbers import lesion_numbers, plain, vhi_numbers
from ..studies.pairing import Role
from .answers import Voxel
from .automatic import AutomaticRegions
from .proposals import Shown, with_decisions
from .regions import InForce
from .scans import Scans


def _size_of(mask: Mask) -> dict[str, Any]:
    return {"voxels": mask.voxels, "mm3": mask.volume_mm3}


def region_facts(case_id: str, found: AutomaticRegions) -> dict[str, Any]:
    """Of the automatic disease region."""
    return {
        "case": case_id,
        "source": found.region.source,
        "model_version": found.model["version"],
        "member_disagreement": plain(found.region.member_disagreement),
        "entropy": plain(found.region.entropy),
        **_size_of(found.region.mask),
        "warnings": list(found.warnings),
        "messages": [],
    }


def normal_bone_facts(case_id: str, found: AutomaticRegions, mask: Mask) -> dict[str, Any]:
    """Of the automatic proposal of normal bone, which is `mask`."""
    return {
        "case": case_id,
        "model_version": found.model["version"],
        **_size_of(mask),
        "slices": [int(k) for k in np.flatnonzero(mask.data.any(axis=(0, 1)))],
        "confidence": found.confidence,
        "warnings": ["Normal bone was proposed automatically; check it on STIR: both thresholds rest on it."],
        "messages": [],
    }


def facts_of(
    scans: Scans, regions: InForce, shown: Shown, command: str, role: Role, automatic: VhiResult | None = None
) -> dict[str, Any]:
    """The numbers of a measurement, and where its lesions lie in the series that was asked for.

    Given the `automatic` result with a proposal, the lesions are those of that result, with what is proposed for each.
    """
    result = shown.result
    provenance = provenance_of(command, result.settings, regions.model, scans.inputs)
    facts = vhi_numbers(result, provenance)
    if automatic is not None and automatic.proposal is not None:
        placed = _placed([lesion_numbers(one) for one in automatic.lesions], scans, automatic, role)
        facts["lesions"] = with_decisions(placed, automatic.proposal, shown.changes)
        facts["proposal"] = {name: facts["proposal"][name] for name in ("version", "limit", "uncertain")}
    else:
        facts["lesions"] = _placed(facts["lesions"], scans, result, role)
    return {
        "case": scans.case.case_id,
        **facts,
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
