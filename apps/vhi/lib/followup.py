"""The earlier visit of a patient: read from its result, laid over this one, and compared."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, cast

import numpy as np

from .cohort.visits import match_lesions
from .core.chain import RecordedChain
from .core.change import NOT_LAID_OVER, Change, LesionFate, NotCompared, doubts_about
from .core.pipeline import VhiResult
from .core.proposal import Stage
from .core.settings import other_measure, other_measure_of
from .core.stages import STAGES, title_of
from .core.thresholds import PAPER
from .core.verdict import NOT_COMPARABLE, verdict_of
from .core.volume import Grid, Mask, Volume
from .errors import GridMismatchError, InputError
from .records import read_json
from .studies.alignment import Alignment, align, moved_labels, moved_volume
from .studies.nifti import read_labels, read_mask

NUMBERS, LESIONS, REGION = "vhi.json", "lesions.nii.gz", "disease_region.nii.gz"
TOLERANCE_MM = 3.0
# reasons of a verdict that two visits may have in common: a difference in them is refused
_OF_THE_METHOD = ("chain", "settings")


@dataclass(frozen=True, eq=False)
class EarlierVisit:
    """The result of an earlier visit.

    Parameters
    ----------
    numbers : mapping
        As `vhi.json` has them.
    lesions : (I, J, K) int array
        By id, on the `grid` of the visit's STIR.
    region : Mask or None
        Its disease region, not needed where there is `stir`; without both, volumes alone are compared.
    stir : Volume or None
        Its scan, where it is at hand.
    date : str
        The day of it; "" where that is not known.
    no_lesions_because : str
        Why `lesions` may be others than its number counts: then volumes alone are compared. "" where they are those.
    """

    numbers: Mapping[str, Any]
    lesions: np.ndarray
    grid: Grid
    region: Mask | None = None
    stir: Volume | None = None
    date: str = ""
    no_lesions_because: str = ""


def read_earlier(result: Path, stir: Volume | None = None, date: str = "") -> EarlierVisit:
    """Read the result folder of an earlier visit.

    Parameters
    ----------
    result : Path
        The folder, or the `vhi.json` in it; the masks lie beside it.
    stir : Volume, optional
        The STIR scan of that visit.
    date : str
        Of that scan, where it is known.

    Raises
    ------
    InputError
        It holds no result, or a file of it is missing or damaged.
    """
    folder = result if result.is_dir() else result.parent
    numbers = read_json(folder / NUMBERS, vhi_mm3=dict, provenance=dict)
    if numbers is None:
        raise InputError(f"There is no {NUMBERS} in {folder}; --previous needs the result folder of the earlier visit.")
    missing = [name for name in (LESIONS, REGION) if not (folder / name).is_file()]
    if missing:
        raise InputError(f"{folder} lacks {' and '.join(missing)}; pass the whole result folder of the earlier visit.")
    region = read_mask(folder / REGION, "disease region of the earlier visit")
    lesions, grid = read_labels(folder / LESIONS, "lesions of the earlier visit")
    if grid.shape != region.grid.shape:
        raise InputError(f"The masks in {folder} lie on different grids; measure the earlier visit again.")
    return EarlierVisit(numbers, lesions, grid, region, stir, date)


def compare_with_earlier(
    result: VhiResult, earlier: EarlierVisit, laid_over: Callable[[], Alignment] | None = None
) -> Change | NotCompared:
    """The changes since an earlier visit; refused where both were not measured in one way.

    Parameters
    ----------
    result : VhiResult
    earlier : EarlierVisit
    laid_over : callable, optional
        Gives the motion between the visits, where a caller keeps it; it may raise `GridMismatchError`.

    Raises
    ------
    InputError
        The earlier numbers are damaged.
    """
    numbers = earlier.numbers
    try:
        volume = float(numbers["vhi_mm3"]["sensitive"])
        sensitive = float(numbers["thresholds"]["sensitive"])
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(f"The {NUMBERS} of the earlier visit is incomplete ({error}); measure that visit again.") from error
    date = earlier.date or str((numbers.get("scan") or {}).get("date") or "")
    refusals = _other_methods(result, numbers)
    if refusals:
        when = f" of {date}" if date else ""
        return NotCompared(f"The earlier visit{when} is not compared with this one: {'; '.join(refusals)}.")
    stage = cast(Stage, numbers.get("stage") if numbers.get("stage") in STAGES else "raw")
    doubts = (*doubts_about(stage, result.stage), *_incomparable(result, numbers))
    title = str(numbers.get("title") or title_of(stage, str((numbers.get("reading") or {}).get("reader") or "")))
    plain = Change(volume, result.measurement.total.sensitive_mm3, title, date, doubts)
    if earlier.no_lesions_because:
        return replace(plain, no_lesions_because=earlier.no_lesions_because)
    if earlier.stir is None and earlier.region is None:
        return plain
    try:
        alignment = laid_over() if laid_over is not None else lay_over(result, earlier)
    except GridMismatchError as error:
        return replace(plain, doubts=(*doubts, f"{NOT_LAID_OVER}: {error}"))
    return _with_lesions(plain, result, earlier, alignment, sensitive)


def _other_methods(result: VhiResult, earlier: Mapping[str, Any]) -> list[str]:
    """Differences of method: post-transforms, settings of the thresholds or parts left out, the rule of the thresholds."""
    differences = []
    chains = RecordedChain.of(earlier["provenance"].get("post_transforms")), RecordedChain.of(result.settings.chain.record())
    if chains[0] != chains[1]:
        differences.append(f"they were measured with different post-transforms (earlier: {chains[0]}; now: {chains[1]})")
    drawn = result.normal_bone_source == "given"
    settings = other_measure_of(earlier), other_measure(result.settings.values(), drawn=drawn)
    if settings[0] != settings[1]:
        before, now = (", ".join(setting) or "the defaults" for setting in settings)
        differences.append(f"they were measured with different settings (earlier: {before}; now: {now})")
    rules = str(earlier["thresholds"].get("rule") or PAPER), result.thresholds.rule
    if rules[0] != rules[1] and not differences:
        differences.append(
            f"their thresholds follow from different rules (earlier: {rules[0]}; now: {rules[1]}), as normal bone was drawn for "
            "one of them alone"
        )
    return differences


def _incomparable(result: VhiResult, earlier: Mapping[str, Any]) -> list[str]:
    """The reason why either scan's number may not be set beside others."""
    before = [reason for reason in (earlier.get("verdict") or {}).get("reasons", ()) if reason.get("word") == NOT_COMPARABLE]
    sentences = [f"of the earlier scan: {reason['clause']}" for reason in before if reason.get("code") not in _OF_THE_METHOD]
    now = [reason for reason in verdict_of(result).reasons if reason.word == NOT_COMPARABLE and reason.code not in _OF_THE_METHOD]
    return [*sentences, *(f"of this scan: {reason.clause}" for reason in now)]


