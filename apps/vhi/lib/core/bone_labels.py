"""Bone labels drawn by other rules than the study's: what of them is disease region, what is not, what they do not say.

Public labels leave out joint spaces, take in discs and the spinal canal, and end where their authors stopped drawing. What they
do not decide is ignored, so that the study's scans alone teach it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from .library import ndimage
from .volume import Mask, Volume

# joint spaces are gaps of labelled bone that are narrower; elsewhere bone that only networks see is taken for an error of theirs
GAP_MM = 8.0
# dark bone in the label of a spine is narrower, discs and canal are wider
CORTEX_MM = 4.0
# labels often end one to three slices too early
UNDRAWN_MM = 12.0


@dataclass(frozen=True)
class LabelMap:
    """The meaning of the numbers of a label file; a number in none of these is not disease region.

    Parameters
    ----------
    region : tuple of int
        Bone that is disease region throughout.
    partly : tuple of int
        Bone drawn along with discs or canal: what is darker there, by Otsu's threshold of the scan, and wider than cortex is
        ignored.
    bright : tuple of int
        The same, but what is darker there is learnt as no region: where no scans of the study are learnt beside, nothing else
        would teach it.
    ignored : tuple of int
        Neither learnt as region nor as not: femur, which the study never showed.
    """

    region: tuple[int, ...]
    partly: tuple[int, ...] = ()
    ignored: tuple[int, ...] = ()
    bright: tuple[int, ...] = ()


class LearntLabels(NamedTuple):
    """The meaning of bone labels for the disease region, voxel by voxel.

    Parameters
    ----------
    mask : Mask
        Learnt as disease region.
    ignored : (I, J, K) bool array
        Learnt neither as region nor as not.
    dark : (I, J, K) bool array
        Darker, wide parts of labels that are drawn along with bone: discs and canal. Never in the mask, ignored or not.
    """

    mask: Mask
    ignored: np.ndarray
    dark: np.ndarray


def learnt_of(t1w: Volume, labels: np.ndarray, meaning: LabelMap, bone: np.ndarray) -> LearntLabels:
    """The mask that is learnt as disease region, the voxels that are ignored, and the discs and canal of the labels.

    Parameters
    ----------
    labels : (I, J, K) array of whole numbers
    bone : (I, J, K) bool array
        What the networks that the training starts from call bone.

    Returns
    -------
    LearntLabels
        Outside the labels, the start networks' bone is ignored in gaps of labelled bone narrower than 8 mm (joint spaces) and in
        slices without any label that lie within 12 mm of one that has some.
    """
    region, partly = np.isin(labels, meaning.region), np.isin(labels, meaning.partly + meaning.bright)
    dark = np.zeros_like(partly)
    if partly.any():
        from skimage.filters import threshold_otsu  # slow to import, and few scans need it

        dark = partly & (t1w.data < threshold_otsu(t1w.data[partly]))
        for k in np.flatnonzero(dark.any(axis=(0, 1))):
            dark[:, :, k] = ~_closed(~dark[:, :, k], t1w.grid.spacing_mm[:2], CORTEX_MM)
    drawn = region | partly
    unsaid = bone & (labels == 0) & _open(drawn, t1w.grid.spacing_mm)
    unsaid |= (dark & np.isin(labels, meaning.partly)) | np.isin(labels, meaning.ignored)
    return LearntLabels(Mask(drawn & ~dark, t1w.grid, "disease region"), unsaid, dark)


def _open(drawn: np.ndarray, spacing_mm: tuple[float, float, float]) -> np.ndarray:
    """The drawn bone, its gaps narrower than `GAP_MM`, and all of an undrawn slice within `UNDRAWN_MM` of a drawn one."""
    opened = np.zeros_like(drawn)
    slices = np.flatnonzero(drawn.any(axis=(0, 1)))
    for k in range(drawn.shape[2]):
        if k in slices:
            opened[:, :, k] = _closed(drawn[:, :, k], spacing_mm[:2], GAP_MM)
        elif len(slices):
            opened[:, :, k] = np.abs(slices - k).min() * spacing_mm[2] <= UNDRAWN_MM
    return opened


def _closed(drawn: np.ndarray, spacing_mm: tuple[float, ...], width_mm: float) -> np.ndarray:
    """With gaps narrower than the width filled."""
    edge = [int(width_mm / 2 / mm) + 2 for mm in spacing_mm]  # so that the frame is no bone's edge
    padded = np.pad(drawn, [(n, n) for n in edge], mode="edge")
    grown = ndimage.distance_transform_edt(~padded, sampling=spacing_mm) <= width_mm / 2
    closed: np.ndarray = ndimage.distance_transform_edt(grown, sampling=spacing_mm) > width_mm / 2
    return closed[tuple(slice(n, -n) for n in edge)]
