"""Does a site's ensemble learn from every corrected case? The loop, simulated on labelled scans, with a small fast network.

Three members learn slices of a quarter of the resolution (2.4 mm pixels, and Dice is measured there) for some hundred steps, so
that Dice is lower than the shipped recipe's; only differences between rounds, strategies and variants count. "A reader submits"
means: the manual mask of that scan is learnt, with replay as in `lib.retraining`. A round starts from the ensemble of the round
before.

loop     From three study scans on, a strategy chooses the next scan of a pool with typical and atypical ones, until the pool is
         empty. Measured on two typical scans and an atypical one that are never picked.
arrival  Atypical scans arrive one by one at a site whose ensemble learnt six typical ones. Measured on the atypical scans that
         have not arrived yet, and on two typical ones never learnt. Variants: with replay of the site's labelled scans, or
         without any (`alone`), then held back by a pull towards the parent's weights, or by its answers on unread scans.

In both, `nothing` is the control: as many steps on the scans of the start.

Results are one JSON file per chain of rounds in the working folder: a killed run goes on. Everything is seeded.

    VHI_DATA=... PYTHONPATH=apps/vhi python benchmarks/learning_loop.py WORK [--seeds N] [--figure FILE.svg]
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table

from lib.core.active_learning import feature_distance, features_of, uncertain_and_unlike
from lib.core.disease_region import Member, disagreement, drop_small_pieces, slice_dice
from lib.core.normalise import NetworkFrame, normalise_t1w
from lib.core.volume import Mask, Volume
from lib.figures.canvas import svg_bytes
from lib.figures.learning_loop import learning_loop_figure
from lib.files import write_atomically
from lib.nets.fit import Slices, TrainedNetwork, fit
from lib.nets.recipes import Recipe
from lib.nets.weights import member_of
from lib.studies.labelled import LabelledCase, find_labelled
from lib.training.scans import read_labelled, read_t1w

MEMBERS = 3
SMALLER = 4
# nothing: as many steps on the same scans, so that what more steps do is not taken for what more scans do
STRATEGIES = ("nothing", "random", "uncertain", "diverse")
# share of the way back to the parent's weights in a step is learning rate x pull
VARIANTS = {
    "nothing": 0.0,
    "replay": 0.0,
    "alone": 0.0,
    "weights, pull 20": 20.0,
    "weights, pull 60": 60.0,
    "weights, pull 200": 200.0,
    "answers": 0.0,
    "answers, pull 60": 60.0,
}


@dataclass(frozen=True, eq=False)
class Scan:
    """A scan at a quarter of the resolution: `(K, H, W)` slices and their masks; `t1w` and `frame` lead back to its own grid."""

    name: str
    t1w: Volume
    frame: NetworkFrame
    images: np.ndarray
    masks: np.ndarray | None

    @classmethod
    def of(cls, case: LabelledCase) -> Scan:
        t1w, mask = read_labelled(case) if case.disease_region else (read_t1w(case), None)
        frame = NetworkFrame.of(t1w)
        masks = None if mask is None else _small(frame.slices(mask.data)) >= 0.5
        return cls(case.case_id, t1w, frame, _small(frame.slices(normalise_t1w(t1w))), masks)

    def region(self, masks: np.ndarray) -> Mask:
        """A mask of the small slices on the scan's own grid."""
        height, width = self.frame.network_size
        large = masks.repeat(SMALLER, axis=1).repeat(SMALLER, axis=2)
        grown = np.pad(large, ((0, 0), (0, height - large.shape[1]), (0, width - large.shape[2])))
        return Mask(self.frame.volume(grown) >= 0.5, self.t1w.grid, self.name)


