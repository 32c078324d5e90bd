"""`report.pdf`: the same words on A4, laid out without a browser."""

from __future__ import annotations

import io
import re
from collections.abc import Sequence
from functools import cache, lru_cache
from typing import Any
from xml.sax.saxutils import escape

from reportlab import rl_config
from reportlab.lib.colors import HexColor
from reportlab.lib.enums import TA_RIGHT
from reportlab.lib.pagesizes import A4, LETTER
from reportlab.lib.styles import ParagraphStyle
from reportlab.lib.units import mm
from reportlab.lib.utils import ImageReader
from reportlab.pdfbase import pdfmetrics
from reportlab.pdfbase.ttfonts import TTFont
from reportlab.pdfgen.canvas import Canvas
from reportlab.platypus import BaseDocTemplate, Flowable, Frame, Image, PageBreak, PageTemplate, Paragraph, Spacer
from reportlab.platypus import Table as Grid

from .content import ReportContent
from .parts import FIRST_PAGE_CHARTS, Figure, Table

# pictures as bytes, as every reader of today takes them: as text (ASCII85) they are a quarter larger and take half of the time
rl_config.useA85 = 0

LARGEST_LESIONS = 40
_SIDE, _TOP, _BOTTOM = 14 * mm, 11 * mm, 15 * mm
_WIDTH = A4[0] - 2 * _SIDE
_HEIGHT = A4[1] - _TOP - _BOTTOM
_PAGES = {"a4": A4, "letter": LETTER}
_INK, _FAINT, _LINE = HexColor("#1b2733"), HexColor("#566370"), HexColor("#d5dbe1")
_AMBER, _AMBER_LINE = HexColor("#fff4d6"), HexColor("#d99a00")
_VERDICTS = {"usable": HexColor("#2c8a4b"), "check": _AMBER_LINE, "not comparable": HexColor("#c0392b")}
_SMALLEST_MOSAIC = 70 * mm
_MARKED = re.compile(r"[&<>\n]")  # what has to be parsed


def pdf_bytes(content: ReportContent) -> bytes:
    """The report as a PDF file; the same bytes for the same content."""
    _register_fonts()
    file = io.BytesIO()
    page = _PAGES[content.paper]
    # letter is wider and lower: the columns stay as wide, the pictures give way
    side, height = (page[0] - _WIDTH) / 2, page[1] - _TOP - _BOTTOM
    frame = Frame(side, _BOTTOM, _WIDTH, height, leftPadding=0, rightPadding=0, topPadding=0, bottomPadding=0)
    document = BaseDocTemplate(file, pagesize=page, title=f"{content.title}: {content.vhi}", author="", invariant=1)
    document.addPageTemplates(PageTemplate(frames=[frame]))

    def canvas(*args: Any, **more: Any) -> Canvas:
        return _NumberedCanvas(*args, footer=content.disclaimer, **more)

    document.build([*_first_page(content, height), PageBreak(), *_further_pages(content)], canvasmaker=canvas)
    return file.getvalue()


class _NumberedCanvas(Canvas):
    """Holds the pages back until their number is known."""

    def __init__(self, *args: Any, footer: str, **more: Any) -> None:
        super().__init__(*args, **more)
        self._footer = footer
        self._pages: list[dict[str, Any]] = []

    def showPage(self) -> None:
        self._pages.append(dict(self.__dict__))
        self._startPage()

    def save(self) -> None:
        for number, page in enumerate(self._pages, start=1):
            self.__dict__.update(page)
            self.setFont("DejaVu", 7)
            self.setFillColor(_FAINT)
            side = (self._pagesize[0] - _WIDTH) / 2
            if number == 1:
                self.drawString(side, 8 * mm, self._footer)
            self.drawRightString(self._pagesize[0] - side, 8 * mm, f"Page {number} of {len(self._pages)}")
            super().showPage()
        super().save()


@cache
def _register_fonts() -> None:
    from ..figures.paper import font_file

    pdfmetrics.registerFont(TTFont("DejaVu", str(font_file())))
    pdfmetrics.registerFont(TTFont("DejaVu-Bold", str(font_file(bold=True))))


