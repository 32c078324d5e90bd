"""The archive at work: in a thread of another process, with a loop and a port of its own, or as a process itself."""

from __future__ import annotations

import fcntl
import socket
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

import uvicorn

from lib.archive.app import PREFIX, make_app
from lib.archive.index import OWN_FOLDER, Index
from lib.archive.store import clear_incoming
from lib.errors import InputError, SettingsError
from lib.files import output_error

LOOK_EVERY_S = 5.0
STOP_WITHIN_S = 3
START_WITHIN_S = 60.0


@dataclass
class EmbeddedArchive:
    """A folder of DICOM files behind DICOMweb.

    Attributes
    ----------
    url : address of its root, such as http://127.0.0.1:8042/dicom-web
    index : what it knows
    """

    url: str
    index: Index
    _server: uvicorn.Server
    _listening: socket.socket
    _lock: IO[str]
    _ended: threading.Event = field(default_factory=threading.Event)
    _threads: list[threading.Thread] = field(default_factory=list)

    def run(self) -> None:
        """Serve until `stop`, or until a signal where this is the main thread."""
        looking = threading.Thread(target=self._look, name="archive-look", daemon=True)
        looking.start()
        self._threads.append(looking)
        try:
            self._server.run(sockets=[self._listening])
        finally:
            self._ended.set()
            self._listening.close()

    def stop(self) -> None:
        """End it and wait until it has ended; its folder and port are free then."""
        self._server.should_exit = True
        self._ended.set()
        for thread in self._threads:
            thread.join(STOP_WITHIN_S + 5)
        self._lock.close()

    def _look(self) -> None:
        while not self._ended.wait(LOOK_EVERY_S):
            self.index.rescan()
        self.index.close()


def open_archive(
    folder: Path, host: str = "127.0.0.1", port: int = 0, user: str | None = None, password: str | None = None
) -> EmbeddedArchive:
    """Read the folder's index, or make it, and listen; `run` serves.

    Raises
    ------
    InputError
        The folder is missing, or cannot be written.
    SettingsError
        Another archive serves the folder, the port is taken, or others could come in without a password.
    """
    if not folder.is_dir():
        raise InputError(f"{folder} is no folder; pass the folder that holds, or will hold, the DICOM files.")
    local = host in ("127.0.0.1", "localhost", "::1")
    if not local and not (user and password):
        raise SettingsError(f"Listening on {host} opens the archive to others: give it a name and a password.")
    lock = _locked(folder)
    try:
        clear_incoming(folder)
        index = Index(folder.resolve())
        listening = _listen(host, port)
    except BaseException:
        lock.close()
        raise
    shown = f"[{host}]" if ":" in host else host
    url = f"http://{shown}:{listening.getsockname()[1]}{PREFIX}"
    names = ("127.0.0.1", "localhost", "[::1]")
    config = uvicorn.Config(
        make_app(index, url, user, password, names),
        log_config=None,
        access_log=False,
        server_header=False,
        lifespan="off",
        timeout_graceful_shutdown=STOP_WITHIN_S,
    )
    return EmbeddedArchive(url, index, uvicorn.Server(config), listening, lock)


def run_in_thread(
    folder: Path, host: str = "127.0.0.1", port: int = 0, user: str | None = None, password: str | None = None
) -> EmbeddedArchive:
    """Serve a folder from a thread with a loop and port of its own; port 0 takes a free one.

    Raises
    ------
    InputError, SettingsError
        As `open_archive`.
    """
    archive = open_archive(folder, host, port, user, password)
    started = threading.Event()
    server: Any = archive._server
    # signals belong to the process that this thread lives in
    server.install_signal_handlers = lambda: None
    startup = server.startup

    async def announced(sockets: list[socket.socket] | None = None) -> None:
        await startup(sockets=sockets)
        started.set()

    server.startup = announced
    thread = threading.Thread(target=archive.run, name="archive", daemon=True)
    archive._threads.append(thread)
    thread.start()
    if not started.wait(START_WITHIN_S):
        archive.stop()
        raise SettingsError(f"The embedded archive of {folder} did not start within {START_WITHIN_S:.0f} s.")
    return archive


def serve_here(archive: EmbeddedArchive, ready: Callable[[], None]) -> None:
    """Serve from this process until Ctrl-C or SIGTERM."""
    server: Any = archive._server
    startup = server.startup

    async def announced(sockets: list[socket.socket] | None = None) -> None:
        await startup(sockets=sockets)
        ready()

    server.startup = announced
    archive.run()


def _locked(folder: Path) -> IO[str]:
    own = folder / OWN_FOLDER
    try:
        own.mkdir(exist_ok=True)
        file = (own / "lock").open("w")
    except OSError as error:
        raise output_error(own, error) from error
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        file.close()
        raise SettingsError(f"Another archive serves {folder}; stop it first, or serve another folder.") from error
    return file


def _listen(host: str, port: int) -> socket.socket:
    listening = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_STREAM)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((host, port))
        listening.listen(128)
    except OSError as error:
        listening.close()
        raise SettingsError(
            f"The archive cannot listen on {host} port {port} ({(error.strerror or str(error)).lower()}); pass another port."
        ) from error
    return listening
