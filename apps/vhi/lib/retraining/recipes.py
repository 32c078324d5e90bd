"""How the members of the live version are trained on: their own recipes, shorter and gentler."""

from __future__ import annotations

import math
from dataclasses import replace

from ..nets.recipes import Recipe
from ..versions import Manifest
from .config import TrainOptions

# they teach as much as 200 steps at the rate of any other number, benchmarks/retraining_steps.py
STEPS, LEARNING_RATE = 120, 8.3e-4
LEARNING_RATE_OF_OTHER_STEPS = 5e-4
# of 20, 60 and 200 the one that forgot least, benchmarks/learning_loop.py
PULL = 200.0


# networks of a kind of scans begin far from where they shall be, and nothing else rests on them
KIND_STEPS, KIND_LEARNING_RATE, KIND_BATCH = 500, 1e-3, 4
# of a frame of 350 mm, 588 pixels wide, a step costs half as much
KIND_WINDOW = 400
# of the short trainings that leave a patient out
SHORT_STEPS = 60


def member_recipes(
    live: Manifest, options: TrainOptions, *, n_new: int, replays: bool, kind: str | None = None, new_kind: bool = False
) -> tuple[Recipe, ...]:
    """One recipe for each member, in the order of the members; the steps are those asked for, or the usual ones.

    Parameters
    ----------
    live : Manifest
    options : TrainOptions
        Of `minutes` nothing is known here: see `with_steps`.
    n_new : int
        Slices that are learnt.
    replays : bool
        Whether there are labelled cases that the live version learnt.
    kind : str, optional
        The kind of scans that is learnt, where it has networks of its own, or gets them.
    new_kind : bool
        Whether it gets them now.
    """
    own = live.of_kind(kind)
    known = [Recipe.from_dict(stored, layout) for stored, layout in zip(own.recipes, own.networks, strict=True)]
    # scans of other scanners that the live version learnt are not at hand where it is trained on, nor labels drawn over discs
    recipes = [replace(recipe, other=0, readings=False) for recipe in known]
    if kind is not None:
        # they end where they learnt, and see a part of large frames, whatever the networks for all other scans do
        recipes = [replace(recipe, frozen_norm=False, blend=1.0, window=KIND_WINDOW) for recipe in recipes]
    if options.scratch:
        plain = [replace(recipe, pseudo=0, pull=0.0, frozen_norm=False) for recipe in recipes]
        return tuple(_budgeted(recipe, options, n_new, recipe.steps) for recipe in plain)
    if new_kind:
        # where networks begin and what they learn differ too much for statistics, or weights, half way between them
        bold = [replace(recipe, pseudo=0, pull=0.0, batch=KIND_BATCH, learning_rate=KIND_LEARNING_RATE) for recipe in recipes]
        return tuple(_budgeted(recipe, options, n_new, KIND_STEPS) for recipe in bold)
    replay = options.keep == "replay" or (options.keep == "auto" and replays)
    pull = PULL if options.keep == "pull" or (options.keep == "auto" and not replays) else 0.0
    usual = (options.steps, options.epochs, options.minutes) == (None, None, None)
    rate = LEARNING_RATE if usual else LEARNING_RATE_OF_OTHER_STEPS
    gentle = (
        replace(recipe, pseudo=recipe.batch // 2 if replay and replays else 0, pull=pull, learning_rate=rate)
        for recipe in recipes
    )
    return tuple(_budgeted(recipe, options, n_new, STEPS) for recipe in gentle)


def _budgeted(recipe: Recipe, options: TrainOptions, n_new: int, usual: int) -> Recipe:
    steps = options.steps or usual
    if options.epochs is not None:
        steps = math.ceil(options.epochs * n_new / (recipe.batch - recipe.pseudo))
    return replace(recipe, steps=steps, learning_rate=options.learning_rate or recipe.learning_rate)


def rate_of_other_steps(recipe: Recipe, options: TrainOptions) -> float:
    """The peak of the learning rate of one of `member_recipes`, were it to make another number of steps than the usual one."""
    is_usual = options.learning_rate is None and recipe.learning_rate == LEARNING_RATE
    return LEARNING_RATE_OF_OTHER_STEPS if is_usual else recipe.learning_rate


def steps_in(minutes: float, pace_s: float, networks: int, jobs: int) -> int:
    """Steps of each network so that all of them end within some minutes of wall clock.

    Parameters
    ----------
    pace_s : float
        Seconds of a step of one network, with `jobs` of them side by side.
    """
    return max(1, round(60 * minutes * jobs / (networks * pace_s)))
