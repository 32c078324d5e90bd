"""Bounded pools of worker threads, so that work never stands in the way of an answer."""

from __future__ import annotations

import asyncio
import contextlib
import os
import threading
from collections.abc import Awaitable, Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextvars import copy_context
from typing import Any, TypeVar

T = TypeVar("T")


class BusyError(Exception):
    """The queue of a pool is full."""


class GoneError(Exception):
    """The client went away before its answer was ready."""


class WorkerPool:
    """Threads that work through a queue of bounded length.

    Parameters
    ----------
    name : str
    workers : int
        Jobs at once.
    queue : int
        Jobs that may wait.
    nice : int
        How far the threads, and those they start, stand back for others (0 to 19; Linux).
    """

    def __init__(self, name: str, workers: int, queue: int, *, nice: int = 0) -> None:
        self._room = workers + queue
        self._jobs: set[Future[Any]] = set()
        self._ended = 0
        self._lock = threading.Lock()
        self._threads = ThreadPoolExecutor(workers, f"vhi-{name}", initializer=_stand_back, initargs=(nice,))

    def submit(self, work: Callable[[], T]) -> Future[T]:
        """Queue work; it sees the context (who is asking) of the caller.

        Raises
        ------
        BusyError
        """
        context = copy_context()
        with self._lock:
            if len(self._jobs) >= self._room:
                raise BusyError
            job = self._threads.submit(context.run, self._counted, work)
            self._jobs.add(job)
        job.add_done_callback(self._forget)
        return job

    @property
    def jobs(self) -> int:
        """Jobs waiting or at work."""
        with self._lock:  # a job may be at work before `submit` has noted it
            return len(self._jobs)

    @property
    def ended(self) -> int:
        """Jobs that ended so far; one whose result was handed out is among them."""
        with self._lock:
            return self._ended

    async def run(self, work: Callable[[], T], gone: Callable[[], Awaitable[None]], timeout_s: float) -> T:
        """The result of the work, unless `gone` returns first.

        A job that still waits when its client goes, or when the time is over, leaves the queue; one already at work ends by
        itself, its result is dropped.

        Raises
        ------
        BusyError, GoneError, TimeoutError
        """
        job = self.submit(work)
        answer: asyncio.Future[Any] = asyncio.wrap_future(job)
        watch: asyncio.Future[Any] = asyncio.ensure_future(gone())
        try:
            done, _ = await asyncio.wait({answer, watch}, timeout=timeout_s, return_when=asyncio.FIRST_COMPLETED)
            if answer in done:
                result: T = answer.result()
                return result
            if watch in done:
                raise GoneError
            raise TimeoutError
        finally:
            watch.cancel()
            if not answer.done():
                answer.cancel()  # takes a waiting job out of the queue

    def close(self) -> None:
        """Take no more work, drop what waits; what is at work ends by itself."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    def _counted(self, work: Callable[[], T]) -> T:
        try:
            return work()
        finally:
            with self._lock:
                self._ended += 1

    def _forget(self, job: Future[Any]) -> None:
        with self._lock:
            self._jobs.discard(job)


def _stand_back(nice: int) -> None:
    # on Linux priority belongs to the thread, and the threads it starts (those of torch) inherit it
    if nice and hasattr(os, "setpriority"):
        with contextlib.suppress(OSError):
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), nice)
