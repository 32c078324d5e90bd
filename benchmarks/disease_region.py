"""The shipped ensemble against the paper's three networks: time, memory, agreement of the arithmetics, and cost of training.

The reference runs as the authors' notebook does: float32, all slices at once, full resolution, plain PyTorch, three networks one
after the other. Its weights are untrained, which changes no time. Each row has processes of its own, so that the peak memory is
its own too; the rows take turns, so that a busy machine slows all of them. What training reached stands in the manifest. With
VHI_DATA set the scan is a published one (1016), else a phantom.

    PYTHONPATH=apps/vhi python benchmarks/disease_region.py [--recipe NAME] [--rounds N]

`--recipe`: untrained networks of a recipe in place of the shipped version.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

MODEL_DIR = Path(__file__).resolve().parents[1] / "apps" / "vhi" / "model" / "disease_region"
CASES = {
    "paper": "three networks of the paper, float32",
    "float32": "ensemble, float32",
    "shipped": "ensemble, as this CPU runs it",
}
REPEATS = {"paper": 2, "float32": 5, "shipped": 5}
ROUNDS = 2
TRIED_STEPS = 3


def slices_of_scan() -> np.ndarray:
    """`(K, H, W)` normalised T1W."""
    from lib.core.normalise import NetworkFrame, normalise_t1w
    from lib.phantom.study import make_phantom
    from lib.studies.nifti import read_volume

    if "VHI_DATA" in os.environ:
        t1w = read_volume(Path(os.environ["VHI_DATA"]) / "images_study/T1W/1016_T1W.nii.gz", "T1W")
    else:
        t1w = make_phantom().t1w
    return NetworkFrame.of(t1w).slices(normalise_t1w(t1w))


def measure(case: str, recipe: str | None) -> dict[str, Any]:
    """Seconds of the warm network passes, and peak memory of this process; the rounded mean probability goes to a file."""
    import torch

    from lib.nets.recipes import PLANS
    from lib.nets.unet import UNet
    from lib.nets.weights import load_members, member_of

    slices = slices_of_scan()
    if case == "paper":
        nets = [UNet().eval() for _ in range(3)]
        batch = torch.from_numpy(slices)[:, None]

        @torch.no_grad()
        def run() -> np.ndarray:
            return np.mean([net(batch).sigmoid().numpy() for net in nets], axis=0)
    else:
        dtype = torch.float32 if case == "float32" else None
        if recipe is None:
            members = load_members(MODEL_DIR, dtype=dtype)
        else:
            torch.manual_seed(0)
            plan = PLANS[recipe]
            members = tuple(member_of(one.network().eval(), flip=plan.flip, dtype=dtype) for one in plan.members)

        def run() -> np.ndarray:
            return np.mean([member(slices) for member in members], axis=0)

    run()
    seconds, cpu_seconds = [], []
    for _ in range(REPEATS[case]):
        start, cpu_start = time.perf_counter(), time.process_time()
        probability = run()
        seconds.append(time.perf_counter() - start)
        cpu_seconds.append(time.process_time() - cpu_start)
    np.save(Path(os.environ["ANSWERS"]) / f"{case}.npy", probability >= 0.5)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return {
        "seconds": seconds,
        "cpu_seconds": cpu_seconds,
        "peak_mb": peak,
        "shape": slices.shape,
        "threads": torch.get_num_threads(),
    }


def measure_training() -> dict[str, dict[str, float]]:
    """CPU seconds of a training step on one core, by the recipe's name, and its slices."""
    from lib.nets.fit import Slices, seconds_per_step
    from lib.nets.recipes import PLANS

    slices = slices_of_scan()
    scan = Slices(slices, slices > np.median(slices))
    recipes = [recipe for name in ("vhi", "paper") for recipe in PLANS[name].recipes()]
    return {
        recipe.name: {"s_per_step": seconds_per_step(recipe, scan, scan, TRIED_STEPS), "slices": recipe.batch}
        for recipe in recipes
    }


