"""Jobs side by side in processes of one thread each, which on a CPU is faster than one process of many threads."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from multiprocessing import active_children, get_context, parent_process
from multiprocessing.context import BaseContext
from threading import Thread
from typing import Any, TypeVar

from .. import fork_server
from ..environment import variables_set
from ..errors import ModelError

T = TypeVar("T")
_GLANCE_S = 0.5
# memory that is freed stays with the process: in long training page faults cost as much as the arithmetic
_MEMORY_KEPT = {"MALLOC_MMAP_MAX_": "0", "MALLOC_TRIM_THRESHOLD_": "100000000000"}


@contextmanager
def processes(jobs: int, *modules: str) -> Iterator[ProcessPoolExecutor]:
    """A pool whose processes end with this one, however it ends. On Linux they are forks of `lib.fork_server`.

    Parameters
    ----------
    jobs : int
    modules : str
        Names, within `lib`, of what the processes need beside what trains; none may start a thread.
    """
    with variables_set(_MEMORY_KEPT), ProcessPoolExecutor(jobs, mp_context=_context(modules), initializer=_begin) as pool:
        try:
            yield pool
        except BaseException as error:
            # without this the pool would wait hours for the other networks; their checkpoints stay
            for process in active_children():
                process.terminate()
            if isinstance(error, BrokenProcessPool):
                raise ModelError(
                    "A training process ended unexpectedly, perhaps for want of memory. Give the same command again to go on, "
                    "with fewer --jobs if it happens again."
                ) from error
            raise


def _context(modules: Sequence[str]) -> BaseContext:
    # what is imported last says that all of it is no garbage
    if not fork_server.begin("training.run", *modules, "nets.pool_imports"):
        return get_context("spawn")
    context = get_context("forkserver")
    # it is waited for before a process asks for the pool's semaphores: Ctrl-C meanwhile would leave one that finds none
    first = context.Process(target=os.getpid)
    first.start()
    first.join()
    return context


def run_stages(
    pool: ProcessPoolExecutor,
    stages: Mapping[str, Iterator[list[Callable[[], Any]]]],
    done: Callable[[str, list[Any]], None],
    report_progress: Callable[[], None],
) -> None:
    """Run every group's jobs stage after stage, the groups side by side.

    Parameters
    ----------
    done : callable
        Told a group's name and the results of its last stage, when it has ended.
    report_progress : callable
        Called some times a second, to show progress.
    """
    running: dict[str, list[Future[Any]]] = {}

    def advance(name: str, results: list[Any]) -> None:
        jobs = next(stages[name], None)
        if jobs is None:
            done(name, results)
        else:
            running[name] = [pool.submit(job) for job in jobs]

    for name in stages:
        advance(name, [])
    while running:
        wait([future for futures in running.values() for future in futures if not future.done()], _GLANCE_S, FIRST_COMPLETED)
        report_progress()
        for name, futures in list(running.items()):
            # a job that failed ends all at once, not only when its stage has ended
            results = [future.result() for future in futures if future.done()]
            if len(results) == len(futures):
                del running[name]
                advance(name, results)


def run_all(
    pool: ProcessPoolExecutor, jobs: Sequence[Callable[[], T]], report_progress: Callable[[], None] = lambda: None
) -> list[T]:
    """Run jobs side by side and wait for them; their results, in the order of the jobs."""
    collected: list[T] = []
    run_stages(pool, {"all": iter([list(jobs)])}, lambda _, results: collected.extend(results), report_progress)
    return collected


def _begin() -> None:
    """One thread for torch, which a script that is imported anew here may have imported already."""
    os.environ["OMP_NUM_THREADS"] = "1"
    if "torch" in sys.modules:
        sys.modules["torch"].set_num_threads(1)
    Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    # a killed command leaves no process behind that goes on training into the folder of the next one
    parent = parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)
