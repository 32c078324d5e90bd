"""Facts of an answer, ready for JSON."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np

from ..core.cleaning import Pieces
from ..core.normal_bone import NormalBone, sample_normal_bone
from ..core.numbers import lesion_numbers, plain, rank_numbers, vhi_numbers
from ..core.pipeline import VhiResult
from ..core.thresholds import ThresholdRule, thresholds_from
from ..core.volume import Mask, Volume
from ..provenance import provenance_of
from ..studies.pairing import Role
from .active_regions import ActiveRegions
from .automatic import AutomaticRegions
from .proposals import DisplayedResult, with_decisions
from .scans import Scans

# made once of each, as it holds a hash of two whole masks
_SHORT: WeakKeyDictionary[VhiResult, dict[Any, dict[str, Any]]] = WeakKeyDictionary()


def _size_of(mask: Mask) -> dict[str, Any]:
    return {"voxels": mask.voxels, "mm3": mask.volume_mm3}


def region_facts(case_id: str, regions: AutomaticRegions) -> dict[str, Any]:
    """Facts of the automatic disease region."""
    return {
        "case": case_id,
        "source": regions.region.source,
        "model_version": regions.model["version"],
        "member_disagreement": plain(regions.region.member_disagreement),
        "entropy": plain(regions.region.entropy),
        "disagreement_rank": None if regions.reference is None else rank_numbers(regions.reference.rank(regions.region)),
        **_size_of(regions.region.mask),
        "warnings": list(regions.warnings),
        "messages": [],
    }


def normal_bone_facts(case_id: str, regions: AutomaticRegions, mask: Mask) -> dict[str, Any]:
    """Facts of the automatic proposal of normal bone, which is `mask`."""
    return {
        "case": case_id,
        "model_version": regions.model["version"],
        **_size_of(mask),
        "slices": [int(k) for k in np.flatnonzero(mask.data.any(axis=(0, 1)))],
        "confidence": regions.confidence,
        "warnings": ["Normal bone was proposed automatically; check it on STIR: both thresholds rest on it."],
        "messages": [],
    }


def clicked_bone_facts(case_id: str, bone: NormalBone, stir: Volume, rule: ThresholdRule) -> dict[str, Any]:
    """Facts of normal bone that was grown from clicks, with both thresholds as a measurement by `rule` has them."""
    sample = sample_normal_bone(stir, bone.mask)
    thresholds = thresholds_from(sample.values, rule.resolved(drawn=False), sample.slice_index)
    return {
        "case": case_id,
        "source": bone.source,
        **_size_of(bone.mask),
        "slices": list(sample.slices),
        "clicks": [list(click) for click in bone.clicks],
        "thresholds": {
            "rule": thresholds.rule,
            "sensitive": thresholds.sensitive,
            "conservative": thresholds.conservative,
            "n_normal_bone": thresholds.n_normal_bone,
        },
        "warnings": [],
        "messages": [],
    }


def response_facts(
    scans: Scans,
    regions: ActiveRegions,
    shown: DisplayedResult,
    command: str,
    role: Role,
    reader: str | None = None,
) -> dict[str, Any]:
    """The numbers of a measurement, and where its lesions lie in the series that was asked for.

    Of an automatic result with a proposal, the lesions are those of that result, with what is proposed for each.
    """
    result, automatic = shown.result, shown.automatic
    provenance = provenance_of(command, result.settings, regions.model, scans.inputs)
    facts = vhi_numbers(result, provenance, reader=reader or "")
    if automatic.proposal is not None:
        placed = _placed([lesion_numbers(lesion) for lesion in automatic.lesions], scans, automatic, role)
        facts["lesions"] = with_decisions(placed, automatic.proposal, shown.changes)
        facts["proposal"] = {name: facts["proposal"][name] for name in ("version", "limit", "uncertain")}
    else:
        facts["lesions"] = _placed(facts["lesions"], scans, result, role)
    return {
        "case": scans.case.case_id,
        **facts,
        "used": dict(regions.used),
        "histogram": histogram_of(result.normal_bone_values),
        **short_result(result, regions.model),
        "automatic_id": result_id_of(automatic, regions.model),
        "messages": [],
    }


def histogram_of(values: np.ndarray, bins: int = 40) -> dict[str, list[float] | list[int]]:
    """Histogram of normal bone: `bins + 1` `edges` [scanner units] and `bins` `counts`.

    Parameters
    ----------
    values : (n,) float array
        STIR intensities [scanner units].
    """
    counts, edges = np.histogram(values, bins=bins)
    return {"edges": [float(edge) for edge in edges], "counts": [int(count) for count in counts]}


def short_result(result: VhiResult, model: Mapping[str, Any] | None) -> dict[str, Any]:
    """The identity of a number: `result_id`, `vhi_mm3`, `rule`, `model_version`."""
    known, version = _SHORT.setdefault(result, {}), model["version"] if model else None
    if version not in known:
        known[version] = {
            "result_id": _result_id(result, version),
            "vhi_mm3": result.measurement.total.mm3,
            "rule": result.thresholds.rule,
            "model_version": version,
        }
    return dict(known[version])


def result_id_of(result: VhiResult, model: Mapping[str, Any] | None) -> str:
    """A hash of grade map, thresholds, rule, a site's chain and version of the networks: equal for equal results alone."""
    return str(short_result(result, model)["result_id"])


