"""Which scan of a new scanner to read next? The loop of `learning_loop.py` on foreign scans, with what each correction costs.

A site's ensemble learnt three study scans and has never seen the other scanner. Of twelve foreign scans four are held out; from
the others a strategy chooses one in each of four rounds, its manual mask is learnt with replay of all that was learnt, and the
mean slice Dice is measured on the four. Effort is what a reader has to change on the chosen scan before it is learnt: voxels, on
the grid of the network, in which the ensemble's region and the manual mask differ. Femur, which the study never showed, counts
neither way.

Two members learn every second slice at a quarter of the resolution, as there is little processor time: differences between
strategies count, and no number is one of the shipped networks. Results are one JSON file per chain in the working folder.

    VHI_DATA=... VHI_DATA_FOREIGN=... PYTHONPATH=apps/vhi python benchmarks/learning_loop_foreign.py WORK [--seeds N]
"""

from __future__ import annotations

import argparse
import json
import os
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import learning_loop
import numpy as np
from foreign_scans import FEMUR
from learning_loop import SMALLER, Scan, answers, choose, learn, show

from lib.core.disease_region import slice_dice
from lib.core.normalise import NetworkFrame, normalise_t1w
from lib.files import write_atomically
from lib.nets.fit import Slices, TrainedNetwork
from lib.nets.recipes import Recipe
from lib.studies.labelled import find_labelled
from lib.studies.nifti import read_volume

STRATEGIES = ("random", "uncertain", "diverse")
ROUNDS, HELD_OUT, START = 4, 4, 3
MULTIPLE = 16
learning_loop.MEMBERS = 2


@dataclass(frozen=True, eq=False)
class ForeignScan(Scan):
    """With the small slices of femur, `(K, H, W)`."""

    femur: np.ndarray


def foreign(path: Path) -> ForeignScan:
    """A scan of the folder `images` with its map in `labels`."""
    t1w, labels = read_volume(path, path.name), read_volume(path.parents[1] / "labels" / path.name, path.name)
    frame = NetworkFrame.of(t1w)

    def small(wanted: np.ndarray) -> np.ndarray:
        part: np.ndarray = learning_loop._small(frame.slices(wanted)) >= 0.5
        return part

    images = learning_loop._small(frame.slices(normalise_t1w(t1w)))
    masks, femur = small(labels.data > FEMUR), small(labels.data == FEMUR)
    return ForeignScan(path.name.removesuffix(".nii.gz"), t1w, frame, images, masks, femur)


def grown(scans: Sequence[Scan]) -> Slices:
    """Every second slice, in the middle of air up to the largest size."""
    sizes = np.max([scan.images.shape[1:] for scan in scans], axis=0)
    size = sizes + -sizes % MULTIPLE
    parts = [[_padded(of, size)[::2] for of in (scan.images, scan.masks)] for scan in scans if scan.masks is not None]
    images, masks = (np.concatenate(part) for part in zip(*parts, strict=True))
    return Slices(images, masks)


def _padded(slices: np.ndarray, size: np.ndarray) -> np.ndarray:
    missing = size - slices.shape[1:]
    before = missing // 2
    return np.pad(slices, ((0, 0), *zip(before, missing - before, strict=True)))


# `learn` draws from slices of one size
learning_loop.slices_of = grown


def compared(nets: Sequence[TrainedNetwork], scan: ForeignScan) -> tuple[np.ndarray, int]:
    """2-D Dice of the slices, and the voxels that a reader would have to change."""
    assert scan.masks is not None
    answer, truth = (mask & ~scan.femur for mask in (answers(nets, scan)[0], scan.masks))
    dices = slice_dice(np.moveaxis(answer, 0, 2), np.moveaxis(truth, 0, 2))
    return dices, int(np.count_nonzero(answer ^ truth)) * SMALLER**2


