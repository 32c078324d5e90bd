"""Sensitivity to change, telling responders, and the size of a trial: VHI against SPARCC."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from ...cohort.estimate import Estimate
from ...cohort.responsiveness import two_arm_power
from ...cohort.sensitivity import LOG_VHI, PER_ARM, POWERS, SPARCC_NAME, VHI_NAME, Sensitivity, Telling
from ...cohort.study import Study
from ...figures.cohort_sensitivity import PowerPanel, RocPanel, power_figure, roc_figure
from ..cohort_content import CohortFigure, Records, Section, estimate, number, p_value, rows_of
from ..parts import Table
from .shared import p_words, section_figure, sentence

SMALL = 30


def sensitivity_section(study: Study) -> Section:
    """VHI and SPARCC as outcomes of a trial, judged by the changes of the readers' mean."""
    base = Section(
        key="sensitivity",
        title="Sensitivity to change, and the size of a trial",
        method=(
            "Change is follow-up minus baseline of the readers' mean, one per patient. SRM: mean change over the SD of changes, "
            "with its exact interval for normal changes and a bootstrap of patients (BCa, 2,000 draws). Effect size: mean "
            "change over the baseline SD, bootstrap interval. Difference and ratio of SRM: bootstrap of the same patients. ROC "
            "of the fall against each clinical definition; area with DeLong's interval on the logit scale, areas compared by "
            "DeLong's test. Patients per arm: two-sided t test (5%) between the changes of two equal arms that differ by the "
            "given share of the mean change seen here, SD of changes as here in both; the interval is that of the SRM."
        ),
        source=(
            "SRM: Liang 1990; effect size: Kazis 1989; bootstrap: Efron 1987; areas: DeLong 1988; power: Cohen 1988. "
            "The paper has no such analysis; it expects that a trial by VHI needs fewer patients"
        ),
    )
    response = study.response
    if isinstance(response, str):
        return replace(base, why_not=sentence(response))
    result, unit = response.sensitivity, study.vhi_unit
    fewest = min(measure.n for measure in result.measures.values())
    return replace(
        base,
        n=", ".join(f"{measure.n} patients with {name}" for name, measure in result.measures.items() if name != LOG_VHI),
        findings=(*_findings(result), *_caveats(result, fewest)),
        tables=tuple(table for table in (_measures(result, unit), _areas(result), _sizes(result), _powers(result)) if table.rows),
        figures=_figures(result),
        records=_records(result),
    )


def _findings(result: Sensitivity) -> Iterator[str]:
    for name, measure in result.measures.items():
        yield (
            f"{name}: SRM {estimate(measure.srm, 2)} (bootstrap {_ends(measure.srm_bootstrap)}), effect size "
            f"{estimate(measure.effect_size, 2)}, n = {measure.n}.{f' {measure.note}' if measure.note else ''}"
        )
    if result.factor is not None and not math.isnan(result.factor.value):
        yield f"As a factor, follow-up over baseline of VHI + 1 (geometric mean): {estimate(result.factor, 2)}."
    for name, compared in result.comparisons.items():
        if compared.note:
            yield f"{name} against {SPARCC_NAME}: {compared.note}"
            continue
        yield (
            f"{name} against {SPARCC_NAME}, n = {compared.n}: the size of the SRM differs by "
            f"{estimate(compared.difference, 2)}; a trial by {name} needs {estimate(compared.patients, 2)} times the "
            f"patients of one by {SPARCC_NAME}. {_verdict(compared.patients)}"
        )
    for telling in result.telling:
        if telling.comparison is not None and not telling.comparison.note:
            areas = telling.comparison
            yield (
                f"{telling.definition}: area of {VHI_NAME} minus area of {SPARCC_NAME} {estimate(areas.difference, 2)}, "
                f"P {p_words(areas.p)}, n = {areas.n}."
            )
        for name, curve in telling.curves.items():
            if curve.note:
                yield f"{telling.definition}, {name}: {curve.note}"


