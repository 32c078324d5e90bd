"""Where the elements of a DICOM file lie, found by walking it; so that a file that was cut anywhere shows.

Readers of DICOM are lenient with truncated files. An archive may not be: what it takes, it must be able to give back whole.
Nothing but the positions is kept in memory, whatever the size of the file, unless it is deflated.
"""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from types import MappingProxyType
from typing import BinaryIO

from pydicom.datadict import dictionary_has_tag, dictionary_VR
from pydicom.valuerep import EXPLICIT_VR_LENGTH_32

from ..errors import InputError, TooLargeError
from ..unpacking import MIB, check_deflated, check_packed_length

IMPLICIT_LITTLE, EXPLICIT_LITTLE = "1.2.840.10008.1.2", "1.2.840.10008.1.2.1"
DEFLATED, BIG_ENDIAN = "1.2.840.10008.1.2.1.99", "1.2.840.10008.1.2.2"
PLAIN = (IMPLICIT_LITTLE, EXPLICIT_LITTLE, DEFLATED, BIG_ENDIAN)
PIXEL_DATA, FLOAT_PIXELS, DOUBLE_PIXELS = 0x7FE00010, 0x7FE00008, 0x7FE00009
NUMBER_OF_FRAMES = 0x00280008
_PREAMBLE = 128
_UNDEFINED = 0xFFFFFFFF
_ITEM, _ITEM_END, _SEQUENCE_END = 0xFFFEE000, 0xFFFEE00D, 0xFFFEE0DD
_DEEPEST = 48
# of a header, in its sequences too; a Segmentation of 4000 frames has fewer
MOST_ELEMENTS = 100_000
# bytes of sequences that are not looked into: eight of them are the shortest element
_PASSED_OVER = 256 * 1024
# a deflated file is small on the way in and may be huge inside, and it is read in memory; images that are larger than this are
# compressed by their frames, or not at all
MOST_INFLATED = 32 * MIB


@dataclass(frozen=True)
class Element:
    """One element of the data set: where its value lies. `fragments` are those of compressed pixels, offset table first."""

    vr: str
    offset: int
    length: int
    fragments: tuple[tuple[int, int], ...] | None = None


@dataclass(frozen=True)
class Structure:
    """A whole file: its transfer syntax and its top-level elements by tag; offsets are those of `open`."""

    path: Path
    syntax: str
    start: int
    elements: Mapping[int, Element]

    def open(self) -> BinaryIO:
        """The file, or its inflated content, positioned at the beginning."""
        return io.BytesIO(_inflated(self.path, self.start)) if self.syntax == DEFLATED else self.path.open("rb")

    def value(self, tag: int) -> bytes:
        """The bytes of an element; empty where it is absent."""
        element = self.elements.get(tag)
        if element is None:
            return b""
        with self.open() as file:
            file.seek(element.offset)
            return file.read(element.length)

    def number(self, tag: int, default: int = 0) -> int:
        """The first value of a US or IS element."""
        element = self.elements.get(tag)
        if element is None or not element.length:
            return default
        content = self.value(tag)
        if (element.vr or dictionary_VR(tag)) == "IS":
            text = content.split(b"\\")[0].strip(b" \0")
            return int(text) if text else default
        order = ">" if self.syntax == BIG_ENDIAN else "<"
        return int(struct.unpack(f"{order}H", content[:2])[0])

    def text(self, tag: int) -> str:
        """The value of a CS or UI element."""
        return self.value(tag).strip(b" \0").decode("ascii", "replace")

    @property
    def little(self) -> bool:
        return self.syntax != BIG_ENDIAN

    @property
    def pixels(self) -> Element | None:
        """The element that holds the voxels."""
        return next((self.elements[tag] for tag in (PIXEL_DATA, FLOAT_PIXELS, DOUBLE_PIXELS) if tag in self.elements), None)


def structure_of(path: Path) -> Structure:
    """The structure of a file.

    Raises
    ------
    InputError
        It is no DICOM file, or it ends in the middle of an element.
    OSError
    """
    status = path.stat()
    return _structure_of(path, status.st_size, status.st_mtime_ns, status.st_ino)


