"""The gain of a site's ensemble from round to round of retraining, in a simulation."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from .canvas import new_chart, tidy
from .paper import FAINT_INK, INK

COLOURS = ("#8a949f", "#3b6ea5", "#c8531c", "#5b8c3e")
ATYPICAL, TYPICAL = "#c8531c", "#3b6ea5"


def draw_rounds(dice: Mapping[str, np.ndarray], ax: Axes) -> Axes:
    """`(seeds, rounds)` Dice of each strategy: the mean as a line, each seed as a faint one."""
    for colour, (name, values) in zip(COLOURS, dice.items(), strict=False):
        rounds = np.arange(values.shape[1])
        for of_seed in values:
            ax.plot(rounds, of_seed, color=colour, linewidth=0.5, alpha=0.35)
        ax.plot(rounds, values.mean(axis=0), color=colour, linewidth=1.6, marker=".", label=name)
    ax.legend(fontsize=6.5, frameon=False, labelcolor=INK)
    ax.set_xlabel("scans read since the start")
    ax.set_ylabel("mean slice Dice, scans never picked")
    ax.xaxis.set_major_locator(MaxNLocator(integer=True))
    return tidy(ax)


def draw_gains(gains: Mapping[str, Mapping[str, np.ndarray]], ax: Axes, allowed_loss: float) -> Axes:
    """Change of Dice of each variant, mean of its rounds: a dot per seed, the mean as a line; a dashed line at the loss allowed.

    Parameters
    ----------
    gains : mapping
        By variant, `(seeds, rounds)` arrays under `atypical` and `typical`.
    """
    for place, gain in enumerate(gains.values()):
        for shift, what, colour in ((0.17, "atypical", ATYPICAL), (-0.17, "typical", TYPICAL)):
            values = gain[what].mean(axis=1)
            label = f"{what} scans, not learnt" if place == 0 else None
            ax.plot(values, [place + shift] * len(values), ".", color=colour, markersize=4, alpha=0.8, label=label)
            ax.plot([values.mean()] * 2, [place + shift - 0.13, place + shift + 0.13], color=colour, linewidth=1.6)
    ax.axvline(0, color=FAINT_INK, linewidth=0.6)
    ax.axvline(-allowed_loss, color=FAINT_INK, linewidth=0.6, linestyle=(0, (3, 3)))
    ax.set_yticks(range(len(gains)), list(gains))
    ax.invert_yaxis()
    ax.legend(fontsize=6.5, frameon=False, labelcolor=INK, loc="upper left")
    ax.set_xlabel("change of the mean slice Dice, mean of the rounds")
    return tidy(ax)


def learning_loop_figure(
    dice: Mapping[str, np.ndarray], gains: Mapping[str, Mapping[str, np.ndarray]], allowed_loss: float = 0.005
) -> Figure:
    """Strategies round by round, and how far atypical scans move Dice on the others; arrays `(seeds, rounds)`.

    See `draw_rounds` for `dice` and `draw_gains` for `gains`.
    """
    figure = new_chart(180, 75)
    rounds, arrivals = figure.subplots(1, 2)
    draw_rounds(dice, rounds)
    draw_gains(gains, arrivals, allowed_loss)
    return figure
