"""Is the candidate ensemble no worse than the live one? Paired, on the hold-out and on phantoms."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from .config import TrainConfig

HOLDOUT, SENTINEL = "hold-out", "phantoms"


@dataclass(frozen=True)
class Pair:
    """3-D Dice of one case by both ensembles: slices at the ends of a stack, which hold little bone, do not sway it."""

    what: str
    case_id: str
    live: float
    candidate: float

    @property
    def gain(self) -> float:
        return self.candidate - self.live


@dataclass(frozen=True)
class Decision:
    """Whether the candidate is published, and why; `compared` tells per set the number of cases and the mean and worst gain."""

    accepted: bool
    reasons: tuple[str, ...]
    compared: dict[str, Any]
    pairs: tuple[Pair, ...]

    def as_dict(self) -> dict[str, Any]:
        """Plain values, for the manifest."""
        return {
            "accepted": self.accepted,
            "reasons": list(self.reasons),
            "compared": self.compared,
            "cases": [asdict(pair) for pair in self.pairs],
        }


def decide(pairs: Sequence[Pair], config: TrainConfig) -> Decision:
    """Accept where no set's mean falls by more than its margin, and no case by more than `train_worst`.

    Labels that nobody checked need a hold-out: phantoms alone do not tell networks that learnt labels shifted by some pixels
    (docs/retraining.md).

    Parameters
    ----------
    pairs : sequence of Pair
        At least one.
    """
    reasons: list[str] = []
    compared: dict[str, Any] = {}
    for what, margin in ((HOLDOUT, config.train_margin), (SENTINEL, config.train_sentinel_margin)):
        gains = np.array([pair.gain for pair in pairs if pair.what == what])
        if not len(gains):
            continue
        mean = float(gains.mean())
        compared[what] = {
            "cases": len(gains),
            "margin": margin,
            "mean_gain": round(mean, 5),
            "worst": round(float(gains.min()), 5),
        }
        if mean < -margin:
            reasons.append(f"On the {what} its mean Dice is {-mean:.4f} below that of the live version; {margin:g} is allowed.")
    if HOLDOUT not in compared and not config.train_quarantine:
        reasons.append(
            "The quarantine is off and no case is held out, and phantoms alone cannot tell misplaced labels; "
            "switch the quarantine on, or let more cases be read."
        )
    for pair in pairs:
        if pair.gain < -config.train_worst:
            reasons.append(
                f"On case {pair.case_id} of the {pair.what} its Dice is {pair.candidate:.3f}, the live version's "
                f"{pair.live:.3f}; a fall of {config.train_worst:g} is allowed."
            )
    return Decision(bool(pairs) and not reasons, tuple(reasons), compared, tuple(pairs))
