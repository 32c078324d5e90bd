"""The content of a figure as numbers: every point and line in the units of its axes."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import PathCollection
from matplotlib.figure import Figure

COLUMNS = ("panel", "title", "kind", "series", "x_axis", "x_group", "x", "y_axis", "y")
Row = tuple[str | float | int, ...]


def drawn_points(figure: Figure) -> tuple[Row, ...]:
    """Rows of `COLUMNS`, panel by panel from 1 in the order of drawing.

    Points of boxplots lie beside each other only so that they do not cover each other: `x_group` names their box. Lines over the
    whole width of a panel, pictures and legends are no data. Empty where a figure holds pictures alone.
    """
    return tuple(row for n, ax in enumerate(figure.axes, start=1) for row in _of_panel(n, ax))


def _of_panel(n: int, ax: Axes) -> Iterator[Row]:
    title, x_axis, y_axis = (
        _flat(text) for text in (ax.get_title(loc="left") or ax.get_title(), ax.get_xlabel(), ax.get_ylabel())
    )
    names_below = _names_below(ax)
    for series, (kind, x, y) in enumerate((*_points(ax), *_lines(ax)), start=1):
        for at, value in zip(x, y, strict=True):
            if np.isfinite(at) and np.isfinite(value):
                yield n, title, kind, series, x_axis, _group(names_below, float(at)), float(at), y_axis, float(value)


def _points(ax: Axes) -> Iterator[tuple[str, np.ndarray, np.ndarray]]:
    for drawn in ax.collections:
        if isinstance(drawn, PathCollection) and drawn.get_offset_transform() == ax.transData:
            offsets: np.ndarray = np.ma.filled(np.ma.asarray(drawn.get_offsets(), dtype=float), np.nan)
            yield "point", offsets[:, 0], offsets[:, 1]


def _lines(ax: Axes) -> Iterator[tuple[str, np.ndarray, np.ndarray]]:
    for line in ax.lines:
        if line.get_transform() == ax.transData:
            x, y = (np.asarray(values, dtype=float) for values in line.get_data(orig=False))
            yield "line", x, y


def _names_below(ax: Axes) -> list[tuple[float, str]]:
    """Where names stand under the axis in place of numbers, and the names; empty where numbers stand there."""
    ticks = [(float(at), _flat(label.get_text())) for at, label in zip(ax.get_xticks(), ax.get_xticklabels(), strict=False)]
    return [] if all(_is_number(text) for _, text in ticks) else ticks


def _group(names_below: list[tuple[float, str]], x: float) -> str:
    """The name that stands under a point."""
    nearest, text = min(names_below, key=lambda tick: abs(tick[0] - x), default=(x, ""))
    return text if abs(nearest - x) < 0.5 else ""


def _is_number(text: str) -> bool:
    try:
        float(text.replace("−", "-").replace(",", "") or 0)
    except ValueError:
        return text.startswith("$")  # a power, as logarithmic axes print it
    return True


def _flat(text: str) -> str:
    return " ".join(text.replace("\\$", "$").split())
