"""Parts that the sections of that page share: tables of ours beside theirs."""

from __future__ import annotations

import math
from collections.abc import Sequence

from ...reproduction.comparison import Comparison
from ...reproduction.comparisons import counted
from ..parts import Table


def printed_table(title: str, comparisons: Sequence[Comparison]) -> Table:
    rows = tuple(
        (
            comparison.what,
            comparison.where.removeprefix("paper, "),
            f"{comparison.verdict}{f' ({comparison.note})' if comparison.note else ''}",
            comparison.published.replace("-", "−"),
            _digits(comparison.ours),
        )
        for comparison in comparisons
    )
    return Table(title, ("", "paper", "", "theirs", "ours"), rows, text_columns=3)


def _digits(value: float) -> str:
    """Enough digits to judge a printed number by."""
    return "n/a" if math.isnan(value) else f"{value:.5g}".replace("-", "−") if abs(value) < 1e5 else f"{value:,.0f}"


def matrix(title: str, comparisons: Sequence[Comparison], rows: Sequence[str], columns: Sequence[str], form: str) -> Table:
    """Scan by scan and pair by pair: our number, and a mark that says how it lies to theirs."""
    marks = {"identical": " =", "equal to the last digit": " ≈", "equal as printed": " ≈", "differs": " ≠", "missing": ""}
    cells = {(comparison.what.rpartition(" of ")[2]): comparison for comparison in comparisons}
    lines = []
    for case in rows:
        line = [case]
        for column in columns:
            cell = cells.get(f"{column}, {case}")
            line.append("·" if cell is None or math.isnan(cell.ours) else f"{cell.ours:{form}}{marks[cell.verdict]}")
        lines.append(tuple(line))
    note = "= identical to every digit; ≈ equal but for the last digit of the division; ≠ differs; · no mask or no table."
    return Table(title, ("scan", *columns), tuple(lines), note=note)


def scans_of(comparisons: Sequence[Comparison]) -> list[str]:
    return sorted({comparison.what.rpartition(", ")[2] for comparison in comparisons})


def pairs_of(comparisons: Sequence[Comparison]) -> list[str]:
    return list(dict.fromkeys(comparison.what.rpartition(" of ")[2].rpartition(", ")[0] for comparison in comparisons))


def verdicts(comparisons: Sequence[Comparison]) -> str:
    """The verdicts as a sentence counts them."""
    return ", ".join(f"{count} {verdict}" for verdict, count in counted(comparisons).items())
