"""How much the number depends on the threshold and on where normal bone was drawn."""

from __future__ import annotations

from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from ..core.pipeline import VhiResult
from .canvas import FAINT_INK, INK, tidy

_LEFT_OUT_AT = 6.4  # beside the five places of the threshold changes


def draw_stability(result: VhiResult, ax: Axes) -> Axes:
    """VHI with the sensitive threshold changed, and with each slice of normal bone left out in turn [mm3]."""
    s = result.stability
    points = sorted([(one.change, one.vhi_mm3) for one in s.threshold_changes] + [(0.0, s.vhi_mm3)])
    values = [value for _, value in points]
    left_out = [one.vhi_mm3 for one in s.slices_left_out or () if one.vhi_mm3 is not None]
    top = max([*values, *left_out, 1.0])
    ax.axhline(s.vhi_mm3, color=FAINT_INK, linewidth=0.6, linestyle=(0, (3, 3)))
    ax.plot(range(len(points)), values, color=INK, linewidth=1.0, marker="o", markersize=3)
    measured = [change for change, _ in points].index(0.0)
    ax.annotate(
        f"{s.vhi_mm3:,.0f}",
        (measured, s.vhi_mm3),
        xytext=(3, 3),
        textcoords="offset points",
        fontsize=6.5,
        color=INK,
        fontweight="bold",
    )
    if left_out:
        spread = [_LEFT_OUT_AT + 1.3 * (n / max(len(left_out) - 1, 1) - 0.5) for n in range(len(left_out))]
        ax.plot(
            spread, left_out, color=INK, marker="o", markersize=2.5, linestyle="", markerfacecolor="white", markeredgewidth=0.8
        )
    else:
        ax.text(_LEFT_OUT_AT, 0.04 * top, "no value", fontsize=6, ha="center", color=FAINT_INK)
    names = [f"{100 * change:+.0f}".replace("-", "−") if change else "0\nthreshold, %" for change, _ in points]
    ax.set_xticks([*range(len(points)), _LEFT_OUT_AT], [*names, "one slice\nleft out"])
    ax.set(xlim=(-0.7, _LEFT_OUT_AT + 1.0), ylim=(0, top * 1.2))
    ax.yaxis.set_major_locator(MaxNLocator(5, integer=True))
    ax.yaxis.set_major_formatter(lambda value, _: f"{value:,.0f}")
    ax.set_ylabel("VHI (mm³)")
    return tidy(ax)
