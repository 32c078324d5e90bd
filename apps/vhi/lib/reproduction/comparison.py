"""One published number beside ours, and what can be said of the two."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Literal

from ..errors import InputError

Verdict = Literal["identical", "equal to the last digit", "equal as printed", "differs", "not comparable", "missing"]
EQUAL: tuple[Verdict, ...] = ("identical", "equal to the last digit", "equal as printed")
# one division in another order of operations
_LAST_DIGITS = 4


@dataclass(frozen=True)
class Comparison:
    """A number of theirs and the same number by this program.

    Parameters
    ----------
    group : str
        Which table or figure it belongs to.
    what, where : str
        What was measured; the paper's section, or the clone's file.
    published : str
        As it is printed there; every digit of it counts.
    ours : float
        `nan` where it cannot be computed; `note` then says why.
    comparable : bool
        False where both are of the same kind but need not be equal: other networks, other scans.
    """

    group: str
    what: str
    where: str
    published: str
    ours: float
    comparable: bool = True
    note: str = ""

    @property
    def difference(self) -> float:
        """Ours minus theirs, at full precision."""
        return self.ours - float(self.published)

    @property
    def verdict(self) -> Verdict:
        if math.isnan(self.ours):
            return "missing"
        if not self.comparable:
            return "not comparable"
        theirs = float(self.published)
        decimals = printed_decimals(self.published)
        if decimals is None:
            if self.ours == theirs:
                return "identical"
            return "equal to the last digit" if abs(self.difference) <= _LAST_DIGITS * math.ulp(theirs) else "differs"
        # half a unit of the last printed digit, and what a sum of doubles may be off; counts are whole and have no half
        half = 0.5 * 10.0**-decimals
        if decimals == 0 and self.ours == theirs:
            return "identical"
        return "equal as printed" if abs(self.difference) <= half * (1 + 1e-9) else "differs"


def printed_decimals(text: str) -> int | None:
    """Decimals of a number as an article prints it; None for one in the form of a file (`1.0e+00`), of which every bit counts."""
    if "e" in text.lower():
        return None
    return len(text.partition(".")[2])


def exact(value: float) -> str:
    """A number as the authors' files hold it."""
    return f"{value:.18e}"


@cache
def paper() -> dict[str, Any]:
    """The paper's numbers: `numbers` and `arithmetic` by key, `not_public`, `range_of_means_voxels`, with the source.

    Raises
    ------
    InputError
        The file that comes with this program is damaged.
    """
    path = Path(__file__).with_name("paper.json")
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        return {**content, **{part: {item["key"]: item for item in content[part]} for part in ("numbers", "arithmetic")}}
    except (OSError, ValueError, KeyError) as error:
        raise InputError(f"{path.name}, the paper's numbers, is damaged ({error}); install the program again.") from error


def printed(group: str, key: str, ours: float, *, of: str = "", note: str = "", comparable: bool = True) -> Comparison:
    """One of the paper's printed numbers beside ours; `of` says what ours was computed from."""
    number = {**paper()["numbers"], **paper()["arithmetic"]}[key]
    return Comparison(
        group,
        number["what"] + (f", {of}" if of else ""),
        f"paper, {number['where']}",
        number["published"],
        ours,
        comparable,
        note,
    )
