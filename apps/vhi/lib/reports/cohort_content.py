"""The content of a cohort report: sections of sentences, tables and figures, and the same numbers as records."""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ..cohort.estimate import Estimate, Summary
from .parts import Figure, Table

TITLE = "VHI cohort report"
PAPER = "Hepburn et al. 2023, PLOS ONE, doi 10.1371/journal.pone.0284508"
# a cell that a spreadsheet would run
_FORMULA = ("=", "+", "-", "@", "\t", "\r")

Cell = str | float | int | None


@dataclass(frozen=True)
class Records:
    """Rows at full precision under named columns: one CSV file, and one list in the JSON. What has no value is None."""

    name: str
    columns: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]

    def csv_text(self) -> str:
        """The table as CSV; an empty cell has no value, and no text runs as a formula in a spreadsheet."""
        file = io.StringIO()
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(self.columns)
        for row in self.rows:
            writer.writerow([_csv_cell(cell) for cell in row])
        return file.getvalue()

    def as_json(self) -> list[dict[str, Cell]]:
        return [dict(zip(self.columns, map(_json_cell, row), strict=True)) for row in self.rows]


@dataclass(frozen=True)
class CohortFigure:
    """One figure: `picture` for the pages, the files it is published as (`png`, at `dpi` dots per inch, and `svg`), its numbers.

    `points` are what it draws; empty for pictures of scans.
    """

    picture: Figure
    png: bytes
    svg: bytes
    dpi: float
    points: Records = Records("", (), ())

    @property
    def name(self) -> str:
        return self.picture.name


@dataclass(frozen=True)
class Section:
    """One analysis of the report.

    Parameters
    ----------
    key : str
        Its name in the JSON.
    title : str
    n : str
        How many of what it rests on.
    method, source : str
        What was done, and where that comes from.
    findings : tuple of str
        Sentences.
    excluded : tuple of (subject, visit, why)
    why_not : str
        Why there is nothing; then it has no tables and no figures.
    """

    key: str
    title: str
    method: str
    source: str
    n: str = ""
    findings: tuple[str, ...] = ()
    tables: tuple[Table, ...] = ()
    figures: tuple[CohortFigure, ...] = ()
    records: tuple[Records, ...] = ()
    excluded: tuple[tuple[str, str, str], ...] = ()
    why_not: str = ""

    def excluded_sentence(self, most: int = 6) -> str:
        """Who was left out and why, alike reasons together; the table `excluded` lists each one."""
        if not self.excluded:
            return "Nothing was left out."
        reasons: dict[str, list[str]] = {}
        for subject, visit, why in self.excluded:
            reasons.setdefault(why, []).append(f"{subject} {visit}".strip().replace("_", "-"))
        parts = []
        for why, who in sorted(reasons.items(), key=lambda item: -len(item[1])):
            shown = ", ".join(who[:most]) + (f" and {len(who) - most} more" if len(who) > most else "")
            parts.append(f"{why} ({len(who)}: {shown})")
        return f"Left out: {'; '.join(parts)}."


