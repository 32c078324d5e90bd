"""The readers' masks: overlap, volume similarity, composite reference, agreement."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from ...cohort.agreement import bland_altman
from ...cohort.estimate import summary
from ...figures.cohort_agreement import AgreementPanel, agreement_figure
from ...figures.cohort_overlap import Box, BoxPanel, boxes_figure
from ...reproduction.comparison import Comparison, paper
from ...reproduction.comparisons import (
    BETWEEN,
    BOTH_SEMI,
    COMPOSITE,
    COUNTS,
    FIRST_TRIALS,
    MANUAL,
    OVERLAPS,
    SEMI,
    SIMILARITIES,
    WITHIN,
    composite_dices,
    dices,
)
from ...reproduction.run import RunResults
from ..cohort_content import PAPER, CohortFigure, Section, estimate, number
from ..cohort_sections.shared import section_figure
from ..parts import Table
from .shared import matrix, pairs_of, printed_table, scans_of, verdicts

_TRIALS = ("R11 R21", "R11 R22", "R12 R21", "R12 R22")


def overlap_section(results: RunResults, groups: Mapping[str, Sequence[Comparison]]) -> Section:
    exact = groups.get(OVERLAPS, [])
    base = Section(
        key="overlap",
        title="Figure 4: overlap within and between readers",
        method=(
            "Dice of every two readings of a scan, over the whole volume, by voxel counts. R11 is reader 1's first manual "
            "reading, R1 the semi-automatic one above the lower (sensitive) threshold."
        ),
        source=f"{PAPER}, section 3.3 and figure 4; generated_files/overlap of the authors' repository",
    )
    if not results.readers and not exact:
        return replace(base, why_not="no readers' masks and no tables of overlap are in the clone.")
    printed = [*groups.get(MANUAL, []), *groups.get(SEMI, [])]
    return replace(
        base,
        n=f"{len(results.readers)} scans, {sum(len(scan['pairs']) for scan in results.readers.values())} pairs of readings",
        findings=(
            f"{len(exact)} published overlaps: {verdicts(exact)}." if exact else "The authors' tables are not there.",
            *(note for _, reader in sorted(results.readers.items()) for note in reader["notes"]),
        ),
        tables=(
            *((matrix("Dice, scan by scan", exact, scans_of(exact), pairs_of(exact), ".4f"),) if exact else ()),
            printed_table("Printed numbers", printed),
        ),
        figures=_figure_four(results),
    )


def _figure_four(results: RunResults) -> tuple[CohortFigure, ...]:
    panels = []
    for title, pairs, method in (
        ("within reader\nmanual", WITHIN, "manual"),
        ("between readers\nmanual", BETWEEN, "manual"),
        ("between readers\nsemi-automatic", (BOTH_SEMI,), "semi-automatic"),
    ):
        boxes = tuple(Box(pair.replace(" ", "\n"), tuple(dices(results, pair).values()), method) for pair in pairs)
        if any(box.values for box in boxes):
            panels.append(BoxPanel(title, boxes))
    if not panels:
        return ()
    caption = "Dice of two readings of a scan, as in the paper's figure 4. Every point is a scan; red: median."
    return (section_figure("figure_4", boxes_figure(panels), caption, "Boxplots of Dice within and between readers."),)


def similarity_section(results: RunResults, groups: Mapping[str, Sequence[Comparison]]) -> Section:
    similarities, counts = groups.get(SIMILARITIES, []), groups.get(COUNTS, [])
    base = Section(
        key="similarity",
        title="Volume similarity and voxel counts",
        method="1 − |a − b| / (a + b) of the voxels that two readings mark, wherever they lie.",
        source="generated_files/volume_similarity of the authors' repository; Taha and Hanbury 2015",
    )
    if not similarities:
        return replace(base, why_not="no table of volume similarity is in the clone.")
    return replace(
        base,
        n=f"{len(similarities)} similarities, {len(counts)} counts",
        findings=(
            f"{len(similarities)} published similarities: {verdicts(similarities)}.",
            f"{len(counts)} published voxel counts: {verdicts(counts)}.",
        ),
        tables=(
            matrix("Volume similarity, scan by scan", similarities, scans_of(similarities), pairs_of(similarities), ".4f"),
            _count_table(results, counts),
        ),
    )


def _count_table(results: RunResults, counts: Sequence[Comparison]) -> Table:
    readings = sorted({reading for scan in results.readers.values() for reading in scan["voxels"]})
    differs = {count.what.split(", ")[1] for count in counts if count.verdict == "differs"}
    rows = tuple(
        (case + (" ≠" if case in differs else ""), *(str(reader["voxels"].get(reading, "·")) for reading in readings))
        for case, reader in sorted(results.readers.items())
    )
    return Table("Voxels that each reading marks", ("scan", *readings), rows, note="≠: a published count of the scan differs.")


def composite_section(results: RunResults, groups: Mapping[str, Sequence[Comparison]]) -> Section:
    base = Section(
        key="composite",
        title="Figure 5: each method against the composite reference",
        method=(
            "A voxel is inflamed where at least 3 of 4 readings mark it: one manual trial of each reader and both semi-automatic "
            "readings. The paper does not say which manual trial voted; every choice is listed. Semi-automatic readings start "
            "from one mask and vote alike, which favours them: beside the composite stand the majority of the others, and STAPLE."
        ),
        source=f"{PAPER}, sections 2.7.1 and 3.3, figure 5; STAPLE: Warfield, Zou and Wells 2004",
    )
    if not any(scan["composites"] for scan in results.readers.values()):
        return replace(base, why_not="no scan has manual and semi-automatic readings of both readers in the clone.")
    readings = [(method, reader) for method in ("semi-automatic", "manual") for reader in ("R1", "R2")]
    rows = []
    for trials in _TRIALS:
        for standard in ("composite", "others", "STAPLE"):
            values = [list(composite_dices(results, trials, standard, *who).values()) for who in readings]
            if any(values):
                medians = (f"{summary(dices_of_reader).median:.4f}" if dices_of_reader else "n/a" for dices_of_reader in values)
                rows.append((trials, standard, str(len(values[0])), *medians))
    header = ("manual trials", "standard", "scans", *(f"{method} {reader}" for method, reader in readings))
    return replace(
        base,
        n=f"{len(composite_dices(results, FIRST_TRIALS, 'composite', 'manual', 'R1'))} scans",
        findings=(_best_trials(results),),
        tables=(
            printed_table("Printed numbers; both first manual trials vote", groups.get(COMPOSITE, [])),
            Table("Median Dice by choice of trials and by standard", header, tuple(rows), text_columns=2),
        ),
        figures=_figure_five(results),
    )


def _best_trials(results: RunResults) -> str:
    """Which choice of manual trials gives what the paper prints."""
    wanted = {
        (method, reader): paper()["numbers"][f"composite_{word}_{reader.lower()}"]["published"]
        for method, word in (("semi-automatic", "semi"), ("manual", "manual"))
        for reader in ("R1", "R2")
    }
    equal = []
    for trials in _TRIALS:
        medians = {who: summary(list(composite_dices(results, trials, "composite", *who).values())).median for who in wanted}
        if all(Comparison("", "", "", text, medians[who]).verdict == "equal as printed" for who, text in wanted.items()):
            equal.append(trials.replace(" ", " and "))
    if not equal:
        return "No choice of manual trials gives all four of the paper's medians on these scans."
    return f"The paper's four medians follow from the manual trials {' or '.join(equal)}."


def _figure_five(results: RunResults) -> tuple[CohortFigure, ...]:
    panels = []
    for method in ("semi-automatic", "manual"):
        boxes = tuple(
            Box(reader, tuple(composite_dices(results, FIRST_TRIALS, "composite", method, reader).values()), method)
            for reader in ("R1", "R2")
        )
        if any(box.values for box in boxes):
            panels.append(BoxPanel(method, boxes))
    if not panels:
        return ()
    caption = "Dice against the composite reference of both first manual trials, as in the paper's figure 5. Red: median."
    drawing = boxes_figure(panels, ylabel="Dice against the reference")
    return (section_figure("figure_5", drawing, caption, "Boxplots of Dice of both methods against the composite reference."),)


def agreement_section(results: RunResults) -> Section:
    base = Section(
        key="agreement",
        title="Figure 7, of the scans that are public",
        method="Bland-Altman limits with exact 95% intervals (Carkeet 2015), R1 − R2, in voxels above the sensitive threshold.",
        source=f"{PAPER}, section 3.4 and figure 7",
    )
    both = {case: reader["voxels"] for case, reader in sorted(results.readers.items()) if {"R1", "R2"} <= reader["voxels"].keys()}
    if len(both) < 2:
        return replace(base, why_not="semi-automatic masks of both readers are in the clone of fewer than two scans.")
    first, second = (np.array([volumes[reader] for volumes in both.values()], dtype=float) for reader in ("R1", "R2"))
    limits = bland_altman(first, second)
    findings = [
        f"Bias {number(limits.bias.value)} ({number(limits.lower.value)} to {number(limits.upper.value)}) voxels over "
        f"{len(both)} scans. The paper's 191 (−4,119 to 4,501) is over 58, of which the others are not public: no comparison.",
        f"Intervals: of the bias {estimate(limits.bias)}, of the limits {estimate(limits.lower)} and {estimate(limits.upper)}.",
    ]
    top = paper()["range_of_means_voxels"]["high"]
    beyond = [case for case, mean in zip(both, limits.means, strict=True) if mean > top]
    if beyond:
        means = ", ".join(f"{case}: {limits.means[list(both).index(case)]:,.1f}" for case in beyond)
        findings.append(
            f"The paper's means of both readers end at {top:,} voxels; here {means}. The public masks of that scan hold "
            "more than what entered the paper's figure 7."
        )
    panel = AgreementPanel("VHI", "voxels", first, second, ("baseline",) * len(both), limits)
    figure = section_figure(
        "figure_7_public_scans",
        agreement_figure([panel], ("R1", "R2")),
        "Both readers' semi-automatic VHI of the public scans: against each other, and their differences against means.",
        "Scatterplot and Bland-Altman plot of both readers.",
    )
    return replace(base, n=f"{len(both)} scans", findings=tuple(findings), figures=(figure,))
