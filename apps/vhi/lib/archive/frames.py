"""Single frames and other binary values of a file, cut out by position: as stored, or decoded to plain little-endian values."""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pydicom
from pydicom.dataset import Dataset
from pydicom.uid import UID, ExplicitVRLittleEndian

from ..errors import InputError, NotFoundError, TooLargeError
from ..studies.dicom_files import UNREADABLE
from ..studies.dicom_structure import PLAIN, Element, Structure, structure_of
from ..unpacking import MIB

OCTETS = "application/octet-stream"
# what a frame of each compressed transfer syntax is (PS3.18, table 8.7.3-5)
_MEDIA = {
    "1.2.840.10008.1.2.4.50": "image/jpeg", "1.2.840.10008.1.2.4.51": "image/jpeg", "1.2.840.10008.1.2.4.57": "image/jpeg",
    "1.2.840.10008.1.2.4.70": "image/jpeg", "1.2.840.10008.1.2.4.80": "image/jls", "1.2.840.10008.1.2.4.81": "image/jls",
    "1.2.840.10008.1.2.4.90": "image/jp2", "1.2.840.10008.1.2.4.91": "image/jp2", "1.2.840.10008.1.2.4.92": "image/jpx",
    "1.2.840.10008.1.2.4.93": "image/jpx", "1.2.840.10008.1.2.4.201": "image/jphc", "1.2.840.10008.1.2.4.202": "image/jphc",
    "1.2.840.10008.1.2.4.203": "image/jphc", "1.2.840.10008.1.2.5": "image/dicom-rle",
    "1.2.840.10008.1.2.4.100": "video/mpeg2", "1.2.840.10008.1.2.4.101": "video/mpeg2", "1.2.840.10008.1.2.4.102": "video/mp4",
    "1.2.840.10008.1.2.4.103": "video/mp4",
}  # fmt: skip
_FRAMES, _ROWS, _COLUMNS, _SAMPLES, _BITS, _COLOURS = 0x00280008, 0x00280010, 0x00280011, 0x00280002, 0x00280100, 0x00280004
_PLANAR = 0x00280006
_OFFSETS, _LENGTHS = 0x7FE00001, 0x7FE00002

# of one frame: 4000 x 4000 values of 32 bits; of a whole instance that is sent uncompressed
MOST_DECODED, MOST_TRANSCODED = 64 * MIB, 256 * MIB


def is_compressed(syntax: str) -> bool:
    return syntax not in PLAIN


def media_of(syntax: str) -> str:
    """The media type of a frame as it is stored."""
    return _MEDIA.get(syntax, OCTETS)


def stored_frames(path: Path, numbers: Sequence[int]) -> Iterator[bytes]:
    """Frames by their numbers from 1, as stored; plain ones little endian.

    Raises
    ------
    NotFoundError
        There are no voxels, or no such frame.
    InputError
        The file changed meanwhile, or does not say where its frames begin.
    """
    structure = structure_of(path)
    pixels = structure.pixels
    count = structure.number(_FRAMES, 1) or 1
    if pixels is None:
        raise NotFoundError("This instance holds no voxels.")
    for number in numbers:
        if not 1 <= number <= count:
            raise NotFoundError(f"There is no frame {number}; this instance has {count}.")
    cut = _compressed(structure, pixels, count) if pixels.fragments is not None else None
    with structure.open() as file:
        for number in numbers:
            if cut is not None:
                parts = []
                for offset, length in cut[number - 1]:
                    file.seek(offset)
                    parts.append(file.read(length))
                yield b"".join(parts)
            else:
                yield _plain(structure, pixels, file, number - 1)


