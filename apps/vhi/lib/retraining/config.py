"""Settings of retraining: those that a site decides once, and those of each session."""

from __future__ import annotations

from dataclasses import dataclass

from ..errors import SettingsError

KEEP = ("auto", "replay", "pull", "none")
# from, to: what makes sense, and what a typing error does not reach
RANGES: dict[str, tuple[float, float]] = {
    "steps": (1, 100_000),
    "epochs": (0.01, 10_000),
    "minutes": (0.1, 10_080),
    "learning_rate": (1e-7, 0.1),
    "seed": (0, 2**31 - 1),
    "train_holdout": (0, 0.5),
    "train_margin": (0, 1),
    "train_sentinel_margin": (0, 1),
    "train_worst": (0, 1),
    "train_jobs": (1, 256),
    "train_replay": (0, 100_000),
}


def _check_ranges(config: object) -> None:
    """Refuse a number outside of its range, in a sentence that names it."""
    for name, (low, high) in RANGES.items():
        value = getattr(config, name, None)
        if value is not None and not low <= value <= high:
            raise SettingsError(f"{name} is {value}; it must be from {_plain(low)} to {_plain(high)}.")


def _plain(number: float) -> str:
    return f"{number:,.0f}" if number >= 1000 else f"{number:g}"


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
    train_gain : float
        Where nobody is held out: by how much the mean 3-D Dice of patients who are left out in turn must rise.
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
    train_gain: float = 0.005
    train_quarantine: bool = True
    train_jobs: int = 1
    train_replay: int = 40

    def __post_init__(self) -> None:
        _check_ranges(self)

    def seniors(self) -> tuple[str, ...]:
        """Readers' names, most senior first."""
        return tuple(filter(None, (name.strip() for name in self.train_seniors.split(","))))


@dataclass(frozen=True)
class TrainOptions:
    """Options of one session.

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
        _check_ranges(self)
        if self.keep not in KEEP:
            raise SettingsError(f"keep is {self.keep!r}; it must be one of {', '.join(KEEP)}.")
