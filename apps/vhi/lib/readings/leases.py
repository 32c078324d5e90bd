"""Who is reading which case: so that two readers are not handed the same one."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from copy import copy
from pathlib import Path

from ..locks import locked
from ..records import NUMBER, read_remakable, write_json
from .data_folder import READERS, make_folder
from .submission import check_reader

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
    several_readers : bool
        Every reader reads every case, and holds it for themselves: see `of`.
    """

    def __init__(
        self, root: Path, minutes: float, clock: Callable[[], float] = time.time, *, several_readers: bool = False
    ) -> None:
        self.root, self.minutes, self.clock, self.several_readers = root, minutes, clock, several_readers
        self._lock = root / "lock"
        make_folder(root)

    def of(self, reader: str) -> Leases:
        """Those that concern a reader: their own where several read each case, all where a case goes to one reader.

        Raises
        ------
        RequestError
            An unusable reader's name.
        """
        check_reader(reader)
        if not self.several_readers:
            return self
        own = copy(self)  # with the same lock
        own.root, own.several_readers = self.root / READERS / reader, False
        return own

    @contextmanager
    def choosing(self) -> Iterator[None]:
        """Hold this while a case is chosen and taken."""
        with locked(self._lock):
            yield

    def holders(self) -> dict[str, str]:
        """Who holds what now: readers by case."""
        held = {path.stem: self.holder(path.stem) for path in self.root.glob("*.json")}
        return {case_id: reader for case_id, reader in held.items() if reader is not None}

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
        make_folder(self.root)
        write_json(self._path(case_id), {"reader": reader, "until": self.clock() + seconds, "seconds": seconds})

    def drop(self, case_id: str) -> None:
        """Nobody holds it any more; for who holds `choosing`."""
        self._path(case_id).unlink(missing_ok=True)

    def release(self, case_id: str, reader: str) -> None:
        """The reader is done with it; another's lease stays."""
        with self.choosing():
            if self.holder(case_id) == reader:
                self.drop(case_id)

    def _path(self, case_id: str) -> Path:
        return self.root / f"{case_id}.json"
