"""The common style of a cohort's figures: colours, names as plain text, dots that do not cover each other."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from numpy.typing import ArrayLike

from .canvas import tidy
from .paper import FAINT_INK, INK

# told apart by everybody, also in grey: Okabe and Ito's vermilion and blue, and the paper's red, blue and green roles
VISIT_INK = {"baseline": "#c9401f", "follow_up": "#1f6fb2"}
VISIT_WORDS = {"baseline": "baseline", "follow_up": "follow-up"}
DIRECTION_INK = {"improved": "#12805c", "worsened": "#c9401f", "unchanged": "#7c8894"}
METHOD_INK = {"manual": "#7a5ea8", "semi-automatic": "#12805c"}
MEDIAN_INK = "#c9401f"
LINE_INK = "#1b2733"
BAND_INK = "#9fb2c4"
LIMIT_INK = "#7a5ea8"
BY_MEAN_INK = "#b35900"
COLUMN_MM = 60.0
DPI = 300.0


def literal_text(text: str) -> str:
    """A name as it is: no part of it is a formula."""
    return text.replace("$", r"\$")


def titled(ax: Axes, title: str, letter: str = "") -> Axes:
    """Axes with small type, a title, and the letter that a caption refers to."""
    tidy(ax)
    ax.set_title(literal_text(title), fontsize=7.5, color=INK, loc="left", x=0.07 if letter else 0.0)
    if letter:
        ax.annotate(
            letter, (0, 1), xycoords="axes fraction", xytext=(-9, 5), textcoords="offset points", fontsize=9, fontweight="bold"
        )
    return ax


def spread(values: ArrayLike, width: float = 0.32, bins: int = 24) -> np.ndarray:
    """`(n,)` sideways offsets in `[-width, width]` that part dots of about the same height, always alike."""
    heights = np.asarray(values, dtype=np.float64)
    offsets = np.zeros(heights.size)
    if heights.size < 2:
        return offsets
    low, high = float(heights.min()), float(heights.max())
    row = np.zeros(heights.size, dtype=int) if high == low else ((heights - low) / (high - low) * (bins - 1)).round().astype(int)
    for level in np.unique(row):
        members = np.flatnonzero(row == level)
        step = min(0.11, 2 * width / max(members.size - 1, 1))
        offsets[members] = (np.arange(members.size) - (members.size - 1) / 2) * step
    return offsets


def say_nothing(ax: Axes, reason: str) -> Axes:
    """Axes without data, with the reason."""
    ax.set_axis_off()
    ax.text(
        0.5, 0.5, literal_text(reason), ha="center", va="center", fontsize=7, color=FAINT_INK, transform=ax.transAxes, wrap=True
    )
    return ax
