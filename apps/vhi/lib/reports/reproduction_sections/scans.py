"""The content of the clone, normal bone and thresholds, and the automatic segmentation that readers cleaned."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from ...figures.cohort_slices import disagreement_figure
from ...figures.reproduction import workflow_figure
from ...reproduction.comparison import EQUAL, Comparison
from ...reproduction.comparisons import DATA, NORMAL_BONE
from ...reproduction.pictures import Pictures
from ...reproduction.run import RunResults
from ..cohort_content import PAPER, Section
from ..cohort_sections.shared import section_figure
from ..parts import Table
from .shared import printed_table, verdicts


def data_section(results: RunResults, groups: Mapping[str, Sequence[Comparison]]) -> Section:
    return Section(
        key="data",
        title="What is public, and what the paper says of it",
        n=f"{len(results.clone.t1w)} T1W and {len(results.clone.stir)} STIR scans",
        method=(
            "Files are found by their names and by what tables say of themselves, wherever the folders are. Slices, matrix and "
            "pixel spacing are those of the images' headers. Everything that was passed over is in tables/passed_over.csv."
        ),
        source=f"{PAPER}, sections 2.2 to 2.7",
        findings=_passed_over(results),
        tables=(printed_table("Printed numbers", groups.get(DATA, [])),),
    )


def _passed_over(results: RunResults) -> tuple[str, ...]:
    reasons: dict[str, int] = {}
    for file in results.clone.passed_over:
        reasons[file.why] = reasons.get(file.why, 0) + 1
    if not reasons:
        return ("Every file that could hold numbers was read.",)
    shown = sorted(reasons.items(), key=lambda item: -item[1])[:6]
    more = len(reasons) - len(shown)
    each = "; ".join(f"{count} ({why.rstrip('.')})" for why, count in shown) + (f"; and {more} more reasons" if more else "")
    return (f"Passed over: {len(results.clone.passed_over)} files: {each}.",)


def bone_section(results: RunResults, groups: Mapping[str, Sequence[Comparison]]) -> Section:
    comparisons = groups.get(NORMAL_BONE, [])
    base = Section(
        key="normal_bone",
        title="Figure 1: normal bone and thresholds",
        method=(
            "STIR intensities inside the manual normal-bone region, compared with the authors' list value by value, sorted; "
            "thresholds from both by the paper's rule (section 2.5.2)."
        ),
        source=f"{PAPER}, section 2.5.2; generated_files/normal_bone_intensities of the authors' repository",
    )
    if not results.bone:
        return replace(base, why_not="no scan has both STIR and a normal-bone region in the clone.")
    rows = tuple(
        (
            case,
            _beside(comparisons, case),
            f"{bone['n']:,}",
            f"{bone['ours_sensitive']:.4f}",
            f"{bone['ours_conservative']:.4f}",
            f"{bone['ours_multiple']:.2f}",
        )
        for case, bone in sorted(results.bone.items())
    )
    header = ("scan", "beside the authors' list", "voxels", "sensitive", "conservative", "multiple n")
    return replace(
        base,
        n=f"{len(results.bone)} scans",
        findings=(f"{len(comparisons)} numbers beside the authors' lists: {verdicts(comparisons)}.",) if comparisons else (),
        tables=(Table("Thresholds [scanner units]", header, rows, text_columns=2),),
    )


def _beside(comparisons: Sequence[Comparison], case: str) -> str:
    own = [comparison for comparison in comparisons if comparison.what.endswith(f", {case}")]
    if not own:
        return "no list in the clone"
    return (
        "every intensity and both thresholds equal" if all(comparison.verdict in EQUAL for comparison in own) else verdicts(own)
    )


def workflow_section(results: RunResults, pictures: Pictures) -> Section:
    base = Section(
        key="workflow",
        title="Figure 3: automatic segmentation, and what readers left of it",
        method=(
            "Manual disease region and manual normal bone, thresholds by the paper's rule, groups of fewer than 4 pixels "
            "removed. A cleaned mask should lie inside: readers remove, and hardly redraw. Pictures: the slice with most of it."
        ),
        source=f"{PAPER}, sections 2.5.1 and 2.5.4, figures 1 and 3, supplement S4",
    )
    if not results.automatic:
        return replace(base, why_not="no scan has T1W, STIR, disease region and normal bone in the clone.")
    rows = []
    for case, result in sorted(results.automatic.items()):
        shares = (_share(result["cleaned"].get(reader)) for reader in ("R1", "R2"))
        rows.append((case, f"{result['voxels']:,}", f"{result['conservative_voxels']:,}", str(result["lesions"]), *shares))
    header = ("scan", "sensitive voxels", "conservative voxels", "lesions", "of R1's mask inside", "of R2's mask inside")
    figures = [
        section_figure(
            f"before_after_{picture.case}",
            workflow_figure(picture.stir, picture.grade, picture.cleaned, picture.k),
            f"{picture.case}, slice {picture.k + 1}: STIR, automatic segmentation, and what reader {picture.reader} left of it.",
            "STIR slice with the automatic segmentation and the cleaned one.",
            is_picture=True,
        )
        for picture in pictures.workflow
    ]
    if pictures.outlier is not None:
        apart = pictures.outlier
        figures.append(
            section_figure(
                f"failure_{apart.case}",
                disagreement_figure(apart.stir, apart.first, apart.second, ("R1", "R2"), apart.slices),
                f"{apart.case}: the semi-automatic readings that agree least (Dice {apart.dice:.2f}), on the slices on which "
                "they differ most. The paper puts its outlier down to the joint space.",
                "STIR slices with both readers' masks.",
                is_picture=True,
            )
        )
    return replace(
        base,
        n=f"{len(results.automatic)} scans",
        tables=(Table("Automatic segmentation before cleaning", header, tuple(rows)),),
        figures=tuple(figures),
        findings=tuple(
            f"{case}: {warning}" for case, result in sorted(results.automatic.items()) for warning in result["warnings"]
        ),
    )


def _share(part: Mapping[str, int] | None) -> str:
    if part is None:
        return "·"
    return "empty" if not part["voxels"] else f"{100 * part['inside'] / part['voxels']:.2f}%"
