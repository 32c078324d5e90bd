"""The numbers of one measurement as plain values, ready for JSON: what `vhi.json` holds."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Sequence
from pathlib import PurePath
from typing import Any

import numpy as np

from .disease_region import DisagreementRank
from .lesions import Lesion, voxels_of
from .measurement import Extent
from .pipeline import VhiResult
from .propagation import ImageStatistics
from .proposal import Proposal
from .stages import title_of, unchanged_in, warnings_of
from .verdict import stability_and_reasons, verdict_of

SCHEMA_VERSION = "1.5"


def vhi_numbers(
    result: VhiResult,
    provenance: Mapping[str, Any],
    image_statistics: Sequence[ImageStatistics] = (),
    reading: Mapping[str, Any] | None = None,
    *,
    reader: str | None = None,
) -> dict[str, Any]:
    """The whole content of `vhi.json`, as described in docs/vhi-json.md and `vhi.schema.json`.

    `reading` is what a reader submitted; `reader` is who is at work on a number that is not submitted yet.

    Numbers keep full double precision; what has no value is None. Slices are indices along K, from 0.
    """
    t, m = result.thresholds, result.measurement
    submitted = reading is not None or reader is None
    stated, verdict = reading or {}, verdict_of(result)
    reader, method = str(stated.get("reader") or reader or ""), str(stated.get("method") or "")
    unchanged = unchanged_in(stated.get("changes") or {}, stated.get("corrections") or {})
    return {
        "schema_version": SCHEMA_VERSION,
        "title": title_of(result.stage, reader, method, submitted=submitted, unchanged=unchanged),
        "stage": result.stage,
        "verdict": {"word": verdict.word, "reasons": [plain(reason) for reason in verdict.reasons]},
        "stages": stages(result),
        **_extent(m.total, raw_sensitive=m.raw_sensitive),
        "left": _extent(m.left),
        "right": _extent(m.right),
        "midline_mm": plain(m.midline_mm),
        "parts": [plain(part) for part in m.parts],
        "zones": [plain(zone) for zone in m.zones],
        "interval": plain(result.interval),
        "voxel_volume_mm3": result.stir.grid.voxel_volume_mm3,
        "thresholds": {
            "rule": t.rule,
            "sensitive": t.sensitive,
            "conservative": t.conservative,
            "multiple": t.multiple,
            "q1": t.q1,
            "q3": t.q3,
            "iqr": t.iqr,
            "n_normal_bone": t.n_normal_bone,
        },
        "stability": _stability(result),
        "lesions": [lesion_numbers(lesion) for lesion in result.lesions],
        **({} if result.proposal is None else {"proposal": proposal_numbers(result.proposal)}),
        "disease_region": {
            "voxels": result.disease_region.mask.voxels,
            "mm3": result.disease_region.mask.volume_mm3,
            "source": result.disease_region.source,
            "member_disagreement": plain(result.disease_region.member_disagreement),
            "entropy": plain(result.disease_region.entropy),
            "disagreement_rank": rank_numbers(result.disease_region.rank),
        },
        "normal_bone": {
            "voxels": result.normal_bone.voxels,
            "mm3": result.normal_bone.volume_mm3,
            "slices": normal_bone_slices(result),
            "source": result.normal_bone_source,
            "confidence": plain(result.normal_bone_confidence),
            **_clicks(result),
            "disease_region_overlap": _overlap(result),
        },
        "images": plain(list(image_statistics)),
        "warnings": list(warnings_of(result)),
        "provenance": plain(provenance),
        **({} if reading is None else {"reading": plain(reading)}),
    }


def _clicks(result: VhiResult) -> dict[str, Any]:
    if not result.normal_bone_clicks:
        return {}
    return {"clicks": plain(result.normal_bone_clicks), "with_proposal": result.normal_bone_with_proposal}


def normal_bone_slices(result: VhiResult) -> list[int]:
    """Indices along K, from 0, of the slices that normal bone was drawn on."""
    return [int(k) for k in np.unique(voxels_of(result.normal_bone.data)[:, 2])]


def _overlap(result: VhiResult) -> float | None:
    """Share of normal bone that lies in the disease region; None for an empty normal bone."""
    both = int(np.count_nonzero(result.normal_bone.data & result.disease_region.mask.data))
    return both / result.normal_bone.voxels if result.normal_bone.voxels else None


def stages(result: VhiResult) -> dict[str, Any]:
    """Raw, proposed and cleaned by a reader, each `vhi_mm3` and `voxels`; None for what this result does not hold."""
    own = result.measurement.total
    proposal = result.proposal
    proposed = None if proposal is None else proposal.extent(result.stir.grid.voxel_volume_mm3)
    return {
        "raw": _extent(result.raw or own),
        "proposed": None if proposed is None else _extent(proposed),
        "cleaned": _extent(own) if result.stage == "cleaned" else None,
    }


def proposal_numbers(proposal: Proposal) -> dict[str, Any]:
    """The model's proposal for every lesion of the automatic result, by the ids that they have there."""
    return {
        "version": proposal.version,
        "limit": proposal.limit,
        "uncertain": list(proposal.uncertain),
        "lesions": [
            {
                **lesion_numbers(proposed.lesion),
                "keep": proposed.keep,
                "probability": proposed.probability,
                "reason": proposed.reason,
            }
            for proposed in proposal.lesions
        ],
    }


