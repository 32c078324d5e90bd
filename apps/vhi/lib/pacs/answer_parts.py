"""A multipart answer to files, part by part as it arrives."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

from ..multipart import MultipartError, PartFiles, boundary_of


def write_parts(blocks: Iterable[bytes], content_type: str, folder: Path) -> Iterator[Path]:
    """Write each part's content to a file of its own, and give it once it is whole.

    Parameters
    ----------
    blocks : iterable of bytes
        The body, cut anywhere.
    content_type : str
        As the answer says; it names the boundary.
    folder : Path
        Existing.

    Raises
    ------
    MultipartError
        The answer is not in parts, no boundary where one belongs, or no end mark: the transfer was cut.
    """
    boundary = boundary_of(content_type)
    if not content_type.lower().lstrip().startswith("multipart/") or not boundary:
        raise MultipartError(f"its Content-Type is {content_type[:80]!r}")
    files = PartFiles(boundary, folder)
    try:
        for block in blocks:
            yield from files.feed(block)
            if files.ended:
                return
        files.finish()
    finally:
        files.close()
