"""Who opened which case, and when: for the audit log, and for how long a reading took."""

from __future__ import annotations

import time

from ..readings.audit import AuditLog


class ReadingTimer:
    """Seconds since a reader opened a case, in this process."""

    def __init__(self, audit: AuditLog) -> None:
        self._audit = audit
        self._at: dict[tuple[str, str], float] = {}

    def note(self, case_id: str, reader: str | None) -> None:
        """A reader has a case before them; one line in the audit log the first time."""
        if reader is None or (reader, case_id) in self._at:
            return
        self._audit.append("opened", reader=reader, case=case_id)
        self._at[reader, case_id] = time.monotonic()

    def seconds(self, case_id: str, reader: str) -> float | None:
        """Since the reader opened the case or last submitted; None where they never opened it here."""
        opened = self._at.get((reader, case_id))
        return None if opened is None else time.monotonic() - opened

    def begin_again(self, case_id: str, reader: str) -> None:
        """The reader submitted: what comes is counted from now on."""
        if (reader, case_id) in self._at:
            self._at[reader, case_id] = time.monotonic()
