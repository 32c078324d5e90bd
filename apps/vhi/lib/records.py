"""Small JSON files that this program keeps: one way of reading and writing them, for all rooms.

A file that is gone is None; one that is there and cannot be used raises `DamagedError`, which names it. What can be made anew
is read by `read_remakable`: damaged is as good as gone, and the log names the file, once.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from .errors import DamagedError
from .files import write_atomically

Kinds = type | tuple[type, ...]
NUMBER = (int, float)
log = logging.getLogger("vhi.records")
_logged: set[tuple[str, str]] = set()


def write_json(path: Path, content: Mapping[str, Any]) -> None:
    """A small file that is whole or absent; OutputError where that fails."""
    write_atomically(path, (json.dumps(content, indent=1, allow_nan=False) + "\n").encode("utf-8"))


def read_text(path: Path) -> str | None:
    """The text of a file; None where there is no such file.

    Raises
    ------
    DamagedError
        It cannot be read, is empty, or holds no text.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return None
    except UnicodeDecodeError as error:
        raise DamagedError(path, "it holds no text") from error
    except OSError as error:
        raise DamagedError(path, f"it cannot be read ({error.strerror or error})") from error
    if not text.strip():
        raise DamagedError(path, "it is empty")
    return text


def read_json(path: Path, **needed: Kinds) -> dict[str, Any] | None:
    """The object in a file that `write_json` wrote; None where there is no such file.

    Parameters
    ----------
    path : Path
    needed : type or tuple of types
        Fields that it must have, and what they are.

    Raises
    ------
    DamagedError
        It cannot be read, holds no object, or lacks a field.
    """
    text = read_text(path)
    if text is None:
        return None
    try:
        content = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise DamagedError(path, "it is cut or is no JSON") from error
    if not isinstance(content, dict):
        raise DamagedError(path, "it holds no object")
    for name, kind in needed.items():
        if not isinstance(content.get(name), kind):
            raise DamagedError(path, f"its field {name!r} is missing or is something else")
    return content


def read_remakable(path: Path, **needed: Kinds) -> dict[str, Any] | None:
    """As `read_json`, of a file that can be made anew: None also where it is damaged, and the log says so."""
    try:
        return read_json(path, **needed)
    except DamagedError as error:
        log_once(error)
        return None


def has_shape(value: Any, shape: Any) -> bool:
    """Whether what was read from JSON is what other code takes it for.

    Parameters
    ----------
    value : object
    shape : type, tuple of types, list or dict
        A kind or kinds; `[shape]` for a list of it; `{name: shape}` for an object, in which lists, and what may be None, may be
        absent.
    """
    if isinstance(shape, dict):
        absent: dict[str, Any] = {name: [] if isinstance(one, list) else None for name, one in shape.items()}
        return isinstance(value, dict) and all(has_shape({**absent, **value}[name], one) for name, one in shape.items())
    if isinstance(shape, list):
        return isinstance(value, list) and all(has_shape(one, shape[0]) for one in value)
    return isinstance(value, shape)


def log_once(error: DamagedError, then: str = "it is made anew") -> None:
    """Name a damaged file in the log; one line for each file and kind of damage."""
    if (mark := (str(error.path), error.reason)) not in _logged:
        _logged.add(mark)
        log.warning("%s is damaged: %s; %s", error.path, error.reason, then)
