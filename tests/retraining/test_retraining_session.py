"""From readers' labels to a version, or not: with a small ensemble on phantoms."""

from __future__ import annotations

import hashlib
import threading
from dataclasses import replace

import numpy as np
import pytest

from lib.core.disease_region import dice, segment_disease_region
from lib.engine.members import load_members
from lib.errors import ConflictError, InputError
from lib.retraining.config import TrainConfig, TrainOptions
from lib.retraining.fate import fates
from lib.retraining.phantom_regression import phantom_regression_cases
from lib.retraining.retraining_folder import RetrainingFolder
from lib.retraining.retraining_session import discard, run
from lib.versions import TrainingCase, list_versions, make_live, read_live, read_version, verify
from lib.versions.site import models_in_use, own_models

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("forked_pools")]
FEW = TrainOptions(steps=20)
# phantoms are all alike to networks that learnt a hundred times less than the shipped ones
LOOSE = TrainConfig(train_margin=0.03, train_sentinel_margin=0.05, train_worst=0.1)


def weights_of(site, version):
    return hashlib.sha256(verify(read_version(own_models(site.data), version))).hexdigest()


def live_of(site):
    return read_live(models_in_use(site.data, site.shipped)).manifest.version


def test_corrected_cases_become_a_version_that_says_what_it_learnt(site):
    new, out = (site.name("train"), site.name("train", 1)), site.name("holdout")
    labels = [site.label(case_id, phantom) for case_id, phantom in ((new[0], 3), (new[1], 4), (out, 5))]
    told = []
    site.prepare(LOOSE, FEW)
    result = run(site.data, on_progress=told.append)
    assert result["state"] == "accepted", result["reasons"]
    assert (result["learnt"], result["holdout"]) == (list(new), [out])
    live = read_live(models_in_use(site.data, site.shipped)).manifest
    assert (live.version, live.parent) == (result["version"], "tiny-1")
    learnt = {case.case_id: case.label_sha256 for case in live.training_cases}
    assert learnt == {"start-0": "0", "start-1": "1", "start-2": "2"} | {
        one.case_id: one.segments[0].sha256 for one in labels[:2]
    }
    assert live.gate["accepted"]
    assert live.gate["compared"]["hold-out"]["cases"] == 1
    assert live.gate["compared"]["phantoms"]["cases"] == 7
    assert {one["state"] for one in told} == {"checking", "training", "measuring", "publishing", "accepted"}
    ends = [one["members"] for one in told if one["state"] == "training"][-1]
    assert [(one["step"], one["steps"]) for one in ends] == [(20, 20), (20, 20)]
    # copies of scans do not outlast the session; the shipped folder is as it was
    assert not site.folder.session.exists()
    assert list_versions(site.shipped) == ("tiny-1",)
    assert site.folder.progress()["state"] == "accepted"
    make_live(own_models(site.data), "tiny-1")
    assert live_of(site) == "tiny-1"


def test_what_was_measured_is_what_the_published_file_answers(site):
    site.label(site.name("train"), 3)
    out = site.name("holdout")
    site.label(out, 5)
    site.prepare(LOOSE, FEW)
    result = run(site.data)
    models = own_models(site.data)
    told = {pair["case_id"]: pair["candidate"] for pair in read_version(models, result["version"]).manifest.gate["cases"]}
    members = load_members(models, result["version"])
    cases = {out: (site.phantoms[5].t1w, site.phantoms[5].disease_region)}
    cases |= {name: (t1w, truth) for name, t1w, truth in phantom_regression_cases()}
    answered = {name: dice(segment_disease_region(t1w, members).mask.data, truth.data) for name, (t1w, truth) in cases.items()}
    assert told == pytest.approx(answered, abs=1e-5)


