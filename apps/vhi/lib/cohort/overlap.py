"""How well two segmentations lie on top of each other: within a reader, between readers, between methods."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import combinations, groupby
from typing import Literal

import numpy as np

from ..core.volume import Mask, check_same_grid
from ..errors import InputError
from .clusters import clustered_median
from .estimate import Estimate, Summary, summary

Kind = Literal["within reader", "between readers", "between methods"]


@dataclass(frozen=True)
class Overlap:
    """Voxel counts of two masks and of what they share."""

    voxels_a: int
    voxels_b: int
    voxels_both: int

    @property
    def dice(self) -> float:
        """Shared voxels over the mean of both; `nan` when both masks are empty. Hepburn et al. 2023, S1."""
        total = self.voxels_a + self.voxels_b
        return 2 * self.voxels_both / total if total else float("nan")

    @property
    def volume_similarity(self) -> float:
        """1 minus the difference of the volumes over their sum, wherever they lie; `nan` when both masks are empty.

        Taha and Hanbury 2015, doi 10.1186/s12880-015-0068-x, in absolute value.
        """
        total = self.voxels_a + self.voxels_b
        return 1 - abs(self.voxels_a - self.voxels_b) / total if total else float("nan")


@dataclass(frozen=True, eq=False)
class MaskReading:
    """One segmentation of inflammation: of whom, by whom, and how.

    `reading` counts a reader's repeated readings of one scan from 1; `visit` and `method` are words of `table.VISITS` and
    `table.METHODS`.
    """

    subject: str
    visit: str
    reader: str
    reading: int
    method: str
    mask: Mask

    @property
    def who(self) -> str:
        """Reader and reading as tables name them: "1/2" is reader 1's second reading, the paper's R12."""
        return f"{self.reader}/{self.reading}"


def overlap(a: np.ndarray, b: np.ndarray) -> Overlap:
    """Exact voxel counts of two masks of one shape.

    Parameters
    ----------
    a, b : bool arrays of one shape
        Voxels of one grid; masks on grids of their own go through `compare`.

    Returns
    -------
    Overlap
        Counts of voxels, with `dice` and `volume_similarity`.

    Raises
    ------
    InputError
        Shapes that differ, or arrays that are not bool.
    """
    a, b = np.asarray(a), np.asarray(b)
    if a.shape != b.shape:
        raise InputError(f"Two masks of shapes {a.shape} and {b.shape} have no overlap; both must lie on one grid.")
    if a.dtype != np.bool_ or b.dtype != np.bool_:
        raise InputError(f"Masks must be arrays of True and False, found {a.dtype} and {b.dtype}.")
    return Overlap(int(np.count_nonzero(a)), int(np.count_nonzero(b)), int(np.count_nonzero(a & b)))


def dice(a: np.ndarray, b: np.ndarray) -> float:
    """Dice coefficient of two masks.

    Parameters
    ----------
    a, b : bool arrays of one shape
        Voxels of one grid.

    Returns
    -------
    float
        Shared voxels over the mean of both, 0 to 1; `nan` when both are empty.

    Raises
    ------
    InputError
        As `overlap`.
    """
    return overlap(a, b).dice


def volume_similarity(a: np.ndarray, b: np.ndarray) -> float:
    """Similarity of the volumes of two bool arrays of one shape, 0 to 1; `nan` when both are empty. See `overlap`."""
    return overlap(a, b).volume_similarity


def compare(a: Mask, b: Mask) -> Overlap:
    """Overlap of two masks of one scan.

    Raises
    ------
    GridMismatchError
        They lie on different grids.
    """
    check_same_grid(a, b)
    return overlap(a.data, b.data)


def compare_slices(a: Mask, b: Mask) -> tuple[Overlap, ...]:
    """Overlap of two masks in each of their K slices, in order.

    Raises
    ------
    GridMismatchError
        They lie on different grids.
    """
    check_same_grid(a, b)
    return tuple(overlap(a.data[:, :, k], b.data[:, :, k]) for k in range(a.grid.shape[2]))


@dataclass(frozen=True, eq=False)
class PairOverlap:
    """Two readings of one scan: who they are, and their overlap, of the whole scan or (`slice`, from 0 along K) of one slice."""

    a: MaskReading
    b: MaskReading
    overlap: Overlap
    slice: int | None = None

    @property
    def subject(self) -> str:
        return self.a.subject

    @property
    def visit(self) -> str:
        return self.a.visit

    @property
    def kind(self) -> Kind:
        """The difference between the two readings: the method, else the reader, else only the time of reading."""
        if self.a.method != self.b.method:
            return "between methods"
        return "within reader" if self.a.reader == self.b.reader else "between readers"

    @property
    def method(self) -> str:
        """The method, or both."""
        return self.a.method if self.a.method == self.b.method else f"{self.a.method} and {self.b.method}"

    @property
    def pair(self) -> str:
        """The two readings as tables name them: "1/1 and 1/2" are reader 1's first and second reading."""
        if self.a.method == self.b.method:
            return f"{self.a.who} and {self.b.who}"
        return f"{self.a.who} {self.a.method} and {self.b.who} {self.b.method}"


