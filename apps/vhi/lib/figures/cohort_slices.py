"""Pictures of single cases: slices on which two readers disagree, and a patient before and after treatment."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from matplotlib.patheffects import withStroke

from ..core.volume import Mask, Volume
from .canvas import new_chart
from .cohort_style import VISIT_WORDS, literal_text
from .paper import INK, MM_PER_INCH
from .view import View

MARGIN_MM = 22.0
OPACITY = 0.55
BOTH, FIRST_ONLY, SECOND_ONLY = 1, 2, 3
READER_COLOURS = {BOTH: "#ffd600", FIRST_ONLY: "#ff6f3c", SECOND_ONLY: "#35b6ff"}
RESOLVED, PERSISTING, NEW = 1, 2, 3
CHANGE_COLOURS = {RESOLVED: "#2bd48f", PERSISTING: "#ffd600", NEW: "#ff4d3d"}


@dataclass(frozen=True)
class CodedVoxels:
    """Voxels and their colours: `codes` is `(I, J, K)` int on the scan's grid, 0 for none."""

    codes: np.ndarray
    colours: Mapping[int, str]


def draw_slice(
    stir: Volume,
    k: int,
    view: View,
    ax: Axes,
    *,
    marked: CodedVoxels | None = None,
    window: tuple[float, float] | None = None,
) -> Axes:
    """One STIR slice with marked voxels in colour.

    `window` is the range of intensities shown; that of the scan itself when absent.
    """
    # grey values of what is shown: bowel and vessels outside would darken the bone
    low, high = window or np.percentile(view.crop(stir.data), [1.0, 99.7])
    aspect = view.row_mm / view.column_mm
    ax.imshow(view.crop(stir.data)[k], cmap="gray", vmin=low, vmax=max(high, low + 1e-6), aspect=aspect)
    if marked is not None:
        shown = view.crop(marked.codes)[k]
        picture = np.zeros((*shown.shape, 4))
        for code, colour in marked.colours.items():
            picture[shown == code] = [*(int(colour[n : n + 2], 16) / 255 for n in (1, 3, 5)), OPACITY]
        # nearest: what is coloured is what was counted, voxel by voxel
        ax.imshow(picture, interpolation="nearest", aspect=aspect)
    ax.set_xticks([])
    ax.set_yticks([])
    for spine in ax.spines.values():
        spine.set_visible(False)
    inside: dict[str, Any] = {"color": "white", "fontsize": 6.5, "transform": ax.transAxes}
    # readable on fat and on air
    inside["path_effects"] = [withStroke(linewidth=1.4, foreground="black")]
    ax.text(0.02, 0.97, f"{k + 1}", va="top", fontweight="bold", **inside)
    ax.text(0.02, 0.5, "R", va="center", **inside)
    ax.text(0.98, 0.5, "L", va="center", ha="right", **inside)
    return ax


def disagreement_codes(first: Mask, second: Mask) -> np.ndarray:
    """`(I, J, K)` uint8: which reader marked a voxel."""
    both, either = first.data & second.data, first.data | second.data
    return np.where(both, BOTH, np.where(first.data, FIRST_ONLY, SECOND_ONLY)).astype(np.uint8) * either


def disagreement_figure(stir: Volume, first: Mask, second: Mask, readers: tuple[str, str], slices: Sequence[int]) -> Figure:
    """Rows: slices. Columns: STIR, and the same with the first and the second reader's mask.

    Parameters
    ----------
    slices : sequence of int
        Indices along K, from 0; printed from 1, as a reader counts.
    """
    view = View.around(first.data | second.data, stir.grid, MARGIN_MM)
    codes = disagreement_codes(first, second)
    names = ("STIR", f"reader {literal_text(readers[0])}", f"reader {literal_text(readers[1])}")
    figure, axes = slices_paper(len(slices), 3, view)
    for row, k in zip(axes, slices, strict=True):
        draw_slice(stir, k, view, row[0])
        draw_slice(stir, k, view, row[1], marked=CodedVoxels(codes * first.data, READER_COLOURS))
        draw_slice(stir, k, view, row[2], marked=CodedVoxels(codes * second.data, READER_COLOURS))
    for ax, name in zip(axes[0], names, strict=True):
        ax.set_title(name, fontsize=7.5, color=INK)
    _colour_legend(figure, READER_COLOURS, ("both readers", f"{names[1]} only", f"{names[2]} only"))
    return figure


def before_after_figure(visits: Mapping[str, Volume], codes: Mapping[str, np.ndarray], slices: Sequence[int]) -> Figure:
    """Rows: both visits, and both with what was marked. Columns: slices of the aligned scans.

    Parameters
    ----------
    visits : mapping
        STIR of `baseline` and `follow_up` on one grid.
    codes : mapping
        Of each visit `(I, J, K)`: `RESOLVED`, `PERSISTING` or `NEW` where inflammation was marked.
    slices : sequence of int
    """
    marked = np.logical_or.reduce([of_visit > 0 for of_visit in codes.values()])
    view = View.around(marked, visits["baseline"].grid, MARGIN_MM)
    figure, axes = slices_paper(2 * len(visits), len(slices), view, width_mm=min(180.0, 62.0 * len(slices)))
    for n, (visit, stir) in enumerate(visits.items()):
        for m, k in enumerate(slices):
            draw_slice(stir, k, view, axes[2 * n, m])
            draw_slice(stir, k, view, axes[2 * n + 1, m], marked=CodedVoxels(codes[visit], CHANGE_COLOURS))
        axes[2 * n, 0].set_ylabel(VISIT_WORDS[visit], fontsize=7.5, color=INK)
        axes[2 * n + 1, 0].set_ylabel(f"{VISIT_WORDS[visit]}, inflammation", fontsize=7.5, color=INK)
    _colour_legend(figure, CHANGE_COLOURS, ("resolved lesion", "lesion at both visits", "new lesion"))
    return figure


def slices_paper(rows: int, columns: int, view: View, width_mm: float = 180.0) -> tuple[Figure, np.ndarray]:
    """A figure `width_mm` wide and its axes, a `(rows, columns)` array of matplotlib's objects, which each hold one slice."""
    height, width = view.size_mm
    height_mm = width_mm / columns * height / width * rows + 12
    figure = new_chart(width_mm, min(height_mm, 250.0))
    layout = figure.get_layout_engine()
    if layout is not None:
        layout.set(w_pad=0.4 / MM_PER_INCH, h_pad=0.4 / MM_PER_INCH, wspace=0.01, hspace=0.01)  # type: ignore[call-arg]
    return figure, figure.subplots(rows, columns, squeeze=False)


def _colour_legend(figure: Figure, colours: Mapping[int, str], names: Sequence[str]) -> None:
    patches = [Patch(color=colour) for colour in colours.values()]
    figure.legend(patches, names, loc="outside lower center", ncols=3, fontsize=7, frameon=False, labelcolor=INK)
