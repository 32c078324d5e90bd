"""Who may start a comparison of two versions, and when."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from types import SimpleNamespace

import pytest

from lib.errors import ConflictError, RequestError
from lib.readings.audit import AuditLog
from lib.retraining.config import TrainConfig
from lib.retraining.retraining_folder import RetrainingFolder
from lib.trainers import comparing
from lib.trainers.comparing import Comparing


@pytest.fixture
def begun(tmp_path, monkeypatch):
    """A manager whose comparisons go on until the test ends, and the threads of those that began."""
    monkeypatch.setattr(comparing, "read_version", lambda folder, version: version)
    ended, names = threading.Event(), []
    service = SimpleNamespace(networks=SimpleNamespace(folder=tmp_path), audit=AuditLog(tmp_path / "audit.jsonl"))

    class Held(Comparing):
        together = threading.Barrier(2, timeout=0.5)

        @property
        def _thread(self):
            seen = self._running
            with suppress(threading.BrokenBarrierError):
                self.together.wait()  # who looks whether another runs does so at the same time, unless one waits for the other
            return seen

        @_thread.setter
        def _thread(self, thread):
            self._running = thread

        def _run(self, a, b):
            names.append((a, b))
            ended.wait()

    yield Held(service, TrainConfig(), RetrainingFolder(tmp_path)), names
    ended.set()


def test_of_two_that_start_a_comparison_at_the_same_time_one_is_told_to_wait(begun):
    manager, names = begun

    def start(a):
        try:
            return manager.start(a, "c", "root")["state"]
        except ConflictError as error:
            return str(error)

    with ThreadPoolExecutor(2) as both:
        told = sorted(both.map(start, "ab"))
    assert len(names) == 1
    assert told[0] == f"Another comparison is under way. {names[0][0]} and c are compared."
    assert told[1] == "started"


def test_a_version_is_not_compared_with_itself(begun):
    with pytest.raises(RequestError, match="cannot be compared with itself"):
        begun[0].start("a", "a", None)
