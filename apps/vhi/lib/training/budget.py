"""How long each network trains, fixed before the first step and kept, so that an interrupted run goes on as it began."""

from __future__ import annotations

import json
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import InputError
from ..files import write_atomically
from ..nets.recipes import Plan, Recipe
from ..studies.labelled import LabelledCase
from .process_pool import run_all
from .run import Pace

FILE = "budget.json"


@dataclass(frozen=True)
class Budget:
    """The budget asked for each network, and the steps that came of it.

    Parameters
    ----------
    plan : str
        Name of the plan.
    asked : dict
        `{"steps": n}`, `{"cpu_minutes": m}`, or empty for the plan's own steps.
    steps : dict
        By the recipe's name.
    tried_s_per_step : dict
        CPU seconds of a step by the recipe's name, where `cpu_minutes` was asked: on this machine, with all processes busy.
    """

    plan: str
    asked: dict[str, float]
    steps: dict[str, int]
    tried_s_per_step: dict[str, float]

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


def fix_budget(
    out: Path, plan: Plan, asked: dict[str, float], cases: Sequence[LabelledCase], pool: ProcessPoolExecutor, jobs: int
) -> Budget:
    """The budget of the run in `out`: the one it began with, or a new one.

    Raises
    ------
    InputError
        The run in `out` began with another plan or budget.
    """
    path = out / FILE
    if path.exists():
        run = Budget(**json.loads(path.read_text(encoding="utf-8")))
        if (run.plan, run.asked) != (plan.name, asked):
            raise InputError(
                f"{out} holds a run of recipe {run.plan} with {_words(run.asked)}, asked is {plan.name} with {_words(asked)}; "
                "choose another --out, or give the options it began with."
            )
        return run
    pace: dict[str, float] = {}
    if "cpu_minutes" in asked:
        for recipe in plan.recipes():
            pace[recipe.name] = round(pace_of(recipe, cases[:2], pool, jobs), 5)
    steps = {
        recipe.name: round(asked.get("steps", 0))
        or (max(1, round(60 * asked["cpu_minutes"] / pace[recipe.name])) if pace else recipe.steps)
        for recipe in plan.recipes()
    }
    budget = Budget(plan.name, asked, steps, pace)
    write_atomically(path, (json.dumps(budget.as_dict(), indent=1) + "\n").encode())
    return budget


def pace_of(recipe: Recipe, cases: Sequence[LabelledCase], pool: ProcessPoolExecutor, jobs: int) -> float:
    """CPU seconds of a training step on this machine, tried on some of the scans that are learnt, with all processes busy."""
    return float(np.mean(run_all(pool, [Pace(recipe, tuple(cases))] * jobs)))


def _words(asked: dict[str, float]) -> str:
    return ", ".join(f"--{name.replace('_', '-')} {value:g}" for name, value in asked.items()) or "its own steps"
