"""Workers that die, and what becomes of their cases."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections import Counter
from functools import partial
from pathlib import Path

import pytest

import batchwork
from lib import fork_server
from lib.batch.batch_folder import sweep
from lib.batch.case_list import BatchCase
from lib.batch.workers import cluster_workers, local_workers, run_cases
from lib.errors import InputError, SettingsError

HERE = Path()
pytestmark = pytest.mark.slow


def cases_called(*names: str) -> list[BatchCase]:
    return [BatchCase(name, study=HERE) for name in names]


def test_one_of_two_workers_killed_in_the_middle_loses_nothing_and_repeats_nothing(tmp_path):
    names = [f"case{n:02d}" for n in range(12)]
    cases = cases_called(*names, "refused1", "bug1", "deadly1")
    work = partial(batchwork.note, out=tmp_path, victims=("case03",), deadly=("deadly1",))
    with local_workers(2) as client:
        before = set(client.scheduler_info()["workers"])
        assert len(before) == 2
        outcomes = {one.case.name: one for one in run_cases(client, cases, work)}

    # every case ended exactly once, in one way
    assert sorted(outcomes) == sorted(one.name for one in cases)
    assert {name for name, one in outcomes.items() if one.failure} == {"refused1", "bug1", "deadly1"}
    assert outcomes["refused1"].failure == "refused1 is refused."
    assert outcomes["refused1"].unexpected == ""
    assert outcomes["bug1"].failure == "ZeroDivisionError: nothing to divide by"
    assert "batchwork.py" in outcomes["bug1"].unexpected
    assert "3 workers died of it" in outcomes["deadly1"].failure

    # every result is there, whole, and was made once; only what a worker died over was begun again
    assert {path.name for path in tmp_path.iterdir() if path.is_dir() and not path.name.startswith(".")} == set(names)
    assert all({file.name for file in (tmp_path / name).iterdir()} == {"half", "vhi.json"} for name in names)
    assert Counter((tmp_path / "done").read_text().split()) == dict.fromkeys(names, 1)
    begun = Counter((tmp_path / "begun").read_text().split())
    assert begun["case03"] == 2
    # up to three times beside others, where it may have been suspected while it only waited, and three times alone
    assert 3 < begun["deadly1"] <= 6
    assert sweep(tmp_path, cases) == 1 + begun["deadly1"]
    assert not [path for path in tmp_path.iterdir() if path.name.startswith(".")]


def test_a_run_whose_processes_are_all_gone_ends_with_a_sentence(tmp_path, monkeypatch):
    monkeypatch.setattr("lib.batch.workers.NO_WORKERS_S", 1)
    with local_workers(1) as client:
        client.cluster.scale(0)
        client.cluster.sync(client.cluster._correct_state)
        with pytest.raises(InputError, match="All worker processes ended, and none came back within 1 s"):
            list(run_cases(client, cases_called("case1"), partial(batchwork.note, out=tmp_path)))
    assert not (tmp_path / "begun").exists()


def test_few_cases_are_with_the_workers_at_any_time(tmp_path):
    handed_out = 0

    def counted():
        nonlocal handed_out
        for case in cases_called(*(f"case{n:03d}" for n in range(30))):
            handed_out += 1
            yield case

    with local_workers(1) as client:
        outcomes = run_cases(client, counted(), partial(batchwork.note, out=tmp_path))
        next(outcomes)
        assert handed_out <= 2
        outcomes.close()
    assert len(list(tmp_path.glob("case*"))) <= 2


@pytest.fixture
def scheduler():
    with batchwork.scheduler() as address:
        yield address


def test_the_workers_of_a_cluster_do_the_same(scheduler, tmp_path):
    own = os.pathsep.join(map(str, batchwork.IMPORTED))
    cases = cases_called("case1", "refused1", "case2")
    with batchwork.worker(scheduler, own, tmp_path), cluster_workers(scheduler) as client:
        outcomes = {one.case.name: one.failure for one in run_cases(client, cases, partial(batchwork.note, out=tmp_path))}
    assert outcomes == {"case1": "", "refused1": "refused1 is refused.", "case2": ""}
    assert (tmp_path / "case2" / "vhi.json").exists()


def test_workers_that_lack_this_program_are_told_before_any_case(scheduler, tmp_path):
    with (
        batchwork.worker(scheduler, "", tmp_path),
        pytest.raises(InputError, match="cannot import this program .*PYTHONPATH"),
        cluster_workers(scheduler),
    ):
        pass


def test_a_cluster_that_does_not_answer_is_one_sentence():
    with (
        pytest.raises(InputError, match="No dask scheduler answers at 'tcp://127.0.0.1:1'"),
        cluster_workers("tcp://127.0.0.1:1", patience_s=1),
    ):
        pass


def test_no_jobs_no_workers():
    with pytest.raises(SettingsError, match="0 jobs"), local_workers(0):
        pass


def test_workers_of_this_machine_keep_memory_for_the_next_scan_and_compute_on_one_thread(monkeypatch):
    monkeypatch.delenv("MALLOC_TRIM_THRESHOLD_", raising=False)
    with local_workers(1) as client:
        environment = next(iter(client.run(lambda: dict(os.environ)).values()))
    assert "MALLOC_TRIM_THRESHOLD_" not in environment
    assert environment["MALLOC_ARENA_MAX"] == "1"
    assert environment["OMP_NUM_THREADS"] == environment["OPENBLAS_NUM_THREADS"] == "1"


def test_workers_of_this_machine_are_not_sampled_while_they_compute():
    with local_workers(1) as client:
        client.submit(_add_up, 3_000_000, pure=False).result()  # takes longer than the 10 ms between two of dask's samples
        assert client.profile()["count"] == 0


def _add_up(count: int) -> int:
    return sum(n % 7 for n in range(count))


APP = str(Path(fork_server.__file__).parents[1])


def ran(script: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """A script of its own session that was run to its end, with the modules of the app."""
    environment = os.environ | {"PYTHONPATH": APP} | variables
    return subprocess.run([sys.executable, "-c", script], env=environment, capture_output=True, text=True, start_new_session=True)


ORIGINS = """
import os, sys
from lib import fork_server
from lib.batch.workers import local_workers

