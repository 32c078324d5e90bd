"""The one table that every cohort analysis starts from: who read what, and with which result.

A row is one reading of one visit (`reader` given) or what is known of a visit whoever read it (`reader` empty). Values of a
visit may stand on any of its rows, as long as they agree. `docs/cohort.md` is the user's page.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import TypeVar

from ..csv_tables import CsvTable, parse_table_text
from ..errors import InputError

_Value = TypeVar("_Value", float, str)

VISITS = ("baseline", "follow_up")
METHODS = ("semi-automatic", "manual")
VERDICTS = ("usable", "check", "not comparable")
STAGES = ("cleaned", "proposed", "raw")
RATINGS = ("satisfactory", "corrected", "failed")
DISAGREEMENTS = ("anatomical", "morphological", "artefact")
MISSING = frozenset({"", "na", "n/a", "nan", "null", "none", "."})
MOST_ROWS = 100_000
LONGEST_NAME = 80
LAST_READING = 99
# mm3, voxels, clicks, s: a cubic metre, thirty years; squares and sums of such numbers are still finite
MOST = 1e9
# no measurement: a remainder of a calculation, whose square is no number any more
LEAST = 1e-9
# control, and marks that turn the direction of writing: a name that looks like another
_UNPRINTABLE = re.compile(r"[\x00-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2066-\u2069\ufeff\ud800-\udfff]")
_CASE_OF_VISIT = re.compile(r"(?P<subject>.+)[_.-]((?P<baseline>baseline)|follow[_-]?up)", re.IGNORECASE)
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")


@dataclass(frozen=True)
class Column:
    """One column of numbers: its unit, the range that is possible, and whether only whole numbers are."""

    name: str
    unit: str
    high: float
    of_visit: bool
    means: str
    low: float = 0.0
    whole: bool = False

    @property
    def range(self) -> str:
        kind = "a whole number" if self.whole else "a number"
        return f"{kind} from {self.low:g} to {self.high:,.10g}"


NUMBERS = {
    column.name: column
    for column in (
        Column("vhi_mm3", "mm3", MOST, False, "VHI at the sensitive threshold: the primary measure"),
        Column("vhi_conservative_mm3", "mm3", MOST, False, "VHI at the conservative threshold"),
        Column("vhi_voxels", "voxels", MOST, False, "the same as vhi_mm3, counted", whole=True),
        Column("vhi_conservative_voxels", "voxels", MOST, False, "the same as vhi_conservative_mm3, counted", whole=True),
        Column("sparcc", "points", 72, False, "SPARCC score of bone marrow oedema of the sacroiliac joints"),
        Column("clicks", "clicks", MOST, False, "effort of the reading", whole=True),
        Column("seconds", "s", MOST, False, "effort of the reading"),
        Column("boundary_edits", "edits", MOST, False, "effort of the reading: strokes that changed an outline", whole=True),
        Column("proposal_removed_voxels", "voxels", MOST, False, "taken out by the cleaning proposal", whole=True),
        Column("clicks_removed_voxels", "voxels", MOST, False, "removed by the reader's clicks", whole=True),
        Column("clicks_restored_voxels", "voxels", MOST, False, "put back by the reader's clicks", whole=True),
        Column("hand_erased_voxels", "voxels", MOST, False, "erased by hand", whole=True),
        Column("hand_painted_voxels", "voxels", MOST, False, "painted, or painted back, by hand", whole=True),
        Column("regions_changed_voxels", "voxels", MOST, False, "changed because a region or the rule changed", whole=True),
        Column("basdai", "points", 10, True, "Bath Ankylosing Spondylitis Disease Activity Index"),
        Column("spinal_vas_cm", "cm", 10, True, "spinal pain on a visual analogue scale"),
        Column("asdas", "points", 10, True, "Ankylosing Spondylitis Disease Activity Score"),
        Column("crp_mg_l", "mg/l", 1000, True, "C-reactive protein"),
        Column("esr_mm_h", "mm/h", 200, True, "erythrocyte sedimentation rate"),
        Column("age_years", "years", 120, True, "age"),
        Column("disease_duration_years", "years", 100, True, "since diagnosis"),
        Column("sparcc_first_slice", "slice", 1000, False, "first of the six consecutive slices scored", low=1, whole=True),
    )
}
WORDS: dict[str, tuple[tuple[str, ...], bool, str]] = {
    "stage": (STAGES, False, "which number the row has: what a reader cleaned, what a model proposed, or the uncleaned volume"),
    "verdict": (VERDICTS, False, "whether the number may be used, as vhi.json has it (verdict.md)"),
    "rating": (RATINGS, False, "the automatic disease region in the reader's eyes"),
    "disagreement": (DISAGREEMENTS, True, "why the readers of the visit disagree, where somebody looked"),
}
ALSO: dict[str, dict[str, str]] = {"stage": {"uncleaned": "raw"}}
# what is known of a visit in words, with the names that drugs are given by
FACTS: dict[str, tuple[tuple[str, ...], dict[str, str], str]] = {
    "sex": (("female", "male"), {"f": "female", "m": "male"}, "of the patient"),
    "hla_b27": (("positive", "negative"), {"pos": "positive", "neg": "negative"}, "human leucocyte antigen B27"),
    "drug": (
        ("anti-tnf", "anti-il-17"),
        {
            **dict.fromkeys(("adalimumab", "certolizumab", "etanercept", "golimumab", "infliximab"), "anti-tnf"),
            **dict.fromkeys(("bimekizumab", "ixekizumab", "secukinumab"), "anti-il-17"),
        },
        "class of the biologic drug",
    ),
    "inclusion": (("included", "excluded", "withdrawn"), {}, "whether the patient is in the study; others are left out"),
}
# of these a patient has one, whichever visit it stands at; the drug is that between the two scans
PATIENT_FACTS = ("sex", "hla_b27", "drug")
# dates as YYYY-MM-DD: of the visit's scan, and on which a reading was made
VISIT_DATE, READING_DATE = "date", "read_on"
DATES = {VISIT_DATE: (True, "day of the visit's scan"), READING_DATE: (False, "day of the reading")}
IDENTITY = ("subject", "visit", "reader", "reading", "method", "case")


@dataclass(frozen=True)
class Reading:
    """One reading of one visit. `method` is "" where it is not known (a SPARCC score alone), `stage` None where not stated."""

    subject: str
    visit: str
    reader: str
    reading: int
    method: str
    values: Mapping[str, float] = field(default_factory=dict)
    rating: str | None = None
    read_on: str | None = None
    stage: str | None = None
    verdict: str | None = None

    @property
    def key(self) -> tuple[str, str, str, int, str]:
        return self.subject, self.visit, self.reader, self.reading, self.method


@dataclass(frozen=True)
class Visit:
    """Facts of a visit that hold for every reader. `case` is the id of its scans, `facts` are words and the date by column."""

    subject: str
    visit: str
    values: Mapping[str, float] = field(default_factory=dict)
    disagreement: str | None = None
    case: str | None = None
    facts: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class CohortTable:
    """Readings in the order they were given, and the visits by subject and time point."""

    readings: tuple[Reading, ...]
    visits: Mapping[tuple[str, str], Visit]

    @property
    def subjects(self) -> tuple[str, ...]:
        """The subjects in natural order: S2 before S10."""
        return tuple(sorted({subject for subject, _ in self.visits}, key=natural))

    def of_reader(self, column: str, reader: str, reading: int = 1, method: str | None = None) -> dict[tuple[str, str], float]:
        """A column of one reader's reading by visit; `method` None takes whichever row has a value."""
        return {
            (made.subject, made.visit): made.values[column]
            for made in self.readings
            if made.reader == reader
            and made.reading == reading
            and (method is None or made.method == method)
            and column in made.values
        }

    def readers(self, column: str, method: str | None = None) -> tuple[str, ...]:
        """Who has values in a column, in natural order."""
        readers = {made.reader for made in self.readings if column in made.values and (method is None or made.method == method)}
        return tuple(sorted(readers, key=natural))

    def of_visit(self, column: str, visit: str) -> dict[str, float]:
        """A clinical column by subject."""
        return {
            subject: known.values[column]
            for (subject, when), known in self.visits.items()
            if when == visit and column in known.values
        }

    def visit_of_case(self, case: str) -> tuple[str, str]:
        """Subject and visit of a case: as the table says, else as the case's own name does."""
        for key, visit in self.visits.items():
            if visit.case == case:
                return key
        return split_case(case)


