"""The paper's model selection: its networks and lengths of training, compared by cross-validation over subjects.

A cell of the search is one setting on one fold with one seed; its result is one file. The two lengths of a network are one
training, measured on the way: at the paper's constant learning rate the shorter one is the beginning of the longer one.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from threading import Lock
from typing import Any

import numpy as np

from ..core.disease_region import slice_dice
from ..errors import InputError
from ..files import write_atomically
from ..nets.fit import CHECKPOINT, Slices, TrainedNetwork, fit, read_curve, seconds_per_step
from ..nets.recipes import PAPER_EPOCHS, PAPER_KERNELS, PAPER_LEVELS, Recipe, paper_recipe
from ..nets.weights import member_of
from ..studies.labelled import LabelledCase, LabelledData
from .groups import Group, folds_of
from .run import plain_dice
from .scans import probabilities, read_labelled, region_of

RESULTS, NETWORKS = "results", "networks"


@dataclass(frozen=True, order=True)
class Setting:
    """A choice of the search: epochs, resolution levels, side of the convolution kernel."""

    epochs: int
    levels: int
    kernel: int

    def __str__(self) -> str:
        return f"{self.epochs} epochs, {self.levels} levels, kernel {self.kernel} x {self.kernel}"


@dataclass(frozen=True)
class SearchNetwork:
    """One network to train, and to measure after each number of epochs: a piece of work for one worker.

    Parameters
    ----------
    steps : int
        Of the longest training; a shorter one has its share of them.
    """

    levels: int
    kernel: int
    fold: Group
    seed: int
    steps: int

    @property
    def name(self) -> str:
        """`levels4-kernel3-fold0-member0`"""
        return f"levels{self.levels}-kernel{self.kernel}-{self.fold.name}-member{self.seed}"

    @property
    def recipe(self) -> Recipe:
        return replace(paper_recipe(self.levels, self.kernel), steps=self.steps)

    def steps_of(self, epochs: int) -> int:
        return round(self.steps * epochs / max(PAPER_EPOCHS))

    def result(self, out: Path, epochs: int) -> Path:
        """The file of one cell."""
        return out / RESULTS / f"epochs{epochs}-{self.name}.json"

    def is_finished(self, out: Path) -> bool:
        return all(self.result(out, epochs).exists() for epochs in PAPER_EPOCHS)


def networks_of(labelled: LabelledData, steps: int, members: int, *, atypical: bool = False) -> tuple[SearchNetwork, ...]:
    """All networks of the search: levels x kernels x folds of the study subjects x seeds.

    Parameters
    ----------
    atypical : bool
        Folds learn and measure the atypical scans too. Abnormal marrow was no part of the paper's selection.

    Raises
    ------
    InputError
        Fewer than two study subjects, or too few steps to tell the numbers of epochs apart.
    """
    if steps < 2:
        raise InputError(f"{steps} step cannot tell {' from '.join(map(str, PAPER_EPOCHS))} epochs; give 2 or more.")
    folds = folds_of(labelled if atypical else LabelledData(labelled.study))
    # seeds last: a search that is broken off has seen every setting first
    return tuple(
        SearchNetwork(levels, kernel, fold, seed, steps)
        for seed in range(members)
        for fold in folds
        for levels in PAPER_LEVELS
        for kernel in PAPER_KERNELS
    )


# torch's seed and threads belong to a process: threads of one worker take turns
_TURN = Lock()


def train_network(network: SearchNetwork, *, out: Path) -> None:
    """On a worker: train one network and write the results of its cells; goes on from what is there already.

    Raises
    ------
    VhiError
    """
    with _TURN:
        folder = out / NETWORKS / network.name
        labelled = Slices.of([read_labelled(case) for case in network.fold.cases], network.recipe.multiple)
        for epochs in PAPER_EPOCHS:
            if network.result(out, epochs).exists():
                continue
            net = fit(network.recipe, network.seed, labelled, folder, stop_after=network.steps_of(epochs))
            _write_result(network, net, epochs, out)
        # up to 250 MB, and not needed any more
        (folder / CHECKPOINT).unlink(missing_ok=True)


def _write_result(network: SearchNetwork, net: TrainedNetwork, epochs: int, out: Path) -> None:
    end = read_curve(out / NETWORKS / network.name)[-1]
    content = {
        "setting": asdict(Setting(epochs, network.levels, network.kernel)),
        "fold": network.fold.name,
        "seed": network.seed,
        "steps": end.step,
        "parameters": sum(parameter.numel() for parameter in net.parameters()),
        "cpu_minutes": round(end.cpu_s / 60, 4),
        "slice_dice": {case.case_id: _slice_dice(net, case) for case in network.fold.held_out[: network.fold.n_study]},
        "atypical_slice_dice": {case.case_id: _slice_dice(net, case) for case in network.fold.held_out[network.fold.n_study :]},
    }
    path = network.result(out, epochs)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(path, (json.dumps(content, indent=1) + "\n").encode())


def _slice_dice(net: TrainedNetwork, case: LabelledCase) -> list[float | None]:
    t1w, truth = read_labelled(case)
    probability, _ = probabilities(t1w, [member_of(net, flip=False)])
    return plain_dice(slice_dice(region_of(probability, t1w).data, truth.data))


@dataclass(frozen=True)
class SettingResult:
    """The results of a setting on held-out subjects, over its finished cells.

    Parameters
    ----------
    networks : int
        Finished cells: folds times seeds.
    fold_dice : dict
        By fold: mean 2-D Dice of its held-out slices, over the seeds.
    mean_slice_dice, lowest_slice_dice : float
        Over all held-out slices of all folds and seeds, those with bone in the manual or the found region.
    cpu_minutes : float
        Mean CPU time of a network.
    atypical_mean_slice_dice : float or None
        Of the held-out atypical scans, which the choice does not rest on; None where there were none.
    """

    setting: Setting
    parameters: int
    networks: int
    mean_slice_dice: float
    lowest_slice_dice: float
    fold_dice: dict[str, float]
    cpu_minutes: float
    atypical_mean_slice_dice: float | None = None

    def as_row(self) -> dict[str, Any]:
        """Plain values of a table."""
        row = asdict(self.setting) | asdict(self)
        left_out = {"setting", "fold_dice", *(["atypical_mean_slice_dice"] if self.atypical_mean_slice_dice is None else [])}
        return {name: value for name, value in row.items() if name not in left_out} | self.fold_dice


def read_results(out: Path, networks: Sequence[SearchNetwork]) -> tuple[SettingResult, ...]:
    """The settings with finished cells, the best mean slice Dice first."""
    cells: dict[Setting, list[dict[str, Any]]] = {}
    for network in networks:
        for epochs in PAPER_EPOCHS:
            path = network.result(out, epochs)
            if path.exists():
                setting = Setting(epochs, network.levels, network.kernel)
                cells.setdefault(setting, []).append(json.loads(path.read_text(encoding="utf-8")))
    results = [_result(setting, cells_of_setting) for setting, cells_of_setting in cells.items()]
    return tuple(sorted(results, key=lambda result: (-result.mean_slice_dice, result.setting)))


def _result(setting: Setting, cells: Sequence[dict[str, Any]]) -> SettingResult:
    every = _dices(cells)
    # results of an earlier version of this program have none
    atypical = _dices(cells, "atypical_slice_dice")
    folds = sorted({cell["fold"] for cell in cells})
    return SettingResult(
        setting,
        parameters=cells[0]["parameters"],
        networks=len(cells),
        mean_slice_dice=round(float(every.mean()), 4),
        lowest_slice_dice=round(float(every.min()), 4),
        fold_dice={fold: round(float(_dices(cell for cell in cells if cell["fold"] == fold).mean()), 4) for fold in folds},
        cpu_minutes=round(float(np.mean([cell["cpu_minutes"] for cell in cells])), 3),
        atypical_mean_slice_dice=round(float(atypical.mean()), 4) if atypical.size else None,
    )


def _dices(cells: Iterable[dict[str, Any]], which: str = "slice_dice") -> np.ndarray:
    return np.array([dice for cell in cells for dices in cell.get(which, {}).values() for dice in dices if dice is not None])


def steps_in(cpu_minutes: float, cases: Sequence[LabelledCase]) -> int:
    """Steps of the longest training for which the networks of the search take `cpu_minutes` each on average, here and now."""
    paces = []
    for levels in PAPER_LEVELS:
        for kernel in PAPER_KERNELS:
            recipe = paper_recipe(levels, kernel)
            labelled = Slices.of([read_labelled(case) for case in cases[:2]], recipe.multiple)
            paces.append(seconds_per_step(recipe, labelled, None, steps=3))
    return round(60 * cpu_minutes / float(np.mean(paces)))
