"""multipart/related bodies: taken apart as they arrive, and put together as they leave, never whole in memory."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from ..errors import OutputError, RequestError
from ..files import output_error
from ..multipart import MultipartError, PartFiles

_CHUNK = 512 * 1024


class PartWriter:
    """Takes the body of a request apart, chunk by chunk, into one file for each part."""

    def __init__(self, boundary: str, folder: Path) -> None:
        if not boundary or len(boundary) > 200:
            raise RequestError("A multipart request names its boundary in Content-Type; this one does not.")
        self._folder = folder
        self._files = PartFiles(boundary, folder, _check_dicom)
        self._parts: list[Path] = []

    def feed(self, chunk: bytes) -> None:
        """Take the next bytes.

        Raises
        ------
        RequestError
            The body is no multipart body, or holds what is no DICOM.
        OutputError
            A part cannot be written.
        """
        try:
            self._parts += self._files.feed(chunk)
        except MultipartError as error:
            raise RequestError(f"The request cannot be read: {error}.") from error
        except OSError as error:
            raise output_error(self._folder, error) from error

    def finish(self) -> list[Path]:
        """The parts, once the body has ended.

        Raises
        ------
        RequestError
            It ended without its closing boundary, so that something is missing, or held no part.
        """
        if not self._files.ended:
            raise RequestError("The request is truncated: its closing boundary is missing. Nothing was stored; send it again.")
        if not self._parts:
            raise RequestError("The request holds no instances.")
        return self._parts

    def close(self) -> None:
        """End the part that is being written."""
        try:
            self._files.close()
        except OSError as error:
            raise output_error(self._folder, error) from error


def _check_dicom(headers: str) -> None:
    kind = re.search(r"(?im)^content-type:\s*([^;\r\n]+)", headers)
    if kind and kind[1].strip().lower() != "application/dicom":
        raise RequestError(f"A part of the request is {kind[1].strip()[:60]}; only application/dicom can be stored.")


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
    """Length of the whole body [bytes]."""
    return sum(len(_head(part, boundary)) + part.length + 2 for part in parts) + len(boundary) + 6


def joined(pieces: Iterable[bytes]) -> Iterator[bytes]:
    """The same bytes in fewer pieces: each costs a change of threads on its way out."""
    chunk_pieces: list[bytes] = []
    length = 0
    for piece in pieces:
        chunk_pieces.append(piece)
        length += len(piece)
        if length >= _CHUNK:
            yield b"".join(chunk_pieces)
            chunk_pieces, length = [], 0
    if chunk_pieces:
        yield b"".join(chunk_pieces)


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