@lru_cache(maxsize=256)
def _structure_of(path: Path, size: int, mtime_ns: int, inode: int) -> Structure:
    with path.open("rb") as file:
        if file.read(_PREAMBLE + 4)[_PREAMBLE:] != b"DICM":
            raise InputError(f"{path.name} is no DICOM file: it has no DICM mark at byte 128.")
        meta = _Walker(file, size, path.name, explicit=True, little=True)
        syntax, start = _syntax(meta)
        if syntax != DEFLATED:
            walker = _Walker(file, size, path.name, explicit=syntax != IMPLICIT_LITTLE, little=syntax != BIG_ENDIAN)
            return Structure(path, syntax, start, MappingProxyType(walker.elements()))
    content = _inflated(path, start)
    walker = _Walker(io.BytesIO(content), len(content), path.name, explicit=True, little=True)
    return Structure(path, syntax, start, MappingProxyType(walker.elements()))


def _syntax(meta: _Walker) -> tuple[str, int]:
    """Transfer syntax, and where the data set begins."""
    syntax = ""
    while True:
        start = meta.file.tell()
        header = meta.header()
        if header is None or header[0] >> 16 != 2:
            meta.file.seek(start)
            break
        tag, _, length = header
        offset = meta.file.tell()
        meta.skip(length)
        if tag == 0x00020010:
            meta.file.seek(offset)
            syntax = meta.file.read(length).strip(b" \0").decode("ascii", "replace")
    if not syntax:
        raise InputError(f"{meta.name} does not say its transfer syntax; it is truncated or damaged.")
    return syntax, start


def _inflated(path: Path, start: int) -> bytes:
    inflate = zlib.decompressobj(-zlib.MAX_WBITS)
    try:
        with path.open("rb") as file:
            check_packed_length(path.stat().st_size - start, MOST_INFLATED, path.name)
            file.seek(start)
            check_deflated(file, MOST_INFLATED, path.name)
            file.seek(start)
            content = inflate.decompress(file.read())
    except zlib.error as error:
        raise InputError(f"{path.name} is deflated and damaged ({error}).") from error
    if not inflate.eof:
        raise InputError(f"{path.name} is truncated: its deflated data set does not end.")
    return content


