"""Looking whether a session runs does not keep one from beginning."""

from __future__ import annotations

import threading

import pytest

from lib.errors import ConflictError
from lib.records import write_json
from lib.retraining.retraining_folder import RetrainingFolder


def test_a_session_begins_however_often_somebody_looks(tmp_path):
    folder, done = RetrainingFolder(tmp_path), threading.Event()
    with folder.lock():
        assert folder.running()

    def look() -> None:
        while not done.is_set():
            folder.running()

    watchers = [threading.Thread(target=look) for _ in range(2)]
    for watcher in watchers:
        watcher.start()
    try:
        for _ in range(100):
            with folder.lock():
                pass
    finally:
        done.set()
        for watcher in watchers:
            watcher.join()


def test_two_sessions_do_not_run_at_once(tmp_path):
    folder = RetrainingFolder(tmp_path)
    with folder.lock(), pytest.raises(ConflictError, match="under way"), RetrainingFolder(tmp_path).lock():
        pass


@pytest.mark.parametrize(
    "facts",
    [
        {"learnt": [["a"]]},
        {"members": [{"name": "1", "step": "3"}]},
        {"skipped": ["a"]},
        {"updated": 5},
        {"compared": "x"},
        {"compared": {"a": 1}},
        {"learnt": None},
        {"members": None},
        {"told": None},
    ],
)
def test_progress_whose_fields_are_something_else_is_as_good_as_gone(tmp_path, facts):
    folder = RetrainingFolder(tmp_path)
    folder.root.mkdir()
    folder.write_progress({"state": "accepted", "learnt": ["a"], "members": []})
    assert folder.progress()["learnt"] == ["a"]
    write_json(folder.root / "progress.json", {"state": "accepted", **facts})
    assert folder.progress() is None
