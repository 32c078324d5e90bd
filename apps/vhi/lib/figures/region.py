"""A disease region on a series, slice by slice, where nothing was measured, with the places that a reader would click."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from ..core.normal_bone import Voxel
from ..core.volume import Mask, Volume
from .paper import NORMAL_BONE_COLOUR, REGION_COLOUR
from .view import MARGIN_MM, View

COLUMNS = 5
MOST_SLICES = 25
_TILE_INCHES = 1.9


def region_figure(image: Volume, region: Mask, places: Sequence[Voxel] = ()) -> Figure:
    """Every slice of the region, hung and cropped to it, with its outline.

    Parameters
    ----------
    image : Volume
    region : Mask
        On the grid of `image`, not empty.
    places : sequence of (i, j, k)
        Marked by their number from 1.
    """
    view = View.around(region.data, image.grid, MARGIN_MM)
    slices = np.flatnonzero(region.data.any(axis=(0, 1)))[:MOST_SLICES]
    columns = min(COLUMNS, len(slices))
    rows = -(-len(slices) // columns)
    height_mm, width_mm = view.size_mm
    figure = Figure(figsize=(columns * _TILE_INCHES, rows * _TILE_INCHES * height_mm / width_mm), facecolor="black")
    FigureCanvasAgg(figure)
    grey, outline = view.crop(image.data), view.crop(region.data)
    low, high = np.percentile(grey[slices], [1.0, 99.7])
    for n, k in enumerate(slices):
        ax = figure.add_axes((n % columns / columns, 1 - (n // columns + 1) / rows, 1 / columns, 1 / rows))
        ax.imshow(grey[k], cmap="gray", vmin=low, vmax=max(high, low + 1e-6), aspect=view.row_mm / view.column_mm)
        ax.contour(outline[k], levels=[0.5], colors=[np.array(REGION_COLOUR) / 255], linewidths=0.6)
        ax.text(3, 3, f"{k + 1}", color="white", fontsize=6, va="top", fontweight="bold")
        ax.set_axis_off()
        _mark(ax, view, int(k), places)
    return figure


def _mark(ax: Axes, view: View, k: int, places: Sequence[Voxel]) -> None:
    for number, place in enumerate(places, start=1):
        if place[2] == k:
            _, row, column = view.hanging.hung_index(place, view.grid.shape)
            at = column - view.columns.start, row - view.rows.start
            ax.plot(*at, marker="o", markersize=7, markerfacecolor="none", markeredgecolor=np.array(NORMAL_BONE_COLOUR) / 255)
            ax.text(at[0], at[1], f"{number}", color="white", fontsize=5, ha="center", va="center")
