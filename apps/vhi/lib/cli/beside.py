"""Two independent pieces of work on two cores."""

from __future__ import annotations

import os
import signal
import sys
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from multiprocessing import get_context
from multiprocessing.connection import Connection


@contextmanager
def beside(work: Callable[[], None]) -> Iterator[None]:
    """Run `work`, which only writes files, in a forked process while the block runs.

    The block ends when both are done. What `work` raised is raised here; when the block fails, `work` is ended. Where a process
    cannot be forked safely, which is everywhere but on Linux, `work` follows the block.
    """
    if sys.platform != "linux" or not hasattr(os, "fork"):
        yield
        work()
        return
    fork = get_context("fork")
    receiver, sender = fork.Pipe(duplex=False)
    process = fork.Process(target=_run, args=(work, sender), daemon=True)
    process.start()
    sender.close()
    try:
        yield
        try:
            failure = receiver.recv()
        except EOFError as error:
            process.join()
            raise RuntimeError(f"The process beside this one was ended from outside (exit code {process.exitcode}).") from error
    finally:
        process.terminate()
        process.join()
        receiver.close()
    if failure is not None:
        raise failure


def _run(work: Callable[[], None], sender: Connection) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # an interrupted parent ends this process itself
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    try:
        work()
    except Exception as error:
        error.add_note(traceback.format_exc())
        sender.send(error)
    else:
        sender.send(None)
