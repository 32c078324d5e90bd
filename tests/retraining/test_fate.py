"""The fate of a submission as its reader learns it, from the records of the check and of a session."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from lib.retraining.config import TrainConfig
from lib.retraining.fate import Fate, fate_key, fates, note_fate
from lib.retraining.gate import HOLDOUT, LEFT_OUT, DicePair, decide
from lib.retraining.plan import SessionPlan, note_fates
from lib.retraining.retraining_folder import RetrainingFolder

pytestmark = pytest.mark.slow  # seconds in all


@pytest.fixture
def folder(tmp_path):
    return RetrainingFolder(tmp_path)


def entry(case_id, submission, side="train"):
    key = f"{case_id}/{submission}"
    return SimpleNamespace(case_id=case_id, submission=submission, key=key, known=False, label_id="x", side=side)


def note(folder, state, reasons=()):
    told = {"case": "a", "submission": "0001-anna", "label_id": "x", "state": state, "reasons": list(reasons), "releasable": True}
    folder.note_check(told)


def test_a_label_that_was_set_aside_says_why_until_an_administrator_releases_it_and_takes_it_back(folder):
    note(folder, "held", ["It is shifted."])
    assert fates(folder) == {"a/0001-anna": Fate("a", "0001-anna", "set aside", None, "It is shifted.")}
    folder.release("a", "0001-anna", "admin")
    assert fates(folder)["a/0001-anna"].state == "waits"
    note_fate(folder, Fate("a", "0001-anna", "learnt", "site-1", "Version site-1 learnt it."), "x")
    assert fates(folder)[fate_key("a", "0001-anna")].version == "site-1"
    folder.take_back("a", "0001-anna", "x", "admin")
    assert fates(folder)["a/0001-anna"].state == "taken back"


def test_a_label_that_was_set_aside_before_any_check_is_still_checked_after_its_release(folder):
    folder.take_back("a", "0001-anna", "x", "admin")
    assert folder.release("a", "0001-anna", "admin") == "unchecked"
    assert folder.check_of("a", "0001-anna") is None
    note_fate(folder, Fate("a", "0001-anna", "learnt", "site-1", "Version site-1 learnt it."), "x")  # without quarantine
    folder.take_back("a", "0001-anna", "x", "admin")
    assert folder.release("a", "0001-anna", "admin") == "unchecked"
    assert (folder.check_of("a", "0001-anna")["state"], fates(folder)["a/0001-anna"].state) == ("unchecked", "learnt")


@pytest.mark.parametrize("state", ["held", "passed"])
def test_a_label_that_was_checked_is_released_for_good(folder, state):
    note(folder, state)
    if state == "held":
        folder.release("a", "0001-anna", "admin")
    folder.take_back("a", "0001-anna", "x", "admin")
    assert folder.release("a", "0001-anna", "admin") == "released"
    assert folder.check_of("a", "0001-anna")["state"] == "released"


def test_a_fate_is_kept_of_a_label_that_nobody_checked(folder):
    fate = Fate("a", "0002-ben", "hold-out", None, "Versions are compared on it.")
    note_fate(folder, fate, "y")
    assert fates(folder) == {"a/0002-ben": fate}
    assert folder.check_of("a", "0002-ben")["label_id"] == "y"


def test_the_other_case_that_a_label_fits_better_is_named_to_administrators_alone(folder):
    note(folder, "held", ["It fits the scan of another case better."])
    folder.note_check({**folder.check_of("a", "0001-anna"), "fits_case": "b"})
    assert "b" not in fates(folder)["a/0001-anna"].reason.split()
    assert folder.held()[0]["reasons"] == ["It fits the scan of another case better.", "The other case is b."]


def test_what_waiting_labels_and_held_out_cases_of_others_are_called_is_in_no_fate(folder):
    entries = [entry("a", "0001-ben"), entry("c", "0002-anna", "holdout")]
    session = SimpleNamespace(entries=entries, parent="vhi-1")
    falls = [DicePair(HOLDOUT, "c", 0.9, 0.7), DicePair(LEFT_OUT, "c/0002-anna", 0.9, 0.7)]
    decision = decide(falls, TrainConfig())
    assert not decision.accepted
    plan = SessionPlan(learn=("a/0001-ben",), replay=(), holdout=("c/0002-anna",), held=(), later=(), steps=())
    note_fates(folder, session, plan, decision, SimpleNamespace(training_cases=[], version="vhi-1"), is_live=False)
    noted_fates = fates(folder)["a/0001-ben"]
    assert noted_fates.state == "waits"
    assert "On 2 cases its Dice is below" in noted_fates.reason
    assert "anna" not in noted_fates.reason
    assert "case c" not in noted_fates.reason
