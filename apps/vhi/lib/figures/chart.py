"""Small charts of a report as lists of marks, drawn by Pillow.

matplotlib, which draws the larger figures, takes a third of a second to load and four times as long for the pictures of a report.
"""

from __future__ import annotations

import io
import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import Literal

import numpy as np
from PIL import Image, ImageColor, ImageDraw, ImageFont

from .paper import FAINT_INK, INK, MM_PER_INCH, POINTS_PER_INCH, font_file

# lines and dots are drawn this many times as large, and made smaller: Pillow draws them with hard edges
_FINE = 4
# of the paper, in points
_EDGE, _BESIDE_TICK, _BESIDE_LABEL, _SPINE = 3.0, 3.0, 3.5, 0.8
_TICK_SIZE, _LABEL_SIZE, _BAR_TICK_SIZE = 6.5, 7.0, 6.0
_LINE_HEIGHT = 1.25
# of the height of the axes: the colour bar, and what lies between it and them
_BAR_HEIGHT, _BAR_GAP = 0.045, 0.04

Point = tuple[float, float]
Colour = str | tuple[int, int, int]


@dataclass(frozen=True)
class Axis:
    """From `low` at the left or bottom to `high` at the right or top; ticks are values and what is written there."""

    low: float
    high: float
    ticks: Sequence[tuple[float, str]] = ()
    label: str = ""
    tick_length: float = 2.0


@dataclass(frozen=True)
class Bar:
    """A filled rectangle between two corners."""

    corner: Point
    opposite: Point
    colour: Colour
    opacity: float = 1.0


@dataclass(frozen=True)
class Line:
    """Through points; `width`, and `dash` as lengths of ink and gap, in points of the paper."""

    points: Sequence[Point]
    colour: Colour
    width: float
    dash: tuple[float, float] | None = None
    opacity: float = 1.0


@dataclass(frozen=True)
class Dots:
    """Circles of one diameter, in points of the paper."""

    points: Sequence[Point]
    diameter: float
    colour: Colour
    fill: Colour
    edge: float = 0.0


@dataclass(frozen=True)
class Text:
    """Words at a point, `offset` points of the paper right of it and above it.

    `align` says what of the words lies there: left, middle or right, then top, middle or bottom.
    """

    at: Point
    words: str
    size: float
    colour: Colour = INK
    align: Literal["lt", "rt", "lm", "rm", "mt", "mm", "mb", "lb"] = "mm"
    bold: bool = False
    offset: Point = (0.0, 0.0)


@dataclass(frozen=True)
class Picture:
    """`(rows, columns, 3)` uint8 pixels over the whole of the axes, not interpolated."""

    pixels: np.ndarray


@dataclass(frozen=True)
class ColourBar:
    """Under the axes: `(n, 3)` uint8 colours from 0 to `high`."""

    colours: np.ndarray
    high: float
    label: str


@dataclass
class Chart:
    """One pair of axes with what is drawn on them, in this order; texts lie on top.

    `equal`: one unit is as long along x as along y. `spines`: the lines at the left and below.
    """

    x: Axis
    y: Axis
    marks: list[Bar | Line | Dots | Text | Picture] = field(default_factory=list)
    equal: bool = False
    spines: bool = True
    bar: ColourBar | None = None

    def png(self, width_mm: float, height_mm: float, dpi: float) -> bytes:
        """The chart as a PNG file; the same bytes for the same chart."""
        file = io.BytesIO()
        _Paper(self, width_mm, height_mm, dpi).draw().save(file, format="PNG", compress_level=6)
        return file.getvalue()