def natural(name: str) -> tuple[tuple[int, int, str], ...]:
    """Sort key in which numbers inside names count as numbers."""
    parts = re.findall(r"\d+|\D+", name)
    return tuple((0, int(part), "") if part.isdecimal() else (1, 0, part.casefold()) for part in parts)


def split_case(case: str) -> tuple[str, str]:
    """Subject and visit that a case's name gives: `S01_follow_up`, or `S01-FollowUp`, is S01's follow-up, `S01` its baseline."""
    match = _CASE_OF_VISIT.fullmatch(case)
    if match is None:
        return case, "baseline"
    return match["subject"], "baseline" if match["baseline"] else "follow_up"


def parse_table(text: str, name: str, cases: Mapping[str, tuple[str, str]] | None = None) -> CohortTable:
    """Read a cohort table.

    Parameters
    ----------
    text : str
        Of the CSV file: a header and one row per reading or visit, separated by commas, semicolons or tabs.
    name : str
        How messages call it.
    cases : mapping, optional
        Subject and visit of cases as other tables give them, for rows that name a case alone.

    Raises
    ------
    InputError
        By row (as a spreadsheet counts: the header is row 1) and column: what was found and what is needed.
    """
    given = parse_table_text(text, name)
    _check_header(given)
    if not given.lines:
        raise InputError(f"{name} is empty; a header row and one row per reading are needed, see docs/cohort.md.")
    if len(given.lines) > MOST_ROWS:
        raise InputError(f"{name} has {len(given.lines)} rows; at most {MOST_ROWS} are read. Split the table.")
    gathered = _Gathered(name, cases or {})
    for number, cells in given.rows():
        gathered.add(number, cells)
    return gathered.table()


