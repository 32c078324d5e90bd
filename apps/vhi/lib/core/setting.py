"""One setting: its default, its range, what it means and where the default comes from.

Settings are fields of frozen dataclasses, declared with `setting(...)`. The command line (`--set name=value`), the option
table of the viewers and the provenance of a report are all made from these declarations.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, cast

from ..errors import SettingsError

_META = "vhi_setting"


@dataclass(frozen=True)
class SettingInfo:
    """The facts about one setting that a user needs."""

    name: str
    default: bool | int | float | str
    meaning: str
    source: str
    minimum: float | None = None
    maximum: float | None = None
    choices: tuple[Any, ...] = ()

    def parse(self, value: Any) -> bool | int | float | str:
        """The value in the setting's own type; strings as typed on a command line or sent by a viewer are accepted."""
        kind = type(self.default)
        parsed = value_as(value, kind)
        if parsed is None:
            need = {bool: "true or false", int: "a whole number", float: "a number", str: "a word"}[kind]
            raise SettingsError(f"Setting {self.name} needs {need}, found {value!r}.")
        if self.choices and parsed not in self.choices:
            allowed = " or ".join(str(choice) for choice in self.choices)
            raise SettingsError(f"Setting {self.name} must be {allowed}, found {parsed}.")
        if isinstance(parsed, str):
            return parsed
        low, high = self.minimum, self.maximum
        if (low is not None and parsed < low) or (high is not None and parsed > high):
            bounds = f"at least {low:g}" if high is None else f"at most {high:g}" if low is None else f"from {low:g} to {high:g}"
            raise SettingsError(f"Setting {self.name} must be {bounds}, found {parsed}.")
        return parsed


def option_cell(default: Any, choices: Iterable[Any] = ()) -> list[str] | bool | str:
    """The cell of viewers' option tables for one option.

    3D Slicer makes texts of all choices and looks the chosen text up in the list; it shows the number 0 as an empty cell, sends
    an emptied cell of a number as 0, and ends in a traceback where a number is misspelt. A text comes back as it was typed.

    Returns
    -------
    list of str, bool or str
        A choice with the default first, a tick box, or a text.
    """
    others = [choice for choice in choices if choice != default]
    if others:
        return [str(choice) for choice in (default, *others)]
    return default if isinstance(default, bool) else "" if default is None else str(default)


def value_as(value: Any, kind: type) -> Any:
    """`value` as `kind`, or None where that would change its meaning; a text may be the value as it is written."""
    if kind is str:
        return value.strip().lower() if isinstance(value, str) else None
    if isinstance(value, str):
        text = value.strip().lower()
        if kind is bool:
            return {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}.get(text)
        try:
            value = float(text)
        except ValueError:
            return None
    if kind is bool:
        return value if isinstance(value, bool) else None
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
        return None
    if kind is int:
        return int(value) if float(value).is_integer() else None
    return float(value)


def setting(
    default: bool | int | float | str,
    meaning: str,
    source: str,
    *,
    minimum: float | None = None,
    maximum: float | None = None,
    choices: tuple[Any, ...] = (),
) -> Any:
    """A dataclass field that is a setting."""
    meta = {"meaning": meaning, "source": source, "minimum": minimum, "maximum": maximum, "choices": choices}
    return dataclasses.field(default=default, metadata={_META: meta})


def settings_of(cls: Any) -> tuple[SettingInfo, ...]:
    """The settings that a dataclass declares, in order."""
    return tuple(
        SettingInfo(name=f.name, default=cast("bool | int | float | str", f.default), **f.metadata[_META])
        for f in dataclasses.fields(cls)
        if _META in f.metadata
    )


def fields_from(cls: Any, given: Mapping[str, str]) -> dict[str, Any]:
    """The fields of any dataclass that are given as texts, in the types of their defaults; other names are left out.

    Raises
    ------
    SettingsError
        A text that is no such value.
    """
    return {
        field.name: given[field.name]
        if isinstance(field.default, str)
        else SettingInfo(field.name, cast("bool | int | float | str", field.default), meaning="", source="").parse(
            given[field.name]
        )
        for field in dataclasses.fields(cls)
        if field.name in given
    }


def check_settings(instance: Any) -> None:
    """Replace each setting by its parsed value, or refuse it; for `__post_init__`."""
    for info in settings_of(type(instance)):
        object.__setattr__(instance, info.name, info.parse(getattr(instance, info.name)))
