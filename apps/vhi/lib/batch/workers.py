"""Workers that do pieces of work side by side: processes of this machine, or those of a dask.distributed cluster.

Both are dask.distributed, so that there is one way for a worker to die and one way to go on without it: its case is given to
another worker, and fails after several workers died of it.
"""

from __future__ import annotations

import logging
import secrets
import signal
import threading
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, Protocol, TypeVar

import dask
import distributed.utils
from distributed import Client, Future, LocalCluster, as_completed
from distributed.scheduler import KilledWorker, NoWorkerError
from distributed.security import Security

from .. import fork_server
from ..cores import usable_cores
from ..errors import InputError, SettingsError, VhiError

# what workers of a cluster need on their path
APP_DIR = Path(__file__).resolve().parents[2]
# a case that brings down this many workers is at fault itself
DEATHS_ALLOWED = 2
# a process that ends is started again at once, unless it ended while it was being started
NO_WORKERS_S = 120

# dask samples what its workers do a hundred times a second and watches its own loops fifty times a second, for pages that nobody
# sees here: a tenth of a core. Memory, for want of which a worker may be ended, is looked at twice a second.
QUIET = {
    "distributed.worker.profile.enabled": False,
    "distributed.admin.tick.interval": "1s",
    "distributed.admin.system-monitor.interval": "5s",
    "distributed.scheduler.active-memory-manager.start": False,
    "distributed.worker.memory.monitor-interval": "500ms",
}


class Named(Protocol):
    """Work for a worker: a scan to measure, a network to train. Picklable; its name is of one case of a run."""

    @property
    def name(self) -> str: ...


Case = TypeVar("Case", bound=Named)


@dataclass(frozen=True)
class Outcome(Generic[Case]):
    """How one case ended: `failure` is empty, or one sentence; `unexpected` a traceback where the program is at fault."""

    case: Case
    failure: str = ""
    unexpected: str = ""


def run_anywhere(
    cases: Sequence[Case], work: Callable[[Case], None], jobs: int, cluster: str | None
) -> Generator[Outcome[Case], None, None]:
    """`run_cases` on this machine, or on the cluster whose address is given.

    Parameters
    ----------
    jobs : int
        Processes of this machine; 0 for one per core.
    cluster : str or None
        Address of a scheduler, instead of this machine.

    Raises
    ------
    SettingsError
        Both were asked for.
    InputError
        As `cluster_workers` and `run_cases`.
    """
    if not cases:
        return
    if cluster is not None and jobs:
        raise SettingsError("--jobs is for this machine; a cluster has the workers that it has. Leave one of the two out.")
    here = min(jobs or usable_cores(), len(cases))
    with local_workers(here) if cluster is None else cluster_workers(cluster) as client:
        yield from run_cases(client, cases, work)


@contextmanager
def local_workers(jobs: int) -> Iterator[Client]:
    """`jobs` processes of this machine, each with one thread and its share of the memory.

    A process that needs more than its share is ended, and its case is tried again. On Linux they are forks of
    `lib.fork_server`.

    Raises
    ------
    SettingsError
        Fewer than one job.
    """
    if jobs < 1:
        raise SettingsError(f"{jobs} jobs cannot do anything; pass 1 or more.")
    method = "forkserver" if fork_server.begin("batch.workers") else "spawn"
    # or dask would import pandas here, to have its own server import it
    distributed.utils._forkserver_preload_set = True
    settings = QUIET | {
        "distributed.worker.multiprocessing-method": method,
        "distributed.scheduler.allowed-failures": DEATHS_ALLOWED,
        # a worker that computes for minutes without a word is no dead one
        "distributed.scheduler.worker-ttl": None,
        "distributed.scheduler.no-workers-timeout": f"{NO_WORKERS_S}s",
        "distributed.comm.timeouts.connect": "60s",
        "distributed.nanny.pre-spawn-environ": _environment(),
    }
    with fork_server.environment(), dask.config.set(settings), ExitStack() as opened:
        with _interrupts_held_back():
            cluster = opened.enter_context(
                LocalCluster(
                    n_workers=jobs,
                    threads_per_worker=1,
                    processes=True,
                    dashboard_address=None,
                    # anyone on this machine who may talk to a worker may run code as this user: only who holds the key can
                    security=Security.temporary(),
                    silence_logs=logging.CRITICAL,
                )
            )
            client = opened.enter_context(Client(cluster))
        yield client