def merged(table: CohortTable, measured: Iterable[Reading], cases: Mapping[tuple[str, str], str]) -> CohortTable:
    """A table with the readings that files hold; where both give a number of one reading, the file's is taken.

    Parameters
    ----------
    table : CohortTable
    measured : readings
    cases : mapping
        Case id by subject and visit.
    """
    readings = {reading.key: reading for reading in table.readings}
    for reading in measured:
        known = readings.get(reading.key)
        if known is None:
            readings[reading.key] = reading
        else:
            values = {**known.values, **reading.values}
            readings[reading.key] = _with_both(known, reading, values)
    visits = dict(table.visits)
    for key, case in cases.items():
        known_visit = visits.get(key, Visit(*key))
        visits[key] = Visit(*key, known_visit.values, known_visit.disagreement, case, known_visit.facts)
    for reading in readings.values():
        visits.setdefault((reading.subject, reading.visit), Visit(reading.subject, reading.visit))
    return CohortTable(tuple(readings.values()), visits)


def _with_both(known: Reading, added: Reading, values: Mapping[str, float]) -> Reading:
    """The facts of two sources about one reading."""
    return Reading(
        *added.key,
        values,
        added.rating or known.rating,
        added.read_on or known.read_on,
        added.stage or known.stage,
        added.verdict or known.verdict,
    )


def parse_tables(texts: Sequence[tuple[str, str]]) -> CohortTable:
    """Several tables (text, name) as one; a row that names a case alone belongs to the visit that any of them gives the case.

    Raises
    ------
    InputError
        See `parse_table` and `joined`.
    """
    tables = [parse_table(text, name) for text, name in texts]
    given = {
        visit.case: key
        for table in tables
        for key, visit in table.visits.items()
        if visit.case is not None and key != split_case(visit.case)
    }
    return joined([parse_table(text, name, given) for text, name in texts] if given else tables)


