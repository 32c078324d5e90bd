"""Spaghetti plots: every subject's value at both visits, coloured by direction."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from .canvas import new_chart
from .cohort_style import COLUMN_MM, DIRECTION_INK, say_nothing, titled
from .paper import INK


@dataclass(frozen=True, eq=False)
class SpaghettiPanel:
    """One measure of one group of n subjects.

    `baseline` and `follow_up` are `(n,)` values in the unit that `label` states; `directions` holds `improved`, `worsened` or
    `unchanged` of each subject; `span` is the range of the axis, one for all groups.
    """

    title: str
    label: str
    baseline: np.ndarray
    follow_up: np.ndarray
    directions: tuple[str, ...]
    span: tuple[float, float]


def draw_spaghetti(panel: SpaghettiPanel, ax: Axes) -> Axes:
    """One line per subject from baseline to follow-up."""
    if not panel.directions:
        return say_nothing(ax, "no subject in this group")
    for before, after, direction in zip(panel.baseline, panel.follow_up, panel.directions, strict=True):
        ink = DIRECTION_INK[direction]
        ax.plot([0, 1], [before, after], color=ink, linewidth=0.9, alpha=0.75, marker="o", markersize=2.8, markeredgewidth=0)
    ax.set_xlim(-0.18, 1.18)
    ax.set_xticks([0, 1], ["baseline", "follow-up"])
    pad = 0.05 * (panel.span[1] - panel.span[0] or 1.0)
    ax.set_ylim(panel.span[0] - pad, panel.span[1] + pad)
    ax.set_ylabel(panel.label)
    return ax


def spaghetti_figure(rows: Sequence[Sequence[SpaghettiPanel]]) -> Figure:
    """Measures as rows, groups of subjects as columns; a row has one scale."""
    columns = max(len(row) for row in rows)
    figure = new_chart(COLUMN_MM * columns, 54 * len(rows) + 8)
    axes = figure.subplots(len(rows), columns, squeeze=False)
    for n, row in enumerate(rows):
        for m, panel in enumerate(row):
            titled(axes[n, m], panel.title, "abcdefghijkl"[n * columns + m])
            draw_spaghetti(panel, axes[n, m])
    marks = [Line2D([], [], color=ink, linewidth=1.4, marker="o", markersize=3) for ink in DIRECTION_INK.values()]
    figure.legend(marks, list(DIRECTION_INK), loc="outside lower center", ncols=3, fontsize=7, frameon=False, labelcolor=INK)
    return figure
