"""How a study was conducted: who is in it, when patients were scanned, how long readers waited, which slices were scored.

Hepburn et al. 2023, sections 2.2, 2.3, 2.6 and 2.7.1.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import date
from itertools import pairwise

from .estimate import Summary, summary
from .sparcc import N_SLICES
from .table import FACTS, PATIENT_FACTS, VISIT_DATE, CohortTable, Reading, natural

# weeks of treatment before the second scan, and what they may be off
PLANNED_WEEKS = {"anti-tnf": 12, "anti-il-17": 16}
TOLERANCE_WEEKS = 2
# between two readings of one scan by one reader
WASHOUT_DAYS = 28
BASELINE_NUMBERS = ("age_years", "disease_duration_years", "crp_mg_l", "esr_mm_h", "basdai", "asdas")


@dataclass(frozen=True)
class BaselineValue:
    """One line of the baseline table: median and range, or how many of each word; `missing` of the subjects have nothing."""

    column: str
    missing: int
    numbers: Summary | None = None
    counts: tuple[tuple[str, int], ...] = ()


@dataclass(frozen=True)
class ScanInterval:
    """Days between a subject's two scans; `within` is None, with the reason, where it cannot be judged."""

    subject: str
    drug: str
    days: int | None
    within: bool | None
    why: str = ""


@dataclass(frozen=True)
class Washout:
    """Days between two readings of one scan by one reader and method, one after the other."""

    reading: Reading
    before: Reading
    days: int

    @property
    def enough(self) -> bool:
        return self.days >= WASHOUT_DAYS


@dataclass(frozen=True)
class ScoredSlices:
    """Which six slices of a scan two readers scored, and how many are the same."""

    subject: str
    visit: str
    readers: tuple[str, str]
    first: int
    second: int

    @property
    def shared(self) -> int:
        return max(0, N_SLICES - abs(self.first - self.second))


def left_out_of_study(table: CohortTable) -> dict[str, str]:
    """Subjects that are not included, with the word that says so."""
    stated = [(subject, visit.facts.get("inclusion", "included")) for (subject, _), visit in table.visits.items()]
    return {subject: word for subject, word in sorted(stated, key=lambda item: natural(item[0])) if word != "included"}


def included_only(table: CohortTable, left_out: Collection[str]) -> CohortTable:
    """The table without some subjects."""
    readings = tuple(reading for reading in table.readings if reading.subject not in left_out)
    return CohortTable(readings, {key: visit for key, visit in table.visits.items() if key[0] not in left_out})


def baseline_table(table: CohortTable) -> tuple[BaselineValue, ...]:
    """Age, sex, duration, HLA-B27, CRP, ESR, BASDAI, ASDAS and drug at baseline; columns that nobody filled in are left out."""
    subjects = table.subjects
    baseline: list[BaselineValue] = []
    for column in BASELINE_NUMBERS:
        values = table.of_visit(column, "baseline")
        if values:
            baseline.append(BaselineValue(column, len(subjects) - len(values), numbers=summary(list(values.values()))))
    for column in PATIENT_FACTS:
        words = [_fact(table, subject, column) for subject in subjects]
        counts = tuple((word, words.count(word)) for word in FACTS[column][0])
        if any(count for _, count in counts):
            baseline.append(BaselineValue(column, words.count(""), counts=counts))
    return tuple(baseline)


def _fact(table: CohortTable, subject: str, column: str) -> str:
    """A fact that does not change with the visit may stand at either."""
    visits = (table.visits.get((subject, visit)) for visit in ("baseline", "follow_up"))
    return next((visit.facts[column] for visit in visits if visit is not None and column in visit.facts), "")


def intervals(table: CohortTable) -> tuple[ScanInterval, ...]:
    """The time between both scans of every subject with two visits, beside the 12 weeks of anti-TNF or 16 of anti-IL-17.

    Empty where no visit has a date.
    """
    if not any(VISIT_DATE in visit.facts for visit in table.visits.values()):
        return ()
    both = [subject for subject in table.subjects if {(subject, "baseline"), (subject, "follow_up")} <= table.visits.keys()]
    return tuple(_interval(table, subject) for subject in both)


def _interval(table: CohortTable, subject: str) -> ScanInterval:
    drug = _fact(table, subject, "drug")
    days = [table.visits[subject, visit].facts.get(VISIT_DATE) for visit in ("baseline", "follow_up")]
    first, second = days
    if first is None or second is None:
        return ScanInterval(subject, drug, None, None, "a visit has no date")
    between = (date.fromisoformat(second) - date.fromisoformat(first)).days
    if between <= 0:
        return ScanInterval(subject, drug, between, False, "the follow-up is not after the baseline")
    if not drug:
        return ScanInterval(subject, drug, between, None, "no drug is given")
    planned, tolerance = 7 * PLANNED_WEEKS[drug], 7 * TOLERANCE_WEEKS
    return ScanInterval(subject, drug, between, abs(between - planned) <= tolerance)


def washouts(table: CohortTable) -> tuple[Washout, ...]:
    """Every two readings of one scan by one reader and method that follow each other and both have a date."""
    groups: dict[tuple[str, str, str, str], list[Reading]] = {}
    for reading in table.readings:
        if reading.read_on is not None:
            groups.setdefault((reading.subject, reading.visit, reading.reader, reading.method), []).append(reading)
    repeats = []
    for group in groups.values():
        ordered = sorted(group, key=lambda dated: dated.reading)
        for before, reading in pairwise(ordered):
            days = (date.fromisoformat(reading.read_on or "") - date.fromisoformat(before.read_on or "")).days
            repeats.append(Washout(reading, before, days))
    return tuple(sorted(repeats, key=lambda washout: (washout.days, natural(washout.reading.subject))))


def read_before_scanned(table: CohortTable) -> tuple[Reading, ...]:
    """Readings that are dated before the scan that they are of: one of both dates is wrong."""
    dates = {key: visit.facts.get(VISIT_DATE) for key, visit in table.visits.items()}
    return tuple(
        reading
        for reading in table.readings
        if reading.read_on is not None
        and (scanned := dates.get((reading.subject, reading.visit))) is not None
        and reading.read_on < scanned
    )


def scored_slices(table: CohortTable) -> tuple[ScoredSlices, ...]:
    """The slices that every two readers' SPARCC sheets of one scan scored, where both say which."""
    by_visit: dict[tuple[str, str], dict[str, int]] = {}
    for reading in table.readings:
        if "sparcc_first_slice" in reading.values and reading.reading == 1:
            by_visit.setdefault((reading.subject, reading.visit), {})[reading.reader] = int(reading.values["sparcc_first_slice"])
    scored = []
    for (subject, visit), firsts in sorted(by_visit.items(), key=lambda item: (natural(item[0][0]), item[0][1])):
        readers = sorted(firsts, key=natural)
        for n, a in enumerate(readers):
            scored += [ScoredSlices(subject, visit, (a, b), firsts[a], firsts[b]) for b in readers[n + 1 :]]
    return tuple(scored)
