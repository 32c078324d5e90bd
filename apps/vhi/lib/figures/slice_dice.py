"""How well a region was found, slice by slice, and what went wrong where."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from .canvas import new_chart, tidy
from .paper import FAINT_INK, INK

MANUAL_COLOUR, FOUND_COLOUR = "#ffd600", "#00cdd7"
_ENSEMBLE = "#3b6ea5"


def draw_slice_dice(dices: np.ndarray, members: Sequence[np.ndarray], ax: Axes) -> Axes:
    """2-D Dice against slice number, from 1: `dices` of the ensemble as a line, those of each of the `members` as faint points.

    All are `(K,)` floats from 0 to 1; `nan` leaves a gap.
    """
    numbers = np.arange(1, len(dices) + 1)
    for member in members:
        ax.plot(numbers, member, linestyle="", marker=".", markersize=2.5, color=FAINT_INK, alpha=0.6)
    ax.plot(numbers, dices, color=_ENSEMBLE, linewidth=1.0)
    ax.set(ylim=(0.5, 1.0), xlim=(0, len(dices) + 1))
    return tidy(ax)


def slice_dice_figure(cases: Mapping[str, tuple[np.ndarray, Sequence[np.ndarray]]], columns: int = 4) -> Figure:
    """One panel per scan, under its title: the ensemble's Dice of every slice, `(K,)`, and each member's."""
    rows = -(-len(cases) // columns)
    figure = new_chart(42 * columns, 6 + 32 * rows)
    axes = figure.subplots(rows, columns, squeeze=False, sharey=True)
    for ax, (title, (dices, members)) in zip(axes.flat, cases.items(), strict=False):
        draw_slice_dice(dices, members, ax)
        ax.set_title(title, fontsize=7, color=INK, loc="left")
    for ax in axes.flat[len(cases) :]:
        ax.set_visible(False)
    for ax in axes[-1]:
        ax.set_xlabel("slice")
    for ax in axes[:, 0]:
        ax.set_ylabel("2-D Dice")
    return figure


def draw_outlines(t1w: np.ndarray, manual: np.ndarray, region: np.ndarray, ax: Axes) -> Axes:
    """A hung T1W slice with the outlines of the manual (yellow) and the found region (cyan).

    All are `(rows, columns)`, the regions bool.
    """
    low, high = np.percentile(t1w, [1, 99.5])
    ax.imshow(t1w, cmap="gray", vmin=low, vmax=max(high, low + 1e-6), interpolation="nearest")
    for mask, colour in ((manual, MANUAL_COLOUR), (region, FOUND_COLOUR)):
        if mask.any():
            ax.contour(mask.astype(float), levels=[0.5], colors=colour, linewidths=0.9)
    ax.set_axis_off()
    return ax


def two_answers_figure(
    t1w: np.ndarray, manual: np.ndarray, answers: tuple[np.ndarray, np.ndarray], names: tuple[str, str], title: str
) -> Figure:
    """One slice twice, with the manual outline and that of one of two answers on each.

    All are `(rows, columns)`, the regions bool.
    """
    figure = new_chart(170, 92)
    for ax, answer, name in zip(figure.subplots(1, 2), answers, names, strict=True):
        draw_outlines(t1w, manual, answer, ax)
        ax.set_title(f"yellow: manual; cyan: {name}", fontsize=7.5, color=INK, loc="left")
    figure.suptitle(title, fontsize=7.5, color=INK, x=0.01, ha="left")
    return figure


def failure_figure(t1w: np.ndarray, manual: np.ndarray, region: np.ndarray, title: str) -> Figure:
    """One slice with both outlines beside the slice alone.

    All are `(rows, columns)`, the regions bool.
    """
    figure = new_chart(170, 92)
    plain, outlined = figure.subplots(1, 2)
    draw_outlines(t1w, np.zeros_like(manual), np.zeros_like(region), plain)
    draw_outlines(t1w, manual, region, outlined)
    plain.set_title(title, fontsize=7.5, color=INK, loc="left")
    outlined.set_title("yellow: manual; cyan: found", fontsize=7.5, color=INK, loc="left")
    return figure
