"""A configuration file in MONAI's syntax as plain values: references followed, expressions refused, nothing run.

MONAI's own parser is not used: importing it takes seconds, and it evaluates what begins with `$`.
"""

from __future__ import annotations

import json
import math
import re
from pathlib import Path
from typing import Any

from ..errors import InputError, SettingsError

SEPARATOR = "::"
LARGEST_FILE_BYTES = 1_000_000
# references may multiply: ten that each name the next one twice are a thousand
MOST_VALUES = 10_000
_REFERENCE = re.compile(rf"@(?:{SEPARATOR})*\w*(?:{SEPARATOR}\w*)*")
_META = "_meta_"


def read_config(path: Path) -> dict[str, Any]:
    """Read a JSON or YAML file of names and values.

    Raises
    ------
    InputError
        It is missing, no such file, too large, or not a mapping with each name once.
    SettingsError
        It holds an expression (`$`) or takes in another file (`%`).
    """
    text = _text(path)
    try:
        config = _yaml(text) if path.suffix.lower() in (".yaml", ".yml") else json.loads(text, object_pairs_hook=_each_once)
        _check_values(config, path.name)
    except RecursionError as error:
        raise InputError(f"{path.name} nests too deeply; a chain of post-transforms is a short list.") from error
    except ValueError as error:
        raise InputError(f"{path.name} is no JSON or YAML configuration: {_first_line(error)}.") from error
    if not isinstance(config, dict):
        raise InputError(f"{path.name} holds a {type(config).__name__}; a configuration is a mapping of names to values.")
    return config


def resolve(config: dict[str, Any], name: str, source: str) -> Any:
    """The value of one entry, in which every reference (`@entry::part`, `%entry::part`) is replaced by what it names.

    Parameters
    ----------
    config : dict
        As `read_config` gives it.
    name : str
        Of the entry.
    source : str
        How messages call the file.

    Raises
    ------
    SettingsError
        A reference to nothing, to itself, or more values than a chain can need; an entry that nothing refers to.
    """
    references = _References(config, source)
    try:
        value = references.at((name,), ())
    except RecursionError as error:
        raise SettingsError(f"{source}: references lead on and on; name the steps themselves.") from error
    unused = sorted(set(config) - references.used - {_META, name})
    if unused:
        raise SettingsError(f"{source}: nothing refers to {unused[0]!r}; refer to it from {name!r} (@{unused[0]}), or remove it.")
    return value


class _References:
    """Follows references within one configuration; `used` are the entries that were looked up."""

    def __init__(self, config: dict[str, Any], source: str) -> None:
        self.config, self.source = config, source
        self.used: set[str] = set()
        self._values = 0

    def at(self, place: tuple[str, ...], waiting: tuple[tuple[str, ...], ...]) -> Any:
        """The resolved value at a place; `waiting` are the places that wait for it."""
        if place in waiting:
            circle = " to ".join(f"@{SEPARATOR.join(one)}" for one in (*waiting[waiting.index(place) :], place))
            raise SettingsError(f"{self.source}: references go round in a circle ({circle}); name the steps themselves.")
        self.used.add(place[0])
        value: Any = self.config
        for part in place:
            value = self._part(value, part, place)
        return self._resolved(value, place, (*waiting, place))

    def _part(self, value: Any, part: str, place: tuple[str, ...]) -> Any:
        if isinstance(value, dict) and part in value:
            return value[part]
        if isinstance(value, list) and part.isdecimal() and int(part) < len(value):
            return value[int(part)]
        raise SettingsError(f"{self.source}: there is nothing at @{SEPARATOR.join(place)}; check the name.")

    def _resolved(self, value: Any, place: tuple[str, ...], waiting: tuple[tuple[str, ...], ...]) -> Any:
        self._values += 1
        if self._values > MOST_VALUES:
            raise SettingsError(f"{self.source} grows beyond {MOST_VALUES} values by its references; write a shorter chain.")
        if isinstance(value, dict):
            return {key: self._resolved(one, (*place, key), waiting) for key, one in value.items()}
        if isinstance(value, list):
            return [self._resolved(one, (*place, str(n)), waiting) for n, one in enumerate(value)]
        if isinstance(value, str) and _is_reference(value):
            return self.at(self._target(value.replace("#", SEPARATOR)[1:], place), waiting)
        return value

    def _target(self, reference: str, place: tuple[str, ...]) -> tuple[str, ...]:
        """Where a reference points; `::a` is beside the place it stands at, `::::a` one level further up."""
        levels = 0
        while reference.startswith(SEPARATOR):
            reference, levels = reference.removeprefix(SEPARATOR), levels + 1
        if levels > len(place):
            raise SettingsError(f"{self.source}: @{SEPARATOR * levels}{reference} reaches beyond the file; check the reference.")
        return (*(place[:-levels] if levels else ()), *reference.split(SEPARATOR))


