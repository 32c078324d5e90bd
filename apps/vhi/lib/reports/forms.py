"""One content, several files. What a form needs is loaded when that form is written: a server that answers with JSON alone
loads no drawing and no page layout.
"""

from __future__ import annotations

from pathlib import Path

from ..errors import InputError
from ..files import write_atomically
from .content import ReportContent

# beside vhi.json, which is always written: it is what says that a result stands there
FORMS = ("json", "masks", "overlay", "html", "pdf")


def checked_forms(text: str) -> frozenset[str]:
    """The forms that a list such as `json,pdf` asks for.

    Raises
    ------
    InputError
        An unknown one.
    """
    names = [name.strip().lower() for name in text.split(",") if name.strip()]
    unknown = [name for name in names if name not in FORMS]
    if unknown or not names:
        raise InputError(f"--forms is {text!r}; it must be one or several of {', '.join(FORMS)}, with commas between them.")
    return frozenset(names)


def write_json(content: ReportContent, path: Path) -> None:
    """Write `vhi.json`; OutputError where that fails."""
    from .json_report import json_text

    write_atomically(Path(path), json_text(content).encode("utf-8"))


def write_html(content: ReportContent, path: Path) -> None:
    """Write the report as one HTML file that needs no other file; OutputError where that fails."""
    from .html import html_text

    write_atomically(Path(path), html_text(content).encode("utf-8"))


def write_pdf(content: ReportContent, path: Path) -> None:
    """Write the report as PDF on A4; OutputError where that fails."""
    from .pdf import pdf_bytes

    write_atomically(Path(path), pdf_bytes(content))


def write_overlay_png(content: ReportContent, path: Path) -> None:
    """Write the mosaic of all slices with inflammation; OutputError where that fails."""
    from .overlay import overlay_png

    write_atomically(Path(path), overlay_png(content))
