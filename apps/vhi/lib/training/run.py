"""One ensemble as a list of jobs, in stages: teachers, their masks of unlabelled scans, students, measurement.

A job is a picklable callable without arguments that runs in a process of its own. It keeps what it did under the group's
folder, and finds it there when it is started again.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ..core.disease_region import Member, slice_dice
from ..core.volume import Mask, Volume
from ..files import write_atomically
from ..nets.fit import Slices, TrainedNetwork, fit, read_trained, seconds_per_step
from ..nets.recipes import Plan, Recipe
from ..nets.weights import member_of
from ..studies.labelled import Case
from .groups import Group
from .scans import probabilities, read_labelled, read_pseudo_labelled, region_of, write_pseudo_labels

PREDICTIONS = "predictions"
# of one held-out case: {"slice_dice": one per slice, "member_slice_dice": one such list per member}, None where both are empty
Measured = dict[str, Any]


@dataclass(frozen=True)
class Network:
    """One network to train, into `folder`; learns pseudo-labels when its recipe says so."""

    folder: Path
    recipe: Recipe
    seed: int
    group: Group
    unlabelled: tuple[Case, ...] = ()

    @property
    def name(self) -> str:
        """`fold0/member1`"""
        return f"{self.group.name}/{self.folder.name}"

    def __call__(self) -> None:
        multiple = self.recipe.multiple
        pseudo = [read_pseudo_labelled(self.folder.parent, case) for case in self.unlabelled]
        # of the held-out scans only the ordinary ones: the curve then ends near the number that is published
        held_out = [read_labelled(case) for case in self.group.held_out[: self.group.n_study]]
        fit(
            self.recipe, self.seed, Slices.of([read_labelled(case) for case in self.group.cases], multiple), self.folder,
            pseudo=Slices.of(pseudo, multiple) if pseudo else None,
            validation=Slices.of(held_out, multiple) if held_out else None,
        )  # fmt: skip

    def read(self) -> TrainedNetwork:
        return read_trained(self.folder, self.recipe)


@dataclass(frozen=True)
class Ensemble:
    """The networks of one group by a plan, under `out/<group>`."""

    group: Group
    plan: Plan
    out: Path
    unlabelled: tuple[Case, ...] = ()

    @property
    def folder(self) -> Path:
        return self.out / self.group.name

    def members(self) -> tuple[Network, ...]:
        return tuple(
            Network(self.folder / f"member{n}", recipe, n, self.group, self.unlabelled if recipe.pseudo else ())
            for n, recipe in enumerate(self.plan.members)
        )

    def teachers(self) -> tuple[Network, ...]:
        """The members that learn no masks of unlabelled scans."""
        return tuple(network for network in self.members() if not network.recipe.pseudo)

    def callables(self, networks: tuple[Network, ...]) -> list[Member]:
        """Trained networks as they are used."""
        return [member_of(network.read(), network.recipe.layout(), flip=self.plan.flip) for network in networks]

    def stages(self) -> Iterator[list[Callable[[], Any]]]:
        """Jobs that may run side by side, stage after stage; what is done already ends at once."""
        teachers = self.teachers()
        students = [network for network in self.members() if network not in teachers]
        yield list(teachers)
        if students:
            yield [self.label]
            yield list(students)
        if self.group.held_out:
            yield [self.measure]

    def label(self) -> None:
        """The teachers' masks of the unlabelled scans."""
        # labels are made once and learnt often: mirror images cost nothing here
        write_pseudo_labels(
            self.folder, self.unlabelled, [member_of(network.read(), network.recipe.layout()) for network in self.teachers()]
        )

    def measure(self) -> dict[str, Measured]:
        """2-D Dice of every held-out scan on its own grid, by the ensemble and by each member; keeps the ensemble's answer.

        `predictions/<id>.npz` receives `probability`, the mean of the members as float16, and `mask`, both `(I, J, K)`.
        """
        members = self.callables(self.members())
        measured: dict[str, Measured] = {}
        for case in self.group.held_out:
            t1w, truth = read_labelled(case)
            measured[case.case_id], mean, region = measure_case(t1w, truth, members)
            content = io.BytesIO()
            np.savez_compressed(content, probability=mean.astype(np.float16), mask=region.data)
            path = self.folder / PREDICTIONS / f"{case.case_id}.npz"
            path.parent.mkdir(parents=True, exist_ok=True)
            write_atomically(path, content.getvalue())
        return measured


@dataclass(frozen=True)
class Pace:
    """CPU seconds of a training step by a recipe, tried on some labelled scans."""

    recipe: Recipe
    cases: tuple[Case, ...]

    def __call__(self) -> float:
        slices = Slices.of([read_labelled(case) for case in self.cases], self.recipe.multiple)
        return seconds_per_step(self.recipe, slices, slices if self.recipe.pseudo else None)


def measure_case(t1w: Volume, truth: Mask, members: Sequence[Member]) -> tuple[Measured, np.ndarray, Mask]:
    """2-D Dice of one scan by an ensemble and by each member, the `(I, J, K)` mean probability, and the ensemble's region."""
    each = probabilities(t1w, members)
    mean: np.ndarray = np.mean(each, axis=0)
    region = region_of(mean, t1w)
    measured = {
        "slice_dice": plain_dice(slice_dice(region.data, truth.data)),
        "member_slice_dice": [plain_dice(slice_dice(region_of(one, t1w).data, truth.data)) for one in each],
    }
    return measured, mean, region


def plain_dice(dices: np.ndarray) -> list[float | None]:
    return [None if np.isnan(dice) else round(float(dice), 4) for dice in dices]