def lay_over(result: VhiResult, earlier: EarlierVisit) -> Alignment:
    """The motion from this visit to the earlier one: by both STIR scans; by the outlines of the bone without the earlier scan.

    Raises
    ------
    GridMismatchError
        They cannot be laid over each other.
    """
    if earlier.stir is not None:
        return align(result.stir, earlier.stir)
    if earlier.region is None:
        raise GridMismatchError("Neither the scan nor the disease region of the earlier visit is at hand.")
    region = result.disease_region.mask
    fixed, moving = (Volume(mask.data.astype(float), mask.grid, mask.name) for mask in (region, earlier.region))
    return align(fixed, moving)


def _with_lesions(plain: Change, result: VhiResult, earlier: EarlierVisit, alignment: Alignment, sensitive: float) -> Change:
    grid = result.stir.grid
    before = moved_labels(earlier.lesions, earlier.grid, grid, alignment)
    matched = match_lesions(before, result.lesion_labels, grid, tolerance_mm=TOLERANCE_MM)
    lesions = tuple(
        LesionFate(lesion.baseline_ids, lesion.follow_up_ids, lesion.baseline_mm3, lesion.follow_up_mm3, lesion.centroid_mm)
        for lesion in matched.lesions
    )
    both = [lesion for lesion in lesions if lesion.earlier_ids and lesion.now_ids]
    stays = [number for lesion in both for number in lesion.earlier_ids], [number for lesion in both for number in lesion.now_ids]
    codes = np.stack(
        [
            np.where(np.isin(labels, kept), 2, alone).astype(np.uint8) * (labels > 0)
            for labels, kept, alone in ((before, stays[0], 1), (result.lesion_labels, stays[1], 3))
        ]
    )
    stir = None
    if earlier.stir is not None and sensitive > 0:
        moved = moved_volume(earlier.stir, grid, alignment)
        stir = Volume(moved.data / sensitive, grid, "STIR of the earlier visit")
    now = Volume(result.stir.data / result.thresholds.sensitive, grid, "STIR")
    return replace(plain, lesions=lesions, earlier_stir=stir, now_stir=now, codes=codes)
