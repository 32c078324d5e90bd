"""How settings of a search compare: one dot per fold, one line per setting."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from .canvas import new_chart, tidy
from .paper import INK

COLOURS = ("#3b6ea5", "#c8531c", "#5b8c3e", "#7b5ea7")


def draw_settings(
    fold_dices: Mapping[tuple[int, int], Sequence[float]], epochs: Sequence[int], levels: Sequence[int], ax: Axes
) -> Axes:
    """Mean slice Dice against resolution levels, side by side for each number of epochs.

    Parameters
    ----------
    fold_dices : mapping
        `(epochs, levels)` to the Dice of each fold; the short line marks their mean.
    epochs, levels : sequence of int
        What is shown side by side, and along the axis.
    """
    for n, epoch in enumerate(epochs):
        for place, level in enumerate(levels):
            dices = fold_dices.get((epoch, level), ())
            if not len(dices):
                continue
            at = place + 0.3 * (n - (len(epochs) - 1) / 2)
            ax.plot([at] * len(dices), dices, ".", color=COLOURS[n], markersize=4, alpha=0.8)
            ax.plot([at - 0.11, at + 0.11], [np.mean(dices)] * 2, color=COLOURS[n], linewidth=1.4)
    ax.set_xticks(range(len(levels)), [str(level) for level in levels])
    ax.set_xlim(-0.6, len(levels) - 0.4)
    ax.set_xlabel("resolution levels")
    ax.set_ylabel("mean slice Dice, held out")
    return tidy(ax)


def search_figure(fold_dices: Mapping[tuple[int, int, int], Sequence[float]]) -> Figure:
    """A panel per kernel.

    Parameters
    ----------
    fold_dices : mapping
        `(epochs, levels, kernel)` to the mean slice Dice of each fold.
    """
    epochs, levels, kernels = (sorted({key[n] for key in fold_dices}) for n in range(3))
    figure = new_chart(30 + 60 * len(kernels), 75)
    axes = figure.subplots(1, len(kernels), squeeze=False, sharey=True)[0]
    for ax, kernel in zip(axes, kernels, strict=True):
        draw_settings({key[:2]: dices for key, dices in fold_dices.items() if key[2] == kernel}, epochs, levels, ax)
        ax.set_title(f"kernel {kernel} x {kernel}", fontsize=7.5, color=INK, loc="left")
    for ax in axes[1:]:
        ax.set_ylabel("")
    lines = [Line2D([], [], color=colour, linewidth=1.4) for colour in COLOURS[: len(epochs)]]
    names = [f"{epoch} epochs" for epoch in epochs]
    figure.legend(lines, names, loc="outside lower left", ncols=len(names), fontsize=7, frameon=False, labelcolor=INK)
    return figure
