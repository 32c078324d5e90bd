"""The training of one network: of an ensemble from random weights, or of one that learns what readers corrected."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from pathlib import Path

from ..core.disease_region import Member
from ..nets.fit import Progress, TrainedNetwork, last_progress, read_curve, read_trained
from ..nets.recipes import Recipe
from ..nets.weights import member_of


@dataclass(frozen=True)
class NetworkTraining(ABC):
    """A job, see `process_pool`, that trains one network by a recipe and a seed into a folder, or goes on there."""

    folder: Path
    recipe: Recipe
    seed: int

    @property
    def name(self) -> str:
        """`member1`"""
        return self.folder.name

    @abstractmethod
    def __call__(self) -> None:
        """Read what is learnt, and train."""

    def curve(self) -> list[Progress]:
        return read_curve(self.folder)

    def progress(self) -> Progress | None:
        return last_progress(self.folder)

    def read(self) -> TrainedNetwork:
        return read_trained(self.folder, self.recipe)

    def member(self, *, flip: bool = True) -> Member:
        """The trained network as a callable."""
        return member_of(self.read(), self.recipe.layout(), flip=flip)


class NewReports:
    """The reports of a training since the last look at it."""

    def __init__(self) -> None:
        self._seen: dict[str, int] = {}

    def __call__(self, training: NetworkTraining) -> list[Progress]:
        curve = training.curve()
        first, self._seen[training.name] = self._seen.get(training.name, 0), len(curve)
        return curve[first:]
