"""One content, several files. What a form needs is loaded when that form is written: a server that answers with JSON alone
loads no drawing and no page layout.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from ..errors import InputError
from ..files import write_atomically
from .content import ReportContent

# beside vhi.json, which is always written: it is what says that a result stands there
FORMS = ("json", "masks", "overlay", "html", "pdf")
SCHEMA_FILE = Path(__file__).with_name("vhi.schema.json")
_OVERLAY_COLUMNS = 5


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


def json_text(content: ReportContent) -> str:
    """The text of `vhi.json`; no nan, no infinity, every number at full double precision."""
    return json.dumps(content.numbers, allow_nan=False, indent=1) + "\n"


def vhi_schema() -> dict[str, Any]:
    """The JSON Schema (draft-07) that every `vhi.json` follows, see docs/vhi-json.md."""
    return json.loads(SCHEMA_FILE.read_text(encoding="utf-8"))


def write_json(content: ReportContent, path: Path) -> None:
    """Write `vhi.json`; OutputError where that fails."""
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
    """Write the mosaic of all slices with inflammation and their neighbours, `overlay.png`; OutputError where that fails."""
    from ..figures.mosaic import inflamed_slices, mosaic_picture, png_file

    picture = mosaic_picture(content.result, inflamed_slices(content.result), _OVERLAY_COLUMNS)
    write_atomically(Path(path), png_file(picture, compress_level=2))
