"""Python programs that start in a moment: forked from a process that has imported the libraries of others, and nothing of ours.

What a program imports of this project, of MONAI Label and of MONAI it imports itself, with the environment that it is given.
Run as a program, this is the process that is forked: each line of the input asks for a start, or how a process ended.
"""

from __future__ import annotations

import atexit
import gc
import importlib
import json
import os
import runpy
import secrets
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Mapping, Sequence
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import Any

# what the server and its reports bring, each without a thread of its own
LIBRARIES = (
    "numpy", "scipy.ndimage", "scipy.stats", "torch", "nibabel", "pydicom", "PIL.Image", "reportlab.platypus",
    "reportlab.graphics.shapes", "skimage.morphology", "safetensors.torch", "fastapi", "python_multipart", "sqlite3",
    "pydantic.v1", "uvicorn", "uvicorn.protocols.http.auto", "uvicorn.lifespan.on", "httpx", "requests",
    "requests_toolbelt", "pydantic_settings", "jinja2", "jwt", "passlib.context", "bcrypt", "cryptography.x509",
    "prometheus_client", "psutil", "rich.console", "typer", "isal.igzip", "setuptools", "timeloop", "filelock", "cachetools",
    "schedule", "passlib.hash", "dicomweb_client.api", "dicomweb_client.ext.gcp.uri", "anyio.from_thread", "skimage.draw",
    "prometheus_client.core", "fastapi.middleware.cors", "fastapi.staticfiles", "safetensors.numpy",
)  # fmt: skip


class Program:
    """A process that was forked to run a program; as `subprocess.Popen` has it."""

    def __init__(self, forks: Forks, pid: int) -> None:
        self._forks, self.pid = forks, pid
        self.returncode: int | None = None
        self._lock = threading.Lock()  # the system tells once how a process ended

    def poll(self) -> int | None:
        with self._lock:
            if self.returncode is None:
                self.returncode = self._forks.ask(ended=self.pid)
            return self.returncode

    def wait(self, timeout: float) -> int:
        until = time.monotonic() + timeout
        while (code := self.poll()) is None:
            if time.monotonic() > until:
                raise subprocess.TimeoutExpired(str(self.pid), timeout)
            time.sleep(0.02)
        return code

    def send_signal(self, number: int) -> None:
        if self.poll() is None:
            os.kill(self.pid, number)

    def terminate(self) -> None:
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)


class Forks:
    """The process that is forked, and what is asked of it."""

    def __init__(self) -> None:
        # it ends with the input
        self._process = subprocess.Popen([sys.executable, __file__], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self._lock = threading.Lock()
        atexit.register(self._end)

    def _end(self) -> None:
        self._process.communicate(timeout=20)

    def ask(self, **asked: Any) -> Any:
        assert self._process.stdin
        assert self._process.stdout
        with self._lock:
            self._process.stdin.write(json.dumps(asked) + "\n")
            self._process.stdin.flush()
            return json.loads(self._process.stdout.readline())

    def start(self, arguments: Sequence[str], folder: Path, environment: Mapping[str, str], log: Path) -> Program:
        """Run `python arguments` in a folder, with what it says written to a log."""
        return Program(self, self.ask(arguments=[*arguments], folder=str(folder), environment={**environment}, log=str(log)))


@cache
def forks() -> Forks:
    """One for all servers of this process."""
    return Forks()


def ran(
    arguments: Sequence[str], folder: Path, environment: Mapping[str, str], within_s: float = 180
) -> subprocess.CompletedProcess[str]:
    """How `python arguments` ended, and what it said on both outputs; as `subprocess.run` has it."""
    folder.mkdir(parents=True, exist_ok=True)
    log = folder / f"said-{secrets.token_hex(4)}.txt"
    code = forks().start(arguments, folder, environment, log).wait(within_s)
    return subprocess.CompletedProcess([*arguments], code, log.read_text())


def read_packages_once() -> None:
    """MONAI Label's settings read what every installed package says of itself, twice, a third of a second of each server's start."""
    read, known = metadata.PathDistribution.metadata, {}

    def kept(package: Any) -> Any:
        if package._path not in known:
            known[package._path] = read.fget(package)
        return known[package._path]

    metadata.PathDistribution.metadata = property(kept)
    for package in metadata.distributions():
        kept(package)


def main() -> None:
    for name in LIBRARIES:
        importlib.import_module(name)
    read_packages_once()
    tempfile.tempdir = None  # which follows the environment
    gc.freeze()  # what was imported is never collected: no program need look through it
    for line in sys.stdin:
        asked = json.loads(line)
        if "ended" in asked:
            pid, status = os.waitpid(asked["ended"], os.WNOHANG)
            answer = os.waitstatus_to_exitcode(status) if pid else None
        elif answer := os.fork():
            pass
        else:
            break
        print(json.dumps(answer), flush=True)
    else:
        return
    become(**asked)


def become(arguments: list[str], folder: str, environment: dict[str, str], log: str) -> None:
    """Be what `python arguments` would be, but for what Python and its libraries read from the environment as they start."""
    nothing, said = os.open(os.devnull, os.O_RDONLY), os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    for of, to in ((nothing, 0), (said, 1), (said, 2)):
        os.dup2(of, to)
    os.closerange(3, 256)
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    searched = [place for place in environment.get("PYTHONPATH", "").split(os.pathsep) if place]
    sys.path[:] = searched + [place for place in sys.path if place != str(Path(__file__).parent) and place not in searched]
    if arguments[0] == "-c":
        sys.path.insert(0, folder)
        sys.argv = ["-c", *arguments[2:]]
        exec(arguments[1], {"__name__": "__main__"})
    elif arguments[0] == "-m":
        sys.path.insert(0, folder)
        sys.argv = arguments[1:]
        runpy.run_module(arguments[1], run_name="__main__", alter_sys=True)
    else:
        sys.argv = arguments
        if (path := Path(arguments[0])).is_file():
            sys.path.insert(0, str(path.parent))
        runpy.run_path(arguments[0], run_name="__main__")


if __name__ == "__main__":
    main()
