"""How the thresholds follow from normal bone."""

from __future__ import annotations

import numpy as np

from ..core.pipeline import VhiResult
from .chart import Axis, Bar, Chart, Line, Text, round_values
from .paper import CONSERVATIVE_INK, FAINT_INK, NORMAL_BONE_INK, SENSITIVE_INK


def normal_bone_histogram(result: VhiResult, bins: int = 40) -> Chart:
    """STIR intensities of normal bone with quartiles, multiple and both thresholds."""
    t = result.thresholds
    values = result.normal_bone_values
    counts, edges = np.histogram(values, bins=bins)
    top = float(np.max(counts)) * 1.55
    low, high = min(float(values.min()), t.q1), max(float(values.max()), t.conservative)
    margin = 0.03 * (high - low)
    low, high = low - margin, high + margin
    chart = Chart(
        Axis(low, high, [(value, f"{value:g}") for value in round_values(low, high, 5)], "STIR intensity of normal bone"),
        Axis(0.0, top, [(value, f"{value:g}") for value in round_values(0.0, top, 6)], "voxels"),
    )
    for count, left, right in zip(counts, edges[:-1], edges[1:], strict=True):
        chart.marks.append(Bar((float(left), 0.0), (float(right), float(count)), NORMAL_BONE_INK))
    chart.marks += [
        Bar((t.q1, 0.0), (t.q3, 0.67 * top), FAINT_INK, 0.16),
        Text(((t.q1 + t.q3) / 2, top * 0.68), "Q1–Q3", 6, FAINT_INK, "mb"),
    ]
    # how the conservative one follows is said in the table beside: its words would reach beyond the axis
    for at, colour, words, y in (
        (t.sensitive, SENSITIVE_INK, f"sensitive {t.sensitive:.1f} = Q3 + {t.multiple:.2f} IQR", 1.0),
        (t.conservative, CONSERVATIVE_INK, f"conservative {t.conservative:.1f}", 0.92),
    ):
        chart.marks += [
            Line([(at, 0.0), (at, top)], colour, 1.2),
            Text((t.sensitive, top * y), words, 6, colour, "rt", offset=(-3, 0)),
        ]
    return chart
