"""Overlap of segmentations, and the composite reference standard."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

from ...cohort.estimate import summary
from ...cohort.masks import MaskStudy
from ...cohort.overlap import OverlapSummary, PairOverlap, summarise_overlaps
from ...cohort.reference import COMPOSITE, STANDARDS, Standard
from ...cohort.study import StudySettings
from ...figures.cohort_overlap import Box, BoxPanel, boxes_figure
from ..cohort_content import PAPER, CohortFigure, Records, Section, median_range, number, rows_of
from ..parts import Table
from .shared import left_out_rows, section_figure


def overlap_section(masks: MaskStudy | None) -> Section:
    method = (
        "Dice coefficient (shared voxels over the mean of both) and volume similarity (1 − difference over sum of volumes) of "
        "every two readings of a scan, over the whole volume and slice by slice. Two empty masks have no Dice: n/a. Boxes are "
        "quartiles, whiskers reach the last value within 1.5 interquartile ranges, every point is one scan. The 95% interval of "
        "a median is of a bootstrap of whole patients (2,000 draws; from 5 patients on): scans of a patient, and pairs of "
        "readings of a scan, are not independent."
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
    groups = sorted(summarise_overlaps(masks.pairs), key=lambda group: (kinds.index(group.kind), group.method, group.pair))
    whole = summarise_overlaps(masks.pairs, each_pair=False)
    by_slice = {(group.kind, group.method): group for group in summarise_overlaps(masks.slices, each_pair=False)}
    findings = [
        f"{group.method[0].upper()}{group.method[1:]}, {group.kind}: median Dice {median_range(group.dice)}{_interval(group)} "
        f"over {group.dice.n} pairs of readings of {_scans(masks.pairs, group)} scans."
        for group in whole
        if group.kind != "between methods"
    ]
    rows = tuple(
        (
            group.kind,
            group.method,
            group.pair,
            str(group.dice.n),
            str(group.empty_pairs),
            median_range(group.dice),
            _ends(group),
            median_range(group.volume_similarity),
        )
        for group in groups
    )
    slice_rows = tuple(
        (group.kind, group.method, str(group.dice.n), median_range(group.dice), median_range(group.volume_similarity))
        for group in by_slice.values()
    )
    return replace(
        base,
        n=f"{masks.n_scans} scans, {masks.n_masks} masks, {len(masks.pairs)} pairs of readings",
        findings=tuple(findings),
        tables=(
            Table(
                "Whole volumes, by pair of readings: median (range)",
                ("", "method", "reader/reading", "scans", "n/a", "Dice", "median Dice, 95% CI", "volume similarity"),
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
                rows_of(_pair_cells(pair) for pair in masks.pairs),
            ),
            Records(
                "overlap_slices",
                (
                    *("subject", "visit", "kind", "method", "first_reader", "first_reading", "first_method"),
                    *("second_reader", "second_reading", "second_method"),
                    *("dice", "volume_similarity", "first_voxels", "second_voxels", "shared_voxels", "slice_from_0"),
                ),
                rows_of((*_pair_cells(pair), pair.slice) for pair in masks.slices),
            ),
            Records(
                "overlap_summary",
                (
                    *("kind", "method", "pair", "pairs", "empty_pairs", "dice_median", "dice_lowest", "dice_highest"),
                    *("dice_median_low", "dice_median_high"),
                ),
                rows_of(
                    (
                        *(group.kind, group.method, group.pair, group.pairs, group.empty_pairs),
                        *(group.dice.median, group.dice.low, group.dice.high, group.dice_median.low, group.dice_median.high),
                    )
                    for group in groups
                ),
            ),
        ),
    )


def _ends(summary: OverlapSummary) -> str:
    low, high = summary.dice_median.low, summary.dice_median.high
    return "n/a" if math.isnan(low) else f"{number(low, 2)} to {number(high, 2)}"


def _interval(summary: OverlapSummary) -> str:
    return "" if math.isnan(summary.dice_median.low) else f" (95% CI of the median {_ends(summary)})"


def _scans(pairs: Sequence[PairOverlap], group: OverlapSummary) -> int:
    """How many scans the pairs of a group come from: several pairs of one scan are not independent."""
    return len({(pair.subject, pair.visit) for pair in pairs if (pair.kind, pair.method) == (group.kind, group.method)})


def _pair_cells(pair: PairOverlap) -> tuple[str | float | int | None, ...]:
    a, b, overlap = pair.a, pair.b, pair.overlap
    who = (a.reader, a.reading, a.method, b.reader, b.reading, b.method)
    voxels = (overlap.voxels_a, overlap.voxels_b, overlap.voxels_both)
    return pair.subject, pair.visit, pair.kind, pair.method, *who, overlap.dice, overlap.volume_similarity, *voxels


def _overlap_figure(pairs: Sequence[PairOverlap]) -> tuple[CohortFigure, ...]:
    panels = []
    for kind, method in (
        ("within reader", "manual"),
        ("between readers", "manual"),
        ("within reader", "semi-automatic"),
        ("between readers", "semi-automatic"),
    ):
        groups: dict[str, list[float]] = {}
        for pair in pairs:
            if (pair.kind, pair.method) == (kind, method):
                groups.setdefault(pair.pair.replace(" and ", "\n"), []).append(pair.overlap.dice)
        if groups:
            boxes = tuple(Box(name, tuple(values), method) for name, values in sorted(groups.items()))
            panels.append(BoxPanel(f"{kind}\n{method}", boxes))
    if not panels:
        return ()
    caption = "Dice of every two readings of a scan; under each box which readings (reader/reading), and how many. Red: median."
    return (section_figure("overlap", boxes_figure(panels), caption, "Boxplots of Dice within and between readers."),)


def reference_section(masks: MaskStudy | None, settings: StudySettings) -> Section:
    base = Section(
        key="reference",
        title="Each method against a reference standard",
        method=(
            f"Composite, as in the paper: a voxel is inflamed where at least {settings.fewest_votes} of the scan's readings "
            f"(each reader's manual and semi-automatic one, reading {settings.reading}) marked it. Each reading also votes, and "
            "the semi-automatic readings of a scan start from one automatic mask and so vote alike: the composite favours them. "
            "Others: what more than half of the other readings marked; the reading itself has no vote. STAPLE: the truth "
            "estimated from all readings, each weighed by its estimated sensitivity and specificity."
        ),
        source=f"{PAPER}, section 2.7.1 and figure 5; STAPLE: Warfield, Zou and Wells 2004",
    )
    if masks is None:
        return replace(base, why_not="it needs readers' masks, and only a table of numbers was given.")
    left_out = left_out_rows(masks.reference_left_out)
    if not masks.reference:
        return replace(base, excluded=left_out, why_not="no scan has enough readings by both methods for the vote.")
    groups = _by_reading(masks)
    scans = {(against.reading.subject, against.reading.visit) for against in masks.reference}
    return replace(
        base,
        n=f"{len(scans)} scans",
        findings=tuple(
            f"Reader {reader}, {method}: median Dice {median_range(summary(values))}, n = {len(values)}."
            for (standard, method, reader), values in groups.items()
            if standard == COMPOSITE
        ),
        tables=(_reference_table(groups),),
        figures=(_reference_figure(groups, settings.fewest_votes),),
        records=(_reference_records(masks),),
        excluded=left_out,
    )


_Groups = dict[tuple[Standard, str, str], list[float]]


def _by_reading(masks: MaskStudy) -> _Groups:
    """Dice by standard, method and reader, in that order."""
    groups: _Groups = {}
    for against in masks.reference:
        groups.setdefault((against.standard, against.reading.method, against.reading.reader), []).append(against.overlap.dice)
    return dict(sorted(groups.items(), key=lambda item: (STANDARDS.index(item[0][0]), *item[0][1:])))


def _reference_table(groups: _Groups) -> Table:
    readings = dict.fromkeys((method, reader) for _, method, reader in groups)
    standards = [name for name in STANDARDS if any(standard == name for standard, _, _ in groups)]
    rows = tuple(
        (method, reader, *(median_range(summary(groups.get((standard, method, reader), []))) for standard in standards))
        for method, reader in readings
    )
    return Table("Dice against each standard: median (range)", ("method", "reader", *standards), rows, text_columns=2)


def _reference_figure(groups: _Groups, fewest_votes: int) -> CohortFigure:
    composite = {(method, reader): values for (standard, method, reader), values in groups.items() if standard == COMPOSITE}
    panels = [
        BoxPanel(method, tuple(Box(f"reader {reader}", tuple(composite[m, reader]), m) for m, reader in composite if m == method))
        for method in dict.fromkeys(method for method, _ in composite)
    ]
    return section_figure(
        "reference",
        boxes_figure(panels, ylabel="Dice against the reference"),
        f"Dice of each reading against the composite reference ({fewest_votes} votes). Red: median.",
        "Boxplots of Dice of both methods against the composite reference.",
    )


def _reference_records(masks: MaskStudy) -> Records:
    return Records(
        "reference",
        (
            *("standard", "subject", "visit", "reader", "reading", "method"),
            *("dice", "volume_similarity", "voxels", "reference_voxels"),
        ),
        rows_of(
            (
                *(against.standard, against.reading.subject, against.reading.visit),
                *(against.reading.reader, against.reading.reading, against.reading.method),
                *(
                    against.overlap.dice,
                    against.overlap.volume_similarity,
                    against.overlap.voxels_a,
                    against.overlap.voxels_b,
                ),
            )
            for against in masks.reference
        ),
    )
