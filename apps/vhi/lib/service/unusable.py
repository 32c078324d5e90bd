"""Cases whose scans turned out unusable: why they wait, and when they are tried again."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from ..errors import (
    ArchiveError,
    ConflictError,
    DamagedError,
    InputError,
    OutputError,
    ShareError,
    UnavailableError,
    VhiError,
    may_pass,
)
from ..studies.deidentify import BurnedInError
from ..studies.pairing import Case

log = logging.getLogger("vhi.service")

# what may pass by itself (no free memory, a disk that did not answer) is tried again after this time
RETRY_S = 60.0
HIDDEN = "A scan of this case cannot be used now; the administrator's log says why."
NOT_SENT = "The archive does not send the scans of this case now; try again later. The administrator's log says why."
NOT_WRITTEN = "The server's disk does not take what this case needs now; the administrator's log says why."
# their sentences know cases by their aliases, files that this program keeps, and nothing of the archive
_NAME_NOBODY = (BurnedInError, ConflictError, DamagedError, ShareError)

FileVersion = tuple[int, int, int] | str | None


@dataclass(frozen=True)
class _Failure:
    reason: str
    version: tuple[FileVersion, ...]
    until: float  # time.monotonic()


class UnusableCases:
    """Why cases wait; safe between threads.

    Parameters
    ----------
    blinded : bool
        Readers are not told the names of files, which may tell who the patient is: these are logged.
    """

    def __init__(self, blinded: bool) -> None:
        self._blinded = blinded
        self._failures: dict[str, _Failure] = {}
        self._logged: set[tuple[str, str]] = set()

    def __contains__(self, case: Case) -> bool:
        return case.case_id in self._failures

    @property
    def reasons(self) -> dict[str, str]:
        """Why, by the ids of the cases, in words for readers."""
        return {case_id: failure.reason for case_id, failure in dict(self._failures).items()}

    def error_for_readers(self, case: Case, error: VhiError) -> VhiError:
        """The error that readers are told of a failure: in a blinded study a fixed sentence, unless the error can name nobody."""
        if not self._blinded or isinstance(error, _NAME_NOBODY):
            return error
        if (mark := (case.case_id, str(error))) not in self._logged:
            self._logged.add(mark)
            log.error("%s cannot be used: %s", case.case_id, error)
        if isinstance(error, UnavailableError):
            return ArchiveError(NOT_SENT)
        return OutputError(NOT_WRITTEN) if isinstance(error, OutputError) else InputError(HIDDEN)

    def note(self, case: Case, version: tuple[FileVersion, ...], error: VhiError) -> None:
        """Let a case wait from now on, whose files were of this version when they could not be used."""
        until = time.monotonic() + RETRY_S if may_pass(error) else float("inf")
        self._failures[case.case_id] = _Failure(str(self.error_for_readers(case, error)), version, until)

    def forget(self, case: Case) -> None:
        """A case does not wait any longer."""
        self._failures.pop(case.case_id, None)

    def forget_old(self, cases: Iterable[Case]) -> None:
        """Those are tried again whose files changed, also back to what they were, or whose failure may have passed."""
        for case in cases:
            failure = self._failures.get(case.case_id)
            if failure is not None and (failure.until <= time.monotonic() or failure.version != version_of(case)):
                self.forget(case)


def version_of(case: Case) -> tuple[FileVersion, ...]:
    """Which version of its files a case has now: sizes and times [ns]; None for a file that is not there.

    In an archive the name of the file, which changes with the instances; the file comes and goes.
    """
    return (str(case.stir),) if case.archived is not None else tuple(map(_file_version, case.paths))


def _file_version(path: Path) -> tuple[int, int, int] | None:
    try:
        status = path.stat()
    except OSError:
        return None
    # a file that is put back has its old time of writing; rights that are mended change the last one alone
    return status.st_size, status.st_mtime_ns, status.st_ctime_ns
