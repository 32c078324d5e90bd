"""Processes that train have one thread each."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from lib.training import process_pool


def test_a_process_whose_script_imported_torch_already_has_one_thread_too(monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "4")
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        process_pool._begin()
        assert torch.get_num_threads() == 1
    finally:
        torch.set_num_threads(before)


SETTINGS = """
import os, sys
from lib.training import process_pool

def inside():
    server = os.getppid()
    threads = len(os.listdir(f"/proc/{server}/task")) if sys.platform == "linux" else 1
    return os.environ["MALLOC_MMAP_MAX_"], "torch._dynamo" in sys.modules, "lib.retraining.jobs" in sys.modules, threads

if __name__ == "__main__":
    kept = dict(os.environ)
    with process_pool.processes(1, "retraining.jobs") as training:
        print(*training.submit(inside).result())
    print(dict(os.environ) == kept)
"""


def test_the_memory_settings_of_training_processes_end_with_them_and_on_linux_they_have_all_imported(tmp_path):
    script = tmp_path / "settings.py"
    script.write_text(SETTINGS)
    environment = os.environ | {"PYTHONPATH": str(Path(process_pool.__file__).parents[2]), "MALLOC_TRIM_THRESHOLD_": "1"}
    environment.pop("MALLOC_MMAP_MAX_", None)
    ended = subprocess.run([sys.executable, str(script)], env=environment, capture_output=True, text=True)
    ready = str(sys.platform == "linux")
    assert ended.stdout.split() == ["0", ready, ready, "1", "True"], ended.stderr


INTERRUPTED = """
import os, signal, threading, time
from multiprocessing.forkserver import _forkserver
from lib.training.process_pool import processes

def interrupt():
    while _forkserver._forkserver_pid is None or "numpy" not in open(f"/proc/{_forkserver._forkserver_pid}/maps").read():
        time.sleep(0.001)  # until it is in the middle of its imports
    os.killpg(0, signal.SIGINT)

if __name__ == "__main__":
    threading.Thread(target=interrupt).start()
    try:
        with processes(2, "retraining.jobs") as training:
            print("not reached", [job.result() for job in [training.submit(os.getpid), training.submit(os.getpid)]])
    except KeyboardInterrupt:
        print("interrupted")
"""


@pytest.mark.skipif(sys.platform != "linux", reason="training processes are forks on Linux alone")
def test_ctrl_c_while_the_server_of_training_processes_imports_ends_all_without_a_word(tmp_path):
    script = tmp_path / "interrupted.py"
    script.write_text(INTERRUPTED)
    environment = os.environ | {"PYTHONPATH": str(Path(process_pool.__file__).parents[2])}
    # which ends when the last of them has closed what it could say something on
    ended = subprocess.run([sys.executable, str(script)], env=environment, capture_output=True, text=True, start_new_session=True)
    assert (ended.stdout, ended.stderr, ended.returncode) == ("interrupted\n", "", 0)
