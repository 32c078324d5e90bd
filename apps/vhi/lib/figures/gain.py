"""The gain by training: Dice before and after on cases that were not learnt, and the readers' effort for a case over time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from .canvas import new_chart, tidy
from .paper import FAINT_INK, INK

COLOURS = ("#3b6ea5", "#c8531c", "#4c8c4a", "#7a5195")


def draw_dice_gain(versions: Sequence[Mapping[str, Any]], ax: Axes) -> Axes:
    """The mean Dice of each version and of the one before it (open), joined, on each set that it was measured on.

    Parameters
    ----------
    versions : sequence of mapping
        `version` and `dice`, see `lib.retraining.history.version_history`; those without a Dice before are left out.
    ax : Axes
    """
    sets = list(
        dict.fromkeys(what for version in versions for what in version["dice"] if version["dice"][what]["before"] is not None)
    )
    for n, version in enumerate(versions):
        for m, what in enumerate(sets):
            dice = version["dice"].get(what)
            if dice is None or dice["before"] is None:
                continue
            colour, x = COLOURS[m % len(COLOURS)], n + 0.12 * (m - (len(sets) - 1) / 2)
            ax.plot([x, x], [dice["before"], dice["version"]], color=colour, linewidth=1.0)
            ax.plot(x, dice["before"], color=colour, marker="o", markersize=4, markerfacecolor="white")
            ax.plot(x, dice["version"], color=colour, marker="o", markersize=4)
    for m, what in enumerate(sets):
        ax.plot([], [], color=COLOURS[m % len(COLOURS)], marker="o", markersize=4, label=what)
    ax.set_xticks(range(len(versions)), [version["version"] for version in versions], rotation=30, ha="right")
    ax.set_ylabel("mean 3-D Dice, cases not learnt")
    if sets:
        ax.legend(fontsize=6.5, frameon=False, labelcolor=INK)
    return tidy(ax)


def draw_effort(efforts: Sequence[Mapping[str, Any]], quantity: str, ax: Axes) -> Axes:
    """The effort of each reading, in its order; a line where another version of the networks answered first.

    Parameters
    ----------
    efforts : sequence of mapping
        `ended`, `version` and the quantities, see `lib.retraining.effort_history.ReadingEffort`.
    quantity : "seconds" or "clicks"
    ax : Axes
    """
    scale, name = (60.0, "minutes a case") if quantity == "seconds" else (1.0, f"{quantity} a case")
    points = [(n, effort[quantity] / scale) for n, effort in enumerate(efforts) if quantity in effort]
    ax.plot([n for n, _ in points], [value for _, value in points], linestyle="", marker="o", markersize=3, color=COLOURS[0])
    versions = [effort["version"] for effort in efforts]
    for n in range(1, len(versions)):
        if versions[n] != versions[n - 1]:
            ax.axvline(n - 0.5, color=FAINT_INK, linewidth=0.6, linestyle=(0, (3, 3)))
            where = ("data", "axes fraction")
            ax.annotate(str(versions[n]), (n - 0.4, 1), xycoords=where, fontsize=5.5, color=FAINT_INK, va="top")
    dates = [datetime.fromisoformat(effort["ended"]).strftime("%d.%m.") for effort in efforts]
    step = max(1, len(dates) // 6)
    ax.set_xticks(range(0, len(dates), step), dates[::step])
    ax.set_ylim(bottom=0)
    ax.set_ylabel(name)
    return tidy(ax)


def gain_figure(versions: Sequence[Mapping[str, Any]], efforts: Sequence[Mapping[str, Any]]) -> Figure:
    """Dice before and after, minutes and clicks a case."""
    figure = new_chart(200, 65)
    dice, minutes, clicks = figure.subplots(1, 3)
    draw_dice_gain(versions, dice)
    draw_effort(efforts, "seconds", minutes)
    draw_effort(efforts, "clicks", clicks)
    return figure
