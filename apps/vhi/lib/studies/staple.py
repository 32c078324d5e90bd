"""The truth behind several readings, estimated with how far each can be trusted."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import SimpleITK as sitk

from ..core.volume import Mask, check_same_grid
from ..errors import InputError


def staple(masks: Sequence[Mask]) -> Mask:
    """The mask that is most probable given all readings (STAPLE), where its probability is one half or more.

    Parameters
    ----------
    masks : sequence of Mask
        Two or more of one scan, on one grid. Where all are empty, so is the estimate.

    Raises
    ------
    InputError
        Fewer than two masks.
    GridMismatchError

    Notes
    -----
    Warfield, Zou and Wells 2004, doi 10.1109/TMI.2004.828354, as SimpleITK computes it; outside the box that holds every
    marked voxel nobody disagrees, so that the box alone is looked at and the prior is that of the box.
    """
    if len(masks) < 2:
        raise InputError(f"STAPLE needs two readings or more of a scan, found {len(masks)}.")
    for mask in masks:
        check_same_grid(masks[0], mask)
    marked = np.logical_or.reduce([mask.data for mask in masks])
    truth = np.zeros(marked.shape, dtype=bool)
    if all(np.array_equal(mask.data, marked) for mask in masks):
        truth = marked  # nothing to weigh, and where they fill their box STAPLE's prior would be 1
    else:
        box = tuple(slice(int(at.min()), int(at.max()) + 1) for at in np.nonzero(marked))
        images = [sitk.GetImageFromArray(mask.data[box].astype(np.uint8)) for mask in masks]
        truth[box] = sitk.GetArrayFromImage(sitk.STAPLE(images, 1.0)) >= 0.5
    return Mask(truth, masks[0].grid, "STAPLE")
