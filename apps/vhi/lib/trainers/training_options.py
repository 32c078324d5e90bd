"""Options of a training session: their table, and the values that clients send."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..core.setting import option_cell, value_as
from ..errors import RequestError, SettingsError
from ..retraining.config import KEEP, TrainOptions

GO_ON = "go_on"
_SHOWN = ("steps", "minutes", "epochs", "learning_rate", "scratch", "seed", "keep")
# 3D Slicer sends this whole table, OHIF what was changed in it; an empty cell is the default
TABLE: Mapping[str, Any] = {
    **{name: option_cell(getattr(TrainOptions, name), KEEP if name == "keep" else ()) for name in _SHOWN},
    # whether a session that was stopped goes on, where `steps` are those in all; else it is given up, and another begins
    GO_ON: True,
}
_KINDS: Mapping[str, type] = {
    "minutes": float,
    "epochs": float,
    "learning_rate": float,
    "scratch": bool,
    "seed": int,
    "steps": int,
    GO_ON: bool,
}


def options_from(given: Mapping[str, Any]) -> tuple[TrainOptions, bool]:
    """The options of a session, and whether one that waits goes on.

    Parameters
    ----------
    given : mapping
        By name; numbers may be texts.

    Raises
    ------
    RequestError
    """
    foreign = sorted(set(given) - set(TABLE))
    if foreign:
        raise RequestError(f"Training takes no {foreign[0][:60]!r}; it takes {', '.join(TABLE)}.")
    values = {name: _value(name, value) for name, value in given.items() if value not in ("", None)}
    go_on = values.pop(GO_ON, True)
    try:
        return TrainOptions(**values), go_on
    except SettingsError as error:
        raise RequestError(str(error)) from error


def _value(name: str, value: Any) -> Any:
    """An option in its own type."""
    kind = _KINDS.get(name, str)
    converted = value_as(value, kind)
    if converted is None:
        need = {bool: "true or false", int: "a whole number", float: "a number", str: "a word"}[kind]
        raise RequestError(f"{name} must be {need}, found {str(value)[:60]!r}.")
    return converted
