"""Failures: readers who differ, and the automatic region in their eyes."""

from __future__ import annotations

import math
from dataclasses import replace

from ...cohort.failure import count_reasons
from ...cohort.masks import DisagreementImages
from ...cohort.study import Study
from ...cohort.table import DISAGREEMENTS
from ...figures.cohort_slices import disagreement_figure
from ..cohort_content import PAPER, Records, Section, estimate, number, of_visit, rows_of
from ..parts import Table
from .shared import as_percent, ascii_unit, left_out_rows, section_figure


def failure_section(study: Study, images: DisagreementImages) -> Section:
    settings = study.settings
    base = Section(
        key="failures",
        title="Failure analysis: where readers disagree most",
        method=(
            f"Scans whose difference of VHI between two readers lies more than {settings.failure_sd:g} standard deviations (of "
            f"all differences) from 0. Classes ({', '.join(DISAGREEMENTS)}) are what somebody who looked recorded in the column "
            "disagreement."
        ),
        source=f"{PAPER}, sections 2.7.4 and 3.6, supplement S4",
    )
    if not study.failures:
        return replace(base, why_not="it needs VHI of the same scan by two readers.")
    findings, rows, cells = [], [], []
    for analysis in study.failures:
        who = f"Readers {analysis.readers[0]} and {analysis.readers[1]}, {analysis.method}"
        limit = "n/a" if math.isnan(analysis.limit) else f"{number(analysis.limit)} {study.vhi_unit}"
        reasons = count_reasons(failure for _, failure in analysis.failures)
        classes = ", ".join(f"{count} {reason}" for reason, count in reasons.items() if count)
        findings.append(
            f"{who}: {len(analysis.failures)} of {analysis.n} scans differ by more than {limit}"
            f"{f' ({classes})' if classes else ''}."
        )
        for visit, failure in analysis.failures:
            rows.append(
                (
                    f"{visit.subject}, {of_visit(visit.visit)}",
                    " and ".join(analysis.readers),
                    number(failure.first),
                    number(failure.second),
                    number(failure.difference),
                    number(failure.in_sd, 2),
                    failure.reason or "not recorded",
                )
            )
            cells.append(
                (
                    *(*analysis.readers, analysis.method, visit.subject, visit.visit, visit.case),
                    *(failure.first, failure.second, failure.difference, failure.in_sd, failure.reason),
                )
            )
    if cells and not images.cases:
        findings.append(f"Pictures of these scans are not available: {images.why_none}")
    unit = study.vhi_unit
    header = ("scan", "readers", f"first {unit}", f"second {unit}", f"difference {unit}", "SD", "class")
    figures = tuple(
        section_figure(
            f"failure_{n}",
            disagreement_figure(image.stir, image.first, image.second, image.readers, image.slices),
            f"{image.subject}, {of_visit(image.visit)}: the slices (numbers, from 1) on which the readers differ by most voxels.",
            f"STIR slices of {image.subject} with both readers' masks.",
            is_picture=True,
        )
        for n, image in enumerate(images.cases, start=1)
    )
    return replace(
        base,
        n=", ".join(f"{failure.n} scans" for failure in study.failures),
        findings=tuple(findings),
        tables=(Table("Scans beyond the limit", header, tuple(rows), text_columns=2),) if rows else (),
        figures=figures,
        records=(
            Records(
                "failures",
                (
                    *("first_reader", "second_reader", "method", "subject", "visit", "case"),
                    *(f"{value}_{ascii_unit(unit)}" for value in ("first", "second", "difference")),
                    *("standard_deviations", "disagreement"),
                ),
                rows_of(cells),
            ),
        ),
        excluded=left_out_rows([left for failure in study.failures for left in failure.left_out]),
    )


def ratings_section(study: Study) -> Section:
    base = Section(
        key="region_ratings",
        title="Automatic disease region in the readers' eyes",
        method="Readers' ratings of the automatic disease region; shares with exact (Clopper-Pearson) 95% intervals.",
        source=f"{PAPER}, sections 2.5.3 and 3.2",
    )
    ratings = study.ratings
    if ratings is None:
        return replace(base, why_not="no reading carries a rating (column rating, or the server's).")
    rows = tuple((rating, str(count)) for rating, count in ratings.counts.items())
    return replace(
        base,
        n=f"{ratings.n} rated readings, {ratings.not_rated} without a rating",
        findings=(
            f"It failed in {ratings.counts['failed']} of {ratings.n} readings: {estimate(as_percent(ratings.failed), 2)}%.",
            f"It was corrected in {ratings.counts['corrected']} of {ratings.n}: {estimate(as_percent(ratings.corrected), 2)}%.",
        ),
        tables=(Table("Ratings", ("rating", "readings"), rows),),
        records=(Records("region_ratings", ("rating", "readings"), rows_of(ratings.counts.items())),),
    )
