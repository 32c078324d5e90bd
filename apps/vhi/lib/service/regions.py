"""Which regions a reader's measurement rests on: their own, the study's shared ones, or the automatic ones."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from ..core.disease_region import DiseaseRegion
from ..core.pipeline import VhiResult, measure_vhi
from ..core.plausibility import Reference
from ..core.segment_names import DISEASE_REGION, NORMAL_BONE
from ..core.settings import VhiSettings
from ..core.volume import Mask
from ..readings.store import ReadingStore
from .automatic import AutomaticRegions
from .scans import Scans


@dataclass(frozen=True, eq=False)
class InForce:
    """The regions, where each came from in words (`used`), and the model where it took part.

    `normal_bone` is None where it is proposed automatically, inside `region`. `key` tells one set of regions from another; it is
    empty for regions that are not stored. `reference` is the model's, where it has one.
    """

    region: DiseaseRegion
    normal_bone: Mask | None
    used: Mapping[str, str]
    model: Mapping[str, Any] | None
    key: tuple[str, ...]
    reference: Reference | None = None


def regions_in_force(
    store: ReadingStore, automatic: Callable[[Scans], AutomaticRegions], scans: Scans, reader: str | None, reading: int
) -> InForce:
    """The regions for a reader in one reading.

    Parameters
    ----------
    store : ReadingStore
    automatic : callable
        Asked only when no reader's disease region is there.
    scans : Scans
    reader : str or None
        None has no own submissions.
    reading : int
    """
    region, region_from = _handed_in(store, scans, reader, reading, DISEASE_REGION)
    bone, bone_from = _handed_in(store, scans, reader, reading, NORMAL_BONE)
    model, reference = None, None
    if region is None:
        found = automatic(scans)
        drawn, region_from, model, reference = found.region, found.origin, found.model, found.reference
    else:
        drawn = DiseaseRegion(region, "given")
    used = {NORMAL_BONE: bone_from or "automatic, proposed inside the disease region", DISEASE_REGION: region_from}
    key = (*used.values(), *(str(model["sha256"]) if model else "",), *sorted(scans.sha256.values()))
    return InForce(drawn, bone, used, model, key, reference)


def measured(scans: Scans, regions: InForce, settings: VhiSettings) -> VhiResult:
    """The automatic result from these regions, by the one path of the command line.

    Raises
    ------
    VhiError
    """
    return measure_vhi(
        scans.t1w,
        scans.stir,
        normal_bone=regions.normal_bone,
        settings=settings,
        disease_region=regions.region,
        reference=regions.reference,
    )


def _handed_in(
    store: ReadingStore, scans: Scans, reader: str | None, reading: int, part: str
) -> tuple[Mask, str] | tuple[None, str]:
    case_id = scans.case.case_id
    found = store.newest(case_id, reader, reading, part) if reader is not None else None
    words = "your submission {:04d}"
    if found is None:
        found, words = store.shared(case_id, part), "shared by study ({:04d})"
    if found is None:
        return None, ""
    mask = store.read_segment(found, part)
    if mask is None:
        return None, ""
    return Mask(mask.data, scans.stir.grid, part), words.format(found.number)