def _small(slices: np.ndarray) -> np.ndarray:
    """Means of blocks of pixels; incomplete blocks at the end are dropped."""
    k, height, width = (n // side for n, side in zip(slices.shape, (1, SMALLER, SMALLER), strict=True))
    blocks = slices[:, : height * SMALLER, : width * SMALLER].reshape(k, height, SMALLER, width, SMALLER)
    small: np.ndarray = blocks.mean(axis=(2, 4), dtype=np.float32)
    return small


def slices_of(scans: Sequence[Scan]) -> Slices:
    """All slices of scans that have masks."""
    masks = [scan.masks for scan in scans if scan.masks is not None]
    return Slices(np.concatenate([scan.images for scan in scans]), np.concatenate(masks))


def learn(
    parent: Sequence[TrainedNetwork] | None,
    scans: Sequence[Scan],
    recipe: Recipe,
    folder: Path,
    seed: int,
    beside: Slices | None = None,
) -> list[TrainedNetwork]:
    """Every member goes on from its parent, each with a seed of its own; finished ones are found in `folder`.

    Half of each batch comes from the slices `beside` where there are any: the replay of `lib.retraining`.
    """
    recipe = replace(recipe, pseudo=recipe.batch // 2) if beside is not None else recipe
    return [
        fit(
            recipe, MEMBERS * seed + n, slices_of(scans), folder / f"member{n}", pseudo=beside, every=recipe.steps,
            start=None if parent is None else parent[n],
        )
        for n in range(MEMBERS)
    ]  # fmt: skip


@lru_cache(maxsize=2)
def members_of(nets: tuple[TrainedNetwork, ...]) -> list[Member]:
    """Networks ready to answer; getting so takes longer than an answer."""
    return [member_of(net, flip=False) for net in nets]


def answers(nets: Sequence[TrainedNetwork], scan: Scan) -> tuple[np.ndarray, float]:
    """The ensemble's `(K, H, W)` mask, and how far its members disagree."""
    each = [member(scan.images) for member in members_of(tuple(nets))]
    return drop_small_pieces(np.mean(each, axis=0) >= 0.5), disagreement([one >= 0.5 for one in each]) or 0.0


def dice_of(nets: Sequence[TrainedNetwork], scans: Sequence[Scan]) -> float:
    """Mean 2-D Dice of the slices with bone in either mask."""
    dices = []
    for scan in scans:
        assert scan.masks is not None
        mine, truth = (np.moveaxis(mask, 0, 2) for mask in (answers(nets, scan)[0], scan.masks))
        dices.append(slice_dice(mine, truth))
    return float(np.nanmean(np.concatenate(dices)))


def choose(
    strategy: str, nets: Sequence[TrainedNetwork], pool: Sequence[Scan], labelled: Sequence[Scan], rng: np.random.Generator
) -> Scan:
    """The next scan of the pool to be read; as on a server, one without bone for the networks comes last."""
    if strategy == "random":
        return pool[int(rng.integers(len(pool)))]
    every = {scan.name: answers(nets, scan) for scan in (*pool, *labelled)}
    with_bone = {name: answer for name, answer in every.items() if answer[0].any()}
    score = {scan.name: with_bone[scan.name][1] for scan in pool if scan.name in with_bone}
    if strategy == "diverse":
        features = {
            scan.name: features_of(scan.t1w, scan.region(with_bone[scan.name][0]))
            for scan in (*pool, *labelled)
            if scan.name in with_bone
        }
        score = uncertain_and_unlike(score, feature_distance(features, [scan.name for scan in labelled]))
    return max(pool, key=lambda scan: score.get(scan.name, -1.0))


@dataclass(frozen=True, eq=False)
class Site:
    """The data, the recipes and the working folder."""

    study: tuple[Scan, ...]
    atypical: tuple[Scan, ...]
    unread: tuple[Scan, ...]
    first: Recipe
    again: Recipe
    work: Path

    def start(self, scans: Sequence[Scan], seed: int, what: str, longer: int = 1) -> list[TrainedNetwork]:
        """The ensemble that a site begins with, `longer` times the steps trained; one for all chains of a seed."""
        recipe = replace(self.first, steps=longer * self.first.steps)
        return learn(None, scans, recipe, self.work / f"{what}-seed{seed}-start", 1000 * seed)


def loop(site: Site, seed: int, strategy: str) -> dict[str, Any]:
    """One chain of the loop."""
    rng = np.random.default_rng([seed, 1])
    study = [site.study[n] for n in np.random.default_rng(seed).permutation(len(site.study))]
    kept_back = site.atypical[seed % len(site.atypical)]
    held_out, labelled = [*study[:2], kept_back], list(study[2:5])
    pool = [*study[5:], *(scan for scan in site.atypical if scan is not kept_back)]
    nets = site.start(labelled, seed, "loop")
    rounds = [{"learnt": [scan.name for scan in labelled], "dice": dice_of(nets, held_out)}]
    while pool:
        folder = site.work / f"loop-seed{seed}-{strategy}" / str(len(rounds))
        picked = pool[0] if strategy == "nothing" else choose(strategy, nets, pool, labelled, rng)
        pool.remove(picked)
        if strategy == "nothing":
            nets, learnt = learn(nets, labelled, site.again, folder, 1000 * seed + len(rounds)), []
        else:
            nets = learn(nets, [picked], site.again, folder, 1000 * seed + len(rounds), slices_of(labelled))
            labelled, learnt = [*labelled, picked], [picked.name]
        rounds.append({"learnt": learnt, "dice": dice_of(nets, held_out)})
    return {"held_out": [scan.name for scan in held_out], "rounds": rounds}


def arrival(site: Site, seed: int, variant: str) -> dict[str, Any]:
    """One chain of arrivals. The last atypical scan is never learnt: nothing would be left to measure."""
    study = [site.study[n] for n in np.random.default_rng(seed).permutation(len(site.study))]
    held_out, labelled = study[:2], study[2:]
    coming = [site.atypical[(seed + n) % len(site.atypical)] for n in range(len(site.atypical))]
    # only an ensemble that has learnt its scans well can forget them
    parent = site.start(labelled, seed, "arrival", longer=3)
    nets = parent
    unread = [scan for scan in site.unread if scan.frame.network_size == held_out[0].frame.network_size]
    answered = None
    if variant.startswith("answers"):
        answered = slices_of([replace(scan, masks=answers(parent, scan)[0]) for scan in unread])
    recipe = replace(site.again, pull=VARIANTS[variant])
    before = {scan.name: dice_of(parent, [scan]) for scan in coming}
    typical = dice_of(parent, held_out)
    rounds = []
    for n in range(1, len(coming)):
        folder, new, beside = site.work / f"arrival-seed{seed}-{variant}" / str(n), coming[:n], answered
        if variant == "nothing":
            new = labelled
        elif variant == "replay":
            new, beside = [coming[n - 1]], slices_of([*labelled, *coming[: n - 1]])
        nets = learn(nets, new, recipe, folder, 1000 * seed + n, beside)
        gains = {scan.name: dice_of(nets, [scan]) - before[scan.name] for scan in coming[n:]}
        rounds.append({"learnt": coming[n - 1].name, "atypical_gain": gains, "typical_gain": dice_of(nets, held_out) - typical})
    return {"held_out": [scan.name for scan in held_out], "typical": typical, "atypical": before, "rounds": rounds}


def chain(site: Site, run: Callable[[Site, int, str], dict[str, Any]], seed: int, what: str) -> dict[str, Any]:
    """The result of a chain: from its file, or run now."""
    name = f"{run.__name__}-seed{seed}-{what}"
    path = site.work / f"{name}.json"
    if not path.exists():
        started = time.process_time()
        result = run(site, seed, what) | {"cpu_s": round(time.process_time() - started, 1)}
        write_atomically(path, (json.dumps(result, indent=1) + "\n").encode())
        shutil.rmtree(site.work / name, ignore_errors=True)
    stored: dict[str, Any] = json.loads(path.read_text())
    return stored


Chains = Mapping[tuple[int, str], dict[str, Any]]


def loop_dice(chains: Chains) -> dict[str, np.ndarray]:
    """`(seeds, rounds)` Dice of each strategy."""
    seeds = sorted({seed for seed, _ in chains})
    return {s: np.array([[one["dice"] for one in chains[seed, s]["rounds"]] for seed in seeds]) for s in STRATEGIES}


def loop_rows(dice: Mapping[str, np.ndarray]) -> list[list[str]]:
    """By round: the mean over the seeds of each strategy, and of its difference from random; at last that of each seed."""
    rows = []
    for n in range(dice["random"].shape[1]):
        cells = [f"{dice[s][:, n].mean():.4f}" for s in STRATEGIES]
        rows.append([str(n), *cells, *(f"{(dice[s] - dice['random'])[:, n].mean():+.4f}" for s in STRATEGIES[2:])])
    # at the end every strategy has learnt every scan
    means = {s: dice[s][:, 1:-1].mean(axis=1) for s in STRATEGIES}
    each = (" ".join(f"{one:+.4f}" for one in means[s] - means["random"]) for s in STRATEGIES[2:])
    return [*rows, ["while choosing", *(f"{means[s].mean():.4f}" for s in STRATEGIES), *each]]


def arrival_gains(chains: Chains) -> dict[str, dict[str, np.ndarray]]:
    """`(seeds, rounds)` change of Dice since the start, of each variant, on `atypical` scans to come and on `typical` ones."""
    seeds = sorted({seed for seed, _ in chains})
    gains = {}
    for variant in VARIANTS:
        rounds = [chains[seed, variant]["rounds"] for seed in seeds]
        gains[variant] = {
            "atypical": np.array([[np.mean(list(n["atypical_gain"].values())) for n in one] for one in rounds]),
            "typical": np.array([[n["typical_gain"] for n in one] for one in rounds]),
        }
    return gains


def arrival_rows(gains: Mapping[str, Mapping[str, np.ndarray]]) -> list[list[str]]:
    """By variant and number of scans that arrived: the mean over the seeds, and each seed."""
    rows = []
    for variant, by_kind in gains.items():
        for n in range(by_kind["typical"].shape[1]):
            each = [by_kind[what][:, n] for what in ("atypical", "typical")]
            cells = (text for one in each for text in (f"{one.mean():+.4f}", " ".join(f"{value:+.4f}" for value in one)))
            rows.append([variant, str(n + 1), *cells])
    return rows


def show(title: str, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    table = Table(*columns, title=title, box=None, title_justify="left")
    for row in rows:
        table.add_row(*row)
    Console(width=150).print(table)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("work", type=Path)
    parser.add_argument("--data", type=Path, default=os.environ.get("VHI_DATA"))
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--steps", type=int, nargs=2, default=(300, 60), metavar=("FIRST", "AGAIN"))
    parser.add_argument("--figure", type=Path)
    asked = parser.parse_args()
    labelled = find_labelled(asked.data)
    study, atypical, unread = (
        tuple(Scan.of(case) for case in cases) for cases in (labelled.study, labelled.atypical, labelled.unlabelled)
    )
    first = Recipe("loop", steps=asked.steps[0], widths=(16, 32, 64, 128), shuffle=2)
    again = replace(first, steps=asked.steps[1], learning_rate=1e-3)
    site = Site(study, atypical, unread, first, again, asked.work)
    asked.work.mkdir(parents=True, exist_ok=True)
    looped: dict[tuple[int, str], dict[str, Any]] = {}
    arrived: dict[tuple[int, str], dict[str, Any]] = {}
    for seed in range(asked.seeds):
        looped |= {(seed, one): chain(site, loop, seed, one) for one in STRATEGIES}
        arrived |= {(seed, one): chain(site, arrival, seed, one) for one in VARIANTS}
        print(f"seed {seed} done", flush=True)
    show(
        f"Mean slice Dice on scans never picked, {asked.seeds} seeds",
        ["round", *STRATEGIES, *(f"{one} - random" for one in STRATEGIES[2:])],
        loop_rows(loop_dice(looped)),
    )
    show(
        f"Change of the mean slice Dice since the start, {asked.seeds} seeds",
        ["variant", "arrived", "atypical, not arrived", "each seed", "typical, held out", "each seed"],
        arrival_rows(arrival_gains(arrived)),
    )
    if asked.figure is not None:
        write_atomically(asked.figure, svg_bytes(learning_loop_figure(loop_dice(looped), arrival_gains(arrived))))
    cpu_s = sum(one["cpu_s"] for one in (*looped.values(), *arrived.values()))
    print(f"{cpu_s / 60:.1f} CPU minutes; start {site.first.steps} steps, each round {site.again.steps}, {MEMBERS} members")


if __name__ == "__main__":
    main()
