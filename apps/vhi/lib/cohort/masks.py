"""The analyses of a study's masks, one scan in memory at a time: overlap, reference standard, lesions of two visits."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from ..core.volume import Grid, Mask, Volume
from .overlap import MaskReading, PairOverlap, overlaps, overlaps_by_slice
from .reference import AgainstReference, against_estimate, against_others, against_reference
from .study import LeftOut
from .table import METHODS, VISITS
from .visits import VisitComparison

_NO_MASK = Mask(np.zeros((1, 1, 1), dtype=bool), Grid((1, 1, 1), np.eye(4)))


@dataclass(frozen=True, eq=False)
class MaskStudy:
    """The results from all masks of a study. The readings in it have lost their voxels.

    Parameters
    ----------
    n_masks, n_scans : int
    pairs : every two readings of a scan
    slices : the same by slice, of the slices that either reader marked
    reference : each reading against the reference standards of its scan
    reference_left_out : scans with too few readings for a reference
    """

    n_masks: int
    n_scans: int
    pairs: tuple[PairOverlap, ...]
    slices: tuple[PairOverlap, ...]
    reference: tuple[AgainstReference, ...]
    reference_left_out: tuple[LeftOut, ...]


def mask_study(
    scans: Iterable[Sequence[MaskReading]],
    fewest_votes: int = 3,
    reading: int = 1,
    staple: Callable[[Sequence[Mask]], Mask] | None = None,
) -> MaskStudy:
    """Compare all readings of each scan.

    Parameters
    ----------
    scans : iterable
        The readings of one scan at a time; only one scan's masks are kept.
    fewest_votes : int
        Of the composite reference standard. Each reader's manual and semi-automatic reading of number `reading` vote; a scan
        that was not read by both methods has none.
    reading : int
        Which of a reader's readings vote.
    staple : callable, optional
        Estimates the truth from the masks of one scan; without it there is no such standard.

    Returns
    -------
    MaskStudy
        Overlaps of every two readings of a scan, and of each with the standards.

    Raises
    ------
    GridMismatchError
        Masks of one scan on different grids.
    """
    pairs: list[PairOverlap] = []
    slices: list[PairOverlap] = []
    reference: list[AgainstReference] = []
    left_out: list[LeftOut] = []
    n_masks = n_scans = 0
    for readings in scans:
        n_masks, n_scans = n_masks + len(readings), n_scans + 1
        pairs += [_light(pair) for pair in overlaps(readings)]
        slices += [_light(pair) for pair in overlaps_by_slice(readings) if pair.overlap.voxels_a or pair.overlap.voxels_b]
        voters = [voter for voter in readings if voter.reading == reading]
        methods = {voter.method for voter in voters}
        if not voters:
            continue
        if methods != set(METHODS) or len(voters) < fewest_votes:
            have = f"{len(voters)} reading{'s' * (len(voters) != 1)} ({', '.join(sorted(methods))})"
            why = f"{have}; needed are {fewest_votes} or more, of both methods"
            left_out.append(LeftOut(voters[0].subject, voters[0].visit, why))
            continue
        against_voters, _ = against_reference(voters, fewest_votes)
        estimated = () if staple is None else against_estimate(voters, staple)
        compared = (*against_voters, *against_others(voters), *estimated) if len(voters) > 2 else (*against_voters, *estimated)
        reference += [dataclasses.replace(comparison, reading=_without_voxels(comparison.reading)) for comparison in compared]
    return MaskStudy(n_masks, n_scans, tuple(pairs), tuple(slices), tuple(reference), tuple(left_out))


@dataclass(frozen=True, eq=False)
class CaseImages:
    """Two readers' masks of one visit over its STIR scan, with the slices worth a look (indices along K, from 0)."""

    subject: str
    visit: str
    stir: Volume
    readers: tuple[str, str]
    first: Mask
    second: Mask
    slices: tuple[int, ...]


@dataclass(frozen=True, eq=False)
class DisagreementImages:
    """The scans of the visits on which readers disagree most; `why_none` is for none at all."""

    cases: Sequence[CaseImages]
    why_none: str


@dataclass(frozen=True, eq=False)
class TwoVisits:
    """One subject's lesions at both visits, by one reader, on the grid of the baseline scan.

    `turn_deg` and `shift_mm` are of the alignment. `images` are kept of few subjects.
    """

    subject: str
    reader: str
    comparison: VisitComparison
    turn_deg: float
    shift_mm: float
    images: VisitImages | None = None


@dataclass(frozen=True, eq=False)
class ComparedVisits:
    """The visits of each subject compared, by lesions that match within `tolerance_mm`.

    `left_out` names the subjects that could not be compared; `why_none` is for none at all.
    """

    visits: Sequence[TwoVisits]
    left_out: Sequence[LeftOut]
    tolerance_mm: float
    why_none: str


@dataclass(frozen=True, eq=False)
class VisitImages:
    """Both scans on the baseline's grid, and `(I, J, K)` uint8 codes of their lesions: 1 resolved, 2 at both visits, 3 new."""

    stir: dict[str, Volume]
    codes: dict[str, np.ndarray]
    slices: tuple[int, ...]


_CODES = {"resolved": 1, "persisting": 2, "new": 3}


def visit_images(
    stir: dict[str, Volume], labels: dict[str, np.ndarray], comparison: VisitComparison, most_slices: int = 3
) -> VisitImages:
    """Code every lesion by what became of it, and choose the slices with most inflammation at either visit.

    Parameters
    ----------
    stir : dict
        STIR of `baseline` and `follow_up`, both on the baseline's grid.
    labels : dict
        Of each visit `(I, J, K)` ints on that grid: the lesion's id, 0 where there is none.
    """
    codes = {}
    for visit in VISITS:
        table = np.zeros(int(labels[visit].max(initial=0)) + 1, dtype=np.uint8)
        for lesion in comparison.lesions:
            ids = lesion.baseline_ids if visit == "baseline" else lesion.follow_up_ids
            table[list(ids)] = _CODES[lesion.status]
        codes[visit] = table[labels[visit]]
    marked = np.count_nonzero((codes[VISITS[0]] > 0) | (codes[VISITS[1]] > 0), axis=(0, 1))
    chosen = [int(k) for k in np.argsort(-marked, kind="stable")[:most_slices] if marked[k]]
    return VisitImages(stir, codes, tuple(sorted(chosen)))


def _light(pair: PairOverlap) -> PairOverlap:
    return dataclasses.replace(pair, a=_without_voxels(pair.a), b=_without_voxels(pair.b))


def _without_voxels(reading: MaskReading) -> MaskReading:
    return dataclasses.replace(reading, mask=_NO_MASK)
