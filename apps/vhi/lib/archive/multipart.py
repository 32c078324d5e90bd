"""multipart/related bodies: taken apart as they arrive, and put together as they leave, never whole in memory."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from lib.errors import OutputError, RequestError
from lib.files import output_error

_LONGEST_HEADER = 8192
_CHUNK = 512 * 1024


def parameters_of(media_type: str) -> tuple[str, dict[str, str]]:
    """`multipart/related; type="a/b"; boundary=x` as `multipart/related` and its parameters, names in lower case."""
    name, _, rest = media_type.partition(";")
    found = re.findall(r';?\s*([^\s=;]+)\s*=\s*("(?:[^"\\]|\\.)*"|[^;]*)', rest)
    return name.strip().lower(), {key.lower(): value.strip().strip('"') for key, value in found}


class PartWriter:
    """Takes a body apart, chunk by chunk, into one file for each part."""

    def __init__(self, boundary: str, folder: Path) -> None:
        if not boundary or len(boundary) > 200:
            raise RequestError("A multipart request names its boundary in Content-Type; this one does not.")
        self._mark = b"\r\n--" + boundary.encode()
        self._folder = folder
        self._rest = b"\r\n"  # the first boundary may stand at the very beginning
        self._file: BinaryIO | None = None
        self._state = "preamble"
        self.parts: list[Path] = []

    def feed(self, chunk: bytes) -> None:
        """Take the next bytes.

        Raises
        ------
        RequestError
            The body is no multipart body.
        OutputError
            A part cannot be written.
        """
        self._rest += chunk
        try:
            while self._step():
                pass
        except OSError as error:
            raise output_error(self._folder, error) from error

    def _step(self) -> bool:
        """Whether something was done with the bytes that are left."""
        if self._state == "end":
            self._rest = b""
            return False
        if self._state == "headers":
            return self._headers()
        place = self._rest.find(self._mark)
        after = self._rest[place + len(self._mark) :]
        if place >= 0 and len(after) < 2:
            return False
        keep = place if place >= 0 else max(0, len(self._rest) - len(self._mark) + 1)
        if self._file is not None:
            self._file.write(self._rest[:keep])
        if place < 0:
            self._rest = self._rest[keep:]
            return False
        self.close()
        self._state = "end" if after.startswith(b"--") else "headers"
        self._rest = after
        return True

    def _headers(self) -> bool:
        end = self._rest.find(b"\r\n\r\n")
        if end < 0:
            if len(self._rest) > _LONGEST_HEADER:
                raise RequestError("A part of the request has no end of its headers.")
            return False
        text = self._rest[:end].decode("latin-1")
        kind = re.search(r"(?im)^content-type:\s*([^;\r\n]+)", text)
        if kind and kind[1].strip().lower() != "application/dicom":
            raise RequestError(f"A part of the request is {kind[1].strip()[:60]}; only application/dicom can be stored.")
        self.parts.append(self._folder / f"{len(self.parts):06d}")
        self._file = self.parts[-1].open("wb")
        self._rest = self._rest[end + 4 :]
        self._state = "body"
        return True

    def finish(self) -> list[Path]:
        """The parts, once the body has ended.

        Raises
        ------
        RequestError
            It ended without its closing boundary, so that something is missing, or held no part.
        """
        if self._state != "end":
            raise RequestError("The request is truncated: its closing boundary is missing. Nothing was stored; send it again.")
        if not self.parts:
            raise RequestError("The request holds no instances.")
        return self.parts

    def close(self) -> None:
        """End the part that is being written."""
        file, self._file = self._file, None
        if file is not None:
            try:
                file.close()
            except OSError as error:
                raise output_error(self._folder, error) from error


@dataclass(frozen=True)
class Part:
    """One part of an answer: bytes, or a range of a file."""

    media_type: str
    content: bytes | Path
    length: int
    offset: int = 0

    def chunks(self) -> Iterator[bytes]:
        if isinstance(self.content, bytes):
            yield self.content
            return
        left = self.length
        with self.content.open("rb") as file:
            file.seek(self.offset)
            while left:
                chunk = file.read(min(_CHUNK, left))
                if not chunk:
                    raise OutputError("A file became shorter while it was sent.")
                left -= len(chunk)
                yield chunk


def part_of(media_type: str, content: bytes) -> Part:
    """A part that is in memory."""
    return Part(media_type, content, len(content))


def body_length(parts: Iterable[Part], boundary: str) -> int:
    """Of the whole body [bytes]."""
    return sum(len(_head(part, boundary)) + part.length + 2 for part in parts) + len(boundary) + 6


def joined(pieces: Iterable[bytes]) -> Iterator[bytes]:
    """The same bytes in fewer pieces: each costs a change of threads on its way out."""
    kept: list[bytes] = []
    length = 0
    for piece in pieces:
        kept.append(piece)
        length += len(piece)
        if length >= _CHUNK:
            yield b"".join(kept)
            kept, length = [], 0
    if kept:
        yield b"".join(kept)


def body_of(parts: Iterable[Part], boundary: str) -> Iterator[bytes]:
    """The body, chunk by chunk."""
    return joined(_pieces(parts, boundary))


def _pieces(parts: Iterable[Part], boundary: str) -> Iterator[bytes]:
    for part in parts:
        yield _head(part, boundary)
        yield from part.chunks()
        yield b"\r\n"
    yield f"--{boundary}--\r\n".encode()


def _head(part: Part, boundary: str) -> bytes:
    return f"--{boundary}\r\nContent-Type: {part.media_type}\r\n\r\n".encode()
