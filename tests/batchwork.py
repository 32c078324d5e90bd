"""Work for the workers of a batch, importable by their processes; and a cluster as an administrator starts it."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from distributed import LocalCluster

from lib.batch.case_list import BatchCase
from lib.errors import InputError
from lib.files import result_folder
from programs import forks

# what a worker's PYTHONPATH names
IMPORTED = (Path(__file__).parents[1] / "apps" / "vhi", Path(__file__).parent)


def note(case: BatchCase, *, out: Path, victims: tuple[str, ...] = (), deadly: tuple[str, ...] = ()) -> None:
    """Write a result folder, and a line into `out/begun` and `out/done` for each time that is begun and done.

    The first worker that has one of `victims` half written dies of it; every worker dies of one that is `deadly`.
    """
    if (out / case.name / "vhi.json").exists():
        return
    _line(out / "begun", case.name)
    if case.name.startswith("refused"):
        raise InputError(f"{case.name} is refused.")
    if case.name.startswith("bug"):
        raise ZeroDivisionError("nothing to divide by")
    with result_folder(out / case.name, ("vhi.json", "half")) as folder:
        (folder / "half").write_text("written before the end")
        first = (out / "begun").read_text().split().count(case.name) == 1
        if case.name in deadly or (first and case.name in victims):
            # as one that runs out of memory: distributed 2026.8 does not start a process again that ends while it is being started
            time.sleep(0.5)
            os.kill(os.getpid(), signal.SIGKILL)
        time.sleep(0.05)
        (folder / "vhi.json").write_text("{}")
    _line(out / "done", case.name)


def _line(path: Path, text: str) -> None:
    with path.open("a") as file:  # one short write at the end of a file is not torn
        file.write(f"{text}\n")


@contextmanager
def scheduler() -> Iterator[str]:
    """The address of a cluster that has no workers yet."""
    with LocalCluster(n_workers=0, processes=True, dashboard_address=None, host="127.0.0.1") as cluster:
        yield cluster.scheduler_address


@contextmanager
def worker(address: str, path: str, folder: Path) -> Iterator[None]:
    """A worker in a process and a folder of its own."""
    command = ["-m", "distributed.cli.dask_worker", address, "--nthreads", "1", "--no-nanny", "--no-dashboard"]
    process = forks().start(command, folder, {**os.environ, "PYTHONPATH": path}, folder / "worker.txt")
    try:
        yield
    finally:
        process.terminate()
        process.wait(60)
