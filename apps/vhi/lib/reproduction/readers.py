"""The readers' masks of one scan: counts, overlaps, and each reading against the composite reference (figures 4, 5 and 7)."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from itertools import combinations
from typing import Any

from ..cohort.overlap import MaskReading, compare
from ..cohort.reference import AgainstReference, against_estimate, against_others, against_reference
from ..core.volume import GRID_TOLERANCE_MM, Grid, Mask, grid_distance_mm
from ..errors import GridMismatchError, VhiError
from ..studies.reader_masks import ReaderMask, read_inflammation
from ..studies.registration import placed

MANUAL, SEMI = "manual", "semi-automatic"


def label_of(reading: ReaderMask) -> str:
    """A reading as the authors name it: R11 is reader 1's first manual reading, R1 reader 1's semi-automatic one."""
    if reading.method == SEMI:
        return reading.reader if reading.reading == 1 else f"{reading.reader} ({reading.reading})"
    return f"{reading.reader}{reading.reading}"


def read_scan(case: str, readings: Sequence[ReaderMask], staple: Callable[[Sequence[Mask]], Mask]) -> dict[str, Any]:
    """Everything that the masks of one scan give.

    Returns
    -------
    dict
        `voxels` and `conservative_voxels` by reading, `pairs` (Dice, volume similarity, shared voxels) by two readings,
        `composites` by the manual trial of each reader, and `left_out`: files that cannot be read, with the reason; strict JSON.
    """
    masks: dict[str, MaskReading] = {}
    result: dict[str, Any] = {"voxels": {}, "conservative_voxels": {}, "notes": [], "left_out": []}
    for reading in readings:
        try:
            mask, conservative, note = read_inflammation(reading)
            first = next(iter(masks.values()), None)
            mask, apart = (mask, "") if first is None else voxel_by_voxel(mask, first.mask.grid)
        except VhiError as error:
            result["left_out"].append([str(reading.path), str(error)])
            continue
        masks[label_of(reading)] = MaskReading(case, "baseline", reading.reader, reading.reading, reading.method, mask)
        result["voxels"][label_of(reading)] = mask.voxels
        if conservative is not None:
            result["conservative_voxels"][label_of(reading)] = conservative.voxels
        result["notes"] += [words for words in (note, apart) if words]
    return {**result, "pairs": _pairs(masks), "composites": _composites(masks, staple)}


def voxel_by_voxel(mask: Mask, grid: Grid) -> tuple[Mask, str]:
    """A mask on the grid of another one of its scan, and a sentence where their headers do not agree on where they lie.

    The authors compare arrays and ignore headers, so that their numbers are those of voxels with one index.

    Raises
    ------
    GridMismatchError
        The arrays have different shapes.
    """
    own = placed(mask, grid)
    if own.grid.shape != grid.shape:
        raise GridMismatchError(
            f"{mask.name} has shape {own.grid.shape}, the other masks of its scan {grid.shape}; they cannot be compared."
        )
    apart = grid_distance_mm(own.grid, grid)
    if apart <= GRID_TOLERANCE_MM:
        return own, ""
    far = f"{mask.name} lies {apart:.1f} mm from the other masks of its scan by its header"
    note = f"{far}; compared voxel by voxel, as the authors do."
    return Mask(mask.data, grid, mask.name), note


def _pairs(masks: Mapping[str, MaskReading]) -> dict[str, Any]:
    pairs = {}
    for (first, a), (second, b) in combinations(sorted(masks.items()), 2):
        both = compare(a.mask, b.mask)
        pairs[f"{first} {second}"] = {
            "dice": _or_none(both.dice),
            "volume_similarity": _or_none(both.volume_similarity),
            "shared_voxels": both.voxels_both,
        }
    return pairs


def _composites(masks: Mapping[str, MaskReading], staple: Callable[[Sequence[Mask]], Mask]) -> dict[str, Any]:
    """Each reading against the three standards, for every choice of one manual trial per reader."""
    semi = [reading for reading in masks.values() if (reading.method, reading.reading) == (SEMI, 1)]
    manual = [reading for reading in masks.values() if reading.method == MANUAL]
    by_trials: dict[str, Any] = {}
    if len(semi) != 2:
        return by_trials
    for a, b in combinations(manual, 2):
        if a.reader == b.reader or {a.reader, b.reader} != {reading.reader for reading in semi}:
            continue
        voters = [a, b, *semi]
        compared: tuple[AgainstReference, ...] = (
            *against_reference(voters)[0],
            *against_others(voters),
            *against_estimate(voters, staple),
        )
        trials = " ".join(sorted(f"{reading.reader}{reading.reading}" for reading in (a, b)))
        by_trials[trials] = [
            {
                "standard": comparison.standard,
                "method": comparison.reading.method,
                "reader": comparison.reading.reader,
                "dice": _or_none(comparison.overlap.dice),
                "voxels": comparison.overlap.voxels_a,
                "reference_voxels": comparison.overlap.voxels_b,
            }
            for comparison in compared
        ]
    return by_trials


def _or_none(value: float) -> float | None:
    return None if math.isnan(value) else value