class _Paper:
    """The pixels that a chart is drawn on."""

    def __init__(self, chart: Chart, width_mm: float, height_mm: float, dpi: float) -> None:
        self.chart, self.point = chart, dpi / POINTS_PER_INCH
        self.width, self.height = int(width_mm / MM_PER_INCH * dpi), int(height_mm / MM_PER_INCH * dpi)
        self.left, self.top, self.right, self.bottom = self._box()
        self._texts: list[tuple[float, float, Text]] = []

    def draw(self) -> Image.Image:
        image = Image.new("RGB", (self.width * _FINE, self.height * _FINE), "white")
        pen = ImageDraw.Draw(image, "RGBA")
        for mark in self.chart.marks:
            if isinstance(mark, Picture):
                self._put(image, mark.pixels, (self.left, self.top, self.right, self.bottom))
            elif isinstance(mark, Bar):
                self._rectangle(pen, *self._at(mark.corner), *self._at(mark.opposite), _rgba(mark.colour, mark.opacity))
            elif isinstance(mark, Line):
                self._line(pen, mark)
            elif isinstance(mark, Dots):
                self._dots(pen, mark)
            else:
                self._texts.append((*self._at(mark.at), mark))
        if self.chart.spines:
            self._axes(pen)
        if self.chart.bar is not None:
            self._colour_bar(image, pen, self.chart.bar)
        image = image.reduce(_FINE)
        self._axis_words(image)
        pen = ImageDraw.Draw(image)
        for x, y, text in self._texts:
            self._write(pen, x, y, text)
        return image

    def _box(self) -> tuple[int, int, int, int]:
        """Left, top, right and bottom of the axes: what the words around them leave."""
        x, y, point = self.chart.x, self.chart.y, self.point
        beside = max((_width(words, _TICK_SIZE * point) for _, words in y.ticks), default=0.0)
        lines = max((words.count("\n") + 1 for _, words in x.ticks), default=0)
        left, bottom = _EDGE * point + beside, _EDGE * point + lines * _TICK_SIZE * _LINE_HEIGHT * point
        left += (y.tick_length + _BESIDE_TICK) * point if y.ticks else 0
        bottom += (x.tick_length + _BESIDE_TICK) * point if x.ticks else 0
        left += (_LABEL_SIZE * _LINE_HEIGHT + _BESIDE_LABEL) * point if y.label else 0
        bottom += (_LABEL_SIZE * _LINE_HEIGHT + 0.5 * _BESIDE_LABEL) * point if x.label else 0
        edge = _EDGE * point
        width, height = self.width - edge - left, self.height - edge - bottom
        if self.chart.bar is not None:
            words = (2 + _BESIDE_TICK + (_BAR_TICK_SIZE + _TICK_SIZE) * _LINE_HEIGHT) * point
            height = (height - words) / (1 + _BAR_GAP + _BAR_HEIGHT)
        if self.chart.equal:
            unit = min(width / abs(x.high - x.low), height / abs(y.high - y.low))
            left += (width - unit * abs(x.high - x.low)) / 2
            width, height = unit * abs(x.high - x.low), unit * abs(y.high - y.low)
        return round(left), round(edge), round(left + width), round(edge + height)

    def _at(self, at: Point) -> tuple[float, float]:
        """Values to pixels."""
        x, y = self.chart.x, self.chart.y
        return (
            self.left + (at[0] - x.low) / (x.high - x.low) * (self.right - self.left),
            self.bottom - (at[1] - y.low) / (y.high - y.low) * (self.bottom - self.top),
        )

    def _put(self, image: Image.Image, pixels: np.ndarray, box: tuple[int, int, int, int]) -> None:
        left, top, right, bottom = box
        picture = Image.fromarray(np.ascontiguousarray(pixels)).resize((right - left, bottom - top), Image.Resampling.NEAREST)
        image.paste(
            picture.resize((picture.width * _FINE, picture.height * _FINE), Image.Resampling.NEAREST), (left * _FINE, top * _FINE)
        )

    def _rectangle(self, pen: ImageDraw.ImageDraw, x0: float, y0: float, x1: float, y1: float, ink: tuple[int, ...]) -> None:
        """At whole pixels, so that its edges are sharp; nothing of one without any width."""
        left, right = sorted((round(x0), round(x1)))
        top, bottom = sorted((round(y0), round(y1)))
        if x0 == x1 or y0 == y1:
            return
        # what is there is seen, however little it is
        right, bottom = max(right, left + 1), max(bottom, top + 1)
        pen.rectangle((left * _FINE, top * _FINE, right * _FINE - 1, bottom * _FINE - 1), fill=ink)

    def _line(self, pen: ImageDraw.ImageDraw, line: Line) -> None:
        ink, width = _rgba(line.colour, line.opacity), line.width * self.point
        points = [self._at(point) for point in line.points]
        pieces = [points] if line.dash is None else _dashes(points, *(length * self.point for length in line.dash))
        straight = len(points) == 2 and (points[0][0] == points[1][0] or points[0][1] == points[1][1])
        for piece in pieces:
            if straight:
                self._straight(pen, piece[0], piece[1], width, ink)
            else:
                pen.line([(x * _FINE, y * _FINE) for x, y in piece], fill=ink, width=round(width * _FINE), joint="curve")

    def _straight(self, pen: ImageDraw.ImageDraw, start: Point, end: Point, width: float, ink: tuple[int, ...]) -> None:
        """Along x or y, as wide as the nearest whole number of pixels."""
        wide = max(1, round(width))
        if start[0] == end[0]:
            left = round(start[0] - wide / 2)
            self._rectangle(pen, left, start[1], left + wide, end[1], ink)
        else:
            top = round(start[1] - wide / 2)
            self._rectangle(pen, start[0], top, end[0], top + wide, ink)

    def _dots(self, pen: ImageDraw.ImageDraw, dots: Dots) -> None:
        radius = (dots.diameter + dots.edge) / 2 * self.point * _FINE
        for x, y in (self._at(point) for point in dots.points):
            pen.ellipse(
                (x * _FINE - radius, y * _FINE - radius, x * _FINE + radius, y * _FINE + radius),
                fill=_rgba(dots.fill, 1.0),
                outline=_rgba(dots.colour, 1.0),
                width=max(1, round(dots.edge * self.point * _FINE)),
            )

    def _axes(self, pen: ImageDraw.ImageDraw) -> None:
        ink, width, thin = _rgba(FAINT_INK, 1.0), _SPINE * self.point, 0.6 * self.point
        self._straight(pen, (self.left, self.top), (self.left, self.bottom + width / 2), width, ink)
        self._straight(pen, (self.left, self.bottom), (self.right, self.bottom), width, ink)
        for value, _ in self.chart.x.ticks:
            x = self._at((value, self.chart.y.low))[0]
            self._straight(pen, (x, self.bottom), (x, self.bottom + self.chart.x.tick_length * self.point), thin, ink)
        for value, _ in self.chart.y.ticks:
            y = self._at((self.chart.x.low, value))[1]
            self._straight(pen, (self.left - self.chart.y.tick_length * self.point, y), (self.left, y), thin, ink)

    def _axis_words(self, image: Image.Image) -> None:
        x, y, point = self.chart.x, self.chart.y, self.point
        below = self.bottom + (x.tick_length + _BESIDE_TICK) * point
        beside = self.left - (y.tick_length + _BESIDE_TICK) * point
        for value, words in x.ticks:
            at = self._at((value, y.low))[0]
            self._texts.append((at, below, Text((0, 0), words, _TICK_SIZE, FAINT_INK, "mt")))
        for value, words in y.ticks:
            at = self._at((x.low, value))[1]
            self._texts.append((beside, at, Text((0, 0), words, _TICK_SIZE, FAINT_INK, "rm")))
        if x.label:
            at = (self.left + self.right) / 2
            self._texts.append(
                (at, self.height - (_EDGE + _LABEL_SIZE * _LINE_HEIGHT) * point, Text((0, 0), x.label, _LABEL_SIZE, INK, "mt"))
            )
        if y.label:
            _write_upwards(image, y.label, _LABEL_SIZE * point, round(_EDGE * point), (self.top + self.bottom) // 2)

    def _colour_bar(self, image: Image.Image, pen: ImageDraw.ImageDraw, bar: ColourBar) -> None:
        height = self.bottom - self.top
        top = round(self.bottom + _BAR_GAP * height)
        bottom = round(top + _BAR_HEIGHT * height)
        self._put(image, bar.colours[np.newaxis], (self.left, top, self.right, bottom))
        below = bottom + 2 * self.point
        for value in round_values(0.0, bar.high, 5):
            x = self.left + value / bar.high * (self.right - self.left)
            self._straight(pen, (x, bottom), (x, below), 0.5 * self.point, _rgba(INK, 1.0))
            words = Text((0, 0), f"{value:g}", _BAR_TICK_SIZE, INK, "mt")
            self._texts.append((x, below + _BESIDE_TICK * self.point, words))
        under = below + (_BESIDE_TICK + _BAR_TICK_SIZE * _LINE_HEIGHT) * self.point
        self._texts.append(((self.left + self.right) / 2, under, Text((0, 0), bar.label, _TICK_SIZE, INK, "mt")))

    def _write(self, pen: ImageDraw.ImageDraw, x: float, y: float, text: Text) -> None:
        write(pen, replace(text, at=(x + text.offset[0] * self.point, y - text.offset[1] * self.point)), self.point)


def write(pen: ImageDraw.ImageDraw, text: Text, point: float) -> None:
    """Lines of words on a picture, at a pixel of it; `point` is a point of the paper in pixels."""
    size = text.size * point
    font, lines = _font(size, text.bold), text.words.split("\n")
    step = size * _LINE_HEIGHT
    # capitals stand on the line and are seven tenths of the size high: what is seen lies at the point
    first = {"t": 0.85 * size, "m": 0.36 * size - step * (len(lines) - 1) / 2, "b": -step * (len(lines) - 1)}[text.align[1]]
    for n, line in enumerate(lines):
        pen.text((text.at[0], text.at[1] + first + n * step), line, fill=text.colour, font=font, anchor=f"{text.align[0]}s")


def _write_upwards(image: Image.Image, words: str, size: float, left: int, middle: int) -> None:
    height = math.ceil(size * _LINE_HEIGHT)
    ink = Image.new("L", (math.ceil(_width(words, size)) + 2, height))
    write(ImageDraw.Draw(ink), Text((0, 0), words, size, "white", "lt"), 1.0)
    turned = ink.transpose(Image.Transpose.ROTATE_90)
    image.paste(INK, (left, middle - turned.height // 2), turned)


def round_values(low: float, high: float, most: int) -> list[float]:
    """Up to `most` + 1 multiples of 1, 2, 2.5 or 5 times a power of ten, from `low` to `high`."""
    rough = (high - low) / most
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(factor * power for factor in (1.0, 2.0, 2.5, 5.0, 10.0) if factor * power >= rough * (1 - 1e-9))
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    return [step * n for n in range(first, last + 1)]


def _dashes(points: Sequence[Point], ink: float, gap: float) -> list[list[Point]]:
    """The inked pieces of a line between two points."""
    (x0, y0), (x1, y1) = points
    length = math.hypot(x1 - x0, y1 - y0)

    def at(along: float) -> Point:
        share = min(along, length) / length
        return x0 + share * (x1 - x0), y0 + share * (y1 - y0)

    starts = np.arange(0.0, length, ink + gap)
    return [[at(float(start)), at(float(start) + ink)] for start in starts]


def _rgba(colour: Colour, opacity: float) -> tuple[int, ...]:
    rgb = ImageColor.getrgb(colour) if isinstance(colour, str) else colour
    return (*rgb[:3], round(255 * opacity))


def _width(words: str, size: float) -> float:
    return max(_font(size, False).getlength(line) for line in words.split("\n"))


@lru_cache(maxsize=64)
def _font(size: float, bold: bool) -> ImageFont.FreeTypeFont:
    """`size` in pixels."""
    return ImageFont.truetype(font_file(bold), size, layout_engine=ImageFont.Layout.BASIC)
