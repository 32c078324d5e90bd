"""A multipart answer to files, part by part as it arrives: however large a series is, one block is in memory."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import IO

_MOST_HEADER_BYTES = 1 << 16
_BOUNDARY = re.compile(r'boundary\s*=\s*(?:"([^"]{1,200})"|([^\s;"]{1,200}))', re.IGNORECASE)


class MultipartError(Exception):
    """The body is no multipart message, or it ends before its end mark."""


def boundary_of(content_type: str) -> bytes:
    """What separates the parts of a body with this Content-Type.

    Raises
    ------
    MultipartError
    """
    found = _BOUNDARY.search(content_type)
    if not content_type.lower().lstrip().startswith("multipart/") or found is None:
        raise MultipartError(f"its Content-Type is {content_type[:80]!r}")
    return (found[1] or found[2]).encode("latin-1", "replace")


def write_parts(blocks: Iterable[bytes], boundary: bytes, folder: Path) -> Iterator[Path]:
    """Write each part's content to a file of its own, and give it once it is whole.

    Parameters
    ----------
    blocks : iterable of bytes
        The body, cut anywhere.
    boundary : bytes
        Without its leading dashes.
    folder : Path
        Existing; the files are called `part-00000`, `part-00001`, ...

    Raises
    ------
    MultipartError
        No boundary where one belongs, or no end mark: the transfer was cut.
    """
    body = _Body(blocks)
    # the first boundary may stand at the very beginning, without a line end in front of it
    body.unread(b"\r\n")
    mark = b"\r\n--" + boundary
    body.copy_until(mark, None)
    number = 0
    while True:
        following = body.take(2)
        if following == b"--":
            return
        if following != b"\r\n":
            raise MultipartError("a boundary is followed by something else than a line end")
        body.unread(following)
        body.copy_until(b"\r\n\r\n", None, _MOST_HEADER_BYTES)
        path = folder / f"part-{number:05d}"
        with path.open("wb") as file:
            body.copy_until(mark, file)
        yield path
        number += 1


class _Body:
    """Blocks as one stream in which a mark can be searched."""

    def __init__(self, blocks: Iterable[bytes]) -> None:
        self._blocks = iter(blocks)
        self._held = b""

    def unread(self, content: bytes) -> None:
        self._held = content + self._held

    def take(self, count: int) -> bytes:
        while len(self._held) < count:
            self._more()
        taken, self._held = self._held[:count], self._held[count:]
        return taken

    def copy_until(self, mark: bytes, file: IO[bytes] | None, most: int | None = None) -> None:
        """Copy what stands in front of the next mark, and go behind it."""
        passed = 0
        while True:
            at = self._held.find(mark)
            # a mark may lie across two blocks
            end = at if at >= 0 else max(0, len(self._held) - len(mark) + 1)
            if file is not None:
                file.write(self._held[:end])
            passed += end
            if at >= 0:
                self._held = self._held[at + len(mark) :]
                return
            self._held = self._held[end:]
            if most is not None and passed > most:
                raise MultipartError("the header of a part has no end")
            self._more()

    def _more(self) -> None:
        block = next(self._blocks, None)
        if block is None:
            raise MultipartError("it was cut before its end mark")
        self._held += block
