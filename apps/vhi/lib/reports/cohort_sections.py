"""The sections of a cohort report, one function each: from a result to sentences, tables, figures and records."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from lib.cohort.estimate import Estimate, summary
from lib.cohort.failure import count_reasons
from lib.cohort.masks import CaseImages, MaskStudy, TwoVisits
from lib.cohort.overlap import PairOverlap, summarise_overlaps
from lib.cohort.scales import Scale
from lib.cohort.study import (
    VHI,
    LeftOut,
    MeasureChange,
    ReaderAgreement,
    Relation,
    Response,
    Study,
    StudySettings,
)
from lib.cohort.table import DISAGREEMENTS
from lib.figures.canvas import png_bytes, svg_bytes
from lib.figures.cohort_agreement import AgreementPanel, agreement_figure
from lib.figures.cohort_overlap import Box, BoxPanel, boxes_figure
from lib.figures.cohort_response import SpaghettiPanel, spaghetti_figure
from lib.figures.cohort_scatter import ScatterPanel, scatter_figure
from lib.figures.cohort_slices import before_after_figure, disagreement_figure
from lib.figures.cohort_style import DPI
from lib.reports.cohort_content import (
    PAPER,
    CohortFigure,
    Records,
    Section,
    estimate,
    median_range,
    number,
    of_visit,
    p_value,
    rows_of,
)
from lib.reports.content import Figure, Table

if TYPE_CHECKING:
    from matplotlib.figure import Figure as Drawing

SCALE_WORDS: dict[Scale, str] = {"raw": "raw", "truncated": "truncated", "log": "log(x + 1)"}
PICTURE_DPI = 200.0


def overlap_section(masks: MaskStudy | None) -> Section:
    method = (
        "Dice coefficient (shared voxels over the mean of both) and volume similarity (1 − difference over sum of volumes) of "
        "every two readings of a scan, over the whole volume and slice by slice. Two empty masks have no Dice: n/a. Boxes are "
        "quartiles, whiskers reach the last value within 1.5 interquartile ranges, every point is one scan."
    )
    base = Section(
        key="overlap",
        title="Overlap of segmentations within and between readers",
        method=method,
        source=f"{PAPER}, section 2.7.1, figure 4 and supplement S1; volume similarity: Taha and Hanbury 2015",
    )
    if masks is None:
        return replace(base, why_not="it needs readers' masks, and only a table of numbers was given.")
    if not masks.pairs:
        return replace(base, why_not="no scan was segmented twice.")
    kinds = ("within reader", "between readers", "between methods")
    groups = sorted(summarise_overlaps(masks.pairs), key=lambda one: (kinds.index(one.kind), one.method, one.pair))
    whole = summarise_overlaps(masks.pairs, each_pair=False)
    by_slice = {(one.kind, one.method): one for one in summarise_overlaps(masks.slices, each_pair=False)}
    findings = [
        f"{one.method[0].upper()}{one.method[1:]}, {one.kind}: median Dice {median_range(one.dice)} over {one.dice.n} pairs."
        for one in whole
        if one.kind != "between methods"
    ]
    rows = tuple(
        (
            one.kind,
            one.method,
            one.pair,
            str(one.dice.n),
            str(one.empty_pairs),
            median_range(one.dice),
            median_range(one.volume_similarity),
        )
        for one in groups
    )
    slice_rows = tuple(
        (one.kind, one.method, str(one.dice.n), median_range(one.dice), median_range(one.volume_similarity))
        for one in by_slice.values()
    )
    return replace(
        base,
        n=f"{masks.n_scans} scans, {masks.n_masks} masks, {len(masks.pairs)} pairs of readings",
        findings=tuple(findings),
        tables=(
            Table(
                "Whole volumes, by pair of readings: median (range)",
                ("", "method", "reader/reading", "n", "n/a", "Dice", "volume similarity"),
                rows,
                text_columns=3,
            ),
            Table(
                "Slice by slice, of the slices that either reader marked: median (range)",
                ("", "method", "slices", "Dice", "volume similarity"),
                slice_rows,
                text_columns=2,
            ),
        ),
        figures=_overlap_figure(masks.pairs),
        records=(
            Records(
                "overlap_pairs",
                (
                    *("subject", "visit", "kind", "method", "first_reader", "first_reading", "first_method"),
                    *("second_reader", "second_reading", "second_method"),
                    *("dice", "volume_similarity", "first_voxels", "second_voxels", "shared_voxels"),
                ),
                rows_of(_pair_cells(one) for one in masks.pairs),
            ),
            Records(
                "overlap_slices",
                (
                    *("subject", "visit", "kind", "method", "first_reader", "first_reading", "first_method"),
                    *("second_reader", "second_reading", "second_method"),
                    *("dice", "volume_similarity", "first_voxels", "second_voxels", "shared_voxels", "slice_from_0"),
                ),
                rows_of((*_pair_cells(one), one.slice) for one in masks.slices),
            ),
            Records(
                "overlap_summary",
                ("kind", "method", "pair", "pairs", "empty_pairs", "dice_median", "dice_lowest", "dice_highest"),
                rows_of(
                    (one.kind, one.method, one.pair, one.pairs, one.empty_pairs, one.dice.median, one.dice.low, one.dice.high)
                    for one in groups
                ),
            ),
        ),
    )


def _pair_cells(one: PairOverlap) -> tuple[str | float | int | None, ...]:
    a, b, found = one.a, one.b, one.overlap
    who = (a.reader, a.reading, a.method, b.reader, b.reading, b.method)
    voxels = (found.voxels_a, found.voxels_b, found.voxels_both)
    return one.subject, one.visit, one.kind, one.method, *who, found.dice, found.volume_similarity, *voxels


def _overlap_figure(pairs: Sequence[PairOverlap]) -> tuple[CohortFigure, ...]:
    panels = []
    for kind, method in (
        ("within reader", "manual"),
        ("between readers", "manual"),
        ("within reader", "semi-automatic"),
        ("between readers", "semi-automatic"),
    ):
        groups: dict[str, list[float]] = {}
        for one in pairs:
            if (one.kind, one.method) == (kind, method):
                groups.setdefault(one.pair.replace(" and ", "\n"), []).append(one.overlap.dice)
        if groups:
            boxes = tuple(Box(name, tuple(values), method) for name, values in sorted(groups.items()))
            panels.append(BoxPanel(f"{kind}\n{method}", boxes))
    if not panels:
        return ()
    caption = "Dice of every two readings of a scan; under each box which readings (reader/reading), and how many. Red: median."
    return (_figure("overlap", boxes_figure(panels), caption, "Boxplots of Dice within and between readers."),)


def reference_section(masks: MaskStudy | None, settings: StudySettings) -> Section:
    base = Section(
        key="reference",
        title="Each method against a composite reference standard",
        method=(
            f"A voxel is inflamed in the reference where at least {settings.fewest_votes} of the scan's readings (each reader's "
            f"manual and semi-automatic one, reading {settings.reading}) marked it. Each "
            "reading also voted, which favours all alike."
        ),
        source=f"{PAPER}, section 2.7.1 and figure 5",
    )
    if masks is None:
        return replace(base, why_not="it needs readers' masks, and only a table of numbers was given.")
    left_out = _left_out(masks.reference_left_out)
    if not masks.reference:
        return replace(base, excluded=left_out, why_not="no scan has enough readings by both methods for the vote.")
    groups: dict[tuple[str, str], list[float]] = {}
    for one in masks.reference:
        groups.setdefault((one.reading.method, one.reading.reader), []).append(one.overlap.dice)

    found = {key: summary(values) for key, values in sorted(groups.items())}
    panels = [
        BoxPanel(method, tuple(Box(f"reader {reader}", tuple(groups[m, reader]), m) for m, reader in found if m == method))
        for method in dict.fromkeys(method for method, _ in found)
    ]
    scans = {(one.reading.subject, one.reading.visit) for one in masks.reference}
    return replace(
        base,
        n=f"{len(scans)} scans",
        findings=tuple(
            f"Reader {reader}, {method}: median Dice {median_range(one)}, n = {one.n}." for (method, reader), one in found.items()
        ),
        figures=(
            _figure(
                "reference",
                boxes_figure(panels, ylabel="Dice against the reference"),
                f"Dice of each reading against the composite reference ({settings.fewest_votes} votes). Red: median.",
                "Boxplots of Dice of both methods against the composite reference.",
            ),
        ),
        records=(
            Records(
                "reference",
                ("subject", "visit", "reader", "reading", "method", "dice", "volume_similarity", "voxels", "reference_voxels"),
                rows_of(
                    (
                        *(one.reading.subject, one.reading.visit, one.reading.reader, one.reading.reading, one.reading.method),
                        *(one.overlap.dice, one.overlap.volume_similarity, one.overlap.voxels_a, one.overlap.voxels_b),
                    )
                    for one in masks.reference
                ),
            ),
        ),
        excluded=left_out,
    )


def relation_section(study: Study) -> Section:
    base = Section(
        key="vhi_against_sparcc",
        title="VHI against SPARCC scores",
        method=(
            "Least-squares regression of VHI on the SPARCC score, each the mean of the readers; raw, truncated (higher values "
            "left out) and log(x + 1). 95% confidence intervals of slope and intercept from Student's t; bands are of the line."
        ),
        source=f"{PAPER}, section 2.7.2 and figure 6",
    )
    if isinstance(study.relations, str):
        return replace(base, why_not=_sentence(study.relations))
    tables, figures, rows = [], [], []
    for n, one in enumerate(study.relations):
        fits = one.regressions
        lines = tuple(
            (
                SCALE_WORDS[scale],
                str(fit.n),
                estimate(fit.slope),
                p_value(fit.p_slope),
                estimate(fit.intercept),
                p_value(fit.p_intercept),
                number(fit.r_squared, 2),
            )
            for scale, fit in fits.items()
        )
        tables.append(
            Table(
                f"{one.who}, {one.method}: VHI [mm³ or log] per SPARCC point",
                ("scale", "n", "slope (95% CI)", "P", "intercept (95% CI)", "P", "R²"),
                lines,
                note=_cut(one.truncate_at, fits["truncated"].n == fits["raw"].n),
            )
        )
        figures.append(
            _figure(
                "vhi_against_sparcc" + (f"_{n}" if n else ""),
                scatter_figure(_relation_panels(one)),
                f"VHI against SPARCC, {one.who}: raw (dotted: where the next panel ends), truncated, and log(x + 1). Line and "
                "band: least squares with its 95% confidence interval.",
                "Scatterplots of VHI against SPARCC with regression lines.",
            )
        )
        rows += [
            (
                *(one.who, one.method, scale, fit.n, fit.slope.value, fit.slope.low, fit.slope.high, fit.p_slope),
                *(fit.intercept.value, fit.intercept.low, fit.intercept.high, fit.p_intercept, fit.r_squared, fit.residual_sd),
                one.truncate_at if scale == "truncated" else None,
            )
            for scale, fit in fits.items()
        ]
    mean = study.relations[0]
    raw, log = mean.regressions["raw"], mean.regressions["log"]
    notes = [f"{SCALE_WORDS[scale]}: {fit.note}" for scale, fit in mean.regressions.items() if fit.note]
    return replace(
        base,
        n=f"{len(mean.keys)} scans of {len({subject for subject, _ in mean.keys})} subjects; VHI {mean.method}, {mean.who}",
        findings=(
            f"VHI rises by {estimate(raw.slope)} mm³ per SPARCC point, P {_equals(raw.p_slope)}, "
            f"R² = {number(raw.r_squared, 2)}.",
            f"After log(x + 1) the slope is {estimate(log.slope)}, P {_equals(log.p_slope)}, R² = {number(log.r_squared, 2)}.",
            "Two visits of a subject count as independent points, as in the paper; the intervals are somewhat too narrow.",
            *notes,
        ),
        tables=tuple(tables),
        figures=tuple(figures),
        records=(
            Records(
                "regression",
                (
                    *("readers", "method", "scale", "n", "slope", "slope_low", "slope_high", "p_slope"),
                    *(
                        "intercept",
                        "intercept_low",
                        "intercept_high",
                        "p_intercept",
                        "r_squared",
                        "residual_sd",
                        "truncated_at_mm3",
                    ),
                ),
                rows_of(rows),
            ),
        ),
        excluded=_left_out(mean.left_out),
    )


def _relation_panels(one: Relation) -> list[ScatterPanel]:
    panels = []
    for scale, fit in one.regressions.items():
        visits = tuple(one.keys[n][1] for n in fit.kept)
        panels.append(
            ScatterPanel(
                SCALE_WORDS[scale],
                "SPARCC",
                "log(VHI + 1)" if scale == "log" else "VHI [mm³]",
                fit,
                visits,
                one.truncate_at if scale == "raw" and not math.isnan(one.truncate_at) else None,
            )
        )
    return panels


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
            f"single reading; SEM and smallest detectable change (1.96 √2 SEM, systematic differences included).{cut}"
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
        unit = "mm³" if column == VHI else "points"
        low, high = one.range
        findings.append(
            f"{who[0].upper()}{who[1:]}: bias {estimate(raw.bias)} {unit}, limits of agreement {number(raw.lower.value)} to "
            f"{number(raw.upper.value)} {unit} over a range of means of {number(low)} to {number(high)} {unit}, n = {raw.n}; "
            f"ICC(A,1) {estimate(one.icc['raw'].icc, 2)}; smallest detectable change "
            f"{number(one.error['raw'].sdc_agreement)} {unit}."
        )
        findings += [f"{SCALE_WORDS[scale]}: {limits.note}" for scale, limits in one.limits.items() if limits.note]
        tables.append(_agreement_table(one, who, unit))
        figures.append(
            _figure(
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
            Records(f"agreement_{name.lower()}", _AGREEMENT_COLUMNS, rows_of(rows)),
            Records(
                f"differences_{name.lower()}",
                ("first_reader", "second_reader", "method", "subject", "visit", "first", "second", "difference", "mean"),
                rows_of(points),
            ),
        ),
        excluded=_left_out([one for pair in found for one in pair.left_out]),
    )


_AGREEMENT_COLUMNS = (
    *("first_reader", "second_reader", "method", "scale", "n", "truncated_at_mm3", "bias", "bias_low", "bias_high", "sd"),
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
    note = "" if one.truncate_at is None else _cut(one.truncate_at, one.limits["truncated"].n == one.limits["raw"].n)
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


def response_section(study: Study) -> Section:
    settings = study.settings
    base = Section(
        key="response",
        title="Response to treatment",
        method=(
            f"Change is follow-up minus baseline of the readers' mean. Response by imaging: VHI fell by more than "
            f"{settings.vhi_response_mm3:g} mm³, SPARCC by more than {settings.sparcc_response:g} (0: any decrease). Clinical "
            "response: BASDAI improved by ≥ 1.2 and spinal VAS by ≥ 1 cm; BASDAI50; ASDAS improved by > 1.1; ASDAS < 1.3 at "
            "follow-up. Agreement with exact (Clopper-Pearson) interval, Cohen's kappa, exact McNemar and Fisher tests; "
            "standardised response mean with exact interval."
        ),
        source=f"{PAPER}, sections 2.3, 2.7.3 and 3.5, figure 9; kappa: Fleiss, Cohen and Everitt 1969; SRM: Liang 1990",
    )
    found = study.response
    if isinstance(found, str):
        return replace(base, why_not=_sentence(found))
    measures = [(name, one) for name, one in (("VHI", found.vhi), ("SPARCC", found.sparcc)) if one is not None]
    subjects = max((one.subjects for _, one in measures), key=len)
    findings = [
        f"{name}: {one.directions.count('improved')} of {len(one.subjects)} subjects improved, "
        f"{one.directions.count('worsened')} worsened; standardised response mean "
        f"{estimate(one.srm.srm, 2)}{f' ({one.srm.note})' if one.srm.note else ''}."
        for name, one in measures
    ]
    for name, by_subject in found.clinical.items():
        known = [one for one in by_subject.values() if not math.isnan(one)]
        findings.append(f"{name}: {int(sum(known))} of {len(known)} subjects responded.")
    if found.primary is None:
        findings.append("No clinical response is known (columns basdai, spinal_vas_cm, asdas), so the plots are not split by it.")
    rows = tuple(
        (
            f"{one.a} and {one.b}",
            str(one.table.n),
            str(one.table.both),
            str(one.table.only_a),
            str(one.table.only_b),
            str(one.table.neither),
            f"{one.table.agreeing}/{one.table.n}",
            estimate(one.table.kappa, 2),
            p_value(one.table.p_mcnemar),
            p_value(one.table.p_fisher),
        )
        for one in found.agreement
    )
    header = ("", "n", "both", "only 1st", "only 2nd", "neither", "agree", "kappa (95% CI)", "P McNemar", "P Fisher")
    return replace(
        base,
        n=", ".join(f"{len(one.subjects)} subjects with {name} at both visits" for name, one in measures),
        findings=tuple(findings),
        tables=(Table("How far the definitions of response agree (subjects)", header, rows),) if rows else (),
        figures=(
            _figure(
                "response",
                spaghetti_figure(_spaghetti(found, measures)),
                "Each subject at both visits"
                + (f", clinical responders ({found.primary}) and non-responders apart" if found.primary else "")
                + ". Green: the measure fell, red: it rose.",
                "Spaghetti plots of VHI and SPARCC at both visits.",
            ),
        ),
        records=(
            Records("response_subjects", *_response_records(found, measures, subjects)),
            Records(
                "response_agreement",
                (
                    *("first", "second", "n", "both", "only_first", "only_second", "neither", "missing", "agreement"),
                    *("agreement_low", "agreement_high", "kappa", "kappa_low", "kappa_high", "p_mcnemar", "p_fisher"),
                ),
                rows_of(
                    (
                        *(one.a, one.b, one.table.n, one.table.both, one.table.only_a, one.table.only_b, one.table.neither),
                        *(one.table.missing, one.table.agreement.value, one.table.agreement.low, one.table.agreement.high),
                        *(one.table.kappa.value, one.table.kappa.low, one.table.kappa.high),
                        *(one.table.p_mcnemar, one.table.p_fisher),
                    )
                    for one in found.agreement
                ),
            ),
        ),
        excluded=_left_out([left for _, one in measures for left in one.left_out]),
    )


def _response_records(
    found: Response, measures: Sequence[tuple[str, MeasureChange]], subjects: Sequence[str]
) -> tuple[tuple[str, ...], tuple[tuple[str | float | int | None, ...], ...]]:
    columns = ["subject"]
    for name, _ in measures:
        columns += [f"{name.lower()}_{part}" for part in ("baseline", "follow_up", "change", "response")]
    columns += list(found.clinical)
    rows = []
    for subject in subjects:
        row: list[str | float | int | None] = [subject]
        for _, one in measures:
            at = one.subjects.index(subject) if subject in one.subjects else None
            row += (
                [None] * 4
                if at is None
                else [float(one.baseline[at]), float(one.follow_up[at]), float(one.change[at]), float(one.response[at])]
            )
        row += [by_subject.get(subject) for by_subject in found.clinical.values()]
        rows.append(tuple(row))
    return tuple(columns), tuple(rows)


def _spaghetti(found: Response, measures: Sequence[tuple[str, MeasureChange]]) -> list[list[SpaghettiPanel]]:
    groups: list[tuple[str, float | None]] = [("all subjects", None)]
    if found.primary is not None:
        groups = [("responders", 1.0), ("non-responders", 0.0)]
    rows = []
    for name, one in measures:
        responses = found.clinical[found.primary] if found.primary is not None else {}
        for log in (False, True) if name == "VHI" else (False,):
            before, after = (np.log1p(values) if log else values for values in (one.baseline, one.follow_up))
            label = ("log(VHI + 1)" if log else "VHI [mm³]") if name == "VHI" else "SPARCC"
            high = float(max(before.max(initial=0), after.max(initial=0))) or 1.0
            low = float(min(before.min(initial=high), after.min(initial=high))) if log else 0.0
            row = []
            for group, wanted in groups:
                inside = np.array([wanted is None or responses.get(subject) == wanted for subject in one.subjects], dtype=bool)
                directions = tuple(np.array(one.directions)[inside])
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
    found = study.response
    if isinstance(found, str) or found.change is None:
        return replace(base, why_not="it needs VHI and SPARCC at both visits.")
    fit = found.change
    if not fit.n:
        return replace(base, why_not="no subject has VHI and SPARCC at both visits.")
    y_low, y_high = np.percentile(fit.y, [10, 90])
    pad_x, pad_y = 0.06 * (np.ptp(fit.x) or 1), 0.15 * ((y_high - y_low) or 1)
    cut = (float(fit.x.min() - pad_x), float(fit.x.max() + pad_x), float(y_low - pad_y), float(y_high + pad_y))
    whole = (cut[0], cut[1], float(fit.y.min() - 0.06 * np.ptp(fit.y) - 1), float(fit.y.max() + 0.06 * np.ptp(fit.y) + 1))
    labels = ("change of SPARCC", "change of VHI [mm³]")
    panels = [
        ScatterPanel("all data", *labels, fit, limits=whole, through_zero=True),
        ScatterPanel("axes cut", *labels, fit, limits=cut, through_zero=True),
    ]
    return replace(
        base,
        n=f"{fit.n} subjects",
        findings=(
            f"The change of VHI rises by {estimate(fit.slope)} mm³ per point of change of SPARCC, P {_equals(fit.p_slope)}; "
            f"intercept {estimate(fit.intercept)} mm³, P {_equals(fit.p_intercept)}; R² = {number(fit.r_squared, 2)}.",
            *([fit.note] if fit.note else []),
        ),
        figures=(
            _figure(
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
        excluded=_left_out(
            LeftOut(subject, "", "not both measures at both visits")
            for subject in study.table.subjects
            if subject not in found.change_subjects
        ),
    )


def failure_section(study: Study, images: Sequence[CaseImages], why_no_images: str) -> Section:
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
    for one in study.failures:
        who = f"Readers {one.readers[0]} and {one.readers[1]}, {one.method}"
        limit = "n/a" if math.isnan(one.limit) else f"{number(one.limit)} mm³"
        reasons = count_reasons(found for _, found in one.failures)
        classes = ", ".join(f"{count} {reason}" for reason, count in reasons.items() if count)
        findings.append(
            f"{who}: {len(one.failures)} of {one.n} scans differ by more than {limit}{f' ({classes})' if classes else ''}."
        )
        for visit, found in one.failures:
            rows.append(
                (
                    f"{visit.subject}, {of_visit(visit.visit)}",
                    " and ".join(one.readers),
                    number(found.first),
                    number(found.second),
                    number(found.difference),
                    number(found.in_sd, 2),
                    found.reason or "not recorded",
                )
            )
            cells.append(
                (
                    *(*one.readers, one.method, visit.subject, visit.visit, visit.case),
                    *(found.first, found.second, found.difference, found.in_sd, found.reason),
                )
            )
    if cells and not images:
        findings.append(f"Pictures of these scans are not available: {why_no_images}")
    header = ("scan", "readers", "first mm³", "second mm³", "difference mm³", "SD", "class")
    figures = tuple(
        _figure(
            f"failure_{n}",
            disagreement_figure(one.stir, one.first, one.second, one.readers, one.slices),
            f"{one.subject}, {of_visit(one.visit)}: the slices (numbers, from 1) on which the readers differ by most voxels.",
            f"STIR slices of {one.subject} with both readers' masks.",
            is_picture=True,
        )
        for n, one in enumerate(images, start=1)
    )
    return replace(
        base,
        n=", ".join(f"{one.n} scans" for one in study.failures),
        findings=tuple(findings),
        tables=(Table("Scans beyond the limit", header, tuple(rows), text_columns=2),) if rows else (),
        figures=figures,
        records=(
            Records(
                "failures",
                (
                    *("first_reader", "second_reader", "method", "subject", "visit", "case", "first_mm3", "second_mm3"),
                    *("difference_mm3", "standard_deviations", "disagreement"),
                ),
                rows_of(cells),
            ),
        ),
        excluded=_left_out([left for one in study.failures for left in one.left_out]),
    )


def ratings_section(study: Study) -> Section:
    base = Section(
        key="region_ratings",
        title="Automatic disease region in the readers' eyes",
        method="Readers' ratings of the automatic disease region; shares with exact (Clopper-Pearson) 95% intervals.",
        source=f"{PAPER}, sections 2.5.3 and 3.2",
    )
    found = study.ratings
    if found is None:
        return replace(base, why_not="no reading carries a rating (column rating, or the server's).")
    rows = tuple((rating, str(count)) for rating, count in found.counts.items())
    return replace(
        base,
        n=f"{found.n} rated readings, {found.not_rated} without a rating",
        findings=(
            f"It failed in {found.counts['failed']} of {found.n} readings: {estimate(_percent(found.failed), 2)}%.",
            f"It was corrected in {found.counts['corrected']} of {found.n}: {estimate(_percent(found.corrected), 2)}%.",
        ),
        tables=(Table("Ratings", ("rating", "readings"), rows),),
        records=(Records("region_ratings", ("rating", "readings"), rows_of(found.counts.items())),),
    )


def visits_section(visits: Sequence[TwoVisits], excluded: Sequence[LeftOut], tolerance_mm: float, why_not: str) -> Section:
    base = Section(
        key="lesions",
        title="Lesions of two visits",
        method=(
            "The follow-up STIR scan is aligned with the baseline (rigid, mutual information), its mask is carried to the "
            "baseline's grid by nearest neighbour, and lesions (26-connected) match that touch or lie within "
            f"{tolerance_mm:g} mm of each other; lesions that split or merged count as one."
        ),
        source=f"{PAPER}, figure 8 (pictures); alignment and matching are this program's",
    )
    left_out = _left_out(excluded)
    if not visits:
        return replace(base, excluded=left_out, why_not=_sentence(why_not))
    rows, cells = [], []
    for one in visits:
        found = one.comparison
        rows.append(
            (
                one.subject,
                str(found.count("resolved")),
                str(found.count("persisting")),
                str(found.count("new")),
                number(found.baseline_mm3),
                number(found.follow_up_mm3),
                number(found.change_mm3),
                f"{number(one.turn_deg, 2)}°, {number(one.shift_mm, 2)} mm",
            )
        )
        cells += [
            (
                *(one.subject, one.reader, n, lesion.status, lesion.baseline_mm3, lesion.follow_up_mm3, lesion.change_mm3),
                *(lesion.relative_change, *lesion.centroid_mm, len(lesion.baseline_ids), len(lesion.follow_up_ids)),
            )
            for n, lesion in enumerate(found.lesions, start=1)
        ]
    total = [sum(one.comparison.count(status) for one in visits) for status in ("resolved", "persisting", "new")]
    header = ("subject", "resolved", "both visits", "new", "baseline mm³", "follow-up mm³", "change mm³", "alignment")
    figures = tuple(
        _figure(
            f"before_after_{n}",
            before_after_figure(one.images.stir, one.images.codes, one.images.slices),
            f"{one.subject} before and after treatment: the same slices of the aligned STIR scans (numbers from 1), and below "
            f"each what reader {one.reader} kept as inflammation.",
            f"STIR slices of {one.subject} at both visits.",
            is_picture=True,
        )
        for n, one in enumerate((one for one in visits if one.images is not None and one.images.slices), start=1)
        if one.images is not None
    )
    readers = sorted({one.reader for one in visits})
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
        method="Median and range of clicks and seconds per reading, by reader and method.",
        source="columns clicks and seconds",
    )
    if not study.effort:
        return replace(base, why_not="no reading has clicks or seconds.")
    words = {"clicks": "clicks", "seconds": "s"}
    rows = tuple(
        (one.reader, one.method or "n/a", words[one.column], str(one.summary.n), median_range(one.summary, 3))
        for one in study.effort
    )
    return replace(
        base,
        n=f"{sum(one.summary.n for one in study.effort)} values",
        tables=(Table("Effort", ("reader", "method", "unit", "n", "median (range)"), rows, text_columns=3),),
        records=(
            Records(
                "effort",
                ("column", "reader", "method", "n", "median", "lowest", "highest"),
                rows_of(
                    (one.column, one.reader, one.method, one.summary.n, one.summary.median, one.summary.low, one.summary.high)
                    for one in study.effort
                ),
            ),
        ),
    )


def _figure(name: str, drawing: Drawing, caption: str, alternative: str, is_picture: bool = False) -> CohortFigure:
    """A drawing as it goes into pages and files; scans stay pixels, charts stay lines."""
    dpi = PICTURE_DPI if is_picture else DPI
    png = png_bytes(drawing, dpi)
    return CohortFigure(Figure(name, caption, alternative, png, "image/png"), png, svg_bytes(drawing), dpi)


def _left_out(found: Iterable[LeftOut]) -> tuple[tuple[str, str, str], ...]:
    return tuple(dict.fromkeys((one.subject, one.visit, one.why) for one in found))


def _sentence(text: str) -> str:
    """As it follows "not available: "."""
    return text if text[:3].isupper() else text[0].lower() + text[1:]


def _cut(at: float, nothing_above: bool) -> str:
    return f"Truncated at {number(at)} mm³{', above which nothing lies' if nothing_above else ''}."


def _equals(p: float) -> str:
    text = p_value(p)
    return text if text.startswith("<") else f"= {text}"


def _percent(one: Estimate) -> Estimate:
    return Estimate(100 * one.value, 100 * one.low, 100 * one.high)
