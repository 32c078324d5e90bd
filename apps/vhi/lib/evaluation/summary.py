"""All cases together, by rules that are stated: a mean says over how many cases it goes, and which it leaves out."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from .agreement import MaskAgreement

RULES = (
    "Prediction and reference both empty: Dice, surface Dice and distance have no value; the case is counted under both_empty "
    "and in no mean.",
    "One of them empty: Dice and surface Dice are 0 and count in the means; the distance has no value, and the case is counted "
    "under one_empty: read the mean distance beside that number.",
    "A lesion of the reference is found when the prediction shares a voxel with it; a predicted lesion is false when it shares "
    "none with the reference. Sensitivity and precision together are of all lesions of all cases, not means of cases.",
    "A share without lesions to count has no value.",
)


@dataclass(frozen=True)
class MeasureSummary:
    """Mean, median and range over the `n` cases in which a measure has a value; `nan` where there is none."""

    n: int
    mean: float
    median: float
    low: float
    high: float


@dataclass(frozen=True)
class EvaluationSummary:
    """All cases: `cases` were compared, in `both_empty` nothing was marked by either, in `one_empty` by one alone."""

    cases: int
    both_empty: int
    one_empty: int
    dice: MeasureSummary
    surface_dice: MeasureSummary
    hausdorff95_mm: MeasureSummary
    volume_difference_mm3: MeasureSummary
    reference_lesions: int
    found_lesions: int
    predicted_lesions: int
    false_lesions: int

    @property
    def lesion_sensitivity(self) -> float:
        return self.found_lesions / self.reference_lesions if self.reference_lesions else float("nan")

    @property
    def lesion_precision(self) -> float:
        return 1 - self.false_lesions / self.predicted_lesions if self.predicted_lesions else float("nan")


def summarise(cases: Sequence[MaskAgreement]) -> EvaluationSummary:
    """Summarise cases by `RULES`."""

    def of(value: Callable[[MaskAgreement], float]) -> MeasureSummary:
        values = np.array([value(case) for case in cases], dtype=float)
        values = values[~np.isnan(values)]
        if not values.size:
            return MeasureSummary(0, *[float("nan")] * 4)
        return MeasureSummary(
            int(values.size), float(values.mean()), float(np.median(values)), float(values.min()), float(values.max())
        )

    marked = [(case.prediction_voxels > 0) + (case.reference_voxels > 0) for case in cases]
    return EvaluationSummary(
        len(cases),
        marked.count(0),
        marked.count(1),
        of(lambda case: case.dice),
        of(lambda case: case.surface_dice),
        of(lambda case: case.hausdorff95_mm),
        of(lambda case: case.volume_difference_mm3),
        sum(case.reference_lesions for case in cases),
        sum(case.found_lesions for case in cases),
        sum(case.predicted_lesions for case in cases),
        sum(case.false_lesions for case in cases),
    )
