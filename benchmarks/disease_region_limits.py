"""What keeps the cross-validated Dice of the disease region where it is: scatter along the outline, or whole structures?

Reads the folds that `train --folds` left in WORK. Mean 2-D Dice per slice of the study subjects: of the ensembles that did not
learn them, the same with some kinds of difference forgiven, of the ensembles of the other folds, which learnt them, and of the
manual masks against themselves; and the agreement of the folds' ensembles on the scans without masks.

    VHI_DATA=<folder> PYTHONPATH=apps/vhi python benchmarks/disease_region_limits.py WORK
"""

from __future__ import annotations

import itertools
import json
import os
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.progress import track
from rich.table import Table
from scipy import ndimage

from lib.core.disease_region import Member, drop_small_pieces, slice_dice
from lib.nets.recipes import PLANS
from lib.studies.labelled import find_labelled
from lib.training.budget import FILE
from lib.training.groups import folds_of
from lib.training.run import PREDICTIONS, EnsembleTraining
from lib.training.scans import probabilities, read_labelled, read_t1w

# a piece of difference that reaches further than this from the manual outline is a structure of its own, not a wobbly outline
STRUCTURE_PIXELS = 3
IN_PLANE = ndimage.generate_binary_structure(2, 1)[..., None]


@dataclass(frozen=True)
class Held:
    """A study subject: `(I, J, K)` manual mask, answer of the ensemble that did not learn it, mean answer of those that did."""

    manual: np.ndarray
    answer: np.ndarray
    learnt: np.ndarray
    learnt_dice: np.ndarray

    @cached_property
    def distance(self) -> np.ndarray:
        """In pixels, of every pixel to the nearest one on the other side of the manual outline, in its slice."""
        inside, outside = (
            np.stack([ndimage.distance_transform_edt(side[..., k]) for k in range(side.shape[2])], axis=2)
            for side in (self.manual, ~self.manual)
        )
        return np.where(self.manual.any(axis=(0, 1)), np.maximum(inside, outside), np.inf)

    @cached_property
    def structures(self) -> np.ndarray:
        """Pixels of the pieces of difference that reach further than `STRUCTURE_PIXELS` from the manual outline."""
        wrong = np.zeros_like(self.manual)
        for part in (self.answer & ~self.manual, self.manual & ~self.answer):
            for k in range(part.shape[2]):
                labels, n = ndimage.label(part[..., k], np.ones((3, 3)))
                reach = ndimage.maximum(self.distance[..., k], labels, np.arange(1, n + 1)) if n else []
                wrong[..., k] |= np.isin(labels, 1 + np.flatnonzero(np.asarray(reach) > STRUCTURE_PIXELS))
        return wrong

    def forgiven(self, where: np.ndarray) -> np.ndarray:
        """Dice of each slice as if the answer were right there."""
        return slice_dice(np.where(where, self.manual, self.answer), self.manual)

    def alone(self) -> np.ndarray:
        """Structure pixels that are not wrong in the same way in the slice before or behind."""
        out = np.zeros_like(self.manual)
        for part in (self.structures & self.answer, self.structures & self.manual):
            beside = np.zeros_like(part)
            beside[..., 1:] |= part[..., :-1]
            beside[..., :-1] |= part[..., 1:]
            out |= part & ~beside
        return out


def median_of_three(mask: np.ndarray) -> np.ndarray:
    votes = mask[..., :-2].astype(int) + mask[..., 1:-1] + mask[..., 2:]
    return np.concatenate([mask[..., :1], votes >= 2, mask[..., -1:]], axis=2)


def region(probability: np.ndarray) -> np.ndarray:
    return drop_small_pieces(probability >= 0.5)


