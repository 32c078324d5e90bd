"""What a site on another scanner gains from its first corrected cases, and what it costs scans like the study's.

A site of its own with a data folder, from a version that never learnt such a scan: some labelled foreign scans are submitted
as a reader would, a session of retraining decides with the usual settings (nothing is released by hand), and what is live then
is measured on the foreign scans that nobody submitted and on the study's labelled scans, each as the server answers. Femur,
which the study never showed, is taken out of both masks; "box" is a frame like the study's (see foreign_scans.py).

Cases of patients who are held out here are submitted last, so that few cases are learnt, and of many some are held out. With a
frame all scans are cut to one of that width, so that they are of a protocol that the shipped version has no networks for.

    VHI_DATA=... VHI_DATA_FOREIGN=... PYTHONPATH=apps/vhi python benchmarks/foreign_site.py WORK [--cases N] [--jobs N]
        [--start VERSION] [--seed N] [--steps N] [--frame MM] [--beside VERSION]
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from lib.core.disease_region import dice, segment_disease_region
from lib.core.volume import Grid, Mask, Volume
from lib.engine.members import load_members
from lib.provenance import now
from lib.readings.store import ReadingStore, stored_segment
from lib.readings.submission import Submission
from lib.retraining.config import TrainConfig, TrainOptions
from lib.retraining.holdout import HoldOut
from lib.retraining.patients import StudyCases
from lib.retraining.prepare import prepare
from lib.retraining.retraining_folder import RetrainingFolder
from lib.retraining.retraining_session import run
from lib.studies.labelled import find_labelled
from lib.studies.nifti import read_volume, write_mask, write_scan
from lib.studies.pairing import CaseFinder
from lib.training.scans import read_labelled
from lib.versions import make_live
from lib.versions.site import models_in_use
from retraining import cpu_s

REGION, FEMUR, SACRUM, BOX_MM = "disease region", 1, 4, 200.0
SHIPPED = Path(__file__).resolve().parents[1] / "apps" / "vhi" / "model" / "disease_region"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("work", type=Path)
    parser.add_argument("--cases", type=int, default=3)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--steps", type=int)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--start", default="vhi-1")
    parser.add_argument("--frame", type=float, help="mm")
    parser.add_argument("--beside", metavar="VERSION", help="measured on the foreign scans too, such as vhi-3, which learnt all")
    asked = parser.parse_args()
    foreign, studies = Path(os.environ["VHI_DATA_FOREIGN"]), asked.work / "studies"
    names = sorted(path.name.removesuffix(".nii.gz") for path in (foreign / "images").glob("*.nii.gz"))
    rule = HoldOut(studies / ".vhi" / "retraining", TrainConfig().train_holdout)
    submitted = sorted(names, key=lambda name: rule.side(name, str) != "train")[: asked.cases]
    if not (studies / ".vhi").exists():
        make_live(Path(shutil.copytree(SHIPPED, asked.work / "shipped" / "disease_region")), asked.start)
        submit(foreign, studies, submitted, asked.frame)
    started, spent = time.monotonic(), cpu_s()
    result = retrained(
        studies, asked.work / "shipped" / "disease_region", asked.jobs, TrainOptions(steps=asked.steps, seed=asked.seed)
    )
    took, cpu = time.monotonic() - started, cpu_s() - spent
    facts = {name: result[name] for name in ("state", "reasons", "findings", "learnt", "holdout", "held", "kind", "compared")}
    print(json.dumps(facts, indent=1), f"\n{cpu / 60:.1f} CPU minutes, {took / 60:.1f} minutes by the clock", flush=True)
    before = load_members(asked.work / "shipped" / "disease_region", asked.start)
    after = load_members(models_in_use(studies / ".vhi", asked.work / "shipped" / "disease_region"))
    beside = load_members(asked.work / "shipped" / "disease_region", asked.beside) if asked.beside else None
    sets = {"not submitted": [n for n in names if n not in submitted], "held out": result["holdout"]}
    foreign_sets = [(f"foreign, {what}", unseen(foreign, chosen, asked.frame)) for what, chosen in sets.items() if chosen]
    for what, cases in (*foreign_sets, ("study", study())):
        rows = []
        compared = [before, after, *([beside] if beside and what != "study" else [])]
        for name, t1w, truth, ignored, box in cases:
            regions = [segment_disease_region(t1w, members).mask.data & ~ignored for members in compared]
            rows.append([value for region in regions for value in (dice(region, truth), dice(region[box], truth[box]))])
            print(what, name, *(f"{value:.4f}" for value in rows[-1]), flush=True)
        mean = np.mean(rows, axis=0)
        print(
            f"{what}, {len(rows)} scans: Dice {mean[0]:.4f} -> {mean[2]:.4f} ({mean[2] - mean[0]:+.4f}), "
            f"box {mean[1]:.4f} -> {mean[3]:.4f} ({mean[3] - mean[1]:+.4f})"
            + (f"; {asked.beside} {mean[4]:.4f}, box {mean[5]:.4f}" if len(mean) > 4 else ""),
            flush=True,
        )


def submit(foreign: Path, studies: Path, names: list[str], frame: float | None) -> None:
    """Scans and labels of some patients, as a reader's submissions; no STIR is there, so T1W stands in for it."""
    store = ReadingStore(studies / ".vhi")
    for name in names:
        t1w, labels = read(foreign, name, frame)
        region = Mask(labels.data > FEMUR, t1w.grid, REGION)
        for contrast in ("T1W", "STIR"):
            write_scan(studies / f"{name}_{contrast}.nii.gz", t1w)

        def write(folder: Path, number: int, name: str = name, region: Mask = region) -> Submission:
            write_mask(folder / "disease_region.nii.gz", region)
            segment = stored_segment(REGION, folder / "disease_region.nii.gz", region.voxels)
            return Submission(name, number, "reader", 1, "semi-automatic", now(), (segment,))

        store.append(name, "reader", write)


