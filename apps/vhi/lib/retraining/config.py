"""What a site decides once about retraining, and what is asked for each time."""

from __future__ import annotations

from dataclasses import dataclass

from ..errors import SettingsError

KEEP = ("auto", "replay", "pull", "none")


@dataclass(frozen=True)
class TrainConfig:
    """How a site retrains.

    Parameters
    ----------
    train_seniors : str
        Readers' names, most senior first, divided by commas: of two readers' labels of a case the more senior one's is learnt.
        Who is not named comes after all who are; among equals the newest label counts.
    train_holdout : float
        Share of the patients that no version ever learns. A patient whose side was written down stays there.
    train_margin, train_sentinel_margin : float
        By how much the mean 3-D Dice of a new version may lie below the live one's on the hold-out, and on the phantoms.
    train_worst : float
        By how much that of any single case may.
    train_quarantine : bool
        Whether labels are checked before they are learnt.
    train_jobs : int
        Networks trained at a time, one thread each.
    train_replay : int
        How many of the cases that the live version learnt are learnt again at most.
    """

    train_seniors: str = ""
    train_holdout: float = 0.2
    train_margin: float = 0.005
    train_sentinel_margin: float = 0.02
    train_worst: float = 0.05
    train_quarantine: bool = True
    train_jobs: int = 1
    train_replay: int = 40

    def __post_init__(self) -> None:
        if not 0 <= self.train_holdout <= 0.5:
            raise SettingsError(f"train_holdout is {self.train_holdout}; it is a share of the patients, 0 to 0.5.")
        if min(self.train_margin, self.train_sentinel_margin, self.train_worst) < 0:
            raise SettingsError("train_margin, train_sentinel_margin and train_worst are differences of Dice, 0 or more.")
        if self.train_jobs < 1 or self.train_replay < 0:
            raise SettingsError("train_jobs must be at least 1, train_replay 0 or more.")

    def seniors(self) -> tuple[str, ...]:
        """Readers' names, most senior first."""
        return tuple(filter(None, (name.strip() for name in self.train_seniors.split(","))))


@dataclass(frozen=True)
class TrainOptions:
    """What is asked of one session.

    Parameters
    ----------
    steps, epochs, minutes : number, optional
        Budget, at most one of them: steps of each network, its passes over the new labels, or wall clock of all networks
        together, turned into steps by trying some.
    learning_rate : float, optional
    scratch : bool
        Start from random weights in place of the live version's, and learn all labelled cases alike.
    seed : int
    keep : str
        What keeps the networks from forgetting: `replay` of labelled cases that the live version learnt, a `pull` towards its
        weights, `none`; `auto` is replay where the site has such cases, else the pull.
    """

    steps: int | None = None
    epochs: float | None = None
    minutes: float | None = None
    learning_rate: float | None = None
    scratch: bool = False
    seed: int = 0
    keep: str = "auto"

    def __post_init__(self) -> None:
        given = {name: n for name in ("steps", "epochs", "minutes") if (n := getattr(self, name)) is not None}
        if len(given) > 1:
            raise SettingsError(f"{' and '.join(given)} were given; choose one budget.")
        for name, value in {**given, "learning_rate": self.learning_rate}.items():
            if value is not None and not 0 < value < 1e6:
                raise SettingsError(f"{name} is {value}; it must be above 0.")
        if not 0 <= self.seed < 2**31:
            raise SettingsError(f"seed is {self.seed}; it is a whole number from 0.")
        if self.keep not in KEEP:
            raise SettingsError(f"keep is {self.keep!r}; it must be one of {', '.join(KEEP)}.")