def read_held(folds: Sequence[EnsembleTraining], members: Sequence[Sequence[Member]]) -> list[Held]:
    held = []
    cases = [(fold, case) for fold in folds for case in fold.group.held_out[: fold.group.n_study]]
    for fold, case in track(cases, "study subjects", console=Console(stderr=True)):
        t1w, manual = read_labelled(case)
        with np.load(fold.folder / PREDICTIONS / f"{case.case_id}.npz") as kept:
            mask = kept["mask"]
        answers = [probabilities(t1w, m)[0] for other, m in zip(folds, members, strict=True) if other is not fold]
        each = np.mean([slice_dice(region(answer), manual.data) for answer in answers], axis=0)
        held.append(Held(manual.data, mask, region(np.mean(answers, axis=0)), each))
    return held


def agreement(folds: Sequence[EnsembleTraining], members: Sequence[Sequence[Member]]) -> float:
    """Mean Dice per slice between the ensembles of two folds on the scans without masks."""
    dices = []
    for case in track(folds[0].unlabelled, "scans without masks", console=Console(stderr=True)):
        t1w = read_t1w(case)
        masks = [region(probabilities(t1w, each)[0]) for each in members]
        dices += [np.nanmean(slice_dice(a, b)) for a, b in itertools.combinations(masks, 2)]
    return float(np.mean(dices))


def rows(held: Sequence[Held]) -> list[tuple[str, float]]:
    def mean(of: Callable[[Held], np.ndarray]) -> float:
        return float(np.nanmean(np.concatenate([of(one) for one in held])))

    slices = np.sort(np.concatenate([slice_dice(one.answer, one.manual) for one in held]))
    slices = slices[~np.isnan(slices)]
    return [
        ("ensembles that did not learn the subject", float(slices.mean())),
        ("median slice", float(np.median(slices))),
        *((f"without the lowest {n} of {len(slices)} slices", float(slices[n:].mean())) for n in (10, 20, 30)),
        ("differences within one pixel of the manual outline forgiven", mean(lambda one: one.forgiven(one.distance <= 1))),
        ("whole structures forgiven", mean(lambda one: one.forgiven(one.structures))),
        ("only structures added", mean(lambda one: one.forgiven(one.structures & one.answer))),
        ("only structures missed", mean(lambda one: one.forgiven(one.structures & one.manual))),
        ("manual, one pixel outwards", mean(lambda one: slice_dice(ndimage.binary_dilation(one.manual, IN_PLANE), one.manual))),
        ("manual, one pixel inwards", mean(lambda one: slice_dice(ndimage.binary_erosion(one.manual, IN_PLANE), one.manual))),
        ("manual against its median over three slices", mean(lambda one: slice_dice(median_of_three(one.manual), one.manual))),
        ("ensembles that learnt the subject", mean(lambda one: one.learnt_dice)),
        ("share of structure pixels wrong in one slice alone", share(held, lambda one: one.alone())),
        ("share still wrong where the mask was learnt", share(held, lambda one: one.structures & (one.learnt == one.answer))),
    ]


def share(held: Sequence[Held], of: Callable[[Held], np.ndarray]) -> float:
    return sum(np.count_nonzero(of(one)) for one in held) / sum(np.count_nonzero(one.structures) for one in held)


def main() -> None:
    if "VHI_DATA" not in os.environ or len(sys.argv) != 2:
        sys.exit(__doc__)
    out = Path(sys.argv[1])
    budget = json.loads((out / FILE).read_text(encoding="utf-8"))
    plan = PLANS[budget["plan"]].with_steps(budget["steps"])
    labelled = find_labelled(Path(os.environ["VHI_DATA"]))
    folds = [EnsembleTraining(group, plan, out, labelled.unlabelled) for group in folds_of(labelled)]
    members = [fold.callables(fold.members()) for fold in folds]
    table = Table("what", "mean slice Dice")
    for what, value in (*rows(read_held(folds, members)), ("two folds on scans without masks", agreement(folds, members))):
        table.add_row(what, f"{value:.4f}")
    Console().print(table)


if __name__ == "__main__":
    main()
