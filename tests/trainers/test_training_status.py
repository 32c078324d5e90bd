"""A session as viewers are told of it: what the code of 3D Slicer and OHIF makes of the answers."""

from __future__ import annotations

import re
import subprocess
import sys

import pytest

from lib.trainers import process
from lib.trainers.training_status import stats_of, task_of, text_of, without_cases

TRAINING = {
    "state": "training",
    "session": "20260102-030405",
    "version": "site-1",
    "members": [
        {"name": "member0", "step": 200, "steps": 200, "epoch": 8.0, "loss": 0.2, "dice": 0.9},
        {"name": "member1", "step": 50, "steps": 200, "epoch": 2.0, "loss": 0.4, "dice": 0.8},
        {"name": "member2", "step": 0, "steps": 200, "epoch": 0.0, "loss": None, "dice": None},
    ],
    "left_s": 330.0,
    "updated": "2026-01-02T03:10:00+00:00",
}
ACCEPTED = {
    "state": "accepted", "session": "20260102-030405", "version": "site-1", "parent": "vhi-1", "live": True, "reasons": [],
    "compared": {"phantoms": {"cases": 3, "mean_gain": 0.0181}}, "learnt": ["p4", "p5"],
    "begun": "2026-01-02T03:04:05+00:00", "updated": "2026-01-02T03:15:00+00:00",
}  # fmt: skip


def slicer_bar(stats: dict) -> float:
    """As 3D Slicer's module computes the position of its progress bar."""
    current = 0 if stats.get("total_time") else stats.get("epoch", 1)
    return max(1, 100 * current / stats.get("total_epochs", 1))


def ohif_bar(stats: dict) -> str:
    """As OHIF's panel does."""
    epochs = 0 if stats.get("total_time") else stats.get("epoch") or 1
    return f"{round(100 * epochs / (stats.get('total_epochs') or 1))}%"


def test_both_bars_show_the_share_of_all_steps():
    stats = stats_of(TRAINING, running=True, dice=0.92)
    # 250 of 600 steps; 200 steps are 8 epochs
    assert (stats["epoch"], stats["total_epochs"]) == (10.0, 24.0)
    assert slicer_bar(stats) == pytest.approx(100 * 250 / 600)
    assert ohif_bar(stats) == "42%"
    assert stats["best_metric"] == pytest.approx(0.85)
    assert stats["text"] == (
        "The members learn. About 6 min of learning left. member1: step 50 of 200, epoch 2.0, loss 0.4000, Dice 0.8000"
    )


def test_a_bar_that_has_begun_is_at_its_beginning():
    stats = stats_of({"state": "checking", "members": []}, running=True, dice=None)
    assert slicer_bar(stats) == pytest.approx(1)
    assert "best_metric" not in stats
    waiting = [{**one, "step": 0, "epoch": 0.0, "loss": None, "dice": None} for one in TRAINING["members"]]
    assert ohif_bar(stats_of({**TRAINING, "members": waiting}, running=True, dice=0.9)) == "1%"


@pytest.mark.parametrize("progress", [None, ACCEPTED, TRAINING | {"state": "interrupted"}])
def test_where_nothing_runs_both_bars_are_empty_and_show_the_live_versions_dice(progress):
    stats = stats_of(progress, running=False, dice=0.92)
    assert (slicer_bar(stats), ohif_bar(stats)) == (1, "0%")
    assert stats["best_metric"] == 0.92


@pytest.mark.parametrize(
    ("state", "running", "status"),
    [
        ("training", True, "RUNNING"),
        ("accepted", False, "DONE"),
        ("rejected", False, "DONE"),
        ("nothing", False, "DONE"),
        ("stopped", False, "STOPPED"),
        ("interrupted", False, "STOPPED"),
        ("failed", False, "ERROR"),
    ],
)
def test_the_status_is_one_that_viewers_know_and_the_last_detail_is_there(state, running, status):
    progress = {**(TRAINING if running else ACCEPTED), "state": state, "message": "The disk is full."}
    task = task_of(progress, None, running=running, last_words=[])
    assert task["status"] == status
    # 3D Slicer reads the last one, also when there is a result
    assert task["details"][-1]
    assert ("end_ts" in task) is not running


def test_a_process_that_failed_is_told_with_its_last_words():
    task = task_of(None, {"session_id": "7", "options": {"steps": 2}, "created": "2026-01-02T03:04:05+00:00"}, running=False,
                   last_words=["No room is left."])  # fmt: skip
    assert (task["id"], task["status"], task["details"][-1]) == ("7", "ERROR", "No room is left.")
    assert task["request"] == {"steps": 2}


def test_before_the_first_session_there_is_no_task():
    assert task_of(None, None, running=False, last_words=[]) is None


