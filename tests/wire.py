"""A network between a client and an archive that can be cut, and can fall silent."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from urllib.parse import urlsplit


class Wire:
    """Forwards connections to the archive at `url`; its own address is `self.url`.

    Attributes
    ----------
    cut_after : bytes of an answer after which the connection is closed; None lets all pass
    silent : whether requests go through and answers do not come back
    answered : bytes of answers that have passed
    """

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self._target = (parts.hostname or "127.0.0.1", parts.port or 80)
        self.cut_after: int | None = None
        self.silent = False
        self.answered = 0
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listening.getsockname()[1]}{parts.path}"
        self._open: list[socket.socket] = []
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        for one in (self._listening, *self._open):
            with suppress(OSError):
                one.close()

    def hang_up(self) -> None:
        """Close the connections that are kept, so that the next request opens a new one."""
        for one in self._open:
            with suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
        self._open.clear()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listening.accept()
                archive = socket.create_connection(self._target)
            except OSError:
                return
            self._open += [client, archive]
            threading.Thread(target=self._pass, args=(client, archive, False), daemon=True).start()
            threading.Thread(target=self._pass, args=(archive, client, True), daemon=True).start()

    def _pass(self, source: socket.socket, target: socket.socket, back: bool) -> None:
        passed = 0
        with suppress(OSError):
            while block := source.recv(1024):
                if back and self.silent:
                    continue
                if back and self.cut_after is not None and passed + len(block) > self.cut_after:
                    target.sendall(block[: self.cut_after - passed])
                    break
                target.sendall(block)
                passed += len(block)
                self.answered += len(block) if back else 0
        while back and self.silent and self._listening.fileno() >= 0:
            time.sleep(0.05)  # the archive hung up, which a silent line does not tell
        for one in (source, target):
            with suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)


@contextmanager
def wire_to(url: str) -> Iterator[Wire]:
    wire = Wire(url)
    try:
        yield wire
    finally:
        wire.close()
