"""Two pieces of work at a time: both done, or the failure of either."""

from __future__ import annotations

import multiprocessing
import os
import signal
import time
from pathlib import Path

import pytest

from lib.cli.beside import beside
from lib.errors import OutputError


def test_both_are_done_when_the_block_ends(tmp_path):
    def work() -> None:
        time.sleep(0.2)
        (tmp_path / "beside").write_text(str(os.getpid()))

    with beside(work):
        (tmp_path / "here").write_text(str(os.getpid()))
    assert (tmp_path / "here").read_text() == str(os.getpid())
    assert (tmp_path / "beside").read_text() != str(os.getpid())


def fail(error: Exception) -> None:
    raise error


@pytest.mark.parametrize("error", [OutputError("The disk is full."), OSError(28, "No space left"), ValueError("a bug")])
def test_what_fails_beside_is_raised_here_with_its_traceback(error):
    with pytest.raises(type(error), match="full|No space|bug") as caught, beside(lambda: fail(error)):
        pass
    assert "in fail" in caught.value.__notes__[0]
    assert getattr(caught.value, "errno", None) == getattr(error, "errno", None)


def test_work_ends_when_the_block_fails(tmp_path):
    def work() -> None:
        time.sleep(600)
        (tmp_path / "late").write_text("x")

    with pytest.raises(KeyError), beside(work):
        raise KeyError
    assert multiprocessing.active_children() == []
    assert list(tmp_path.iterdir()) == []


def test_work_that_is_killed_is_no_success():
    with (
        pytest.raises(RuntimeError, match=r"ended from outside \(exit code -9\)"),
        beside(lambda: os.kill(os.getpid(), signal.SIGKILL)),
    ):
        pass


def test_the_block_sees_no_file_twice(tmp_path: Path):
    with (tmp_path / "log").open("w") as log:
        log.write("once")  # still in the buffer when the process divides
        with beside(lambda: None):
            pass
    assert (tmp_path / "log").read_text() == "once"
