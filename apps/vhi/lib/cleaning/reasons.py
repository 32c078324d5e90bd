"""Why a lesion is kept or removed, in words: what speaks most for the decision, of all that the lesion's own numbers bear out."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from .features import FEATURES

Numbers = Mapping[str, float]


@dataclass(frozen=True)
class ProposalReason:
    """A cause in words: the features whose part in the model's answer counts for it, and when it may be named at all."""

    words: str
    features: tuple[str, ...]
    holds: Callable[[Numbers], bool]


ABOVE_L4_5 = "above the L4/5 disc"
REMOVE: tuple[ProposalReason, ...] = (
    ProposalReason(
        "vessel-like",
        ("elongation", "flatness", "thickness", "solidity", "slices", "size"),
        lambda f: f["elongation"] >= 2.0 and f["thickness"] <= 2.0,
    ),
    ProposalReason(
        "joint space",
        ("joint_nearest", "subchondral", "joint", "t1w_darkest", "t1w"),
        lambda f: f["joint"] <= 3.0 and f["joint_nearest"] <= 0.7,
    ),
    ProposalReason(ABOVE_L4_5, ("level", "height", "midline"), lambda f: f["level"] >= 1.5),
    ProposalReason(
        "foramen",
        ("outside", "depth", "depth_nearest", "midline", "height"),
        lambda f: f["outside"] >= 1.0 and f["depth_nearest"] <= 1.5 and f["midline"] <= 40.0 and f["joint"] > 10.0,
    ),
    ProposalReason(
        "artefact-like",
        ("front", "mirrored", "slices", "continued", "solidity", "peak"),
        lambda f: f["slices"] <= 1.0 and (not -0.1 <= f["front"] <= 1.2 or f["solidity"] <= 0.0),
    ),
    ProposalReason(
        "outside subchondral bone",
        ("joint", "joint_nearest", "subchondral", "iliac", "midline", "front"),
        lambda f: f["joint_nearest"] > 4.0,
    ),
    ProposalReason(
        "faint and diffuse",
        ("brightness", "peak", "conservative", "contrast", "crowding", "t1w", "t1w_contrast"),
        lambda f: f["brightness"] < 1.3,
    ),
)
KEEP: tuple[ProposalReason, ...] = (
    ProposalReason(
        "beside the joint", ("joint", "joint_nearest", "subchondral", "iliac", "front", "height"), lambda f: f["joint"] <= 12.0
    ),
    ProposalReason(
        "bright against the marrow", ("brightness", "peak", "conservative", "contrast"), lambda f: f["contrast"] >= 1.5
    ),
    ProposalReason("dark on T1W", ("t1w", "t1w_darkest", "t1w_contrast"), lambda f: f["t1w"] < 1.0),
    ProposalReason(
        "large and solid",
        ("size", "slices", "continued", "thickness", "solidity", "elongation", "crowding"),
        lambda f: f["size"] >= 2.0,
    ),
    ProposalReason(
        "spine at the level of the sacrum",
        ("level", "height", "midline", "mirrored", "depth", "outside"),
        lambda f: f["joint"] > 12.0,
    ),
)
NO_KEEP, NO_REMOVE = "like lesions that readers kept", "like lesions that readers removed"


def reasons_of(
    features: np.ndarray, contributions: np.ndarray, keep: np.ndarray, above_l4_5: np.ndarray | None = None
) -> tuple[str, ...]:
    """The main reason of each decision.

    Parameters
    ----------
    features, contributions : (lesions, len(FEATURES)) arrays
        See `lesion_features` and `Forest.contributions`.
    keep : (lesions,) bool array
    above_l4_5 : (lesions,) bool array, optional
        Lesions removed for where they lie, whatever they look like.
    """
    names = list(FEATURES)
    there = np.zeros(len(keep), dtype=bool) if above_l4_5 is None else above_l4_5
    return tuple(
        ABOVE_L4_5 if above else _reason(dict(zip(names, numbers, strict=True)), dict(zip(names, moved, strict=True)), bool(kept))
        for numbers, moved, kept, above in zip(features.tolist(), contributions.tolist(), keep, there, strict=True)
    )


def _reason(numbers: Numbers, moved: Numbers, kept: bool) -> str:
    possible: Sequence[ProposalReason] = KEEP if kept else REMOVE
    sign = 1.0 if kept else -1.0
    reasons = [
        (sign * sum(moved[name] for name in reason.features), reason.words) for reason in possible if reason.holds(numbers)
    ]
    strength, words = max(reasons, default=(0.0, ""))
    return words if strength > 0 else (NO_KEEP if kept else NO_REMOVE)
