"""The whole training: folds and the shipped ensemble, resumable, with what they reached written as it becomes known."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import InputError
from ..figures.canvas import png_bytes, svg_bytes
from ..figures.learning_curves import LearningCurve, learning_curves_figure
from ..files import output_error, write_atomically
from ..locks import locked
from ..nets.fit import Progress
from ..nets.recipes import Plan
from ..studies.labelled import LabelledCase, LabelledData
from .budget import Budget, fix_budget
from .groups import SHIPPED, Group, folds_of, shipped_group
from .initial_weights import RESULT, Start
from .network_training import NewReports
from .process_pool import processes, run_stages
from .results import GOAL, dice_against_cpu, summary
from .run import EnsembleTraining, Measured, Network

CURVES, LOCK = "learning_curves", ".lock"


@dataclass(frozen=True)
class Wanted:
    """A training to do.

    Parameters
    ----------
    asked : dict
        Budget of each network: `{"steps": n}`, `{"cpu_minutes": m}`, or empty for the plan's own steps.
    folds, ensemble : bool
        Whether to cross-validate, and whether to train the ensemble that learns every labelled scan.
    jobs : int
        Networks trained at a time.
    with_test : bool
        Whether that ensemble learns the test scans too.
    first_folds : int or None
        Only so many folds, where time is short; their scans alone are measured.
    start : Start or None
        What the networks go on from, instead of random weights.
    """

    plan: Plan
    asked: dict[str, float] = field(default_factory=dict)
    folds: bool = False
    ensemble: bool = True
    jobs: int = 1
    with_test: bool = False
    first_folds: int | None = None
    start: Start | None = None


@dataclass(frozen=True)
class Trained:
    """The outcome: the shipped ensemble (None when not wanted), its plan with the steps as trained, and all measurements.

    `folds` are the ensembles of the cross-validation, if any; `study` the study scans.
    """

    ensemble: EnsembleTraining | None
    plan: Plan
    metrics: dict[str, Any]
    folds: tuple[EnsembleTraining, ...]
    study: tuple[LabelledCase, ...]


def train_ensemble(
    labelled: LabelledData,
    out: Path,
    wanted: Wanted,
    *,
    on_progress: Callable[[Network, Progress], None] = lambda network, progress: None,
    on_measured: Callable[[str, Mapping[str, Measured]], None] = lambda group, measured: None,
) -> Trained:
    """Train in processes side by side, or go on where a killed run stopped.

    Parameters
    ----------
    out : Path
        Receives a folder per group (`fold0` ..., `ensemble`) with checkpoints and curves, `budget.json`,
        `cross_validation.json` and `learning_curves.png` and `.svg`. May be killed at any moment: the same call goes on, and
        ends with the same networks.
    on_progress, on_measured : callable
        Told each report of each network, and what a group reached on the scans that it did not learn.

    Raises
    ------
    InputError
        `out` holds a run of another plan or budget, or another command trains there; too few scans for folds.
    ModelError
        A checkpoint there is of other data, or a process died.
    """
    plan = wanted.plan if labelled.unlabelled else wanted.plan.without_unlabelled()
    plan = plan if labelled.other else plan.without_other()
    if plan.kind and (not labelled.other or wanted.start is None or wanted.start.version is None):
        raise InputError(
            f"The recipe {plan.name} makes networks for scans of another scanner, going on from those of a version: it needs "
            "such scans in the data folder (docs/models.md) and --start VERSION."
        )
    if plan.kind and not wanted.folds:
        raise InputError(f"The networks of the recipe {plan.name} are those of the folds; pass --folds too.")
    groups = (folds_of(labelled, kind=plan.kind)[: wanted.first_folds] if wanted.folds else ()) + (
        (shipped_group(labelled, with_test=wanted.with_test),) if wanted.ensemble and not plan.kind else ()
    )
    if not groups:
        raise InputError("There is nothing to train: ask for the folds, for the ensemble, or for both.")
    with _alone(out), processes(wanted.jobs) as pool:
        budget = fix_budget(out, plan, wanted.asked, labelled.other if plan.kind else labelled.study, pool, wanted.jobs)
        plan = plan.with_steps(budget.steps)
        ensembles = {group.name: EnsembleTraining(group, plan, out, labelled.unlabelled, wanted.start) for group in groups}
        measured: dict[str, dict[str, Measured]] = {}
        networks = [network for ensemble in ensembles.values() for network in ensemble.members()]
        new = NewReports()

        def report_progress() -> None:
            for network in networks:
                if reports := new(network):
                    on_progress(network, reports[-1])

        def done(name: str, results: list[Any]) -> None:
            if ensembles[name].measured_on():
                measured[name] = {case: entry | {"fold": name} for case, entry in results[0].items()}
                on_measured(name, measured[name])
            _write_numbers(out, labelled, ensembles, budget, measured)
            _draw_curves(out, ensembles)

        _write_numbers(out, labelled, ensembles, budget, measured)
        run_stages(pool, {name: ensemble.stages() for name, ensemble in ensembles.items()}, done, report_progress)
        report_progress()
    folds = tuple(ensemble for name, ensemble in ensembles.items() if name != SHIPPED)
    shipped = ensembles.get(SHIPPED)
    if plan.kind and wanted.ensemble:
        shipped = EnsembleTraining(shipped_group(labelled), plan, out, labelled.unlabelled, wanted.start, folds)
    return Trained(shipped, plan, _metrics(labelled, ensembles, budget, measured), folds, tuple(labelled.study))


def read_results(out: Path, *, whole: bool = True) -> dict[str, Any]:
    """The results of the folds trained in `out`, as `cross_validation.json` there says.

    Raises
    ------
    InputError
        No folds were measured there, or, unless `whole` is False, not all.
    """
    try:
        content: dict[str, Any] = json.loads((out / RESULT).read_text(encoding="utf-8"))
        missing = set(content["folds"]) - set(content["folds_measured"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(f"{out / RESULT} cannot be read ({error}); run train with --folds into {out} first.") from error
    if missing and whole:
        raise InputError(f"In {out} {', '.join(sorted(missing))} has not been measured; let that training end first.")
    return content


def _metrics(
    labelled: LabelledData,
    ensembles: Mapping[str, EnsembleTraining],
    budget: Budget,
    measured: Mapping[str, Mapping[str, Measured]],
) -> dict[str, Any]:
    """For the manifest: what was measured on which scans, and what it cost."""
    folds = {name: ensemble for name, ensemble in ensembles.items() if name != SHIPPED}
    held_out = {case: entry for name in folds for case, entry in measured.get(name, {}).items()}
    unseen = "ensembles of the folds on scans that none of their networks learnt"
    kind = summary(f"{unseen}: another scanner, where its labels decide", held_out, labelled.other)
    return ({} if kind is None else {"cross_validation_kind": kind}) | {
        "cross_validation": summary(f"{unseen}: study subjects", held_out, labelled.study),
        "cross_validation_atypical": summary(f"{unseen}: abnormal marrow", held_out, labelled.atypical),
        "test": summary("this ensemble on test scans that no network learnt", measured.get(SHIPPED, {}), labelled.test),
        "dice_against_cpu": _dice_against_cpu(folds.values()),
        "budget": {"asked": budget.asked, "steps": budget.steps, "networks": _costs(ensembles.values())},
    }


def _dice_against_cpu(folds: Iterable[EnsembleTraining]) -> dict[str, Any] | None:
    """By the recipe's name, of the networks that have finished; None where none was measured."""
    finished: dict[str, list[tuple[int, list[Progress]]]] = {}
    for ensemble in folds:
        for network in ensemble.members():
            curve = network.curve()
            if curve and curve[-1].step == curve[-1].steps:
                finished.setdefault(network.recipe.name, []).append((ensemble.group.n_study, curve))
    by_recipe = {name: dice_against_cpu(curves) for name, curves in finished.items()}
    return {name: entry for name, entry in by_recipe.items() if entry is not None} or None


