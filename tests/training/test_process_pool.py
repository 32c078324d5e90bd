"""Processes that train have one thread each."""

from __future__ import annotations

import os

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


def test_the_memory_settings_of_training_processes_end_with_them(monkeypatch):
    monkeypatch.setenv("MALLOC_TRIM_THRESHOLD_", "1")
    monkeypatch.delenv("MALLOC_MMAP_MAX_", raising=False)
    with process_pool.processes(1) as training:
        inside = training.submit(os.getenv, "MALLOC_MMAP_MAX_").result()
    assert inside == "0"
    assert os.environ["MALLOC_TRIM_THRESHOLD_"] == "1"
    assert "MALLOC_MMAP_MAX_" not in os.environ
