"""Masks that lie upside down along the slices.

A viewer in wide use writes a segmentation whose frames carry the positions of the opposite slices when the series is numbered
along its normal; nothing in the file betrays it. Intensities and the networks' region do: a mask that fits them badly as it is
and well when its slices are reversed was flipped on its way.

On the study's scans, 28 manual inflammation masks (7 scans) have 16% to 82% of their voxels at or above the sensitive threshold
and, reversed, at most 0.76 times as many; 8 manual disease regions have a Dice of at least 0.95 with the networks' region
and at most 0.58 reversed. The limits here lie between.
"""

from __future__ import annotations

import numpy as np

from ..errors import InputError
from .disease_region import dice
from .volume import Mask, Volume, check_same_grid

# a mask of which this share is hyperintense lies where it should, whatever its flip does
ENOUGH_HYPERINTENSE = 0.75
# reversed, a mask must be hyperintense by this factor more to be called flipped
FACTOR_BETTER = 1.2
FITTING_DICE = 0.6
DICE_BETTER = 0.1


def hyperintense_share(mask: np.ndarray, stir: np.ndarray, sensitive: float) -> float:
    """Share of a mask's voxels at or above the sensitive threshold; nan for an empty mask.

    Parameters
    ----------
    mask : (I, J, K) bool array
    stir : (I, J, K) float array
    sensitive : float
        [scanner units]
    """
    values = stir[mask]
    return float(np.count_nonzero(values >= sensitive) / values.size) if values.size else float("nan")


def check_inflammation_not_flipped(inflammation: Mask, stir: Volume, sensitive: float) -> None:
    """Refuse an inflammation mask that lies on hyperintense voxels only with its slices reversed. An empty one is fine.

    Raises
    ------
    InputError
        It seems flipped.
    GridMismatchError
    """
    check_same_grid(stir, inflammation)
    if not inflammation.voxels:
        return
    share = hyperintense_share(inflammation.data, stir.data, sensitive)
    reversed_share = hyperintense_share(inflammation.data[:, :, ::-1], stir.data, sensitive)
    if share < ENOUGH_HYPERINTENSE and reversed_share > 0 and reversed_share >= FACTOR_BETTER * share:
        raise InputError(
            f"{inflammation.name} seems to be flipped along the slices: {share:.0%} of its {inflammation.voxels} voxels are "
            f"hyperintense on STIR, and {reversed_share:.0%} with the order of the slices reversed. Some viewers write DICOM "
            "segmentations this way. It was not stored; submit it with the button of this program, or correct it over STIR."
        )


def check_region_not_flipped(region: Mask, automatic: Mask) -> None:
    """Refuse a disease region that fits the automatic one only with its slices reversed. An empty one is fine.

    Raises
    ------
    InputError
        It seems flipped.
    GridMismatchError
    """
    check_same_grid(automatic, region)
    if not region.voxels or not automatic.voxels:
        return
    fit, reversed_fit = dice(region.data, automatic.data), dice(region.data[:, :, ::-1], automatic.data)
    if reversed_fit >= FITTING_DICE and reversed_fit - fit >= DICE_BETTER:
        raise InputError(
            f"{region.name} seems to be flipped along the slices: its Dice with the automatic region is {fit:.2f}, and "
            f"{reversed_fit:.2f} with the order of the slices reversed. Some viewers write DICOM segmentations this way. It was "
            "not stored; submit it with the button of this program, or correct it over T1W."
        )
