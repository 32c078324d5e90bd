"""Where readers disagree, and where the automatic region failed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from ..errors import InputError
from .agreement import cases_beyond
from .estimate import Estimate, complete_pairs, exact_share
from .table import DISAGREEMENTS, RATINGS


@dataclass(frozen=True)
class Disagreement:
    """One scan whose readers differ by more than the limit; `position` is its place in the input.

    `in_sd` is the difference (first minus second reader) in standard deviations of all differences; `reason` is one of
    `table.DISAGREEMENTS`, or None where nobody has looked yet.
    """

    position: int
    first: float
    second: float
    in_sd: float
    reason: str | None

    @property
    def difference(self) -> float:
        return self.first - self.second


def disagreements(
    first: ArrayLike, second: ArrayLike, reasons: Iterable[str | None] | None = None, multiple: float = 2.0
) -> tuple[Disagreement, ...]:
    """Scans whose reader difference lies more than `multiple` standard deviations from 0, the largest first.

    Parameters
    ----------
    first, second : (n,) arrays
        VHI of each scan by two readers, both in one unit; the differences are in that unit.
    reasons : n words, optional
        Why the readers of each scan disagree, as somebody who looked recorded it.
    multiple : float

    Raises
    ------
    InputError
        A reason that is not one of `table.DISAGREEMENTS`, or lists that are not paired one to one.

    Notes
    -----
    Hepburn et al. 2023, section 2.7.4.
    """
    a, b, kept = complete_pairs(first, second, ("the first reader", "the second reader"))
    total = np.asarray(first).size
    recorded = list(reasons) if reasons is not None else [None] * total
    if len(recorded) != total:
        raise InputError(f"There are {len(recorded)} reasons for {total} scans; give one, or None, for each.")
    for reason in recorded:
        if reason is not None and reason not in DISAGREEMENTS:
            raise InputError(f"The reason {reason!r} is not known; a disagreement is {', '.join(DISAGREEMENTS)}.")
    value = dict(zip(kept.tolist(), zip(a, b, strict=True), strict=True))
    sd = float((a - b).std(ddof=1)) if kept.size > 1 else float("nan")
    return tuple(
        Disagreement(n, float(value[n][0]), float(value[n][1]), float((value[n][0] - value[n][1]) / sd), recorded[n])
        for n in cases_beyond(first, second, multiple).tolist()
    )


def count_reasons(differences: Iterable[Disagreement]) -> dict[str, int]:
    """How many disagreements are of each class, all of `table.DISAGREEMENTS` and "not recorded" included."""
    counts = Counter(disagreement.reason for disagreement in differences)
    return {**{reason: counts[reason] for reason in DISAGREEMENTS}, "not recorded": counts[None]}


@dataclass(frozen=True)
class RegionFailures:
    """Ratings of the automatic disease region; `failed` and `corrected` are shares with exact intervals."""

    counts: dict[str, int]
    failed: Estimate
    corrected: Estimate
    not_rated: int

    @property
    def n(self) -> int:
        """Number of rated scans."""
        return sum(self.counts.values())


def region_failures(ratings: Iterable[str | None], *, confidence: float = 0.95) -> RegionFailures:
    """How often the automatic disease region failed, in the eyes of readers.

    Parameters
    ----------
    ratings : iterable of str or None
        Of each scan one of `table.RATINGS`; None where it was not rated, which is left out.

    Raises
    ------
    InputError
        Another word.

    Notes
    -----
    Hepburn et al. 2023, section 2.5.3 (model evaluation): 3 of 19 subjects failed there.
    """
    given = list(ratings)
    for rating in given:
        if rating is not None and rating not in RATINGS:
            raise InputError(f"The rating {rating!r} is not known; the automatic region is {', '.join(RATINGS)}.")
    counts = {rating: given.count(rating) for rating in RATINGS}
    n = sum(counts.values())
    return RegionFailures(
        counts,
        exact_share(counts["failed"], n, confidence),
        exact_share(counts["corrected"], n, confidence),
        given.count(None),
    )
