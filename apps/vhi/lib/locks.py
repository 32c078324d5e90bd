"""Locks of folders, on every system: held against other threads and processes; a killed process holds nothing."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from .errors import OutputError
from .files import output_error

_ASKED_AGAIN_SECONDS = 0.005


def taken(path: Path, wait_s: float | None = None) -> FileLock | None:
    """The lock file `path`, held until its `release`; None where another one holds it for `wait_s`, by default however long.

    Raises
    ------
    OutputError
        It cannot be made, or its file system knows no locks.
    """
    # a marker file in place of a lock, filelock's way where there are none, would outlive a killed process
    lock = FileLock(path, poll_interval=_ASKED_AGAIN_SECONDS, thread_local=False, fallback_to_soft=False, preserve_lock_file=True)
    try:
        lock.acquire(timeout=-1 if wait_s is None else wait_s)
    except Timeout:
        return None
    except OSError as error:
        raise output_error(path, error) from error
    except NotImplementedError as error:
        raise OutputError(f"The file system of {path} knows no locks; choose a folder on another one.") from error
    return lock


@contextmanager
def locked(path: Path, wait_s: float | None = None) -> Iterator[bool]:
    """Hold the lock file `path` for a while; yields False where another one holds it for `wait_s`, by default however long.

    Raises
    ------
    OutputError
        As `taken`.
    """
    lock = taken(path, wait_s)
    try:
        yield lock is not None
    finally:
        if lock is not None:
            lock.release()