def _style(size: float = 7.5, *, bold: bool = False, colour: HexColor = _INK, after: float = 0, **more: Any) -> ParagraphStyle:
    font = "DejaVu-Bold" if bold else "DejaVu"
    return ParagraphStyle("", fontName=font, fontSize=size, leading=size * 1.32, textColor=colour, spaceAfter=after, **more)


_TEXT = _style()
_NOTE = _style(6.6, colour=_FAINT)
_NUMBER = _style(alignment=TA_RIGHT)
_HEAD = _style(6.6, colour=_FAINT)
_HEAD_NUMBER = _style(6.6, colour=_FAINT, alignment=TA_RIGHT)
_SECTION = _style(9.5, bold=True, after=3, spaceBefore=9, keepWithNext=1)


class _Words(Paragraph):
    """A paragraph that is broken into lines once for a width: a table asks for the height of each cell three times."""

    _broken_for: float | None = None

    def wrap(self, availWidth: float, availHeight: float) -> tuple[float, float]:
        if availWidth == self._broken_for and hasattr(self, "blPara"):  # which goes where a page ends
            return self.width, self.height
        size: tuple[float, float] = super().wrap(availWidth, availHeight)
        self._broken_for = availWidth if size[0] == availWidth else None
        return size


def _words(text: str, style: ParagraphStyle = _TEXT) -> Paragraph:
    if _MARKED.search(text) or not text.strip():
        return _Words(escape(text).replace("\n", "<br/>"), style)
    words = " ".join(text.split())
    return _Words(words, style, frags=[_fragment(style).clone(text=words)])


@lru_cache(maxsize=64)
def _fragment(style: ParagraphStyle) -> Any:
    """Plain words in a style, as the parser of marked text gives them."""
    return Paragraph("x", style).frags[0]


def _first_page(content: ReportContent, height: float) -> list[Flowable]:
    above: list[Flowable] = [
        _words(content.title, _style(12, bold=True, after=1)),
        _words(content.subtitle, _style(7, colour=_FAINT, after=1)),
        _words("  ·  ".join(f"{name}: {value}" for name, value in content.who), _style(8.5, bold=True, after=1)),
        _words("  ·  ".join(f"{name}: {value}" for name, value in content.scan), _style(7, colour=_FAINT, after=4)),
        _headline(content),
        Spacer(1, 3),
        *_change(content.change),
        *_warnings(content.warnings),
        Spacer(1, 3),
    ]
    gap = 3 * mm
    column = (_WIDTH - 2 * gap) / 3
    charts = [content.figures[name] for name in FIRST_PAGE_CHARTS]
    below: list[Flowable] = [
        _words(content.main_picture.caption, _NOTE),
        Spacer(1, 4),
        _columns([[_image(chart, column), _words(chart.caption, _NOTE)] for chart in charts], [column] * 3, gap),
        Spacer(1, 4),
        _columns(
            [
                [_words(title, _style(8, bold=True, after=1)), *_bullets(lines)]
                for title, lines in (("Automatic", content.automatic), ("By a reader", content.reader))
            ],
            [(_WIDTH - gap) / 2] * 2,
            gap,
        ),
    ]
    # the mosaic takes what the words leave of the page
    left = height - sum(_height(paragraph) for paragraph in (*above, *below)) - 3 * mm
    return [*above, _image(content.main_picture, _WIDTH, max(left, _SMALLEST_MOSAIC)), Spacer(1, 2), *below]


def _headline(content: ReportContent) -> Flowable:
    left = [
        _verdict(content),
        _words(content.vhi, _style(24, bold=True, after=1)),
        *(_ranged(ends, change) for ends, change in content.vhi_ranges),
        _words(content.vhi_meaning, _style(spaceBefore=3)),
    ]
    right = [_grid(content.volumes, content.volumes.rows, 0.47 * _WIDTH), Spacer(1, 2), _words(content.volumes.note, _NOTE)]
    return _columns([left, right], [0.5 * _WIDTH, 0.47 * _WIDTH], 0.03 * _WIDTH)


