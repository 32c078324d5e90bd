"""A server that sends the bytes it was told to, whatever it is asked: archives that misbehave, by hand."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress


class Scripted:
    """Answers every connection with one script, and keeps what it was asked."""

    def __init__(self, script: Callable[[socket.socket], None]) -> None:
        self._script = script
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.port = self._listening.getsockname()[1]
        self.asked: list[bytes] = []
        self.gone = threading.Event()
        """Set when a client has closed its connection while the script still ran."""
        threading.Thread(target=self._serve, daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/dicom-web"

    def close(self) -> None:
        self._listening.close()

    def _serve(self) -> None:
        while True:
            try:
                wire, _ = self._listening.accept()
            except OSError:
                return
            threading.Thread(target=self._answer, args=(wire,), daemon=True).start()

    def _answer(self, wire: socket.socket) -> None:
        with wire:
            asked = b""
            while b"\r\n\r\n" not in asked:
                piece = wire.recv(65536)
                if not piece:
                    return
                asked += piece
            self.asked.append(asked)
            try:
                self._script(wire)
            except OSError:
                self.gone.set()
                return
            with suppress(OSError):
                wire.shutdown(socket.SHUT_WR)


@contextmanager
def scripted(*pieces: bytes | Callable[[socket.socket], None]) -> Iterator[Scripted]:
    """Serve these pieces, one after the other, on a loopback port; a callable is given the connection."""

    def script(wire: socket.socket) -> None:
        for piece in pieces:
            if callable(piece):
                piece(wire)
            else:
                wire.sendall(piece)

    server = Scripted(script)
    try:
        yield server
    finally:
        server.close()


def answer(body: bytes, kind: str = "application/dicom+json", status: str = "200 OK", *headers: str) -> bytes:
    """An HTTP answer with its length."""
    head = [f"HTTP/1.1 {status}", f"Content-Type: {kind}", f"Content-Length: {len(body)}", *headers]
    return "\r\n".join(head).encode() + b"\r\n\r\n" + body


def until_gone(wire: socket.socket) -> None:
    """Say nothing until the client closes the connection; raises OSError then."""
    wire.settimeout(60)
    if wire.recv(1) == b"":
        raise ConnectionError