def origin():
    server = os.getppid()
    return "lib.core.pipeline" in sys.modules, len(os.listdir(f"/proc/{server}/task")), server

kept = dict(os.environ)
fork_server.begin("cli.batch_imports", "reports.pdf")
assert dict(os.environ) == kept
with local_workers(2) as client:
    [(ready, threads, server)] = set(client.run(origin).values())
print(ready, threads, server != os.getpid(), "pandas" in sys.modules)
"""
INTERRUPTED = """
import os, signal, time
from multiprocessing.forkserver import _forkserver
from lib import fork_server

try:
    fork_server.begin("cli.batch_imports")
    while "numpy" not in open(f"/proc/{_forkserver._forkserver_pid}/maps").read():
        time.sleep(0.001)  # until it is in the middle of its imports
    os.killpg(0, signal.SIGINT)
    time.sleep(60)
except KeyboardInterrupt:
    print("interrupted here")
os.close(_forkserver._forkserver_alive_fd)
os.waitpid(_forkserver._forkserver_pid, 0)
"""
LINUX = pytest.mark.skipif(sys.platform != "linux", reason="workers are forks on Linux alone")


@LINUX
def test_workers_are_forks_of_one_process_that_has_everything_imported_and_no_thread():
    ended = ran(ORIGINS)
    assert (ended.stdout.split(), ended.returncode) == (["True", "1", "True", "False"], 0), ended.stderr


@LINUX
def test_ctrl_c_while_the_server_of_workers_imports_is_for_the_command_alone():
    """A terminal sends it to every process of the command."""
    ended = ran(INTERRUPTED)
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "interrupted here\n", "")


WHILE_STARTING = """
import os, signal, distributed
from lib.batch import workers

class Interrupted(distributed.LocalCluster):
    def __init__(self, **options):
        os.kill(os.getpid(), signal.SIGINT)
        super().__init__(**options)
        print("started")

if __name__ == "__main__":
    workers.LocalCluster = Interrupted
    try:
        with workers.local_workers(1):
            print("not reached")
    except KeyboardInterrupt:
        print("interrupted")
"""


def test_ctrl_c_while_workers_start_ends_them_once_they_have():
    ended = ran(WHILE_STARTING)
    assert (ended.stdout.split(), ended.stderr, ended.returncode) == (["started", "interrupted"], "", 0)


LONG_FOLDER = """
from lib import fork_server
from lib.batch.workers import local_workers

if __name__ == "__main__":
    print(fork_server.begin())
    with local_workers(1) as client:
        print(client.submit(sum, [1, 2]).result())
"""


@LINUX
def test_where_no_socket_can_be_made_workers_are_started_without_the_server(tmp_path):
    """The name of a socket has 107 characters at most."""
    folder = tmp_path / ("a" * 100)
    folder.mkdir()
    ended = ran(LONG_FOLDER, TMPDIR=str(folder))
    assert (ended.stdout.split(), ended.returncode) == (["False", "3"], 0), ended.stderr


@LINUX
def test_a_server_of_workers_that_dies_while_they_work_is_started_again_with_all_that_it_needs(tmp_path):
    with local_workers(2) as client:
        servers = set(client.run(os.getppid).values())
        os.kill(next(iter(servers)), signal.SIGKILL)
        outcomes = list(run_cases(client, cases_called("case1", "case2", "case3"), partial(batchwork.note, out=tmp_path)))
        [path] = set(client.run(lambda: os.environ["PYTHONPATH"]).values())
    assert [one.failure for one in outcomes] == [""] * 3
    assert APP in path.split(os.pathsep)


@LINUX
def test_a_server_of_workers_that_is_gone_is_started_again(tmp_path):
    with local_workers(1) as client:
        server = next(iter(client.run(os.getppid).values()))
    os.kill(server, signal.SIGKILL)
    with local_workers(1) as client:
        outcomes = list(run_cases(client, cases_called("case1"), partial(batchwork.note, out=tmp_path)))
    assert [one.failure for one in outcomes] == [""]
