"""The last few of something, and one worker per name."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Generic, TypeVar

T = TypeVar("T")


class Kept(Generic[T]):
    """What was used last, by key; beyond `count` the longest unused goes. Safe between threads."""

    def __init__(self, count: int) -> None:
        self._count = count
        self._kept: OrderedDict[object, T] = OrderedDict()
        self._lock = threading.Lock()

    def find(self, key: object) -> T | None:
        with self._lock:
            if key in self._kept:
                self._kept.move_to_end(key)
            return self._kept.get(key)

    def keep(self, key: object, value: T) -> None:
        with self._lock:
            self._kept[key] = value
            self._kept.move_to_end(key)
            while len(self._kept) > self._count:
                self._kept.popitem(last=False)


class Locks:
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
