"""Packages that a library imports if they are there and does without if they are not: while it is imported here, they are not."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec
from threading import get_ident
from typing import Any


class _AbsentFinder(MetaPathFinder):
    """Says of some modules that there are none, to one thread."""

    def __init__(self, names: Sequence[str]) -> None:
        self._names, self._thread = frozenset(names), get_ident()

    def find_spec(self, fullname: str, path: Any, target: Any = None) -> ModuleSpec | None:
        if fullname in self._names and get_ident() == self._thread:
            raise ModuleNotFoundError(f"No module named {fullname!r}", name=fullname)
        return None


@contextmanager
def absent(*names: str) -> Iterator[None]:
    """Within it, this thread cannot import these modules; one that is imported already stays, and other threads import as ever.

    Parameters
    ----------
    names : str
        Full names of modules that what is imported within can do without.
    """
    finder = _AbsentFinder(names)
    sys.meta_path.insert(0, finder)
    try:
        yield
    finally:
        sys.meta_path.remove(finder)