@dataclass(frozen=True)
class OverlapSummary:
    """Median and range over the pairs of one group; `pair` is "" where all pairs of a kind are together.

    `empty_pairs` have no Dice (both masks empty) and count in `pairs` alone. `dice_median` has the interval of a bootstrap of
    whole patients: neither two visits of a patient nor several pairs of readings of a scan are independent.
    """

    kind: Kind
    method: str
    pair: str
    pairs: int
    empty_pairs: int
    dice: Summary
    volume_similarity: Summary
    dice_median: Estimate


def overlaps(readings: Iterable[MaskReading]) -> tuple[PairOverlap, ...]:
    """Overlap of every two readings of one scan.

    Parameters
    ----------
    readings : iterable of MaskReading
        In any order; readings of different subjects or visits are not compared.

    Raises
    ------
    InputError
        The same reader's same reading of one scan twice.
    GridMismatchError
        Readings of one scan on different grids.
    """
    return tuple(PairOverlap(a, b, compare(a.mask, b.mask)) for a, b in _pairs(readings))


def overlaps_by_slice(readings: Iterable[MaskReading]) -> tuple[PairOverlap, ...]:
    """`overlaps`, slice by slice."""
    return tuple(PairOverlap(a, b, both, k) for a, b in _pairs(readings) for k, both in enumerate(compare_slices(a.mask, b.mask)))


def summarise_overlaps(pairs: Iterable[PairOverlap], *, each_pair: bool = True) -> tuple[OverlapSummary, ...]:
    """Median and range of Dice and volume similarity of each pair of readings, over all subjects.

    Parameters
    ----------
    pairs : iterable of PairOverlap
    each_pair : bool
        One row per pair of readings (reader 1's first against reader 2's first); else one per kind and method.
    """
    groups: dict[tuple[Kind, str, str], list[PairOverlap]] = {}
    for overlap in pairs:
        groups.setdefault((overlap.kind, overlap.method, overlap.pair if each_pair else ""), []).append(overlap)
    return tuple(
        OverlapSummary(
            *key,
            pairs=len(group),
            empty_pairs=sum(np.isnan(pair.overlap.dice) for pair in group),
            dice=summary([pair.overlap.dice for pair in group]),
            volume_similarity=summary([pair.overlap.volume_similarity for pair in group]),
            dice_median=clustered_median([pair.overlap.dice for pair in group], [pair.subject for pair in group]),
        )
        for key, group in groups.items()
    )


def _pairs(readings: Iterable[MaskReading]) -> Iterator[tuple[MaskReading, MaskReading]]:
    def scan(reading: MaskReading) -> tuple[str, str]:
        return reading.subject, reading.visit

    ordered = sorted(readings, key=lambda reading: (*scan(reading), reading.method, reading.reader, reading.reading))
    for (subject, visit), group in groupby(ordered, key=scan):
        for a, b in combinations(group, 2):
            if (a.who, a.method) == (b.who, b.method):
                raise InputError(
                    f"Subject {subject}, {visit}: the {a.method} reading {a.who} (reader/reading) is there twice; keep one."
                )
            yield a, b
