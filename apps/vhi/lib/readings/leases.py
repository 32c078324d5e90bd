"""Who is reading which case: so that two readers are not handed the same one."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from ..locks import locked
from ..records import NUMBER, read_remakable, write_json
from .folder import make_folder

# a clock may step back by so much, as time servers have it do, and its leases are still believed
CLOCK_LEEWAY_S = 120.0


class Leases:
    """One small file per case that was handed out; it expires by itself.

    A damaged one holds nobody, and one is never believed for longer than it was to last.

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
        lease = read_remakable(self._path(case_id), reader=str, until=NUMBER)
        if lease is None:
            return None
        seconds = lease.get("seconds")
        length = seconds if isinstance(seconds, NUMBER) else 60 * self.minutes
        # one that reaches further from now than it was ever to last was written by a clock that was ahead
        return str(lease["reader"]) if 0 < lease["until"] - self.clock() <= length + CLOCK_LEEWAY_S else None

    def take(self, case_id: str, reader: str) -> None:
        """Hand a case to a reader, or prolong their lease."""
        seconds = 60 * self.minutes
        write_json(self._path(case_id), {"reader": reader, "until": self.clock() + seconds, "seconds": seconds})

    def release(self, case_id: str, reader: str) -> None:
        """The reader is done with it; another's lease stays."""
        with self.choosing():
            if self.holder(case_id) == reader:
                self._path(case_id).unlink(missing_ok=True)

    def _path(self, case_id: str) -> Path:
        return self.root / f"{case_id}.json"
