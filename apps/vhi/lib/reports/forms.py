"""One content, several files. What a form needs is loaded when that form is written: a server that answers with JSON alone
loads no drawing and no page layout.
"""

from __future__ import annotations

from pathlib import Path

from ..files import write_atomically
from .content import ReportContent


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
