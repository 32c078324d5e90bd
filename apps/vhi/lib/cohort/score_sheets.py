"""A reader's SPARCC score sheets as one CSV: six rows for each scan, in the order in which the reader is to see them."""

from __future__ import annotations

import csv
import io
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ..csv_tables import parse_table_text
from ..errors import InputError
from .sparcc import COLUMNS, N_SLICES, SparccSheet, empty_rows, sheet_from_rows

IDENTITY = ("reader", "reading", "case", "slice")
# which slice of the scan a row scored, as viewers number them; may be left out
SCAN_SLICE = "scan_slice"


@dataclass(frozen=True)
class Scored:
    """One scan on a reader's sheets; `sheet` is None where not a single cell is filled in yet.

    `first_slice` is the scan's slice, from 1, that row 1 of the sheet scored; None where the sheet does not say it.
    """

    reader: str
    reading: int
    case: str
    sheet: SparccSheet | None
    first_slice: int | None = None


def blank_sheets(cases: Sequence[str], reader: str, reading: int, seed: int | None = 0) -> str:
    """Sheets to be filled in, as CSV text.

    Parameters
    ----------
    cases : sequence of str
    reader : str
    reading : int
    seed : int, optional
        Of the random order, another for each reader and reading; None keeps the order that was given.
    """
    ordered = list(cases)
    if seed is not None:
        random.Random(f"{seed}/{reader}/{reading}").shuffle(ordered)
    return sheets_text([Scored(reader, reading, case, None) for case in ordered])


def sheets_text(scored: Sequence[Scored]) -> str:
    """Sheets as CSV text, those without scores empty."""
    text = io.StringIO()
    writer = csv.DictWriter(text, (*IDENTITY, *COLUMNS, SCAN_SLICE), lineterminator="\n")
    writer.writeheader()
    for scan in scored:
        rows: Sequence[Mapping[str, str | int]] = empty_rows() if scan.sheet is None else scan.sheet.rows()
        for k, row in enumerate(rows):
            scan_slice = "" if scan.first_slice is None else str(scan.first_slice + k)
            who = {"reader": scan.reader, "reading": str(scan.reading), "case": scan.case, SCAN_SLICE: scan_slice}
            writer.writerow({**who, **row})
    return text.getvalue()


def read_sheets(text: str, name: str) -> tuple[Scored, ...]:
    """Check the sheets of a file.

    Raises
    ------
    InputError
        By row and column, see `sheet_from_rows`; a header that is not that of a sheet, rows of a scan that do not stand
        together, or a scan that is there twice.
    """
    table = parse_table_text(text, name, may_be_short=True)
    missing = [column for column in (*IDENTITY, *COLUMNS) if column not in table.header]
    if missing:
        raise InputError(
            f"{name}, row {table.header_row}: there is no column {missing[0]}; fill in a sheet that `sparcc create` made."
        )
    numbers, rows = [number for number, _ in table.lines], [row for _, row in table.rows()]
    scored: list[Scored] = []
    row_of: dict[tuple[str, int, str], int] = {}
    start = 0
    while start < len(rows):
        first_row = numbers[start]
        who = _identity(rows[start], name, first_row)
        end = start
        while end < len(rows) and _identity(rows[end], name, numbers[end]) == who:
            end += 1
        if who in row_of:
            raise InputError(
                f"{name}, row {first_row}: case {who[2]!r} of reader {who[0]!r}, reading {who[1]}, is also in row {row_of[who]}; "
                f"keep its {N_SLICES} rows together, once."
            )
        row_of[who] = first_row
        block = rows[start:end]
        empty = all(not row[column] for row in block for column in COLUMNS)
        first_slice = _first_slice(block, name, numbers[start:end])
        scored.append(Scored(*who, None if empty else sheet_from_rows(block, name, numbers[start:end]), first_slice))
        start = end
    return tuple(scored)


def scores_table(scored: Sequence[Scored]) -> str:
    """Totals as a cohort table (CSV), with the first slice that was scored; scans that are not scored have no row."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(("case", "reader", "reading", "sparcc", "sparcc_first_slice"))
    for scan in scored:
        if scan.sheet is not None:
            writer.writerow((scan.case, scan.reader, scan.reading, scan.sheet.total, scan.first_slice or ""))
    return text.getvalue()


def _first_slice(rows: Sequence[dict[str, str]], name: str, numbers: Sequence[int]) -> int | None:
    """Of the column `scan_slice`, which is optional: six consecutive slices, or nothing in any row."""
    cells = [row.get(SCAN_SLICE, "").strip() for row in rows]
    if not any(cells):
        return None
    for n, cell in enumerate(cells):
        good = cell.isascii() and cell.isdigit() and 1 <= int(cell) <= 1000
        if not good or (n and int(cell) != int(cells[0]) + n):
            raise InputError(
                f"{name}, row {numbers[n]}, column {SCAN_SLICE}: found {cell[:40]!r}; needed are {N_SLICES} consecutive "
                "slices of the scan, from 1, or nothing in any row of the scan."
            )
    return int(cells[0])


def _identity(row: dict[str, str], name: str, number: int) -> tuple[str, int, str]:
    reader, reading, case = (row.get(column, "").strip() for column in ("reader", "reading", "case"))
    for column, cell in (("reader", reader), ("case", case)):
        if not cell:
            raise InputError(f"{name}, row {number}, column {column}: it is empty; every row needs it.")
    if not (reading.isascii() and reading.isdigit() and 1 <= int(reading) <= 99):
        raise InputError(f"{name}, row {number}, column reading: found {reading[:40]!r}; needed is a number from 1 to 99.")
    return reader, int(reading), case
