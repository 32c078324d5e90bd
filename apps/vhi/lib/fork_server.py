"""A process that has everything imported that workers of this machine need: they are forks of it.

It imports while this process gets ready, and once for all workers. A worker that died is back at once.
"""

from __future__ import annotations

import os
import signal
import sys
from contextlib import AbstractContextManager
from pathlib import Path

from .environment import variables_set

# what a fork cannot change any more: glibc, OpenBLAS and Python look for it when a process starts
ENVIRONMENT = {
    "MALLOC_ARENA_MAX": "1",
    "OMP_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "PYTHONHASHSEED": "0",
}

_imported: list[str] = []


def begin(*modules: str) -> bool:
    """Start it, unless it runs. It ends when this process and its workers have.

    Parameters
    ----------
    modules : str
        Names, within `lib`, of what the workers need. None of them may start a thread.

    Returns
    -------
    bool
        Whether it runs: on Linux alone (elsewhere there is no fork, or system libraries do not survive it), and not where the
        temporary folder takes no socket or has too long a name for one.
    """
    if sys.platform != "linux" or not hasattr(os, "fork"):
        return False
    from multiprocessing import forkserver, resource_tracker

    lib = str(__package__)
    _imported.extend(f"{lib}.{name}" for name in modules if f"{lib}.{name}" not in _imported)
    forkserver.set_forkserver_preload(_imported)
    try:
        # Ctrl-C is for the command, which ends them all; it is blocked in what is started here, and only held back in this
        # process. The tracker's own start would let it through again
        resource_tracker.ensure_running()
        held_back = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
        try:
            with environment():
                forkserver.ensure_running()
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, held_back)
    except OSError:
        return False
    return True


def end() -> None:
    """End it, where it runs: what its forks used counts as what a child used from then on (`resource.RUSAGE_CHILDREN`)."""
    if sys.platform == "linux":
        from multiprocessing import forkserver

        forkserver._forkserver._stop()  # type: ignore[attr-defined]  # the standard library's tests end it so; nothing else does


def environment() -> AbstractContextManager[None]:
    """The variables that it needs when it starts, also where it is started again because it died."""
    # it looks for modules in this environment alone
    path = [str(Path(__file__).resolve().parents[1]), *filter(None, [os.environ.get("PYTHONPATH")])]
    chosen = {name: os.environ.get(name, value) for name, value in ENVIRONMENT.items()}
    return variables_set(chosen | {"PYTHONPATH": os.pathsep.join(path)})
