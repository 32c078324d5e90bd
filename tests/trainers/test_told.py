"""A session as viewers are told of it: what the code of 3D Slicer and OHIF makes of the answers."""

from __future__ import annotations

import pytest

from lib.trainers.told import stats_of, task_of, text_of

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
    task = task_of(progress, None, running=running, said=[])
    assert task["status"] == status
    # 3D Slicer reads the last one, also when there is a result
    assert task["details"][-1]
    assert ("end_ts" in task) is not running


def test_a_process_that_failed_is_told_with_its_last_words():
    task = task_of(None, {"session_id": "7", "options": {"steps": 2}, "created": "2026-01-02T03:04:05+00:00"}, running=False,
                   said=["No room is left."])  # fmt: skip
    assert (task["id"], task["status"], task["details"][-1]) == ("7", "ERROR", "No room is left.")
    assert task["request"] == {"steps": 2}


def test_before_the_first_session_there_is_no_task():
    assert task_of(None, None, running=False, said=[]) is None


def test_the_end_is_told_in_words():
    assert text_of(ACCEPTED) == (
        "Version site-1 is live; it learnt p4, p5, and is no worse than vhi-1. "
        "On 3 cases of the phantoms its mean Dice is +0.0181 against the version before."
    )
    assert "Version site-1 was rejected: It is worse." in text_of({**ACCEPTED, "state": "rejected", "reasons": ["It is worse."]})
    assert "not live" in text_of({**ACCEPTED, "live": False, "reasons": ["Another became live."]})