@dataclass(frozen=True)
class CohortContent:
    """A whole report, ready to be written in any form.

    `readings` are the rows that the report rests on, whatever they are called, and `dictionary` says what their columns are;
    `methods` is a paragraph for an article; `mark` is the name of the JSON file.
    """

    title: str
    facts: tuple[tuple[str, str], ...]
    key_results: Table
    sections: tuple[Section, ...]
    notes: tuple[str, ...]
    provenance: tuple[Table, ...]
    disclaimer: str
    readings: Records
    passed_over: Records
    origin: Mapping[str, Any] = field(default_factory=dict)
    mark: str = "cohort.json"
    methods: str = ""
    dictionary: Records = Records("", (), ())

    @property
    def figures(self) -> tuple[CohortFigure, ...]:
        return tuple(figure for section in self.sections for figure in section.figures)

    @property
    def records(self) -> tuple[Records, ...]:
        """Every table that is written as a file."""
        excluded = tuple((section.key, *who) for section in self.sections for who in section.excluded)
        return (
            self.readings,
            *([self.dictionary] if self.dictionary.rows else []),
            *(records for section in self.sections for records in section.records),
            Records("excluded", ("analysis", "subject", "visit", "why"), excluded),
            *([self.passed_over] if self.passed_over.rows else []),
        )

    @property
    def file_names(self) -> tuple[str, ...]:
        """Everything that is written, relative to the result folder."""
        tables = tuple(f"tables/{table.name}.csv" for table in self.records)
        figures = tuple(f"figures/{figure.name}.{kind}" for figure in self.figures for kind in ("png", "svg"))
        points = tuple(f"figures/{figure.name}.csv" for figure in self.figures if figure.points.rows)
        methods = ("methods.txt",) if self.methods else ()
        return (*tables, *figures, *points, *methods, "report.html", "report.pdf", self.mark)

    def json_text(self) -> str:
        """`cohort.json`, or what `mark` says: strict JSON at full precision; null for what has no value."""
        sections = {
            section.key: {
                "title": section.title,
                "available": not section.why_not,
                "why_not": section.why_not or None,
                "n": section.n,
                "method": section.method,
                "source": section.source,
                "findings": list(section.findings),
                "excluded": [dict(zip(("subject", "visit", "why"), who, strict=True)) for who in section.excluded],
                "tables": {records.name: records.as_json() for records in section.records},
            }
            for section in self.sections
        }
        content = {
            "schema_version": "1.0",
            "title": self.title,
            "facts": dict(self.facts),
            "analyses": sections,
            self.readings.name: self.readings.as_json(),
            "methods": self.methods,
            "notes": list(self.notes),
            "passed_over": self.passed_over.as_json(),
            "files": list(self.file_names),
            "provenance": self.origin,
        }
        return json.dumps(content, allow_nan=False, indent=1) + "\n"


def number(value: float | None, digits: int = 3) -> str:
    """A number as a report prints it: at least three significant digits, whole from 100 on; n/a where there is none."""
    if value is None or math.isnan(value):
        return "n/a"
    if value == 0:
        return "0"
    if abs(value) >= 10 ** (digits - 1):
        return f"{value:,.0f}".replace("-", "−")
    decimals = max(0, digits - 1 - math.floor(math.log10(abs(value))))
    return f"{value:.{min(decimals, 5)}f}".replace("-", "−")


def estimate(one: Estimate, digits: int = 3) -> str:
    """A value with its confidence interval."""
    if math.isnan(one.value):
        return "n/a"
    if math.isnan(one.low):
        return number(one.value, digits)
    return f"{number(one.value, digits)} ({number(one.low, digits)} to {number(one.high, digits)})"


def median_range(values: Summary, digits: int = 2) -> str:
    """A median with its range."""
    if not values.n:
        return "n/a"
    return f"{number(values.median, digits)} ({number(values.low, digits)} to {number(values.high, digits)})"


def p_value(p: float) -> str:
    """A P value as journals print it."""
    if math.isnan(p):
        return "n/a"
    return "< 0.0001" if p < 0.0001 else f"{p:.4f}" if p < 0.01 else f"{p:.2f}"


def of_visit(name: str) -> str:
    return name.replace("_", "-")


def rows_of(rows: Iterable[Sequence[Cell]]) -> tuple[tuple[Cell, ...], ...]:
    return tuple(tuple(row) for row in rows)


def _csv_cell(value: Cell) -> str:
    value = _json_cell(value)
    if value is None:
        return ""
    if isinstance(value, str):
        return f"'{value}" if value.startswith(_FORMULA) else value
    return repr(value)


def _json_cell(value: Cell) -> Cell:
    if isinstance(value, np.generic):
        value = value.item()
    return None if isinstance(value, float) and not math.isfinite(value) else value
