"""A session's plan and result when administrators and other versions come between; nothing is trained here."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from lib.core.normalise import TRAINING_PIXEL_SPACING_MM
from lib.core.protocol import STUDY, Protocol
from lib.core.volume import Grid, Mask, Volume
from lib.nets.recipes import Recipe
from lib.records import write_json
from lib.retraining import jobs
from lib.retraining.candidate_version import ever_live, go_live, store_candidate
from lib.retraining.config import TrainConfig, TrainOptions
from lib.retraining.entries import Entry
from lib.retraining.fate import fates
from lib.retraining.gate import Decision
from lib.retraining.placement import Placement
from lib.retraining.plan import SessionPlan, left_out, make_plan, note_checks, note_fates, set_aside_as_outliers, trainings
from lib.retraining.prepare import FILE, Session
from lib.retraining.quarantine import Check
from lib.retraining.recipes import member_recipes
from lib.retraining.retraining_folder import RetrainingFolder
from lib.retraining.retraining_session import _Work, run
from lib.versions import Manifest, TrainingCase, publish, read_live, read_version, verify

pytestmark = pytest.mark.slow  # seconds in all

RECIPE = Recipe("tiny", steps=150, widths=(16, 32, 64), shuffle=4)
MANIFEST = Manifest(
    version="v1", created="2026-01-01T00:00:00+00:00", code_version="0", sha256="", network=RECIPE.layout(), members=1,
    pixel_spacing_mm=TRAINING_PIXEL_SPACING_MM, recipes=[RECIPE.as_dict()], seeds=[0], training_cases=[TrainingCase("seen", "x")],
)  # fmt: skip
OTHER = Protocol(0.91, 5.2, 350.0, 0.0)
ACCEPTED = {"accepted": True, "reasons": [], "cases": []}


@pytest.fixture
def folder(tmp_path) -> RetrainingFolder:
    return RetrainingFolder(tmp_path)


@pytest.fixture
def models(tmp_path) -> Path:
    publish(tmp_path / "models" / "disease_region", MANIFEST, b"weights")
    return tmp_path / "models" / "disease_region"


def entry(case: str, side="train", protocol=STUDY, submission="0001-anna") -> Entry:
    label = f"label of {case} {submission}"
    return Entry(case, submission, "anna", "", label, None, side, False, 9, protocol.as_dict(), f"patient of {case}")


def session_of(*entries: Entry, model_dir: Path = Path("models"), **options) -> Session:
    created = "2026-01-01T00:00:00+00:00"
    return Session("s1", "site-s1", created, "v1", str(model_dir), "0", TrainConfig(), TrainOptions(**options), entries, ())


def note(folder, one: Entry, state: str, **more) -> None:
    told = {"case": one.case_id, "submission": one.submission, "label_id": one.label_id, "state": state, "reasons": []}
    folder.note_check({**told, **more})


def take_back(folder, one: Entry) -> None:
    folder.take_back(one.case_id, one.submission, one.label_id, "root")


def test_a_label_that_is_set_aside_while_the_checks_run_stays_set_aside(folder):
    one = entry("a")
    take_back(folder, one)
    note_checks(folder, session_of(one), {one.key: (Check(()), None)})
    set_aside_as_outliers(folder, [one])
    assert folder.check_of("a", one.submission)["state"] == "taken back"
    assert make_plan(folder, session_of(one), MANIFEST).held == (one.key,)


def test_a_session_that_goes_on_learns_no_label_that_was_set_aside_meanwhile(folder, models):
    one = entry("a")
    place = folder.session / "member0"
    place.mkdir(parents=True)
    write_json(folder.session / FILE, session_of(one, model_dir=models).as_dict())
    SessionPlan(learn=(one.key,), replay=(), holdout=(), held=(), later=(), steps=(40,)).write(folder.session)
    take_back(folder, one)
    result = run(folder.data)
    assert (result["state"], result["learnt"], result["held"]) == ("nothing", [], ["a"])
    assert not place.exists()


def test_steps_that_were_found_affordable_outlast_a_new_plan(folder, models):
    labels = [entry(name) for name in "abc"]
    for one in labels:
        note(folder, one, "passed")
    work = _Work(folder, session_of(*labels, model_dir=models, minutes=5.0), lambda told: None)
    folder.session.mkdir()
    work.plan = SessionPlan(learn=tuple(one.key for one in labels), replay=(), holdout=(), held=(), later=(), steps=(7,))
    take_back(folder, labels[0])
    anew = work._plan_anew()
    assert (anew.steps, anew.held) == ((7,), (labels[0].key,))


def test_a_version_that_rests_on_labels_set_aside_meanwhile_does_not_become_live(models):
    publish(models, replace(MANIFEST, version="site-s1", parent="v1", gate=ACCEPTED), b"more", live=False)
    session = session_of(model_dir=models)
    assert "of 1 case, were set aside meanwhile" in go_live(session, ["a", "a"])
    assert read_live(models).manifest.version == "v1"
    assert go_live(session) is None
    assert go_live(session, ["a"]) is None  # it is live already: a session that was killed after that goes on
    assert read_live(models).manifest.version == "site-s1"


def test_readers_are_told_why_a_label_was_neither_learnt_nor_measured_on(folder):
    used, older = entry("a"), entry("a", submission="0000-ben")
    out, seen, foreign = entry("b", "holdout"), entry("seen", "holdout"), entry("c", "holdout", OTHER)
    session = session_of(used, older, out, seen, foreign)
    plan = SessionPlan(learn=(used.key,), replay=(), holdout=(out.key,), held=(), later=(), steps=(40,))
    note_fates(folder, session, plan, Decision(True, (), {}, ()), MANIFEST, is_live=True)
    noted_fates = fates(folder)
    assert (noted_fates[used.key].state, noted_fates[used.key].version) == ("learnt", "site-s1")
    assert "Another label of this case counts more" in noted_fates[older.key].reason
    assert {noted_fates[one.key].state for one in (out, seen, foreign)} == {"hold-out"}
    assert noted_fates[out.key].reason == "Versions are compared on it; none learns it."
    assert "the live version learnt this case elsewhere" in noted_fates[seen.key].reason
    assert "this one learnt another kind" in noted_fates[foreign.key].reason


def test_a_label_of_a_version_that_did_not_become_live_waits_for_the_next_session(folder):
    one = entry("a")
    plan = SessionPlan(learn=(one.key,), replay=(), holdout=(), held=(), later=(), steps=(40,))
    note_fates(folder, session_of(one), plan, Decision(True, (), {}, ()), MANIFEST, is_live=False)
    noted_fates = fates(folder)[one.key]
    assert (noted_fates.state, noted_fates.version) == ("waits", None)
    assert noted_fates.reason == "Version site-s1 learnt it, but did not become the live one; the next session takes it up."


def test_a_released_label_that_contradicts_the_networks_on_another_scanner_is_not_learnt_by_those_for_all_scans(folder):
    labels = [entry(name, protocol=OTHER) for name in "abc"]
    placement = Placement(shift=(0.0, 0.5), flat=0.65, flipped=(0.7, 0.4, 0.4), next_slice=0.8)
    checks = {one.key: (Check(("Its Dice is low.",), dice=0.5, placement=placement), None) for one in labels}
    note_checks(folder, session_of(*labels), checks)
    for one in labels:
        assert folder.check_of(one.case_id, one.submission)["protocol"] == OTHER.as_dict()
        folder.release(one.case_id, one.submission, "root")
    plan = make_plan(folder, session_of(*labels), MANIFEST)
    assert (plan.kind, plan.protocol, len(plan.learn)) == ("kind1", OTHER.as_dict(), 3)


def test_networks_of_a_new_kind_end_where_they_learnt_and_see_a_part_of_large_frames():
    half_way = replace(RECIPE, blend=0.4, frozen_norm=True, other=2)
    live = replace(MANIFEST, recipes=[half_way.as_dict()])
    (bold,) = member_recipes(live, TrainOptions(), n_new=30, replays=False, kind="kind1", new_kind=True)
    assert (bold.blend, bold.frozen_norm, bold.other, bold.pull, bold.window) == (1.0, False, 0, 0.0, 400)
    (gentle,) = member_recipes(live, TrainOptions(), n_new=30, replays=False)
    assert (gentle.blend, gentle.frozen_norm, gentle.other, gentle.window) == (0.4, True, 0, 0)


@pytest.mark.parametrize(
    ("asked", "steps", "rate"),
    [
        ({}, 120, 8.3e-4),
        ({"steps": 200}, 200, 5e-4),
        ({"minutes": 5.0}, 120, 5e-4),  # until it is known how many that are
        ({"steps": 200, "learning_rate": 1e-3}, 200, 1e-3),
        ({"learning_rate": 1e-3}, 120, 1e-3),
    ],
)
def test_the_usual_rate_goes_with_the_usual_steps_alone(asked, steps, rate):
    (recipe,) = member_recipes(MANIFEST, TrainOptions(**asked), n_new=30, replays=False)
    assert (recipe.steps, recipe.learning_rate) == (steps, rate)


def rates(folder, session, plan):
    (full,) = trainings(folder.session, session, MANIFEST, plan)
    short = left_out(folder.session, session, MANIFEST, plan)[0].training
    return [(one.recipe.steps, one.recipe.learning_rate) for one in (full, short)]


def test_a_session_that_goes_on_keeps_its_rate(folder):
    labels = [entry(name) for name in "abcd"]
    for one in labels:
        note(folder, one, "passed")
    session = session_of(*labels)
    plan = make_plan(folder, session, MANIFEST)
    assert rates(folder, session, plan) == [(120, 8.3e-4), (60, 5e-4)]
    longer = replace(session, options=TrainOptions(steps=150))
    assert rates(folder, longer, replace(plan, steps=(150,))) == [(150, 8.3e-4), (60, 5e-4)]
    begun_before = replace(plan, steps=(200,), rates=())
    assert rates(folder, session, begun_before) == [(200, 5e-4), (60, 5e-4)]


def test_networks_of_a_known_kind_go_on_by_their_own_recipes_and_layouts():
    own = replace(RECIPE, name="coarse", widths=(4, 8), shuffle=4, pixel_spacing_mm=1.2, batch=4, other=4, readings=True)
    kind = {"name": "kind1", "protocol": OTHER.as_dict(), "network": [own.layout()], "members": 1, "recipes": [own.as_dict()]}
    live = replace(MANIFEST, recipes=[RECIPE.as_dict()], kinds=[kind])
    (of_the_kind,) = member_recipes(live, TrainOptions(), n_new=30, replays=False, kind="kind1")
    (of_all,) = member_recipes(live, TrainOptions(), n_new=30, replays=False)
    assert (of_the_kind.name, of_the_kind.layout(), of_the_kind.pixel_spacing_mm) == ("coarse", own.layout(), 1.2)
    assert (of_the_kind.other, of_the_kind.readings) == (0, False)
    assert (of_all.name, of_all.layout()) == (RECIPE.name, RECIPE.layout())


def test_networks_of_a_known_kind_are_trained_on_as_gently_as_all_and_still_see_a_part_of_large_frames():
    half_way = replace(RECIPE, blend=0.4, frozen_norm=True)
    live = replace(MANIFEST, recipes=[half_way.as_dict()])
    (of_a_kind,) = member_recipes(live, TrainOptions(), n_new=30, replays=False, kind="kind1")
    (of_all,) = member_recipes(live, TrainOptions(), n_new=30, replays=False)
    assert of_a_kind == replace(of_all, blend=1.0, frozen_norm=False, window=400)


@pytest.mark.parametrize("learnt", ["kind1", "kind2", None])
def test_networks_of_one_kind_learn_and_all_others_stay_bit_by_bit(tmp_path, learnt):
    """Kind 1 is in the version that the session begins from, kind 2 is new there."""
    from safetensors.torch import load
    from torch import equal

    from lib.nets.fit import Slices, fit
    from lib.nets.weights import load_networks, pack, pack_onto

    own = replace(RECIPE, widths=(4, 8), shuffle=2, frozen_norm=True)
    models = tmp_path / "models" / "disease_region"
    plain = publish(models, replace(MANIFEST, version="v0", network=own.layout(), recipes=[own.as_dict()]), pack([own.network()]))
    known = {"name": "kind1", "protocol": OTHER.as_dict(), "recipes": [replace(own, name="shipped").as_dict()], "seeds": [7]}
    live = replace(plain.manifest, version="v1", kinds=[known])
    publish(models, live, pack_onto(plain, [own.network()], "kind1"))
    parent = read_version(models, "v1")
    (recipe,) = member_recipes(live, TrainOptions(steps=2), n_new=2, replays=False, kind=learnt, new_kind=learnt == "kind2")
    job = jobs.MemberTraining(tmp_path / "member0", recipe, 8, 0, (), (), models, "v1", False, learnt)
    ones = Slices(np.ones((2, 16, 16), np.float32), np.ones((2, 16, 16), bool))
    fit(recipe, 8, ones, job.folder, start=load_networks(parent, learnt)[0])
    new_kind = {"name": "kind2", "protocol": {**OTHER.as_dict(), "field_mm": 270.0}} if learnt == "kind2" else None
    stored = store_candidate(session_of(model_dir=models), [job], [], tmp_path / jobs.CANDIDATE, new_kind)

    before, after = (load(verify(version)) for version in (parent, stored))
    of = {"kind1": "kind1.", "kind2": "kind2.", None: "member"}[learnt]
    assert before.keys() - after.keys() == set()
    changed = [name for name in after if name not in before or not equal(after[name], before[name])]
    assert {name.startswith(of) for name in changed} == {True}
    now = {"recipes": [json.loads(json.dumps(recipe.as_dict()))], "seeds": [8]}
    told = read_version(tmp_path / jobs.CANDIDATE, stored.manifest.version).manifest
    assert (told.recipes, told.seeds) == ((parent.manifest.recipes, [0]) if learnt else (now["recipes"], [8]))
    before = json.loads(json.dumps(known))
    assert told.kinds == [before | (now if learnt == "kind1" else {}), *([new_kind | now] if new_kind else [])]


def test_only_versions_that_were_live_are_compared_with_and_an_unreadable_one_is_passed_over(models):
    for version, parent, gate in (("v2", "v1", ACCEPTED), ("v3", "v2", ACCEPTED), ("adopted", None, None)):
        publish(models, replace(MANIFEST, version=version, parent=parent, gate=gate), b"more", live=False)
    assert ever_live(models, "v2") == ("v1",)
    assert ever_live(models, "v2", [{"version": "v3", "live": True}, {"version": "adopted", "live": False}]) == ("v1", "v3")
    (models / "versions" / "v1" / "manifest.json").write_text("{")
    assert ever_live(models, "v2", [{"version": "v3", "live": True}]) == ("v3",)


def test_an_earlier_version_with_damaged_weights_is_left_out_of_the_comparison(folder, models, monkeypatch, caplog):
    publish(models, replace(MANIFEST, version="v2"), b"more")
    publish(folder.session / jobs.CANDIDATE, replace(MANIFEST, version="site-s1"), b"new")
    grid = Grid((16, 16, 3), np.diag([0.6, 0.6, 3.3, 1.0]))
    t1w = Volume(np.random.default_rng(0).uniform(100, 200, grid.shape).astype(np.float32), grid, "T1W")
    truth = Mask(np.ones(grid.shape, bool), grid, "disease region")

    def everything_where_the_file_is_whole(root, version):
        verify(read_version(root, version))
        return [np.ones_like]

    monkeypatch.setattr(jobs, "load_members", everything_where_the_file_is_whole)
    monkeypatch.setattr(jobs, "phantom_regression_cases", lambda: iter([("first", t1w, truth), ("second", t1w, truth)]))
    (folder.root / "measured").mkdir()
    sha256 = read_version(models, "v1").manifest.sha256
    (folder.root / "measured" / "v1.json").write_text(json.dumps({"sha256": sha256, "dice": {"first": 1.0}}))
    (models / "versions" / "v1" / "ensemble.safetensors").write_bytes(b"rotten")
    measured = jobs.VersionMeasurement(folder.session, models, "v2", "site-s1", ("v1",), ())()
    assert measured["phantoms"]["earlier"] == {}
    assert measured["phantoms"]["candidate"]["second"]["dice"] == 1.0
    assert "Version v1 is not compared with" in caplog.text
