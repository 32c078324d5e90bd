"""Boxplots of overlap with every subject's point: within and between readers, and against the reference standard."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from .canvas import new_chart
from .cohort_style import LINE_INK, MEDIAN_INK, METHOD_INK, literal_text, spread, titled
from .paper import FAINT_INK


@dataclass(frozen=True)
class Box:
    """One box: its name under the axis, the values (those that are `nan` are left out and counted), and the method."""

    name: str
    values: tuple[float, ...]
    method: str = ""


@dataclass(frozen=True)
class BoxPanel:
    """Boxes on common axes."""

    title: str
    boxes: tuple[Box, ...]


def draw_boxes(boxes: Sequence[Box], ax: Axes, *, ylabel: str = "Dice") -> Axes:
    """Boxes (quartiles, whiskers to the last value within 1.5 interquartile ranges) under every value as a point."""
    ticks = []
    for n, box in enumerate(boxes):
        present = np.array([value for value in box.values if not np.isnan(value)])
        missing = len(box.values) - present.size
        ticks.append(f"{literal_text(box.name)}\nn = {present.size}" + (f"\n{missing} n/a" if missing else ""))
        if not present.size:
            continue
        line = {"color": LINE_INK, "linewidth": 0.8}
        ax.boxplot(
            [present],
            positions=[n],
            widths=0.62,
            showfliers=False,
            boxprops=line,
            whiskerprops=line,
            capprops=line,
            medianprops={"color": MEDIAN_INK, "linewidth": 1.6},
        )
        ink = METHOD_INK.get(box.method, LINE_INK)
        ax.scatter(n + spread(present), present, s=11, color=ink, alpha=0.8, linewidths=0, zorder=3)
        ax.annotate(
            f"{np.median(present):.2f}",
            (n, 1.0),
            xycoords=("data", "axes fraction"),
            xytext=(0, -1),
            textcoords="offset points",
            ha="center",
            va="top",
            fontsize=6,
            color=MEDIAN_INK,
        )
    ax.set_xticks(range(len(boxes)), ticks)
    ax.set_xlim(-0.6, len(boxes) - 0.4)
    ax.set_ylim(-0.03, 1.12)
    ax.set_yticks(np.linspace(0, 1, 6))
    ax.set_ylabel(ylabel)
    ax.grid(axis="y", color="#e4e9ee", linewidth=0.6)
    ax.set_axisbelow(True)
    return ax


def boxes_figure(panels: Sequence[BoxPanel], *, ylabel: str = "Dice") -> Figure:
    """Panels beside each other, each as wide as its boxes need."""
    widths = [max(len(panel.boxes), 2) + 0.5 for panel in panels]
    figure = new_chart(min(180.0, 14 + 19 * sum(widths)), 66)
    axes = figure.subplots(1, len(panels), squeeze=False, width_ratios=widths, sharey=True)[0]
    for n, (panel, ax) in enumerate(zip(panels, axes, strict=True)):
        titled(ax, panel.title, "abcdefgh"[n] if len(panels) > 1 else "")
        draw_boxes(panel.boxes, ax, ylabel=ylabel if n == 0 else "")
        ax.tick_params(axis="x", length=0, colors=FAINT_INK)
    return figure
