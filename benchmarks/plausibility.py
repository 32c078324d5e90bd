"""Warnings about scans unlike those that the networks know: false alarms on right inputs, hits on wrong ones.

Right are the published study scans and those without masks; wrong are STIR given as T1W, other planes, parts of scans, changed
grey scales, phantoms of other contrasts, and the published scans with very abnormal marrow. Reference values are the live
version's; where it has none, they are made here of its answers to all right scans. With the working folder of `train --folds`
the study and atypical scans are answered by the ensemble of their fold, which did not learn them.

    VHI_DATA=... PYTHONPATH=apps/vhi:tests python benchmarks/plausibility.py [--folds WORK]
"""

from __future__ import annotations

import argparse
import json
import os
from collections.abc import Iterator, Sequence
from pathlib import Path

from foreign_scans import CHECKS
from rich.console import Console
from rich.table import Table

from lib.core.contrast import t1w_warnings
from lib.core.disease_region import DiseaseRegion, DiseaseRegionError, Member, segment_disease_region
from lib.core.plausibility import Reference, region_warnings
from lib.core.volume import Volume
from lib.nets.weights import load_members
from lib.phantom.study import make_phantom
from lib.studies.nifti import read_volume
from lib.versions import read_live
from unlike import KINDS, PROTON_DENSITY, T2W, cut, painted_as, parts

MODEL_DIR = Path(__file__).resolve().parents[1] / "apps" / "vhi" / "model" / "disease_region"
DATA = Path(os.environ["VHI_DATA"])
# scans that the wrong inputs are made of
MADE_OF = ("1013", "1016", "1234", "2001")


def read(folder: str, name: str) -> Volume:
    return read_volume(DATA / folder / name, "T1W")


def ids(folder: str) -> list[str]:
    return sorted(path.name[:4] for path in (DATA / folder).glob("*.nii.gz"))


def wrong() -> Iterator[tuple[str, Volume]]:
    for case in ids("images_study/STIR"):
        yield "STIR as T1W", read("images_study/STIR", f"{case}_STIR.nii.gz")
    for case in MADE_OF:
        folder = "images_study" if case in ids("images_study/T1W") else "images_unlabelled"
        t1w = read(f"{folder}/T1W", f"{case}_T1W.nii.gz")
        for name, change in KINDS.items():
            yield name, change(t1w)
        for name, spans in parts(t1w.grid).items():
            yield name, cut(t1w, *spans)
    for seed in range(2):
        phantom = make_phantom(seed)
        yield "phantom, STIR as T1W", phantom.stir
        yield "phantom, front half of the slices", cut(phantom.t1w, *parts(phantom.grid)["front half of the slices"])
        for name, series in {"T2-weighted": T2W, "proton density": PROTON_DENSITY}.items():
            with painted_as(series):
                yield f"phantom, {name}", make_phantom(seed).t1w


def fold_members(folder: Path) -> dict[str, Sequence[Member]]:
    """The networks that did not learn a case, by its id."""
    from lib.nets.recipes import PLANS
    from lib.studies.labelled import find_labelled
    from lib.training.groups import folds_of
    from lib.training.run import EnsembleTraining

    labelled = find_labelled(DATA)
    budget = json.loads((folder / "budget.json").read_text(encoding="utf-8"))
    plan = PLANS[budget["plan"]].with_steps(budget["steps"])
    members: dict[str, Sequence[Member]] = {}
    for group in folds_of(labelled):
        ensemble = EnsembleTraining(group, plan, folder, labelled.unlabelled)
        members |= dict.fromkeys((case.case_id for case in group.held_out), ensemble.callables(ensemble.members()))
    return members


def warnings_of(t1w: Volume, region: DiseaseRegion | None, reference: Reference) -> list[str]:
    if region is None:
        return ["no bone"]
    sentences = (*t1w_warnings(t1w), *region_warnings(t1w, region, reference))
    return [name for name, words in CHECKS.items() if any(words in sentence for sentence in sentences)]


def region_of(t1w: Volume, members: Sequence[Member]) -> DiseaseRegion | None:
    try:
        return segment_disease_region(t1w, members)
    except DiseaseRegionError:
        return None


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--folds", type=Path)
    folder: Path | None = parser.parse_args().folds
    version, shipped = read_live(MODEL_DIR).manifest, load_members(MODEL_DIR)
    held_out = fold_members(folder) if folder else {}
    groups = {"study scans": "images_study", "scans without masks": "images_unlabelled", "abnormal marrow": "images_atypical"}
    rows: dict[str, list[list[str]]] = {}
    known: list[DiseaseRegion] = []
    asked: list[tuple[str, str, Volume, DiseaseRegion | None]] = []
    for title, images in groups.items():
        for case in ids(f"{images}/T1W"):
            t1w = read(f"{images}/T1W", f"{case}_T1W.nii.gz")
            region = region_of(t1w, held_out.get(case, shipped))
            asked.append((title, case, t1w, region))
            if region is not None and images != "images_atypical":
                known.append(region)
    reference = Reference.from_dict(version.reference) or Reference.of(known, "the live version on these scans")
    console = Console(highlight=False, soft_wrap=True)
    for title, case, t1w, right in asked:
        warned = warnings_of(t1w, right, reference)
        rows.setdefault(title, []).append(warned)
        if right is not None:
            console.print(
                f"{case} disagreement {right.member_disagreement or 0:.3f} entropy {right.entropy or 0:.3f} "
                f"{right.mask.volume_mm3 / 1000:.0f} cm3 {', '.join(warned)}"
            )
    for seed in range(2):
        phantom = make_phantom(seed).t1w
        rows.setdefault("phantoms", []).append(warnings_of(phantom, region_of(phantom, shipped), reference))
    for title, t1w in wrong():
        rows.setdefault(title, []).append(warnings_of(t1w, region_of(t1w, shipped), reference))
    table = Table("input", "warned of", *CHECKS, "no bone")
    for title, results in rows.items():
        counts = [sum(check in warned for warned in results) for check in (*CHECKS, "no bone")]
        table.add_row(title, f"{sum(bool(warned) for warned in results)} of {len(results)}", *(str(n or "-") for n in counts))
    console.print(table)
    console.print(f"version {version.version}; reference: {reference}")


if __name__ == "__main__":
    main()
