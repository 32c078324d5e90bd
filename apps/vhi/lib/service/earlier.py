"""The earlier visit of a case's patient: which reading it is, what changed since, and what is said where that cannot be told.

The patient is the archive's, by PatientID and its issuer; of a folder of studies that of `retraining/patients.csv` in the data
folder (columns `case`, `patient` and, for the order of the visits, `date` as YYYY-MM-DD), else that of the case's name as a
cohort reads it (`S01_follow_up` is S01's follow-up). A visit counts once a reader finished it, in a reading of the same number.
Where every reader reads every case, or others' results are hidden, it must be the same reader's: their readings know nothing of
each other. In a blinded study nothing is compared.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..cohort.table import split_case
from ..core.change import Change, NotCompared
from ..core.lesions import label_lesions
from ..core.numbers import plain
from ..core.pipeline import VhiResult
from ..core.segment_names import INFLAMMATION
from ..core.volume import Mask, Volume
from ..csv_tables import parse_table_text, read_table_text
from ..errors import GridMismatchError, InputError, NotFoundError, VhiError
from ..followup import NUMBERS, EarlierVisit, compare_with_earlier, lay_over
from ..readings.checking import check_report
from ..readings.submission import Submission
from ..records import read_json
from ..reports.change import change_facts
from ..retraining.holdout import PATIENTS, patients_of_table
from ..retraining.retraining_folder import RetrainingFolder
from ..studies.alignment import Alignment, align, moved_mask, moved_volume
from ..studies.pairing import Case
from .cases import Cases
from .memory_cache import LastUsed
from .scans import Scans
from .study_config import StudyConfig

KEPT_BESIDE = 2  # a viewer asks for facts, image and mask one after the other
KNOWN_FOR_S = 20.0  # clicks follow each other; an archive is not asked at each
_DAY = re.compile(r"\d{4}-\d{2}-\d{2}")
_ORDER = ("baseline", "follow_up")


@dataclass(frozen=True, eq=False)
class SinceEarlier:
    """The comparison with an earlier visit: `change`, or why there is none, and the `submission` compared with on its `date`."""

    change: Change | NotCompared
    submission: Submission | None = None
    date: str = ""

    def record(self) -> dict[str, str]:
        """The form of it in `submission.json`: enough to compare again."""
        if self.submission is None:
            return {"not_compared": "" if isinstance(self.change, Change) else self.change.sentence}
        return {"case": self.submission.case_id, "submission": self.submission.submission_id, "date": self.date}


@dataclass(frozen=True, eq=False)
class VisitBeside:
    """The earlier visit laid over this one, on the grid of this one's STIR.

    Parameters
    ----------
    stir : Volume
        In its own intensities; 0 outside its field of view.
    kept : Mask
        What its reading kept.
    submission, date
        As of `SinceEarlier`.
    sensitive : float
        Its sensitive threshold: over it both visits are as bright.
    """

    stir: Volume
    kept: Mask
    submission: Submission
    date: str
    sensitive: float

    def facts(self) -> dict[str, Any]:
        """The comparison as facts of an answer."""
        made = self.submission
        return {"case": made.case_id, "date": self.date or None, "reader": made.reader, "sensitive": self.sensitive}


class EarlierVisits:
    """Finds the earlier visit of a case, and compares with it.

    Parameters
    ----------
    cases : Cases
    config : StudyConfig
        Of a blinded study nothing is compared.
    """

    def __init__(self, cases: Cases, config: StudyConfig) -> None:
        self._cases, self._readings, self._config = cases, cases.readings, config
        self._days: LastUsed[tuple[float, Mapping[str, str]]] = LastUsed(config.kept_results)
        self._visits: LastUsed[EarlierVisit] = LastUsed(config.kept_results)
        self._motions: LastUsed[Alignment | GridMismatchError] = LastUsed(config.kept_results)
        self._beside: LastUsed[VisitBeside] = LastUsed(KEPT_BESIDE)

    def since(self, scans: Scans, result: VhiResult, reader: str | None, reading: int) -> SinceEarlier | None:
        """The change since the newest earlier visit; None where there is none.

        Callers may hold the lock of the case: that of an earlier one is only ever taken inside that of a later one.
        """
        if self._config.blinded or reader is None:
            return None
        try:
            chosen = self._newest(scans.case, reader, reading)
        except VhiError as error:
            return SinceEarlier(NotCompared(f"Whether the patient has an earlier visit is not known: {error}"))
        if chosen is None or isinstance(chosen, NotCompared):
            return None if chosen is None else SinceEarlier(chosen)
        return self._compared(scans, result, *chosen)

    def again(self, scans: Scans, result: VhiResult, record: Mapping[str, str] | None) -> SinceEarlier | None:
        """The same for what a submission was compared with, as it keeps it.

        Raises
        ------
        NotFoundError
            That submission is gone.
        """
        if record is None or "not_compared" in record:
            return None if record is None else SinceEarlier(NotCompared(record["not_compared"]))
        return self._compared(scans, result, self._readings.get(record["case"], record["submission"]), record["date"])

    def facts(self, since: SinceEarlier | None, reader: str | None) -> dict[str, Any]:
        """The facts for an answer: those of `vhi.json`, and which visit was compared."""
        if since is None:
            return {}
        made = since.submission
        facts: dict[str, Any] = plain(change_facts(since.change))
        if made is not None:
            image = self._cases.index.case(made.case_id).image_id("STIR")
            # readers see reports of their own alone
            report = {"image": image, "submission": made.submission_id, "reader": made.reader} if made.reader == reader else None
            facts["earlier"] = {"case": made.case_id, "date": since.date or None, "report": report}
        return facts

    def visit_on_grid(self, scans: Scans, reader: str, reading: int) -> VisitBeside:
        """The visit that `since` compares with, to look at beside this one; callers hold the lock of the case.

        Raises
        ------
        NotFoundError
            There is none: the study is blinded, nothing earlier was finished, or which visit is the earlier is not known.
        GridMismatchError
            They cannot be laid over each other.
        VhiError
            The earlier scan or its mask cannot be read.
        """
        if self._config.blinded:
            raise NotFoundError("This study is blinded: its visits are read apart, and none is shown beside another.")
        chosen = self._newest(scans.case, reader, reading)
        if chosen is None:
            raise NotFoundError("No earlier visit of this patient was finished; there is none to show.")
        if isinstance(chosen, NotCompared):
            raise NotFoundError(chosen.sentence)
        made, date = chosen
        key = scans.case.case_id, *sorted(scans.sha256.values()), made.case_id, made.submission_id, date
        since = self._beside.get(key)
        if since is None:
            since = self._laid_over(scans, made, date)
            self._beside.put(key, since)
        return since

    def _laid_over(self, scans: Scans, made: Submission, date: str) -> VisitBeside:
        earlier = self._earlier(made, date)
        stir = earlier.stir
        if stir is None:
            raise NotFoundError("The scan of the earlier visit is not at hand; its numbers alone are.")
        motion = self._motion(scans, made, earlier, lambda: align(scans.stir, stir))
        lesions = Mask(earlier.lesions > 0, earlier.grid, "lesions of the earlier visit")
        grid, sensitive = scans.stir.grid, float(earlier.numbers["thresholds"]["sensitive"])
        return VisitBeside(moved_volume(stir, grid, motion), moved_mask(lesions, grid, motion), made, date, sensitive)

    # which one ----------------------------------------------------------------------------------------------------------------

    def _newest(self, case: Case, reader: str, reading: int) -> tuple[Submission, str] | NotCompared | None:
        days = self._days_of(case)
        others = {other: self._finished(other, reader, reading) for other in days if other != case.case_id}
        finished = {other: made for other, made in others.items() if made is not None}
        if not finished:
            return None
        own, dated = days[case.case_id], {other: days[other] for other in finished}
        if not own or not all(dated.values()):
            return self._by_name(case.case_id, finished, [own, *dated.values()])
        if own in dated.values():
            return NotCompared(
                f"The patient has another scan of the same day, {own}, which is not compared: which is the earlier is not known."
            )
        before = {other: day for other, day in dated.items() if day < own}
        if not before:
            return None
        day = max(before.values())
        newest = [other for other, when in before.items() if when == day]
        if len(newest) > 1:
            return NotCompared(
                f"The patient has {len(newest)} earlier scans of one day, {day}: which of them to compare with is not known."
            )
        return finished[newest[0]], day

    @staticmethod
    def _by_name(
        case_id: str, finished: Mapping[str, Submission], days: list[str]
    ) -> tuple[Submission, str] | NotCompared | None:
        """By what the cases are called, where no scan is dated; else it is said that the order is not known."""
        order = {other: _ORDER.index(split_case(other)[1]) for other in (case_id, *finished)}
        if not any(days) and len(set(order.values())) == len(order):
            before = [other for other in finished if order[other] < order[case_id]]
            return (finished[before[0]], "") if before else None
        what = "this scan" if not days[0] else "another scan of the patient"
        return NotCompared(
            f"The patient has another visit, which is not compared: the date of {what} is not known, nor which of them is the "
            "earlier."
        )

    def _finished(self, case_id: str, reader: str, reading: int) -> Submission | None:
        """The newest finished and measured one of a case: the reader's own, else, where a case goes to one reader, another's."""
        made = [
            submission
            for submission in self._readings.of_case(case_id)
            if submission.measured and submission.reading == reading and submission.segment(INFLAMMATION) is not None
        ]
        own = [submission for submission in made if submission.reader == reader]
        others = [] if self._config.several_readers or self._config.hide_others else made
        return next(iter(reversed(own or others)), None)

    def _days_of(self, case: Case) -> Mapping[str, str]:
        """The day of each visit of the patient by case id, this case's among them; "" for one that is not known."""
        known = self._days.get(case.case_id)
        if known is None or time.monotonic() - known[0] > KNOWN_FOR_S:
            visits = self._cases.source.visits(case) if case.archived else self._of_folder(case)
            known = time.monotonic(), {case.case_id: "", **visits}
            self._days.put(case.case_id, known)
        return known[1]

    def _of_folder(self, case: Case) -> dict[str, str]:
        table = RetrainingFolder(self._readings.root).root / PATIENTS
        patient_of = patients_of_table(table, lambda case_id: split_case(case_id)[0])
        days, patient = _days_of_table(table), patient_of(case.case_id)
        return {
            case.case_id: days.get(case.case_id, "") for case in self._cases.index.cases if patient_of(case.case_id) == patient
        }

    # the comparison -----------------------------------------------------------------------------------------------------------

    def _compared(self, scans: Scans, result: VhiResult, made: Submission, date: str) -> SinceEarlier:
        try:
            earlier = self._earlier(made, date)
            change = compare_with_earlier(
                result, earlier, lambda: self._motion(scans, made, earlier, lambda: lay_over(result, earlier))
            )
        except VhiError as error:
            change = NotCompared(f"The earlier visit is not compared with this one: {error}")
        return SinceEarlier(change, made, date)

    def _earlier(self, made: Submission, date: str) -> EarlierVisit:
        """A reading as it was kept, in the form that `measure --previous` has it of a result folder."""
        key = made.case_id, made.submission_id, date
        known = self._visits.get(key)
        if known is not None:
            return known
        path = self._readings.folder_of(made) / NUMBERS
        check_report(path, made)
        numbers = read_json(path, vhi_mm3=dict, voxels=dict, thresholds=dict, provenance=dict)
        mask = self._readings.read_segment(made, INFLAMMATION)
        if numbers is None or mask is None:
            raise InputError("its report or its mask is missing")
        stir: Volume | None = None
        try:
            with self._cases.loaded(self._cases.index.case(made.case_id)) as scans:
                stir = scans.stir
        except VhiError:
            pass  # the numbers can be compared without it
        voxels, counted = mask.data, numbers["voxels"]["sensitive"]
        if stir is not None and int(voxels.sum()) != counted:
            voxels = voxels & (stir.data >= numbers["thresholds"]["sensitive"])  # what was painted below it did not count
        # painted where the settings leave everything out, or a hole that was filled: the mask alone does not say which
        unsure = "" if int(voxels.sum()) == counted else "which voxels of the earlier mask count in its number is not known"
        lesions = label_lesions(voxels.astype("uint8"))[0]
        visit = EarlierVisit(numbers, lesions, mask.grid, None, stir, date, unsure if stir is not None else "")
        if stir is not None:
            self._visits.put(key, visit)
        return visit

    def _motion(self, scans: Scans, made: Submission, earlier: EarlierVisit, find: Callable[[], Alignment]) -> Alignment:
        """Found once: it follows from both scans alone."""
        key = scans.case.case_id, *sorted(scans.sha256.values()), made.case_id, earlier.stir is None
        known = self._motions.get(key)
        if known is None:
            try:
                known = find()
            except GridMismatchError as error:
                known = error
            self._motions.put(key, known)
        if isinstance(known, GridMismatchError):
            raise known
        return known


def _days_of_table(path: Path) -> dict[str, str]:
    """The column `date` of the table of patients, by case; empty where there is no such table or column.

    Raises
    ------
    InputError
        A date that is none, or two for one case.
    """
    if not path.exists():
        return {}
    table = parse_table_text(read_table_text(path), path.name, may_be_short=True)
    rows = [(row.get("case", ""), row.get("date", "")) for _, row in table.rows()]
    days: dict[str, str] = {}
    for case_id, day in rows:
        if day and (not _DAY.fullmatch(day) or days.setdefault(case_id, day) != day):
            raise InputError(f"{path.name} gives case {case_id} the date {day[:20]!r}; it needs one date, as YYYY-MM-DD.")
    return days