EMPTY = CohortTable((), {})


def joined(tables: Sequence[CohortTable]) -> CohortTable:
    """Several tables as one: of visits, of scores, of readings.

    Raises
    ------
    InputError
        Two of them give a number or word of one reading, of one visit, or a fact of one patient, differently, or one case as two
        visits.
    """
    readings: dict[tuple[str, str, str, int, str], Reading] = {}
    scores: dict[tuple[str, str, str, int], dict[str, float]] = {}
    of_case: dict[str, tuple[str, str]] = {}
    visits: dict[tuple[str, str], Visit] = {}
    for table in tables:
        for reading in table.readings:
            known = readings.get(reading.key, Reading(*reading.key))
            whose = f"subject {reading.subject}, {reading.visit}, reader {reading.reader}"
            values = _both(known.values, reading.values, whose)
            _both(_words_of(known), _words_of(reading), whose)
            if "sparcc" in values:  # a score is of the scan, whatever the method of the row
                scores[reading.key[:4]] = _both(scores.get(reading.key[:4], {}), {"sparcc": values["sparcc"]}, whose)
            readings[reading.key] = _with_both(known, reading, values)
        for key, visit in table.visits.items():
            before = visits.get(key, Visit(*key))
            whose = f"subject {visit.subject}, {visit.visit}"
            values = _both(before.values, visit.values, whose)
            facts = _both(before.facts, visit.facts, whose)
            _both(_words_of(before), _words_of(visit), whose)
            if visit.case is not None and (other := of_case.setdefault(visit.case, key)) != key:
                shown = (f"subject {subject}, {when}" for subject, when in (other, key))
                raise InputError(
                    f"Two tables give the case {visit.case} as {' and as '.join(shown)}; one visit per case is needed."
                )
            visits[key] = Visit(*key, values, visit.disagreement or before.disagreement, visit.case or before.case, facts)
    _check_patients(visits.values())
    return CohortTable(tuple(readings.values()), visits)


def _check_patients(visits: Iterable[Visit]) -> None:
    """Each patient has one sex, one HLA-B27 and one drug, at whichever visit."""
    known: dict[tuple[str, str], str] = {}
    for visit in visits:
        for name in PATIENT_FACTS:
            fact = visit.facts.get(name)
            if fact is not None and known.setdefault((visit.subject, name), fact) != fact:
                raise InputError(
                    f"Subject {visit.subject} has {name} {known[visit.subject, name]} and {fact} at two visits; "
                    f"{_per_patient(name)} is needed. Correct one, or leave it empty."
                )


def _per_patient(name: str) -> str:
    return "the one drug between the two scans" if name == "drug" else "one value per patient"


def _words_of(row: Reading | Visit) -> dict[str, str]:
    """What a reading or a visit states in words, by column."""
    names = ("rating", "read_on", "stage", "verdict") if isinstance(row, Reading) else ("disagreement", "case")
    return {name: word for name in names if (word := getattr(row, name)) is not None}


def _both(a: Mapping[str, _Value], b: Mapping[str, _Value], whose: str) -> dict[str, _Value]:
    for column in a.keys() & b.keys():
        if a[column] != b[column]:
            first, second = (f"{value:g}" if isinstance(value, float) else str(value) for value in (a[column], b[column]))
            raise InputError(f"Two tables give {column} of {whose} as {first} and as {second}; correct one, or leave it empty.")
    return {**a, **b}


def _check_header(table: CsvTable) -> None:
    known, where = (*IDENTITY, *NUMBERS, *WORDS, *FACTS, *DATES), f"{table.name}, row {table.header_row}"
    for n, column in enumerate(table.header, start=1):
        if column not in known:
            raise InputError(
                f"{where}, column {n}: {_shown(column)} is no column of a cohort table; known are {', '.join(known)}. Rename or "
                "remove it."
            )
    if "subject" not in table.header and "case" not in table.header:
        raise InputError(f"{where}: there is no column subject (nor case); add it, see docs/cohort.md.")


