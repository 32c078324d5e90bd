"""An earlier visit and this one, slice by slice, on one scale."""

from __future__ import annotations

import numpy as np
from matplotlib.figure import Figure

from ..core.change import Change
from .cohort_slices import CHANGE_COLOURS, MARGIN_MM, CodedVoxels, draw_slice, slices_paper
from .paper import INK
from .view import View

MOST_SLICES = 4
# STIR over the sensitive threshold
WINDOW = (0.0, 2.5)


def two_visits_figure(change: Change) -> Figure:
    """Rows: both visits. Columns: the slices in which most was marked at either visit.

    Parameters
    ----------
    change : Change
        With both STIR scans.
    """
    if change.codes is None or change.earlier_stir is None or change.now_stir is None:
        raise ValueError("Both visits need a STIR scan to be drawn.")
    marked = np.asarray((change.codes > 0).any(axis=0))
    area = np.count_nonzero(marked, axis=(0, 1))
    slices = sorted(int(k) for k in np.argsort(-area, kind="stable")[:MOST_SLICES])
    view = View.around(marked if marked.any() else change.now_stir.data > 0, change.now_stir.grid, MARGIN_MM)
    figure, axes = slices_paper(2, len(slices), view)
    for row, stir, codes, name in zip(
        axes, (change.earlier_stir, change.now_stir), change.codes, ("earlier visit", "this visit"), strict=True
    ):
        for ax, k in zip(row, slices, strict=True):
            draw_slice(stir, k, view, ax, marked=CodedVoxels(codes, CHANGE_COLOURS), window=WINDOW)
        row[0].set_ylabel(name, fontsize=7.5, color=INK)
    return figure
