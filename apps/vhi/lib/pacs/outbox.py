"""The outbox: results that wait to be stored in the archive, on disk until the archive has taken them.

```
outbox/waiting/<name>.json   {"created": ..., "files": [paths below the data folder]}
outbox/sent/<name>.json      the same, once the archive has taken all of them
```

The files themselves stay where they were written. A process that dies while it sends leaves the parcel waiting, and it is sent
again: its instances have the same UIDs, and an archive that knows them changes nothing.
"""

from __future__ import annotations

import logging
import os
import threading
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from ..errors import InputError, VhiError
from ..provenance import now
from ..readings.data_folder import LEFTOVER, make_folder
from ..records import read_json, write_json

FIRST_WAIT_S = 2.0
LONGEST_WAIT_S = 300.0
IN_A_ROW = 3
log = logging.getLogger("vhi.pacs")


@dataclass(frozen=True)
class OutboxState:
    """How many parcels wait and went, and why the last that failed did; None once nothing waits."""

    waiting: int
    sent: int
    last_error: str | None


class Outbox:
    """Parcels of DICOM files, sent one after the other in the background, each again until it is taken.

    Parameters
    ----------
    root : Path
        The data folder; the outbox is a folder in it, and the files lie below it.
    store : callable
        Given the files of one parcel, has the archive store them all, or raises VhiError. Storing them a second time must be
        harmless.
    first_wait_s, longest_wait_s : float
        Pause after an attempt in which nothing was taken; it doubles from one to the next.
    """

    def __init__(
        self,
        root: Path,
        store: Callable[[Sequence[Path]], object],
        *,
        first_wait_s: float = FIRST_WAIT_S,
        longest_wait_s: float = LONGEST_WAIT_S,
    ) -> None:
        self._root, self._store = root, store
        self._waits_s = first_wait_s, longest_wait_s
        self._waiting, self._sent = root / "outbox" / "waiting", root / "outbox" / "sent"
        for folder in (self._waiting, self._sent):
            make_folder(folder)
            for leftover in folder.glob(LEFTOVER):
                leftover.unlink(missing_ok=True)
        self._failures: Counter[str] = Counter()
        self._last_error: str | None = None
        self._sending, self._wake, self._stop = threading.Lock(), threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._run, name="vhi-outbox", daemon=True)

    def put(self, name: str, files: Sequence[Path]) -> None:
        """Have files stored; the parcel is on disk when this returns. A name that was put before changes nothing.

        Parameters
        ----------
        name : str
            Of the parcel, usable as a file's name.
        files : sequence of Path
            Below the data folder, complete, and never changed again.

        Raises
        ------
        OutputError
        """
        if name in self:
            return
        paths = [str(path.relative_to(self._root)) for path in files]
        write_json(self._waiting / f"{name}.json", {"created": now(), "files": paths})
        self._wake.set()

    def __contains__(self, name: str) -> bool:
        # in the order in which a parcel moves
        return any((folder / f"{name}.json").exists() for folder in (self._waiting, self._sent))

    def has_sent(self, name: str) -> bool:
        return (self._sent / f"{name}.json").exists()

    def state(self) -> OutboxState:
        return OutboxState(len(_names(self._waiting)), len(_names(self._sent)), self._last_error)

    def start(self) -> None:
        """Send in the background from now on."""
        self._thread.start()

    def stop(self, timeout_s: float = 5.0) -> None:
        """End after the parcel at hand; what waits is sent after the next start."""
        self._stop.set()
        self._wake.set()
        if self._thread.is_alive():
            self._thread.join(timeout_s)

    def send(self) -> int:
        """One attempt at all that waits; how many were taken.

        What failed less often comes first, then what is older. Three failures in a row end the attempt: the archive is away.
        """
        with self._sending:
            taken = in_a_row = 0
            for name in sorted(_names(self._waiting), key=lambda name: self._failures[name]):
                if self._stop.is_set() or in_a_row == IN_A_ROW:
                    break
                reason = self._sent_or_why_not(name)
                in_a_row = 0 if reason is None else in_a_row + 1
                taken += reason is None
                if reason is not None:
                    self._failures[name] += 1
                    if reason != self._last_error:
                        log.warning("the archive took nothing; it is tried again until it does")
                    self._last_error = reason
            if not _names(self._waiting):
                self._last_error = None
            return taken

    def _sent_or_why_not(self, name: str) -> str | None:
        try:
            waiting = self._waiting / f"{name}.json"
            parcel = read_json(waiting, files=list)
            if parcel is not None:
                self._store([_there(self._root, path) for path in parcel["files"]])
                waiting.replace(self._sent / waiting.name)
        except VhiError as error:
            return str(error)
        except Exception as error:  # a bug must not stop what else waits; no message in the log, which may name a patient
            log.error("a parcel cannot be sent: %s", type(error).__name__)
            return f"It could not be sent, by a fault of this program ({type(error).__name__})."
        return None

    def _run(self) -> None:
        first, longest = self._waits_s
        pause = first
        while not self._stop.is_set():
            self._wake.clear()
            pause = first if self.send() else min(longest, 2 * pause)
            self._wake.wait(pause if _names(self._waiting) else None)


def _names(folder: Path) -> list[str]:
    """Parcels in a folder, the oldest first."""
    parcels = []
    for entry in os.scandir(folder):
        if entry.name.endswith(".json") and not entry.name.startswith("."):
            try:
                parcels.append((entry.stat().st_mtime_ns, entry.name.removesuffix(".json")))
            except FileNotFoundError:  # sent meanwhile
                continue
    return [name for _, name in sorted(parcels)]


def _there(root: Path, path: str) -> Path:
    if not (root / path).is_file():
        raise InputError(f"{path} is gone from the data folder, so it cannot be stored; restore it from a backup.")
    return root / path
