"""How a study is run: what `--set` and `--conf` say of the service."""

from __future__ import annotations

from dataclasses import dataclass

from ..errors import SettingsError
from .conduct import ConductRules


@dataclass(frozen=True)
class StudyConfig:
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