def test_the_end_is_told_in_words():
    assert text_of(ACCEPTED) == (
        "Version site-1 is live; it learnt p4, p5, and lies within the margins of vhi-1. "
        "On 3 cases of the phantoms its mean Dice is +0.0181 against the version before."
    )
    assert "Version site-1 was rejected: It is worse." in text_of({**ACCEPTED, "state": "rejected", "reasons": ["It is worse."]})
    assert "not live" in text_of({**ACCEPTED, "live": False, "reasons": ["Another became live."]})


def test_readers_are_not_told_on_which_case_a_version_failed():
    rejected = {**ACCEPTED, "state": "rejected", "reasons": ["On case c/0002-anna it falls."], "told": ["On 1 case it falls."]}
    task = task_of(rejected, None, running=False, last_words=[])
    assert "rejected: On 1 case it falls." in task["details"][0]
    assert "0002-anna" not in str(task)


def test_in_a_blinded_study_cases_are_counted_and_none_is_named():
    skipped = [{"case": "c8f1", "submission": "0001-anna", "reason": "The T1W scan of case c8f1 is another file."}]
    lists = {"learnt": ["c1a2", "c3b4"], "held": ["c5d6"], "holdout": ["c7e8"], "later": [], "replayed": [], "skipped": skipped}
    ended = without_cases({**ACCEPTED, **lists})
    failed = without_cases({**ACCEPTED, **lists, "state": "failed", "message": "The T1W scan of case c8f1 is damaged."})
    for progress in (ended, failed):
        said = str(
            (
                task_of(progress, None, running=False, last_words=[]),
                stats_of(progress, running=False, dice=0.9),
                text_of(progress),
            )
        )
        assert not any(name in said for name in ("c1a2", "c3b4", "c5d6", "c7e8", "c8f1", "0001-anna"))
    assert text_of(ended) == (
        "Version site-1 is live; it learnt 2 cases, and lies within the margins of vhi-1. "
        "On 3 cases of the phantoms its mean Dice is +0.0181 against the version before. "
        "Set aside: 1 case; an administrator finds why at /vhi/models. Left out: 1 case. An administrator finds why at /vhi/models."
    )
    assert text_of(failed) == "It failed. An administrator finds why at /vhi/models."


def test_after_a_roll_back_no_sentence_calls_the_former_version_live():
    for words in (text_of(ACCEPTED, "vhi-1"), task_of(ACCEPTED, None, running=False, last_words=[], live="vhi-1")["details"][0]):
        assert words.startswith("Version site-1 learnt p4, p5 and went live; now version vhi-1 is live.")
    assert task_of(ACCEPTED, None, running=False, last_words=[], live="vhi-1")["progress"]["live"] is False
    stats = stats_of(ACCEPTED, running=False, dice=0.9, live="vhi-1")
    assert (stats["version"], "now version vhi-1 is live" in stats["text"]) == ("vhi-1", True)
    assert text_of(ACCEPTED, "site-1").startswith("Version site-1 is live;")


def test_the_end_tells_what_was_set_aside_and_left_out():
    skipped = [{"case": "p8", "submission": "0001-anna", "reason": "Its scans are not among the studies now."}]
    assert text_of({**ACCEPTED, "held": ["p6", "p7"], "skipped": skipped}).endswith(
        "Set aside: p6, p7; an administrator finds why at /vhi/models. Left out: p8. Its scans are not among the studies now."
    )
    assert text_of({"state": "nothing", "held": ["p6"]}).startswith("No new label passed the checks. Set aside: p6;")


@pytest.mark.parametrize(
    ("script", "said"),
    [
        ("import os, signal; print('a warning of a library', flush=True); os.kill(os.getpid(), signal.SIGKILL)",
         r"The process that trains was ended from outside \(signal 9\)\. What was learnt is kept: start training again to go on\."),
        ("print('Training cannot go on: The disk is full.'); print('a warning of a library'); raise SystemExit(2)",
         r"The disk is full\."),
        ("raise ValueError('of a patient')",
         r"An error of the program ended the training; retraining/log\.txt in the data folder says where\. .*"),
    ],
)  # fmt: skip
def test_why_a_process_ended_is_a_sentence_of_ours(script, said, tmp_path, monkeypatch):
    monkeypatch.setattr(process.subprocess, "Popen", lambda command, **more: _POPEN([sys.executable, "-c", script], **more))
    child = process.TrainerProcess(tmp_path, tmp_path / "retraining" / "log.txt")
    assert child.wait(60)
    assert re.fullmatch(said, child.why_it_ended())


_POPEN = subprocess.Popen


def test_readers_are_told_what_a_case_takes_since_once_training_has_ended():
    gain = "A case took 6.0 min before version site-1 (median of 3), and takes 2.0 min with it (3)."
    assert stats_of(ACCEPTED, running=False, dice=0.9, live="site-1", gain=gain)["text"].endswith(gain)
    assert gain not in stats_of(TRAINING, running=True, dice=0.9, live="site-1", gain=gain)["text"]