class _Walker:
    """Steps from element to element."""

    def __init__(self, file: BinaryIO, size: int, name: str, *, explicit: bool, little: bool) -> None:
        self.file, self.size, self.name = file, size, name
        self.explicit, self._order = explicit, "<" if little else ">"
        self._elements = self._passed_over = 0

    def elements(self) -> dict[int, Element]:
        """Those of the data set that begins here."""
        elements: dict[int, Element] = {}
        while (header := self.header()) is not None:
            tag, vr, length = header
            offset = self.file.tell()
            self._count()
            if self._is_sequence(tag, vr) and length != _UNDEFINED:
                self._skip_sequence(self.explicit and vr != "UN", 0, length)
                elements[tag] = Element(vr, offset, length)
            elif length != _UNDEFINED:
                self.skip(length)
                elements[tag] = Element(vr, offset, length)
            elif tag == PIXEL_DATA:
                fragments = self._fragments()
                elements[tag] = Element(vr, offset, self.file.tell() - offset, fragments)
            else:
                # of unknown VR and undefined length: a sequence in implicit VR (PS3.5, 6.2.2)
                self._skip_items(self.explicit and vr != "UN", 0)
                elements[tag] = Element(vr, offset, self.file.tell() - offset)
        return elements

    def header(self) -> tuple[int, str, int] | None:
        """Tag, VR (empty where the file does not say) and length of the next element; None at the end."""
        return self._header(self.explicit)

    def skip(self, length: int) -> None:
        if self.file.tell() + length > self.size:
            missing = self.file.tell() + length - self.size
            raise InputError(f"{self.name} is truncated: it ends {missing} bytes too early. Send or copy it again.")
        self.file.seek(length, io.SEEK_CUR)

    def _header(self, explicit: bool) -> tuple[int, str, int] | None:
        start = self.file.tell()
        first = self.file.read(8)
        if len(first) < 8:
            if not first.strip(b"\0"):
                return None
            raise self._cut()
        group, element = struct.unpack(f"{self._order}HH", first[:4])
        tag = group << 16 | element
        if tag == 0:
            if self._padded(start):
                return None
            raise InputError(f"{self.name} is damaged: zeros stand where an element should begin.")
        if not explicit or group == 0xFFFE:
            vr = dictionary_VR(tag) if dictionary_has_tag(tag) else ""
            return tag, vr, struct.unpack(f"{self._order}I", first[4:])[0]
        vr = first[4:6].decode("latin-1")
        if vr not in EXPLICIT_VR_LENGTH_32:
            return tag, vr, struct.unpack(f"{self._order}H", first[6:])[0]
        return tag, vr, self._long()

    def _long(self) -> int:
        content = self.file.read(4)
        if len(content) < 4:
            raise self._cut()
        return int(struct.unpack(f"{self._order}I", content)[0])

    def _fragments(self) -> tuple[tuple[int, int], ...]:
        items = []
        while (item := self._item()) is not None:
            if item == _UNDEFINED:
                raise InputError(f"{self.name} is damaged: a fragment of its voxels has no length.")
            items.append((self.file.tell(), item))
            self.skip(item)
        return tuple(items)

    def _item(self) -> int | None:
        """Length of the next item; None at the end of the sequence."""
        header = self._header(explicit=False)
        if header is None:
            raise self._cut()
        tag, _, length = header
        if tag == _SEQUENCE_END:
            return None
        if tag != _ITEM:
            raise InputError(f"{self.name} is damaged: {tag:08X} stands where an item should begin.")
        return length

    @staticmethod
    def _is_sequence(tag: int, vr: str) -> bool:
        known = dictionary_VR(tag) if vr == "UN" and dictionary_has_tag(tag) else vr
        return known == "SQ"

    def _count(self) -> None:
        """One more element or item; readers of DICOM make an object of each, many times as large as it is in the file."""
        self._elements += 1
        if self._elements > MOST_ELEMENTS:
            raise TooLargeError(f"{self.name} has more than {MOST_ELEMENTS} elements in its header, which is not taken.")

    def _skip_sequence(self, explicit: bool, depth: int, length: int) -> None:
        """Go past a sequence whose length is known; small ones together cannot hold many elements and are not walked."""
        if self._passed_over + length <= _PASSED_OVER:
            self._passed_over += length
            self.skip(length)
        else:
            self._skip_items(explicit, depth, self.file.tell() + length)

    def _skip_items(self, explicit: bool, depth: int, end: int | None = None) -> None:
        if depth > _DEEPEST:
            raise InputError(f"{self.name} nests sequences more than {_DEEPEST} deep, which no DICOM object does.")
        while (end is None or self.file.tell() < end) and (length := self._item()) is not None:
            self._count()
            if length != _UNDEFINED and self._passed_over + length <= _PASSED_OVER:
                self._passed_over += length
                self.skip(length)
            else:
                self._skip_elements(explicit, depth, None if length == _UNDEFINED else self.file.tell() + length)

    def _skip_elements(self, explicit: bool, depth: int, end: int | None) -> None:
        """Those of an item."""
        while end is None or self.file.tell() < end:
            header = self._header(explicit)
            if header is None:
                raise self._cut()
            tag, vr, length = header
            if tag == _ITEM_END:
                return
            self._count()
            if length == _UNDEFINED:
                self._skip_items(explicit and vr != "UN", depth + 1)
            elif self._is_sequence(tag, vr):
                self._skip_sequence(explicit and vr != "UN", depth + 1, length)
            else:
                self.skip(length)

    def _padded(self, start: int) -> bool:
        """Whether nothing but zeros follows, which some writers append."""
        position = self.file.tell()
        self.file.seek(start)
        rest = self.file.read(4096)
        while rest and not rest.strip(b"\0"):
            rest = self.file.read(4096)
        self.file.seek(position)
        return not rest

    def _cut(self) -> InputError:
        return InputError(f"{self.name} is truncated: it ends in the middle of an element. Send or copy it again.")
