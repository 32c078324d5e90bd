"""Segments of a DICOM Segmentation, from any viewer, as masks on the grid of the series they were drawn on.

Segments are known by their label, else by their codes; never by their number, which writers give as they please. Frames are
placed by their positions; never by their order.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from pydicom.dataset import Dataset
from pydicom.errors import BytesLengthException

from ..core.planes import Plane, put
from ..core.segment_names import DISEASE_REGION, INFLAMMATION, NORMAL_BONE, SEGMENT_NAMES
from ..core.volume import Grid, Mask
from ..errors import GridMismatchError, InputError

SEGMENTATIONS = ("1.2.840.10008.5.1.4.1.1.66.4", "1.2.840.10008.5.1.4.1.1.66.7")  # the second: label map
# A SEG of a whole study (25 frames of 352 x 352, 5 segments) has 15 million pixels.
MOST_PIXELS = 300_000_000
MOST_SEGMENTS = 100
_LONGEST_NAME = 64
# what pydicom raises on damaged content
_DAMAGED = (
    ValueError,
    TypeError,
    AttributeError,
    LookupError,
    NotImplementedError,
    RuntimeError,
    struct.error,
    BytesLengthException,
)
# (type, site) as (scheme, value): what our own Segmentations carry, should a viewer have changed their labels
_CODED: Mapping[tuple[tuple[str, str], tuple[str, str]], str] = {
    (("NCIt", "C94970"), ("SCT", "54735007")): NORMAL_BONE,
    (("SCT", "272673000"), ("SCT", "39723000")): DISEASE_REGION,
    (("SCT", "79654002"), ("SCT", "39723000")): INFLAMMATION,
    (("SCT", "23583003"), ("SCT", "39723000")): INFLAMMATION,
}


def read_segments(
    segmentations: Dataset | Sequence[Dataset], grid: Grid, frame_of_reference_uid: str | None = None
) -> dict[str, Mask]:
    """Every segment of one or several Segmentations by its name.

    Parameters
    ----------
    segmentations : Dataset, or sequence of Dataset
        With pixels. Several are the parts of one result: a name may occur once.
    grid : Grid
        Of the series that was drawn on.
    frame_of_reference_uid : str, optional
        Of that series; a Segmentation that names another one is refused.

    Returns
    -------
    dict of name to Mask
        Our names in our spelling, other labels as they are. A segment without a frame is an empty mask.

    Raises
    ------
    InputError
        No Segmentation, probabilities, damaged, two segments of one name, two frames at one place.
    GridMismatchError
        Frames do not lie on the voxels of the series, or have pixels beyond it.
    """
    found: dict[str, Mask] = {}
    for one in [segmentations] if isinstance(segmentations, Dataset) else segmentations:
        _check(one, frame_of_reference_uid)
        names = _names(one.get("SegmentSequence") or [])
        double = sorted(set(names.values()) & set(found))
        if double:
            raise InputError(f"Two segments are called {double[0]!r}; merge them, or rename one.")
        masks = {number: np.zeros(grid.shape, dtype=bool) for number in names}
        _place(one, masks, names, grid)
        found |= {name: Mask(masks[number], grid, name) for number, name in names.items()}
    if not found:
        raise InputError("The segmentation holds no segments; save it again with the segments that are meant.")
    return found


def _check(segmentation: Dataset, frame_of_reference_uid: str | None) -> None:
    try:
        for _ in segmentation.iterall():  # pydicom decodes an element when it is first looked at
            pass
    except _DAMAGED as error:
        raise InputError(f"The segmentation is damaged ({error}); save it again.") from error
    kind = str(segmentation.get("SOPClassUID", ""))
    if kind not in SEGMENTATIONS:
        raise InputError(f"A DICOM Segmentation is needed, found an object of class {kind or 'unknown'}; pass the SEG series.")
    how = str(segmentation.get("SegmentationType", ""))
    if how not in ("BINARY", "LABELMAP"):
        raise InputError(
            f"The segmentation is of type {how or 'unknown'}: it holds shares or probabilities, and where its border lies would "
            "be a guess. Save it as BINARY."
        )
    own = segmentation.get("FrameOfReferenceUID")
    if frame_of_reference_uid and own and str(own) != frame_of_reference_uid:
        raise GridMismatchError(
            "The segmentation and the series have different frames of reference, so positions in one say nothing about the "
            "other; draw on the series itself."
        )


def _names(segments: Iterable[Dataset]) -> dict[int, str]:
    """Segment number to name: labels first, so that a code never takes the name of a segment that is called so."""
    items = list(segments)
    if len(items) > MOST_SEGMENTS:
        raise InputError(
            f"The segmentation has {len(items)} segments; at most {MOST_SEGMENTS} are read. Save those that are meant."
        )
    numbers = [_whole(item.get("SegmentNumber"), "SegmentNumber") for item in items]
    if len(set(numbers)) != len(numbers):
        raise InputError("Two segments have one number; save the segmentation again.")
    labels = [_label(item, number) for item, number in zip(items, numbers, strict=True)]
    names = dict(zip(numbers, labels, strict=True))
    for number, item in zip(numbers, items, strict=True):
        coded = _CODED.get((_code(item, "SegmentedPropertyTypeCodeSequence"), _code(item, "AnatomicRegionSequence")))
        if names[number] not in SEGMENT_NAMES and coded is not None and coded not in names.values():
            names[number] = coded
    double = [name for name in names.values() if list(names.values()).count(name) > 1]
    if double:
        raise InputError(f"Two segments are called {double[0]!r}; merge them, or rename one.")
    return names


def _label(segment: Dataset, number: int) -> str:
    text = str(segment.get("SegmentLabel") or "")
    label = " ".join("".join(sign if sign.isprintable() else " " for sign in text).split())[:_LONGEST_NAME]
    return label.lower() if label.lower() in SEGMENT_NAMES else label or f"segment {number}"


def _code(segment: Dataset, keyword: str) -> tuple[str, str]:
    codes = segment.get(keyword)
    if not codes:
        return "", ""
    return str(codes[0].get("CodingSchemeDesignator", "")), str(codes[0].get("CodeValue", ""))


def _place(segmentation: Dataset, masks: Mapping[int, np.ndarray], names: Mapping[int, str], grid: Grid) -> None:
    frames = _pixels(segmentation)
    seen: set[tuple[int, tuple[float, ...]]] = set()
    label_map = segmentation.SegmentationType == "LABELMAP"
    for index, pixels in enumerate(frames):
        if not pixels.any():
            continue
        position, orientation, spacing = (
            _of_frame(segmentation, index, *where)
            for where in (
                ("PlanePositionSequence", "ImagePositionPatient"),
                ("PlaneOrientationSequence", "ImageOrientationPatient"),
                ("PixelMeasuresSequence", "PixelSpacing"),
            )
        )
        plane = Plane.of_dicom(pixels.shape[0], pixels.shape[1], position, orientation, spacing)
        if label_map:
            present = [int(value) for value in np.unique(pixels) if value]
        else:
            belongs_to = _of_frame(segmentation, index, "SegmentIdentificationSequence", "ReferencedSegmentNumber")
            present = [_whole(belongs_to, "ReferencedSegmentNumber")]
        for number in present:
            if number not in masks:
                raise InputError(f"Frame {index + 1} belongs to segment {number}, which is not described; save it again.")
            at = number, tuple(round(float(mm), 2) for mm in position)
            if at in seen:
                raise InputError(
                    f"Two frames of {names[number]!r} lie at one position, so one of them is wrong (frame {index + 1}); save the "
                    "segmentation again."
                )
            seen.add(at)
            try:
                put(pixels == number if label_map else pixels != 0, plane, masks[number], grid)
            except GridMismatchError as error:
                raise GridMismatchError(f"{names[number]!r}, frame {index + 1}: {error}") from error


def _of_frame(segmentation: Dataset, index: int, group: str, keyword: str) -> Any:
    """An attribute of a frame's functional groups: its own, else the shared one."""
    own, shared = segmentation.PerFrameFunctionalGroupsSequence[index], segmentation.get("SharedFunctionalGroupsSequence")
    for groups in (own, shared[0] if shared else Dataset()):
        found = groups.get(group)
        if found and found[0].get(keyword) is not None:
            return found[0].get(keyword)
    raise InputError(f"Frame {index + 1} of the segmentation has no {keyword}, so its place is not known; save it again.")


def _pixels(segmentation: Dataset) -> np.ndarray:
    """`(frames, rows, columns)` array."""
    count, rows, columns = (_whole(segmentation.get(keyword), keyword) for keyword in ("NumberOfFrames", "Rows", "Columns"))
    described = len(segmentation.get("PerFrameFunctionalGroupsSequence") or [])
    if described != count:
        raise InputError(f"The segmentation describes {described} of its {count} frames; save it again.")
    if math.prod((count, rows, columns)) > MOST_PIXELS:
        raise InputError(
            f"The segmentation has {count} frames of {columns} x {rows} pixels, more than any MR series; save it again."
        )
    try:
        pixels: np.ndarray = segmentation.pixel_array
    except _DAMAGED as error:
        raise InputError(f"The pixels of the segmentation cannot be read ({error}); save it uncompressed.") from error
    if pixels.size != count * rows * columns:
        raise InputError("The segmentation holds fewer or more pixels than its frames need; save it again.")
    return pixels.reshape(count, rows, columns)


def _whole(value: Any, keyword: str) -> int:
    try:
        number = int(value)
    except (TypeError, ValueError):
        number = 0
    if number < 1:
        raise InputError(f"The segmentation has no usable {keyword} ({value}); save it again.")
    return number
