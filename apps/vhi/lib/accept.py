"""The Accept header of a request: which media types a client takes, the preferred first (PS3.18, 8.7.4)."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass


def parameters_of(media_type: str) -> tuple[str, dict[str, str]]:
    """`multipart/related; type="a/b"; boundary=x` as `multipart/related` and its parameters, names in lower case."""
    name, _, rest = media_type.partition(";")
    pairs = re.findall(r';?\s*([^\s=;]+)\s*=\s*("(?:[^"\\]|\\.)*"|[^;]*)', rest)
    return name.strip().lower(), {key.lower(): value.strip().strip('"') for key, value in pairs}


@dataclass(frozen=True)
class Range:
    """One range of an Accept header. `kind` is the media type of a part where `multipart`; `syntax` is empty for none named."""

    kind: str
    syntax: str
    multipart: bool
    quality: float

    def covers(self, kind: str) -> bool:
        """Whether a media type lies in this range."""
        main = kind.partition("/")[0]
        return self.kind in (kind, f"{main}/*", "*/*") or self.kind.replace("/x-", "/") == kind


def ranges_of(header: str) -> list[Range]:
    """The ranges of a header, the preferred first; everything for an empty header."""
    ranges = []
    for one in re.findall(r'(?:[^,"]|"[^"]*")+', header.strip() or "*/*"):
        kind, parameters = parameters_of(one)
        multipart = kind in ("multipart/related", "multipart/*", "*/*")
        inner = parameters.get("type", "*/*").lower() if multipart else kind
        try:
            quality = float(parameters.get("q", "1"))
        except ValueError:
            quality = 0.0
        ranges.append(Range(inner, parameters.get("transfer-syntax", "").strip(), multipart, quality))
    return sorted((one for one in ranges if one.quality > 0), key=lambda one: -one.quality)


def takes_json(ranges: Iterable[Range]) -> bool:
    """Whether DICOM JSON will do."""
    return any(accepted.covers("application/dicom+json") or accepted.covers("application/json") for accepted in ranges)
