"""Agreement between readers."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import replace

import numpy as np

from ...cohort.assumptions import Assumptions, factors
from ...cohort.scales import Scale
from ...cohort.study import VHI, ReaderAgreement, Study
from ...figures.cohort_agreement import AgreementPanel, agreement_figure
from ..cohort_content import PAPER, Records, Section, estimate, number, p_value, rows_of
from ..parts import Table
from .shared import SCALE_WORDS, ascii_unit, cut_words, left_out_rows, p_words, section_figure


def agreement_section(study: Study, column: str) -> Section:
    agreements = study.vhi_agreement if column == VHI else study.sparcc_agreement
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
            f"Limits on the log scale are also given as factors of {name} + 1.{cut} Where a patient has several scans, intervals "
            "take them as dependent: of the bias and of slopes cluster-robust by patient (CR2, t with Satterthwaite's degrees of "
            "freedom), of limits and ICC by a random-effects model of patients; values are the same. Assumptions: Shapiro and "
            "Wilk's test of the differences; slope of the difference, and of its absolute residual, on the mean. Where one of "
            "the slopes has P < 0.05, limits by regression follow the mean."
        ),
        source=(
            f"{PAPER}, section 2.7.2 and figure 7; limits: Bland and Altman 1986, exact intervals: Carkeet 2015; ICC: McGraw and "
            "Wong 1996, Shrout and Fleiss 1979; SEM: de Vet et al. 2006; several scans of a patient: Bland and Altman 2007, Bell "
            "and McCaffrey 2002, Mee and Owen 1983; limits by regression: Bland and Altman 1999"
        ),
    )
    if not agreements:
        return replace(base, why_not=f"it needs {name} of the same scan by two readers.")
    tables, figures, rows, points, findings = [], [], [], [], []
    dotted = ", dotted: truncation" if column == VHI else ""
    pairs = f"{len(agreements)} pair{'s' * (len(agreements) > 1)} of readers"
    for n, agreement in enumerate(agreements):
        who = f"readers {agreement.readers[0]} and {agreement.readers[1]}" + (f", {agreement.method}" if agreement.method else "")
        raw = agreement.limits["raw"]
        unit = study.vhi_unit if column == VHI else "points"
        low, high = agreement.range
        findings.append(
            f"{who[0].upper()}{who[1:]}: bias {estimate(raw.bias)} {unit}, limits of agreement {number(raw.lower.value)} to "
            f"{number(raw.upper.value)} {unit} over a range of means of {number(low)} to {number(high)} {unit}, n = {raw.n}; "
            f"ICC(A,1) {estimate(agreement.icc['raw'].icc, 2)}; between-reader smallest detectable change "
            f"{number(agreement.error['raw'].sdc_agreement)} {unit}."
        )
        findings += [f"{SCALE_WORDS[scale]}: {limits.note}" for scale, limits in agreement.limits.items() if limits.note]
        findings += [f"{SCALE_WORDS[scale]}: {icc.note}" for scale, icc in agreement.icc.items() if icc.note]
        findings += _as_factors(agreement, name)
        findings += _dependence(agreement)
        findings += _assumed(agreement, unit)
        tables += [_agreement_table(agreement, who, unit), _assumptions_table(agreement, who)]
        figures.append(
            section_figure(
                f"agreement_{name.lower()}" + (f"_{n + 1}" if len(agreements) > 1 else ""),
                agreement_figure(_agreement_panels(agreement, unit, name), agreement.readers),
                f"{name}, {who}. Top: both readings of each scan, dashed: equality{dotted}. "
                "Bottom: difference (first minus second) against mean, with bias, 95% limits of agreement and their 95% "
                "confidence intervals as bands; dotted lines: bias and limits by regression, where they change with the mean. "
                "Below each: P of normal differences, of a bias and of a spread that change with the mean.",
                f"Scatter and Bland-Altman plots of {name} by two readers.",
            )
        )
        rows += list(_agreement_rows(agreement))
        points += [
            (*agreement.readers, agreement.method, *key, float(a), float(b), float(a - b), float(a + b) / 2)
            for key, a, b in zip(agreement.keys, *agreement.values["raw"], strict=True)
        ]
    first = agreements[0]
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
        excluded=left_out_rows([absent for pair in agreements for absent in pair.left_out]),
    )


def _as_factors(agreement: ReaderAgreement, name: str) -> list[str]:
    """The limits on the log scale as factors between the two readings."""
    log = agreement.limits["log"]
    if math.isnan(log.sd):
        return []
    low, bias, high = (estimate(factor, 2) for factor in factors(log))
    first, second = agreement.readers
    return [f"As factors, reader {first} over reader {second}, of {name} + 1: {bias}, limits of agreement {low} and {high}."]


def _dependence(agreement: ReaderAgreement) -> list[str]:
    """That scans of one patient are not independent, where there are any."""
    raw = agreement.limits["raw"]
    if not raw.repeated:
        return []
    alike = "" if math.isnan(raw.correlation) else f" (differences of one patient correlate by {number(raw.correlation, 2)})"
    return [
        f"These are {raw.n} scans of {raw.n_subjects} patients: all intervals count scans of one patient as dependent{alike}."
    ]


def _assumed(agreement: ReaderAgreement, unit: str) -> list[str]:
    """Which assumptions of the limits do not hold, and what to read instead."""
    sentences = []
    for scale, checks in agreement.assumptions.items():
        broken = []
        if checks.normal.p < checks.level:
            broken.append(f"the differences are not normal (P {p_words(checks.normal.p)})")
        if checks.trend_found:
            broken.append(f"the bias changes with the mean (P {p_words(checks.trend.p_slope)})")
        if checks.spread_found:
            grows = "grows" if checks.spread.slope.value > 0 else "shrinks"
            broken.append(f"the spread {grows} with the mean (P {p_words(checks.spread.p_slope)})")
        if broken:
            sentences.append(f"{SCALE_WORDS[scale]}: {', '.join(broken)}.{_by_mean(agreement, scale, unit)}")
    if not sentences and all(math.isnan(assumption.normal.p) for assumption in agreement.assumptions.values()):
        return []
    return sentences or ["No sign against normal differences whose bias and spread stay the same, on any scale (P ≥ 0.05)."]


def _by_mean(agreement: ReaderAgreement, scale: Scale, unit: str) -> str:
    lines = agreement.assumptions[scale].by_mean
    if lines is None:
        return ""
    measured = "log" if scale == "log" else unit
    at = np.percentile(agreement.limits[scale].means, [25, 50, 75])
    parts = [
        f"{number(float(low))} to {number(float(high))} at a mean of {number(float(mean))}"
        for mean, low, high in zip(at, lines.at(at)[0], lines.at(at)[2], strict=True)
    ]
    return f" Limits of agreement by regression [{measured}]: {'; '.join(parts)}."


def _checks(assumptions: Assumptions) -> str:
    """Three P in a line below the plot; nothing where nothing could be tested."""
    tested = (("normal", assumptions.normal.p), ("bias", assumptions.trend.p_slope), ("spread", assumptions.spread.p_slope))
    if all(math.isnan(p) for _, p in tested):
        return ""
    return "P: " + ", ".join(f"{name} {p_value(p)}" for name, p in tested)


def _assumptions_table(agreement: ReaderAgreement, who: str) -> Table:
    rows = tuple(
        (
            SCALE_WORDS[scale],
            number(checks.normal.w),
            p_value(checks.normal.p),
            estimate(checks.trend.slope, 2),
            p_value(checks.trend.p_slope),
            estimate(checks.spread.slope, 2),
            p_value(checks.spread.p_slope),
        )
        for scale, checks in agreement.assumptions.items()
    )
    header = (
        *("scale", "Shapiro-Wilk W", "P", "difference on mean: slope (95% CI)", "P"),
        *("absolute residual on mean: slope (95% CI)", "P"),
    )
    note = "The test of normality takes all scans as independent. A P of 0.05 or more does not show that an assumption holds."
    return Table(f"Assumptions of the limits of agreement, {who}", header, rows, note=note)


def _agreement_columns(vhi_unit: str) -> tuple[str, ...]:
    return (
        *("first_reader", "second_reader", "method", "scale", "n", f"truncated_at_{ascii_unit(vhi_unit)}"),
        *("n_subjects", "bias", "bias_low", "bias_high", "sd", "correlation_within_subject"),
        *("lower_limit", "lower_limit_low", "lower_limit_high", "upper_limit", "upper_limit_low", "upper_limit_high"),
        *("icc_a1", "icc_low", "icc_high", "sem_agreement", "sem_consistency", "sdc_agreement", "sdc_consistency"),
        *("shapiro_w", "shapiro_p", "trend_slope", "trend_slope_low", "trend_slope_high", "trend_p"),
        *("spread_slope", "spread_slope_low", "spread_slope_high", "spread_p"),
        *("bias_at_0", "bias_per_mean", "sd_at_0", "sd_per_mean"),
    )


def _agreement_rows(agreement: ReaderAgreement) -> Iterable[tuple[str | float | int | None, ...]]:
    for scale, limits in agreement.limits.items():
        icc, error = agreement.icc[scale].icc, agreement.error[scale]
        yield (
            *(*agreement.readers, agreement.method, scale, limits.n, agreement.truncate_at if scale == "truncated" else None),
            *(limits.n_subjects, limits.bias.value, limits.bias.low, limits.bias.high, limits.sd, limits.correlation),
            *(limits.lower.value, limits.lower.low, limits.lower.high),
            *(limits.upper.value, limits.upper.low, limits.upper.high),
            *(icc.value, icc.low, icc.high),
            *(error.sem_agreement, error.sem_consistency, error.sdc_agreement, error.sdc_consistency),
            *_assumption_cells(agreement.assumptions[scale]),
        )


def _assumption_cells(assumptions: Assumptions) -> tuple[float | None, ...]:
    trend, spread, lines = assumptions.trend, assumptions.spread, assumptions.by_mean
    by_mean = (None,) * 4 if lines is None else (lines.bias_at_0, lines.bias_slope, lines.sd_at_0, lines.sd_slope)
    return (
        *(assumptions.normal.w, assumptions.normal.p),
        *(trend.slope.value, trend.slope.low, trend.slope.high, trend.p_slope),
        *(spread.slope.value, spread.slope.low, spread.slope.high, spread.p_slope),
        *by_mean,
    )


def _agreement_table(agreement: ReaderAgreement, who: str, unit: str) -> Table:
    rows = tuple(
        (
            SCALE_WORDS[scale],
            str(limits.n),
            estimate(limits.bias),
            estimate(limits.lower),
            estimate(limits.upper),
            estimate(agreement.icc[scale].icc, 2),
            number(agreement.error[scale].sem_agreement),
            number(agreement.error[scale].sdc_agreement),
        )
        for scale, limits in agreement.limits.items()
    )
    note = (
        ""
        if agreement.truncate_at is None
        else cut_words(agreement.truncate_at, agreement.limits["truncated"].n == agreement.limits["raw"].n, unit)
    )
    header = ("scale", "n", "bias (95% CI)", "lower limit (95% CI)", "upper limit (95% CI)", "ICC(A,1) (95% CI)", "SEM", "SDC")
    return Table(f"{who[0].upper()}{who[1:]} [{unit}, or log]", header, rows, note=note)


def _agreement_panels(agreement: ReaderAgreement, unit: str, name: str) -> list[AgreementPanel]:
    panels = []
    for scale, limits in agreement.limits.items():
        first, second = agreement.values[scale]
        truncate = (
            agreement.truncate_at if scale == "raw" and agreement.truncate_at and not math.isnan(agreement.truncate_at) else None
        )
        panels.append(
            AgreementPanel(
                f"{name}, {SCALE_WORDS[scale]}",
                "log" if scale == "log" else unit,
                first[limits.kept],
                second[limits.kept],
                tuple(agreement.keys[n][1] for n in limits.kept),
                limits,
                truncate,
                agreement.assumptions[scale],
                _checks(agreement.assumptions[scale]),
            )
        )
    return panels
