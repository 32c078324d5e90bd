"""Who is reading which case: so that two readers are not handed the same one."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from ..locks import locked
from .folder import make_folder, read_json, write_json


class Leases:
    """One small file per case that was handed out; it expires by itself.

    Parameters
    ----------
    root : Path
        The folder of leases.
    minutes : float
        How long one lasts.
    clock : callable
        Seconds since the epoch.
    """

    def __init__(self, root: Path, minutes: float, clock: Callable[[], float] = time.time) -> None:
        self.root, self.minutes, self.clock = root, minutes, clock
        make_folder(root)

    @contextmanager
    def choosing(self) -> Iterator[None]:
        """Hold this while a case is chosen and taken."""
        with locked(self.root / "lock"):
            yield

    def holder(self, case_id: str) -> str | None:
        """Who holds a case now."""
        lease = read_json(self._path(case_id))
        return str(lease["reader"]) if lease and float(lease.get("until", 0)) > self.clock() else None

    def take(self, case_id: str, reader: str) -> None:
        """Hand a case to a reader, or prolong their lease."""
        write_json(self._path(case_id), {"reader": reader, "until": self.clock() + 60 * self.minutes})

    def release(self, case_id: str, reader: str) -> None:
        """The reader is done with it; another's lease stays."""
        with self.choosing():
            if self.holder(case_id) == reader:
                self._path(case_id).unlink(missing_ok=True)

    def _path(self, case_id: str) -> Path:
        return self.root / f"{case_id}.json"
