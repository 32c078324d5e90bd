"""Sensitivity to change: receiver operating characteristics, and power by the size of a trial."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ..cohort.responsiveness import Roc
from .canvas import new_chart
from .cohort_style import COLUMN_MM, say_nothing, titled
from .paper import FAINT_INK, INK

MEASURE_INK = {"VHI": "#1f6fb2", "log(VHI + 1)": "#7a5ea8", "SPARCC": "#c9401f"}
_DASHES = {"VHI": "-", "log(VHI + 1)": (0, (5, 2)), "SPARCC": (0, (2, 1))}


@dataclass(frozen=True, eq=False)
class RocPanel:
    """One clinical definition; `labels` are what the legend says of each measure's curve."""

    title: str
    curves: Mapping[str, Roc]
    labels: Mapping[str, str]


@dataclass(frozen=True, eq=False)
class PowerPanel:
    """Power of each measure, `(n,)` shares from 0 to 1, by `(n,)` numbers of patients per arm."""

    title: str
    per_arm: np.ndarray
    power: Mapping[str, np.ndarray]


def draw_roc(panel: RocPanel, ax: Axes) -> Axes:
    """Curves of the measures; on the diagonal a measure tells nothing."""
    drawn = {name: curve for name, curve in panel.curves.items() if curve.true_positive.size}
    if not drawn:
        return say_nothing(ax, next(iter(panel.curves.values())).note if panel.curves else "no measure")
    ax.plot([0, 1], [0, 1], color=FAINT_INK, linewidth=0.7, linestyle=(0, (4, 3)))
    for name, curve in drawn.items():
        ax.plot(
            curve.false_positive,
            curve.true_positive,
            color=MEASURE_INK.get(name, INK),
            linestyle=_DASHES.get(name, "-"),
            linewidth=1.2,
            label=panel.labels[name],
            clip_on=False,
        )
    ax.set(
        xlim=(0, 1),
        ylim=(0, 1),
        xlabel="non-responders above the cut (1 − specificity)",
        ylabel="responders above the cut (sensitivity)",
    )
    ax.set_aspect("equal", adjustable="box")
    ax.legend(loc="lower right", fontsize=5.5, frameon=False, labelcolor=INK, handlelength=2.2)
    return ax


def draw_power(panel: PowerPanel, ax: Axes) -> Axes:
    """Power against patients per arm."""
    if not panel.power:
        return say_nothing(ax, "no measure has a standardised response mean")
    for level in (0.8, 0.9):
        ax.axhline(level, color=FAINT_INK, linewidth=0.5, linestyle=(0, (4, 3)))
    for name, power in panel.power.items():
        ax.plot(
            panel.per_arm, power, color=MEASURE_INK.get(name, INK), linestyle=_DASHES.get(name, "-"), linewidth=1.2, label=name
        )
    ax.set(xlim=(0, float(panel.per_arm.max())), ylim=(0, 1.02), xlabel="patients per arm", ylabel="power")
    ax.legend(loc="lower right", fontsize=6, frameon=False, labelcolor=INK, handlelength=2.2)
    return ax


def roc_figure(panels: Sequence[RocPanel]) -> Figure:
    """One panel per clinical definition of response."""
    columns = min(len(panels), 2)
    rows = -(-len(panels) // columns)
    figure = new_chart(COLUMN_MM * 1.3 * columns, 68 * rows)
    axes = figure.subplots(rows, columns, squeeze=False).ravel()
    for n, ax in enumerate(axes):
        if n < len(panels):
            draw_roc(panels[n], titled(ax, panels[n].title, "abcdefgh"[n] if len(panels) > 1 else ""))
        else:
            ax.set_axis_off()
    return figure


def power_figure(panels: Sequence[PowerPanel]) -> Figure:
    figure = new_chart(COLUMN_MM * 1.4 * len(panels), 62)
    for n, (panel, ax) in enumerate(zip(panels, figure.subplots(1, len(panels), squeeze=False)[0], strict=True)):
        draw_power(panel, titled(ax, panel.title, "ab"[n]))
    return figure