def test_a_bad_newer_submission_knocks_out_neither_a_good_label_nor_the_hold_out(site):
    new, out = site.name("train"), site.name("holdout")
    good = {case_id: site.label(case_id, phantom) for case_id, phantom in ((new, 3), (out, 5))}
    for case_id, phantom in ((new, 3), (out, 5)):
        region = site.phantoms[phantom].disease_region
        site.submit(case_id, replace(region, data=np.roll(region.data, 2, axis=0)), "ben")
        site.submit(case_id, replace(region, data=np.flip(region.data, 1)), "ben")
    site.prepare(LOOSE, FEW)
    result = run(site.data)
    assert (result["learnt"], result["holdout"]) == ([new], [out])
    live = read_live(models_in_use(site.data, site.shipped)).manifest
    assert TrainingCase(new, good[new].segments[0].sha256) in live.training_cases
    noted_fates = fates(site.folder)
    assert {key: (fate.state, fate.version) for key, fate in noted_fates.items()} == {
        f"{new}/0001-anna": ("learnt", result["version"]),
        f"{out}/0001-anna": ("hold-out", None),
        **{f"{case_id}/{name}": ("set aside", None) for case_id in (new, out) for name in ("0002-ben", "0003-ben")},
    }
    assert "shifted by (2, 0, 0)" in noted_fates[f"{new}/0002-ben"].reason
    assert "upside down" in noted_fates[f"{out}/0003-ben"].reason


def test_three_patients_wait_where_nobody_is_held_out_and_are_told_for_what(site):
    names = [site.name("train", n) for n in range(3)]
    for n, name in enumerate(names):
        site.label(name, 3 + n)
    site.prepare(LOOSE, FEW)
    result = run(site.data)
    assert (result["state"], result["version"], result["later"]) == ("waits", None, names)
    assert "The labels of 3 patients wait: nobody is held out here yet" in result["message"]
    assert {fate.state for fate in fates(site.folder).values()} == {"waits"}
    assert live_of(site) == "tiny-1"


def test_what_was_learnt_is_replayed_with_a_case_that_was_rated_satisfactory_and_nothing_is_learnt_twice(site):
    first, second = site.name("train"), site.name("train", 1)
    site.label(first, 3)
    site.label(site.name("holdout"), 5)
    site.prepare(LOOSE, FEW)
    run(site.data)
    with pytest.raises(InputError, match="nothing new to learn: readers labelled 2 cases, of which the live version learnt 1"):
        site.prepare(LOOSE, FEW)
    site.add(second, 4)
    model = read_live(site.shipped).manifest
    site.submit(second, None, rating="satisfactory", model={"version": "tiny-1", "sha256": model.sha256})
    site.prepare(LOOSE, FEW)
    result = run(site.data)
    assert (result["learnt"], result["replayed"]) == ([second], [first])
    recipes = read_version(own_models(site.data), result["version"]).manifest.recipes
    assert [(one["pseudo"], one["pull"]) for one in recipes] == [(2, 0.0)] * 2


def test_every_poisoned_label_is_set_aside_and_what_is_right_is_learnt_without_them(site):
    names = [site.name("train", n) for n in range(7)]
    poisons = [
        lambda data: np.flip(data, 0),
        lambda data: np.flip(data, 1),
        lambda data: np.flip(data, 2),
        lambda data: np.roll(data, 6, axis=0),
        lambda data: np.zeros_like(data),
        # phantoms are alike, and most of their regions fit others' scans better than any two of the study's do (0.64)
        lambda data: site.phantoms[5].disease_region.data,
    ]
    for n, poison in enumerate(poisons):
        site.label(names[n], 3 + n % 2, poison)
    site.prepare(LOOSE, FEW)
    result = run(site.data)
    assert (result["state"], result["version"], sorted(result["held"])) == ("nothing", None, sorted(names[:6]))
    assert live_of(site) == "tiny-1"
    with pytest.raises(InputError, match="6 are in quarantine"):
        site.prepare(LOOSE, FEW)
    site.label(names[6], 6)
    site.label(site.name("holdout"), 7)
    site.prepare(LOOSE, FEW)
    assert run(site.data)["learnt"] == [names[6]]
    # an administrator may think otherwise
    held = {one["case"]: one for one in site.folder.held()}
    assert set(held) == set(names[:6])
    assert (site.folder.root / "labels" / f"{names[0]}--0001-anna.png").is_file()
    site.folder.release(names[0], held[names[0]]["submission"], "admin")
    assert names[0] in [entry.case_id for entry in site.prepare(LOOSE, FEW).entries]


