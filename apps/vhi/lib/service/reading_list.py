"""The study as one reader sees it: which case is begun, done, still to read, with somebody else, or waiting and why."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from ..errors import RequestError
from ..readings.drafts import Drafts
from ..readings.leases import Leases
from ..readings.store import FINISHING, ReadingStore, is_region_alone
from ..readings.submission import Submission, check_reader, reading_number
from ..studies.pairing import Case, Waiting
from .blinding import Blinding
from .cases import Cases
from .conduct import Conduct
from .fates import Fates
from .skipped import Skipped
from .study_config import StudyConfig

State = Literal["begun", "open", "done", "elsewhere", "waiting"]
# as they are listed: what to go on with comes first
STATES: tuple[State, ...] = ("begun", "open", "elsewhere", "done", "waiting")
LONGEST_FILTER = 100
_Submissions = Mapping[str, tuple[Submission, ...]]


@dataclass(frozen=True)
class CaseRow:
    """One case, or what waits to become one.

    `image` is what 3D Slicer calls its STIR series, `study` the UID of its study where a viewer in a browser may open it;
    both are None of what waits. `since` is when it was handed in (ISO 8601, UTC), `note` a sentence where there is
    something to say. `submission` is the reader's newest one in the reading that was measured: what has a report.
    """

    case: str
    state: State
    image: str | None = None
    study: str | None = None
    since: str | None = None
    note: str = ""
    submission: str | None = None


@dataclass(frozen=True)
class ReadingPage:
    """A part of the list: how many cases are in each state, and the first `rows` of those that were asked for."""

    reader: str
    reading: int
    blinded: bool
    counts: Mapping[State, int]
    rows: tuple[CaseRow, ...]
    matching: int


@dataclass(frozen=True)
class ReadingProgress:
    """How many cases a reader has finished in one of their readings."""

    reader: str
    reading: int
    done: int


@dataclass(frozen=True, eq=False)
class ReadingStudy:
    """A study that readers read: its cases, what was read of them, who holds which and skipped which, and its rules."""

    cases: Cases
    readings: ReadingStore
    leases: Leases
    skipped: Skipped
    blinding: Blinding | None
    config: StudyConfig


class ReadingList:
    """Lists cases; hands none out, see `lib.service.worklist.Worklist`."""

    def __init__(self, study: ReadingStudy, drafts: Drafts, conduct: Conduct) -> None:
        self._cases, self._readings, self._leases, self._skipped = study.cases, study.readings, study.leases, study.skipped
        self._blinding, self._config = study.blinding, study.config
        self._drafts, self._conduct = drafts, conduct

    def page(self, reader: str, reading: int = 1, *, state: str = "", matching: str = "", limit: int = 200) -> ReadingPage:
        """The list of one reader in one reading, what to go on with first.

        Parameters
        ----------
        state : str
            One of `STATES` alone; empty for all.
        matching : str
            Part of the case's name, in upper or lower case.
        limit : int
            How many rows at most; the counts are of all cases.

        Raises
        ------
        RequestError
            An unusable reader's name, reading or state.
        """
        check_reader(reader)
        reading = reading_number(reading)
        if state and state not in STATES:
            raise RequestError(f"The state is {state[:60]!r}; it must be {', '.join(STATES[:-1])} or {STATES[-1]}.")
        submissions, with_draft = dict(self._readings.intact()), self._drafts.cases_with_draft(reader, reading)
        listed = self._listed(reader, reading, submissions, with_draft)
        sought = matching[:LONGEST_FILTER].casefold()
        wanted = [
            (kind, case)
            for kind in STATES
            if state in ("", kind)
            for case in listed[kind]
            if not sought or sought in _name(case).casefold()
        ]
        return ReadingPage(
            reader,
            reading,
            self._blinding is not None,
            {kind: len(cases) for kind, cases in listed.items()},
            tuple(
                CaseRow(case.name, "waiting", note=case.reason)
                if isinstance(case, Waiting)
                else self._row(kind, case, submissions.get(case.case_id, ()), (reader, reading), case.case_id in with_draft)
                for kind, case in wanted[:limit]
            ),
            len(wanted),
        )

    def progress(self) -> tuple[ReadingProgress, ...]:
        """How many cases each reader finished, reading by reading, of those who handed something in."""
        known = {case.case_id for case in self._cases.index.cases}
        done: dict[tuple[str, int], set[str]] = {}
        for case_id, made in self._readings.intact():
            for submission in made:
                if case_id in known and submission.segment(FINISHING) is not None:
                    done.setdefault((submission.reader, submission.reading), set()).add(case_id)
        return tuple(ReadingProgress(reader, reading, len(cases)) for (reader, reading), cases in sorted(done.items()))

    def _listed(
        self, reader: str, reading: int, submissions: _Submissions, with_draft: frozenset[str]
    ) -> dict[State, list[Case | Waiting]]:
        """All cases by their state, in the order of the study; what else is known of them is added to those that are shown."""
        index, holders = self._cases.index, self._leases.of(reader).holders()
        calibration_left = self._conduct.calibration_left(reader)
        listed: dict[State, list[Case | Waiting]] = {state: [] for state in STATES}
        for case in self._blinding.order(index.cases, reader, reading) if self._blinding else index.cases:
            made, holder = submissions.get(case.case_id, ()), holders.get(case.case_id)
            state = self._state(reader, reading, made, holder, case.case_id in with_draft)
            obstacle = self._conduct.obstacle(case.case_id, reader, reading, made, calibration_left) if state == "open" else None
            if obstacle:
                listed["waiting"].append(Waiting(case.case_id, obstacle))
            else:
                listed[state].append(case)
        listed["waiting"] += index.waiting
        return listed

    def _state(self, reader: str, reading: int, made: tuple[Submission, ...], holder: str | None, has_draft: bool) -> State:
        finishing = [submission for submission in made if submission.segment(FINISHING) is not None]
        if any((submission.reader, submission.reading) == (reader, reading) for submission in finishing):
            return "done"
        if has_draft or holder == reader:
            return "begun"
        if not self._config.several_readers and (
            holder is not None or any(submission.reader != reader for submission in finishing)
        ):
            return "elsewhere"
        return "open"

    def _row(self, state: State, case: Case, made: tuple[Submission, ...], whose: tuple[str, int], has_draft: bool) -> CaseRow:
        """With what a reader is told beside the state: that the region alone is done, what became of it, that they skipped it.

        `whose` is the reader and the reading.
        """
        own = [each for each in made if (each.reader, each.reading) == whose]
        done = next((each for each in reversed(own) if each.segment(FINISHING) is not None), None)
        fates = Fates.read(self._readings)
        newest = next((fate for each in reversed(own) if (fate := fates.of(each, made))), None)
        parts = [
            "You have changes that are not handed in." if done and has_draft else "",
            "Its region alone is handed in." if is_region_alone(own) else "",
            "You skipped it." if not own and self._skipped.by(case.case_id, *whose) else "",
            str(newest["reason"]) if newest else "",
        ]
        return CaseRow(
            case.case_id,
            state,
            case.image_id("STIR"),
            case.viewed.study_uid if case.viewed else None,
            done.created if done else None,
            " ".join(filter(None, parts)),
            next((each.submission_id for each in reversed(own) if each.measured), None),
        )


def _name(case: Case | Waiting) -> str:
    return case.case_id if isinstance(case, Case) else case.name