def _verdict(content: ReportContent) -> Grid:
    """The sentence behind a bar in the colour of its word."""
    bar = Grid([[_words(content.verdict, _style(8, bold=True))]], colWidths=[0.5 * _WIDTH], spaceAfter=2)
    colour = _VERDICTS[content.numbers["verdict"]["word"]]
    bar.setStyle(
        [
            ("LINEBEFORE", (0, 0), (0, -1), 3, colour),
            ("LEFTPADDING", (0, 0), (-1, -1), 7),
            ("RIGHTPADDING", (0, 0), (-1, -1), 0),
            ("TOPPADDING", (0, 0), (-1, -1), 0),
            ("BOTTOMPADDING", (0, 0), (-1, -1), 1),
        ]
    )
    return bar


def _ranged(ends: str, change: str) -> Paragraph:
    small = f'<font size="6.6" color="#566370">{escape(change)}</font>'
    return Paragraph(f'<font name="DejaVu-Bold" size="9">{escape(ends)}</font>  {small}', _style(9))


def _bullets(lines: Sequence[str]) -> list[Flowable]:
    return [_words(f"•  {line}", _style(leftIndent=8, firstLineIndent=-8)) for line in lines]


def _change(sentences: Sequence[str]) -> list[Flowable]:
    if not sentences:
        return []
    return [_words("Since the earlier visit", _style(8, bold=True)), *_bullets(sentences), Spacer(1, 3)]


def _warnings(warnings: Sequence[str]) -> list[Flowable]:
    if not warnings:
        return []
    title = "Warning" if len(warnings) == 1 else "Warnings"
    lines = [_words(title, _style(8, bold=True)), *_bullets(warnings)]
    box = Grid([[lines]], colWidths=[_WIDTH])
    box.setStyle(
        [
            ("BACKGROUND", (0, 0), (-1, -1), _AMBER),
            ("LINEBEFORE", (0, 0), (0, -1), 3, _AMBER_LINE),
            ("LEFTPADDING", (0, 0), (-1, -1), 8),
            ("TOPPADDING", (0, 0), (-1, -1), 3),
            ("BOTTOMPADDING", (0, 0), (-1, -1), 4),
        ]
    )
    return [box]


def _earlier_visit(content: ReportContent) -> list[Flowable]:
    story: list[Flowable] = []
    if "visits" in content.figures:  # they have taken the place of the slices on the first page
        picture = content.figures["mosaic"]
        story += [_words("This visit", _SECTION), _image(picture, _WIDTH, 150 * mm), Spacer(1, 2), _words(picture.caption, _NOTE)]
    if content.lesion_changes is not None:
        table = content.lesion_changes
        story += [_words(table.title, _SECTION), _grid(table, table.rows[:LARGEST_LESIONS]), _words(table.note, _NOTE)]
    return story


def _further_pages(content: ReportContent) -> list[Flowable]:
    story: list[Flowable] = [
        *_earlier_visit(content),
        _words("Stability", _SECTION),
        *(_words(sentence) for sentence in content.stability),
    ]
    story += [_words(content.thresholds.title, _SECTION), _grid(content.thresholds, content.thresholds.rows), Spacer(1, 4)]
    histogram = content.figures["histogram"]
    story += [_image(histogram, _WIDTH / 3), _words(histogram.caption, _NOTE)]
    story += [_words(content.lesions.title, _SECTION), _words(content.lesions.note, _NOTE), Spacer(1, 3)]
    if content.lesions.rows:
        story.append(_grid(content.lesions, content.lesions.rows[:LARGEST_LESIONS]))
        story.append(_words(content.further_lesions(LARGEST_LESIONS), _style(spaceBefore=3)))
    for table in content.images:
        story += [_words(table.title, _SECTION), _grid(table, table.rows[:LARGEST_LESIONS])]
        if len(table.rows) > LARGEST_LESIONS:
            story.append(
                _words(f"And {len(table.rows) - LARGEST_LESIONS} smaller ones, which vhi.json lists.", _style(spaceBefore=3))
            )
        story.append(_words(table.note, _NOTE))
    story.append(_words(content.settings.title, _SECTION))
    if content.settings.rows:
        story.append(_grid(content.settings, content.settings.rows))
    story.append(_words(content.settings.note))
    for table in content.provenance:
        story += [_words(table.title, _SECTION), _grid(table, table.rows)]
    return story


