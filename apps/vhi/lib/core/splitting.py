"""One lesion in two: at its narrowest bridge, or along a stroke."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise

import numpy as np
from skimage.draw import line

from .library import ndimage
from .polygon import Point

MOST_LEVELS = 40
_TOUCHING = np.ones((3, 3, 3))


def split_at_bridge(lesion: np.ndarray, spacing_mm: Sequence[float]) -> np.ndarray | None:
    """Two pieces of a lesion that hang together by a bridge, the one that is narrowest beside them.

    Depth is a voxel's distance from the nearest voxel outside. Of all places where two pieces that are deeper meet, that one is
    taken whose depth is least in proportion to the deepest point of the shallower piece; the rest of the lesion goes to the
    pieces by a watershed on depth.

    Parameters
    ----------
    lesion : (I, J, K) bool array
    spacing_mm : (3,) floats

    Returns
    -------
    (I, J, K) int array or None
        0 outside, 1 the deeper piece, 2 the other; None for a lesion without a bridge.
    """
    depth = ndimage.distance_transform_edt(np.pad(lesion, 1), sampling=spacing_mm)[1:-1, 1:-1, 1:-1]
    levels = np.unique(depth[lesion])
    if levels.size > MOST_LEVELS:
        levels = np.unique(np.quantile(levels, np.linspace(0, 1, MOST_LEVELS), method="nearest"))
    best, markers, above, count = 1.0, None, np.zeros(lesion.shape, dtype=np.intp), 0
    for level in levels[::-1]:
        now, groups = ndimage.label(lesion & (depth >= level), _TOUCHING)
        if count > groups or count > 1:
            names = np.arange(1, count + 1)
            peak = np.asarray(ndimage.maximum(depth, above, names))
            joined = np.asarray(ndimage.maximum(now, above, names))  # what each piece has become part of
            for piece in np.unique(joined):
                together = names[joined == piece]
                if together.size < 2:
                    continue
                deepest, other = together[np.argsort(-peak[together - 1], kind="stable")[:2]]
                narrowness = float(peak[other - 1] / level)
                if narrowness > best:
                    best, markers = narrowness, np.where(above == deepest, 1, np.where(above == other, 2, 0))
        above, count = now, groups
    from skimage.segmentation import watershed  # takes a while to import, and is needed here alone

    return None if markers is None else np.asarray(watershed(-depth, markers, mask=lesion, connectivity=_TOUCHING))


def split_along(lesion: np.ndarray, stroke: Sequence[Point]) -> np.ndarray | None:
    """The pieces that a cut leaves: a stroke on one slice, carried through all slices along their normal.

    Parameters
    ----------
    lesion : (I, J, K) bool array
    stroke : sequence of (i, j)
        Points of a line, joined in order.

    Returns
    -------
    (I, J, K) int array or None
        0 outside, 1 for the largest piece, 2 and so on for the others; voxels of the cut itself belong to the nearest piece. None
        where the lesion still hangs together.
    """
    cut = drawn_stroke(stroke, lesion.shape[:2])
    # thick enough that pieces do not touch across it by their corners
    cut = ndimage.binary_dilation(cut, ndimage.generate_binary_structure(2, 1))
    apart, count = ndimage.label(lesion & ~cut[:, :, None], _TOUCHING)
    if count < 2:
        return None
    order = np.argsort(-np.bincount(apart.ravel(), minlength=count + 1)[1:], kind="stable")
    rank = np.zeros(count + 1, dtype=np.intp)
    rank[1 + order] = np.arange(1, count + 1)
    nearest = ndimage.distance_transform_edt(apart == 0, return_distances=False, return_indices=True)
    return np.asarray(np.where(lesion, rank[apart[tuple(nearest)]], 0))


def drawn_stroke(stroke: Sequence[Point], shape: tuple[int, ...]) -> np.ndarray:
    """The voxels of a slice under a stroke, `(I, J)` bool."""
    drawn = np.zeros(shape, dtype=bool)
    for first, second in pairwise(stroke):
        rows, columns = line(*(round(value) for value in (*first, *second)))
        within = (rows >= 0) & (rows < shape[0]) & (columns >= 0) & (columns < shape[1])
        drawn[rows[within], columns[within]] = True
    return drawn


def in_its_box(lesion: np.ndarray, split: Callable[[np.ndarray, tuple[int, int]], np.ndarray | None]) -> np.ndarray | None:
    """Pieces of a lesion, found in the box around it: nothing beyond matters, and a scan is a thousand times as large.

    Parameters
    ----------
    lesion : (I, J, K) bool array
    split : callable
        Given the box and the I and J where it begins, gives pieces on the box.
    """
    spans = [np.flatnonzero(lesion.any(axis=others)) for others in ((1, 2), (0, 2), (0, 1))]
    box = tuple(slice(int(span[0]), int(span[-1]) + 1) for span in spans)
    in_box = split(lesion[box], (box[0].start, box[1].start))
    if in_box is None:
        return None
    pieces = np.zeros(lesion.shape, dtype=in_box.dtype)
    pieces[box] = in_box
    return pieces
