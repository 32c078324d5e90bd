"""VHI against SPARCC as outcomes of a trial: sensitivity to change, telling responders, and the patients that a trial needs."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from .estimate import Estimate
from .responsiveness import (
    AucComparison,
    Responsiveness,
    Roc,
    SrmComparison,
    compare_auc,
    compare_srm,
    patients_per_arm,
    responsiveness,
    roc,
    two_arm_power,
)

VHI_NAME, LOG_VHI, SPARCC_NAME = "VHI", "log(VHI + 1)", "SPARCC"
POWERS = (0.8, 0.9)
PER_ARM = (10, 20, 30, 50, 100)
# of the observed change, that the control arm does not have: all of it, and half
EFFECT_SHARES = (1.0, 0.5)
Values = Mapping[str, tuple[float, float]]


@dataclass(frozen=True)
class TrialSize:
    """A trial of two arms by one measure, planned from the change seen here.

    Parameters
    ----------
    share : float
        Of the observed mean change, by which the arms differ.
    effect : float
        That difference over the standard deviation of changes.
    patients : mapping
        Per arm by power, with the numbers for both ends of the SRM's interval; the end is infinite where that holds 0.
    power : mapping
        By patients per arm.
    """

    measure: str
    share: float
    effect: float
    patients: Mapping[float, Estimate]
    power: Mapping[int, float]


@dataclass(frozen=True, eq=False)
class Telling:
    """How well falls of VHI and of SPARCC tell the responders by one clinical definition."""

    definition: str
    curves: Mapping[str, Roc]
    comparison: AucComparison | None


@dataclass(frozen=True, eq=False)
class Sensitivity:
    """Everything that the changes of a cohort say of VHI and SPARCC as outcomes.

    `comparisons` are against SPARCC, by measure; `factor` is the geometric mean of (follow-up VHI + 1) over (baseline VHI + 1).
    """

    measures: Mapping[str, Responsiveness]
    comparisons: Mapping[str, SrmComparison]
    factor: Estimate | None
    telling: tuple[Telling, ...]
    sizes: tuple[TrialSize, ...]


def sensitivity(vhi: Values | None, sparcc: Values | None, clinical: Mapping[str, Mapping[str, float]]) -> Sensitivity:
    """Analyse the changes of patients.

    Parameters
    ----------
    vhi, sparcc : mapping, optional
        Baseline and follow-up by subject.
    clinical : mapping
        By definition, each subject's response: 1, 0 or `nan`.
    """
    values: dict[str, Values] = {}
    if vhi is not None:
        values[VHI_NAME] = vhi
        values[LOG_VHI] = {subject: (math.log1p(before), math.log1p(after)) for subject, (before, after) in vhi.items()}
    if sparcc is not None:
        values[SPARCC_NAME] = sparcc
    measures = {name: responsiveness(*_columns(measure)) for name, measure in values.items()}
    comparisons = {}
    if vhi is not None and sparcc is not None:
        both = [subject for subject in vhi if subject in sparcc]
        for name in (VHI_NAME, LOG_VHI):
            comparisons[name] = compare_srm(_columns(values[name], both), _columns(sparcc, both))
    factor = None
    if LOG_VHI in measures:
        mean = measures[LOG_VHI].mean_change
        factor = Estimate(*(math.exp(log) for log in (mean.value, mean.low, mean.high)))
    return Sensitivity(
        measures,
        comparisons,
        factor,
        tuple(_telling(name, responded, vhi, sparcc) for name, responded in clinical.items()),
        tuple(trial_size(name, measure, share) for share in EFFECT_SHARES for name, measure in measures.items()),
    )


def _columns(values: Values, subjects: list[str] | None = None) -> tuple[np.ndarray, np.ndarray]:
    table = np.array([values[subject] for subject in (values if subjects is None else subjects)], dtype=np.float64).reshape(-1, 2)
    return table[:, 0], table[:, 1]


def _telling(definition: str, responded: Mapping[str, float], vhi: Values | None, sparcc: Values | None) -> Telling:
    subjects = list(responded)
    response = [responded[subject] for subject in subjects]
    falls = {}
    for name, values in ((VHI_NAME, vhi), (SPARCC_NAME, sparcc)):
        if values is not None:
            pairs = [values.get(subject, (math.nan, math.nan)) for subject in subjects]
            falls[name] = [before - after for before, after in pairs]
    curves = {name: roc(fall, response) for name, fall in falls.items()}
    comparison = compare_auc(falls[VHI_NAME], falls[SPARCC_NAME], response) if len(falls) == 2 else None
    return Telling(definition, curves, comparison)


def trial_size(measure: str, responsiveness: Responsiveness, share: float) -> TrialSize:
    """Patients per arm, and power, of a trial whose arms differ by a share of the observed change."""
    effect = share * responsiveness.srm.value
    if math.isnan(effect):
        return TrialSize(measure, share, effect, {}, {})
    ends = sorted(abs(share * end) for end in (responsiveness.srm.low, responsiveness.srm.high))
    holds_zero = responsiveness.srm.low <= 0 <= responsiveness.srm.high
    patients = {}
    for power in POWERS:
        fewest, most = _count(ends[1], power), math.inf if holds_zero else _count(ends[0], power)
        patients[power] = Estimate(_count(effect, power), fewest, most)
    return TrialSize(measure, share, effect, patients, {n: two_arm_power(effect, n) for n in PER_ARM})


def _count(effect: float, power: float) -> float:
    needed = patients_per_arm(effect, power)
    return math.inf if needed is None else float(needed)
