"""Results that depend on two objects together, kept as long as both live: settings do not change them."""

from __future__ import annotations

import weakref
from typing import Generic, TypeVar

A = TypeVar("A")
B = TypeVar("B")
T = TypeVar("T")


class PairCache(Generic[A, B, T]):
    """A cache by the identity of two objects, not by their content: for each first object the latest second one."""

    def __init__(self) -> None:
        self._of: weakref.WeakKeyDictionary[A, tuple[weakref.ref[B], T]] = weakref.WeakKeyDictionary()

    def find(self, first: A, second: B) -> T | None:
        entry = self._of.get(first)
        return entry[1] if entry is not None and entry[0]() is second else None

    def keep(self, first: A, second: B, result: T) -> T:
        self._of[first] = (weakref.ref(second), result)
        return result
