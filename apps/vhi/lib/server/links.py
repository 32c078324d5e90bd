"""Answers of the archive on their way to a client: addresses in them lead back through the gateway; memory is bounded."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Protocol

LONGEST_LINK = 4096
LONGEST_HEADERS = 16384
_JSON_LINK = re.compile(rb'"(https?:(?:\\?/){2}(?:[^"\\\s]|\\/){1,%d})"' % LONGEST_LINK)
_LOCATION = re.compile(rb"(?im)^(content-location[ \t]*:[ \t]*)(\S+)[ \t]*$")

Translate = Callable[[str], str]


class TruncatedError(Exception):
    """The archive's answer ended before it was complete."""


class Rewriter(Protocol):
    """Takes an answer piece by piece."""

    def feed(self, piece: bytes) -> bytes:
        """The bytes that can be passed on now."""

    def finish(self) -> bytes:
        """The rest; raises TruncatedError when the answer was not complete."""


class Unchanged:
    """An answer that holds no addresses, and whose end the connection tells."""

    def feed(self, piece: bytes) -> bytes:
        return piece

    def finish(self) -> bytes:
        return b""


class JsonLinks:
    """DICOM JSON: every string that is an address goes through `translate`.

    What follows the last quote that ends no address is held back, because it may be an address that goes on in the next piece;
    it is let go when it grows longer than any address.
    """

    def __init__(self, translate: Translate) -> None:
        self._translate = translate
        self._held = b""
        self._last = b""

    def feed(self, piece: bytes) -> bytes:
        data = self._held + piece
        ends = [match.end() for match in _JSON_LINK.finditer(data)]
        at = data.rfind(b'"', ends[-1] if ends else 0)
        cut = len(data) if at < 0 or len(data) - at > LONGEST_LINK else at
        self._held = data[cut:]
        return self._mend(data[:cut])

    def finish(self) -> bytes:
        rest = self._mend(self._held)
        if self._last not in (b"]", b"}"):
            raise TruncatedError
        return rest

    def _mend(self, data: bytes) -> bytes:
        self._last = data.rstrip()[-1:] or self._last
        return _JSON_LINK.sub(self._replace, data)

    def _replace(self, match: re.Match[bytes]) -> bytes:
        link = match[1].replace(rb"\/", b"/").decode("utf-8", "replace")
        return b'"' + self._translate(link).encode() + b'"'


class MultipartLinks:
    """`multipart/related`: addresses in the headers of its parts go through `translate`; their contents stay as they are."""

    def __init__(self, boundary: str, translate: Translate) -> None:
        self._delimiter = b"\r\n--" + boundary.encode("latin-1")
        self._translate = translate
        # the first delimiter may stand at the very beginning, without the line break that belongs to the others
        self._held, self._borrowed = b"\r\n", 2
        self._in_headers = self._closed = False

    def feed(self, piece: bytes) -> bytes:
        self._held += piece
        passed = bytearray()
        while not self._closed:
            part = self._headers() if self._in_headers else self._content()
            if part is None:
                break
            passed += part
        if self._closed:
            passed += self._held
            self._held = b""
        elif not self._in_headers:
            # all but what could be the beginning of a delimiter
            held_back = len(self._delimiter) + 1
            passed += self._held[:-held_back]
            self._held = self._held[-held_back:]
        return self._without_borrowed(bytes(passed))

    def finish(self) -> bytes:
        if not self._closed:
            raise TruncatedError
        return b""

    def _content(self) -> bytes | None:
        """Up to and including the next delimiter."""
        at = self._held.find(self._delimiter)
        end = at + len(self._delimiter)
        if at < 0 or len(self._held) < end + 2:
            return None
        content, self._held = self._held[:end], self._held[end:]
        self._closed = self._held.startswith(b"--")
        self._in_headers = not self._closed
        return content

    def _headers(self) -> bytes | None:
        """The headers of a part, with the empty line."""
        end = self._held.find(b"\r\n\r\n") + 4
        if end < 4:
            if len(self._held) > LONGEST_HEADERS:
                raise TruncatedError
            return None
        headers, self._held = self._held[: end - 4], self._held[end - 2 :]
        self._in_headers = False
        # the second line break stays: a part without content ends at once
        return _LOCATION.sub(self._replace, headers.replace(b"\r\n", b"\n")).replace(b"\n", b"\r\n") + b"\r\n"

    def _replace(self, match: re.Match[bytes]) -> bytes:
        return match[1] + self._translate(match[2].decode("latin-1")).encode()

    def _without_borrowed(self, passed: bytes) -> bytes:
        left = passed[self._borrowed :]
        self._borrowed = max(0, self._borrowed - len(passed))
        return left
