"""A bad line to an archive: passes everything on, cuts long answers off, or falls silent, as it is told."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress


class Line:
    """Forwards connections to a port of this machine.

    Attributes
    ----------
    cut_after : bytes of an answer after which the connection ends; None lets everything pass
    silent : whether answers are held back
    cuts : how many answers were cut off
    """

    def __init__(self, port: int) -> None:
        self._target = port
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.port = self._listening.getsockname()[1]
        self.cut_after: int | None = None
        self.cuts = 0
        self._open = threading.Event()
        self._open.set()
        threading.Thread(target=self._serve, daemon=True).start()

    @property
    def silent(self) -> bool:
        return not self._open.is_set()

    @silent.setter
    def silent(self, silent: bool) -> None:
        self._open.clear() if silent else self._open.set()

    def close(self) -> None:
        self._open.set()
        self._listening.close()

    def _serve(self) -> None:
        while True:
            try:
                near, _ = self._listening.accept()
            except OSError:
                return
            try:
                far = socket.create_connection(("127.0.0.1", self._target))
            except OSError:
                near.close()
                continue
            threading.Thread(target=self._pass, args=(near, far, False), daemon=True).start()
            threading.Thread(target=self._pass, args=(far, near, True), daemon=True).start()

    def _pass(self, source: socket.socket, target: socket.socket, answers: bool) -> None:
        passed = 0
        with suppress(OSError):
            while piece := source.recv(65536):
                if answers:
                    self._open.wait()
                    limit = self.cut_after
                    if limit is not None and passed + len(piece) > limit:
                        target.sendall(piece[: max(0, limit - passed)])
                        self.cuts += 1
                        break
                target.sendall(piece)
                passed += len(piece)
        for one in (source, target):
            with suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
            one.close()


@contextmanager
def bad_line(port: int) -> Iterator[Line]:
    """A line to what listens on that port."""
    line = Line(port)
    try:
        yield line
    finally:
        line.close()
