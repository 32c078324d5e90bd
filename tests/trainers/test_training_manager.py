"""Starting and stopping where the work is done at once or not at all; whole sessions are in tests/app/test_training.py."""

from __future__ import annotations

from pathlib import Path

import pytest

from handmade import handmade
from lib.errors import InputError, ModelError
from lib.retraining.config import TrainConfig
from lib.service.service import VhiService
from lib.service.study_config import StudyConfig
from lib.studies.nifti import write_volume
from lib.trainers.training_manager import TrainingManager


@pytest.fixture
def studies(tmp_path: Path) -> Path:
    truth = handmade()
    write_volume(tmp_path / "a_T1W.nii.gz", truth.t1w)
    write_volume(tmp_path / "a_STIR.nii.gz", truth.stir)
    return tmp_path


def test_a_refused_start_leaves_no_trace(studies):
    manager = TrainingManager(VhiService(studies), TrainConfig(), "1")
    for _ in range(2):
        with pytest.raises(InputError, match="nothing new to learn"):
            manager.start({}, "root")
        assert (manager.status(), manager.is_running(), manager.stop("root")) == (None, False, None)
    assert list(manager.service.audit.entries()) == []
    assert manager.stats()["total_time"]


@pytest.mark.parametrize("blinded", [False, True])
def test_a_blinded_study_tells_no_reader_which_cases_were_learnt_and_tells_the_administrator(studies, blinded):
    manager = TrainingManager(VhiService(studies, config=StudyConfig(blinded=blinded)), TrainConfig(), "1")
    ended = {"state": "accepted", "version": "site-1", "parent": "vhi-2", "learnt": ["c-one"], "held": ["c-two"], "skipped": []}
    manager.folder.root.mkdir(parents=True)
    manager.folder.write_progress(ended)
    for told in (manager.status(), manager.stats()):
        assert ("c-one" in str(told)) is not blinded
        assert ("c-two" in str(told)) is not blinded
    assert "c-one" in manager.models()["progress"]["text"]


def test_without_a_model_nothing_is_trained_and_the_bars_are_empty(studies, tmp_path):
    manager = TrainingManager(VhiService(studies, model_dir=tmp_path / "none"), TrainConfig(), "1")
    with pytest.raises(ModelError, match="No trained model"):
        manager.start({}, None)
    assert "best_metric" not in manager.stats()


def test_a_session_that_another_process_works_on_is_told_and_not_begun_again(studies):
    manager = TrainingManager(VhiService(studies), TrainConfig(), "1")
    with manager.folder.lock():
        manager.folder.write_progress({"state": "training", "session": "7", "members": []})
        assert manager.start({}, None) is None
        assert manager.status()["status"] == "RUNNING"
    assert manager.status()["status"] == "STOPPED"
    assert "interrupted" in manager.status()["details"][0]