def read(foreign: Path, name: str, frame: float | None) -> tuple[Volume, Volume]:
    """T1W and labels, cut to a frame of so many mm in the middle."""
    t1w, labels = (read_volume(foreign / what / f"{name}.nii.gz", name) for what in ("images", "labels"))
    if frame is None:
        return t1w, labels
    size = [min(n, round(frame / mm)) for n, mm in zip(t1w.grid.shape[:2], t1w.grid.spacing_mm[:2], strict=True)]
    first = [(n - kept) // 2 for n, kept in zip(t1w.grid.shape[:2], size, strict=True)]
    affine = t1w.grid.affine.copy()
    affine[:3, 3] += affine[:3, :2] @ first
    grid = Grid((size[0], size[1], t1w.grid.shape[2]), affine)
    cut = tuple(slice(n, n + kept) for n, kept in zip(first, size, strict=True))
    return replace(t1w, data=t1w.data[cut], grid=grid), replace(labels, data=labels.data[cut], grid=grid)


def retrained(studies: Path, shipped: Path, jobs: int, options: TrainOptions) -> dict[str, Any]:
    """What became of a session with the usual settings; one that was interrupted goes on."""
    data = studies / ".vhi"
    if not RetrainingFolder(data).has_pending_session():
        prepare(
            ReadingStore(data, read_only=True),
            StudyCases.of(data, CaseFinder(studies)),
            shipped,
            code_version="0",
            config=TrainConfig(train_jobs=jobs),
            options=options,
        )
    return run(data, on_progress=lambda progress: print(progress["state"], progress.get("left_s"), flush=True))


Compared = tuple[str, Volume, np.ndarray, np.ndarray, tuple[slice, ...]]


def unseen(foreign: Path, names: list[str], frame: float | None) -> Iterator[Compared]:
    """Name, T1W, bone, what is ignored, and the box."""
    for name in names:
        t1w, labels = read(foreign, name, frame)
        yield name, t1w, labels.data > FEMUR, labels.data == FEMUR, study_box(labels)


def study() -> Iterator[Compared]:
    labelled = find_labelled(Path(os.environ["VHI_DATA"]))
    for case in (*labelled.study, *labelled.atypical):
        t1w, mask = read_labelled(case)
        yield case.case_id, t1w, mask.data, np.zeros_like(mask.data), (slice(None),) * 3


def study_box(labels: Volume) -> tuple[slice, ...]:
    """Where a frame of the study's size round the middle of the sacrum lies in the array."""
    places = np.argwhere(labels.data == SACRUM)
    middle = (places.min(axis=0) + places.max(axis=0)) / 2
    half = BOX_MM / 2 / np.array(labels.grid.spacing_mm[:2])
    low, high = (np.clip(middle[:2] + sign * half, 0, labels.data.shape[:2]).astype(int) for sign in (-1, 1))
    return slice(low[0], high[0]), slice(low[1], high[1]), slice(int(places[:, 2].min()), int(places[:, 2].max()) + 1)


if __name__ == "__main__":
    main()
