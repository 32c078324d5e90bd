"""Lesions of two visits, and the effort of the readings."""

from __future__ import annotations

from dataclasses import replace

from ...cohort.masks import ComparedVisits
from ...cohort.study import EFFORT, Study
from ...figures.cohort_slices import before_after_figure
from ..cohort_content import PAPER, Records, Section, median_range, number, rows_of
from ..parts import Table
from .shared import left_out_rows, section_figure, sentence


def visits_section(compared: ComparedVisits) -> Section:
    base = Section(
        key="lesions",
        title="Lesions of two visits",
        method=(
            "The follow-up STIR scan is aligned with the baseline (rigid, mutual information), its mask is carried to the "
            "baseline's grid by nearest neighbour, and lesions (26-connected) match that touch or lie within "
            f"{compared.tolerance_mm:g} mm of each other; lesions that split or merged count as one."
        ),
        source=f"{PAPER}, figure 8 (pictures); alignment and matching are this program's",
    )
    visits, left_out = compared.visits, left_out_rows(compared.left_out)
    if not visits:
        return replace(base, excluded=left_out, why_not=sentence(compared.why_none))
    rows, cells = [], []
    for pair in visits:
        comparison = pair.comparison
        rows.append(
            (
                pair.subject,
                str(comparison.count("resolved")),
                str(comparison.count("persisting")),
                str(comparison.count("new")),
                number(comparison.baseline_mm3),
                number(comparison.follow_up_mm3),
                number(comparison.change_mm3),
                f"{number(pair.turn_deg, 2)}°, {number(pair.shift_mm, 2)} mm",
            )
        )
        cells += [
            (
                *(pair.subject, pair.reader, n, lesion.status, lesion.baseline_mm3, lesion.follow_up_mm3, lesion.change_mm3),
                *(lesion.relative_change, *lesion.centroid_mm, len(lesion.baseline_ids), len(lesion.follow_up_ids)),
            )
            for n, lesion in enumerate(comparison.lesions, start=1)
        ]
    total = [sum(visit.comparison.count(status) for visit in visits) for status in ("resolved", "persisting", "new")]
    header = ("subject", "resolved", "both visits", "new", "baseline mm³", "follow-up mm³", "change mm³", "alignment")
    figures = tuple(
        section_figure(
            f"before_after_{n}",
            before_after_figure(pair.images.stir, pair.images.codes, pair.images.slices),
            f"{pair.subject} before and after treatment: the same slices of the aligned STIR scans (numbers from 1), and below "
            f"each what reader {pair.reader} kept as inflammation.",
            f"STIR slices of {pair.subject} at both visits.",
            is_picture=True,
        )
        for n, pair in enumerate((pair for pair in visits if pair.images is not None and pair.images.slices), start=1)
        if pair.images is not None
    )
    readers = sorted({visit.reader for visit in visits})
    return replace(
        base,
        n=f"{len(visits)} subjects, masks of reader {' or '.join(readers)}",
        findings=(f"{total[0]} lesions resolved, {total[1]} were there at both visits, {total[2]} are new.",),
        tables=(Table("Lesions by subject", header, tuple(rows)),),
        figures=figures,
        records=(
            Records(
                "lesions",
                (
                    *("subject", "reader", "lesion", "status", "baseline_mm3", "follow_up_mm3", "change_mm3", "relative_change"),
                    *("x_mm", "y_mm", "z_mm", "baseline_parts", "follow_up_parts"),
                ),
                rows_of(cells),
            ),
        ),
        excluded=left_out,
    )


def effort_section(study: Study) -> Section:
    base = Section(
        key="effort",
        title="Effort of a reading",
        method="Median and range of clicks, seconds and boundary edits per reading, by reader and method; then each reading.",
        source="columns clicks, seconds and boundary_edits",
    )
    if not study.effort:
        return replace(base, why_not="no reading has clicks, seconds or boundary edits.")
    words = {"clicks": "clicks", "seconds": "s", "boundary_edits": "boundary edits"}
    rows = tuple(
        (effort.reader, effort.method or "n/a", words[effort.column], str(effort.summary.n), median_range(effort.summary, 3))
        for effort in study.effort
    )
    return replace(
        base,
        n=f"{sum(effort.summary.n for effort in study.effort)} values",
        tables=(Table("Effort", ("reader", "method", "unit", "n", "median (range)"), rows, text_columns=3), _each_effort(study)),
        records=(
            Records(
                "effort",
                ("column", "reader", "method", "n", "median", "lowest", "highest"),
                rows_of(
                    (
                        effort.column,
                        effort.reader,
                        effort.method,
                        effort.summary.n,
                        effort.summary.median,
                        effort.summary.low,
                        effort.summary.high,
                    )
                    for effort in study.effort
                ),
            ),
        ),
    )


def _each_effort(study: Study) -> Table:
    """Effort case by case."""
    rows = tuple(
        (
            *(reading.subject, reading.visit, reading.reader, str(reading.reading), reading.method or "n/a"),
            *("–" if column not in reading.values else f"{reading.values[column]:g}" for column in EFFORT),
        )
        for reading in study.table.readings
        if any(column in reading.values for column in EFFORT)
    )
    header = ("subject", "visit", "reader", "reading", "method", "clicks", "seconds", "boundary edits")
    return Table("Effort of each reading", header, rows, text_columns=5)
