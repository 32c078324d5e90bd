"""One ensemble as a list of jobs, in stages: teachers, their masks of unlabelled scans, students, measurement.

The jobs keep what they did under the group's folder; see `network_training`.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from ..core.disease_region import Member, slice_dice
from ..core.protocol import Ensemble as Members
from ..core.volume import Mask, Volume
from ..files import write_atomically
from ..nets.cpu import training_dtype
from ..nets.fit import Slices, TrainedNetwork, fit, seconds_per_step
from ..nets.recipes import Plan, Recipe
from ..nets.weights import member_of
from ..studies.labelled import LabelledCase
from .groups import Group
from .initial_weights import Start
from .network_training import NetworkTraining
from .other import read_other, write_other_labels
from .scans import probabilities, read_labelled, read_pseudo_labelled, read_t1w, region_of, write_pseudo_labels

PREDICTIONS = "predictions"
# of one held-out case: {"slice_dice": one per slice, "member_slice_dice": one such list per member}, None where both are empty
Measured = dict[str, Any]


@dataclass(frozen=True)
class Network(NetworkTraining):
    """One network of a group; learns pseudo-labels when its recipe says so."""

    group: Group
    unlabelled: tuple[LabelledCase, ...] = ()
    start: Start | None = None
    plan: Plan | None = None

    @property
    def name(self) -> str:
        """`fold0/member1`"""
        return f"{self.group.name}/{self.folder.name}"

    def __call__(self) -> None:
        multiple = self.recipe.multiple
        if self.recipe.other_only:
            fit(replace(self.recipe, other=0), self.seed, self._other(multiple), self.folder, start=self._start())
            return
        pseudo = [read_pseudo_labelled(self.folder.parent, case) for case in self.unlabelled]
        # of the held-out scans only the ordinary ones: the curve then ends near the number that is published
        held_out = [read_labelled(case) for case in self.group.held_out[: self.group.n_study]]
        fit(
            self.recipe, self.seed, Slices.of([read_labelled(case) for case in self.group.cases], multiple), self.folder,
            pseudo=Slices.of(pseudo, multiple) if pseudo else None,
            other=self._other(multiple) if self.recipe.other else None,
            validation=Slices.of(held_out, multiple) if held_out else None,
            start=self._start(),
        )  # fmt: skip

    def _other(self, multiple: int) -> Slices:
        scans, ignored, dark = [], [], []
        for case in self.group.other:
            t1w, labels = read_other(self.folder.parent, case)
            scans.append((t1w, labels.mask))
            ignored.append(labels.ignored)
            dark.append(labels.dark)
        return Slices.of(scans, multiple, ignored, self.recipe.pixel_spacing_mm, dark if self.recipe.readings else ())

    def _start(self) -> TrainedNetwork | None:
        networks = () if self.start is None or self.plan is None else self.start.networks(self.group, self.plan)
        return networks[self.seed] if networks else None


@dataclass(frozen=True)
class EnsembleTraining:
    """The networks of one group by a plan, under `out/<group>`; with `folds` those of these, and none of its own."""

    group: Group
    plan: Plan
    out: Path
    unlabelled: tuple[LabelledCase, ...] = ()
    start: Start | None = None
    folds: tuple[EnsembleTraining, ...] = ()

    @property
    def folder(self) -> Path:
        return self.out / self.group.name

    def members(self) -> tuple[Network, ...]:
        if self.folds:
            return tuple(network for fold in self.folds for network in fold.members())
        return tuple(
            Network(
                self.folder / f"member{n}", recipe, n, self.group, self.unlabelled if recipe.pseudo else (), self.start, self.plan
            )
            for n, recipe in enumerate(self.plan.members)
        )

    def learnt(self) -> tuple[LabelledCase, ...]:
        """The labelled scans that its networks learn, those of other scanners among them."""
        if self.folds:
            return tuple(dict.fromkeys(case for fold in self.folds for case in fold.learnt()))
        other = self.group.other if any(recipe.other for recipe in self.plan.members) else ()
        return other if all(recipe.other_only for recipe in self.plan.members) else self.group.cases + other

    def measured_on(self) -> tuple[LabelledCase, ...]:
        """The held-out scans that are of those that its networks are for."""
        return self.group.held_out_other if self.plan.kind else self.group.held_out

    def teachers(self) -> tuple[Network, ...]:
        """The members that learn no masks of unlabelled scans."""
        return tuple(network for network in self.members() if not network.recipe.pseudo)

    def callables(self, networks: tuple[Network, ...]) -> Members:
        """Trained networks as they are used."""
        return Members([network.member(flip=self.plan.flip) for network in networks], pixel_spacing_mm=self.plan.pixel_spacing_mm)

    def stages(self) -> Iterator[list[Callable[[], Any]]]:
        """Jobs that may run side by side, stage after stage; what is done already ends at once."""
        teachers = self.teachers()
        students = [network for network in self.members() if network not in teachers]
        if any(recipe.other for recipe in self.plan.members):
            yield [self.label_other]
        yield list(teachers)
        if students:
            yield [self.label]
            yield list(students)
        if self.measured_on():
            yield [self.measure]

    def label(self) -> None:
        """The teachers' masks of the unlabelled scans."""
        # labels are made once and learnt often: mirror images cost nothing here
        write_pseudo_labels(self.folder, self.unlabelled, [network.member() for network in self.teachers()])

    def label_other(self) -> None:
        """Write the labels that are learnt of other scanners' scans, with the bone that the start networks find there."""
        held_out = self.group.held_out_other if self.plan.kind else ()
        write_other_labels(self.folder, (*self.group.other, *held_out), self._start_members)

    def _start_members(self) -> Sequence[Member]:
        # networks for scans of that scanner alone learn what its labels say, no more
        if self.plan.kind:
            return ()
        networks = () if self.start is None else self.start.networks(self.group, self.plan)
        # frames of other scanners are large, and what is ignored need not be exact
        members = zip(networks, self.plan.members, strict=False)
        return [member_of(net, recipe.layout(), flip=False, dtype=training_dtype()) for net, recipe in members]

    def measure(self) -> dict[str, Measured]:
        """2-D Dice of every held-out scan on its own grid, by the ensemble and by each member; keeps the ensemble's answer.

        Of scans of another scanner where their labels say what is region and what is not.

        `predictions/<id>.npz` receives `probability`, the mean of the members as float16, and `mask`, both `(I, J, K)`.
        """
        members = self.callables(self.members())
        measured: dict[str, Measured] = {}
        for case in self.measured_on():
            if self.plan.kind:
                t1w, (truth, ignored, _) = read_other(self.folder, case)
            else:
                (t1w, truth), ignored = read_labelled(case), None
            measured[case.case_id], mean, region = measure_case(t1w, truth, members, ignored)
            content = io.BytesIO()
            np.savez_compressed(content, probability=mean.astype(np.float16), mask=region.data)
            path = self.folder / PREDICTIONS / f"{case.case_id}.npz"
            path.parent.mkdir(parents=True, exist_ok=True)
            write_atomically(path, content.getvalue())
        return measured


