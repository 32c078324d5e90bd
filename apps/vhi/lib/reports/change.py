"""The words and numbers of a report about the earlier visit."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ..core.change import LESION_FACTOR, NOT_LAID_OVER, READER_FACTOR, Change, NotCompared
from ..core.numbers import printable
from .parts import Table
from .wording import counted, mm3


def change_sentences(change: Change | NotCompared | None) -> tuple[str, ...]:
    """Sentences for the first page; empty without an earlier visit."""
    if isinstance(change, NotCompared):
        return (printable(change.sentence),)
    return () if change is None else tuple(_sentences(change))


def _sentences(change: Change) -> Iterator[str]:
    when = f" of {printable(change.earlier_date)}" if change.earlier_date else ""
    factor = "" if change.factor is None else f", a factor of {change.factor:.2f}"
    sign = "+" if change.change_mm3 > 0 else "−" if change.change_mm3 < 0 else ""
    yield (
        f"Earlier visit{when}: {printable(change.earlier_title)} {mm3(change.earlier_mm3)}. Change since: "
        f"{sign}{mm3(abs(change.change_mm3))}{factor}."
    )
    if change.doubts:
        yield f"The two may not be compared: {printable('; '.join(change.doubts))}."
    fall, rise = change.smallest_change_mm3
    limits = f"a fall of {mm3(fall)} or a rise of {mm3(rise)} (a factor of {READER_FACTOR:g})"
    words = {
        True: f"The change is larger than what two readers differ by: {limits}.",
        False: f"The change is not larger than what two readers differ by: {limits}.",
        None: f"Readers differ by up to {limits}.",
    }
    if change.earlier_mm3 > 0:
        yield words[change.exceeds_reader_variation]
    if change.lesions is not None:
        counts = "; ".join(f"{number:,} {fate}" for fate, number in change.counts.items())
        yield f"{counted(len(change.lesions), 'lesion', 'lesions')} at either visit: {counts}."
    elif not any(doubt.startswith(NOT_LAID_OVER) for doubt in change.doubts):
        yield f"Which lesions are new or gone is not told: {change.no_lesions_because}."


def change_table(change: Change | NotCompared | None) -> Table | None:
    """The lesions of both visits, the largest first; None where there are none."""
    if not isinstance(change, Change) or not change.lesions:
        return None
    rows = tuple(
        (
            lesion.fate,
            ", ".join(map(str, lesion.earlier_ids)) or "–",
            ", ".join(map(str, lesion.now_ids)) or "–",
            f"{lesion.earlier_mm3:,.1f}",
            f"{lesion.now_mm3:,.1f}",
            f"{lesion.now_mm3 - lesion.earlier_mm3:+,.1f}".replace("-", "−"),
        )
        for lesion in change.lesions
    )
    return Table(
        "Lesions since the earlier visit",
        ("", "no. then", "no. now", "mm³ then", "mm³ now", "change"),
        rows,
        f"Grown and shrunk: by more than a factor of {LESION_FACTOR:g}. "
        "Lesions of both visits that lie within 3 mm of each other are one; volumes then are those on the grid of this scan.",
        text_columns=3,
    )


def change_facts(change: Change | NotCompared | None) -> dict[str, Any]:
    """The facts of `vhi.json` about an earlier visit: `change`, or `no_change_because`; empty without one."""
    if isinstance(change, NotCompared):
        return {"no_change_because": printable(change.sentence)}
    return {} if change is None else {"change": _numbers(change)}


def _numbers(change: Change) -> dict[str, Any]:
    return {
        "earlier_title": change.earlier_title,
        "earlier_date": change.earlier_date or None,
        "earlier_mm3": change.earlier_mm3,
        "change_mm3": change.change_mm3,
        "factor": change.factor,
        "reader_factor": READER_FACTOR,
        "smallest_change_mm3": list(change.smallest_change_mm3),
        "exceeds_reader_variation": change.exceeds_reader_variation,
        "doubts": list(change.doubts),
        "counts": None if change.lesions is None else dict(change.counts),
        "lesions": None
        if change.lesions is None
        else [
            {
                "fate": lesion.fate,
                "earlier_ids": list(lesion.earlier_ids),
                "now_ids": list(lesion.now_ids),
                "earlier_mm3": lesion.earlier_mm3,
                "now_mm3": lesion.now_mm3,
                "centroid_mm": list(lesion.centroid_mm),
            }
            for lesion in change.lesions
        ],
    }
