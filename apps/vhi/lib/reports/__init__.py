"""One result, several forms, all from one `ReportContent`, so that all say the same words."""

from .content import ReportContent, report_content
from .forms import write_html, write_json, write_overlay_png, write_pdf
from .parts import ReaderWork

__all__ = ["ReaderWork", "ReportContent", "report_content", "write_html", "write_json", "write_overlay_png", "write_pdf"]
