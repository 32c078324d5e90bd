"""The archive at work: in a thread of another process, with a loop and a port of its own, or as a process itself."""

from __future__ import annotations

import logging
import socket
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import uvicorn

from ..bound_socket import bound_socket
from ..errors import OutputError, SettingsError
from .app import PREFIX, make_app
from .archive_folder import ArchiveFolder

logger = logging.getLogger("vhi.archive")

LOOK_EVERY_S = 5.0
STOP_WITHIN_S = 3
START_WITHIN_S = 60.0
_LOCAL = ("127.0.0.1", "localhost", "::1")
_EVERYWHERE = ("0.0.0.0", "::")


class _Server(uvicorn.Server):
    """Tells when it listens."""

    ready: Callable[[], None] = staticmethod(lambda: None)

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started:
            self.ready()


@dataclass
class EmbeddedArchive:
    """A folder of DICOM files behind DICOMweb.

    Attributes
    ----------
    url : address of its root, such as http://127.0.0.1:8042/dicom-web
    archive : the folder and its index
    look_every_s : how often the folder is looked through for files that were put there by hand [s]
    """

    url: str
    archive: ArchiveFolder
    _server: _Server
    _bound: socket.socket
    look_every_s: float = LOOK_EVERY_S
    _ended: threading.Event = field(default_factory=threading.Event)
    _thread: threading.Thread | None = None

    @property
    def skipped(self) -> Mapping[str, str]:
        """Files that are not served, by path below the folder, and why: one sentence each."""
        return self.archive.skipped

    def run(self) -> None:
        """Serve until `stop`, or until a signal where this is the main thread."""
        looking = threading.Thread(target=self._look, name="archive-look", daemon=True)
        looking.start()
        try:
            self._server.run(sockets=[self._bound])
        finally:
            self._ended.set()
            looking.join(STOP_WITHIN_S)
            self._bound.close()
            self.archive.close()

    def start(self) -> EmbeddedArchive:
        """Serve from a thread with a loop of its own; `stop` ends it.

        Raises
        ------
        SettingsError
            It did not start.
        """
        started = threading.Event()
        self._server.ready = started.set
        self._thread = threading.Thread(target=self.run, name="archive", daemon=True)
        self._thread.start()
        if not started.wait(START_WITHIN_S):
            self.stop()
            raise SettingsError(
                f"The embedded archive of {self.archive.folder} did not start within {START_WITHIN_S:.0f} s; see its log."
            )
        return self

    def stop(self) -> None:
        """End it and wait until it has ended; its folder and port are free then."""
        self._server.should_exit = True
        if self._thread is not None:
            self._thread.join(2 * STOP_WITHIN_S + 5)

    def _look(self) -> None:
        """Keep up with files that come and go in the folder."""
        wait = self.look_every_s
        while not self._ended.wait(wait):
            began = time.monotonic()
            try:
                self.archive.rescan()
            except (OutputError, OSError) as error:
                logger.warning("The archive's folder could not be read through: %s", error)
            # a large folder is not walked all the time
            wait = max(self.look_every_s, 20 * (time.monotonic() - began))


def open_archive(
    folder: Path,
    host: str = "127.0.0.1",
    port: int = 0,
    user: str | None = None,
    password: str | None = None,
    *,
    public_url: str | None = None,
) -> EmbeddedArchive:
    """Bring the folder's index up to date, and listen; `run` serves, `start` does so beside the caller.

    Parameters
    ----------
    port : int
        0 takes a free one.
    user, password : str, optional
        What clients must send (HTTP Basic); needed beyond this machine.
    public_url : str, optional
        The address of the archive's root as clients know it, where that is another one than they reach it by.

    Raises
    ------
    InputError, OutputError
        The folder is missing, or cannot be written.
    ConflictError
        Another archive serves the folder.
    SettingsError
        The port is taken, or others could come in without a password.
    """
    if bool(user) != bool(password):
        raise SettingsError("A name and a password belong together; give the archive both, or neither.")
    if host not in _LOCAL and not user:
        raise SettingsError(f"Listening on {host} opens the archive to others: give it a name and a password.")
    bound = bound_socket(host, port, "The archive", "pass another port")
    try:
        archive = ArchiveFolder(folder)
        archive.rescan(everything=True)
    except BaseException:
        bound.close()
        raise
    address = "127.0.0.1" if host in _EVERYWHERE else f"[{host}]" if ":" in host else host
    url = f"http://{address}:{bound.getsockname()[1]}{PREFIX}"
    base = public_url or (None if host in _EVERYWHERE else url)
    config = uvicorn.Config(
        make_app(archive, user, password, base),
        log_config=None,
        access_log=False,
        server_header=False,
        lifespan="off",
        timeout_graceful_shutdown=STOP_WITHIN_S,
    )
    return EmbeddedArchive(url, archive, _Server(config), bound)


def serve_here(served: EmbeddedArchive, ready: Callable[[], None]) -> None:
    """Serve from this process until Ctrl-C or SIGTERM; `ready` is called once requests are taken."""
    served._server.ready = ready
    served.run()
