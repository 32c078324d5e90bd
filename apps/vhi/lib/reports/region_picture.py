"""A small picture of a reader's disease region where it differs most from what the networks found."""

from __future__ import annotations

import numpy as np

from ..core.orientation import DisplayOrientation
from ..core.volume import Mask, Volume

_DPI = 100


def region_picture(t1w: Volume, region: Mask, expected: Mask | None) -> bytes:
    """PNG of one slice, the right way up: the reader's outline yellow, the networks' cyan.

    Parameters
    ----------
    t1w : Volume
    region : Mask
        Not empty, on the grid of `t1w`.
    expected : Mask or None
        The networks' region on the same grid; the reader's fullest slice is drawn where there is none.
    """
    from ..figures.canvas import new_chart, png_bytes  # matplotlib, which few submissions need
    from ..figures.slice_dice import draw_outlines

    other = np.zeros_like(region.data) if expected is None else expected.data
    k = int(np.count_nonzero(region.data ^ other, axis=(0, 1)).argmax())
    hanging = DisplayOrientation.of(t1w.grid)
    image, drawn, answer = (hanging.hang(array)[k] for array in (t1w.data, region.data, other))
    figure = new_chart(60, 60)
    draw_outlines(image, drawn, answer, figure.subplots())
    return png_bytes(figure, _DPI)
