"""Two files and nothing else: VHI of T1W and STIR alone against what readers kept, step by step away from the readers' regions.

Nothing that answers for a patient learnt from that patient: the disease region is that of the ensemble of its fold, as
`train --folds WORK` left it; lesions are kept or removed by a model of the other patients, its limit included; normal bone is
found by rule. Readers: the published volumes that two of them cleaned by hand. Where the program would not trust the normal bone
and ask for a reader's instead, the number that it would have given stands in brackets.

    VHI_DATA=<folder> PYTHONPATH=apps/vhi python benchmarks/fully_automatic.py WORK
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import NamedTuple

import numpy as np
from rich.console import Console
from rich.table import Table

from cleaning import PUBLISHED
from lib.cleaning.features import above_l4_5, lesion_features
from lib.cleaning.fitting import fit_forest, keep_limit
from lib.cleaning.forest import Forest
from lib.cleaning.rule import keeps, probability_of, weight_of
from lib.cleaning.table import LesionTable
from lib.core.normal_bone_proposal import find_normal_bone
from lib.core.pipeline import VhiResult, measure_vhi
from lib.core.settings import VhiSettings
from lib.core.volume import Grid, Mask, Volume
from lib.studies.nifti import read_mask, read_volume
from lib.training.cleaning import CleanedScan, cleaned_scans
from lib.training.run import PREDICTIONS

LIMITS_OF_AGREEMENT = 1.96


class Step(NamedTuple):
    """Whether the disease region is automatic, and the rule for an automatic normal bone; "" for the reader's."""

    name: str
    automatic_region: bool
    rule: str


STEPS = (
    Step("readers' regions", False, ""),
    Step("normal bone automatic", False, "robust"),
    Step("both automatic", True, "robust"),
    Step("both automatic, paper's rule", True, "paper"),
)


def main() -> None:
    if "VHI_DATA" not in os.environ or len(sys.argv) != 2:
        sys.exit("Set VHI_DATA to the folder of published scans and pass the working folder of train --folds.")
    work = Path(sys.argv[1])
    scans = cleaned_scans(Path(os.environ["VHI_DATA"]))
    tables = [one for scan in scans for one in scan.tables()]
    ratios = {step.name: [_log_ratio(scan, tables, work, step) for scan in scans] for step in STEPS}
    shown = Table("scan", title="Proposed VHI over the readers' (geometric mean of both); last column: reader 1 over reader 2")
    for name in (*ratios, "readers"):
        shown.add_column(name, justify="right")
    between = [float(np.log(first / second)) for first, second in PUBLISHED.values()]
    answered = {step.name: [_is_trusted(scan, work, step) for scan in scans] for step in STEPS} | {"readers": [True] * len(scans)}
    columns = {name: np.array(ratios_of) for name, ratios_of in (*ratios.items(), ("readers", between))}
    for n, scan in enumerate(scans):
        cells = ((f"{np.exp(ratios_of[n]):.2f}", answered[name][n]) for name, ratios_of in columns.items())
        shown.add_row(scan.case_id, *(text if trusted else f"({text})" for text, trusted in cells))
    for label, value in (("mean ratio", _mean), ("limits of agreement", _limits), ("typical factor", _typical)):
        shown.add_row(f"{label}, all", *(value(ratios_of) for ratios_of in columns.values()))
        shown.add_row(f"{label}, answered", *(value(ratios_of[answered[name]]) for name, ratios_of in columns.items()))
    Console(width=170).print(shown)


def _log_ratio(scan: CleanedScan, tables: list[LesionTable], work: Path, step: Step) -> float:
    """Logarithm of proposed over read voxels."""
    others = [one for one in tables if one.case_id != scan.case_id]
    forest, limit = _model(scan.case_id, others)
    result = _measured(scan, work, step)
    voxels = np.array([lesion.voxels for lesion in result.lesions])
    features = lesion_features(result)
    probability = probability_of(forest, features, above_l4_5(result))
    proposed = int(voxels[keeps(probability, weight_of(features, voxels), limit)].sum())
    return float(np.log(max(proposed, 1) / np.sqrt(np.prod(PUBLISHED[scan.case_id]))))


_MODELS: dict[str, tuple[Forest, float]] = {}


def _model(case_id: str, others: list[LesionTable]) -> tuple[Forest, float]:
    if case_id not in _MODELS:
        _MODELS[case_id] = fit_forest(others), keep_limit(others)
    return _MODELS[case_id]


def _measured(scan: CleanedScan, work: Path, step: Step) -> VhiResult:
    t1w, stir, region = _inputs(scan, work, step)
    bone = find_normal_bone(t1w, stir, region).mask if step.rule else read_mask(scan.normal_bone, "normal bone")
    settings = VhiSettings.from_values({"rule": step.rule} if step.rule else {})
    return measure_vhi(t1w, stir, normal_bone=bone, disease_region=region, settings=settings)


def _is_trusted(scan: CleanedScan, work: Path, step: Step) -> bool:
    return not step.rule or find_normal_bone(*_inputs(scan, work, step)).refused_because is None


def _inputs(scan: CleanedScan, work: Path, step: Step) -> tuple[Volume, Volume, Mask]:
    """T1W, STIR and the disease region."""
    stir = read_volume(scan.stir, "STIR")
    region = (
        _held_out(work, scan.case_id, stir.grid) if step.automatic_region else read_mask(scan.disease_region, "disease region")
    )
    return read_volume(scan.t1w, "T1W"), stir, region


def _held_out(work: Path, case_id: str, grid: Grid) -> Mask:
    """What the ensemble answered that did not learn the scan."""
    (path,) = work.glob(f"fold*/{PREDICTIONS}/{case_id}.npz")
    with np.load(path) as saved:
        return Mask(saved["mask"], grid, "disease region")


def _mean(logs: np.ndarray) -> str:
    return f"{np.exp(logs.mean()):.2f}"


def _limits(logs: np.ndarray) -> str:
    half = LIMITS_OF_AGREEMENT * logs.std(ddof=1)
    return f"{np.exp(logs.mean() - half):.2f} to {np.exp(logs.mean() + half):.2f}"


def _typical(logs: np.ndarray) -> str:
    return f"{np.exp(np.abs(logs).mean()):.2f}"


if __name__ == "__main__":
    main()
