"""kill -9 at any moment of training and publishing: the live version stays whole, and the session goes on."""

from __future__ import annotations

import hashlib
import os
import random
import subprocess
import sys
import time
from pathlib import Path

import pytest

from lib.retraining.config import TrainConfig, TrainOptions
from lib.retraining.retraining_session import run
from lib.versions import list_versions, make_live, read_live, read_version, verify
from lib.versions.site import own_models

pytestmark = pytest.mark.slow
LOOSE = TrainConfig(train_margin=0.03, train_sentinel_margin=0.05, train_worst=0.1)
LIB = Path(__file__).parents[2] / "apps" / "vhi"
RUN = "import sys; from pathlib import Path; from lib.retraining.retraining_session import run; run(Path(sys.argv[1]))"
# from the moment that publishing begins, counts what changes the disk, and dies before the n-th
RUN_AND_DIE = """
import os, shutil, signal, sys
from pathlib import Path
data, n = Path(sys.argv[1]), int(sys.argv[2])
count = None

def deadly(work):
    def done(*args, **kwargs):
        global count
        if count is not None:
            count += 1
        if count == n:
            os.kill(os.getpid(), signal.SIGKILL)
        return work(*args, **kwargs)
    return done

from lib.retraining.retraining_session import run

def begin(progress):
    global count
    if progress["state"] == "publishing" and count is None:
        count = 0

for place, name in ((Path, "replace"), (Path, "rename"), (Path, "mkdir"), (shutil, "rmtree"), (shutil, "copyfile")):
    setattr(place, name, deadly(getattr(place, name)))
run(data, on_progress=begin)
"""


def child(code: str, *args: str) -> subprocess.Popen[str]:
    environment = os.environ | {"PYTHONPATH": str(LIB), "OMP_NUM_THREADS": "1"}
    return subprocess.Popen([sys.executable, "-c", code, *args], env=environment, stdout=subprocess.PIPE, text=True)


def check_live(models: Path) -> str:
    """The live version, its files proved to be those of its manifest."""
    live = read_live(models)
    verify(live)
    return live.manifest.version


def weights_of(models: Path, version: str) -> str:
    return hashlib.sha256(verify(read_version(models, version))).hexdigest()


@pytest.fixture
def begun(site):
    """A site with a session begun, and the weights that it ends with when nothing disturbs it."""
    site.label(site.name("train"), 3)
    site.label(site.name("holdout"), 5)
    models = own_models(site.data)
    site.prepare(LOOSE, TrainOptions(steps=60))
    whole = weights_of(models, run(site.data)["version"])
    make_live(models, "tiny-1")
    session = site.prepare(LOOSE, TrainOptions(steps=60))
    return site, models, session, whole


def test_killed_at_random_moments_it_ends_with_the_weights_of_an_undisturbed_session(begun):
    site, models, session, whole = begun
    rng = random.Random(7)
    killed = 0
    for _ in range(30):
        process = child(RUN, str(site.data))
        time.sleep(rng.uniform(3, 14))  # it needs some seconds to import torch
        if process.poll() is not None:
            break
        process.kill()
        process.wait()
        killed += 1
        if check_live(models) != "tiny-1":
            break
        assert session.version not in list_versions(models) or verify(read_version(models, session.version))
        said = site.folder.progress()  # of the session before, until this one said something
        assert said["session"] != session.session_id or said["state"] != "accepted"
    if site.folder.has_pending_session():
        run(site.data)
    assert killed >= 2
    assert check_live(models) == session.version
    assert weights_of(models, session.version) == whole
    assert not site.folder.session.exists()


def test_killed_at_every_step_of_publishing_the_next_start_ends_it_cleanly(begun):
    site, models, session, whole = begun

    def stop_before_publishing(progress):
        if progress["state"] == "publishing":
            site.folder.request_stop()
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(site.data, on_progress=stop_before_publishing)
    assert check_live(models) == "tiny-1"
    n, seen = 1, []
    # each start goes further than the last: what was done is not done again
    while site.folder.has_pending_session():
        assert n < 40
        child(RUN_AND_DIE, str(site.data), str(n)).communicate()
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
