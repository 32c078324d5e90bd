"""What fewer steps, or random windows of the slices, cost and save a session of retraining, on the study's labelled scans.

A network learns all typical scans but two (recipe of the ensembles' second network, without unlabelled scans), then goes on as
in a session with an atypical scan that is new: with replay of what it learnt, or alone with the pull towards where it began.
Each way is a number of steps, the peak of the learning rate and the width of the windows (0: whole slices), by the same random
numbers. Measured on the two typical scans and on the other atypical ones, none of which any of them learnt, and on the new one:
change of the mean slice Dice, and CPU seconds of a step.

Finished networks lie in the working folder: a killed run goes on.

    VHI_DATA=... PYTHONPATH=apps/vhi OMP_NUM_THREADS=1 python benchmarks/retraining_steps.py WORK [--seeds N ...]
        [--ways STEPS,RATE,PX ...] [--recipe NAME] [--steps FIRST]
"""

from __future__ import annotations

import argparse
import math
import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table

from lib.core.disease_region import segment_disease_region, slice_dice
from lib.core.protocol import Ensemble
from lib.core.volume import Mask, Volume
from lib.nets.fit import Slices, TrainedNetwork, fit, last_progress
from lib.nets.recipes import PLANS, Recipe
from lib.nets.weights import member_of
from lib.retraining.recipes import LEARNING_RATE, PULL, STEPS
from lib.studies.labelled import find_labelled
from lib.training.scans import read_labelled

HELD_OUT = 2
Labelled = tuple[Volume, Mask]


def trained(
    recipe: Recipe, seed: int, folder: Path, new: Slices, replay: Slices | None, start: TrainedNetwork | None
) -> tuple[TrainedNetwork, float]:
    """A network, and the CPU seconds of each of its steps."""
    net = fit(recipe, seed, new, folder, pseudo=replay, start=start)
    done = last_progress(folder)
    return net, math.nan if done is None else done.cpu_s / recipe.steps


def slice_dice_of(net: TrainedNetwork, recipe: Recipe, scans: Sequence[Labelled]) -> float:
    """Mean 2-D Dice of the slices with bone in either mask."""
    ensemble = Ensemble([member_of(net, recipe.layout(), flip=False)], pixel_spacing_mm=recipe.pixel_spacing_mm)
    each = [slice_dice(segment_disease_region(t1w, ensemble).mask.data, label.data) for t1w, label in scans]
    return float(np.nanmean(np.concatenate(each)))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("work", type=Path)
    data_folder = os.environ.get("VHI_DATA")
    parser.add_argument("--data", type=Path, default=data_folder, required=data_folder is None)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    ways = ["200,5e-4,0", "200,5e-4,256", "120,5e-4,0", f"{STEPS},{LEARNING_RATE},0"]
    parser.add_argument("--ways", nargs="+", default=ways, metavar="STEPS,RATE,PX")
    parser.add_argument("--recipe", default="vhi-student")
    parser.add_argument("--steps", type=int, default=600)
    asked = parser.parse_args()
    data = find_labelled(asked.data)
    recipe = next(one for one in PLANS["vhi"].members if one.name == asked.recipe)
    first = replace(recipe, pseudo=0, steps=asked.steps)
    table = Table("seed", "kept by", "steps", "rate", "window", "typical", "atypical", "learnt", "CPU s a step", box=None)
    for seed in asked.seeds:
        order = np.random.default_rng(seed).permutation(len(data.study))
        typical, learnt = ([read_labelled(data.study[n]) for n in part] for part in (order[:HELD_OUT], order[HELD_OUT:]))
        atypical = [read_labelled(case) for case in data.atypical]
        new = atypical.pop(seed % len(atypical))
        slices, replay = (Slices.of(scans, first.multiple) for scans in ([new], learnt))
        measured = {"typical": typical, "atypical": atypical, "learnt": [new]}
        start, pace = trained(first, seed, asked.work / f"{asked.recipe}-seed{seed}-start", replay, None, None)
        before = {name: slice_dice_of(start, first, scans) for name, scans in measured.items()}
        table.add_row(str(seed), "(start)", "", "", "", *(f"{value:.4f}" for value in before.values()), f"{pace:.3f}")
        for kept_by in ("replay", "pull"):
            for way in asked.ways:
                steps, rate, window = (kind(text) for kind, text in zip((int, float, int), way.split(","), strict=True))
                own = replace(
                    first, steps=steps, learning_rate=rate, window=window,
                    pseudo=first.batch // 2 if kept_by == "replay" else 0, pull=PULL if kept_by == "pull" else 0.0,
                )  # fmt: skip
                folder = asked.work / f"{asked.recipe}-seed{seed}-{kept_by}-{way}"
                net, pace = trained(own, 100 + seed, folder, slices, replay if own.pseudo else None, start)
                gains = (slice_dice_of(net, own, scans) - before[name] for name, scans in measured.items())
                settings = (str(steps), f"{rate:g}", str(window or "whole"))
                row = [str(seed), kept_by, *settings, *(f"{gain:+.4f}" for gain in gains), f"{pace:.3f}"]
                table.add_row(*row)
                print(*row, flush=True)
    Console(width=120).print(table)


if __name__ == "__main__":
    main()
