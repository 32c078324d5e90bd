"""Questions to the service and its answers: plain values, on the grid of the series that was asked for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ..core.volume import Grid
from ..errors import SettingsError
from .conduct import ConductRules

ORDERS = ("first", "random", "uncertain", "diverse", "review")

Voxel = tuple[int, int, int]


@dataclass(frozen=True)
class ServiceConfig:
    """How a study is run.

    Parameters
    ----------
    blinded : bool
        Cases are known by aliases and offered in an order that is random but fixed for each reader.
    seed : int
        Of the aliases and orders of a blinded study.
    several_readers : bool
        Every reader is offered every case; else a case goes to one reader.
    hide_others : bool
        Of the results in an archive, and of earlier visits, a reader sees their own alone.
    language : str
        Of the words in the browser panel and the worklist, by its code (ISO 639-1).
    lease_minutes : float
        How long a case that was offered to one reader is kept from others.
    loaded_cases, kept_results : int
        How many pairs of scans and how many measurements stay in memory.
    washout_days, adjudicate_above : float
    adjudicators, calibration, calibration_reader : str
        See `lib.service.conduct.ConductRules`; names divided by commas.
    """

    blinded: bool = False
    seed: int = 0
    several_readers: bool = False
    hide_others: bool = False
    language: str = "en"
    lease_minutes: float = 120.0
    loaded_cases: int = 4
    kept_results: int = 8
    washout_days: float = 0.0
    adjudicate_above: float = 0.0
    adjudicators: str = ""
    calibration: str = ""
    calibration_reader: str = ""

    @property
    def conduct(self) -> ConductRules:
        """When readers may read which case."""
        adjudicators, calibration = (
            tuple(name for part in text.split(",") if (name := part.strip())) for text in (self.adjudicators, self.calibration)
        )
        return ConductRules(self.washout_days, self.adjudicate_above, adjudicators, calibration, self.calibration_reader.strip())

    def __post_init__(self) -> None:
        self.conduct.check(self.several_readers)
        if not 0 < self.lease_minutes <= 7 * 24 * 60:
            raise SettingsError(f"lease_minutes is {self.lease_minutes}; it must be above 0 and at most a week.")
        if self.loaded_cases < 1 or self.kept_results < 1:
            raise SettingsError("loaded_cases and kept_results must be at least 1.")


@dataclass(frozen=True, eq=False)
class Answer:
    """Labels for a viewer and facts for a reader.

    Parameters
    ----------
    labels : (I, J, K) uint8 array
        On `grid`, the grid of the series asked for.
    names : mapping
        Segment name to value, the values that are present, rising; of an empty map the name that would be.
    facts : mapping
        Ready for JSON. Always `case`, `warnings` and `messages` (lists of sentences).
    """

    labels: np.ndarray
    names: Mapping[str, int]
    grid: Grid
    facts: Mapping[str, Any] = field(repr=False)


@dataclass(frozen=True, eq=False)
class RegionAnswer(Answer):
    """The automatic disease region; facts: `source`, `model_version`, `member_disagreement`, `entropy`,
    `disagreement_rank`, `voxels`, `mm3`."""


@dataclass(frozen=True, eq=False)
class NormalBoneAnswer(Answer):
    """The automatic proposal of normal bone; facts: `model_version` of its disease region, `voxels`, `mm3`, `slices`."""


@dataclass(frozen=True, eq=False)
class VhiAnswer(Answer):
    """A measurement; facts: the content of `vhi.json` (thresholds, voxels, vhi_mm3, stability, lesions, ...) and `used`.

    `used` tells, for `normal bone` and `disease region`, where each came from.
    """


@dataclass(frozen=True, eq=False)
class CleanAnswer(VhiAnswer):
    """A measurement of what was not removed by clicks; facts: those of VhiAnswer and `changes` (lesions kept and removed)."""


def names_present(labels: np.ndarray, names: Mapping[str, int]) -> dict[str, int]:
    """The names whose value occurs in `labels`, `(I, J, K)` whole numbers, by value; the first name alone where none does."""
    present = {name: value for name, value in sorted(names.items(), key=lambda item: item[1]) if (labels == value).any()}
    return present or dict(sorted(names.items(), key=lambda item: item[1])[:1])
