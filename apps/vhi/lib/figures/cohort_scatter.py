"""Scatterplots with a regression line and its confidence band."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ..cohort.regression import Regression
from .canvas import new_chart
from .cohort_agreement import visit_legend
from .cohort_style import BAND_INK, COLUMN_MM, LINE_INK, VISIT_INK, say_nothing, titled
from .paper import FAINT_INK, INK


@dataclass(frozen=True, eq=False)
class ScatterPanel:
    """One regression. `visits` names the visit of each of its points; empty where points are of both.

    `truncate_at` marks where the next panel's data end. `limits` cuts the axes (x low, x high, y low, y high) without leaving
    anything out of the regression. `through_zero` draws where both are 0.
    """

    title: str
    xlabel: str
    ylabel: str
    regression: Regression
    visits: tuple[str, ...] = ()
    truncate_at: float | None = None
    limits: tuple[float, float, float, float] | None = None
    through_zero: bool = False


def draw_regression(panel: ScatterPanel, ax: Axes) -> Axes:
    """Points, the least-squares line and the 95% confidence band of the line."""
    fit = panel.regression
    if not fit.n:
        return say_nothing(ax, fit.note)
    if not np.isnan(fit.slope.value):
        low, high = (panel.limits[0], panel.limits[1]) if panel.limits else (float(fit.x.min()), float(fit.x.max()))
        at = np.linspace(low, high, 101)
        below, above = fit.band(at)
        ax.fill_between(at, below, above, color=BAND_INK, alpha=0.35, linewidth=0)
        ax.plot(at, fit.line(at), color=LINE_INK, linewidth=1.1)
    inks = [VISIT_INK[visit] for visit in panel.visits] or INK
    ax.scatter(fit.x, fit.y, s=12, c=inks, alpha=0.75, linewidths=0, zorder=3)
    if panel.truncate_at is not None:
        ax.axhline(panel.truncate_at, color="#1f6fb2", linewidth=0.8, linestyle=":")
    if panel.through_zero:
        for line in (ax.axhline, ax.axvline):
            line(0, color=FAINT_INK, linewidth=0.5, zorder=0)
    if panel.limits:
        ax.set(xlim=panel.limits[:2], ylim=panel.limits[2:])
    ax.set(xlabel=panel.xlabel, ylabel=panel.ylabel)
    return ax


def scatter_figure(panels: Sequence[ScatterPanel]) -> Figure:
    """Panels beside each other, with what each fit found below its title."""
    visits = {visit for panel in panels for visit in panel.visits}
    figure = new_chart(COLUMN_MM * len(panels), 66 if visits else 60)
    axes = figure.subplots(1, len(panels), squeeze=False)[0]
    for n, (panel, ax) in enumerate(zip(panels, axes, strict=True)):
        titled(ax, f"{panel.title}, n = {panel.regression.n}", "abcdefgh"[n] if len(panels) > 1 else "")
        draw_regression(panel, ax)
    if visits:
        visit_legend(figure, visits)
    return figure
