"""The disease region on labelled scans of another scanner and plane, as the folder of `VHI_DATA_FOREIGN` holds them.

Labels there are 1 femur, 2 hip bone, 3 spine, 4 sacrum; they count discs as bone and joint spaces as none, and posterior elements
are often missing, so that a perfect disease region would not reach 1. Femur is bone that the study never showed: taken out of
both masks. The box is a frame like the study's: 200 mm round the middle of the sacrum, in the slices that show it.

Discs, canal and cortex within the label of the spine are no disease region: the last column takes the darker part of that label,
as training on such labels does (`lib.core.bone_labels`), out of both masks too.

    VHI_DATA_FOREIGN=<folder> PYTHONPATH=apps/vhi python benchmarks/foreign_scans.py [--models DIR --version NAME]

With the folder of a training with folds that held such scans out, each of them by the networks of its fold instead, under DATA as
that training had it:

    ... benchmarks/foreign_scans.py --work WORK --data DATA
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table

from lib.core.bone_labels import LabelMap, learnt_of
from lib.core.contrast import t1w_warnings
from lib.core.disease_region import Member, dice, segment_disease_region
from lib.core.plausibility import Reference, region_warnings
from lib.core.protocol import Ensemble
from lib.core.volume import Volume
from lib.nets.cpu import training_dtype
from lib.nets.fit import read_curve, read_trained
from lib.nets.recipes import PLANS, Plan
from lib.nets.weights import load_members, member_of
from lib.studies.labelled import find_labelled
from lib.studies.nifti import read_volume
from lib.training.groups import folds_of
from lib.training.scans import read_t1w
from lib.versions import read_live, read_version

FEMUR, ILIUM, SPINE, SACRUM = 1, 2, 3, 4
BOX_MM = 200.0
# of each check words that its warnings hold
CHECKS = {
    "plane": "by the file's geometry",
    "contrast": "does not look T1-weighted",
    "networks": "The networks",
    "size": "unusually",
    "marrow": "The marrow",
    "coverage": "only part of the bone",
}
COLUMNS = ("Dice", "Dice in the box", "false share", "ilium", "spine", "sacrum", "Dice, discs ignored")
MODEL_DIR = Path(__file__).resolve().parents[1] / "apps" / "vhi" / "model" / "disease_region"


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--models", type=Path, default=MODEL_DIR)
    options.add_argument("--version", help="the live one when absent")
    options.add_argument("--work", type=Path, help="working folder of a training with folds")
    options.add_argument("--data", type=Path, help="with --work: its data folder")
    options.add_argument("--recipe", default="kind", choices=("kind", "scanners"), help="with --work: of that training")
    chosen = options.parse_args()
    table = Table("scan", title="Disease region on foreign scans, femur ignored; recall of each bone")
    for name in (*COLUMNS, "warned of"):
        table.add_column(name, justify="right")
    rows = []
    for t1w, labels, members, reference in asked(chosen):
        region = segment_disease_region(t1w, members)
        rows.append(compared(region.mask.data, t1w, labels))
        warnings = (*t1w_warnings(t1w), *region_warnings(t1w, region, reference))
        spoke = [name for name, words in CHECKS.items() if any(words in warning for warning in warnings)]
        table.add_row(t1w.name, *(f"{value:.3f}" for value in rows[-1]), ", ".join(spoke))
    table.add_row("mean", *(f"{value:.3f}" for value in np.mean(rows, axis=0)))
    Console(width=130).print(table)


def asked(chosen: argparse.Namespace) -> Iterator[tuple[Volume, Volume, Sequence[Member], Reference | None]]:
    """Each scan with its labels, the networks that answer it, and their reference values."""
    if chosen.work is not None:
        plan = PLANS[chosen.recipe]
        for group in folds_of(find_labelled(chosen.data), kind=plan.kind):
            networks = fold_members(chosen.work / group.name, plan)
            for case in group.held_out_other if networks else ():
                yield read_t1w(case), read_volume(case.disease_region or case.t1w, "labels"), networks, None
        return
    folder = Path(os.environ["VHI_DATA_FOREIGN"])
    version = read_live(chosen.models) if chosen.version is None else read_version(chosen.models, chosen.version)
    shipped = load_members(chosen.models, chosen.version)
    for path in sorted((folder / "images").glob("*.nii.gz")):
        name = path.name.removesuffix(".nii.gz")
        labels = read_volume(folder / "labels" / path.name, name)
        t1w = read_volume(path, name)
        yield t1w, labels, shipped, Reference.from_dict(version.manifest.for_scan(t1w.grid).reference)


def fold_members(folder: Path, plan: Plan) -> Ensemble:
    """The networks of a fold that were trained, laid out as the recipe has them."""
    members = []
    for n, recipe in enumerate(plan.members):
        curve = read_curve(folder / f"member{n}")
        if curve and curve[-1].step == curve[-1].steps:
            net = read_trained(folder / f"member{n}", replace(recipe, steps=curve[-1].steps))
            members.append(member_of(net, recipe.layout(), flip=plan.flip, dtype=training_dtype()))
    return Ensemble(members, pixel_spacing_mm=plan.pixel_spacing_mm)


def compared(region: np.ndarray, t1w: Volume, labels: Volume) -> tuple[float, ...]:
    """The values of `COLUMNS` for one `(I, J, K)` bool region."""
    bone, kind = labels.data > FEMUR, labels.data
    unsaid = learnt_of(t1w, kind, LabelMap((ILIUM, SACRUM), (SPINE,), (FEMUR,)), np.zeros(bone.shape, dtype=bool)).ignored
    region = region & (kind != FEMUR)
    box = study_box(labels)
    recall = [float(region[kind == label].mean()) for label in (ILIUM, SPINE, SACRUM)]
    false_share = float((region & ~bone).sum() / region.sum())
    return dice(region, bone), dice(region[box], bone[box]), false_share, *recall, dice(region & ~unsaid, bone & ~unsaid)


def study_box(labels: Volume) -> tuple[slice, ...]:
    """Where a frame of the study's size round the middle of the sacrum lies in the array."""
    where = np.argwhere(labels.data == SACRUM)
    half = [round(BOX_MM / 2 / mm) for mm in labels.grid.spacing_mm[:2]]
    middle = np.round(where.mean(axis=0)).astype(int)
    in_plane = (slice(max(m - h, 0), m + h) for m, h in zip(middle[:2], half, strict=True))
    return (*in_plane, slice(where[:, 2].min(), where[:, 2].max() + 1))


if __name__ == "__main__":
    main()