def _costs(ensembles: Iterable[EnsembleTraining]) -> dict[str, dict[str, float]]:
    """By the recipe's name: how many networks, their mean CPU minutes and CPU seconds a step."""
    ends: dict[str, list[Progress]] = {}
    for ensemble in ensembles:
        for network in ensemble.members():
            if (point := network.progress()) is not None:
                ends.setdefault(network.recipe.name, []).append(point)
    return {
        name: {
            "count": len(points),
            "mean_cpu_minutes": round(float(np.mean([point.cpu_s for point in points])) / 60, 2),
            "mean_cpu_s_per_step": round(float(np.mean([point.cpu_s / point.step for point in points])), 4),
        }
        for name, points in ends.items()
    }


def _write_numbers(
    out: Path,
    labelled: LabelledData,
    ensembles: Mapping[str, EnsembleTraining],
    budget: Budget,
    measured: Mapping[str, Mapping[str, Measured]],
) -> None:
    """Of the groups that have ended; from the start on, which scans each fold learns, for who goes on from them."""
    folds = [ensemble for ensemble in ensembles.values() if ensemble.group.name != SHIPPED]
    if folds:
        content = {
            "recipe": budget.plan,
            "folds_measured": sorted(name for name in measured if name != SHIPPED),
            "folds": {fold.group.name: _split(fold) for fold in folds},
            **_metrics(labelled, ensembles, budget, measured),
        }
        write_atomically(out / RESULT, (json.dumps(content, indent=1) + "\n").encode())


def _draw_curves(out: Path, ensembles: Mapping[str, EnsembleTraining]) -> None:
    curves = {
        _title(ensemble.group): [_curve(points) for network in ensemble.members() if (points := network.curve())]
        for ensemble in ensembles.values()
    }
    figure = learning_curves_figure({title: curve for title, curve in curves.items() if curve}, GOAL)
    write_atomically(out / f"{CURVES}.png", png_bytes(figure, 200))
    write_atomically(out / f"{CURVES}.svg", svg_bytes(figure))


def _split(fold: EnsembleTraining) -> dict[str, list[str]]:
    return {
        "learnt": [case.case_id for case in fold.learnt()],
        "held_out": [case.case_id for case in (*fold.group.held_out, *fold.group.held_out_other)],
    }


def _title(group: Group) -> str:
    if group.name == SHIPPED:
        return "all scans"
    held_out = group.held_out[: group.n_study] or group.held_out_other
    return f"{group.name}, held out {' '.join(case.case_id for case in held_out)}"


def _curve(points: Sequence[Progress]) -> LearningCurve:
    def values(name: str) -> np.ndarray:
        return np.array([getattr(point, name) for point in points], dtype=np.float64)

    return LearningCurve(
        epoch=values("epoch"),
        loss=values("loss"),
        soft_dice=values("soft_dice"),
        validation_loss=values("validation_loss"),
        validation_dice=values("validation_dice"),
        cpu_minutes=values("cpu_s") / 60,
        validation_slice_dice=values("validation_slice_dice"),
    )


@contextmanager
def _alone(out: Path) -> Iterator[None]:
    """Make the folder, and refuse it where another command trains; this one's end, however it comes, frees it."""
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise output_error(out, error) from error
    with locked(out / LOCK, wait_s=0) as free:
        if not free:
            raise InputError(f"Another command is training in {out}; wait for it, or choose another --out.")
        yield
