"""Packages that a library imports and this program does not use: while it is imported they are not there, or come later."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder
from importlib.util import LazyLoader
from threading import get_ident
from typing import Any


class _Absent(MetaPathFinder):
    """Says of some modules that there are none, to one thread."""

    def __init__(self, names: Sequence[str]) -> None:
        self._names, self._thread = frozenset(names), get_ident()

    def find_spec(self, fullname: str, path: Any, target: Any = None) -> ModuleSpec | None:
        return self._spec_of(fullname, path) if fullname in self._names and get_ident() == self._thread else None

    def _spec_of(self, fullname: str, path: Any) -> ModuleSpec | None:
        raise ModuleNotFoundError(f"No module named {fullname!r}", name=fullname)


class _Later(_Absent):
    """Gives one thread some modules that are loaded when something of them is first used."""

    def _spec_of(self, fullname: str, path: Any) -> ModuleSpec | None:
        spec = PathFinder.find_spec(fullname, path)
        if spec is not None and spec.loader is not None:
            spec.loader = LazyLoader(spec.loader)
        return spec


@contextmanager
def absent(*names: str) -> Iterator[None]:
    """Within it, this thread cannot import these modules; one that is imported already stays, and other threads import as ever.

    Parameters
    ----------
    names : str
        Full names of modules that what is imported within can do without.
    """
    with _before_others(_Absent(names)):
        yield


@contextmanager
def later(*names: str) -> Iterator[None]:
    """Within it, this thread imports these modules without loading them: that is done when something of them is first used.

    Parameters
    ----------
    names : str
        Full names of modules, with their parents loaded. Threads must not be the first to use one at the same time.
    """
    with _before_others(_Later(names)):
        yield


@contextmanager
def _before_others(finder: MetaPathFinder) -> Iterator[None]:
    sys.meta_path.insert(0, finder)
    try:
        yield
    finally:
        sys.meta_path.remove(finder)
