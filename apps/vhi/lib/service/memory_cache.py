"""The last few of something, and one worker per name."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Generic, TypeVar

from cachetools import LRUCache

T = TypeVar("T")


class LastUsed(Generic[T]):
    """A cache of at most `count` values by key, from which the least recently used goes first. Safe between threads."""

    def __init__(self, count: int) -> None:
        self._kept: LRUCache[object, T] = LRUCache(count)
        self._lock = threading.Lock()  # of the library's caches none is safe between threads

    def get(self, key: object) -> T | None:
        with self._lock:
            return self._kept.get(key)

    def put(self, key: object, value: T) -> None:
        with self._lock:
            self._kept[key] = value


class NamedLocks:
    """A lock per name: who asks for one case does not wait for another."""

    def __init__(self) -> None:
        self._locks: dict[str, threading.RLock] = {}
        self._lock = threading.Lock()

    @contextmanager
    def of(self, name: str) -> Iterator[None]:
        with self._lock:
            lock = self._locks.setdefault(name, threading.RLock())
        with lock:
            yield
