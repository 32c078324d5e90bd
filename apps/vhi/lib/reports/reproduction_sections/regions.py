"""Disease regions by networks: test scans, learning curves, failures, further scans."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from ...cohort.estimate import summary
from ...figures.reproduction import published_curves_figure, regions_figure, slices_of_test_figure
from ...reproduction.comparison import Comparison
from ...reproduction.comparisons import TEST, slices_of_test
from ...reproduction.pictures import Pictures
from ...reproduction.run import RunResults, by_use
from ..cohort_content import PAPER, Records, Section, rows_of
from ..cohort_sections.shared import section_figure
from ..parts import Table
from .shared import printed_table


def test_scans_section(results: RunResults, groups: Mapping[str, Sequence[Comparison]]) -> Section:
    base = Section(
        key="test",
        title="Figure 2 and supplement S2c: disease region of the test scans",
        method=(
            "2-D Dice of each slice against the manual region. The authors' table is of networks that learnt eight subjects; the "
            "networks that they released learnt the test subjects too, so that theirs is no fair test. Ours never saw them."
        ),
        source=f"{PAPER}, section 3.2 and figure 2; generated_files/model_training of the authors' repository",
    )
    listed = slices_of_test(results)
    scans: dict[str, dict[str, Sequence[float | None]]] = {case: {"paper": values} for case, values in listed.items()}
    for ensemble in results.ensembles:
        for case, one in by_use(results, ensemble.name, "test").items():
            scans.setdefault(case, {})[ensemble.name] = one["slice_dice"]
    if not scans:
        return replace(base, why_not="neither test scans with a manual region nor the authors' table of them are in the clone.")
    figure = section_figure(
        "figure_2_test_slices",
        slices_of_test_figure(dict(sorted(scans.items()))),
        "2-D Dice of every slice of the test scans: the paper's table, the released networks, ours.",
        "Line plots of Dice against slice.",
    )
    return replace(
        base,
        n=f"{len(scans)} scans, {sum(max(len(one) for one in series.values()) for series in scans.values())} slices",
        tables=(printed_table("Printed numbers", groups.get(TEST, [])),),
        figures=(figure,),
        records=(_slice_records(scans),),
    )


def _slice_records(scans: Mapping[str, Mapping[str, Sequence[float | None]]]) -> Records:
    rows = [
        (case, name, k, dice)
        for case, series in sorted(scans.items())
        for name, dices in series.items()
        for k, dice in enumerate(dices, 1)
    ]
    return Records("test_slices", ("scan", "networks", "slice_from_1", "dice"), rows_of(rows))


def curves_section(results: RunResults) -> Section:
    base = Section(
        key="curves",
        title="Supplement S2: learning curves",
        method=(
            "The authors' tables of loss and soft Dice, epoch by epoch, of the four partitions of the cross-validation, as they "
            "stand there: nothing is trained again here. How our own networks learnt stands in the model card."
        ),
        source=f"{PAPER}, section 3.2, supplement S2; generated_files/model_training of the authors' repository",
    )
    partitions: dict[str, dict[str, np.ndarray]] = {}
    for text in results.clone.texts:
        if text.kind in ("loss", "soft dice"):
            partitions.setdefault(text.of, {})[text.kind] = text.rows
    if not partitions:
        return replace(base, why_not="no table of a learning curve is in the clone.")
    rows = []
    for name, curves in sorted(partitions.items()):
        if "soft dice" in curves:
            validation = curves["soft dice"][:, 1]
            best = int(np.argmax(validation))
            rows.append((name, str(len(validation)), f"{validation[best]:.4f}", str(best + 1), f"{validation[-1]:.4f}"))
    header = ("partition", "epochs", "highest validation soft Dice", "at epoch", "at the last epoch")
    figure = section_figure(
        "figure_S2",
        published_curves_figure(dict(sorted(partitions.items()))),
        "Loss (a sum over the steps of an epoch, logarithmic) and soft Dice, training and validation.",
        "Learning curves of the partitions.",
    )
    return replace(
        base,
        n=f"{len(partitions)} partitions",
        tables=(Table("Soft Dice of foreground and background", header, tuple(rows)),) if rows else (),
        figures=(figure,),
    )


def additional_section(results: RunResults, pictures: Pictures) -> Section:
    base = Section(
        key="failures",
        title="Supplement S3: scans on which the paper's networks failed",
        method=(
            "Dice of the whole volume and lowest 2-D Dice against the manual region. 'Learnt': the networks were trained with "
            "that very region, so that a high value is no success. Pictures: the slice that differs by most voxels."
        ),
        source=f"{PAPER}, section 3.2, supplement S3",
    )
    rows = []
    for use in ("additional", "test", "study"):
        for ensemble in results.ensembles:
            for case, region in sorted(by_use(results, ensemble.name, use).items()):
                slices = [dice for dice in region["slice_dice"] if dice is not None]
                learnt = "learnt" if case in ensemble.learnt else "not learnt"
                lowest = f"{min(slices):.3f}" if slices else "n/a"
                rows.append((case, use, ensemble.name, learnt, f"{region['dice']:.4f}", f"{np.mean(slices):.4f}", lowest))
    if not rows:
        return replace(base, why_not="no networks were used, or no scan has a manual disease region in the clone.")
    figures = tuple(
        section_figure(
            f"failure_region_{picture.case}",
            regions_figure(picture.t1w, picture.manual, picture.regions, picture.dices),
            f"{picture.case} ({picture.use}), slice {picture.k + 1}.",
            "T1W slice with manual and found outlines.",
            is_picture=True,
        )
        for picture in pictures.regions
    )
    header = ("scan", "use in the paper", "networks", "", "Dice", "mean 2-D Dice", "lowest 2-D Dice")
    return replace(
        base,
        n=f"{len({row[0] for row in rows})} scans with a manual region",
        tables=(Table("Against the manual disease region", header, tuple(rows), text_columns=4),),
        figures=figures,
    )


def further_section(results: RunResults) -> Section:
    base = Section(
        key="further",
        title="Further scans, which the paper judged by eye",
        method=(
            "Regions by both ensembles on every T1W scan without a manual region; Dice between the ensembles; what this program "
            "warns about before it is believed (docs/results.md)."
        ),
        source=f"{PAPER}, sections 2.5.3 and 3.2",
    )
    ours = results.regions.get("ours", {})
    further = {case: region for case, region in ours.items() if case not in results.clone.regions}
    if not further:
        return replace(base, why_not="no networks were used, or no scan without a manual region is in the clone.")
    agreeing = [results.agreement[case] for case in further if case in results.agreement]
    findings = [
        f"This program warns about {sum(bool(region['warnings']) for region in further.values())} of {len(further)} scans."
    ]
    if agreeing:
        between = summary(agreeing)
        ends = f"{between.low:.4f} to {between.high:.4f}"
        findings.append(f"Dice between the released networks and ours: median {between.median:.4f} ({ends}).")
    findings += [
        f"{case}: Dice {value:.4f} of the region ({name} networks) with the automatic one that the authors publish."
        for (name, case), value in sorted(results.published_region.items())
    ]
    rows = tuple(
        (
            case,
            "; ".join(region["warnings"]) or "none",
            f"{region['member_dice']:.4f}" if region["member_dice"] is not None else "n/a",
            f"{results.agreement[case]:.4f}" if case in results.agreement else "n/a",
        )
        for case, region in sorted(further.items())
    )
    header = ("scan", "warnings", "Dice of our members", "Dice of both ensembles")
    return replace(
        base, n=f"{len(further)} scans", findings=tuple(findings), tables=(Table("Scans", header, rows, text_columns=2),)
    )