def chain(
    work: Path, study: Sequence[Scan], scans: Sequence[ForeignScan], recipes: tuple[Recipe, Recipe], seed: int, strategy: str
) -> dict[str, Any]:
    """One strategy of one seed, from its file or run now: per round the scan, its corrected voxels, and the Dice then."""
    path = work / f"foreign-seed{seed}-{strategy}.json"
    if path.exists():
        stored: dict[str, Any] = json.loads(path.read_text())
        return stored
    began = time.process_time()
    first, again = recipes
    order = np.random.default_rng([seed, 7]).permutation(len(scans))
    held_out, pool = [scans[n] for n in order[:HELD_OUT]], [scans[n] for n in order[HELD_OUT:]]
    labelled: list[Scan] = [study[n] for n in np.random.default_rng(seed).permutation(len(study))[:START]]
    nets = learn(None, labelled, first, work / f"foreign-seed{seed}-start", 1000 * seed)
    rng = np.random.default_rng([seed, 1])

    def dice() -> float:
        return float(np.nanmean(np.concatenate([compared(nets, scan)[0] for scan in held_out])))

    rounds: list[dict[str, Any]] = [{"scan": None, "corrected_voxels": 0, "dice": dice()}]
    while len(rounds) <= ROUNDS:
        picked = choose(strategy, nets, pool, labelled, rng)
        pool.remove(picked)
        effort = compared(nets, picked)[1]
        folder = work / f"foreign-seed{seed}-{strategy}" / str(len(rounds))
        nets = learn(nets, [picked], again, folder, 1000 * seed + len(rounds), grown([*labelled, picked]))
        labelled.append(picked)
        rounds.append({"scan": picked.name, "corrected_voxels": effort, "dice": dice()})
    result = {"held_out": [scan.name for scan in held_out], "rounds": rounds, "cpu_s": round(time.process_time() - began, 1)}
    write_atomically(path, (json.dumps(result, indent=1) + "\n").encode())
    return result


def rows(chains: Mapping[tuple[int, str], Mapping[str, Any]], seeds: int) -> list[list[str]]:
    """By strategy: mean Dice after each round, corrected voxels in all, and both less random, seed by seed."""
    table = []
    for strategy in STRATEGIES:
        dice, effort = (
            np.array([[one[name] for one in chains[seed, strategy]["rounds"]] for seed in range(seeds)])
            for name in ("dice", "corrected_voxels")
        )
        plain_dice, plain_effort = (
            np.array([[one[name] for one in chains[seed, "random"]["rounds"]] for seed in range(seeds)])
            for name in ("dice", "corrected_voxels")
        )
        less = dice[:, 1:].mean(axis=1) - plain_dice[:, 1:].mean(axis=1)
        cost = effort.sum(axis=1) / plain_effort.sum(axis=1) - 1
        table.append([
            strategy, " ".join(f"{value:.3f}" for value in dice.mean(axis=0)), f"{effort.sum(axis=1).mean():,.0f}",
            f"{less.mean():+.4f}", " ".join(f"{value:+.3f}" for value in less),
            f"{cost.mean():+.1%}", " ".join(f"{value:+.0%}" for value in cost),
        ])  # fmt: skip
    return table


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("work", type=Path)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--steps", type=int, nargs=2, default=(400, 60), metavar=("FIRST", "AGAIN"))
    asked = parser.parse_args()
    study = [Scan.of(case) for case in find_labelled(Path(os.environ["VHI_DATA"])).study]
    scans = [foreign(path) for path in sorted((Path(os.environ["VHI_DATA_FOREIGN"]) / "images").glob("*.nii.gz"))]
    first = Recipe("loop", steps=asked.steps[0], batch=4, widths=(8, 16, 32, 64), shuffle=2)
    recipes = first, replace(first, steps=asked.steps[1], learning_rate=1e-3)
    asked.work.mkdir(parents=True, exist_ok=True)
    chains: dict[tuple[int, str], Any] = {}
    for seed in range(asked.seeds):
        chains |= {(seed, one): chain(asked.work, study, scans, recipes, seed, one) for one in STRATEGIES}
        print(f"seed {seed} done", flush=True)
    show(
        f"Mean slice Dice on foreign scans never picked, rounds 0 to {ROUNDS}; voxels to correct; {asked.seeds} seeds",
        ["strategy", "Dice", "voxels", "Dice - random", "each seed", "voxels / random", "each seed"],
        rows(chains, asked.seeds),
    )
    print(f"{sum(one['cpu_s'] for one in chains.values()) / 60:.1f} CPU minutes")


if __name__ == "__main__":
    main()
