"""One server on one data folder, and what this one writes for a while in a folder of its own."""

from __future__ import annotations

import atexit
import hashlib
import os
import shutil
import socket
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ..errors import ConflictError
from ..files import keep_private, output_error
from ..locks import taken
from ..provenance import now
from ..records import read_remakable, write_json
from .data_folder import make_folder

LOCK, NOTE = "server.lock", "server.json"
_held: dict[Path, object] = {}
_temporary: list[Path] = []


def hold(data: Path, port: str | None = None) -> None:
    """Make this process the one server of a data folder until it ends; a killed one holds nothing.

    What it writes from now on is for its own account alone, and its temporary files lie in one folder, which goes with it.

    Raises
    ------
    ConflictError
        Another server works on it; the sentence names it.
    OutputError
        The folder cannot be written.
    """
    keep_private()
    place = data.resolve()
    if place in _held:
        return
    make_folder(data)
    lock = taken(data / LOCK, wait_s=0)
    if lock is None:
        raise ConflictError(f"Another server works on {data}: {_first(data)}. Stop that one, or choose another data folder.")
    _held[place] = lock
    _note(data, port)
    _use_temporary_folder(place)


@contextmanager
def held(data: Path) -> Iterator[None]:
    """Keep servers away from a data folder for a while.

    Raises
    ------
    ConflictError
        A server works on it; the sentence names it.
    OutputError
    """
    lock = taken(data / LOCK, wait_s=0)
    if lock is None:
        raise ConflictError(f"A server works on {data}: {_first(data)}. Stop it, and start it again afterwards.")
    try:
        _note(data, None)
        yield
    finally:
        lock.release()


def keep_temporary() -> None:
    """Have this process's folder of temporary files outlast the system's tidying of old ones; for now and then.

    Raises
    ------
    OutputError
        It cannot be made again.
    """
    for number, place in enumerate(_temporary):
        try:
            place.mkdir(mode=0o700, exist_ok=True)
            if place.is_symlink() or not _is_ours(place):  # another account made it first
                place = _temporary[number] = Path(tempfile.mkdtemp(prefix=f"{place.name}-", dir=place.parent))
                tempfile.tempdir = str(place)
            os.utime(place)
        except OSError as error:
            raise output_error(place, error) from error


def remove_temporary() -> None:
    """Remove what lies in this process's folder of temporary files."""
    while _temporary:
        shutil.rmtree(_temporary.pop(), ignore_errors=True)


def _note(data: Path, port: str | None) -> None:
    write_json(data / NOTE, {"host": socket.gethostname(), "process": os.getpid(), "port": port, "since": now()})


def _first(data: Path) -> str:
    note = read_remakable(data / NOTE, host=str, process=int) or {}
    port = f", port {note['port']}" if note.get("port") else ""
    return f"process {note.get('process', '?')} on {note.get('host', '?')}{port}, since {note.get('since', '?')}"


def _use_temporary_folder(data: Path) -> None:
    """A folder named by the data folder: what a killed server left in it goes now, since no other one may be using it."""
    name = f"vhi-{hashlib.sha256(str(data).encode()).hexdigest()[:12]}"
    place = Path(tempfile.gettempdir()) / name
    try:
        if place.is_dir() and not place.is_symlink() and _is_ours(place):
            shutil.rmtree(place, ignore_errors=True)
        try:
            place.mkdir(mode=0o700)
        except FileExistsError:  # another account's
            place = Path(tempfile.mkdtemp(prefix=f"{name}-"))
    except OSError as error:
        raise output_error(place, error) from error
    tempfile.tempdir = str(place)
    _temporary.append(place)
    atexit.register(remove_temporary)


def _is_ours(place: Path) -> bool:
    return not hasattr(os, "geteuid") or place.lstat().st_uid == os.geteuid()
