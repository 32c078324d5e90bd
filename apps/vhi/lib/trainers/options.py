"""What clients may ask of a training session: one option table, and their answers to it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..errors import RequestError, SettingsError
from ..retraining.config import KEEP, TrainOptions

GO_ON = "go_on"
# 3D Slicer sends this whole table, OHIF what was changed in it; an empty cell is the default
TABLE: Mapping[str, Any] = {
    "minutes": "",
    "epochs": "",
    "learning_rate": "",
    "scratch": False,
    "seed": 0,
    "keep": list(KEEP),
    # whether a session that was stopped goes on; else it is given up, and another begins
    GO_ON: True,
}
_NUMBERS = {"minutes": float, "epochs": float, "learning_rate": float, "seed": int, "steps": int}


def options_from(given: Mapping[str, Any]) -> tuple[TrainOptions, bool]:
    """The options of a session, and whether one that waits goes on.

    Parameters
    ----------
    given : mapping
        By name; numbers may be texts. `steps`, which no table shows, is for scripts and tests.

    Raises
    ------
    RequestError
    """
    foreign = sorted(set(given) - set(TABLE) - {"steps"})
    if foreign:
        raise RequestError(f"Training takes no {foreign[0][:60]!r}; it takes {', '.join(TABLE)}.")
    values: dict[str, Any] = {}
    for name, value in given.items():
        if value in ("", None) or name == GO_ON:
            continue
        values[name] = _number(name, value) if name in _NUMBERS else _flag(name, value) if name == "scratch" else str(value)
    try:
        return TrainOptions(**values), _flag(GO_ON, given.get(GO_ON, True))
    except SettingsError as error:
        raise RequestError(str(error)) from error


def _number(name: str, value: Any) -> float | int:
    try:
        if isinstance(value, bool):
            raise ValueError
        return _NUMBERS[name](value)
    except (TypeError, ValueError, OverflowError) as error:
        raise RequestError(f"{name} must be a number, found {str(value)[:60]!r}.") from error


def _flag(name: str, value: Any) -> bool:
    found = {"true": True, "false": False}.get(str(value).lower())
    if found is None:
        raise RequestError(f"{name} must be true or false, found {str(value)[:60]!r}.")
    return found