def _verdict(patients: Estimate) -> str:
    """The conclusion that the interval of the ratio allows."""
    if math.isnan(patients.low):
        return "It has no interval, so that nothing follows from it."
    if patients.high < 1:
        return "The whole interval lies below 1: in these patients it needed fewer."
    if patients.low > 1:
        return "The whole interval lies above 1: in these patients it needed more."
    return "The interval holds 1: these patients do not show that either needs fewer."


def _caveats(result: Sensitivity, fewest: int) -> Iterator[str]:
    if fewest < SMALL:
        yield f"Few patients (n = {fewest}): every number here is uncertain; read its interval, not its value."
    for name, measure in result.measures.items():
        if measure.mean_change.value > 0:
            yield f"{name} rose on average: its trial sizes are for showing a worsening."
    yield (
        "All were treated and none was a control, so that the change also holds what would have happened without treatment "
        "(natural course, regression to the mean). A control arm that changes too needs larger trials."
    )


def _ends(one: Estimate) -> str:
    return "n/a" if math.isnan(one.low) else f"{number(one.low, 2)} to {number(one.high, 2)}"


def _measures(result: Sensitivity, unit: str) -> Table:
    units = {VHI_NAME: unit, LOG_VHI: "log", SPARCC_NAME: "points"}
    rows = tuple(
        (
            f"{name} [{units[name]}]",
            str(measure.n),
            estimate(measure.mean_change),
            number(measure.sd_change),
            number(measure.sd_baseline),
            estimate(measure.srm, 2),
            _ends(measure.srm_bootstrap),
            estimate(measure.effect_size, 2),
        )
        for name, measure in result.measures.items()
    )
    header = (
        "",
        "n",
        "mean change (95% CI)",
        "SD of changes",
        "SD at baseline",
        "SRM (95% CI)",
        "SRM, bootstrap",
        "effect size (95% CI)",
    )
    return Table("Sensitivity to change", header, rows, note="Negative: the measure fell.")


def _areas(result: Sensitivity) -> Table:
    rows = tuple(
        (telling.definition, name, str(curve.responders), str(curve.others), estimate(curve.auc, 2), *_against(telling, name))
        for telling in result.telling
        for name, curve in telling.curves.items()
    )
    header = ("response by", "fall of", "responders", "others", "area (95% CI)", "VHI minus SPARCC (95% CI)", "P")
    note = "Area under the ROC curve: how often a responder's fall is larger than another patient's; 0.5 tells nothing."
    return Table("Telling responders", header, rows, text_columns=2, note=note)


def _against(telling: Telling, name: str) -> tuple[str, str]:
    if name != VHI_NAME or telling.comparison is None:
        return "", ""
    return estimate(telling.comparison.difference, 2), p_value(telling.comparison.p)


def _sizes(result: Sensitivity) -> Table:
    rows = tuple(
        (
            f"{size.share:.0%} of the change",
            size.measure,
            number(abs(size.effect), 2),
            *(_patients(size.patients[power]) for power in POWERS),
        )
        for size in result.sizes
        if size.patients
    )
    header = ("arms differ by", "measure", "difference / SD", *(f"patients per arm, power {power:.0%}" for power in POWERS))
    note = "In brackets: with the ends of the SRM's interval; no upper end where that interval holds 0."
    return Table("Patients that a trial of two arms needs", header, rows, text_columns=2, note=note)


def _patients(one: Estimate) -> str:
    if math.isinf(one.value):
        return "over a million"
    most = "no upper end" if math.isinf(one.high) else f"{one.high:,.0f}"
    fewest = "over a million" if math.isinf(one.low) else f"{one.low:,.0f}"
    return f"{one.value:,.0f} ({fewest} to {most})"


def _powers(result: Sensitivity) -> Table:
    rows = tuple(
        (f"{size.share:.0%} of the change", size.measure, *(f"{size.power[n]:.2f}" for n in PER_ARM))
        for size in result.sizes
        if size.power
    )
    header = ("arms differ by", "measure", *(f"{n} per arm" for n in PER_ARM))
    return Table("Power of a trial of two arms", header, rows, text_columns=2)


