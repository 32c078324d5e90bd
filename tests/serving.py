"""A real server in a process of its own, and the client code that ships with MONAI Label against it."""

from __future__ import annotations

import json
import os
import secrets
import socket
import ssl
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from programs import Program

APP = Path(__file__).parents[1] / "apps" / "vhi"
START_S = 600.0  # of a busy machine; a server that ends is noticed at once


Process = subprocess.Popen[bytes] | Program
# `python` with these arguments in a folder, with an environment, and what it says written to a log
Start = Callable[[Sequence[str], Path, Mapping[str, str], Path], Process]


def as_program(arguments: Sequence[str], folder: Path, environment: Mapping[str, str], log: Path) -> subprocess.Popen[bytes]:
    """As a user starts it."""
    with log.open("wb") as out:
        command = [sys.executable, *arguments]
        return subprocess.Popen(command, cwd=folder, env=dict(environment), stdout=out, stderr=subprocess.STDOUT)


# what benchmarks measure; tests fork their servers instead (conftest.py), unless they say otherwise
START: Start = as_program


@dataclass(frozen=True)
class Server:
    """A running server: where it listens, where it puts temporary files, and what it says."""

    url: str
    tmp: Path
    log: Path
    process: Process

    def client(self, reader: str | None, folder: Path) -> Any:
        """The client of 3D Slicer, with the name that it sends."""
        from monailabel.client import MONAILabelClient

        return MONAILabelClient(self.url, tmpdir=str(folder), client_id=reader)

    def get(self, path: str) -> tuple[int, bytes]:
        """Status and body of a plain download, as a viewer or a browser does it."""
        try:
            # a server with a certificate of its own: what answers is asked, not who
            context = ssl._create_unverified_context() if self.url.startswith("https") else None
            with urllib.request.urlopen(self.url + path, timeout=60, context=context) as answer:
                return answer.status, answer.read()
        except urllib.error.HTTPError as error:
            return error.code, error.read()


def free_port() -> int:
    """A port for a server that will start: below those that the system gives to connections, by chance, since others look too."""
    while True:
        port = secrets.randbelow(12_000) + 20_000
        with socket.socket() as probe, suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port


def server_environment(studies: Path, conf: Mapping[str, str], **more: str) -> dict[str, str]:
    """The server's environment variables."""
    return {
        **os.environ,
        "PYTHONPATH": str(APP),
        "MONAI_LABEL_APP_DIR": str(APP),
        "MONAI_LABEL_STUDIES": str(studies),
        "MONAI_LABEL_APP_CONF": json.dumps(dict(conf)),
        **more,
    }


def refused(*words: str) -> str:
    """The one sentence with which `serve` ends before it starts anything."""
    from typer.testing import CliRunner

    from lib.cli.app import app

    port = () if "--port" in words else ("--port", str(free_port()))  # another program may hold the usual one
    result = CliRunner().invoke(app, ["serve", *words, *port])
    assert result.exit_code == 2, result.output
    assert result.stderr.count("\n") == 1
    return str(result.stderr)


@contextmanager
def serving(
    studies: Path,
    work: Path,
    *,
    conf: Mapping[str, str] | None = None,
    command: list[str] | None = None,
    start: Start | None = None,
    **environment: str,
) -> Iterator[Server]:
    """Start the server over a folder of studies, wait until it answers, and stop it in the end.

    Parameters
    ----------
    work : Path
        For temporary files and the log.
    conf : mapping
        As `--conf name value`.
    command : list
        Another way to start it; `{port}` is replaced.
    start : callable, optional
        `START` when absent.
    """
    port = free_port()
    tmp = work / "server-tmp"
    tmp.mkdir(parents=True, exist_ok=True)
    log = work / "server.log"
    command = command or ["-m", "uvicorn", "lib.server.asgi:app", "--host", "127.0.0.1", "--port", "{port}"]
    variables = server_environment(studies, conf or {}, **{"TMPDIR": str(tmp), **environment})
    process = (start or START)([part.replace("{port}", str(port)) for part in command], work, variables, log)
    try:
        server = Server(f"{'https' if '--tls-cert' in command else 'http'}://127.0.0.1:{port}", tmp, log, process)
        _wait(server)
        yield server
    finally:
        end(process)


def end(process: Process) -> None:
    """Ask a process of ours to end, and see that it does."""
    process.terminate()
    try:
        process.wait(20)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait(20)


def _wait(server: Server) -> None:
    until = time.monotonic() + START_S
    while time.monotonic() < until:
        if server.process.poll() is not None:
            break
        try:
            server.get("/auth/")
        except OSError:
            time.sleep(0.05)
        else:
            return
    raise RuntimeError(f"the server did not start:\n{server.log.read_text()[-4000:]}")