def _grid(table: Table, rows: Sequence[tuple[str, ...]], width: float = _WIDTH) -> Grid:
    """A table over the whole width, columns as wide as their longest text asks for."""

    def cell(text: str, column: int, head: bool) -> Paragraph:
        number = column >= table.text_columns
        return _words(text, (_HEAD_NUMBER if number else _HEAD) if head else (_NUMBER if number else _TEXT))

    lines = ([table.header] if any(table.header) else []) + list(rows)
    wanted = [max(pdfmetrics.stringWidth(line[n], "DejaVu", 7.5) for line in lines) + 9 for n in range(len(table.header))]
    cells = [[cell(text, n, any(table.header) and at == 0) for n, text in enumerate(line)] for at, line in enumerate(lines)]
    grid = Grid(cells, colWidths=_fitted(wanted, width), repeatRows=1 if any(table.header) else 0, hAlign="LEFT")
    grid.setStyle(
        [
            ("LINEBELOW", (0, 0), (-1, -1), 0.4, _LINE),
            ("VALIGN", (0, 0), (-1, -1), "TOP"),
            ("LEFTPADDING", (0, 0), (-1, -1), 0),
            ("RIGHTPADDING", (0, 0), (-1, -1), 6),
            ("TOPPADDING", (0, 0), (-1, -1), 1.2),
            ("BOTTOMPADDING", (0, 0), (-1, -1), 1.8),
        ]
    )
    return grid


def _fitted(wanted: Sequence[float], width: float) -> list[float]:
    """Column widths within `width`: narrow columns get what they ask for, wide ones share the rest and wrap."""
    widths = list(wanted)
    while sum(widths) > width + 1e-6:
        widest = max(widths)
        broad = [n for n, column_width in enumerate(widths) if column_width > 0.98 * widest]
        second = max([column_width for n, column_width in enumerate(widths) if n not in broad], default=0.0)
        share = (width - sum(column_width for n, column_width in enumerate(widths) if n not in broad)) / len(broad)
        for n in broad:
            widths[n] = max(share, min(second, widest * 0.97))
    return widths


def _columns(cells: list[list[Flowable]], widths: list[float], gap: float) -> Grid:
    """Blocks beside each other."""
    padded = [width + (gap if n < len(widths) - 1 else 0) for n, width in enumerate(widths)]
    grid = Grid([cells], colWidths=padded, hAlign="LEFT")
    grid.setStyle(
        [
            ("VALIGN", (0, 0), (-1, -1), "TOP"),
            ("LEFTPADDING", (0, 0), (-1, -1), 0),
            ("RIGHTPADDING", (0, 0), (-2, -1), gap),
            ("RIGHTPADDING", (-1, 0), (-1, -1), 0),
            ("TOPPADDING", (0, 0), (-1, -1), 0),
            ("BOTTOMPADDING", (0, 0), (-1, -1), 0),
        ]
    )
    return grid


def _image(figure: Figure, width: float, height: float | None = None) -> Image:
    """A picture as large as fits."""
    pixels = ImageReader(io.BytesIO(figure.file)).getSize()
    scale = width / pixels[0]
    if height is not None:
        scale = min(scale, height / pixels[1])
    return Image(io.BytesIO(figure.file), pixels[0] * scale, pixels[1] * scale)


def _height(flowable: Flowable) -> float:
    style = getattr(flowable, "style", None)
    around = (style.spaceBefore + style.spaceAfter) if style is not None else 0
    return flowable.wrap(_WIDTH, _HEIGHT)[1] + around
