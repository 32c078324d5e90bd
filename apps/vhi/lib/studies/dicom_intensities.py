"""Intensities of DICOM slices from their stored values, and whether all slices of a series have one scale."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence as DicomSequence

from ..errors import InputError
from .dicom_frames import Frame, number_of

# intensities of one scale differ by rounding only; a hundredth would move a threshold
_SHARE_OF_INTENSITY = 0.005
# Philips: the factor of what is stored over what was measured, in the header or in a frame's private group
_PHILIPS, _SLOPE = (0x2005, "Philips MR Imaging DD 001"), 0x0E
_PHILIPS_GROUP = (0x2005, "Philips MR Imaging DD 005", 0x0F)

Scale = tuple[float, float]  # slope and intercept


def rescaled(stored: np.ndarray, frame: Frame) -> np.ndarray:
    """The intensities of a slice, `(rows, columns)` float64 [scanner units], from its stored values.

    Raises
    ------
    InputError
        The header gives no slope and intercept that intensities could be.
    """
    slope, intercept = _rescaling(frame)
    if slope <= 0:
        raise InputError(
            f"{frame.path.name}: RescaleSlope is {slope:g}, so intensities have no meaning; export the series again."
        )
    if frame.header.get("ModalityLUTSequence"):
        raise InputError(
            f"{frame.path.name} gives its intensities by a table (Modality LUT) in place of slope and intercept, which no MR "
            "image has; export the original series."
        )
    return _without_padding(stored, frame).astype(np.float64) * slope + intercept


def _without_padding(stored: np.ndarray, frame: Frame) -> np.ndarray:
    """Stored values in which pixels that pad the image to a rectangle are as dark as the darkest of the others; 0 where all pad.

    PS3.3, C.7.5.1.1.2. Padding of 0 is left: it is dark already. So is a range that no pixel of this type can have.
    """
    try:
        value, limit = int(frame.get("PixelPaddingValue")), frame.get("PixelPaddingRangeLimit")
        low, high = sorted((value, int(limit) if limit else value))
    except (TypeError, ValueError):
        return stored
    possible, every = np.iinfo(stored.dtype), 1 << 8 * stored.dtype.itemsize
    # headers give it with the sign of the pixels or without
    shift = next((n for n in (0, every, -every) if possible.min <= low + n and high + n <= possible.max), None)
    if value == 0 or shift is None:
        return stored
    padding = (stored >= low + shift) & (stored <= high + shift)
    if padding.all():
        return np.zeros_like(stored)
    return np.where(padding, stored[~padding].min(), stored) if padding.any() else stored


def check_one_scale(frames: Sequence[Frame], largest: float, name: str) -> None:
    """Refuse a series whose slices, once rescaled, do not have one scale by what their headers say besides.

    Parameters
    ----------
    frames : sequence of Frame
    largest : float
        The largest intensity of the series [scanner units].
    name : str
        What messages call the series.

    Raises
    ------
    InputError

    Notes
    -----
    RealWorldValueMappingSequence (PS3.3, C.7.6.16.2.11) maps stored values, and so does the scale of Philips' private group,
    which Chenevert et al. 2014, Translational Oncology 7(1), describe. Either tells another story than slope and intercept of
    the rescaling where it differs from slice to slice in another way. Mappings by tables are not compared, and slices that say
    nothing count as the others do.
    """
    for what, scales_of in (("RealWorldValueMappingSequence", _real_world), ("Philips' scale slope (2005,100E)", _by_philips)):
        said = [scales for frame in frames if (scales := scales_of(frame))]
        # each mapping of several by its label; one that all slices share is enough
        shared = set.intersection(*map(set, said)) if said else set()
        if said and not any(_is_one([scales[label] for scales in said], largest) for label in shared):
            raise InputError(
                f"{name}: its slices have different scales of intensity by {what}, so that one threshold cannot be right for "
                "all of them; export the series again, with one scale."
            )


def _is_one(scales: Sequence[Scale], largest: float) -> bool:
    slope, intercept = scales[0]
    off = max(abs((own - slope) * largest + more - intercept) for own, more in scales)
    return off <= _SHARE_OF_INTENSITY * abs(slope) * largest


def _real_world(frame: Frame) -> dict[str, Scale]:
    """From rescaled intensities to the values that real world mappings give, by their labels; empty where there are none."""
    own, more = _rescaling(frame)
    for place in (*frame.groups, frame.header):
        scales = {}
        for item in _items(place.get("RealWorldValueMappingSequence")):
            slope, intercept = number_of(item.get("RealWorldValueSlope")), number_of(item.get("RealWorldValueIntercept"))
            if slope and intercept is not None:
                scales[str(item.get("LUTLabel", ""))] = slope / own, intercept - more * slope / own
        if scales:
            return scales
    return {}


def _by_philips(frame: Frame) -> dict[str, Scale]:
    """From rescaled intensities to the values that were measured, where a Philips scanner says how it came from these."""
    kept = [group.get("UnassignedPerFrameConvertedAttributesSequence") for group in frame.groups]
    kept += [_private_group(group) for group in frame.groups]
    for place in (*(item for sequence in kept for item in _items(sequence)), frame.header):
        try:
            slope = number_of(place.private_block(*_PHILIPS)[_SLOPE].value)
        except KeyError:
            continue
        if slope:
            own, _ = _rescaling(frame)
            return {"": (1 / (own * slope), 0.0)}
    return {}


def _items(sequence: Any) -> list[Dataset]:
    """The items of what should be a sequence; none where it is something else, or absent."""
    return list(sequence) if isinstance(sequence, DicomSequence) else []


def _private_group(group: Dataset) -> Any:
    """What Philips' private group of a frame holds; None where there is none."""
    tag, creator, element = _PHILIPS_GROUP
    try:
        return group.private_block(tag, creator)[element].value
    except KeyError:
        return None


def _rescaling(frame: Frame) -> tuple[float, float]:
    """RescaleSlope and RescaleIntercept; 1 and 0 where there are none."""
    slope = frame.floats("RescaleSlope", 1)[0] if frame.get("RescaleSlope") is not None else 1.0
    intercept = frame.floats("RescaleIntercept", 1)[0] if frame.get("RescaleIntercept") is not None else 0.0
    return slope, intercept