def _result_id(result: VhiResult, version: Any) -> str:
    t = result.thresholds
    stated = (result.grade.shape, t.sensitive.hex(), t.conservative.hex(), t.rule, version)
    digest = hashlib.sha256(repr(stated).encode())
    if result.settings.site_chain is not None:  # the paper's chain keeps the ids that are on disk
        digest.update(result.settings.site_chain.text.encode())
    for grade in (1, 2):
        digest.update(np.packbits(result.grade == grade).tobytes())
    return digest.hexdigest()[:32]


def _placed(lesions: list[dict[str, Any]], scans: Scans, result: VhiResult, role: Role) -> list[dict[str, Any]]:
    """Lesions with `voxel`, one of theirs as `[i, j, k]` of the series asked for, its `slice`, and mm3 per grade."""
    voxel_mm3 = result.stir.grid.voxel_volume_mm3
    placed = zip(lesions, result.lesions, scans.voxels_to_series_grid(result.central_voxels, role), strict=True)
    return [
        {
            **numbers,
            "vhi_mm3": {"sensitive": lesion.mm3, "conservative": lesion.conservative_voxels * voxel_mm3},
            "voxel": list(voxel),
            "slice": voxel[2],
        }
        for numbers, lesion, voxel in placed
    ]


def piece_facts(pieces: Pieces, scans: Scans, role: Role) -> list[dict[str, Any]]:
    """The pieces of split lesions, told as lesions are, with the lesion that each is `of` and where it lies: `runs`.

    A run is the place of its first voxel and how many follow it, in the series asked for with its first axis fastest.
    """
    placed = _placed([lesion_numbers(lesion) for lesion in pieces.result.lesions], scans, pieces.result, role)
    flat = scans.to_series_grid(pieces.result.lesion_labels, role).ravel(order="F")
    at = np.flatnonzero(flat)
    pieces_placed = []
    for numbers, name, of in zip(placed, pieces.ids, pieces.of, strict=True):
        own = at[flat[at] == numbers["id"]]
        ends = np.flatnonzero(np.diff(own, append=-1) != 1)
        starts = np.concatenate([[0], ends[:-1] + 1])
        runs = [[int(own[start]), int(end - start + 1)] for start, end in zip(starts, ends, strict=True)]
        pieces_placed.append({**numbers, "id": int(name), "of": int(of), "runs": runs})
    return pieces_placed
