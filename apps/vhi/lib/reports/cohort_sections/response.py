"""Response to treatment, and change of VHI against change of SPARCC."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np

from ...cohort.study import LeftOut, MeasureChange, Response, Study, main_method
from ...figures.cohort_response import SpaghettiPanel, spaghetti_figure
from ...figures.cohort_scatter import ScatterPanel, scatter_figure
from ..cohort_content import PAPER, Records, Section, estimate, number, p_value, rows_of
from ..parts import Table
from .shared import left_out_rows, p_words, section_figure, sentence


def response_section(study: Study) -> Section:
    settings = study.settings
    base = Section(
        key="response",
        title="Response to treatment",
        method=(
            "Change is follow-up minus baseline of the readers' mean. Response by imaging: VHI fell by more than "
            f"{settings.vhi_response_mm3:g} {study.vhi_unit}, SPARCC by more than {settings.sparcc_response:g} (0: any "
            "decrease). Clinical response: BASDAI improved by ≥ 1.2 and spinal VAS by ≥ 1 cm; BASDAI50; ASDAS improved by "
            "> 1.1; ASDAS < 1.3 at follow-up. Agreement with exact (Clopper-Pearson) interval, Cohen's kappa, exact McNemar "
            "and Fisher tests; "
            "standardised response mean with exact interval."
        ),
        source=f"{PAPER}, sections 2.3, 2.7.3 and 3.5, figure 9; kappa: Fleiss, Cohen and Everitt 1969; SRM: Liang 1990",
    )
    response = study.response
    if isinstance(response, str):
        return replace(base, why_not=sentence(response))
    measures = [(name, measure) for name, measure in (("VHI", response.vhi), ("SPARCC", response.sparcc)) if measure is not None]
    subjects = max((measure.subjects for _, measure in measures), key=len)
    findings = [
        f"{name}: {measure.directions.count('improved')} of {len(measure.subjects)} subjects improved, "
        f"{measure.directions.count('worsened')} worsened; standardised response mean "
        f"{estimate(measure.srm.srm, 2)}{f' ({measure.srm.note})' if measure.srm.note else ''}."
        for name, measure in measures
    ]
    findings += _caveats(study, response)
    for name, by_subject in response.clinical.items():
        known = [change for change in by_subject.values() if not math.isnan(change)]
        findings.append(f"{name}: {int(sum(known))} of {len(known)} subjects responded.")
    if response.primary is None:
        findings.append("No clinical response is known (columns basdai, spinal_vas_cm, asdas), so the plots are not split by it.")
    rows = tuple(
        (
            f"{pair.a} and {pair.b}",
            str(pair.table.n),
            str(pair.table.both),
            str(pair.table.only_a),
            str(pair.table.only_b),
            str(pair.table.neither),
            f"{pair.table.agreeing}/{pair.table.n}",
            estimate(pair.table.kappa, 2),
            p_value(pair.table.p_mcnemar),
            p_value(pair.table.p_fisher),
        )
        for pair in response.agreement
    )
    header = ("", "n", "both", "only 1st", "only 2nd", "neither", "agree", "kappa (95% CI)", "P McNemar", "P Fisher")
    return replace(
        base,
        n=", ".join(f"{len(measure.subjects)} subjects with {name} at both visits" for name, measure in measures),
        findings=tuple(findings),
        tables=(Table("How far the definitions of response agree (subjects)", header, rows),) if rows else (),
        figures=(
            section_figure(
                "response",
                spaghetti_figure(_spaghetti(response, measures, study.vhi_unit)),
                "Each subject at both visits"
                + (f", clinical responders ({response.primary}) and non-responders apart" if response.primary else "")
                + ". Green: the measure fell, red: it rose.",
                "Spaghetti plots of VHI and SPARCC at both visits.",
            ),
        ),
        records=(
            Records("response_subjects", *_response_records(response, measures, subjects)),
            Records(
                "response_agreement",
                (
                    *("first", "second", "n", "both", "only_first", "only_second", "neither", "missing", "agreement"),
                    *("agreement_low", "agreement_high", "kappa", "kappa_low", "kappa_high", "p_mcnemar", "p_fisher"),
                ),
                rows_of(
                    (
                        *(
                            pair.a,
                            pair.b,
                            pair.table.n,
                            pair.table.both,
                            pair.table.only_a,
                            pair.table.only_b,
                            pair.table.neither,
                        ),
                        *(pair.table.missing, pair.table.agreement.value, pair.table.agreement.low, pair.table.agreement.high),
                        *(pair.table.kappa.value, pair.table.kappa.low, pair.table.kappa.high),
                        *(pair.table.p_mcnemar, pair.table.p_fisher),
                    )
                    for pair in response.agreement
                ),
            ),
        ),
        excluded=left_out_rows([*(left for _, measure in measures for left in measure.left_out), *_clinically_unknown(response)]),
    )


def _caveats(study: Study, response: Response) -> Iterator[str]:
    """The limits of a count of improved subjects."""
    if response.vhi is not None and not study.settings.vhi_response_mm3:
        yield "Any decrease counts as improved, as in the paper, which adds that small changes may mean nothing clinically."
    agreement = next((candidate for candidate in study.vhi_agreement if candidate.method == main_method(study.table)), None)
    if response.vhi is None or agreement is None:
        return
    smallest = agreement.error["raw"].sdc_agreement
    if not math.isnan(smallest):
        beyond = int(np.count_nonzero(-response.vhi.change > smallest))
        yield (
            f"VHI fell by more than the between-reader smallest detectable change ({number(smallest)} {study.vhi_unit}, readers "
            f"{agreement.readers[0]} and {agreement.readers[1]}) in {beyond} of {len(response.vhi.subjects)} subjects."
        )


def _clinically_unknown(response: Response) -> Iterator[LeftOut]:
    for name, by_subject in response.clinical.items():
        for subject, responded in by_subject.items():
            if math.isnan(responded):
                yield LeftOut(subject, "", f"{name} is not known: a value is missing")


def _response_records(
    response: Response, measures: Sequence[tuple[str, MeasureChange]], subjects: Sequence[str]
) -> tuple[tuple[str, ...], tuple[tuple[str | float | int | None, ...], ...]]:
    columns = ["subject"]
    for name, _ in measures:
        columns += [f"{name.lower()}_{part}" for part in ("baseline", "follow_up", "change", "response")]
    columns += list(response.clinical)
    rows = []
    for subject in subjects:
        row: list[str | float | int | None] = [subject]
        for _, measure in measures:
            at = measure.subjects.index(subject) if subject in measure.subjects else None
            row += (
                [None] * 4
                if at is None
                else [
                    float(measure.baseline[at]),
                    float(measure.follow_up[at]),
                    float(measure.change[at]),
                    float(measure.response[at]),
                ]
            )
        row += [by_subject.get(subject) for by_subject in response.clinical.values()]
        rows.append(tuple(row))
    return tuple(columns), tuple(rows)


def _spaghetti(response: Response, measures: Sequence[tuple[str, MeasureChange]], unit: str) -> list[list[SpaghettiPanel]]:
    groups: list[tuple[str, float | None]] = [("all subjects", None)]
    if response.primary is not None:
        groups = [("responders", 1.0), ("non-responders", 0.0)]
    rows = []
    for name, measure in measures:
        responses = response.clinical[response.primary] if response.primary is not None else {}
        for log in (False, True) if name == "VHI" else (False,):
            before, after = (np.log1p(values) if log else values for values in (measure.baseline, measure.follow_up))
            label = ("log(VHI + 1)" if log else f"VHI [{unit}]") if name == "VHI" else "SPARCC"
            high = float(max(before.max(initial=0), after.max(initial=0))) or 1.0
            low = float(min(before.min(initial=high), after.min(initial=high))) if log else 0.0
            row = []
            for group, wanted in groups:
                inside = np.array(
                    [wanted is None or responses.get(subject) == wanted for subject in measure.subjects], dtype=bool
                )
                directions = tuple(np.array(measure.directions)[inside])
                row.append(
                    SpaghettiPanel(f"{group}, n = {inside.sum()}", label, before[inside], after[inside], directions, (low, high))
                )
            rows.append(row)
    return rows


def change_section(study: Study) -> Section:
    base = Section(
        key="change_regression",
        title="Change of VHI against change of SPARCC",
        method=(
            "Least-squares regression of the change of VHI on the change of SPARCC (follow-up minus baseline, readers' mean). "
            "The second panel cuts the axes; the line is the same."
        ),
        source=f"{PAPER}, section 3.5 and figure 9, bottom",
    )
    response = study.response
    if isinstance(response, str) or response.change is None:
        return replace(base, why_not="it needs VHI and SPARCC at both visits.")
    fit = response.change
    if not fit.n:
        return replace(base, why_not="no subject has VHI and SPARCC at both visits.")
    y_low, y_high = np.percentile(fit.y, [10, 90])
    pad_x, pad_y = 0.06 * (np.ptp(fit.x) or 1), 0.15 * ((y_high - y_low) or 1)
    cut = (float(fit.x.min() - pad_x), float(fit.x.max() + pad_x), float(y_low - pad_y), float(y_high + pad_y))
    whole = (cut[0], cut[1], float(fit.y.min() - 0.06 * np.ptp(fit.y) - 1), float(fit.y.max() + 0.06 * np.ptp(fit.y) + 1))
    labels = ("change of SPARCC", f"change of VHI [{study.vhi_unit}]")
    panels = [
        ScatterPanel("all data", *labels, fit, limits=whole, through_zero=True),
        ScatterPanel("axes cut", *labels, fit, limits=cut, through_zero=True),
    ]
    return replace(
        base,
        n=f"{fit.n} subjects",
        findings=(
            f"The change of VHI rises by {estimate(fit.slope)} {study.vhi_unit} per point of change of SPARCC, "
            f"P {p_words(fit.p_slope)}; intercept {estimate(fit.intercept)} {study.vhi_unit}, P {p_words(fit.p_intercept)}; "
            f"R² = {number(fit.r_squared, 2)}.",
            *([fit.note] if fit.note else []),
        ),
        figures=(
            section_figure(
                "change",
                scatter_figure(panels),
                "Change of VHI against change of SPARCC. Right: the 10th to 90th percentile of the changes of VHI, "
                "with the same line.",
                "Scatterplots of the change of VHI against that of SPARCC.",
            ),
        ),
        records=(
            Records(
                "change_regression",
                (
                    "n",
                    "slope",
                    "slope_low",
                    "slope_high",
                    "p_slope",
                    "intercept",
                    "intercept_low",
                    "intercept_high",
                    "p_intercept",
                    "r_squared",
                ),
                rows_of(
                    [
                        (
                            *(fit.n, fit.slope.value, fit.slope.low, fit.slope.high, fit.p_slope),
                            *(fit.intercept.value, fit.intercept.low, fit.intercept.high, fit.p_intercept, fit.r_squared),
                        )
                    ]
                ),
            ),
        ),
        excluded=left_out_rows(
            LeftOut(subject, "", "not both measures at both visits")
            for subject in study.table.subjects
            if subject not in response.change_subjects
        ),
    )
