"""Segments of a DICOM Segmentation, from any viewer, as masks on the grid of the series they were drawn on.

Segments are known by their label, else by their codes; never by their number, which writers give as they please. Frames are
placed by their positions; never by their order. Read are BINARY and LABELMAP (whose background is no segment), and FRACTIONAL
that holds nothing between none and all, or with a cut that somebody states.
"""

from __future__ import annotations

import math
import re
import struct
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from pydicom.dataset import Dataset
from pydicom.encaps import generate_frames
from pydicom.errors import BytesLengthException
from pydicom.pixels import get_decoder
from pydicom.sr.coding import Code
from pydicom.uid import UID

from ..core.planes import Plane, put
from ..core.segment_names import DISEASE_REGION, INFLAMMATION, NORMAL_BONE, SEGMENT_NAMES, most_segments
from ..core.volume import Grid, Mask
from ..errors import GridMismatchError, InputError, TooLargeError
from .dicom_codestreams import FrameSize, check_frame

SEGMENTATIONS = ("1.2.840.10008.5.1.4.1.1.66.4", "1.2.840.10008.5.1.4.1.1.66.7")  # the second: label map
# how many times as many pixels as the series has voxels a segment's frames may have, empty ones and margins included
FRAMES_BEYOND = 4
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
    zlib.error,
    BytesLengthException,
)
# each frame deflated by itself (PS3.5, A.4.14); pydicom 3.0 does not know it
_DEFLATED_FRAMES = "1.2.840.10008.1.2.8.1"
_JOINT, _SACRUM, _ILIUM = ("39723000", "SCT"), ("54735007", "SCT"), ("22356005", "SCT")
# type, and the sites it may have (none given is one of them), as (value, scheme); older writers' SRT codes are equal to SCT's
_CODED: tuple[tuple[tuple[str, str], tuple[tuple[str, str], ...] | None, str], ...] = (
    (("C94970", "NCIt"), None, NORMAL_BONE),
    (("272673000", "SCT"), (_JOINT,), DISEASE_REGION),
    (_JOINT, None, DISEASE_REGION),
    (("79654002", "SCT"), (("", ""), _JOINT, _SACRUM, _ILIUM), INFLAMMATION),
    (("23583003", "SCT"), (("", ""), _JOINT, _SACRUM, _ILIUM), INFLAMMATION),
)
_BACKGROUND = ("125040", "DCM")


def read_segments(
    segmentations: Dataset | Sequence[Dataset],
    grid: Grid,
    frame_of_reference_uid: str | None = None,
    *,
    cut: float | None = None,
) -> dict[str, Mask]:
    """Every segment of one or several Segmentations by its name.

    Parameters
    ----------
    segmentations : Dataset, or sequence of Dataset
        With pixels. Several are the parts of one result: a name may occur once. One that is there twice counts once.
    grid : Grid
        Of the series that was drawn on.
    frame_of_reference_uid : str, optional
        Of that series; a Segmentation that names another one is refused.
    cut : float, optional
        From which share on, above 0 and at most 1, a voxel of a FRACTIONAL Segmentation belongs to its segment. Without it, one
        that holds shares between 0 and 1 is refused.

    Returns
    -------
    dict of name to Mask
        Our names in our spelling, other labels as they are. A segment without a frame is an empty mask.

    Raises
    ------
    InputError
        No Segmentation, shares without a cut, damaged, two segments of one name, two frames at one place.
    TooLargeError
        Far more pixels than the series has voxels, or more segments than are taken.
    GridMismatchError
        Frames do not lie on the voxels of the series, or have pixels beyond it.
    """
    if cut is not None and not 0 < cut <= 1:
        raise InputError(f"A cut of shares lies above 0 and is at most 1, found {cut:g}; pass another.")
    segments: dict[str, Mask] = {}
    for segmentation in _each_once([segmentations] if isinstance(segmentations, Dataset) else segmentations):
        _check(segmentation, frame_of_reference_uid)
        names = _names(_segments(segmentation))
        double = sorted(set(names.values()) & set(segments))
        if double:
            raise InputError(f"Two segments are called {double[0]!r}; merge them, or rename one.")
        masks = {number: np.zeros(grid.shape, dtype=bool) for number in names}
        _place(segmentation, masks, names, grid, cut)
        segments |= {name: Mask(masks[number], grid, name) for number, name in names.items()}
    if not segments:
        raise InputError("The segmentation holds no segments; save it again with the segments that are meant.")
    return segments


