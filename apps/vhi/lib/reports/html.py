"""`report.html`: one file, no other resource, readable on a phone and on paper."""

from __future__ import annotations

import base64
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from lib.reports.content import Figure, ReportContent

LARGEST_LESIONS = 20


def html_text(content: ReportContent) -> str:
    """The report as a whole HTML document; everything that comes from outside is escaped."""
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["data_uri"] = _data_uri
    return environment.get_template("report.html.j2").render(content=content, largest=LARGEST_LESIONS)


def _data_uri(figure: Figure) -> str:
    return f"data:{figure.media_type};base64,{base64.b64encode(figure.file).decode('ascii')}"
