"""`settings`: what `measure --set` accepts, and how it is read."""

from __future__ import annotations

from collections.abc import Sequence


def settings() -> None:
    """List what measure --set can change.

    Every setting with its default, the values allowed, what it means and where the default comes from.
    """
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    from ..core.settings import VhiSettings

    table = Table("setting", "default", "allowed", "meaning", "source", box=None, pad_edge=False)
    for info in VhiSettings.describe():
        allowed = _allowed(info.default, info.choices, info.minimum, info.maximum)
        table.add_row(info.name, _shown(info.default), allowed, escape(info.meaning), escape(info.source))
    Console().print(table)


def parse_changes(changes: Sequence[str], listed: str = "the command settings lists the names") -> dict[str, str]:
    """`NAME=VALUE` texts as a mapping; `listed` says where the names are found, for whoever gave none.

    Raises
    ------
    SettingsError
        One without a name or a value, or one name twice.
    """
    from ..errors import SettingsError

    values: dict[str, str] = {}
    for text in changes:
        name, equals, value = (part.strip() for part in text.partition("="))
        if not (name and equals and value):
            raise SettingsError(f"--set needs NAME=VALUE, found {text!r}; {listed}.")
        if name in values:
            raise SettingsError(f"--set gives {name} twice ({values[name]} and {value}); give it once.")
        values[name] = value
    return values


def _shown(value: bool | int | float | str) -> str:
    return str(value).lower() if isinstance(value, bool | str) else f"{value:g}"


def _allowed(default: bool | int | float | str, choices: tuple[object, ...], low: float | None, high: float | None) -> str:
    if isinstance(default, bool):
        return "true, false"
    if choices:
        return ", ".join(str(choice) for choice in choices)
    return f"{'' if low is None else f'{low:g}'} .. {'' if high is None else f'{high:g}'}".strip()