@contextmanager
def _interrupts_held_back() -> Iterator[None]:
    """Ctrl-C and SIGTERM wait for what is done inside, where dask leaves tracebacks of what it was just starting. A second one
    does not wait."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    held: list[int] = []
    usual = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}

    def hold(number: int, _: object) -> None:
        held.append(number)
        signal.signal(number, usual[signal.Signals(number)])

    for number in usual:
        signal.signal(number, hold)
    try:
        yield
    finally:
        for number, handler in usual.items():
            signal.signal(number, handler)
    for held_back in held:
        signal.raise_signal(held_back)


def _environment() -> dict[str, Any]:
    """The environment that dask sets for a process that it starts, but how memory is given back.

    At dask's 64 kB the arrays of each scan are asked of the system, and cleared by it, again and again, which takes a fifth of a
    scan's time; so are those of a thread with a heap of its own, and dask works in a thread.
    """
    usual: dict[str, Any] = dask.config.get("distributed.nanny.pre-spawn-environ", {})
    return {name: value for name, value in usual.items() if name != "MALLOC_TRIM_THRESHOLD_"} | {"MALLOC_ARENA_MAX": 1}


@contextmanager
def cluster_workers(address: str, patience_s: float = 20) -> Iterator[Client]:
    """The workers of a cluster that runs already.

    Parameters
    ----------
    address : str
        Of its scheduler, e.g. ``tcp://host:8786``. Keys for ``tls://`` come from dask's own configuration.
    patience_s : float
        How long to wait for its answer, and three times as long for its first worker.

    Raises
    ------
    InputError
        It does not answer, has no workers, or its workers cannot import this program.
    """
    logging.getLogger("distributed").setLevel(logging.CRITICAL)
    try:
        client = Client(address, timeout=patience_s, set_as_default=False)
    except (OSError, ValueError, TypeError) as error:
        raise InputError(f"No dask scheduler answers at {address[:200]!r}; start one, or correct the address.") from error
    with client:
        try:
            client.wait_for_workers(1, timeout=3 * patience_s)
        except TimeoutError as error:
            raise InputError(f"The cluster at {address} has no workers; start some with dask worker {address}.") from error
        try:
            client.run(_can_import)
        except Exception as error:  # whatever a worker says that does not know this module
            raise InputError(
                f"The workers at {address} cannot import this program ({' '.join(str(error).split())[:200]}); start them in its "
                f"environment with PYTHONPATH={APP_DIR}."
            ) from error
        yield client


def _can_import() -> bool:
    """On the worker: that this can be called is the answer."""
    return True


def run_cases(client: Client, cases: Sequence[Case], work: Callable[[Case], None]) -> Iterator[Outcome[Case]]:
    """Have every case worked on once, and tell how each ended, in the order in which they end.

    Parameters
    ----------
    client : Client
    cases : sequence
        Only few of them are with the workers at any time, however many there are.
    work : callable
        What to do with a case; importable by name, or picklable. It must leave nothing behind when it is ended halfway, and do
        nothing for a case that is finished: after a worker's death, a case may be given out twice.

    Raises
    ------
    InputError
        The cluster is gone, or all processes of this machine are. Cases whose outcome was not told are not finished, or nobody
        knows.
    """
    # names of its own for each run and attempt: dask takes equal names for equal work, and would not do it again
    run = secrets.token_hex(4)
    waiting = iter(cases)
    # dask suspects all cases of a dying worker, also one that only waited there: these are tried again, one by one, at the end
    suspects: list[Case] = []
    given_out: dict[Future, Case] = {}
    ended = as_completed([], loop=client.loop)

    def submit(case: Case, attempt: str) -> None:
        future = client.submit(_guarded, work, case, key=f"vhi-{attempt}-{case.name}", pure=False)
        given_out[future] = case
        ended.add(future)

    def give_out() -> None:
        # one more than it works on for each thread, so that a worker has its next case before this process has heard of the last
        slots = 2 * max(1, sum(client.nthreads().values()))
        while len(given_out) < slots and (case := next(waiting, None)) is not None:
            submit(case, run)
        if not given_out and suspects:
            submit(suspects.pop(0), f"{run}alone")

    try:
        give_out()
        for future in ended:
            case = given_out.pop(future)
            if future.key == f"vhi-{run}-{case.name}" and isinstance(_error(future), KilledWorker):
                suspects.append(case)
            else:
                yield _outcome(future, case)
            future.release()
            give_out()
    finally:
        if given_out and client.status == "running":
            client.cancel(list(given_out), force=True)


def _guarded(work: Callable[[Case], None], case: Case) -> tuple[str, str]:
    """On the worker: an expected problem as its sentence, anything else with its traceback."""
    import traceback

    try:
        work(case)
    except VhiError as error:
        return " ".join(str(error).split()), ""
    except Exception as error:
        return f"{type(error).__name__}: {' '.join(str(error).split())}"[:500], traceback.format_exc()
    return "", ""


def _outcome(future: Future, case: Case) -> Outcome[Case]:
    if future.status in ("cancelled", "lost"):
        raise InputError("The cluster is gone; start it again and repeat the call: finished cases are kept.")
    error = _error(future)
    if isinstance(error, NoWorkerError):
        raise InputError(
            f"All worker processes ended, and none came back within {NO_WORKERS_S} s; repeat the call, with fewer jobs if memory "
            "is short: finished cases are kept."
        )
    if isinstance(error, KilledWorker):
        died = f"{DEATHS_ALLOWED + 1} workers died of it, with nothing else to do"
        return Outcome(case, f"{died}, probably for want of memory; try it with fewer jobs.")
    if error is not None:
        return Outcome(case, f"The workers cannot run this program ({' '.join(str(error).split())[:200]}).")
    return Outcome(case, *future.result())


def _error(future: Future) -> Any:
    return future.exception() if future.status == "error" else None
