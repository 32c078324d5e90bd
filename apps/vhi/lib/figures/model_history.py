"""How good the versions of the networks were, one after the other."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from .canvas import new_chart, tidy
from .paper import FAINT_INK, INK

COLOURS = ("#3b6ea5", "#c8531c", "#4c8c4a", "#7a5195")


@dataclass(frozen=True)
class VersionPoint:
    """One version: mean Dice by what it was measured on, that of the version it came from on the same, whether it was kept."""

    version: str
    accepted: bool
    dice: Mapping[str, float]
    parent_dice: Mapping[str, float] = field(default_factory=dict)


def draw_model_history(points: Sequence[VersionPoint], ax: Axes) -> Axes:
    """Mean Dice against the order of the versions; a cross where one was rejected, a dash for the version that it came from."""
    sets = list(dict.fromkeys(what for point in points for what in point.dice))
    for what, colour in zip(sets, COLOURS, strict=False):
        kept = [(n, point.dice[what]) for n, point in enumerate(points) if point.accepted and what in point.dice]
        ax.plot([n for n, _ in kept], [dice for _, dice in kept], color=colour, linewidth=0.9, marker="o", markersize=3.5)
        for n, point in enumerate(points):
            if what in point.dice and not point.accepted:
                ax.plot(n, point.dice[what], color=colour, marker="x", markersize=5)
            if what in point.parent_dice:
                ax.plot(n, point.parent_dice[what], color=colour, marker="_", markersize=9, alpha=0.6)
    ax.set_xticks(range(len(points)), [point.version for point in points], rotation=30, ha="right")
    ax.set_ylabel("mean Dice")
    return tidy(ax)


def model_history_figure(points: Sequence[VersionPoint]) -> Figure:
    """The chart with its key."""
    figure = new_chart(max(110, 40 + 14 * len(points)), 75)
    draw_model_history(points, figure.subplots())
    sets = list(dict.fromkeys(what for point in points for what in point.dice))
    keys = [Line2D([], [], color=colour, linewidth=1.2) for _, colour in zip(sets, COLOURS, strict=False)]
    marks = [Line2D([], [], color=FAINT_INK, linewidth=0, marker=marker, markersize=5) for marker in ("x", "_")]
    figure.legend(
        [*keys, *marks], [*sets, "rejected", "version it came from"],
        loc="outside upper left", ncols=3, fontsize=6.5, frameon=False, labelcolor=INK,
    )  # fmt: skip
    return figure
