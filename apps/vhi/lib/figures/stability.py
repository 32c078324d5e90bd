"""How much the number depends on the threshold and on where normal bone was drawn."""

from __future__ import annotations

from ..core.pipeline import VhiResult
from ..core.stages import name_of
from .chart import Axis, Chart, Dots, Line, Text, round_values
from .paper import FAINT_INK, INK

_LEFT_OUT_AT = 6.4  # beside the five places of the threshold changes


def stability_chart(result: VhiResult) -> Chart:
    """The volume with the sensitive threshold changed, and with each slice of normal bone left out in turn [mm3]."""
    s = result.stability
    points = sorted([(moved.change, moved.vhi_mm3) for moved in s.threshold_changes] + [(0.0, s.vhi_mm3)])
    left_out = [without_slice.vhi_mm3 for without_slice in s.slices_left_out or () if without_slice.vhi_mm3 is not None]
    top = 1.2 * max([*(value for _, value in points), *left_out, 1.0])
    names = [f"{100 * change:+.0f}".replace("-", "−") if change else "0\nthreshold, %" for change, _ in points]
    volumes = [(value, f"{value:,.0f}") for value in round_values(0.0, top, 6) if value == round(value)]
    first, last = -0.7, _LEFT_OUT_AT + 1.0
    chart = Chart(
        Axis(first, last, [*enumerate(names), (_LEFT_OUT_AT, "one slice\nleft out")]),
        Axis(0.0, top, volumes, f"{name_of(result.stage)} (mm³)"),
    )
    line = [(float(n), value) for n, (_, value) in enumerate(points)]
    measured = [change for change, _ in points].index(0.0)
    chart.marks += [
        Line([(first, s.vhi_mm3), (last, s.vhi_mm3)], FAINT_INK, 0.6, dash=(1.8, 1.8)),
        Line(line, INK, 1.0),
        Dots(line, 3.0, INK, INK, 1.0),
        Text((measured, s.vhi_mm3), f"{s.vhi_mm3:,.0f}", 6.5, INK, "lb", bold=True, offset=(3, 3)),
    ]
    if left_out:
        spread = [_LEFT_OUT_AT + 1.3 * (n / max(len(left_out) - 1, 1) - 0.5) for n in range(len(left_out))]
        chart.marks.append(Dots(list(zip(spread, left_out, strict=True)), 2.5, INK, "white", 0.8))
    else:
        chart.marks.append(Text((_LEFT_OUT_AT, 0.04 * top), "no value", 6, FAINT_INK, "mb"))
    return chart
