"""The process that trains: `python -m lib.trainers.worker_main DATA`, started by the server, in a process group of its own.

It does what is left of the session in the data folder, and ends at once when the server does: its standard input is a pipe that
nobody writes to and that closes with the server, however that ends. Every step is on disk whole or not at all, so that the
session can be gone on with; that no person stopped it shows by its state, which then reads "interrupted".
"""

from __future__ import annotations

import os
import shutil
import signal
import sys
import threading
import traceback
from multiprocessing.util import get_temp_dir
from pathlib import Path

# how far it stands back for the server: the lowest priority that still gets time on a busy machine
NICE = 19


def main(data: Path) -> int:
    """0 when the session was decided or stopped, 2 where it cannot go on (with the sentence in the log), 1 for a bug."""
    threading.Thread(target=_end_with_server, daemon=True).start()
    os.nice(NICE)
    from ..errors import VhiError
    from ..retraining.retraining_session import run
    from .process import REFUSED, SENTENCE

    try:
        run(data)
    except VhiError as error:
        print(SENTENCE + " ".join(str(error).split()), flush=True)
        return REFUSED
    except Exception:
        # the place, without messages, which may name a patient
        print("".join(traceback.format_tb(sys.exc_info()[2])), flush=True)
        return 1
    return 0


def _end_with_server() -> None:
    os.read(0, 1)  # not by sys.stdin, whose lock this thread would hold while the interpreter ends
    shutil.rmtree(get_temp_dir(), ignore_errors=True)  # with the socket of `lib.fork_server`
    os.killpg(os.getpgid(0), signal.SIGKILL)  # its own children with it


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