@pytest.mark.parametrize(
    "poison",
    [lambda data: np.flip(data, 1), lambda data: np.flip(data, 2), lambda data: np.roll(data, 8, axis=0), np.zeros_like],
    ids=["upside-down", "slices-reversed", "shifted", "empty"],
)
def test_with_quarantine_off_the_gate_refuses_what_learnt_poisoned_labels(site, poison):
    for n in range(2):
        site.label(site.name("train", n), 3 + n, poison)
    site.label(site.name("holdout"), 5)
    site.prepare(TrainConfig(train_quarantine=False), TrainOptions(steps=30, learning_rate=3e-3, keep="none"))
    result = run(site.data)
    assert result["state"] == "rejected"
    assert live_of(site) == "tiny-1"
    kept = read_version(own_models(site.data), result["version"]).manifest
    assert not kept.gate["accepted"]
    assert kept.note.startswith("Rejected: On ")
    assert result["pictures"]
    assert all((site.folder.history / result["session"] / name).stat().st_size > 10_000 for name in result["pictures"])


def test_a_stop_leaves_all_as_it_was_and_the_session_goes_on_to_the_weights_that_the_same_seed_gave_before(site):
    site.label(site.name("train"), 3)
    site.label(site.name("holdout"), 5)
    enough = replace(FEW, steps=60)  # to be seen at work, which is looked for twice a second
    site.prepare(LOOSE, enough)
    whole = weights_of(site, run(site.data)["version"])
    make_live(own_models(site.data), "tiny-1")
    site.prepare(LOOSE, enough)

    def stop_in_the_second_member(progress):
        if progress["state"] == "training" and 10 <= progress["members"][1]["step"] < 60:
            assert site.folder.request_stop()

    assert run(site.data, on_progress=stop_in_the_second_member)["state"] == "stopped"
    assert (live_of(site), site.folder.has_pending_session(), site.folder.running()) == ("tiny-1", True, False)
    with pytest.raises(ConflictError, match="has not ended"):
        site.prepare(LOOSE, FEW)
    assert weights_of(site, run(site.data)["version"]) == whole


def test_one_session_at_a_time_and_a_discarded_one_leaves_no_scan(site):
    site.label(site.name("train"), 3)
    site.prepare(LOOSE, FEW)
    began, end = threading.Event(), threading.Event()

    def hold():
        with RetrainingFolder(site.data).lock():
            began.set()
            end.wait(20)

    other = threading.Thread(target=hold)
    other.start()
    began.wait(20)
    with pytest.raises(ConflictError, match="under way"):
        run(site.data)
    end.set()
    other.join()
    discard(site.data)
    assert not site.folder.session.exists()
    with pytest.raises(InputError, match="no session"):
        run(site.data)


def test_another_version_that_became_live_meanwhile_is_not_replaced(site):
    site.label(site.name("train"), 3)
    site.label(site.name("holdout"), 5)
    site.prepare(LOOSE, FEW)
    first = run(site.data)["version"]
    make_live(own_models(site.data), "tiny-1")
    site.prepare(LOOSE, replace(FEW, seed=1))

    def switch(progress):
        if progress["state"] == "measuring":
            make_live(own_models(site.data), first)

    result = run(site.data, on_progress=switch)
    assert weights_of(site, first) != weights_of(site, result["version"])  # another seed
    assert (result["state"], result["live"]) == ("accepted", False)
    assert "became live meanwhile" in result["reasons"][0]
    assert live_of(site) == first
