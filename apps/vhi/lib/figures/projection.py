"""Where the inflammation is: all slices seen at once from the front."""

from __future__ import annotations

import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.colors import ListedColormap

from ..core.pipeline import VhiResult
from .canvas import INK
from .view import View

# the dark end of the map would vanish on the silhouette
_HEAT = ListedColormap(colormaps["inferno"](np.linspace(0.3, 0.97, 64)))


def draw_projection(result: VhiResult, ax: Axes) -> Axes:
    """Depth of inflammation along the slice direction [mm] over the silhouette of the disease region, with each side's volume.

    The dashed line is where the sagittal plane that divides left from right meets the slice through the region's centroid.
    """
    view = View.of(result)
    height, width = view.size_mm
    extent = (0.0, width, height, 0.0)
    silhouette = view.crop(result.disease_region.mask.data).any(axis=0)
    depth_mm = np.count_nonzero(view.crop(result.grade), axis=0) * result.stir.grid.spacing_mm[2]
    ax.imshow(np.where(silhouette, 0.24, 0.0), cmap="gray", vmin=0, vmax=1, extent=extent, interpolation="nearest")
    heat = ax.imshow(
        np.ma.masked_equal(depth_mm, 0),
        cmap=_HEAT,
        vmin=0,
        vmax=max(float(depth_mm.max()), 1.0),
        extent=extent,
        interpolation="nearest",
    )
    _draw_midline(result, view, ax)
    for name, side, x, align in (("R", result.measurement.right, 0.03, "left"), ("L", result.measurement.left, 0.97, "right")):
        words = f"{name}\n{side.sensitive_mm3:,.0f} mm³"
        ax.text(x, 0.97, words, transform=ax.transAxes, color="white", fontsize=6.2, ha=align, va="top", linespacing=1.3)
    ax.set(xlim=(0, width), ylim=(height, 0), xticks=[], yticks=[])
    ax.spines[:].set_visible(False)
    if depth_mm.any():
        bar = ax.figure.colorbar(heat, cax=ax.inset_axes((0.0, -0.085, 1.0, 0.045)), orientation="horizontal")
        bar.set_label("depth of inflammation (mm)", size=6.5, color=INK, labelpad=2)
        bar.ax.tick_params(labelsize=6, length=2, width=0.5, colors=INK)
        bar.outline.set_visible(False)
    return ax


def _draw_midline(result: VhiResult, view: View, ax: Axes) -> None:
    voxels = np.count_nonzero(result.disease_region.mask.data, axis=(0, 1))
    x = view.x_mm(float(voxels @ np.arange(voxels.size) / max(voxels.sum(), 1)))
    at = np.arange(x.shape[1]) + 0.5
    # x runs from right to left along the columns, so it falls; np.interp wants it rising
    top, bottom = (float(np.interp(result.measurement.midline_mm, x[row, ::-1], at[::-1])) * view.column_mm for row in (0, -1))
    ax.plot([top, bottom], [0, view.size_mm[0]], color="white", linewidth=0.7, linestyle=(0, (4, 3)), alpha=0.8)
