"""Packages that a library is not to find while it is imported."""

from __future__ import annotations

import importlib
import sys
import threading

import pytest

from lib.absent import absent, later


@pytest.fixture
def wave(monkeypatch):
    """The name of a module of Python that nobody has loaded."""
    monkeypatch.delitem(sys.modules, "wave", raising=False)
    return "wave"


def test_a_module_is_not_there_within_and_there_afterwards(wave):
    with absent(wave), pytest.raises(ModuleNotFoundError, match="No module named 'wave'"):
        importlib.import_module(wave)
    assert importlib.import_module(wave).__name__ == wave


def test_another_thread_finds_it_meanwhile(wave):
    found: list[str] = []
    with absent(wave):
        thread = threading.Thread(target=lambda: found.append(importlib.import_module(wave).__name__))
        thread.start()
        thread.join()
    assert found == [wave]


def test_what_is_loaded_already_stays(wave):
    loaded = importlib.import_module(wave)
    with absent(wave):
        assert importlib.import_module(wave) is loaded


def test_what_comes_later_is_loaded_when_it_is_used(wave):
    with later(wave):
        module = importlib.import_module(wave)
    assert "Wave_read" not in object.__getattribute__(module, "__dict__")  # looking as usual would load it
    assert module.Wave_read.__module__ == wave
    assert importlib.import_module(wave) is module
