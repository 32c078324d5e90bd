"""Processes that train have one thread each."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

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
