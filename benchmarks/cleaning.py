"""The cleaning proposal against what readers did, on the published scans, each patient by a model of the others.

Lesions are those of the automatic result from the manual regions; kept is what half of the four manual readings mark or more. The
limit from which a lesion is kept is chosen among the other patients too. Beside every number: each reading taken as the answer
to each of the other reader's. The published voxels are of the same readers' semi-automatic cleaning, whose masks are not public.
At thresholds that are too low or too high, proposed volumes are held against those of the lesions there that the readers kept
(`lib.cleaning.table.SHARE`), and against the readers' at the right threshold.

    VHI_DATA=<folder> PYTHONPATH=apps/vhi python benchmarks/cleaning.py

From two files and nothing else: `benchmarks/fully_automatic.py`.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table

from lib.cleaning.evaluation import Agreement, LeftOutPatient, between_readers, brier, leave_one_patient_out, volume_ratio
from lib.cleaning.features import FEATURES, lesion_features
from lib.cleaning.fitting import fit_forest, keep_limit, read_voxels
from lib.cleaning.model import CleaningModel, propose
from lib.cleaning.table import LesionTable
from lib.core.pipeline import VhiResult, measure_vhi
from lib.training.cleaning import cleaned_scans

# cleaned voxels at the sensitive threshold, reader 1 and 2, semi-automatic (Hepburn et al. 2023, supporting data)
PUBLISHED = {
    "1007": (2050, 1654),
    "1012": (2033, 1454),
    "1013": (97301, 98672),
    "1016": (15768, 14823),
    "1234": (1570, 1685),
    "3002": (30727, 28980),
    "4386": (824, 481),
}
LIMITS_OF_AGREEMENT = 1.96
CLOSE_FACTOR = 1.5  # what a proposed volume may be off by at a wrong threshold


def main() -> None:
    if "VHI_DATA" not in os.environ:
        sys.exit("Set VHI_DATA to the folder of published scans with readers' masks.")
    console = Console(width=190, highlight=False)
    scans = cleaned_scans(Path(os.environ["VHI_DATA"]))
    results = {scan.case_id: scan.measure() for scan in scans}
    tables = [one for scan in scans for one in scan.tables(results[scan.case_id])]
    every = leave_one_patient_out(tables, on_patient=lambda patient: console.print(f"left out {patient}"))
    left_out = [one for one in every if one.table.as_measured]
    console.print(_shifted(every))
    console.print(_decisions(left_out))
    console.print(_volumes(console, left_out))
    console.print(_effort(left_out))
    console.print(_splitting(left_out))
    console.print(
        f"mean squared distance of probability and reader: {np.mean([brier(o.table, o.probability) for o in left_out]):.4f}"
    )
    _cost(console, results, tables)


def _shifted(every: Sequence[LeftOutPatient]) -> Table:
    """Volumes at each factor of the thresholds: over the readers' there, and over the readers' at the right one."""
    right = {one.table.case_id: read_voxels(one.table) for one in every if one.table.as_measured}
    table = Table("thresholds", *right, "within 1.5", "sensitivity", "false keeps")
    table.title = (
        "Proposed volume over the readers' on the same lesions (over the readers' at the right threshold; what the readers' "
        "decisions on whole lesions give over it)"
    )
    for factor in sorted({one.table.factor for one in every}):
        row = {one.table.case_id: one for one in every if one.table.factor == factor}
        ratios = {case: volume_ratio(one) for case, one in row.items()}
        cells = [
            f"{ratios[case]:.2f} ({one.table.voxels[one.keep].sum() / right[case]:.2f}; "
            f"{read_voxels(one.table) / right[case]:.2f})"
            for case, one in row.items()
        ]
        inside = sum(1 / CLOSE_FACTOR <= ratio <= CLOSE_FACTOR for ratio in ratios.values())
        own = [one.proposed for one in row.values()]
        numbers = (f"{_mean(own, 'sensitivity'):.3f}", f"{_mean(own, 'false_keeps'):.1f}")
        table.add_row(f"{factor:g}", *cells, f"{inside} of {len(ratios)}", *numbers)
    return table


def _mean(agreements: Sequence[Agreement], name: str) -> float:
    return float(np.nanmean([getattr(agreement, name) for agreement in agreements]))


def _decisions(left_out: Sequence[LeftOutPatient]) -> Table:
    table = Table(
        "scan", "lesions", "kept", "limit", "sensitivity\nproposal", "sensitivity\nreaders", "false keeps\nproposal",
        "false keeps\nreaders", "wrong\nproposal", "wrong\nreaders", "remove all\nwrong",
        title="Decisions on lesions; sensitivity by volume; readers: mean over all pairs of one reader against the other",
    )  # fmt: skip
    ours, theirs = [], []
    for one in left_out:
        pairs, own = between_readers(one.table), one.proposed
        ours.append(own)
        theirs.append(pairs)
        table.add_row(
            one.table.case_id, str(len(one.table.voxels)), str(one.table.consensus.sum()), f"{one.limit:.2f}",
            f"{own.sensitivity:.3f}", f"{_mean(pairs, 'sensitivity'):.3f}", str(own.false_keeps),
            f"{_mean(pairs, 'false_keeps'):.1f}", str(own.wrong), f"{_mean(pairs, 'wrong'):.1f}", str(one.table.consensus.sum()),
        )  # fmt: skip
    cells = []
    for name, digits in (("sensitivity", 3), ("false_keeps", 1), ("wrong", 1)):
        cells += [f"{_mean(ours, name):.{digits}f}", f"{np.mean([_mean(pairs, name) for pairs in theirs]):.{digits}f}"]
    table.add_row("mean", "", "", "", *cells, f"{np.mean([one.table.consensus.sum() for one in left_out]):.1f}")
    return table


def _volumes(console: Console, left_out: Sequence[LeftOutPatient]) -> Table:
    table = Table("scan", "raw", "proposed", "readers, lesions", "published 1", "published 2", "ln proposed/published", "ln 1/2")
    table.title = "Voxels at the sensitive threshold; published readers by their geometric mean"
    ours, same, theirs, manual = [], [], [], []
    for one in left_out:
        case, voxels = one.table.case_id, one.table.voxels
        first, second = PUBLISHED[case]
        proposed = int(voxels[one.keep].sum())
        ours.append(np.log(max(proposed, 1) / np.sqrt(first * second)))
        same.append(np.log(max(proposed, 1) / read_voxels(one.table)))
        theirs.append(np.log(first / second))
        manual.append(np.log((one.table.kept[:, 0] @ voxels) / (one.table.kept[:, 2] @ voxels)))
        cells = (voxels.sum(), proposed, round(read_voxels(one.table)), first, second)
        table.add_row(case, *map(str, cells), f"{ours[-1]:+.2f}", f"{theirs[-1]:+.2f}")
    for name, ratios in (
        ("proposed against published readers", ours),
        ("published reader 1 against 2", theirs),
        ("proposed against the readers' mean on the same lesions", same),
        ("reader 1 against 2, lesions of their first manual readings", manual),
    ):
        console.print(f"{name}: {_agreement(ratios)}")
    return table


def _agreement(logs: Sequence[float]) -> str:
    mean, half = float(np.mean(logs)), LIMITS_OF_AGREEMENT * float(np.std(logs, ddof=1))
    return (
        f"mean of ln {mean:+.2f}, limits of agreement {mean - half:+.2f} to {mean + half:+.2f} (width {2 * half:.2f}), "
        f"as factors {np.exp(mean - half):.2f} to {np.exp(mean + half):.2f}"
    )


def _effort(left_out: Sequence[LeftOutPatient]) -> Table:
    table = Table("scan", "from raw, all", "from raw, 95%", "from proposal, all", "from proposal, 95%", "readers apart, 95%")
    table.title = "Clicks until every lesion is as the consensus has it, or until no more than 5% of its volume is wrong"
    rows = []
    for one in left_out:
        everything = replace(one, probability=np.ones(len(one.table.voxels)))
        raw, own = everything.proposed, one.proposed
        rows.append((raw.wrong, raw.clicks, own.wrong, own.clicks, round(_mean(between_readers(one.table), "clicks"), 1)))
        table.add_row(one.table.case_id, *map(str, rows[-1]))
    table.add_row("median", *(f"{value:g}" for value in np.median(np.array(rows), axis=0)))
    return table


def _splitting(left_out: Sequence[LeftOutPatient]) -> Table:
    """What whole lesions cost: the best that keeping or removing them whole can do, against the published volumes."""
    table = Table("scan", "published mean", "whole lesions of the consensus", "ln ratio", "largest kept lesion [voxels]")
    table.title = "Are whole lesions enough? Decisions of the consensus on whole lesions against the published cleaned volumes"
    logs = []
    for one in left_out:
        mean = float(np.sqrt(np.prod(PUBLISHED[one.table.case_id])))
        whole = int(one.table.voxels[one.table.consensus].sum())
        logs.append(np.log(whole / mean))
        table.add_row(
            one.table.case_id, f"{mean:.0f}", str(whole), f"{logs[-1]:+.2f}", str(one.table.voxels[one.table.consensus].max())
        )
    table.caption = _agreement(logs)
    return table


def _cost(console: Console, results: dict[str, VhiResult], tables: Sequence[LesionTable]) -> None:
    forest = fit_forest(tables)
    model = CleaningModel("of all", forest, keep_limit(tables))
    raw, features, whole = [], [], []
    for result in results.values():
        start = time.process_time()
        measure_vhi(result.t1w, result.stir, normal_bone=result.normal_bone, disease_region=result.disease_region)
        measured = time.process_time()
        lesion_features(result)
        described = time.process_time()
        propose(result, model)
        raw.append(measured - start)
        features.append(described - measured)
        whole.append(time.process_time() - described)
    console.print(
        f"CPU seconds a scan, mean: {np.mean(raw):.2f} to measure from given regions, {np.mean(whole):.2f} more for the "
        f"proposal, {np.mean(features):.2f} of it for the features"
    )
    used = np.bincount(forest.feature[forest.feature >= 0], minlength=len(FEATURES))
    order = np.argsort(-used)
    shares = (f"{list(FEATURES)[n]} {used[n] / used.sum():.0%}" for n in order[:12])
    console.print(f"share of the nodes that ask for a feature: {', '.join(shares)}")


if __name__ == "__main__":
    main()