def _each_once(segmentations: Sequence[Dataset]) -> list[Dataset]:
    """Each instance once: what its UID says, it is."""
    once: dict[str, Dataset] = {}
    for number, segmentation in enumerate(segmentations):
        uid = str(segmentation.get("SOPInstanceUID") or number)
        if uid in once and once[uid].get("PixelData") != segmentation.get("PixelData"):
            raise InputError(f"Two segmentations are one instance by their UID ({uid}) and differ, so one is wrong; remove it.")
        once.setdefault(uid, segmentation)
    return list(once.values())


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
    if how not in ("BINARY", "LABELMAP", "FRACTIONAL"):
        raise InputError(f"The segmentation is of type {how or 'unknown'}, which cannot be read; save it as BINARY.")
    own = segmentation.get("FrameOfReferenceUID")
    if frame_of_reference_uid and own and str(own) != frame_of_reference_uid:
        raise GridMismatchError(
            "The segmentation and the series have different frames of reference, so positions in one say nothing about the "
            "other; draw on the series itself."
        )


def _segments(segmentation: Dataset) -> list[Dataset]:
    """The described segments but the background, which a label map may describe."""
    segments = list(segmentation.get("SegmentSequence") or [])
    if segmentation.SegmentationType != "LABELMAP":
        return segments
    background = _background(segmentation)
    kept = (segment for segment in segments if _code(segment, "SegmentedPropertyTypeCodeSequence") != _BACKGROUND)
    return [segment for segment in kept if str(segment.get("SegmentNumber")) != str(background)]


def _background(segmentation: Dataset) -> int:
    """The value of a label map that belongs to no segment (PS3.3, C.8.20.2)."""
    segments = segmentation.get("SegmentSequence") or []
    described = (segment for segment in segments if _code(segment, "SegmentedPropertyTypeCodeSequence") == _BACKGROUND)
    number = next((segment.get("SegmentNumber") for segment in described), segmentation.get("PixelPaddingValue"))
    return int(number or 0)


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
        coded = _coded_name(item)
        if names[number] not in SEGMENT_NAMES and coded is not None and coded not in names.values():
            names[number] = coded
    double = [name for name in names.values() if list(names.values()).count(name) > 1]
    if double:
        raise InputError(f"Two segments are called {double[0]!r}; merge them, or rename one.")
    return names


def _coded_name(segment: Dataset) -> str | None:
    """Our name of what the codes of a segment say."""
    kind, site = (_code(segment, keyword) for keyword in ("SegmentedPropertyTypeCodeSequence", "AnatomicRegionSequence"))
    for known, sites, name in _CODED:
        if _same(kind, known) and (sites is None or any(_same(site, one) for one in sites)):
            return name
    return None


def _same(one: tuple[str, str], other: tuple[str, str]) -> bool:
    return one == other or (bool(one[0]) and Code(*one, "") == Code(*other, ""))


def _label(segment: Dataset, number: int) -> str:
    text = str(segment.get("SegmentLabel") or "")
    label = " ".join("".join(sign if sign.isprintable() else " " for sign in text).split())[:_LONGEST_NAME]
    ours = " ".join(re.sub(r"[_-]", " ", label.lower()).split())
    return ours if ours in SEGMENT_NAMES else label or f"segment {number}"


def _code(segment: Dataset, keyword: str) -> tuple[str, str]:
    """Value and scheme of a code."""
    codes = segment.get(keyword)
    if not codes:
        return "", ""
    return str(codes[0].get("CodeValue", "")), str(codes[0].get("CodingSchemeDesignator", ""))


def _place(
    segmentation: Dataset, masks: Mapping[int, np.ndarray], names: Mapping[int, str], grid: Grid, cut: float | None
) -> None:
    frames = _frames(segmentation, len(masks), grid)
    places_taken: set[tuple[int, tuple[float, ...]]] = set()
    kind = segmentation.SegmentationType
    background = _background(segmentation) if kind == "LABELMAP" else 0
    if kind == "FRACTIONAL":
        if cut is None:
            _check_shares(_frames(segmentation, len(masks), grid), segmentation)
        frames = _cut_off(frames, segmentation, cut)
    drawn: set[int] = set()
    for index, pixels in enumerate(frames):
        if not (pixels != background).any():
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
        if kind == "LABELMAP":
            present = [int(value) for value in np.unique(pixels) if value != background]
        else:
            belongs_to = _of_frame(segmentation, index, "SegmentIdentificationSequence", "ReferencedSegmentNumber")
            present = [_whole(belongs_to, "ReferencedSegmentNumber")]
        for number in present:
            if number not in masks:
                raise InputError(f"Frame {index + 1} belongs to segment {number}, which is not described; save it again.")
            at = number, tuple(round(float(mm), 2) for mm in position)
            if at in places_taken:
                raise InputError(
                    f"Two frames of {names[number]!r} lie at one position, so one of them is wrong (frame {index + 1}); save the "
                    "segmentation again."
                )
            places_taken.add(at)
            drawn.add(number)
            if len(drawn) > most_segments(math.prod(grid.shape)):
                raise TooLargeError(
                    f"The segmentation has more than {len(drawn) - 1} segments of a scan of {math.prod(grid.shape)} voxels; save "
                    "those that are meant."
                )
            try:
                put(pixels == number if kind == "LABELMAP" else pixels != 0, plane, masks[number], grid)
            except GridMismatchError as error:
                raise GridMismatchError(f"{names[number]!r}, frame {index + 1}: {error}") from error


