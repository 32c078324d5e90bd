"""Parts that the sections of a cohort report share: figures, the values left out, sentences."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from ...cohort.estimate import Estimate
from ...cohort.scales import Scale
from ...cohort.study import LeftOut
from ...figures.canvas import png_bytes, svg_bytes
from ...figures.cohort_style import DPI
from ...figures.drawn_points import COLUMNS, drawn_points
from ..cohort_content import CohortFigure, Records, number, p_value
from ..parts import Figure

if TYPE_CHECKING:
    from matplotlib.figure import Figure as Drawing


PICTURE_DPI = 200.0


def section_figure(name: str, drawing: Drawing, caption: str, alternative: str, is_picture: bool = False) -> CohortFigure:
    """A drawing as it goes into pages and files; scans stay pixels, charts stay lines."""
    dpi = PICTURE_DPI if is_picture else DPI
    png = png_bytes(drawing, dpi)
    # a scan's few lines are its legend
    points = Records(name, COLUMNS, () if is_picture else drawn_points(drawing))
    return CohortFigure(Figure(name, caption, alternative, png, "image/png"), png, svg_bytes(drawing), dpi, points)


def left_out_rows(left_out: Iterable[LeftOut]) -> tuple[tuple[str, str, str], ...]:
    return tuple(dict.fromkeys((absent.subject, absent.visit, absent.why) for absent in left_out))


def sentence(text: str) -> str:
    """A reason as it follows "not available: "."""
    return text if text[:3].isupper() else text[0].lower() + text[1:]


def cut_words(at: float, nothing_above: bool, unit: str) -> str:
    return f"Truncated at {number(at)} {unit}{', above which nothing lies' if nothing_above else ''}."


def p_words(p: float) -> str:
    text = p_value(p)
    return text if text.startswith("<") else f"= {text}"


def as_percent(one: Estimate) -> Estimate:
    return Estimate(100 * one.value, 100 * one.low, 100 * one.high)


def ascii_unit(unit: str) -> str:
    """The unit of VHI as the columns of tables name it: "mm3" or "voxels"."""
    return unit.replace("³", "3")


SCALE_WORDS: dict[Scale, str] = {"raw": "raw", "truncated": "truncated", "log": "log(x + 1)"}
