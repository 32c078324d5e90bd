"""`report.html`: one file, no other resource, readable on a phone and on paper."""

from __future__ import annotations

import base64
from functools import cache
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined, Template

from .content import ReportContent
from .parts import FIRST_PAGE_CHARTS, Figure

LARGEST_LESIONS = 20


def html_text(content: ReportContent) -> str:
    """The report as a whole HTML document; everything that comes from outside is escaped."""
    return _report().render(content=content, largest=LARGEST_LESIONS, charts=FIRST_PAGE_CHARTS)


@cache
def _report() -> Template:
    """Compiled once by a process that writes many reports."""
    environment = template_environment()
    environment.filters["data_uri"] = _data_uri
    return environment.get_template("report.html.j2")


def template_environment() -> Environment:
    """The environment of this folder's templates: text from outside is escaped, and a missing name is an error."""
    return Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def data_uri(media_type: str, file: bytes) -> str:
    """A file as an address that holds it."""
    return f"data:{media_type};base64,{base64.b64encode(file).decode('ascii')}"


def _data_uri(figure: Figure) -> str:
    return data_uri(figure.media_type, figure.file)