def _check_shares(frames: Iterable[np.ndarray], segmentation: Dataset) -> None:
    """Refuse shares between nothing and all, for which nobody stated a cut."""
    whole = _whole(segmentation.get("MaximumFractionalValue"), "MaximumFractionalValue")
    between = sum(int(np.count_nonzero((shares != 0) & (shares != whole))) for shares in frames)
    if between:
        raise InputError(
            f"The segmentation is of type FRACTIONAL and holds shares or probabilities ({between} voxels lie between 0 and "
            f"{whole}), so where its border lies would be a guess. State a cut, or save it as BINARY."
        )


def _cut_off(frames: Iterable[np.ndarray], segmentation: Dataset, cut: float | None) -> Iterator[np.ndarray]:
    """`(rows, columns)` bool arrays of shares that are whole, or at least `cut`."""
    whole = _whole(segmentation.get("MaximumFractionalValue"), "MaximumFractionalValue")
    for shares in frames:
        yield shares == whole if cut is None else shares >= cut * whole


def _of_frame(segmentation: Dataset, index: int, group: str, keyword: str) -> Any:
    """An attribute of a frame's functional groups: its own, else the shared one."""
    own, shared = segmentation.PerFrameFunctionalGroupsSequence[index], segmentation.get("SharedFunctionalGroupsSequence")
    for groups in (own, shared[0] if shared else Dataset()):
        items = groups.get(group)
        if items and items[0].get(keyword) is not None:
            return items[0].get(keyword)
    raise InputError(f"Frame {index + 1} of the segmentation has no {keyword}, so its place is not known; save it again.")


def _frames(segmentation: Dataset, segments: int, grid: Grid) -> Iterator[np.ndarray]:
    """`(rows, columns)` arrays, one at a time: all of them together may be far larger than the masks."""
    count, rows, columns = (_whole(segmentation.get(keyword), keyword) for keyword in ("NumberOfFrames", "Rows", "Columns"))
    described = len(segmentation.get("PerFrameFunctionalGroupsSequence") or [])
    if described != count:
        raise InputError(f"The segmentation describes {described} of its {count} frames; save it again.")
    most = FRAMES_BEYOND * math.prod(grid.shape)
    if rows * columns > most or count * rows * columns > most * max(1, segments):
        raise TooLargeError(
            f"The segmentation has {count} frames of {columns} x {rows} pixels for {segments} segments, far more than the "
            f"{math.prod(grid.shape)} voxels of the series; save it again."
        )
    decoded = 0
    try:
        for pixels in _decoded(segmentation, count, rows, columns):
            if pixels.size != rows * columns:
                break
            yield pixels.reshape(rows, columns)
            decoded += 1
    except _DAMAGED as error:
        raise InputError(f"The pixels of the segmentation cannot be read ({error}); save it uncompressed.") from error
    if decoded != count:
        raise InputError("The segmentation holds fewer or more pixels than its frames need; save it again.")


def _decoded(segmentation: Dataset, count: int, rows: int, columns: int) -> Iterator[np.ndarray]:
    syntax = UID(str(segmentation.file_meta.get("TransferSyntaxUID", "")))
    bits, frame = int(segmentation.BitsAllocated), rows * columns
    if syntax == _DEFLATED_FRAMES:
        for part in generate_frames(segmentation.PixelData, number_of_frames=count):
            plain = np.frombuffer(_inflated(part, (frame * bits + 7) // 8), np.uint8 if bits == 1 else f"<u{bits // 8}")
            yield np.unpackbits(plain, bitorder="little")[:frame] if bits == 1 else plain[:frame]
        return
    if syntax.is_encapsulated:
        for part in generate_frames(segmentation.PixelData, number_of_frames=count):
            check_frame(part, syntax, FrameSize(rows, columns, 1, max(8, bits)), "The segmentation")
    if syntax.is_encapsulated or bits != 1:
        for pixels, _ in get_decoder(syntax).iter_array(segmentation, raw=True):
            yield pixels
        return
    for first in range(0, count * frame, frame):  # frames of single bits follow each other without a gap
        packed = np.frombuffer(segmentation.PixelData, np.uint8)[first // 8 : (first + frame + 7) // 8]
        yield np.unpackbits(packed, bitorder="little")[first % 8 : first % 8 + frame]


def _inflated(content: bytes, needed: int) -> bytes:
    """As many bytes as a frame needs, whatever more is in there."""
    return zlib.decompressobj(-zlib.MAX_WBITS).decompress(content, needed)


def _whole(value: Any, keyword: str) -> int:
    try:
        number = int(value)
    except (TypeError, ValueError):
        number = 0
    if number < 1:
        raise InputError(f"The segmentation has no usable {keyword} ({value}); save it again.")
    return number