def _is_reference(text: str) -> bool:
    plain = text.replace("#", SEPARATOR)
    return len(text) > 1 and _REFERENCE.fullmatch("@" + plain[1:]) is not None and text[0] in "@%"


def _check_values(value: Any, source: str) -> None:
    """Refuse what is no plain value, what would run code, and what lies in another file."""
    if isinstance(value, dict):
        not_texts = [key for key in value if not isinstance(key, str)]
        if not_texts:
            raise SettingsError(f"{source} uses {not_texts[0]!r} as a name; names are texts.")
        value = list(value.values())
    if isinstance(value, list):
        for one in value:
            _check_values(one, source)
    elif isinstance(value, str):
        _check_text(value, source)
    elif not (value is None or isinstance(value, bool | int) or (isinstance(value, float) and math.isfinite(value))):
        raise SettingsError(f"{source} holds the value {value}; values are texts, finite numbers, true, false and null.")


def _check_text(text: str, source: str) -> None:
    if text.startswith("$"):
        raise SettingsError(
            f"{source} holds the expression {text[:60]!r}; expressions would run code and are not taken. Write the value itself."
        )
    if text.startswith("%") and not _is_reference(text):
        raise SettingsError(f"{source} takes in {text[:60]!r} of another file; a chain is one file, write the steps into it.")


def _text(path: Path) -> str:
    try:
        if path.stat().st_size > LARGEST_FILE_BYTES:
            raise InputError(f"{path.name} has {path.stat().st_size:,} bytes; a chain of post-transforms is a short text file.")
        return path.read_text(encoding="utf-8")
    except OSError as error:
        why = error.strerror or "it cannot be read"
        raise InputError(f"{path} is no file with a chain of post-transforms ({why}); pass a JSON or YAML file.") from error
    except UnicodeDecodeError as error:
        raise InputError(f"{path.name} is no text in UTF-8; a chain of post-transforms is JSON or YAML.") from error


def _each_once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    names = [name for name, _ in pairs]
    for name in names:
        if names.count(name) > 1:
            raise ValueError(f"{name!r} is there twice in one mapping")
    return dict(pairs)


def _yaml(text: str) -> Any:
    import yaml

    class Loader(yaml.SafeLoader):
        """Names once, and no aliases: references are written with @, and aliases may multiply without end."""

        def compose_node(self, parent: Any, index: Any) -> Any:
            if self.check_event(yaml.AliasEvent):
                raise ValueError("it holds a YAML alias (*); refer to an entry by @ instead")
            return super().compose_node(parent, index)

        def construct_mapping(self, node: Any, deep: bool = False) -> dict[Any, Any]:
            names = [self.construct_object(key, deep=True) for key, _ in node.value]
            # a list or a mapping as a name is refused by what follows
            _each_once([(name, None) for name in names if isinstance(name, str)])
            mapping: dict[Any, Any] = super().construct_mapping(node, deep)
            return mapping

    try:
        return yaml.load(text, Loader)  # a subclass of SafeLoader
    except yaml.YAMLError as error:
        raise ValueError(_first_line(error)) from error
    except (LookupError, AttributeError) as error:  # how PyYAML fails at a value that is not of the type in its tag
        raise ValueError("a value is not of the type that its tag (!!) names") from error


def _first_line(error: Exception) -> str:
    return " ".join(str(error).split())[:200].rstrip(".")
