"""From readers' labels to a version, or not: with a small ensemble on phantoms."""

from __future__ import annotations

import hashlib
import threading
from dataclasses import replace

import numpy as np
import pytest

from lib.errors import ConflictError, InputError
from lib.retraining.config import TrainConfig, TrainOptions
from lib.retraining.folder import RetrainingFolder
from lib.retraining.session import discard, run
from lib.versions import list_versions, make_live, read_live, read_version, verify
from lib.versions.site import models_in_use, own_models

pytestmark = pytest.mark.slow
FEW = TrainOptions(steps=20)
# phantoms are all alike to networks that learnt a hundred times less than the shipped ones
LOOSE = TrainConfig(train_margin=0.03, train_sentinel_margin=0.05, train_worst=0.1)


def weights_of(site, version):
    return hashlib.sha256(verify(read_version(own_models(site.data, site.shipped), version))).hexdigest()


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
    assert live.gate["compared"]["phantoms"]["cases"] == 3
    assert {one["state"] for one in told} == {"checking", "training", "measuring", "publishing", "accepted"}
    ends = [one["members"] for one in told if one["state"] == "training"][-1]
    assert [(one["step"], one["steps"]) for one in ends] == [(20, 20), (20, 20)]
    # copies of scans do not outlast the session; the shipped folder is as it was
    assert not site.folder.session.exists()
    assert list_versions(site.shipped) == ("tiny-1",)
    assert site.folder.progress()["state"] == "accepted"
    make_live(own_models(site.data, site.shipped), "tiny-1")
    assert live_of(site) == "tiny-1"


def test_what_was_learnt_is_replayed_with_a_case_that_was_rated_satisfactory_and_nothing_is_learnt_twice(site):
    first, second = site.name("train"), site.name("train", 1)
    site.label(first, 3)
    site.prepare(LOOSE, FEW)
    run(site.data)
    with pytest.raises(InputError, match="nothing new to learn: readers labelled 1 cases, of which the live version learnt 1"):
        site.prepare(LOOSE, FEW)
    site.add(second, 4)
    model = read_live(site.shipped).manifest
    site.submit(second, None, rating="satisfactory", model={"version": "tiny-1", "sha256": model.sha256})
    site.prepare(LOOSE, FEW)
    result = run(site.data)
    assert (result["learnt"], result["replayed"]) == ([second], [first])
    recipes = read_version(own_models(site.data, site.shipped), result["version"]).manifest.recipes
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
    site.prepare(LOOSE, FEW)
    assert run(site.data)["learnt"] == [names[6]]
    # an administrator may think otherwise
    held = {one["case"]: one for one in site.folder.held()}
    assert set(held) == set(names[:6])
    assert (site.folder.root / "labels" / f"{names[0]}--0001-anna.png").is_file()
    site.folder.release(names[0], held[names[0]]["submission"], "admin")
    assert site.prepare(LOOSE, FEW).entries[0].case_id == names[0]


@pytest.mark.parametrize(
    "poison",
    [lambda data: np.flip(data, 1), lambda data: np.flip(data, 2), lambda data: np.roll(data, 8, axis=0), np.zeros_like],
    ids=["upside-down", "slices-reversed", "shifted", "empty"],
)
def test_with_quarantine_off_the_gate_refuses_what_learnt_poisoned_labels(site, poison):
    for n in range(2):
        site.label(site.name("train", n), 3 + n, poison)
    site.label(site.name("holdout"), 5)
    site.prepare(TrainConfig(train_quarantine=False), TrainOptions(steps=60, learning_rate=3e-3, keep="none"))
    result = run(site.data)
    assert result["state"] == "rejected"
    assert live_of(site) == "tiny-1"
    kept = read_version(own_models(site.data, site.shipped), result["version"]).manifest
    assert not kept.gate["accepted"]
    assert kept.note.startswith("Rejected: On ")
    assert result["pictures"]
    assert all((site.folder.history / result["session"] / name).stat().st_size > 10_000 for name in result["pictures"])


def test_a_stop_leaves_all_as_it_was_and_the_session_goes_on_to_the_weights_that_the_same_seed_gave_before(site):
    site.label(site.name("train"), 3)
    site.prepare(LOOSE, FEW)
    whole = weights_of(site, run(site.data)["version"])
    make_live(own_models(site.data, site.shipped), "tiny-1")
    site.prepare(LOOSE, FEW)

    def stop_in_the_second_member(progress):
        if progress["state"] == "training" and progress["members"][1]["step"] == 10:
            assert site.folder.request_stop()

    assert run(site.data, on_progress=stop_in_the_second_member)["state"] == "stopped"
    assert (live_of(site), site.folder.waits(), site.folder.running()) == ("tiny-1", True, False)
    with pytest.raises(ConflictError, match="has not ended"):
        site.prepare(LOOSE, FEW)
    assert weights_of(site, run(site.data)["version"]) == whole


def test_one_session_at_a_time_and_a_discarded_one_leaves_no_scan(site):
    site.label(site.name("train"), 3)
    site.prepare(LOOSE, FEW)
    began, end = threading.Event(), threading.Event()

    def hold():
        with RetrainingFolder(site.data).alone():
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
    site.prepare(LOOSE, FEW)
    first = run(site.data)["version"]
    make_live(own_models(site.data, site.shipped), "tiny-1")
    site.prepare(LOOSE, replace(FEW, seed=1))

    def switch(progress):
        if progress["state"] == "measuring":
            make_live(own_models(site.data, site.shipped), first)

    result = run(site.data, on_progress=switch)
    assert weights_of(site, first) != weights_of(site, result["version"])  # another seed
    assert (result["state"], result["live"]) == ("accepted", False)
    assert "became live meanwhile" in result["reasons"][0]
    assert live_of(site) == first
