"""Changes since an earlier visit of the same patient, as plain values."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass
from typing import Literal

import numpy as np

from .proposal import Stage
from .stages import name_of
from .volume import Volume

# Two readers' VHI of one scan differ by a factor with limits of agreement of 0.77 to 1.79 (seven scans, docs/thresholds.md): the
# standard deviation of the logarithm of their ratio is ln(1.79 / 0.77) / (2 x 1.96) = 0.215. A change between two readings that
# exceeds this factor, exp(1.96 x 0.215), is not explained by who read. How far one reader repeats is not known.
READER_FACTOR = 1.52
# of one lesion; below it growth and shrinking are not told from how its edge was drawn
LESION_FACTOR = 1.25
NOT_LAID_OVER = "the visits could not be laid over each other"  # a doubt begins so

Fate = Literal["new", "grown", "unchanged", "shrunk", "resolved"]
FATES: tuple[Fate, ...] = ("new", "grown", "unchanged", "shrunk", "resolved")


@dataclass(frozen=True)
class LesionFate:
    """The fate of one lesion, or of several that touch across the visits; one volume [mm3] is 0 for new and resolved."""

    earlier_ids: tuple[int, ...]
    now_ids: tuple[int, ...]
    earlier_mm3: float
    now_mm3: float
    centroid_mm: tuple[float, float, float]

    @property
    def fate(self) -> Fate:
        if not self.earlier_ids:
            return "new"
        if not self.now_ids:
            return "resolved"
        factor = self.now_mm3 / self.earlier_mm3
        return "grown" if factor > LESION_FACTOR else "shrunk" if factor < 1 / LESION_FACTOR else "unchanged"


@dataclass(frozen=True, eq=False)
class Change:
    """This visit against an earlier one.

    Parameters
    ----------
    earlier_mm3, now_mm3 : float
        At the sensitive threshold.
    earlier_title : str
        What the earlier number may be called.
    earlier_date : str
        Day of the earlier scan; "" where it is not known.
    doubts : tuple of str
        Why the two numbers may not be compared; empty where they may.
    lesions : tuple of LesionFate or None
        The largest first; None where the visits could not be laid over each other, as `doubts` says, or no earlier scan is at
        hand, or which lesions made its number is not known, as `no_lesions_because` says.
    no_lesions_because : str
    earlier_stir, now_stir : Volume or None
        Over their own sensitive thresholds, on the grid of now, so that one scale shows both.
    codes : (2, I, J, K) uint8 array or None
        Of each visit 1 resolved, 2 at both visits, 3 new.
    """

    earlier_mm3: float
    now_mm3: float
    earlier_title: str
    earlier_date: str
    doubts: tuple[str, ...] = ()
    lesions: tuple[LesionFate, ...] | None = None
    no_lesions_because: str = "the earlier scan is not at hand"
    earlier_stir: Volume | None = None
    now_stir: Volume | None = None
    codes: np.ndarray | None = None

    @property
    def change_mm3(self) -> float:
        """Volume now minus earlier."""
        return self.now_mm3 - self.earlier_mm3

    @property
    def factor(self) -> float | None:
        """Now over earlier; None where one of them is zero."""
        return self.now_mm3 / self.earlier_mm3 if self.earlier_mm3 > 0 and self.now_mm3 > 0 else None

    @property
    def smallest_change_mm3(self) -> tuple[float, float]:
        """The fall and the rise that exceed reader variation, from the earlier volume [mm3]."""
        return self.earlier_mm3 * (1 - 1 / READER_FACTOR), self.earlier_mm3 * (READER_FACTOR - 1)

    @property
    def exceeds_reader_variation(self) -> bool | None:
        """None where that cannot be said: one volume is zero, or they may not be compared."""
        if self.factor is None or self.doubts:
            return None
        return abs(math.log(self.factor)) > math.log(READER_FACTOR)

    @property
    def counts(self) -> dict[Fate, int]:
        """Lesions by what became of them."""
        count = Counter(lesion.fate for lesion in self.lesions or ())
        return {fate: count[fate] for fate in FATES}


@dataclass(frozen=True)
class NotCompared:
    """There is an earlier visit that this one is not compared with, or may be: why not, in a sentence."""

    sentence: str


def doubts_about(earlier: Stage, now: Stage) -> tuple[str, ...]:
    """Why two numbers of these stages may not be compared."""
    if earlier != now:
        return (f"the earlier number is {name_of(earlier)}, this one {name_of(now)}",)
    if now != "cleaned":
        return ("no reader has cleaned either of them, and uncleaned volumes vary more than readers do",)
    return ()
