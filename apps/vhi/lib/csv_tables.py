"""Tables as spreadsheets save them: text with a header and one line per row, cells separated by commas, semicolons or tabs."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from .errors import InputError

MOST_BYTES = 64 * 2**20


@dataclass(frozen=True)
class CsvTable:
    """Header and rows of a table.

    Parameters
    ----------
    name : str
        How messages call it.
    header : tuple of str
        Names of the columns, in lower case and without spaces around; each once.
    header_row : int
        The header's number, as of `lines`.
    lines : tuple of (int, tuple of str)
        Each row's number as a spreadsheet counts (the first line is 1), and its cells without spaces around, one a column.
    """

    name: str
    header: tuple[str, ...]
    header_row: int
    lines: tuple[tuple[int, tuple[str, ...]], ...]

    def rows(self) -> Iterator[tuple[int, dict[str, str]]]:
        """Each row's number and its cells by column."""
        for number, cells in self.lines:
            yield number, dict(zip(self.header, cells, strict=True))


def read_table_text(path: Path) -> str:
    """The text of a table's file.

    Raises
    ------
    InputError
        Missing, too large, or not UTF-8.
    """
    try:
        size = path.stat().st_size
        if size > MOST_BYTES:
            raise InputError(f"{path.name} has {size} bytes; a table has at most {MOST_BYTES}. Pass a CSV table.")
        return path.read_bytes().decode("utf-8-sig")
    except OSError as error:
        raise InputError(f"{path} cannot be read ({error.strerror or error}); check the path and its permissions.") from error
    except UnicodeDecodeError as error:
        raise InputError(
            f"{path.name} is not UTF-8 text ({error.reason} at byte {error.start}); save it as CSV (UTF-8)."
        ) from error


def parse_table_text(text: str, name: str, *, may_be_short: bool = False) -> CsvTable:
    """Header and rows of a table's text; rows without any content, and last columns without name and content, are left out.

    Parameters
    ----------
    text : str
        Its lines end as on any system; which of comma, semicolon and tab separates cells is told by the header.
    name : str
        How messages call it.
    may_be_short : bool
        Take a row with fewer cells than the header as one whose last cells are empty, and leave out empty cells beyond it.

    Raises
    ------
    InputError
        No such table, or nothing in it; by row: a column that is there twice, cells too many or too few.
    """
    lines = _lines(text, name)
    if not lines:
        raise InputError(f"{name} is empty; a table with a header is needed.")
    header = tuple(cell.lower() for cell in lines[0][1])
    header = header[: max(n for _, cells in lines for n, cell in enumerate(cells, start=1) if cell)]
    for column in header:
        if column and header.count(column) > 1:
            raise InputError(f"{name}, row {lines[0][0]}: the column {column} is there twice; keep one.")
    rows = []
    for number, cells in lines[1:]:
        while len(cells) > len(header) and not cells[-1]:
            cells.pop()
        if may_be_short:
            cells += [""] * (len(header) - len(cells))
        if len(cells) != len(header):
            raise InputError(
                f"{name}, row {number}: {len(cells)} cells, the header has {len(header)}; check its separators and quotes."
            )
        rows.append((number, tuple(cells)))
    return CsvTable(name, header, lines[0][0], tuple(rows))


def _lines(text: str, name: str) -> list[tuple[int, list[str]]]:
    """The numbered lines that are not blank, as cells without spaces around."""
    source = io.StringIO(text.removeprefix("\ufeff"), newline=None)  # \r\n and \r are read as \n
    # where a cell's text is quoted, its commas separate nothing
    first = re.sub(r'"[^"]*"', "", next((line for line in source if line.strip()), ""))
    source.seek(0)
    try:
        lines = csv.reader(source, delimiter=max(",;\t", key=first.count), strict=True)
        return [(n, [cell.strip() for cell in cells]) for n, cells in enumerate(lines, start=1) if any(map(str.strip, cells))]
    except csv.Error as error:
        raise InputError(f"{name} is not a CSV table ({error}); save it as CSV (UTF-8) from the spreadsheet.") from error
