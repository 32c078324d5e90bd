"""The disease region on labelled scans of another scanner and plane, as the folder of `VHI_DATA_FOREIGN` holds them.

Labels there are 1 femur, 2 hip bone, 3 spine, 4 sacrum; they count discs as bone and joint spaces as none, and posterior elements
are often missing, so that a perfect disease region would not reach 1. Femur is bone that the study never showed: taken out of
both masks. The box is a frame like the study's: 200 mm round the middle of the sacrum, in the slices that show it.

    VHI_DATA_FOREIGN=<folder> PYTHONPATH=apps/vhi python benchmarks/foreign_scans.py [--models DIR --version NAME]
"""

from __future__ import annotations

import argparse
import os
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table

from lib.core.disease_region import dice, segment_disease_region
from lib.core.volume import Volume
from lib.nets.weights import load_members
from lib.studies.nifti import read_volume

FEMUR, ILIUM, SPINE, SACRUM = 1, 2, 3, 4
BOX_MM = 200.0
COLUMNS = ("Dice", "Dice in the box", "false share", "ilium", "spine", "sacrum")
MODEL_DIR = Path(__file__).resolve().parents[1] / "apps" / "vhi" / "model" / "disease_region"


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--models", type=Path, default=MODEL_DIR)
    options.add_argument("--version", help="the live one when absent")
    chosen = options.parse_args()
    members = load_members(chosen.models, chosen.version)
    folder = Path(os.environ["VHI_DATA_FOREIGN"])
    table = Table("scan", title="Disease region on foreign scans, femur ignored; recall of each bone")
    for name in COLUMNS:
        table.add_column(name, justify="right")
    rows = []
    for path in sorted((folder / "images").glob("*.nii.gz")):
        t1w, labels = read_volume(path, path.name), read_volume(folder / "labels" / path.name, path.name)
        rows.append(compared(segment_disease_region(t1w, members).mask.data, labels))
        table.add_row(path.name.removesuffix(".nii.gz"), *(f"{value:.3f}" for value in rows[-1]))
    table.add_row("mean", *(f"{value:.3f}" for value in np.mean(rows, axis=0)))
    Console(width=110).print(table)


def compared(region: np.ndarray, labels: Volume) -> tuple[float, ...]:
    """The values of `COLUMNS` for one `(I, J, K)` bool region."""
    bone, kind = labels.data > FEMUR, labels.data
    region = region & (kind != FEMUR)
    box = study_box(labels)
    recall = [float(region[kind == label].mean()) for label in (ILIUM, SPINE, SACRUM)]
    return dice(region, bone), dice(region[box], bone[box]), float((region & ~bone).sum() / region.sum()), *recall


def study_box(labels: Volume) -> tuple[slice, ...]:
    """Where a frame of the study's size round the middle of the sacrum lies in the array."""
    where = np.argwhere(labels.data == SACRUM)
    half = [round(BOX_MM / 2 / mm) for mm in labels.grid.spacing_mm[:2]]
    middle = np.round(where.mean(axis=0)).astype(int)
    in_plane = (slice(max(m - h, 0), m + h) for m, h in zip(middle[:2], half, strict=True))
    return (*in_plane, slice(where[:, 2].min(), where[:, 2].max() + 1))


if __name__ == "__main__":
    main()
