"""The audit log: one line per event, each with the hash of the line before it, appended and never changed.

A line is a JSON object: `time` (UTC), `event` ("opened", "changed", "exported", "login", ...), `reader`, `case`, `submission`,
further facts, and `previous`, the sha256 of the previous line. Who alters or removes a line in the middle breaks the chain; lines
cut off at the end leave no trace here and show by comparison with a backup or with the submissions.
"""

from __future__ import annotations

import hashlib
import json
import os
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from ..errors import InputError
from ..files import output_error
from ..locks import locked
from .store import ReadingStore
from .submission import Submission

FIRST = "0" * 64
_TAIL = 65536


class AuditLog:
    """Append-only events in one file; safe between threads and processes.

    Parameters
    ----------
    path : Path
        Created with the first event.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock = path.with_suffix(".lock")
        self._here = threading.Lock()
        self._end: tuple[int, str] = (-1, FIRST)  # size of the file and hash of its last line, as far as this process knows

    def append(
        self, event: str, *, reader: str | None = None, case: str | None = None, submission: str | None = None, **facts: Any
    ) -> None:
        """Add one event; on disk when this returns.

        Raises
        ------
        OutputError
        """
        entry = {"time": datetime.now(UTC).isoformat(timespec="milliseconds"), "event": event, "reader": reader, "case": case}
        entry |= {"submission": submission, **facts}
        with self._here, locked(self._lock):
            try:
                handle = os.open(self.path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
            except OSError as error:
                raise output_error(self.path, error) from error
            try:
                self._append(handle, entry)
            except OSError as error:
                self._end = (-1, FIRST)
                raise output_error(self.path, error) from error
            finally:
                os.close(handle)

    def _append(self, handle: int, entry: dict[str, Any]) -> None:
        size = os.fstat(handle).st_size
        previous, torn = (self._end[1], False) if size == self._end[0] else _last_line(handle, size)
        if torn:  # a process was killed while it wrote: its line is closed, not erased
            entry["after_torn_line"] = True
        line = json.dumps({**entry, "previous": previous}, allow_nan=False).encode("utf-8")
        content = (b"\n" if torn else b"") + line + b"\n"
        written = os.write(handle, content)
        if written != len(content):
            raise OSError(28, "the line was written in part")
        os.fsync(handle)
        self._end = (size + written, _hash(line))

    def entries(self) -> Iterator[dict[str, Any]]:
        """Every event that was written whole, oldest first."""
        for line in self._lines():
            entry = _parsed(line)
            if entry is not None:
                yield entry

    def verify(self) -> int:
        """Check the whole chain; returns the number of events.

        Raises
        ------
        InputError
            A line was altered, inserted or removed; says which.
        """
        previous, torn, count = FIRST, False, 0
        for number, line in enumerate(self._lines(), start=1):
            entry = _parsed(line)
            if entry is None:
                torn = True  # fine where a process was killed: the next event says so
            elif entry.get("previous") != previous or (torn and not entry.get("after_torn_line")):
                raise InputError(f"{self.path} was altered at or before line {number}, which does not continue the one above it.")
            else:
                torn, count = False, count + 1
            previous = _hash(line)
        return count

    def _lines(self) -> Iterator[bytes]:
        try:
            with self.path.open("rb") as file:
                for line in file:
                    yield line.rstrip(b"\n")
        except FileNotFoundError:
            return


def log_unlogged(log: AuditLog, store: ReadingStore) -> None:
    """Log submissions that were kept just before a process was killed, or before the end of the log was lost."""
    for submission in unlogged(log, store):
        late = {"found_at_start": True, "made": submission.created}
        log.append("changed", reader=submission.reader, case=submission.case_id, submission=submission.submission_id, **late)


def unlogged(log: AuditLog, store: ReadingStore) -> Iterator[Submission]:
    """Submissions that the log lacks."""
    logged = {(entry.get("case"), entry.get("submission")) for entry in log.entries() if entry.get("event") == "changed"}
    for case_id, made in store.intact():
        for submission in made:
            if (case_id, submission.submission_id) not in logged:
                yield submission


def _last_line(handle: int, size: int) -> tuple[str, bool]:
    """Hash of the last line, and whether it was never finished."""
    if not size:
        return FIRST, False
    length = _TAIL
    while True:
        start = max(0, size - length)
        tail = os.pread(handle, size - start, start)
        torn = not tail.endswith(b"\n")
        body = tail if torn else tail[:-1]
        cut = body.rfind(b"\n")
        if cut >= 0 or start == 0:
            return _hash(body[cut + 1 :]), torn
        length *= 2


def _hash(line: bytes) -> str:
    return hashlib.sha256(line).hexdigest()


def _parsed(line: bytes) -> dict[str, Any] | None:
    try:
        entry = json.loads(line)
    except ValueError:
        return None
    return entry if isinstance(entry, dict) else None
