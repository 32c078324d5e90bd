"""One child process in a process group of its own."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from ..files import output_error

APP_DIR = Path(__file__).resolve().parents[2]
LOG_TAIL = 20_000
# of the child: it cannot go on, and its log says why in a line that begins so
REFUSED, SENTENCE = 2, "Training cannot go on: "
_ENDS_ITSELF_WITHIN_S = 5.0
KEPT = "What was learnt is kept: start training again to go on."


class TrainerProcess:
    """The process that trains.

    Parameters
    ----------
    data : Path
        The data folder.
    log : Path
        What it says; begun anew with each start.

    Raises
    ------
    OutputError
        It cannot be started.
    """

    def __init__(self, data: Path, log: Path) -> None:
        self.log = log
        try:
            log.parent.mkdir(parents=True, exist_ok=True)
            with log.open("wb") as out:
                self._process = subprocess.Popen(
                    [sys.executable, "-m", "lib.trainers.worker_main", str(data.resolve())],
                    stdin=subprocess.PIPE,
                    stdout=out,
                    stderr=subprocess.STDOUT,
                    cwd=APP_DIR,
                    env=_environment(os.environ),
                    start_new_session=True,
                )
        except OSError as error:
            raise output_error(log, error) from error

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def exit_code(self) -> int | None:
        """None while it runs."""
        return self._process.poll()

    def wait(self, within_s: float) -> bool:
        """Whether it ended within that time."""
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(within_s)
        return self.exit_code is not None

    def kill(self) -> None:
        """End it and the processes that it started, by its process group; nobody else is in that."""
        if self._process.stdin:
            self._process.stdin.close()  # at which it ends all of them itself
        if not self.wait(_ENDS_ITSELF_WITHIN_S):
            with suppress(ProcessLookupError):
                os.killpg(self.pid, signal.SIGKILL)
        self._process.wait()

    def why_it_ended(self) -> str:
        """Why it ended before its work was done, in words for anybody; what libraries wrote into the log stays there."""
        code = self.exit_code or 0
        if code < 0:
            return f"The process that trains was ended from outside (signal {-code}). {KEPT}"
        with suppress(OSError):
            lines = self.log.read_text(encoding="utf-8", errors="replace")[-LOG_TAIL:].splitlines()
            for line in reversed(lines):
                if code == REFUSED and line.startswith(SENTENCE):
                    return line.removeprefix(SENTENCE)
        where = f"{self.log.parent.name}/{self.log.name} in the data folder"
        return f"An error of the program ended the training; {where} says where. {KEPT}"


def _environment(environment: Mapping[str, str]) -> dict[str, str]:
    """One thread in each of its processes, whatever the server has; the app's folder is on the path."""
    path = os.pathsep.join([str(APP_DIR), *filter(None, [environment.get("PYTHONPATH")])])
    threads = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
    return {**environment, **threads, "PYTHONPATH": path}
