"""VHI against SPARCC."""

from __future__ import annotations

import math
from dataclasses import replace

from ...cohort.study import Relation, Study
from ...figures.cohort_scatter import ScatterPanel, scatter_figure
from ..cohort_content import PAPER, Records, Section, estimate, number, p_value, rows_of
from ..parts import Table
from .shared import SCALE_WORDS, ascii_unit, cut_words, left_out_rows, p_words, section_figure, sentence


def relation_section(study: Study) -> Section:
    base = Section(
        key="vhi_against_sparcc",
        title="VHI against SPARCC scores",
        method=(
            "Least-squares regression of VHI on the SPARCC score, each the mean of the readers; raw, truncated (higher values "
            "left out) and log(x + 1). 95% confidence intervals of slope and intercept from Student's t; bands are of the line. "
            "Where a patient has several scans, intervals, P and bands are cluster-robust by patient (CR2, Bell and McCaffrey "
            "2002); the lines are the same."
        ),
        source=f"{PAPER}, section 2.7.2 and figure 6",
    )
    if isinstance(study.relations, str):
        return replace(base, why_not=sentence(study.relations))
    tables, figures, rows = [], [], []
    for n, relation in enumerate(study.relations):
        fits = relation.regressions
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
                f"{relation.who}, {relation.method}: VHI [{study.vhi_unit} or log] per SPARCC point",
                ("scale", "n", "slope (95% CI)", "P", "intercept (95% CI)", "P", "R²"),
                lines,
                note=cut_words(relation.truncate_at, fits["truncated"].n == fits["raw"].n, study.vhi_unit),
            )
        )
        figures.append(
            section_figure(
                "vhi_against_sparcc" + (f"_{n}" if n else ""),
                scatter_figure(_relation_panels(relation, study.vhi_unit)),
                f"VHI against SPARCC, {relation.who}: raw (dotted: where the next panel ends), truncated, and log(x + 1). Line "
                "and band: least squares with its 95% confidence interval.",
                "Scatterplots of VHI against SPARCC with regression lines.",
            )
        )
        rows += [
            (
                *(relation.who, relation.method, scale, fit.n, fit.slope.value, fit.slope.low, fit.slope.high, fit.p_slope),
                *(fit.intercept.value, fit.intercept.low, fit.intercept.high, fit.p_intercept, fit.r_squared, fit.residual_sd),
                relation.truncate_at if scale == "truncated" else None,
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
            f"VHI rises by {estimate(raw.slope)} {study.vhi_unit} per SPARCC point, P {p_words(raw.p_slope)}, "
            f"R² = {number(raw.r_squared, 2)}.",
            f"After log(x + 1) the slope is {estimate(log.slope)}, P {p_words(log.p_slope)}, R² = {number(log.r_squared, 2)}.",
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
                        f"truncated_at_{ascii_unit(study.vhi_unit)}",
                    ),
                ),
                rows_of(rows),
            ),
        ),
        excluded=left_out_rows(mean.left_out),
    )


def _relation_panels(relation: Relation, unit: str) -> list[ScatterPanel]:
    panels = []
    for scale, fit in relation.regressions.items():
        visits = tuple(relation.keys[n][1] for n in fit.kept)
        panels.append(
            ScatterPanel(
                SCALE_WORDS[scale],
                "SPARCC",
                "log(VHI + 1)" if scale == "log" else f"VHI [{unit}]",
                fit,
                visits,
                relation.truncate_at if scale == "raw" and not math.isnan(relation.truncate_at) else None,
            )
        )
    return panels
