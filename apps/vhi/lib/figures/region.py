"""A disease region on a series, slice by slice, where nothing was measured, with the places that a reader would click."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageDraw

from ..core.normal_bone import Voxel
from ..core.volume import Mask, Volume
from .chart import Text, write
from .mosaic import grey_tiles, mask_tiles, outline, painted
from .paper import NORMAL_BONE_COLOUR, REGION_COLOUR
from .view import MARGIN_MM, View

COLUMNS = 5
MOST_SLICES = 25
_TILE_WIDTH = 285  # pixels
_CIRCLE = 7  # radius of a mark in pixels


def region_mosaic(image: Volume, region: Mask, places: Sequence[Voxel] = ()) -> np.ndarray:
    """Every slice of the region, hung and cropped to it, with its outline; numbered as a reader counts, from 1.

    Parameters
    ----------
    image : Volume
    region : Mask
        On the grid of `image`, not empty.
    places : sequence of (i, j, k)
        Marked by their number from 1.

    Returns
    -------
    (rows, columns, 3) uint8 array
    """
    view = View.around(region.data, image.grid, MARGIN_MM)
    slices = [int(k) for k in np.flatnonzero(region.data.any(axis=(0, 1)))[:MOST_SLICES]]
    pixels_per_mm = _TILE_WIDTH / view.size_mm[1]
    grey = grey_tiles(view, image.data, slices, pixels_per_mm)
    tiles = painted(grey, [(outline(mask_tiles(view, region.data, slices, pixels_per_mm)), REGION_COLOUR, 1.0)])
    height, width = tiles.shape[1:3]
    columns = min(COLUMNS, len(slices))
    picture = Image.new("RGB", (columns * width, -(-len(slices) // columns) * height), "black")
    pen = ImageDraw.Draw(picture)
    for n, (k, tile) in enumerate(zip(slices, tiles, strict=True)):
        left, top = n % columns * width, n // columns * height
        picture.paste(Image.fromarray(tile), (left, top))
        write(pen, Text((left + 4, top + 4), f"{k + 1}", 12, "white", "lt", bold=True), 1.0)
        for number, place in enumerate(places, start=1):
            if place[2] == k:
                y, x = (at * size for at, size in zip(_within(view, place), (height, width), strict=True))
                box = (left + x - _CIRCLE, top + y - _CIRCLE, left + x + _CIRCLE, top + y + _CIRCLE)
                pen.ellipse(box, outline=NORMAL_BONE_COLOUR, width=2)
                write(pen, Text((left + x, top + y), f"{number}", 10, "white"), 1.0)
    return np.asarray(picture)


def _within(view: View, place: Voxel) -> tuple[float, float]:
    """Where the middle of a voxel lies in a tile: shares of its height and width."""
    _, row, column = view.hanging.hung_index(place, view.grid.shape)
    return (
        (row + 0.5 - view.rows.start) / (view.rows.stop - view.rows.start),
        (column + 0.5 - view.columns.start) / (view.columns.stop - view.columns.start),
    )
