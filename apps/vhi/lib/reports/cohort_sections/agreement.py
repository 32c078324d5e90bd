"""Agreement between readers."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import replace
from typing import TYPE_CHECKING

from ...cohort.study import VHI, ReaderAgreement, Study
from ...figures.cohort_agreement import AgreementPanel, agreement_figure
from ..cohort_content import PAPER, Records, Section, estimate, number, rows_of
from ..content import Table
from .shared import SCALE_WORDS, ascii_unit, cut_words, left_out_rows, section_figure

if TYPE_CHECKING:
    pass


def agreement_section(study: Study, column: str) -> Section:
    found = study.vhi_agreement if column == VHI else study.sparcc_agreement
    name = "VHI" if column == VHI else "SPARCC"
    cut = " The truncated scale leaves out scans where a reader's VHI lies above the cut." if column == VHI else ""
    base = Section(
        key=f"agreement_{name.lower()}",
        title=f"Agreement between readers: {name}",
        method=(
            "Bland-Altman analysis of first minus second reader: bias with its 95% confidence interval, 95% limits of agreement "
            "(bias ± 1.96 SD), each limit with its exact 95% confidence interval; ICC(A,1): two-way random, absolute agreement, "
            "single reading; SEM and between-reader smallest detectable change (SDC: 1.96 √2 SEM, systematic differences "
            "included): two readers of one scan differ by less in 95% of scans. How far a second scan of the same patient "
            "differs is not in it. "
            f"Limits on the log scale are also given as factors of VHI + 1.{cut}"
        ),
        source=(
            f"{PAPER}, section 2.7.2 and figure 7; limits: Bland and Altman 1986, exact intervals: Carkeet 2015; ICC: McGraw and "
            "Wong 1996, Shrout and Fleiss 1979; SEM: de Vet et al. 2006"
        ),
    )
    if not found:
        return replace(base, why_not=f"it needs {name} of the same scan by two readers.")
    tables, figures, rows, points, findings = [], [], [], [], []
    dotted = ", dotted: truncation" if column == VHI else ""
    pairs = f"{len(found)} pair{'s' * (len(found) > 1)} of readers"
    for n, one in enumerate(found):
        who = f"readers {one.readers[0]} and {one.readers[1]}" + (f", {one.method}" if one.method else "")
        raw = one.limits["raw"]
        unit = study.vhi_unit if column == VHI else "points"
        low, high = one.range
        findings.append(
            f"{who[0].upper()}{who[1:]}: bias {estimate(raw.bias)} {unit}, limits of agreement {number(raw.lower.value)} to "
            f"{number(raw.upper.value)} {unit} over a range of means of {number(low)} to {number(high)} {unit}, n = {raw.n}; "
            f"ICC(A,1) {estimate(one.icc['raw'].icc, 2)}; between-reader smallest detectable change "
            f"{number(one.error['raw'].sdc_agreement)} {unit}."
        )
        findings += [f"{SCALE_WORDS[scale]}: {limits.note}" for scale, limits in one.limits.items() if limits.note]
        findings += [f"{SCALE_WORDS[scale]}: {icc.note}" for scale, icc in one.icc.items() if icc.note]
        findings += _as_factors(one, name)
        tables.append(_agreement_table(one, who, unit))
        figures.append(
            section_figure(
                f"agreement_{name.lower()}" + (f"_{n + 1}" if len(found) > 1 else ""),
                agreement_figure(_agreement_panels(one, unit, name), one.readers),
                f"{name}, {who}. Top: both readings of each scan, dashed: equality{dotted}. "
                "Bottom: difference (first minus second) against mean, with bias, 95% limits of agreement and their 95% "
                "confidence intervals as bands.",
                f"Scatter and Bland-Altman plots of {name} by two readers.",
            )
        )
        rows += list(_agreement_rows(one))
        points += [
            (*one.readers, one.method, *key, float(a), float(b), float(a - b), float(a + b) / 2)
            for key, a, b in zip(one.keys, *one.values["raw"], strict=True)
        ]
    first = found[0]
    return replace(
        base,
        n=f"{len(first.keys)} scans of {len({subject for subject, _ in first.keys})} subjects, {pairs}",
        findings=tuple(findings),
        tables=tuple(tables),
        figures=tuple(figures),
        records=(
            Records(f"agreement_{name.lower()}", _agreement_columns(study.vhi_unit), rows_of(rows)),
            Records(
                f"differences_{name.lower()}",
                ("first_reader", "second_reader", "method", "subject", "visit", "first", "second", "difference", "mean"),
                rows_of(points),
            ),
        ),
        excluded=left_out_rows([one for pair in found for one in pair.left_out]),
    )


def _as_factors(agreement: ReaderAgreement, name: str) -> list[str]:
    """The limits on the log scale as factors between the two readings."""
    log = agreement.limits["log"]
    if math.isnan(log.sd):
        return []
    low, bias, high = (number(math.exp(limit.value), 2) for limit in (log.lower, log.bias, log.upper))
    first, second = agreement.readers
    return [f"As factors, reader {first} over reader {second}, of {name} + 1: {bias}, limits of agreement {low} to {high}."]


def _agreement_columns(vhi_unit: str) -> tuple[str, ...]:
    return (
        *("first_reader", "second_reader", "method", "scale", "n", f"truncated_at_{ascii_unit(vhi_unit)}"),
        *("bias", "bias_low", "bias_high", "sd"),
        *("lower_limit", "lower_limit_low", "lower_limit_high", "upper_limit", "upper_limit_low", "upper_limit_high"),
        *("icc_a1", "icc_low", "icc_high", "sem_agreement", "sem_consistency", "sdc_agreement", "sdc_consistency"),
    )


def _agreement_rows(one: ReaderAgreement) -> Iterable[tuple[str | float | int | None, ...]]:
    for scale, limits in one.limits.items():
        icc, error = one.icc[scale].icc, one.error[scale]
        yield (
            *(*one.readers, one.method, scale, limits.n, one.truncate_at if scale == "truncated" else None),
            *(limits.bias.value, limits.bias.low, limits.bias.high, limits.sd),
            *(limits.lower.value, limits.lower.low, limits.lower.high),
            *(limits.upper.value, limits.upper.low, limits.upper.high),
            *(icc.value, icc.low, icc.high),
            *(error.sem_agreement, error.sem_consistency, error.sdc_agreement, error.sdc_consistency),
        )


def _agreement_table(one: ReaderAgreement, who: str, unit: str) -> Table:
    rows = tuple(
        (
            SCALE_WORDS[scale],
            str(limits.n),
            estimate(limits.bias),
            estimate(limits.lower),
            estimate(limits.upper),
            estimate(one.icc[scale].icc, 2),
            number(one.error[scale].sem_agreement),
            number(one.error[scale].sdc_agreement),
        )
        for scale, limits in one.limits.items()
    )
    note = "" if one.truncate_at is None else cut_words(one.truncate_at, one.limits["truncated"].n == one.limits["raw"].n, unit)
    header = ("scale", "n", "bias (95% CI)", "lower limit (95% CI)", "upper limit (95% CI)", "ICC(A,1) (95% CI)", "SEM", "SDC")
    return Table(f"{who[0].upper()}{who[1:]} [{unit}, or log]", header, rows, note=note)


def _agreement_panels(one: ReaderAgreement, unit: str, name: str) -> list[AgreementPanel]:
    panels = []
    for scale, limits in one.limits.items():
        first, second = one.values[scale]
        truncate = one.truncate_at if scale == "raw" and one.truncate_at and not math.isnan(one.truncate_at) else None
        panels.append(
            AgreementPanel(
                f"{name}, {SCALE_WORDS[scale]}",
                "log" if scale == "log" else unit,
                first[limits.kept],
                second[limits.kept],
                tuple(one.keys[n][1] for n in limits.kept),
                limits,
                truncate,
            )
        )
    return panels
