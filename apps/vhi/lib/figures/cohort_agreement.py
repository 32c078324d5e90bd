"""Two readers against each other: scatterplots with the line of equality, and Bland-Altman plots."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from ..cohort.agreement import BlandAltman
from ..cohort.assumptions import Assumptions
from .canvas import new_chart
from .cohort_style import (
    BAND_INK,
    BY_MEAN_INK,
    COLUMN_MM,
    LIMIT_INK,
    LINE_INK,
    VISIT_INK,
    VISIT_WORDS,
    literal_text,
    say_nothing,
    titled,
)
from .paper import FAINT_INK, INK


@dataclass(frozen=True, eq=False)
class AgreementPanel:
    """One scale of one measure: both readers' values, and their limits of agreement.

    `first` and `second` are the values of the n complete pairs, `(n,)` in `unit`, in the order of `limits.means`; `visits` names
    the visit of each. `truncate_at` marks where the next panel's data end; `checks` is what the panel says under its plot.
    """

    title: str
    unit: str
    first: np.ndarray
    second: np.ndarray
    visits: tuple[str, ...]
    limits: BlandAltman
    truncate_at: float | None = None
    assumptions: Assumptions | None = None
    checks: str = ""


def draw_readers(panel: AgreementPanel, ax: Axes, readers: tuple[str, str]) -> Axes:
    """Each scan's two readings; on the line both readers agree."""
    top = float(max(panel.first.max(initial=0), panel.second.max(initial=0))) or 1.0
    ax.plot([0, top], [0, top], color=FAINT_INK, linewidth=0.7, linestyle=(0, (4, 3)), zorder=1)
    _dots(ax, panel.first, panel.second, panel.visits)
    if panel.truncate_at is not None:
        for mark in (ax.axhline, ax.axvline):
            mark(panel.truncate_at, color="#1f6fb2", linewidth=0.8, linestyle=":")
    pad = 0.04 * top
    ax.set(xlim=(-pad, top + pad), ylim=(-pad, top + pad), xlabel=f"reader {literal_text(readers[0])} [{panel.unit}]")
    ax.set_ylabel(f"reader {literal_text(readers[1])} [{panel.unit}]")
    ax.set_aspect("equal", adjustable="box")
    return ax


def draw_bland_altman(panel: AgreementPanel, ax: Axes, readers: tuple[str, str] = ("first", "second")) -> Axes:
    """Differences against means with bias and 95% limits of agreement; bands are their 95% confidence intervals."""
    limits = panel.limits
    if np.isnan(limits.sd):
        return say_nothing(ax, limits.note)
    for estimate, ink in ((limits.bias, LINE_INK), (limits.lower, LIMIT_INK), (limits.upper, LIMIT_INK)):
        if not np.isnan(estimate.low):
            ax.axhspan(estimate.low, estimate.high, color=ink if ink == LIMIT_INK else BAND_INK, alpha=0.16, linewidth=0)
        ax.axhline(estimate.value, color=ink, linewidth=1.0, linestyle="-" if ink == LINE_INK else (0, (5, 2)))
        ax.annotate(
            _number(estimate.value),
            (1.0, estimate.value),
            xycoords=("axes fraction", "data"),
            xytext=(2, 0),
            textcoords="offset points",
            fontsize=6,
            color=ink,
            va="center",
            annotation_clip=False,
        )
    ax.axhline(0, color=FAINT_INK, linewidth=0.5, zorder=0)
    _draw_by_mean(panel, ax)
    _dots(ax, limits.means, limits.differences, panel.visits)
    known = [end for end in (limits.lower.low, limits.upper.high) if not np.isnan(end)]
    ends = [*known, float(limits.differences.min()), float(limits.differences.max())]
    if panel.assumptions is not None and panel.assumptions.by_mean is not None:
        lines = np.array(panel.assumptions.by_mean.at([limits.means.min(), limits.means.max()]))
        ends += lines[~np.isnan(lines)].tolist()
    pad = 0.06 * (max(ends) - min(ends) or 1.0)
    ax.set_ylim(min(ends) - pad, max(ends) + pad)
    difference = f"{literal_text(readers[0])} − {literal_text(readers[1])}"
    ax.set(xlabel=f"mean of both readers [{panel.unit}]", ylabel=f"{difference} [{panel.unit}]")
    ax.annotate(
        panel.checks, (0.5, 0), xycoords="axes fraction", xytext=(0, -30), textcoords="offset points", fontsize=6, ha="center",
        color=FAINT_INK,
    )  # fmt: skip
    return ax


def _draw_by_mean(panel: AgreementPanel, ax: Axes) -> None:
    """Bias and limits as lines, where they change with the mean."""
    if panel.assumptions is None or panel.assumptions.by_mean is None:
        return
    at = np.linspace(float(panel.limits.means.min()), float(panel.limits.means.max()), 101)
    for line in panel.assumptions.by_mean.at(at):
        ax.plot(at, line, color=BY_MEAN_INK, linewidth=0.9, linestyle=(0, (1, 1.5)), zorder=2)


def agreement_figure(panels: Sequence[AgreementPanel], readers: tuple[str, str]) -> Figure:
    """Per scale a column: the readers' scatterplot over the Bland-Altman plot."""
    figure = new_chart(COLUMN_MM * len(panels), 112)
    axes = figure.subplots(2, len(panels), squeeze=False)
    for n, panel in enumerate(panels):
        titled(axes[0, n], panel.title, "abcdefgh"[n])
        titled(axes[1, n], f"n = {panel.limits.n}", "abcdefgh"[n + len(panels)])
        draw_readers(panel, axes[0, n], readers)
        draw_bland_altman(panel, axes[1, n], readers)
    visit_legend(figure, {visit for panel in panels for visit in panel.visits})
    return figure


def visit_legend(figure: Figure, visits: set[str]) -> None:
    """Which colour is which visit, under the figure."""
    shown = [visit for visit in VISIT_INK if visit in visits]
    marks = [Line2D([], [], marker="o", linestyle="", markersize=3.5, color=VISIT_INK[visit]) for visit in shown]
    figure.legend(
        marks,
        [VISIT_WORDS[visit] for visit in shown],
        loc="outside lower center",
        ncols=2,
        fontsize=7,
        frameon=False,
        labelcolor=INK,
    )


def _dots(ax: Axes, x: np.ndarray, y: np.ndarray, visits: Sequence[str]) -> None:
    for visit, ink in VISIT_INK.items():
        of_visit = np.array([name == visit for name in visits], dtype=bool)
        ax.scatter(x[of_visit], y[of_visit], s=12, color=ink, alpha=0.75, linewidths=0, zorder=3)


def _number(value: float) -> str:
    return (f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}").replace("-", "−")
