"""Regions in a flattened label map, where segments that come later have covered parts of them."""

from __future__ import annotations

import numpy as np

from .library import ndimage
from .volume import Mask


def equals_but_for_covered(drawn: Mask, known: Mask, covering: np.ndarray) -> bool:
    """Whether a drawing is a known region but for what other segments cover of it.

    Parameters
    ----------
    drawn, known : Mask
        On one grid.
    covering : (I, J, K) bool array
        Where segments lie that cover this one.
    """
    return bool(np.array_equal(drawn.data | (known.data & covering), known.data))


def without_holes(drawn: Mask, before: Mask | None, covering: np.ndarray, *, touching: bool = False) -> Mask:
    """A region without the holes that flattening punched into it.

    Parameters
    ----------
    drawn : Mask
        As it came out of the map.
    before : Mask or None
        The region that the drawing started from.
    covering : (I, J, K) bool array
        Where segments lie that cover this one.
    touching : bool
        Fill only what is joined to the drawing: of a region that was drawn anew elsewhere, the old place is no hole.

    Returns
    -------
    Mask
        `drawn`, and what of `before` lies under other segments.
    """
    if before is None:
        return drawn
    filled = drawn.data | (before.data & covering)
    return Mask(ndimage.binary_propagation(drawn.data, mask=filled) if touching else filled, drawn.grid, drawn.name)
