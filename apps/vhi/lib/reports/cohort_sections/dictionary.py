"""The meaning of every column of the readings, its unit, and how often it is there."""

from __future__ import annotations

from ...cohort.table import DATES, FACTS, NUMBERS, WORDS, CohortTable
from ..cohort_content import Cell, Records, rows_of

_IDENTITY = {
    "subject": "the patient, as the study names them",
    "visit": "baseline or follow_up",
    "reader": "who read; empty where a row is of a visit that nobody read",
    "reading": "1 for the reader's first reading of the visit",
    "method": "how VHI was drawn: semi-automatic or manual",
    "case": "id of the scans, where it is known",
}


def data_dictionary(table: CohortTable) -> Records:
    """One row per column of `readings.csv`."""
    rows: list[tuple[Cell, ...]] = []
    for name, means in _IDENTITY.items():
        rows.append((name, "whole number" if name == "reading" else "text", "", "", "reading", means, None))
    for column in NUMBERS.values():
        holders = table.visits.values() if column.of_visit else table.readings
        count = sum(column.name in holder.values for holder in holders)
        kind = "whole number" if column.whole else "number"
        rows.append(
            (column.name, kind, column.unit, column.range, "visit" if column.of_visit else "reading", column.means, count)
        )
    for name, (allowed, of_visit, means) in WORDS.items():
        holders = table.visits.values() if of_visit else table.readings
        count = sum(getattr(holder, name, None) is not None for holder in holders)
        rows.append((name, "text", "", " or ".join(allowed), "visit" if of_visit else "reading", means, count))
    for name, (allowed, _, means) in FACTS.items():
        count = sum(name in visit.facts for visit in table.visits.values())
        rows.append((name, "text", "", " or ".join(allowed), "visit", means, count))
    for name, (of_visit, means) in DATES.items():
        dated = (
            (name in visit.facts for visit in table.visits.values())
            if of_visit
            else (bool(reading.read_on) for reading in table.readings)
        )
        rows.append((name, "date", "", "YYYY-MM-DD", "visit" if of_visit else "reading", means, sum(dated)))
    return Records("data_dictionary", ("column", "type", "unit", "allowed", "of", "meaning", "values_given"), rows_of(rows))
