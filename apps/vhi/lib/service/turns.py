"""Which case is whose turn: calibration first, what waits for its time left out, visits of one patient never in a row."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from itertools import chain
from pathlib import Path

from ..errors import VhiError
from ..readings.store import ReadingStore
from ..studies.pairing import Case
from .conduct import Conduct
from .ranking import Ranked

Patients = Callable[[str], str]
log = logging.getLogger("vhi.service")


class UnknownPatientError(Exception):
    """Whose case `case_id` is was not found out yet."""

    def __init__(self, case_id: str) -> None:
        super().__init__(case_id)
        self.case_id = case_id


class Turns:
    """The rules that change the drawn order of cases: whose turn a case is.

    Parameters
    ----------
    patients : callable
        Gives what tells a case's patient from its id, for the cases as of now.
    table : Path
        The site's own table of patients; there need not be one. When it changes, all are asked for again.
    """

    def __init__(self, readings: ReadingStore, conduct: Conduct, patients: Callable[[], Patients], table: Path) -> None:
        self._readings, self._conduct, self._patients, self._table = readings, conduct, patients, table
        self._offered: dict[tuple[str, int], str] = {}
        # an archive is asked for each case once
        self._known: dict[str, str] = {}
        self._known_since = _mtime_ns(table)
        # why the last order is not as it should be, in a sentence for anybody; None where all is well
        self.problem: str | None = None

    def allowed(self, cases: Sequence[Case], reader: str, reading: int) -> list[Case]:
        """Those of some cases that a reader may read now."""
        return [case for case, obstacle in self._obstacles(cases, reader, reading) if obstacle is None]

    def first_obstacle(self, cases: Sequence[Case], reader: str, reading: int) -> str:
        """Why the first of some cases that a reader may not read now has to wait; empty where none has."""
        before = self._readings.finished(reader, reading - 1) if reading > 1 else ()
        likely_first = sorted(cases, key=lambda case: case.case_id not in before)
        return next((obstacle for _, obstacle in self._obstacles(likely_first, reader, reading) if obstacle), "")

    def _obstacles(self, cases: Sequence[Case], reader: str, reading: int) -> Iterator[tuple[Case, str | None]]:
        """See `Conduct.obstacle`."""
        left = self._conduct.calibration_left(reader)
        return ((case, self._conduct.obstacle(case.case_id, reader, reading, calibration_left=left)) for case in cases)

    def apart(self, ranked: Sequence[Ranked], reader: str, reading: int) -> list[Ranked]:
        """The same order, but a case of another patient than the reader's last one comes first, where there is one.

        Raises
        ------
        UnknownPatientError
            It was not found out yet whose case one of them is, see `learn_patient`.
        """
        last = self._offered.get((reader, reading))
        if last is None or any(candidate.case.case_id == last for candidate in ranked):
            # it is not finished: what was chosen before it decides again, and comes to it again
            last = self._last_handed_in(reader, reading)
        if last is None or len(ranked) < 2:
            return list(ranked)
        first = self._of_another_patient(last, ranked)
        self.problem = None
        return list(ranked) if first is None else [first, *(candidate for candidate in ranked if candidate is not first)]

    def learn_patient(self, case_id: str) -> bool:
        """Find out whose case that is, which may ask an archive; whether it could be told. Hold no lock that others wait for."""
        try:
            self._known[case_id] = self._patients()(case_id)
        except VhiError as error:
            if self.problem is None:
                log.error("visits of one patient are not kept apart now: %s", error)
            self.problem = (
                "Visits of one patient may follow each other in the worklist: the patients cannot be told; the log says why."
            )
            return False
        return True

    def note(self, case: Case, reader: str, reading: int) -> None:
        """A reader was offered a case."""
        self._offered[reader, reading] = case.case_id

    def _of_another_patient(self, last: str, ranked: Sequence[Ranked]) -> Ranked | None:
        table = _mtime_ns(self._table)
        if table != self._known_since:
            self._known, self._known_since = {}, table

        def patient_of(case_id: str) -> str:
            known = self._known.get(case_id)
            if known is None:
                raise UnknownPatientError(case_id)
            return known

        return next((candidate for candidate in ranked if patient_of(candidate.case.case_id) != patient_of(last)), None)

    def _last_handed_in(self, reader: str, reading: int) -> str | None:
        """After a restart: the case of the reader's newest submission in that reading."""
        made = chain.from_iterable(submissions for _, submissions in self._readings.intact())
        own = [submission for submission in made if (submission.reader, submission.reading) == (reader, reading)]
        return max(own, key=lambda submission: submission.created).case_id if own else None


def _mtime_ns(path: Path) -> int | None:
    try:
        return path.stat().st_mtime_ns
    except OSError:
        return None
