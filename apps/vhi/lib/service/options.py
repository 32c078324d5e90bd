"""Options of a viewer's request beside the image: settings of the method, and the options of a task."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..readings.submission import check_reading


def options_of(values: Mapping[str, Any], own: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Settings of the method by name, and the options of a task beside them."""
    settings = {name: value for name, value in values.items() if name not in own}
    options = {name: values.get(name, default) for name, default in own.items()}
    return settings, {**options, "reading": reading_number(options["reading"])}


def reading_number(value: Any) -> int:
    """The number of a reading; a viewer sends it as text."""
    if isinstance(value, str) and value.strip().isdigit() and len(value.strip()) < 4:
        value = int(value)
    check_reading(value)
    return int(value)
