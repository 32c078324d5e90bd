"""How a report writes volumes, slices, counts and values: one way for all forms."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any


def mm3(value: float) -> str:
    """A volume as it is printed."""
    return f"{value:,.0f} mm³"


def typeset(words: str) -> str:
    """Units as they are printed."""
    return words.replace("mm3", "mm³").replace("mm2", "mm²")


def slice_numbers(slices: Iterable[int]) -> str:
    """Slice indices as a reader counts them, from 1, neighbours joined: `(4, 5, 6, 9)` is "5–7, 10"."""
    runs: list[list[int]] = []
    for k in sorted(slices):
        if runs and k == runs[-1][1] + 1:
            runs[-1][1] = k
        else:
            runs.append([k, k])
    return ", ".join(f"{a + 1}" if a == b else f"{a + 1}–{b + 1}" for a, b in runs)


def counted(n: int, one: str, many: str) -> str:
    """A number with its noun."""
    return f"{n:,} {one if n == 1 else many}"


def percent(change: float) -> str:
    """A change as a signed percentage."""
    return f"{100 * change:+.0f}%".replace("-", "−")


def range_mm3(ends: tuple[float, float]) -> str:
    """Two volumes as a range; one volume where both print alike."""
    low, high = mm3(ends[0]), mm3(ends[1])
    return high if low == high else f"{ends[0]:,.0f} to {high}"


def value_words(value: Any) -> str:
    """A setting or a recorded value in words."""
    if isinstance(value, bool):
        return "on" if value else "off"
    if isinstance(value, Mapping):
        return ", ".join(f"{name} {value_words(item)}" for name, item in value.items())
    if isinstance(value, list | tuple):
        return ", ".join(value_words(item) for item in value)
    return f"{value:g}" if isinstance(value, float) else "–" if value is None else str(value)
