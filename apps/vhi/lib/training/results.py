"""Results of the folds: plain values for `cross_validation.json`, the manifest and the model card."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from ..nets.fit import Progress
from ..studies.labelled import LabelledCase
from .run import Measured

GOAL = 0.94


def summary(what: str, measured: Mapping[str, Measured], cases: Sequence[LabelledCase]) -> dict[str, Any] | None:
    """2-D Dice per slice, of those of `cases` that were measured; None if none was.

    Returns
    -------
    dict
        Over all slices that have bone in the manual or the found region: `slices`, `mean_slice_dice`, `lowest_slice_dice`,
        `member_mean_slice_dice` (one per seed) and `seed_spread` (largest minus smallest of these). Under `cases`, by id: the
        same for the scan, the number of the lowest slice from 1, and every slice of the ensemble and of each member, null
        where both regions are empty.
    """
    entries = {case.case_id: measured[case.case_id] for case in cases if case.case_id in measured}
    if not entries:
        return None
    return {
        "what": what,
        **_numbers(list(entries.values())),
        "cases": {
            case_id: {
                "fold": entry.get("fold"),
                **_numbers([entry]),
                "lowest_slice": int(np.nanargmin(_array(entry["slice_dice"]))) + 1,
                "slice_dice": entry["slice_dice"],
                "member_slice_dice": entry["member_slice_dice"],
            }
            for case_id, entry in entries.items()
        },
    }


def _numbers(entries: Sequence[Measured]) -> dict[str, Any]:
    every = np.concatenate([_array(entry["slice_dice"]) for entry in entries])
    members = [
        _mean(np.concatenate([_array(entry["member_slice_dice"][n]) for entry in entries]))
        for n in range(len(entries[0]["member_slice_dice"]))
    ]
    return {
        "slices": int(np.count_nonzero(~np.isnan(every))),
        "mean_slice_dice": _mean(every),
        "lowest_slice_dice": round(float(np.nanmin(every)), 4),
        "member_mean_slice_dice": members,
        "seed_spread": round(max(members) - min(members), 4),
    }


def dice_against_cpu(curves: Iterable[tuple[int, Sequence[Progress]]]) -> dict[str, Any] | None:
    """Mean slice Dice of held-out study subjects against the CPU time of one network, over the folds and seeds of a recipe.

    Parameters
    ----------
    curves : iterable of (int, curve)
        Of each network of the folds: how many held-out scans it was measured on, and its learning curve.

    Returns
    -------
    dict or None
        `points`: `step`, `cpu_minutes` and `mean_slice_dice` of single networks, no mirror images and no small pieces dropped;
        `cpu_minutes_to_goal` with the `goal`: the first point that reaches it, None if none does; `cpu_s_per_step`. None
        without folds.
    """
    by_step: dict[int, list[tuple[int, Progress]]] = {}
    last: list[Progress] = []
    n_curves = 0
    for weight, curve in curves:
        n_curves += 1
        last.append(curve[-1])
        for point in curve:
            if not np.isnan(point.validation_slice_dice):
                by_step.setdefault(point.step, []).append((weight, point))
    points = [
        {
            "step": step,
            "cpu_minutes": round(float(np.mean([point.cpu_s for _, point in weighted_points])) / 60, 3),
            "mean_slice_dice": round(
                float(
                    np.average(
                        [point.validation_slice_dice for _, point in weighted_points],
                        weights=[weight for weight, _ in weighted_points],
                    )
                ),
                4,
            ),
        }
        for step, weighted_points in sorted(by_step.items())
        if len(weighted_points) == n_curves
    ]
    if not points:
        return None
    reached = [point["cpu_minutes"] for point in points if point["mean_slice_dice"] >= GOAL]
    return {
        "what": "single networks on the held-out study subjects of their folds; no mirror images, no pieces dropped",
        "cpu_s_per_step": round(float(np.mean([point.cpu_s / point.step for point in last])), 4),
        "goal": GOAL,
        "cpu_minutes_to_goal": reached[0] if reached else None,
        "points": points,
    }


def _array(dices: Sequence[float | None]) -> np.ndarray:
    return np.array([np.nan if dice is None else dice for dice in dices], dtype=np.float64)


def _mean(values: np.ndarray) -> float:
    return round(float(np.nanmean(values)), 4)
