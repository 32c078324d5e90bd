"""Drawings of a page about the authors' repository: their learning curves, Dice of the test slices, regions, the workflow."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from ..core.volume import Mask, Volume
from .canvas import new_chart, tidy
from .cohort_slices import MARGIN_MM, CodedVoxels, draw_slice
from .learning_curves import HELD_OUT, LEARNT
from .paper import FAINT_INK, INK
from .slice_dice import FOUND_COLOUR, MANUAL_COLOUR, draw_outlines
from .view import View

SERIES_INK = {"paper": "#6b7785", "released": "#c8531c", "ours": "#3b6ea5"}
_GRADES = {1: "#ffd600", 2: "#e2231a"}
_CLEANED = {1: "#35b6ff"}


def draw_epochs(curves: np.ndarray, ax: Axes, what: str) -> Axes:
    """Training and validation, the columns of an `(epochs, 2)` float array of `what`, against epoch from 1."""
    epochs = np.arange(1, len(curves) + 1)
    for column, colour in ((0, LEARNT), (1, HELD_OUT)):
        ax.plot(epochs, curves[:, column], color=colour, linewidth=0.9)
    ax.set(xlabel="epoch", ylabel=what, xlim=(0, len(curves) + 1))
    return tidy(ax)


def published_curves_figure(partitions: Mapping[str, Mapping[str, np.ndarray]]) -> Figure:
    """A column per partition: loss (logarithmic, since theirs is a sum over steps) over soft Dice.

    Parameters
    ----------
    partitions : mapping
        Of each partition `loss` and `soft dice`, `(epochs, 2)` arrays of training and validation; either may be missing.
    """
    figure = new_chart(20 + 40 * len(partitions), 84)
    axes = figure.subplots(2, len(partitions), squeeze=False, sharey="row")
    for column, (name, curves) in zip(axes.T, partitions.items(), strict=True):
        for ax, what in zip(column, ("loss", "soft dice"), strict=True):
            if what in curves:
                draw_epochs(curves[what], ax, what.replace("dice", "Dice"))
        column[0].set_title(f"partition {name}", fontsize=7.5, color=INK, loc="left")
        column[0].set_yscale("log")
        column[1].set_ylim(0.8, 1.0)
    for ax in axes[:, 1:].flat:
        ax.set_ylabel("")
    lines = [Line2D([], [], color=colour, linewidth=1.2) for colour in (LEARNT, HELD_OUT)]
    figure.legend(lines, ["training", "validation"], loc="outside lower left", ncols=2, fontsize=7, frameon=False, labelcolor=INK)
    return figure


def slices_of_test_figure(scans: Mapping[str, Mapping[str, Sequence[float | None]]]) -> Figure:
    """A panel per test scan: 2-D Dice of every slice, one line for the paper's table and one for each ensemble.

    Parameters
    ----------
    scans : mapping
        Of each scan the series by name ("paper", "released", "ours"), slice by slice; None where a slice has none.
    """
    figure = new_chart(min(180, 30 + 75 * len(scans)), 60)
    axes = figure.subplots(1, len(scans), squeeze=False, sharey=True)[0]
    names = dict.fromkeys(name for series in scans.values() for name in series)
    for ax, (case, series) in zip(axes, scans.items(), strict=True):
        for name, values in series.items():
            dices = np.array([np.nan if dice is None else dice for dice in values])
            ax.plot(np.arange(1, len(dices) + 1), dices, color=SERIES_INK[name], linewidth=1.0, marker=".", markersize=3)
        ax.set_title(case, fontsize=7.5, color=INK, loc="left")
        ax.set(xlabel="slice", ylim=(min(0.8, *ax.get_ylim()), 1.0))
        tidy(ax)
    axes[0].set_ylabel("2-D Dice")
    lines = [Line2D([], [], color=SERIES_INK[name], linewidth=1.2) for name in names]
    figure.legend(lines, list(names), loc="outside lower left", ncols=3, fontsize=7, frameon=False, labelcolor=INK)
    return figure


def regions_figure(t1w: np.ndarray, manual: np.ndarray, regions: Mapping[str, np.ndarray], dices: Mapping[str, float]) -> Figure:
    """One hung slice alone, and with the manual outline beside the region that each ensemble found.

    Parameters
    ----------
    t1w : (rows, columns) float array
        Any intensities.
    manual : (rows, columns) bool array
    regions : mapping
        By ensemble, `(rows, columns)` bool.
    dices : mapping
        By ensemble, the 2-D Dice on this slice.
    """
    figure = new_chart(180, 66 if len(regions) > 1 else 92)
    axes = figure.subplots(1, 1 + len(regions))
    nothing = np.zeros_like(manual)
    draw_outlines(t1w, nothing, nothing, axes[0]).set_title("T1W", fontsize=7.5, color=INK, loc="left")
    for ax, (name, answer) in zip(axes[1:], regions.items(), strict=True):
        draw_outlines(t1w, manual, answer, ax).set_title(f"{name}, Dice {dices[name]:.3f}", fontsize=7.5, color=INK, loc="left")
    lines = [Line2D([], [], color=colour, linewidth=1.6) for colour in (MANUAL_COLOUR, FOUND_COLOUR)]
    figure.legend(lines, ["drawn by hand", "found"], loc="outside lower left", ncols=2, fontsize=7, frameon=False, labelcolor=INK)
    return figure


def workflow_figure(stir: Volume, grade: np.ndarray, cleaned: Mask, k: int) -> Figure:
    """One STIR slice alone, with the automatic segmentation, and with what a reader left of it; `grade` is `(I, J, K)`."""
    view = View.around((grade > 0) | cleaned.data, stir.grid, MARGIN_MM)
    figure = new_chart(180, 70)
    axes = figure.subplots(1, 3)
    draw_slice(stir, k, view, axes[0])
    draw_slice(stir, k, view, axes[1], marked=CodedVoxels(grade, _GRADES))
    draw_slice(stir, k, view, axes[2], marked=CodedVoxels(cleaned.data.astype(np.uint8), _CLEANED))
    for ax, name in zip(axes, ("STIR", "automatic", "cleaned by a reader"), strict=True):
        ax.set_title(name, fontsize=7.5, color=INK)
    patches = [Patch(color=colour) for colour in (*_GRADES.values(), *_CLEANED.values())]
    names = ["sensitive threshold", "conservative threshold", "left by the reader"]
    figure.legend(patches, names, loc="outside lower center", ncols=3, fontsize=7, frameon=False, labelcolor=FAINT_INK)
    return figure
