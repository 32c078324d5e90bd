"""Whether a number may be used, in a word, with the reasons.

| word | when |
|---|---|
| usable | a reader cleaned it, and nothing below holds |
| check | something about it wants a look before it is used |
| not comparable | it may not be set beside the patient's other visits or other patients' numbers |

docs/verdict.md says what every rule was measured on.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from .caution import About, Caution
from .pipeline import VhiResult
from .settings import other_measure
from .stability import FEWEST_SLICES
from .thresholds import LARGEST_PLAUSIBLE_MULTIPLE, PAPER

Word = Literal["usable", "check", "not comparable"]
USABLE: Word = "usable"
CHECK: Word = "check"
NOT_COMPARABLE: Word = "not comparable"
WORDS: tuple[Word, ...] = (USABLE, CHECK, NOT_COMPARABLE)
# Of the way to an end of the interval, in logarithms. Cleaned numbers of the shared scans go at most 0.45 of it with a slice of
# normal bone left out, or 0.95 and more: docs/verdict.md.
NEAR_THE_END = 0.9
# Below it parts of a proposed normal bone differ by more than 5%: docs/thresholds.md.
SURE_OF_NORMAL_BONE = 0.75
_OF_A_SCAN: dict[About, tuple[Word, str]] = {
    "coverage": (NOT_COMPARABLE, "the scan may show only part of the bone"),
    "fat suppression": (NOT_COMPARABLE, "fat suppression of STIR seems to have failed"),
    "motion": (CHECK, "the patient may have moved during STIR"),
    "t1w": (CHECK, "T1W does not look T1-weighted"),
    "plane": (CHECK, "the slices lie in another plane than those that the networks learnt"),
    "region": (CHECK, "the networks are unsure of the disease region"),
    "marrow": (CHECK, "the marrow is atypical, so parts of the disease region may be missing"),
}


@dataclass(frozen=True)
class Reason:
    """Why a number is not simply usable: a code, the word that follows from it, and a clause."""

    code: str
    word: Word
    clause: str


@dataclass(frozen=True)
class Verdict:
    """The word, which is the worst of its reasons', and the reasons, the worst first."""

    word: Word
    reasons: tuple[Reason, ...]

    @property
    def sentence(self) -> str:
        """The word with its reasons."""
        if not self.reasons:
            return f"{self.word.capitalize()}."
        return f"{self.word.capitalize()}: {'; '.join(reason.clause for reason in self.reasons)}."


def verdict_of(result: VhiResult) -> Verdict:
    """The verdict on a result."""
    reasons = sorted(_reasons(result), key=lambda reason: -WORDS.index(reason.word))
    return Verdict(reasons[0].word if reasons else USABLE, tuple(reasons))


def _reasons(result: VhiResult) -> Iterator[Reason]:
    if not result.settings.is_papers_chain:
        yield Reason("chain", NOT_COMPARABLE, "the post-transforms are not the paper's")
    other = other_measure(result.settings.values(), drawn=result.normal_bone_source == "given")
    if other:
        yield Reason("settings", NOT_COMPARABLE, f"settings are not at their defaults ({', '.join(other)})")
    if result.stage == "raw":
        yield Reason("stage", CHECK, "no reader has cleaned it")
    elif result.stage == "proposed":
        yield Reason("stage", CHECK, "a model cleaned it and no reader has checked it")
    yield from _normal_bone(result)
    if result.stability.unstable_because:
        yield Reason("stability", CHECK, "a small change of the thresholds changes it much")
    elif _hangs_on_a_slice(result):
        yield Reason("stability", CHECK, "leaving out one slice of normal bone takes it to the end of its interval, or beyond")
    seen: set[str] = set()
    for warning in result.warnings:
        if isinstance(warning, Caution) and warning.about not in seen:
            seen.add(warning.about)
            word, clause = _OF_A_SCAN[warning.about]
            yield Reason(warning.about, word, clause)


def stability_and_reasons(result: VhiResult) -> tuple[bool | None, tuple[str, ...]]:
    """Whether the number holds still, and why not: as `Stability` says, and no where a slice takes it to the interval's end."""
    s = result.stability
    if s.unstable_because or not _hangs_on_a_slice(result) or result.interval is None or s.slices_left_out_range_mm3 is None:
        return s.stable, s.reasons
    (low, high), interval = s.slices_left_out_range_mm3, result.interval
    return False, (
        f"leaving out one slice of normal bone gives {low:,.0f} to {high:,.0f} mm3, at the end of the interval or beyond "
        f"({interval.low_mm3:,.0f} to {interval.high_mm3:,.0f} mm3)",
    )


def _hangs_on_a_slice(result: VhiResult) -> bool:
    """Whether a slice of normal bone, left out, moves the number by what the interval gives to everything together."""
    ends, interval = result.stability.slices_left_out_range_mm3, result.interval
    if ends is None or interval is None:
        return False
    farthest = max(abs(math.log(end / result.stability.vhi_mm3)) if end > 0 else math.inf for end in ends)
    return farthest > 0 and farthest >= NEAR_THE_END * math.log(interval.factor)


def _normal_bone(result: VhiResult) -> Iterator[Reason]:
    if result.normal_bone_source == "proposed":
        sure = result.normal_bone_confidence
        low = sure is not None and sure < SURE_OF_NORMAL_BONE
        confidence = f" (confidence {sure:.2f}, which is low)" if low and sure is not None else ""
        yield Reason("normal bone", CHECK, f"normal bone was proposed and no reader has checked it{confidence}")
    elif result.normal_bone_with_proposal:
        yield Reason("normal bone", CHECK, "normal bone was grown from clicks with the proposal, which no reader has checked")
    elif result.stability.slices_left_out is None:
        yield Reason("normal bone", CHECK, f"normal bone covers fewer than {FEWEST_SLICES} slices")
    t = result.thresholds
    if t.rule == PAPER and t.multiple > LARGEST_PLAUSIBLE_MULTIPLE:
        yield Reason("normal bone outlier", CHECK, "one bright voxel of normal bone sets the threshold")
