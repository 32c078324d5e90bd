"""Where inflammation is: its volume by part of the pelvis and side."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from .chart import Axis, Bar, Chart, Line, Text
from .paper import CONSERVATIVE_COLOUR, FAINT_INK, INK, SENSITIVE_COLOUR

# from above to below, as they lie on a coronal slice
ORDER = ("lumbar vertebrae", "disc", "facet joint", "sacrum", "sacroiliac joint space", "ilium", "other")
SIDES = ("right", "midline", "left")  # as they lie on the picture
_BAR = 0.72


def where_chart(parts: Sequence[Mapping[str, Any]], nothing: str = "No inflammation") -> Chart:
    """One row for each part that holds any: what lies on the patient's right, across the midline and on the left [mm3].

    Parameters
    ----------
    parts : sequence of mapping
        `part`, `side`, `sensitive_mm3` and `conservative_mm3` of each, as `vhi.json` has them.
    nothing : str
        What is said where there are none.
    """
    if not parts:
        return Chart(Axis(0, 1), Axis(0, 1), [Text((0.5, 0.5), nothing, 6.5, FAINT_INK)], spines=False)
    rows = [name for name in ORDER if any(part["part"] == name for part in parts)]
    most = max(float(part["sensitive_mm3"]) for part in parts)
    bottom, top = max(len(rows), 3) - 0.35, -0.5
    chart = Chart(
        Axis(-0.5, len(SIDES) - 0.5, list(enumerate(SIDES)), tick_length=0),
        Axis(bottom, top, [(n, name.replace("sacroiliac ", "")) for n, name in enumerate(rows)], tick_length=0),
    )
    for part in parts:
        middle, row = SIDES.index(part["side"]), rows.index(part["part"])
        for grade, colour in (("sensitive_mm3", SENSITIVE_COLOUR), ("conservative_mm3", CONSERVATIVE_COLOUR)):
            half = _BAR * float(part[grade]) / most / 2
            chart.marks.append(Bar((middle - half, row - 0.25), (middle + half, row + 0.25), colour))
        chart.marks.append(Text((middle, row + 0.28), f"{part['sensitive_mm3']:,.0f}", 6, INK, "mt"))
    chart.marks += [Line([(at, bottom), (at, top)], FAINT_INK, 0.4) for at in (0.5, 1.5)]
    return chart
