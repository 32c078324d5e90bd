"""How the thresholds follow from normal bone."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes

from ..core.pipeline import VhiResult
from .canvas import CONSERVATIVE_INK, FAINT_INK, NORMAL_BONE_INK, SENSITIVE_INK, tidy


def draw_normal_bone_histogram(result: VhiResult, ax: Axes, bins: int = 40) -> Axes:
    """STIR intensities of normal bone with quartiles, multiple and both thresholds."""
    t = result.thresholds
    values = result.normal_bone_values
    counts, _, _ = ax.hist(values, bins=bins, color=NORMAL_BONE_INK, linewidth=0)
    top = float(np.max(counts)) * 1.55
    ax.axvspan(t.q1, t.q3, ymax=0.67, color=FAINT_INK, alpha=0.16, linewidth=0)
    ax.text((t.q1 + t.q3) / 2, top * 0.68, "Q1–Q3", fontsize=6, color=FAINT_INK, ha="center", va="bottom")
    upper = result.settings.threshold_rule.upper_limit(t.rule)
    for at, colour, words, y in (
        (t.sensitive, SENSITIVE_INK, f"sensitive {t.sensitive:.1f} = Q3 + {t.multiple:.2f} IQR", 1.0),
        (t.conservative, CONSERVATIVE_INK, f"conservative {t.conservative:.1f} = {upper}", 0.92),
    ):
        ax.axvline(at, color=colour, linewidth=1.2)
        ax.annotate(
            words,
            (t.sensitive, top * y),
            xytext=(-3, 0),
            textcoords="offset points",
            fontsize=6,
            color=colour,
            ha="right",
            va="top",
        )
    low, high = min(float(values.min()), t.q1), max(float(values.max()), t.conservative)
    margin = 0.03 * (high - low)
    ax.set(xlim=(low - margin, high + margin), ylim=(0, top))
    ax.set_xlabel("STIR intensity of normal bone")
    ax.set_ylabel("voxels")
    return tidy(ax)
