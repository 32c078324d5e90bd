"""Multipart bodies (RFC 2046) to files, part by part as they arrive: however large a body is, one piece of it is in memory."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO, Literal

LONGEST_HEADERS = 16384
_BOUNDARY = re.compile(r'boundary\s*=\s*(?:"([^"]{1,200})"|([^\s;",]{1,200}))', re.IGNORECASE)


class MultipartError(Exception):
    """The body is no multipart message, or it ends before its end mark."""


def boundary_of(content_type: str) -> str:
    """The boundary between the parts of a body with this Content-Type; empty where it is not said."""
    match = _BOUNDARY.search(content_type)
    return (match[1] or match[2]) if match else ""


class PartFiles:
    """Writes each part's content to a file of its own.

    Parameters
    ----------
    boundary : str
        Without its leading dashes.
    folder : Path
        Existing; the files are called `part-00000`, `part-00001`, ...
    check : callable, optional
        Given the headers of each part; raises what keeps it from being taken.
    """

    def __init__(self, boundary: str, folder: Path, check: Callable[[str], None] | None = None) -> None:
        self._mark = b"\r\n--" + boundary.encode("latin-1", "replace")
        self._folder, self._check = folder, check
        # the first boundary may stand at the very beginning, without the line end of the others
        self._held = b"\r\n"
        self._state: Literal["preamble", "headers", "content", "end"] = "preamble"
        self._file: BinaryIO | None = None
        self._skip = 0
        self._count = 0

    @property
    def ended(self) -> bool:
        """Whether the end mark was there; what follows it means nothing."""
        return self._state == "end"

    def feed(self, piece: bytes) -> list[Path]:
        """Take the next bytes; the files that are whole now and were not before.

        Raises
        ------
        MultipartError
            A boundary is followed by something else than a line end, or the headers of a part have no end.
        OSError
            A part cannot be written.
        """
        self._held += piece
        whole: list[Path] = []
        while not self.ended and (self._open_part() if self._state == "headers" else self._write_part(whole)):
            pass
        return whole

    def finish(self) -> None:
        """The body has ended.

        Raises
        ------
        MultipartError
            Its end mark is missing: the transfer was cut.
        """
        if not self.ended:
            raise MultipartError("it was cut before its end mark")

    def close(self) -> None:
        """End the file that is being written."""
        file, self._file = self._file, None
        if file is not None:
            file.close()

    def _open_part(self) -> bool:
        """Begin a part, once its headers are held."""
        end = self._held.find(b"\r\n\r\n")
        if end < 0:
            return self._wait(0)
        if self._check is not None:
            self._check(self._held[:end].decode("latin-1"))
        self._file = self._path().open("wb")
        # the second line end stays: the boundary behind a part without content begins with it
        self._held, self._state, self._skip = self._held[end + 2 :], "content", 2
        return True

    def _write_part(self, whole: list[Path]) -> bool:
        """Write what is held up to the next boundary, and go past it once its line is held."""
        at = self._held.find(self._mark)
        # a boundary may lie across two pieces
        known = at if at >= 0 else max(0, len(self._held) - len(self._mark) + 1)
        if self._file is not None:
            self._file.write(self._held[self._skip : known])
        self._skip, self._held = max(0, self._skip - known), self._held[known:]
        if at < 0:
            return False
        behind = len(self._mark)
        last = self._held.startswith(b"--", behind)
        end = behind + 2 if last else self._held.find(b"\r\n", behind)
        if end < 0:
            return self._wait(behind)
        if not last and self._held[behind:end].strip(b" \t"):
            raise MultipartError("a boundary is followed by something else than a line end")
        if self._file is not None:
            self.close()
            whole.append(self._path())
            self._count += 1
        self._held, self._state = self._held[end:], "end" if last else "headers"
        return True

    def _wait(self, start: int) -> bool:
        """More must come, but not without end."""
        if len(self._held) - start > LONGEST_HEADERS:
            raise MultipartError("the header of a part has no end")
        return False

    def _path(self) -> Path:
        return self._folder / f"part-{self._count:05d}"
