"""The parts of a report: tables, pictures, and the reader's work."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

Paper = Literal["a4", "letter"]
FIRST_PAGE_CHARTS = ("where", "projection", "stability")
PAPERS: tuple[Paper, ...] = ("a4", "letter")


@dataclass(frozen=True)
class ReaderWork:
    """The work of a reader: `facts` for `vhi.json`, and the same in sentences."""

    facts: Mapping[str, Any]
    sentences: tuple[str, ...]


@dataclass(frozen=True)
class ScanFacts:
    """Whose scan it is, of which day (YYYY-MM-DD), and on what it was made; "" for what is not known or may not be said."""

    patient: str = ""
    date: str = ""
    scanner: str = ""


@dataclass(frozen=True)
class Figure:
    """One picture of the report: an image file, its words for who sees it and for who does not."""

    name: str
    caption: str
    alternative: str
    file: bytes
    media_type: str


@dataclass(frozen=True)
class Table:
    """Rows of texts under a header; the first `text_columns` columns are words, the others numbers."""

    title: str
    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    note: str = ""
    text_columns: int = 1