class _Gathered:
    """Rows taken in one by one, each checked against those before."""

    def __init__(self, name: str, known_cases: Mapping[str, tuple[str, str]]) -> None:
        self.name, self.known_cases = name, known_cases
        self.readings: dict[tuple[str, str, str, int, str], tuple[int, Reading]] = {}
        self.visits: dict[tuple[str, str], dict[str, tuple[int, float | str]]] = {}
        self.patients: dict[str, dict[str, tuple[int, float | str]]] = {}
        self.shared: dict[tuple[str, str, str, int], tuple[int, float]] = {}
        self.cases: dict[str, tuple[int, tuple[str, str]]] = {}

    def add(self, row: int, cells: Mapping[str, str]) -> None:
        case, subject = (self._name(row, column, cells.get(column, "")) for column in ("case", "subject"))
        if not subject and not case:
            raise self._refusal(row, "subject", "it is empty", "the subject's name")
        own_subject, own_visit = self.known_cases.get(case) or split_case(case) if case else (subject, "baseline")
        subject = subject or own_subject
        visit = (
            self._word(row, "visit", cells.get("visit", ""), VISITS, {"follow-up": "follow_up", "followup": "follow_up"})
            or own_visit
        )
        visit_cells = self.visits.setdefault((subject, visit), {})
        if case:
            self._agree(row, "case", visit_cells, case)
            known = self.cases.setdefault(case, (row, (subject, visit)))
            if known[1] != (subject, visit):
                raise self._refusal(row, "case", f"{_shown(case)} is another visit in row {known[0]}", "one visit per case")
        values: dict[str, float] = {}
        for column in NUMBERS.values():
            value = self._number(row, column, cells.get(column.name, ""))
            if value is None:
                continue
            if column.of_visit:
                self._agree(row, column.name, visit_cells, value)
            else:
                values[column.name] = value
        words = {
            column: self._word(row, column, cells.get(column, ""), allowed, ALSO.get(column, {}))
            for column, (allowed, _, _) in WORDS.items()
        }
        if words["disagreement"]:
            self._agree(row, "disagreement", visit_cells, words["disagreement"])
        facts = {name: self._word(row, name, cells.get(name, ""), allowed, also) for name, (allowed, also, _) in FACTS.items()}
        facts[VISIT_DATE] = self._date(row, VISIT_DATE, cells.get(VISIT_DATE, ""))
        for name, fact in facts.items():
            if fact is not None:
                self._agree(row, name, visit_cells, fact)
                if name in PATIENT_FACTS:
                    self._agree(row, name, self.patients.setdefault(subject, {}), fact, "patient", _per_patient(name))
        read_on = self._date(row, READING_DATE, cells.get(READING_DATE, ""))
        self._reading(row, cells, (subject, visit), values, words, read_on)

    def _reading(
        self,
        row: int,
        cells: Mapping[str, str],
        visit: tuple[str, str],
        values: dict[str, float],
        words: Mapping[str, str | None],
        read_on: str | None,
    ) -> None:
        reader = self._name(row, "reader", cells.get("reader", ""))
        number = cells.get("reading", "")
        reading = 1 if number.lower() in MISSING else self._number(row, _READING, number)
        method = self._word(row, "method", cells.get("method", ""), METHODS, {"semiautomatic": "semi-automatic"})
        # VHI is what the workflow measures; a score is read on the scan alone and has no method
        method = method or (METHODS[0] if any(column.startswith("vhi") for column in values) else "")
        if not reader:
            given = next(iter(values), "rating" if words["rating"] else READING_DATE if read_on else None)
            if given is not None:
                raise self._refusal(row, "reader", f"it is empty, but the row has {given}", "the reader's name")
            return
        key = (*visit, reader, int(reading or 1), method)
        if key in self.readings:
            which = f"subject {_shown(visit[0])}, {visit[1]}, reader {_shown(reader)}, reading {key[3]}, {method or 'no method'}"
            raise InputError(
                f"{self.name}, row {row}: the same reading as in row {self.readings[key][0]} ({which}); number its reading, or "
                "remove one of the rows."
            )
        if "sparcc" in values:
            # a score is of the scan, not of the way VHI was drawn
            known = self.shared.setdefault(key[:4], (row, values["sparcc"]))
            if known[1] != values["sparcc"]:
                raise self._refusal(
                    row, "sparcc", f"{values['sparcc']:g}, but row {known[0]} of the same reading has {known[1]:g}", "one score"
                )
        self.readings[key] = (row, Reading(*key, values, words["rating"], read_on, words["stage"], words["verdict"]))

    def table(self) -> CohortTable:
        visits = {}
        for (subject, when), visit_cells in self.visits.items():
            numbers = {name: float(value) for name, (_, value) in visit_cells.items() if name in NUMBERS}
            disagreement, case = (str(visit_cells[name][1]) if name in visit_cells else None for name in ("disagreement", "case"))
            facts = {name: str(value) for name, (_, value) in visit_cells.items() if name in FACTS or name == VISIT_DATE}
            visits[subject, when] = Visit(subject, when, numbers, disagreement, case, facts)
        return CohortTable(tuple(reading for _, reading in self.readings.values()), visits)

    def _agree(
        self,
        row: int,
        column: str,
        earlier_cells: dict[str, tuple[int, float | str]],
        value: float | str,
        whose: str = "visit",
        needed: str = "one value per visit",
    ) -> None:
        before = earlier_cells.setdefault(column, (row, value))
        if before[1] != value:
            shown, other = (f"{one:g}" if isinstance(one, float) else _shown(str(one)) for one in (value, before[1]))
            raise self._refusal(row, column, f"{shown}, but row {before[0]} of the same {whose} has {other}", needed)

    def _number(self, row: int, column: Column, cell: str) -> float | None:
        if cell.lower() in MISSING:
            return None
        if not _NUMBER.fullmatch(cell):
            hint = "; write decimals with a point" if re.fullmatch(r"-?\d+,\d+", cell) else ""
            raise self._refusal(row, column.name, _shown(cell), f"{column.range} [{column.unit}], or nothing{hint}")
        value = float(cell)
        if 0 < abs(value) < LEAST:
            raise self._refusal(row, column.name, _shown(cell), f"0, or {column.range} [{column.unit}] that was measured")
        if not column.low <= value <= column.high or (column.whole and value != int(value)):
            raise self._refusal(row, column.name, _shown(cell), f"{column.range} [{column.unit}], or nothing")
        return value

    def _date(self, row: int, column: str, cell: str) -> str | None:
        if cell.lower() in MISSING:
            return None
        try:
            return date.fromisoformat(cell if re.fullmatch(r"\d{4}-\d{2}-\d{2}", cell) else "").isoformat()
        except ValueError:
            raise self._refusal(row, column, _shown(cell), "a day as YYYY-MM-DD, or nothing") from None

    def _word(
        self, row: int, column: str, cell: str, allowed: Sequence[str], also: Mapping[str, str] | None = None
    ) -> str | None:
        word = cell.lower()
        if word in MISSING:
            return None
        word = (also or {}).get(word, word)
        if word not in allowed:
            raise self._refusal(row, column, _shown(cell), f"{' or '.join(allowed)}, or nothing")
        return word

    def _name(self, row: int, column: str, cell: str) -> str:
        if cell.lower() in MISSING:
            return ""
        if len(cell) > LONGEST_NAME or _UNPRINTABLE.search(cell):
            raise self._refusal(row, column, _shown(cell), f"a name of at most {LONGEST_NAME} printable characters")
        return cell

    def _refusal(self, row: int, column: str, cell: str, needed: str) -> InputError:
        return InputError(f"{self.name}, row {row}, column {column}: found {cell}; needed is {needed}. Correct the cell.")


_READING = Column("reading", "number", LAST_READING, False, "1 for the reader's first reading", low=1, whole=True)


def _shown(text: str) -> str:
    """A cell as a message may print it."""
    clean = _UNPRINTABLE.sub("?", text)
    return repr(clean if len(clean) <= 40 else f"{clean[:40]}...")
