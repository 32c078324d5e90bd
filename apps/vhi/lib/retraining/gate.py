"""Is the candidate ensemble good enough to go live? Paired, against the live version and the best one that ever was live here."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from .config import TrainConfig
from .phantom_regression import PROTOCOLS

HOLDOUT, PHANTOMS, LEFT_OUT = "hold-out", "phantoms", "patients left out in turn"
# judged beside all phantoms: what is gained on those of other protocols makes up for no loss on these
LIKE_STUDY = "phantoms like the study's scans"
# standard errors of a one-sided 95% limit
ROOM = 1.645
# a kind of scans that is new to the networks gains this much on each patient, or is not worth networks of its own
KIND_GAIN = 0.05


@dataclass(frozen=True)
class DicePair:
    """3-D Dice of one case by both ensembles: slices at the ends of a stack, which hold little bone, do not sway it."""

    what: str
    case_id: str
    live: float
    candidate: float

    @property
    def gain(self) -> float:
        return self.candidate - self.live


@dataclass(frozen=True)
class Best:
    """The version with the highest mean Dice, among all that ever were live here, on the cases of one set; its Dice by case."""

    version: str
    dices: Mapping[str, float]


@dataclass(frozen=True)
class Decision:
    """Whether the candidate is published, and why.

    Parameters
    ----------
    reasons : tuple of str
        Why not; empty where it is.
    compared : dict
        By set the number of cases, margin, mean and worst gain over the live version, how far below that the gain on all such
        scans may lie (`room`), and the same of the best version.
    findings : tuple of str
        What was measured, in sentences.
    reader_reasons : tuple of str
        `reasons` as readers, who may read blinded, are told them: they name no case and no submission. Empty where `reasons` do
        not either.
    """

    accepted: bool
    reasons: tuple[str, ...]
    compared: dict[str, Any]
    pairs: tuple[DicePair, ...]
    findings: tuple[str, ...] = ()
    reader_reasons: tuple[str, ...] = ()

    @property
    def for_readers(self) -> tuple[str, ...]:
        """Why not, without the name of any case or submission."""
        return self.reader_reasons or self.reasons

    def as_dict(self) -> dict[str, Any]:
        """Plain values, for the manifest."""
        return {
            "accepted": self.accepted,
            "reasons": list(self.reasons),
            "findings": list(self.findings),
            "compared": self.compared,
            "cases": [asdict(pair) for pair in self.pairs],
        }


def decide(
    pairs: Sequence[DicePair],
    config: TrainConfig,
    best: Mapping[str, Best] | None = None,
    *,
    new_kind: bool = False,
    learnt_here: bool = True,
) -> Decision:
    """Accept where every set allows it.

    - Hold-out, phantoms, and those phantoms that are like the study's scans: the mean lies no more than the margin below that of
      the live version, and no more than the margin below that of the best version that ever was live here. Losses that lie
      within the margin each cannot add up beyond it.
    - Few cases stand for all such scans: by its one-sided 95% limit, too, the loss on the hold-out and on phantoms like the
      study's is no more than the larger margin. The standard deviation is that within both, since one alone may be a single case.
    - Where nobody is held out: the mean of patients who were left out in turn rises by `train_gain` or more (for a kind of scans
      that is new to the networks, each one's by 0.05), and that of the phantoms does not fall at all.
    - No case falls by more than `train_worst`.

    Parameters
    ----------
    pairs : sequence of DicePair
        At least one.
    best : mapping, optional
        By set.
    new_kind : bool
        Whether the candidate has networks for a kind of scans that the live version does not know.
    learnt_here : bool
        Whether it learnt labels of this site: networks from elsewhere cannot have learnt misplaced ones, and nobody can be left
        out.
    """
    reasons: list[str] = []
    findings: list[str] = []
    compared: dict[str, Any] = {}
    held_out = any(pair.what == HOLDOUT for pair in pairs) or not learnt_here
    sentinel = config.train_sentinel_margin if held_out else 0.0
    margins = {HOLDOUT: config.train_margin, PHANTOMS: sentinel, LIKE_STUDY: sentinel}
    bound = max(config.train_margin, config.train_sentinel_margin)
    measured = {case_set: {pair.case_id: pair for pair in pairs if pair.what == case_set} for case_set in (HOLDOUT, PHANTOMS)}
    chosen = {
        name: [own[case_id] for case_id in ids]
        for case_set, own in measured.items()
        for name, ids in sets_of(case_set, own).items()
    }
    over_live = {case_set: np.array([pair.gain for pair in own]) for case_set, own in chosen.items()}
    over_best = {
        case_set: np.array([pair.candidate - best[case_set].dices[pair.case_id] for pair in own])
        for case_set, own in chosen.items()
        if best and case_set in best
    }
    for case_set, gains in over_live.items():
        facts: dict[str, Any] = {"cases": len(gains), "margin": margins[case_set], **_gain(case_set, over_live)}
        facts["worst"] = round(float(gains.min()), 5)
        if best and case_set in best:
            against = _gain(case_set, over_best)
            facts |= {"best": best[case_set].version, "gain_over_best": against["mean_gain"]}
            facts |= {"room_over_best": against["room"]} if "room" in facts else {}
        compared[case_set] = facts
        findings.append(_sentence(case_set, facts))
        reasons += _below(case_set, facts, bound)
    if not held_out:
        reasons += _without_holdout([pair for pair in pairs if pair.what == LEFT_OUT], config, compared, new_kind)
    named, counted = _falls(pairs, config.train_worst)
    for_readers = (*reasons, *counted)
    reasons += named
    return Decision(bool(pairs) and not reasons, tuple(reasons), compared, tuple(pairs), tuple(findings), for_readers)


def _falls(pairs: Sequence[DicePair], allowed: float) -> tuple[list[str], list[str]]:
    """Sentences about cases whose Dice falls by more than is allowed: case by case, and without their names."""
    fell = [pair for pair in pairs if pair.gain < -allowed]
    named = [
        f"On case {pair.case_id} of the {pair.what} its Dice is {pair.candidate:.3f}, the live version's {pair.live:.3f}; "
        f"a fall of {allowed:g} is allowed."
        for pair in fell
    ]
    cases = "1 case" if len(fell) == 1 else f"{len(fell)} cases"
    counted = [f"On {cases} its Dice is below that of the live version by more than the {allowed:g} that is allowed."]
    return named, counted if fell else []


def sets_of(case_set: str, case_ids: Iterable[str]) -> dict[str, tuple[str, ...]]:
    """The cases of a set that was measured, and of phantoms those like the study's scans once more; no empty set."""
    own = tuple(case_ids)
    like = tuple(case_id for case_id in own if case_id.removeprefix("phantom-") not in PROTOCOLS)
    sets = {case_set: own, LIKE_STUDY: like if case_set == PHANTOMS and len(like) < len(own) else ()}
    return {name: ids for name, ids in sets.items() if ids}


def _gain(name: str, sets: Mapping[str, np.ndarray]) -> dict[str, float]:
    """Mean gain of a set, and how far below that the gain on all such scans may lie where those of the set are alike."""
    gain = {"mean_gain": round(float(sets[name].mean()), 5)}
    alike = {name: gains for name, gains in sets.items() if name != PHANTOMS or LIKE_STUDY not in sets}
    if name not in alike:
        return gain
    free = sum(len(gains) - 1 for gains in alike.values())
    variance = sum(float(((gains - gains.mean()) ** 2).sum()) for gains in alike.values()) / max(free, 1)
    return gain | {"room": round(ROOM * float(np.sqrt(variance / len(sets[name]))), 5)}


def _below(name: str, facts: Mapping[str, Any], bound: float) -> list[str]:
    known = [(facts["mean_gain"], facts.get("room", 0.0), "the live version")]
    if "best" in facts:
        room = facts.get("room_over_best", 0.0)
        known.append((facts["gain_over_best"], room, f"{facts['best']}, the best version that was live here"))
    for gain, _, other in known:
        if gain < -facts["margin"]:
            return [f"On the {name} its mean Dice is {-gain:.4f} below that of {other}; {facts['margin']:g} is allowed."]
    for gain, room, other in known:
        if gain - room < -bound:
            return [
                f"On the {name} its mean Dice is {abs(gain):.4f} {'above' if gain > 0 else 'below'} that of {other}; gains "
                f"differ so much between so few cases that it may be {room - gain:.4f} below on other scans; "
                f"{bound:g} is allowed."
            ]
    return []


def _sentence(name: str, facts: Mapping[str, Any]) -> str:
    gain, cases = facts["mean_gain"], f"{facts['cases']} case" + ("s" if facts["cases"] != 1 else "")
    if gain > 0:
        return f"On the {name} ({cases}) its mean Dice is {gain:.4f} above that of the live version."
    if gain == 0:
        return f"On the {name} ({cases}) its mean Dice is that of the live version."
    where = "within" if gain >= -facts["margin"] else "beyond"
    below = f"On the {name} ({cases}) its mean Dice is {-gain:.4f} below that of the live version"
    return f"{below}, {where} the margin of {facts['margin']:g}."


def _without_holdout(own: Sequence[DicePair], config: TrainConfig, compared: dict[str, Any], new_kind: bool) -> list[str]:
    if not config.train_quarantine:
        return [
            "The quarantine is off and no case is held out, and nothing else tells misplaced labels; "
            "switch the quarantine on, or let more cases be read."
        ]
    if not own:
        return ["No case is held out, and no patient was left out: nothing shows whether it is better."]
    gains = [pair.gain for pair in own]
    compared[LEFT_OUT] = {
        "cases": len(gains), "needed": KIND_GAIN if new_kind else config.train_gain,
        "mean_gain": round(float(np.mean(gains)), 5), "worst": round(float(min(gains)), 5),
    }  # fmt: skip
    gain, statistic = (min(gains), "lowest") if new_kind else (float(np.mean(gains)), "mean")
    needed = compared[LEFT_OUT]["needed"]
    if gain >= needed:
        return []
    return [
        f"Of patients who were left out in turn the {statistic} gain of Dice is {gain:+.4f}; where nobody is held out, "
        f"{needed:g} or more is needed. The labels wait for more patients, or for one who is held out."
    ]