def _figures(result: Sensitivity) -> tuple[CohortFigure, ...]:
    figures = []
    panels = [
        RocPanel(
            telling.definition,
            telling.curves,
            {name: f"{name}, area {number(curve.auc.value, 2)}" for name, curve in telling.curves.items()},
        )
        for telling in result.telling
        if any(curve.true_positive.size for curve in telling.curves.values())
    ]
    if panels:
        caption = "How well a fall of VHI and of SPARCC tells clinical responders, by each definition. Dashed: tells nothing."
        figures.append(
            section_figure("roc", roc_figure(panels), caption, "Receiver operating characteristics of VHI and SPARCC.")
        )
    per_arm = np.arange(2, 121)
    powers = [
        PowerPanel(
            f"arms differ by {share:.0%} of the change",
            per_arm,
            {
                size.measure: np.array([two_arm_power(size.effect, int(n)) for n in per_arm])
                for size in result.sizes
                if size.share == share and size.patients
            },
        )
        for share in dict.fromkeys(size.share for size in result.sizes)
    ]
    if any(panel.power for panel in powers):
        caption = (
            "Power of a trial of two equal arms, planned from the standardised response means found here. Dashed: 80% and 90%."
        )
        figures.append(section_figure("power", power_figure(powers), caption, "Power against patients per arm, by measure."))
    return tuple(figures)


def _records(result: Sensitivity) -> tuple[Records, ...]:
    def three(one: Estimate) -> tuple[float, float, float]:
        return one.value, one.low, one.high

    measures = [
        (
            *(name, measure.n, *three(measure.mean_change), measure.sd_change, measure.sd_baseline, *three(measure.srm)),
            *(measure.srm_bootstrap.low, measure.srm_bootstrap.high, *three(measure.effect_size)),
        )
        for name, measure in result.measures.items()
    ]
    compared = [
        (name, SPARCC_NAME, comparison.n, *three(comparison.difference), *three(comparison.patients))
        for name, comparison in result.comparisons.items()
    ]
    areas = [
        (telling.definition, name, curve.responders, curve.others, *three(curve.auc))
        for telling in result.telling
        for name, curve in telling.curves.items()
    ]
    areas_compared = [
        (outcome.definition, outcome.comparison.n, *three(outcome.comparison.difference), outcome.comparison.p)
        for outcome in result.telling
        if outcome.comparison is not None
    ]
    points = [
        (telling.definition, name, float(x), float(y))
        for telling in result.telling
        for name, curve in telling.curves.items()
        for x, y in zip(curve.false_positive, curve.true_positive, strict=True)
    ]
    sizes = [
        (size.measure, size.share, size.effect, power, *three(size.patients[power]))
        for size in result.sizes
        for power in size.patients
    ]
    powers = [(size.measure, size.share, n, power) for size in result.sizes for n, power in size.power.items()]
    return (
        Records(
            "sensitivity",
            (
                *("measure", "n", "mean_change", "mean_change_low", "mean_change_high", "sd_change", "sd_baseline"),
                *("srm", "srm_low", "srm_high", "srm_bootstrap_low", "srm_bootstrap_high"),
                *("effect_size", "effect_size_low", "effect_size_high"),
            ),
            rows_of(measures),
        ),
        Records(
            "sensitivity_compared",
            (
                *("measure", "against", "n", "srm_difference", "srm_difference_low", "srm_difference_high"),
                *("patients_ratio", "patients_ratio_low", "patients_ratio_high"),
            ),
            rows_of(compared),
        ),
        Records("roc", ("response", "measure", "responders", "others", "area", "area_low", "area_high"), rows_of(areas)),
        Records(
            "roc_compared", ("response", "n", "difference", "difference_low", "difference_high", "p"), rows_of(areas_compared)
        ),
        Records("roc_points", ("response", "measure", "false_positive", "true_positive"), rows_of(points)),
        Records(
            "trial_size",
            ("measure", "share_of_change", "effect", "power", "per_arm", "per_arm_low", "per_arm_high"),
            rows_of(sizes),
        ),
        Records("trial_power", ("measure", "share_of_change", "per_arm", "power"), rows_of(powers)),
    )
