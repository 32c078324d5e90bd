"""How networks learnt: loss and soft Dice against epoch, and 2-D Dice against CPU time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from .canvas import new_chart, tidy
from .paper import FAINT_INK, INK

LEARNT, HELD_OUT = "#3b6ea5", "#c8531c"


@dataclass(frozen=True, eq=False)
class LearningCurve:
    """One network: `(n,)` float arrays, one value per report; nan where the held-out slices were not measured.

    `epoch` are passes over the labelled slices, `cpu_minutes` minutes; Dice is 0 to 1, and loss has no unit.
    """

    epoch: np.ndarray
    loss: np.ndarray
    soft_dice: np.ndarray
    validation_loss: np.ndarray
    validation_dice: np.ndarray
    cpu_minutes: np.ndarray
    validation_slice_dice: np.ndarray


def draw_learning_curve(curves: Sequence[LearningCurve], ax: Axes, what: str) -> Axes:
    """`what` (`loss` or `dice`) of the networks of one fold against epoch; one thin line each, training and held out.

    Training slices are augmented and held-out slices are not, so that the held-out line can be the better one.
    """
    learnt, held_out = ("loss", "validation_loss") if what == "loss" else ("soft_dice", "validation_dice")
    for curve in curves:
        for name, colour in ((learnt, LEARNT), (held_out, HELD_OUT)):
            values = getattr(curve, name)
            known = ~np.isnan(values)
            ax.plot(curve.epoch[known], values[known], color=colour, linewidth=0.8, alpha=0.85)
    ax.set_xlabel("epoch")
    ax.set_ylabel("loss" if what == "loss" else "soft Dice")
    ax.xaxis.set_major_locator(MaxNLocator(4, integer=True))
    return tidy(ax)


def draw_dice_against_cpu(curves: Sequence[LearningCurve], ax: Axes, goal: float | None = None) -> Axes:
    """Mean 2-D Dice of the held-out slices against the CPU time of the steps; one thin line per network."""
    for curve in curves:
        known = ~np.isnan(curve.validation_slice_dice)
        # a network that was measured once, at its end, is a point
        marker = "." if np.count_nonzero(known) == 1 else ""
        at, dices = curve.cpu_minutes[known], curve.validation_slice_dice[known]
        ax.plot(at, dices, color=HELD_OUT, linewidth=0.8, marker=marker, alpha=0.85)
    if goal is not None:
        ax.axhline(goal, color=FAINT_INK, linewidth=0.6, linestyle=(0, (3, 3)))
    ax.set_xlabel("CPU minutes of one network")
    ax.set_ylabel("mean slice Dice")
    return tidy(ax)


def learning_curves_figure(groups: Mapping[str, Sequence[LearningCurve]], goal: float | None = None) -> Figure:
    """A column per fold: loss and soft Dice against epoch, and 2-D Dice against CPU time.

    Parameters
    ----------
    groups : mapping
        The networks of each fold, under the title of its column.
    goal : float, optional
        A 2-D Dice to mark.
    """
    figure = new_chart(20 + 45 * max(len(groups), 1), 120)
    axes = figure.subplots(3, max(len(groups), 1), squeeze=False, sharey="row")
    for column, (title, curves) in zip(axes.T, groups.items(), strict=True):
        draw_learning_curve(curves, column[0], "loss")
        draw_learning_curve(curves, column[1], "dice")
        draw_dice_against_cpu(curves, column[2], goal)
        column[0].set_title(title, fontsize=7.5, color=INK, loc="left")
        for ax in column:
            ax.set_xlim(left=0)
        for ax in column[1:]:
            ax.set_ylim(0.6, 1.0)  # below lies only the very beginning
    for ax in axes[:, 1:].flat:
        ax.set_ylabel("")
    lines = [Line2D([], [], color=colour, linewidth=1.2) for colour in (LEARNT, HELD_OUT)]
    names = ["learnt, augmented", "held out"]
    figure.legend(lines, names, loc="outside lower left", ncols=2, fontsize=7, frameon=False, labelcolor=INK)
    return figure
