"""Sessions that start in a moment: everything is imported once, each session is a fork.

Run as a program: each line of the input names a data folder and says how the session in it is killed, see `Forks` in
`test_killed.py`; the answer is "killed", "ended" where it was over before, "interrupted", or "failed".
"""

from __future__ import annotations

import json
import multiprocessing
import os
import select
import shutil
import signal
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

import preloaded  # noqa: F401
from lib.retraining.retraining_folder import RetrainingFolder
from lib.retraining.retraining_session import run
from lib.training import process_pool

INTERRUPTED = 2
ENDS = {0: "ended", -signal.SIGKILL: "killed", INTERRUPTED: "interrupted"}


def session(data: Path, dies_at: int | None, stops_before_publishing: bool) -> None:
    """Run a session; it dies before the n-th change of the disk from the moment that publishing begins, or is stopped there."""
    count: int | None = None

    def deadly(work: Callable[..., Any]) -> Callable[..., Any]:
        def done(*args: Any, **kwargs: Any) -> Any:
            nonlocal count
            if count is not None:
                count += 1
            if count == dies_at:
                os.kill(os.getpid(), signal.SIGKILL)
            return work(*args, **kwargs)

        return done

    def begin(progress: dict[str, Any]) -> None:
        nonlocal count
        if progress["state"] == "publishing" and count is None:
            count = 0
            if stops_before_publishing:
                RetrainingFolder(data).request_stop()
                raise KeyboardInterrupt

    if dies_at is None:
        run(data, on_progress=begin)
        return
    for place, name in ((Path, "replace"), (Path, "rename"), (Path, "mkdir"), (shutil, "rmtree"), (shutil, "copyfile")):
        setattr(place, name, deadly(getattr(place, name)))
    run(data, on_progress=begin)


def main() -> None:
    process_pool.get_context = lambda method: multiprocessing.get_context("fork")  # type: ignore[assignment]
    process_pool.fork_server.begin = lambda *modules: False  # this one is the process to fork
    print("ready", flush=True)
    for line in sys.stdin:
        asked = json.loads(line)
        # open in the session and all processes that it starts: read to its end when the last of them is gone
        gone, alive = os.pipe()
        child = os.fork()
        if child == 0:
            os.close(gone)
            try:
                session(Path(asked["data"]), asked.get("dies_at"), asked.get("stops_before_publishing", False))
            except KeyboardInterrupt:
                os._exit(INTERRUPTED)
            except BaseException:
                traceback.print_exc()
                os._exit(1)
            os._exit(0)
        os.close(alive)
        if not select.select([gone], [], [], asked.get("after_s"))[0]:
            os.kill(child, signal.SIGKILL)
        os.read(gone, 1)
        os.close(gone)
        print(ENDS.get(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), "failed"), flush=True)


if __name__ == "__main__":
    main()
