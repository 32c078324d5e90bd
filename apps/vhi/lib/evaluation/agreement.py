"""One mask against its reference."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..cohort.overlap import compare
from ..core.disease_region import dice
from ..core.flip_guard import DICE_BETTER, FITTING_DICE
from ..core.lesions import label_lesions
from ..core.volume import Mask, check_same_grid
from ..errors import InputError

_AXES = ("along the first axis", "along the second axis", "along the slices")


@dataclass(frozen=True)
class MaskAgreement:
    """How well a mask agrees with its reference; `nan` where a measure has no value.

    Both empty: no overlap and no distance has a value. One empty: Dice and surface Dice are 0, and no distance has a value.
    `found_lesions` counts lesions of the reference that share a voxel with the prediction, `false_lesions` predicted ones that
    share none with the reference; all four are 0 where lesions were not asked for.
    """

    case: str
    prediction_voxels: int
    reference_voxels: int
    prediction_mm3: float
    reference_mm3: float
    dice: float
    surface_dice: float
    hausdorff95_mm: float
    reference_lesions: int = 0
    found_lesions: int = 0
    predicted_lesions: int = 0
    false_lesions: int = 0

    @property
    def volume_difference_mm3(self) -> float:
        """Volume of the prediction minus that of the reference."""
        return self.prediction_mm3 - self.reference_mm3

    @property
    def lesion_sensitivity(self) -> float:
        """Share of the reference's lesions that were found; `nan` where it has none."""
        return self.found_lesions / self.reference_lesions if self.reference_lesions else float("nan")

    @property
    def lesion_precision(self) -> float:
        """Share of the predicted lesions that are not false; `nan` where there are none."""
        return 1 - self.false_lesions / self.predicted_lesions if self.predicted_lesions else float("nan")


def compare_masks(case: str, prediction: Mask, reference: Mask, *, tolerance_mm: float, lesions: bool) -> MaskAgreement:
    """Compare a mask with its reference.

    Parameters
    ----------
    case : str
    prediction, reference : Mask
    tolerance_mm : float
        Of the surface Dice.
    lesions : bool
        Whether the masks are lesions, to be counted one by one (26-connected groups); else they are one region.

    Raises
    ------
    GridMismatchError
        They lie on different grids.
    InputError
        One seems to be a mirror image of the other.
    """
    check_same_grid(reference, prediction)
    _check_not_flipped(prediction, reference)
    both, grid = compare(prediction, reference), reference.grid
    one_is_empty = not (both.voxels_a and both.voxels_b)
    surface = 0.0 if both.voxels_a or both.voxels_b else float("nan")
    distance = float("nan")
    if not one_is_empty:
        from .surfaces import hausdorff95_mm, surface_dice

        surface = surface_dice(prediction.data, reference.data, grid, tolerance_mm)
        distance = hausdorff95_mm(prediction.data, reference.data, grid)
    return MaskAgreement(
        case,
        both.voxels_a,
        both.voxels_b,
        prediction.volume_mm3,
        reference.volume_mm3,
        both.dice,
        surface,
        distance,
        *(_lesions(prediction.data, reference.data) if lesions else ()),
    )


def _lesions(prediction: np.ndarray, reference: np.ndarray) -> tuple[int, int, int, int]:
    """Lesions of the reference, those found of them, predicted lesions, false ones of them."""
    n_reference, n_found = _touched(reference, prediction)
    n_predicted, true = _touched(prediction, reference)
    return n_reference, n_found, n_predicted, n_predicted - true


def _touched(mask: np.ndarray, other: np.ndarray) -> tuple[int, int]:
    """How many lesions a mask has, and how many of them share a voxel with another mask."""
    labels, count = label_lesions(mask.astype(np.uint8))
    return count, int(np.count_nonzero(np.unique(labels[other])))


def _check_not_flipped(prediction: Mask, reference: Mask) -> None:
    if not (prediction.voxels and reference.voxels):
        return
    fit = dice(prediction.data, reference.data)
    for axis, words in enumerate(_AXES):
        mirrored = dice(np.flip(prediction.data, axis), reference.data)
        if mirrored >= FITTING_DICE and mirrored - fit >= DICE_BETTER:
            raise InputError(
                f"{prediction.name} seems to be flipped {words}: its Dice with {reference.name} is {fit:.2f}, and {mirrored:.2f} "
                "when it is turned round. Check how it was written, and write it again."
            )
