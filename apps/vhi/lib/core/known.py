"""Results that depend on two objects together, kept as long as both live: settings do not change them."""

from __future__ import annotations

import weakref
from typing import Generic, TypeVar

A = TypeVar("A")
B = TypeVar("B")
T = TypeVar("T")


class Known(Generic[A, B, T]):
    """A cache by the identity of two objects, not by their content: for each first object the latest second one."""

    def __init__(self) -> None:
        self._of: weakref.WeakKeyDictionary[A, tuple[weakref.ref[B], T]] = weakref.WeakKeyDictionary()

    def find(self, first: A, second: B) -> T | None:
        known = self._of.get(first)
        return known[1] if known is not None and known[0]() is second else None

    def keep(self, first: A, second: B, found: T) -> T:
        self._of[first] = (weakref.ref(second), found)
        return found
