"""A file system of a few MiB, and how to fill it."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

SMALL_MIB = 8


@contextmanager
def small_disk(place: Path, mib: int = SMALL_MIB) -> Iterator[Path]:
    """A file system of its own at `place`, where this account may mount one; else the test is skipped."""
    place.mkdir()
    reason = mount(place, mib)
    if reason:
        pytest.skip(reason)
    try:
        yield place
    finally:
        reason = unmount(place)
        assert not reason, reason


def mount(place: Path, mib: int) -> str:
    """Mount it; why that is not possible here, empty where it was."""
    command = ["mount", "-t", "tmpfs", "-o", f"size={mib}m", "tmpfs", str(place)]
    mounted = subprocess.run(command, capture_output=True, text=True)
    return f"a small file system cannot be mounted here: {mounted.stderr.strip()}" if mounted.returncode else ""


def unmount(place: Path) -> str:
    """Take it away again; why that is not possible yet, empty where it was."""
    unmounted = subprocess.run(["umount", str(place)], capture_output=True, text=True)
    return unmounted.stderr.strip() if unmounted.returncode else ""


def fill(place: Path) -> Path:
    """A file that takes all the room there is."""
    path = place / "filler"
    with path.open("wb", buffering=0) as file:
        try:
            while True:
                file.write(b"\0" * 65536)
        except OSError:
            pass
    for small in (4096, 1):  # to the last block
        with path.open("ab", buffering=0) as file, suppress(OSError):
            file.write(b"\0" * small)
    return path
