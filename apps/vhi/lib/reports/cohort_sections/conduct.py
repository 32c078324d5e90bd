"""How the study was conducted: patients, dates, waiting times of readers, slices scored."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from ...cohort.conduct import (
    PLANNED_WEEKS,
    TOLERANCE_WEEKS,
    WASHOUT_DAYS,
    BaselineValue,
    ScanInterval,
    Washout,
    baseline_table,
    intervals,
    read_before_scanned,
    scored_slices,
    washouts,
)
from ...cohort.sparcc import N_SLICES
from ...cohort.table import NUMBERS, CohortTable
from ..cohort_content import PAPER, Records, Section, number, of_visit, rows_of
from ..parts import Table


def conduct_section(table: CohortTable, left_out: Mapping[str, str]) -> Section:
    """Baseline, intervals between visits, washout between readings, slices of SPARCC sheets: what the table gives of them."""
    base = Section(
        key="conduct",
        title="Patients and conduct of the study",
        method=(
            "Baseline values as median (range). The second scan is due "
            + " and ".join(f"{weeks} weeks after the start of {drug}" for drug, weeks in PLANNED_WEEKS.items())
            + f", give or take {TOLERANCE_WEEKS} weeks, counted from the baseline scan. Readings of one scan by one reader and "
            f"method should lie {WASHOUT_DAYS} days or more apart. Patients whom the table calls excluded or withdrawn are in no "
            "analysis."
        ),
        source=f"{PAPER}, sections 2.2, 2.3, 2.6 and 2.7.1",
        excluded=tuple((subject, "", word) for subject, word in left_out.items()),
    )
    baseline, between, waited = baseline_table(table), intervals(table), washouts(table)
    slices, early = scored_slices(table), read_before_scanned(table)
    if not (baseline or between or waited or slices or early):
        return replace(base, why_not="the table has neither baseline values nor dates nor the slices of SPARCC sheets.")
    findings = [*_interval_findings(between), *_washout_findings(waited)]
    if early:
        findings.append(
            f"{len(early)} readings are dated before the scan that they are of, the first of {early[0].subject} by reader "
            f"{early[0].reader}: one of both dates is wrong."
        )
    if slices:
        same = sum(scored.shared == N_SLICES for scored in slices)
        none = sum(scored.shared == 0 for scored in slices)
        findings.append(f"SPARCC: {same} of {len(slices)} pairs of sheets scored the same six slices, {none} share no slice.")
    tables = [_baseline_table(baseline, len(table.subjects))] if baseline else []
    tables += [_interval_table(between)] if between else []
    return replace(
        base,
        n=f"{len(table.subjects)} subjects",
        findings=tuple(findings),
        tables=tuple(tables),
        records=(_baseline_records(baseline), _interval_records(between), _washout_records(waited), _slice_records(table)),
    )


def _baseline_table(values: Sequence[BaselineValue], subjects: int) -> Table:
    rows = []
    for baseline in values:
        if baseline.numbers is not None:
            column = NUMBERS[baseline.column]
            shown = f"{number(baseline.numbers.median)} ({number(baseline.numbers.low)} to {number(baseline.numbers.high)})"
            rows.append((f"{column.means} [{column.unit}]", shown, str(baseline.numbers.n), str(baseline.missing)))
        else:
            known = subjects - baseline.missing
            shown = ", ".join(f"{word} {count} ({100 * count / known:.0f}%)" for word, count in baseline.counts)
            rows.append(
                (baseline.column.replace("_", "-").replace("hla-b27", "HLA-B27"), shown, str(known), str(baseline.missing))
            )
    return Table("At baseline: median (range), or how many", ("", "", "n", "missing"), tuple(rows), text_columns=2)


def _interval_findings(scan_intervals: Sequence[ScanInterval]) -> list[str]:
    if not scan_intervals:
        return []
    judged = [interval for interval in scan_intervals if interval.within is not None]
    sentences = [
        f"{sum(interval.within is True for interval in judged)} of {len(judged)} second scans were made when they were due."
    ]
    unknown = len(scan_intervals) - len(judged)
    return sentences + ([f"Of {unknown} subjects it cannot be judged: a date or the drug is missing."] if unknown else [])


def _washout_findings(repeats: Sequence[Washout]) -> list[str]:
    if not repeats:
        return []
    short = [washout for washout in repeats if not washout.enough]
    if not short:
        return [f"All {len(repeats)} repeated readings were made {WASHOUT_DAYS} days or more after the one before."]
    first = short[0]
    return [
        f"{len(short)} of {len(repeats)} repeated readings were made less than {WASHOUT_DAYS} days after the one before; the "
        f"soonest: {first.reading.subject}, reader {first.reading.reader}, {first.days} days."
    ]


def _interval_table(scan_intervals: Sequence[ScanInterval]) -> Table:
    due = {True: "when due", False: "not when due", None: "cannot be judged"}
    rows = tuple(
        (
            interval.subject,
            interval.drug or "not given",
            f"{due[interval.within]}{f': {interval.why}' if interval.why else ''}",
            "n/a" if interval.days is None else str(interval.days),
            "n/a" if interval.days is None else f"{interval.days / 7:.1f}",
        )
        for interval in scan_intervals
    )
    return Table("From the first scan to the second", ("subject", "drug", "", "days", "weeks"), rows, text_columns=3)


def _baseline_records(values: Sequence[BaselineValue]) -> Records:
    rows: list[tuple[str | float | int | None, ...]] = []
    for baseline in values:
        if baseline.numbers is not None:
            n = baseline.numbers
            rows.append((baseline.column, None, n.n, baseline.missing, n.median, n.low, n.high))
        rows += [(baseline.column, word, count, baseline.missing, None, None, None) for word, count in baseline.counts]
    return Records("baseline", ("column", "word", "n", "missing", "median", "lowest", "highest"), rows_of(rows))


def _interval_records(scan_intervals: Sequence[ScanInterval]) -> Records:
    rows = (
        (
            interval.subject,
            interval.drug or None,
            interval.days,
            None if interval.within is None else int(interval.within),
            interval.why or None,
        )
        for interval in scan_intervals
    )
    return Records("visit_intervals", ("subject", "drug", "days", "when_due", "why"), rows_of(rows))


def _washout_records(repeats: Sequence[Washout]) -> Records:
    rows = (
        (
            *washout.reading.key,
            washout.before.reading,
            washout.before.read_on,
            washout.reading.read_on,
            washout.days,
            int(washout.enough),
        )
        for washout in repeats
    )
    header = ("subject", "visit", "reader", "reading", "method", "reading_before", "read_before_on", "read_on", "days", "enough")
    return Records("washout", header, rows_of(rows))


def _slice_records(table: CohortTable) -> Records:
    rows = (
        (scored.subject, of_visit(scored.visit), *scored.readers, scored.first, scored.second, scored.shared)
        for scored in scored_slices(table)
    )
    header = ("subject", "visit", "first_reader", "second_reader", "first_from_slice", "second_from_slice", "shared_slices")
    return Records("sparcc_slices", header, rows_of(rows))
