"""kill -9 at any moment of training and publishing: the live version stays whole, and the session goes on."""

from __future__ import annotations

import hashlib
import json
import os
import random
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from lib.retraining.config import TrainConfig, TrainOptions
from lib.versions import list_versions, make_live, read_live, read_version, verify
from lib.versions.site import own_models
from pooling import environment_of, make_ahead

pytestmark = pytest.mark.slow
LOOSE = TrainConfig(train_margin=0.03, train_sentinel_margin=0.05, train_worst=0.1)


class Forks:
    """Starts sessions in processes that have imported everything, see `forking.py`."""

    def __init__(self, phantoms: Path) -> None:
        program = [sys.executable, str(Path(__file__).with_name("forking.py"))]
        variables = os.environ | environment_of(phantoms)
        self.process = subprocess.Popen(program, env=variables, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        assert self._answer() == "ready"

    def _answer(self) -> str:
        assert self.process.stdout
        return self.process.stdout.readline().strip()

    def run(self, data: Path, **killed: float) -> str:
        """Whether a session "ended", was "killed" `after_s` seconds or where it `dies_at`, or was "interrupted"."""
        assert self.process.stdin
        self.process.stdin.write(json.dumps({"data": str(data), **killed}) + "\n")
        self.process.stdin.flush()
        return self._answer()


@pytest.fixture(scope="module")
def forks(tmp_path_factory) -> Iterator[Forks]:
    """Their gate's phantoms are small: what the versions reach on them does not matter here, and every start measures it."""
    found = Forks(make_ahead(tmp_path_factory.mktemp("small-phantoms"), (96, 96, 5)))
    yield found
    found.process.communicate(timeout=60)


def check_live(models: Path) -> str:
    """The live version, its files proved to be those of its manifest."""
    live = read_live(models)
    verify(live)
    return live.manifest.version


def weights_of(models: Path, version: str) -> str:
    return hashlib.sha256(verify(read_version(models, version))).hexdigest()


@pytest.fixture(scope="module")
def undisturbed() -> list[str]:
    """The weights that the session of `begun` ends with when nothing disturbs it: the same at every site that is labelled so."""
    return []


@pytest.fixture
def begun(site, forks, undisturbed):
    """A site with a session begun, and the weights that it ends with when nothing disturbs it."""
    site.label(site.name("train"), 3)
    site.label(site.name("holdout"), 5)
    models = own_models(site.data)
    if not undisturbed:
        site.prepare(LOOSE, TrainOptions(steps=30))
        assert forks.run(site.data) == "ended"
        undisturbed.append(weights_of(models, read_live(models).manifest.version))
        make_live(models, "tiny-1")
    session = site.prepare(LOOSE, TrainOptions(steps=30))
    return site, models, session, undisturbed[0]


def test_killed_at_random_moments_it_ends_with_the_weights_of_an_undisturbed_session(begun, forks):
    site, models, session, whole = begun
    rng = random.Random(7)
    killed = 0
    for _ in range(30):
        # later each time, so that a slow machine comes to the end too
        if (end := forks.run(site.data, after_s=rng.uniform(0, 1 + killed))) == "ended":
            break
        assert end == "killed"
        killed += 1
        if check_live(models) != "tiny-1":
            break
        assert session.version not in list_versions(models) or verify(read_version(models, session.version))
        said = site.folder.progress()  # of the session before, until this one said something
        assert said["session"] != session.session_id or said["state"] != "accepted"
    if site.folder.has_pending_session():
        assert forks.run(site.data) == "ended"
    assert killed >= 2
    assert check_live(models) == session.version
    assert weights_of(models, session.version) == whole
    assert not site.folder.session.exists()


def test_killed_at_every_step_of_publishing_the_next_start_ends_it_cleanly(begun, forks):
    site, models, session, whole = begun

    assert forks.run(site.data, stops_before_publishing=True) == "interrupted"
    assert check_live(models) == "tiny-1"
    n, seen = 1, []
    # each start goes further than the last: what was done is not done again
    while site.folder.has_pending_session():
        assert n < 40
        assert forks.run(site.data, dies_at=n) in ("killed", "ended")
        seen.append(check_live(models))
        n += 1
    assert len(seen) > 5
    # once live it stays live
    assert seen == sorted(seen, key=lambda version: version == session.version)
    assert seen[0] == "tiny-1"
    # the next session begins on a clean floor, whatever the last start left
    site.label(site.name("train", 1), 4)
    site.prepare(LOOSE, TrainOptions(steps=10))
    assert check_live(models) == session.version
    assert weights_of(models, session.version) == whole
    leftovers = [path for path in site.data.rglob(".*") if "partial" in path.name or "publishing" in path.name]
    assert leftovers == []
