"""Facts of an answer, ready for JSON."""

from __future__ import annotations

from typing import Any

from lib.core.pipeline import VhiResult
from lib.core.volume import Mask
from lib.reports.numbers import vhi_numbers
from lib.service.provenance import provenance_of
from lib.service.regions import InForce
from lib.service.scans import Scans


def size_of(mask: Mask) -> dict[str, Any]:
    return {"voxels": mask.voxels, "mm3": mask.volume_mm3}


def facts_of(scans: Scans, regions: InForce, result: VhiResult, command: str) -> dict[str, Any]:
    provenance = provenance_of(scans, result.settings, regions.model, command)
    return {
        "case": scans.case.case_id,
        **vhi_numbers(result, provenance),
        "used": dict(regions.used),
        "model_version": regions.model["version"] if regions.model else None,
        "messages": [],
    }
