"""Session after session: what is told is what the stored file answers, and losses do not add up."""

from __future__ import annotations

import os
from dataclasses import replace

import numpy as np
import pytest

from lib.core.disease_region import dice, segment_disease_region
from lib.engine.members import load_members
from lib.errors import VhiError
from lib.retraining import jobs
from lib.retraining.candidate_version import best_of, ever_live, go_live, pairs_of, publish_candidate, store_candidate
from lib.retraining.config import TrainConfig, TrainOptions
from lib.retraining.gate import HOLDOUT, PHANTOMS, decide
from lib.retraining.plan import make_plan, trainings
from lib.versions import read_live, read_version
from pooling import fine_phantom

pytestmark = pytest.mark.slow
SESSIONS = int(os.environ.get("VHI_SESSIONS", "8"))  # by hand 50
CONFIG = TrainConfig(train_margin=0.01, train_sentinel_margin=0.02, train_worst=0.2, train_quarantine=False)


@pytest.fixture
def two_phantoms(monkeypatch):
    """In place of seven: what is measured on does not matter here, and fifty sessions measure it."""
    cases = [(f"phantom-{seed}", fine_phantom(seed, (80, 80, 5))) for seed in (31, 32)]
    found = [(name, study.t1w, study.disease_region) for name, study in cases]
    monkeypatch.setattr(jobs, "phantom_regression_cases", lambda: iter(found))
    return found


def answered(models, version, cases):
    """3-D Dice of the stored file, as a server answers; 0 where it finds no bone."""
    members = load_members(models, version)
    found = {}
    for name, t1w, truth in cases:
        try:
            found[name] = dice(segment_disease_region(t1w, members).mask.data, truth.data)
        except VhiError:
            found[name] = 0.0
    return found


def test_random_sessions_tell_what_their_files_answer_and_never_end_below_their_best_by_more_than_the_margin(site, two_phantoms):
    new, out = site.name("train"), site.name("holdout")
    site.label(new, 3)
    site.label(out, 5)
    session = site.prepare(CONFIG, TrainOptions(steps=2, keep="none"))
    place, models = site.folder.session, read_live(site.data / "models" / "disease_region").folder.parents[1]
    held_out = [(out, site.phantoms[5].t1w, site.phantoms[5].disease_region)]
    rng = np.random.default_rng(0)
    reached = {
        what: [np.mean([*answered(models, "tiny-1", cases).values()])]
        for what, cases in ((HOLDOUT, held_out), (PHANTOMS, two_phantoms))
    }
    published = 0
    for n in range(SESSIONS):
        options = replace(session.options, seed=n, learning_rate=float(10 ** rng.uniform(-4, -1.7)))
        now = replace(session, version=f"site-{n}", parent=read_live(models).manifest.version, options=options)
        live = read_version(models, now.parent).manifest
        plan = make_plan(site.folder, now, replace(live, training_cases=[]))
        networks = tuple(replace(one, folder=place / f"{n}" / one.name) for one in trainings(place, now, live, plan))
        for one in networks:
            one()
        stored = store_candidate(now, networks, plan.of(now, plan.learn), place / jobs.CANDIDATE)
        earlier = ever_live(models, now.parent)
        measured = jobs.VersionMeasurement(place, models, now.parent, now.version, earlier, plan.of(now, plan.holdout))()
        decision = decide(pairs_of(measured), CONFIG, best_of(measured, now.parent))
        publish_candidate(now, stored, measured, decision)
        told = {pair["case_id"]: pair["candidate"] for pair in read_version(models, now.version).manifest.gate["cases"]}
        found = answered(models, now.version, [*held_out, *two_phantoms])
        assert told == pytest.approx(found, abs=1e-6)
        if decision.accepted:
            assert go_live(now) is None
            published += 1
            for what, cases, margin in (
                (HOLDOUT, held_out, CONFIG.train_margin),
                (PHANTOMS, two_phantoms, CONFIG.train_sentinel_margin),
            ):
                reached[what].append(np.mean([found[name] for name, _, _ in cases]))
                assert reached[what][-1] >= max(reached[what]) - margin - 1e-6
    assert 0 < published < SESSIONS  # both were seen
