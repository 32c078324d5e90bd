"""Compressed content, unpacked up to a bound that is known before: what is small on the way in may be huge inside."""

from __future__ import annotations

import os
import zlib
from pathlib import Path
from typing import BinaryIO

from .errors import TooLargeError

MIB = 1 << 20
# packed content is never longer than what it holds, but for what packing adds; some programs pack in many small blocks
_ADDED_BY_PACKING = MIB
_PIECE = 64 * 1024
_GROUP_MEMORY = Path("/sys/fs/cgroup")


def check_packed_length(packed: int, most: int, label: str) -> None:
    """Refuse packed content that is longer than what it may hold; its blocks, each of them empty, would take long to go through.

    Parameters
    ----------
    packed, most : int
        Bytes as they came, and bytes that they may hold.

    Raises
    ------
    TooLargeError
    """
    if packed > most + most // 8 + _ADDED_BY_PACKING:
        raise TooLargeError(
            f"{label} has {packed} bytes compressed, more than the {most} that it may hold uncompressed; save it again."
        )


def check_deflated(file: BinaryIO, most: int, label: str) -> None:
    """Refuse a deflated stream that holds more than `most` bytes; it is gone through piece by piece, and none is kept.

    Parameters
    ----------
    file : binary file
        Positioned where the stream begins.

    Raises
    ------
    TooLargeError
    zlib.error
        It is damaged.
    """
    inflate, held = zlib.decompressobj(-zlib.MAX_WBITS), 0
    while not inflate.eof and (packed := inflate.unconsumed_tail or file.read(_PIECE)):
        held += len(inflate.decompress(packed, _PIECE))
        if held > most:
            raise TooLargeError(
                f"{label} inflates to more than {most // MIB} MiB, the most that is taken; store it uncompressed."
            )


def check_memory(needed: int, label: str) -> None:
    """Refuse what this machine cannot hold, before any of it is read.

    Parameters
    ----------
    needed : int
        Bytes.

    Raises
    ------
    TooLargeError
    """
    free = free_memory()
    if needed > free:
        raise TooLargeError(
            f"{label} needs {needed // MIB} MiB of memory and {free // MIB} MiB are free; its header may be damaged. Check it, "
            "or use a larger machine."
        )


def free_memory() -> int:
    """Memory that this process may still take: of the machine, or of its container where that has less [bytes]."""
    import psutil

    free = int(psutil.virtual_memory().available)
    try:
        limit = (_GROUP_MEMORY / "memory.max").read_text().strip()
        return free if limit == "max" else max(0, min(free, int(limit) - _used_by_group()))
    except (OSError, ValueError):
        return free  # no container, or one of another kind


def _used_by_group() -> int:
    """Memory that a container cannot give up [bytes]: contents of files that it keeps count as used, and go when memory is
    wanted.
    """
    used = int((_GROUP_MEMORY / "memory.current").read_text())
    parts = dict(line.split() for line in (_GROUP_MEMORY / "memory.stat").read_text().splitlines())
    return used - int(parts.get("active_file", 0)) - int(parts.get("inactive_file", 0))


def length_of(file: BinaryIO) -> int:
    """Length of a file on disk [bytes]."""
    return os.fstat(file.fileno()).st_size