def _plain(structure: Structure, pixels: Element, file: object, index: int) -> bytes:
    bits = structure.number(_BITS)
    # 4:2:2 stores two samples for each pixel
    samples = 2 if structure.text(_COLOURS) == "YBR_FULL_422" else structure.number(_SAMPLES, 1)
    length = structure.number(_ROWS) * structure.number(_COLUMNS) * samples * bits
    first, last = index * length, (index + 1) * length
    file.seek(pixels.offset + first // 8)  # type: ignore[attr-defined]
    content: bytes = file.read((last + 7) // 8 - first // 8)  # type: ignore[attr-defined]
    if len(content) * 8 < length:
        raise InputError(f"{structure.path.name} is truncated.")
    if first % 8 or length % 8:
        # frames of single bits follow each other without a gap
        unpacked = np.unpackbits(np.frombuffer(content, np.uint8), bitorder="little")[first % 8 : first % 8 + length]
        return np.packbits(unpacked, bitorder="little").tobytes()
    if not structure.little and bits > 8:
        return np.frombuffer(content, f">u{bits // 8}").astype(f"<u{bits // 8}").tobytes()
    return content


def _compressed(structure: Structure, pixels: Element, count: int) -> list[list[tuple[int, int]]]:
    """Fragments of each frame as (offset, length)."""
    table, *fragments = pixels.fragments or ()
    if count == 1:
        return [fragments]
    if len(fragments) == count:
        return [[fragment] for fragment in fragments]
    starts = _starts(structure, table)
    if len(starts) != count:
        raise InputError(
            f"{structure.path.name} holds {count} frames in {len(fragments)} fragments and does not say which belong together."
        )
    base = fragments[0][0] - 8  # the table counts from the first fragment's item tag
    ends = [*starts[1:], fragments[-1][0] + fragments[-1][1] - base]
    return [
        [(offset, length) for offset, length in fragments if start <= offset - 8 - base < end]
        for start, end in zip(starts, ends, strict=True)
    ]


def _starts(structure: Structure, table: tuple[int, int]) -> list[int]:
    extended = structure.value(_OFFSETS)
    if extended:
        return list(struct.unpack(f"<{len(extended) // 8}Q", extended))
    with structure.open() as file:
        file.seek(table[0])
        return list(struct.unpack(f"<{table[1] // 4}I", file.read(table[1])))


def decoded_frames(path: Path, numbers: Sequence[int]) -> Iterator[bytes]:
    """Frames of a compressed file as plain little-endian values, one at a time.

    Raises
    ------
    NotFoundError
        There is no such frame.
    InputError
        They cannot be decoded here.
    """
    for cells in decoded_cells(path, numbers):
        yield np.ascontiguousarray(cells).astype(cells.dtype.newbyteorder("<")).tobytes()


def decoded_cells(path: Path, numbers: Sequence[int]) -> Iterator[np.ndarray]:
    """Pixel cells of frames, `(rows, columns)` or `(rows, columns, samples)` unsigned integers, one frame at a time.

    Raises
    ------
    NotFoundError, InputError
        As `decoded_frames`.
    TooLargeError
        A frame is larger than any that is decoded here.
    """
    from ..studies.dicom_files import read_header
    from ..studies.dicom_voxels import cells_of_frame

    structure = structure_of(path)
    rows, columns, samples, bits = (structure.number(tag, 1) for tag in (_ROWS, _COLUMNS, _SAMPLES, _BITS))
    if rows * columns * samples * bits > 8 * MOST_DECODED:
        raise TooLargeError(
            f"{path.name} has frames of {columns} x {rows} pixels; none over {MOST_DECODED // MIB} MiB is decoded."
        )
    contents = stored_frames(path, numbers)
    if is_compressed(structure.syntax):
        header = read_header(path)
        for content in contents:
            yield cells_of_frame(header, content, path)
        return
    for content in contents:
        yield _as_cells(content, rows, columns, samples, bits, structure)


def _as_cells(content: bytes, rows: int, columns: int, samples: int, bits: int, structure: Structure) -> np.ndarray:
    """A plain little-endian frame as an array."""
    if bits == 1:
        cells = np.unpackbits(np.frombuffer(content, np.uint8), bitorder="little")[: rows * columns * samples]
    elif bits in (8, 16, 32):
        cells = np.frombuffer(content, f"<u{bits // 8}").astype(f"u{bits // 8}")
    else:
        raise InputError(f"{structure.path.name} stores {bits} bits per voxel; 1, 8, 16 or 32 can be read.")
    if cells.size != rows * columns * samples:
        raise InputError(f"{structure.path.name} holds {cells.size} values in a frame of {columns} x {rows} x {samples}.")
    if samples == 1:
        return cells.reshape(rows, columns)
    by_plane = bool(structure.number(_PLANAR))
    return np.moveaxis(cells.reshape(samples, rows, columns), 0, -1) if by_plane else cells.reshape(rows, columns, samples)


def explicit_little_endian(path: Path) -> Dataset:
    """The data set in Explicit VR Little Endian, for a client that takes nothing else.

    Raises
    ------
    InputError
        Its voxels cannot be decoded here.
    """
    from ..studies.dicom_voxels import read_cells

    structure = structure_of(path)
    frames, rows, columns, bits = (structure.number(tag, 1) for tag in (_FRAMES, _ROWS, _COLUMNS, _BITS))
    if frames * rows * columns * bits > 8 * MOST_TRANSCODED:
        raise TooLargeError(f"{path.name} has over {MOST_TRANSCODED // MIB} MiB uncompressed; ask for it as it is stored.")
    try:
        dataset = pydicom.dcmread(path)
        syntax = UID(str(dataset.file_meta.TransferSyntaxUID))
        if syntax.is_compressed and "PixelData" in dataset and str(syntax) not in PLAIN:
            values = read_cells(path)
            content = np.ascontiguousarray(values).astype(values.dtype.newbyteorder("<")).tobytes()
            dataset.PixelData = content + b"\0" * (len(content) % 2)
            dataset["PixelData"].VR = "OW" if dataset.BitsAllocated > 8 else "OB"
            dataset["PixelData"].is_undefined_length = False
        elif str(syntax) == "1.2.840.10008.1.2.2" and dataset.get("BitsAllocated", 8) > 8:
            kind = f"u{dataset.BitsAllocated // 8}"
            dataset.PixelData = np.frombuffer(dataset.PixelData, f">{kind}").astype(f"<{kind}").tobytes()
        dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
        return dataset
    except UNREADABLE as error:
        raise InputError(
            f"{path.name} cannot be sent uncompressed ({type(error).__name__}); ask for it as it is stored."
        ) from error


def bulk_value(path: Path, where: str) -> bytes:
    """The value of an element by its place: `TAG`, or `TAG.index.TAG` inside sequences.

    Raises
    ------
    NotFoundError
    """
    structure = structure_of(path)
    parts = where.split(".")
    try:
        tags = [int(part, 16) if n % 2 == 0 else int(part) for n, part in enumerate(parts)]
    except ValueError as error:
        raise NotFoundError(f"There is no bulk data {where[:60]!r} here.") from error
    if len(tags) == 1:
        element = structure.elements.get(tags[0])
        if element is None:
            raise NotFoundError(f"There is no bulk data {where[:60]!r} here.")
        if element is structure.pixels and element.fragments is not None:
            return b"".join(stored_frames(path, range(1, (structure.number(_FRAMES, 1) or 1) + 1)))
        return structure.value(tags[0])
    try:
        dataset = pydicom.dcmread(path, stop_before_pixels=True)
        for n in range(0, len(tags) - 1, 2):
            dataset = dataset[tags[n]].value[tags[n + 1]]
        value = dataset[tags[-1]].value
    except UNREADABLE as error:
        raise NotFoundError(f"There is no bulk data {where[:60]!r} here.") from error
    if not isinstance(value, bytes):
        raise NotFoundError(f"There is no bulk data {where[:60]!r} here.")
    return value
