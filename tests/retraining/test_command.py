"""`train --studies` and `quarantine`, as typed."""

from __future__ import annotations

import json

import numpy as np
import pytest
from typer.testing import CliRunner

from lib.cli.app import app
from lib.readings.audit import AuditLog
from lib.retraining.config import TrainConfig, TrainOptions
from lib.versions import read_live
from lib.versions.site import own_models

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("forked_pools")]  # of trained networks


def typed(*words: object):
    return CliRunner().invoke(app, [str(word) for word in words])


def retrain(site, *words: object):
    return typed("train", "--studies", site.studies, "--model-dir", site.shipped, *words)


def test_nothing_to_learn_is_one_sentence(site):
    site.submit("a", None)
    ended = retrain(site)
    assert (ended.exit_code, ended.stderr.count("\n")) == (2, 1)
    assert "There is nothing new to learn: readers labelled 0 cases" in ended.stderr


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("--set", "steps=3", "--set", "epochs=2"), "choose one budget"),
        (("--set", "train_holdout=0.9"), "train_holdout is 0.9; it must be from 0 to 0.5."),
        (("--set", "learning_rate=-1"), "learning_rate is -1.0; it must be from 1e-07 to 0.1."),
        (("--set", "keep=all"), "keep is 'all'"),
        (("--set", "colour=red"), "Training takes no 'colour'"),
        (("--go-on",), "holds no session"),
    ],
)
def test_what_cannot_be_asked_for_is_one_sentence(site, words, sentence):
    site.submit("a", None)
    ended = retrain(site, *words)
    assert (ended.exit_code, ended.stderr.count("\n")) == (2, 1)
    assert sentence in ended.stderr


def test_neither_studies_nor_data_says_what_to_pass(site):
    ended = typed("train")
    assert ended.exit_code == 2
    assert "--studies FOLDER" in ended.stderr


def test_a_session_by_command_with_a_label_set_aside_and_released(site):
    right, wrong = site.name("train"), site.name("train", 1)
    site.label(right, 3)
    site.label(wrong, 4, lambda data: np.flip(data, 1))
    site.label(site.name("holdout"), 5)
    loose = ("--set", "train_margin=0.03", "--set", "train_sentinel_margin=0.05", "--set", "train_worst=0.1")
    ended = retrain(site, "--steps", 20, *loose)
    assert ended.exit_code == 0, ended.output
    assert "member1 20/20 loss" in ended.output
    version = read_live(own_models(site.data)).manifest.version
    assert f"Version {version} is live." in ended.output
    listed = typed("quarantine", "list", "--data", site.data).output
    assert wrong in listed
    assert "flipped along j" in listed
    submission = site.folder.held()[0]["submission"]
    assert typed("quarantine", "release", wrong, submission, "--data", site.data).exit_code == 0
    assert list(AuditLog(site.data / "audit.jsonl").entries())[-1]["event"] == "label released"
    assert typed("quarantine", "list", "--data", site.data).output == "No label is in quarantine.\n"
    assert typed("quarantine", "release", wrong, submission, "--data", site.data).exit_code == 2
    models = typed("models", "list", "--model-dir", own_models(site.data), "--json").output
    assert [one["version"] for one in json.loads(models) if one["live"]] == [version]


def test_a_session_that_waits_is_gone_on_with_or_refused(site):
    site.label(site.name("train"), 3)
    site.prepare(TrainConfig(), TrainOptions(steps=20))
    ended = retrain(site)
    assert ended.exit_code == 2
    assert "has not ended; go on with it, or discard it" in ended.stderr
