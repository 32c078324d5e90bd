"""Cases in the order of what the networks say of them, each with the sentence that says why it stands there."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ..core.active_learning import feature_distance, standing, uncertain_and_unlike
from ..core.setting import value_as
from ..errors import RequestError
from ..studies.pairing import Case
from .scores import Entry, features_in

MEASURES = ("disagreement", "entropy")
UNREAD, SKIPPED, REGION_ONLY = "unread", "skipped", "region only"
# options of every order: which cases are asked for, and whether the one in hand is skipped; an image's id skips that one's case
_COMMON: Mapping[str, Any] = {"cases": (UNREAD, SKIPPED, REGION_ONLY), "skip": False}
# options of each order with their defaults; a tuple is a choice
DEFAULTS: Mapping[str, Mapping[str, Any]] = {
    "first": {**_COMMON},
    "random": {**_COMMON},
    "uncertain": {"measure": MEASURES, **_COMMON},
    "diverse": {"measure": MEASURES, "weight": 0.5, **_COMMON},
    # the mean slice Dice of the shipped ensemble on scans that it did not learn is 0.92: agreement below is not the usual kind
    "review": {"below": 0.9, "skip": False},
}


@dataclass(frozen=True)
class Ranked:
    """A case, why it stands where it stands, and the numbers behind that."""

    case: Case
    reason: str
    facts: Mapping[str, Any] = field(default_factory=dict)


def ranking_options(order: str, values: Mapping[str, Any]) -> dict[str, Any]:
    """The options of an order; viewers send numbers as texts, and empty cells.

    Raises
    ------
    RequestError
        A value that is none of the choices, or no number from 0 to 1.
    """
    options: dict[str, Any] = {}
    for name, default in DEFAULTS[order].items():
        value = values.get(name)
        if isinstance(default, tuple):
            options[name] = default[0] if value in (None, "") else value
            if options[name] not in default:
                raise RequestError(f"{name} must be {' or '.join(default)}, found {str(value)[:60]!r}.")
        elif name == "skip":
            options[name] = _skipping(value)
        else:
            options[name] = _share(name, default if value in (None, "") else value)
    return options


def by_uncertainty(
    cases: Sequence[Case], entries: Mapping[str, Entry], labelled: Collection[str], version: str, options: Mapping[str, Any]
) -> list[Ranked]:
    """The cases that the networks are least sure of come first; those they have not seen come last."""
    values, measure = _uncertainty(cases, entries, str(options["measure"]))
    place = standing(values)
    ordered = sorted((case for case in cases if case.case_id in values), key=lambda case: -values[case.case_id])
    return [
        Ranked(
            case,
            f"The networks of version {version} {_unsure(measure, values[case.case_id])}: "
            f"{_compared(place, case, 'more unsure')}.",
            {"model_version": version, measure: values[case.case_id]},
        )
        for case in ordered
    ] + _unscored(cases, values, version)


def by_diversity(
    cases: Sequence[Case], entries: Mapping[str, Entry], labelled: Collection[str], version: str, options: Mapping[str, Any]
) -> list[Ranked]:
    """First the cases that the networks are unsure of and that are unlike all labelled ones, by the mean of both standings."""
    features = features_in(entries)
    values, measure = _uncertainty([case for case in cases if case.case_id in features], entries, str(options["measure"]))
    unlike = feature_distance(features, labelled)
    scores = uncertain_and_unlike(values, unlike, options["weight"])
    place = standing({case_id: unlike[case_id] for case_id in values})
    from_what = "the nearest labelled case" if features.keys() & set(labelled) else "the middle of all cases, as none is labelled"
    ordered = sorted((case for case in cases if case.case_id in scores), key=lambda case: -scores[case.case_id])
    return [
        Ranked(
            case,
            f"It lies {unlike[case.case_id]:.2f} spreads from {from_what} ({_compared(place, case, 'more unlike')}), and the "
            f"networks of version {version} {_unsure(measure, values[case.case_id])}.",
            {
                "model_version": version,
                measure: values[case.case_id],
                "unlikeness": round(unlike[case.case_id], 4),
                "score": round(scores[case.case_id], 4),
            },
        )
        for case in ordered
    ] + _unscored(cases, scores, version)


def by_dispute(
    compared: Sequence[tuple[Case, Mapping[str, float | None]]], version: str, options: Mapping[str, Any]
) -> list[Ranked]:
    """Cases whose label the networks dispute, the lowest Dice first.

    Parameters
    ----------
    compared : sequence of (case, mapping of submission to mean slice Dice)
    """
    lowest = []
    for case, labels in compared:
        known = {label: dice for label, dice in labels.items() if dice is not None}
        if known:
            label = min(known, key=known.__getitem__)
            lowest.append((known[label], case, label))
    return [
        Ranked(
            case,
            f"The networks of version {version} dispute the disease region of submission {label}: mean slice Dice {dice:.2f}, "
            f"below {options['below']:g}. Look at it again; hand it in corrected, or as it is.",
            {"model_version": version, "submission": label, "dice": dice},
        )
        for dice, case, label in sorted(lowest, key=lambda entry: entry[0])
        if dice < options["below"]
    ]


def _uncertainty(cases: Sequence[Case], entries: Mapping[str, Entry], measure: str) -> tuple[dict[str, float], str]:
    """Values of the cases that have one, and the measure: an ensemble of one cannot disagree, and its entropy counts."""
    scored = {case.case_id: entries[case.case_id] for case in cases if case.case_id in entries}
    for name in (measure, "entropy"):
        values = {case_id: float(entry[name]) for case_id, entry in scored.items() if entry.get(name) is not None}
        if values:
            return values, name
    return {}, measure


def _unsure(measure: str, value: float) -> str:
    if measure == "disagreement":
        return f"disagree on its disease region (Dice {1 - value:.3f} between members)"
    return f"are unsure of its disease region (mean entropy {value:.3f} bit)"


def _compared(place: Mapping[str, float], case: Case, words: str) -> str:
    others = len(place) - 1
    return f"{words} than {round(place[case.case_id] * others)} of {others} others" if others else "the only case left"


def _unscored(cases: Sequence[Case], scored: Collection[str], version: str) -> list[Ranked]:
    why = f"The networks of version {version} have not looked at it yet; what they have seen comes first."
    return [Ranked(case, why) for case in cases if case.case_id not in scored]


def _skipping(value: Any) -> bool | str:
    """Whether the case in hand is skipped; or the image whose case is."""
    if value in (None, ""):
        return False
    known = value_as(value, bool)
    if known is None and not isinstance(value, str):
        raise RequestError(f"skip must be true, false or the id of an image, found {str(value)[:60]!r}.")
    return str(value) if known is None else bool(known)


def _share(name: str, value: Any) -> float:
    try:
        number = float(value)
    except (TypeError, ValueError):
        number = -1.0
    if isinstance(value, bool) or not 0 <= number <= 1:
        raise RequestError(f"{name} must be a number from 0 to 1, found {str(value)[:60]!r}.")
    return number