@dataclass(frozen=True)
class Pace:
    """CPU seconds of a training step by a recipe, tried on some of the scans that it learns."""

    recipe: Recipe
    cases: tuple[LabelledCase, ...]

    def __call__(self) -> float:
        recipe = replace(self.recipe, other=0, readings=False)
        # what the masks are costs nothing
        t1ws = [read_t1w(case) for case in self.cases]
        scans = [(t1w, Mask(np.zeros(t1w.grid.shape, dtype=bool), t1w.grid)) for t1w in t1ws]
        slices = Slices.of(scans, recipe.multiple, pixel_spacing_mm=recipe.pixel_spacing_mm)
        return seconds_per_step(recipe, slices, slices if recipe.pseudo else None)


def measure_case(
    t1w: Volume, truth: Mask, members: Sequence[Member], ignored: np.ndarray | None = None
) -> tuple[Measured, np.ndarray, Mask]:
    """2-D Dice of one scan by an ensemble and by each member, the `(I, J, K)` mean probability, and the ensemble's region.

    What is `ignored`, `(I, J, K)` bool, is taken out of both masks.
    """
    mean, each = probabilities(t1w, members)
    region = region_of(mean, t1w)

    def dices(answer: Mask) -> list[float | None]:
        if ignored is None:
            return plain_dice(slice_dice(answer.data, truth.data))
        return plain_dice(slice_dice(answer.data & ~ignored, truth.data & ~ignored))

    measured = {"slice_dice": dices(region), "member_slice_dice": [dices(region_of(member, t1w)) for member in each]}
    return measured, mean, region


def plain_dice(dices: np.ndarray) -> list[float | None]:
    """`(K,)` Dice as floats of four decimals; None for `nan`, where a slice has neither mask."""
    return [None if np.isnan(dice) else round(float(dice), 4) for dice in dices]
