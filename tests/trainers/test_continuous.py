"""When training begins by itself."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from handmade import OfTruth, handmade
from lib.core.volume import Volume
from lib.errors import SettingsError
from lib.provenance import now
from lib.retraining.config import TrainConfig
from lib.service.service import VhiService
from lib.studies.nifti import write_volume
from lib.trainers.continuous import ContinuousTraining, Schedule
from lib.trainers.training_manager import TrainingManager


@pytest.mark.parametrize(
    ("text", "schedule"),
    [
        ("after=5 quiet=30m", Schedule(5, 1800)),
        ("quiet=90s, after=1", Schedule(1, 90)),
        ("after=12 quiet=1.5h", Schedule(12, 5400)),
    ],
)
def test_a_schedule_is_read(text, schedule):
    assert Schedule.parse(text) == schedule


@pytest.mark.parametrize(
    "text", ["", "after=5", "after=0 quiet=1m", "after=five quiet=1m", "after=5 quiet=30", "after=5 quiet=1m x=2"]
)
def test_what_is_no_schedule_is_refused(text):
    with pytest.raises(SettingsError, match="after=5 quiet=30m"):
        Schedule.parse(text)


class Studies(OfTruth):
    """Handmade cases of which readers submit regions, and a manager whose sessions are only noted."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.truth = handmade()
        self.folder = folder
        for case in "abcd":
            write_volume(folder / f"{case}_T1W.nii.gz", self.truth.t1w)
            write_volume(folder / f"{case}_STIR.nii.gz", Volume(self.truth.stir.data, self.grid))
        self.service = VhiService(folder)
        self.manager = TrainingManager(self.service, TrainConfig(train_holdout=0.0), "1")
        self.begun: list[str | None] = []
        monkeypatch.setattr(self.manager, "start", lambda given, by: self.begun.append(by))

    def submit(self, case: str) -> None:
        """The region as a reader drew it, without asking the networks."""
        from lib.readings.store import now, stored_segment
        from lib.readings.submission import Submission
        from lib.studies.nifti import write_mask

        def write(folder: Path, number: int) -> Submission:
            write_mask(folder / "disease_region.nii.gz", self.truth.disease_region.mask)
            stored = stored_segment("disease region", folder / "disease_region.nii.gz", int(np.count_nonzero(self.region)))
            return Submission(case, number, "anna", 1, "semi-automatic", now(), (stored,))

        self.service.readings.append(case, "anna", write)

    def later(self, seconds: float) -> None:
        self.service.cases._worked -= seconds


@pytest.fixture
def studies(tmp_path, monkeypatch) -> Studies:
    return Studies(tmp_path, monkeypatch)


def test_it_begins_once_enough_cases_wait_and_the_server_is_idle(studies):
    continuous = ContinuousTraining(studies.manager, Schedule(2, 600))
    studies.submit("a")
    studies.later(601)
    assert not continuous.look()
    studies.submit("b")
    assert continuous.look()
    assert studies.begun == ["continuous"]


def test_work_of_readers_puts_it_off(studies):
    continuous = ContinuousTraining(studies.manager, Schedule(1, 600))
    studies.submit("a")
    studies.later(601)
    studies.service.next_case("anna")
    assert not continuous.look()
    studies.later(601)
    assert continuous.look()


def test_labels_of_a_session_that_failed_to_begin_are_not_tried_again_alone(studies, monkeypatch):
    continuous = ContinuousTraining(studies.manager, Schedule(1, 1))
    studies.submit("a")
    studies.later(2)
    monkeypatch.setattr("lib.trainers.continuous.now", lambda: "2999-01-01T00:00:00+00:00")
    assert continuous.look()
    assert not continuous.look()


def test_labels_of_a_rejected_version_wait_for_newer_ones_after_a_restart_too(studies):
    studies.submit("a")
    studies.later(2)
    place = studies.manager.folder.history / "1"
    place.mkdir(parents=True)
    # the last was written by a clock that was ahead, and is not believed
    for begun, due in ((now(), False), ("2000-01-01T00:00:00+00:00", True), ("2999-01-01T00:00:00+00:00", True)):
        facts = {"session": "1", "version": "v1", "state": "rejected", "begun": begun}
        (place / "result.json").write_text(json.dumps(facts))
        assert ContinuousTraining(studies.manager, Schedule(1, 1)).look() is due


@pytest.mark.parametrize(("state", "due"), [("training", True), ("stopped", False), ("failed", False)])
def test_what_the_end_of_a_server_interrupted_goes_on_and_what_a_person_stopped_does_not(studies, state, due):
    studies.later(2)
    folder = studies.manager.folder
    folder.session.mkdir(parents=True)
    (folder.session / "session.json").write_text("{}")
    folder.write_progress({"state": state})
    assert ContinuousTraining(studies.manager, Schedule(1, 1)).look() is due