def main(recipe: str | None, rounds: int) -> None:
    from rich.console import Console

    from lib.nets.cpu import bf16_matrix_units
    from lib.versions import read_live

    console = Console()
    with tempfile.TemporaryDirectory() as answers:
        environment = os.environ | {"ANSWERS": answers}
        runs: dict[str, list[dict[str, Any]]] = {case: [] for case in CASES}
        for _ in range(rounds):
            for case in CASES:
                runs[case].append(_own_process([case], recipe, environment))
        a, b = (np.load(Path(answers) / f"{case}.npy") for case in ("float32", "shipped"))
        training = _own_process(["training"], recipe, environment | {"OMP_NUM_THREADS": "1"})
    _print_inference(console, runs)
    dice = 2 * (a & b).sum() / max(a.sum() + b.sum(), 1)
    paper = runs["paper"][0]
    console.print(f"slices {tuple(paper['shape'])}, {paper['threads']} threads, bfloat16 matrix units: {bf16_matrix_units()}")
    console.print(f"1 - Dice of the last two rows' masks: {1 - dice:.6f}")
    metrics = read_live(MODEL_DIR).manifest.metrics or {}
    _print_training(console, training, metrics.get("dice_against_cpu"), (metrics.get("baseline") or {}).get("dice_against_cpu"))
    _print_dice(console, metrics)


def _own_process(arguments: list[str], recipe: str | None, environment: dict[str, str]) -> Any:
    command = [sys.executable, __file__, *arguments, *(["--recipe", recipe] if recipe else [])]
    output = subprocess.run(command, env=environment, check=True, stdout=subprocess.PIPE, text=True)
    return json.loads(output.stdout)


def _print_inference(console: Any, runs: dict[str, list[dict[str, Any]]]) -> None:
    from rich.table import Table

    def median(case: str, name: str) -> float:
        return statistics.median(second for run in runs[case] for second in run[name])

    table = Table("networks", "time [s]", "times faster", "CPU time [s]", "times less", "peak memory [MB]")
    for case, title in CASES.items():
        wall, cpu = median(case, "seconds"), median(case, "cpu_seconds")
        table.add_row(
            title, f"{wall:.2f}", f"{median('paper', 'seconds') / wall:.1f}", f"{cpu:.2f}",
            f"{median('paper', 'cpu_seconds') / cpu:.1f}", f"{max(run['peak_mb'] for run in runs[case]):.0f}",
        )  # fmt: skip
    console.print(table)


def _print_training(console: Any, tried: dict[str, dict[str, float]], own: Any, baseline: Any) -> None:
    from rich.table import Table

    table = Table("recipe", "CPU s per step", "slices per step", title="training, one core")
    for name, row in tried.items():
        table.add_row(name, f"{row['s_per_step']:.3f}", f"{row['slices']}")
    console.print(table)
    curves = [(name, curve) for networks in (own, baseline) for name, curve in (networks or {}).items()]
    if not curves:
        console.print("minutes to a Dice: the manifest of the live version has no curves of held-out subjects")
    for name, curve in curves:
        best = max(curve["points"], key=lambda point: point["mean_slice_dice"])
        minutes = curve["cpu_minutes_to_goal"]
        reached = f"reached after {minutes} CPU minutes" if minutes is not None else "not reached"
        console.print(
            f"{name}: single networks on subjects that they did not learn: {curve['goal']} {reached}; best "
            f"{best['mean_slice_dice']:.4f} after {best['cpu_minutes']} CPU minutes (manifest)"
        )


def _print_dice(console: Any, metrics: dict[str, Any]) -> None:
    from rich.table import Table

    table = Table("measured in the same folds (manifest)", "mean slice Dice", "lowest slice", "single networks")
    for name, content in (("shipped recipe", metrics), ("paper's recipe", metrics.get("baseline") or {})):
        for key, what in (("cross_validation", "study subjects"), ("cross_validation_atypical", "atypical")):
            entry = content.get(key)
            if entry and "member_mean_slice_dice" in entry:
                members = ", ".join(f"{dice:.4f}" for dice in entry["member_mean_slice_dice"])
                table.add_row(f"{name}, {what}", f"{entry['mean_slice_dice']:.4f}", f"{entry['lowest_slice_dice']:.3f}", members)
    if table.rows:
        console.print(table)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("case", nargs="?", choices=[*CASES, "training"], help=argparse.SUPPRESS)
    parser.add_argument("--recipe", help="untrained networks of this recipe in place of the shipped version")
    parser.add_argument("--rounds", type=int, default=ROUNDS, help="how often each row is measured")
    given = parser.parse_args()
    if given.case == "training":
        print(json.dumps(measure_training()))
    elif given.case:
        print(json.dumps(measure(given.case, given.recipe)))
    else:
        main(given.recipe, given.rounds)
