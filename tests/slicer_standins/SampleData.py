"""Stand-in for Slicer's `SampleData`: a plain download into a cache, judged by its checksum, and loaded."""

from __future__ import annotations

import hashlib
import urllib.request
from pathlib import Path
from typing import Any

import slicer


class SampleDataLogic:
    def downloadFromURL(self, nodeNames: str, fileNames: str, uris: str, checksums: str | None) -> list[Any]:
        """The node, in the scene; a file of the cache is used again where its checksum is right."""
        path = Path(slicer.app.cache) / fileNames
        if not (path.exists() and _is_right(path, checksums)):
            urllib.request.urlretrieve(uris, path)
        if not _is_right(path, checksums):
            path.unlink()
            raise ValueError(f"Checksum of {path.name} is wrong")
        return [slicer.util.loadVolume(str(path), nodeNames)]


def _is_right(path: Path, checksum: str | None) -> bool:
    if checksum is None:
        return True
    algorithm, _, digest = checksum.partition(":")
    if algorithm not in ("SHA256", "SHA512", "MD5") or not digest:
        raise ValueError(f"invalid checksum {checksum!r}")
    return hashlib.new(algorithm.lower(), path.read_bytes()).hexdigest() == digest