def _extent(extent: Extent, **more_voxels: int) -> dict[str, Any]:
    return {
        "vhi_mm3": extent.mm3,
        "voxels": {"sensitive": extent.sensitive, "conservative": extent.conservative, **more_voxels},
    }


def _stability(result: VhiResult) -> dict[str, Any]:
    s = result.stability
    left_out, (stable, reasons) = s.slices_left_out, stability_and_reasons(result)
    return {
        "stable": stable,
        "reasons": list(reasons),
        "threshold_changes": [
            {"change": moved.change, "sensitive": moved.sensitive, "vhi_mm3": moved.vhi_mm3} for moved in s.threshold_changes
        ],
        "five_percent_range_mm3": list(s.five_percent_range_mm3),
        "slices_left_out": None
        if left_out is None
        else [
            {
                "slice": without_slice.left_out,
                "sensitive": plain(without_slice.sensitive),
                "vhi_mm3": plain(without_slice.vhi_mm3),
            }
            for without_slice in left_out
        ],
        "slices_left_out_range_mm3": plain(s.slices_left_out_range_mm3),
    }


def rank_numbers(rank: DisagreementRank | None) -> dict[str, int] | None:
    """On how many of how many reference scans the members disagree less."""
    return None if rank is None else dataclasses.asdict(rank)


def lesion_numbers(lesion: Lesion) -> dict[str, Any]:
    return {
        "id": lesion.id,
        "voxels": lesion.voxels,
        "mm3": lesion.mm3,
        "centroid_mm": list(lesion.centroid_mm),
        "slices": list(lesion.slices),
        "side": lesion.side,
        "part": lesion.part,
        "mean_intensity": plain(lesion.mean_intensity),
        "relative_to_sensitive": plain(lesion.relative_to_sensitive),
        "relative_to_conservative": plain(lesion.relative_to_conservative),
        "conservative_share": lesion.conservative_share,
    }


def plain(value: Any) -> Any:
    """`value` as JSON knows it: dataclasses and mappings to objects, numpy to Python, nan and inf to None."""
    kind = type(value)
    if kind is float:
        return value if math.isfinite(value) else None
    if kind is int or kind is bool or value is None:
        return value
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: plain(getattr(value, field.name)) for field in dataclasses.fields(value)}
    if isinstance(value, Mapping):
        return {printable(str(key)): plain(content) for key, content in value.items()}
    if isinstance(value, str | PurePath):
        return printable(str(value))
    if isinstance(value, np.ndarray | np.generic):
        return plain(value.tolist())
    if isinstance(value, list | tuple | set | frozenset):
        return [plain(item) for item in value]
    if isinstance(value, float | int):  # of a class of its own
        return plain((float if isinstance(value, float) else int)(value))
    raise TypeError(f"A report cannot hold a {type(value).__name__}; pass text, numbers, lists and mappings.")


def printable(text: str) -> str:
    """`text` that any file format can hold: file names may carry bytes that are not text, and control characters."""
    if text.isprintable():
        return text
    whole = text.encode("utf-8", "backslashreplace").decode("utf-8")
    return "".join(sign if sign.isprintable() or sign == "\n" else repr(sign)[1:-1] for sign in whole)
