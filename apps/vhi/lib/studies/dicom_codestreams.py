"""The unpacked size of a compressed frame, as the frame itself tells it: before anything decodes it, whatever its file says."""

from __future__ import annotations

import math
import struct
from itertools import pairwise
from typing import NamedTuple

from ..errors import InputError, TooLargeError

RLE = "1.2.840.10008.1.2.5"
_JPEG = frozenset(f"1.2.840.10008.1.2.4.{number}" for number in (50, 51, 57, 70, 80, 81))
_JPEG_2000 = frozenset(f"1.2.840.10008.1.2.4.{number}" for number in (90, 91))
# markers that say how large a picture is (ISO/IEC 10918-1, table B.1; 14495-1 for JPEG-LS)
_START_OF_FRAME = frozenset({*range(0xC0, 0xD0), 0xF7} - {0xC4, 0xC8, 0xCC})
_START_OF_SCAN, _WITHOUT_LENGTH = 0xDA, frozenset({0x01, *range(0xD0, 0xD9)})
_JP2, _CODESTREAM = b"\0\0\0\x0cjP  ", b"jp2c"
_SIZ = b"\xff\x4f\xff\x51"
# a run of two bytes becomes 128 at most; frames that could not become large are not looked through [bytes]
_LONGEST_RUN, _LOOKED_THROUGH_FROM = 64, 32 * 2**20


class FrameSize(NamedTuple):
    """The size of a frame by its file's header; `bits` as allocated for a sample."""

    rows: int
    columns: int
    samples: int
    bits: int


def check_frame(content: bytes, syntax: str, stated: FrameSize, name: str) -> None:
    """Refuse a compressed frame that is larger than its file says.

    Parameters
    ----------
    content : bytes
        One frame, its fragments joined.
    syntax : str
        UID of the transfer syntax; of one that is not known here nothing is checked, and it is not decoded either.
    stated : FrameSize
    name : str
        What messages call the file.

    Raises
    ------
    TooLargeError
        The frame has more pixels, samples or bytes.
    InputError
        It does not say how large it is.
    """
    if syntax == RLE:
        _check_run_lengths(content, math.prod(stated) // 8, name)
        return
    size = _size_of_jpeg(content) if syntax in _JPEG else _size_of_jpeg_2000(content) if syntax in _JPEG_2000 else None
    if size is None and syntax in _JPEG | _JPEG_2000:
        raise InputError(f"{name} holds compressed voxels that are truncated or damaged; export the series again.")
    if size is not None and (size[0] * size[1] > stated.rows * stated.columns or size[2] > stated.samples):
        raise TooLargeError(
            f"{name} holds a compressed frame of {size[0]} x {size[1]} pixels of {size[2]} samples, and its header says "
            f"{stated.rows} x {stated.columns} of {stated.samples}; export the series again."
        )


def _size_of_jpeg(content: bytes) -> tuple[int, int, int] | None:
    """Rows, columns and components; None where they are not told."""
    at = 2
    while at + 4 <= len(content) and content[at] == 0xFF:
        marker = content[at + 1]
        if marker == 0xFF:  # filling
            at += 1
            continue
        if marker in _WITHOUT_LENGTH:
            at += 2
            continue
        if marker in _START_OF_FRAME and at + 10 <= len(content):
            rows, columns, components = struct.unpack(">HHB", content[at + 5 : at + 10])
            return (rows, columns, components) if rows and columns else None
        if marker == _START_OF_SCAN:
            return None
        at += 2 + int(struct.unpack(">H", content[at + 2 : at + 4])[0])
    return None


def _size_of_jpeg_2000(content: bytes) -> tuple[int, int, int] | None:
    at = _codestream_at(content) if content.startswith(_JP2) else 0
    if content[at : at + 4] != _SIZ or len(content) < at + 42:
        return None
    right, bottom, left, top = struct.unpack(">4I", content[at + 8 : at + 24])
    components = struct.unpack(">H", content[at + 40 : at + 42])[0]
    return (bottom - top, right - left, components) if bottom > top and right > left else None


def _codestream_at(content: bytes) -> int:
    """Where the codestream lies in a file of boxes (ISO/IEC 15444-1, annex I)."""
    at = 0
    while at + 8 <= len(content):
        length, kind = struct.unpack(">I4s", content[at : at + 8])
        if kind == _CODESTREAM:
            return at + (16 if length == 1 else 8)
        if length < 8:
            break
        at += length
    return len(content)


def _check_run_lengths(content: bytes, needed: int, name: str) -> None:
    if len(content) * _LONGEST_RUN <= max(2 * needed, _LOOKED_THROUGH_FROM):
        return
    length = 0
    for segment in _segments(content):
        at = 0
        while at < len(segment) and length <= 2 * needed:
            run = segment[at]
            length += 257 - run if run > 128 else run + 1 if run < 128 else 0
            at += 2 if run > 128 else run + 2 if run < 128 else 1
    if length > 2 * needed:
        raise TooLargeError(
            f"{name} holds a frame in run lengths of over {length} bytes, and its header says {needed}; export the series again."
        )


def _segments(content: bytes) -> list[memoryview]:
    """The segments of a frame (PS3.5, G.5)."""
    if len(content) < 64:
        return []
    count, *offsets = struct.unpack("<16I", content[:64])
    starts = [*offsets[: min(count, 15)], len(content)]
    return [memoryview(content)[start:end] for start, end in pairwise(starts)]
