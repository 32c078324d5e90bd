"""An administrator's decisions: labels set aside, released and taken back; versions pinned and compared."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from lib.cli.app import app
from lib.core.protocol import Ensemble, Protocol
from lib.core.volume import Grid, Mask, Volume
from lib.errors import ConflictError, NotFoundError, RequestError
from lib.phantom.study import make_phantom
from lib.readings.audit import AuditLog
from lib.retraining.administrator_decisions import AdministratorDecisions
from lib.retraining.comparison import by_file, compare_versions, comparisons
from lib.retraining.config import TrainConfig
from lib.retraining.plan import checking
from lib.retraining.prepare import waiting_labels
from lib.versions import Manifest, pinned, publish, read_live
from lib.versions.site import adopt_live, note_start, own_models

pytestmark = pytest.mark.slow  # seconds in all

MANIFEST = Manifest(
    version="v1", created="2026-01-01T00:00:00+00:00", code_version="0", sha256="", network={"widths": [4], "shuffle": 4, "bias": False},
    members=1, pixel_spacing_mm=0.6, recipes=[{}], seeds=[0], training_cases=[],
)  # fmt: skip


@pytest.fixture
def decisions(empty_site) -> AdministratorDecisions:
    publish(empty_site.shipped, MANIFEST, b"weights")
    return AdministratorDecisions(empty_site.store, AuditLog(empty_site.data / "audit.jsonl"), empty_site.shipped, "root")


def events(site) -> list[tuple[str, str]]:
    return [(one["event"], one["reader"]) for one in AuditLog(site.data / "audit.jsonl").entries()]


def new_labels(site, quarantine: bool = True) -> list[bool]:
    waiting = waiting_labels(site.store, MANIFEST, TrainConfig(train_quarantine=quarantine, train_holdout=0), str)
    return [one.is_new for one in waiting]


def test_a_trusted_label_is_set_aside_released_and_taken_back_whatever_the_quarantine(empty_site, decisions):
    made = empty_site.label("a", 3)
    assert new_labels(empty_site) == [True]
    decisions.set_aside("a", made.submission_id)
    assert (new_labels(empty_site), new_labels(empty_site, quarantine=False)) == ([False], [False])
    assert empty_site.folder.held()[0]["reasons"] == ["It was set aside by root."]
    with pytest.raises(ConflictError, match="is set aside already"):
        decisions.set_aside("a", made.submission_id)
    decisions.release("a", made.submission_id)
    assert new_labels(empty_site) == [True]
    decisions.set_aside("a", made.submission_id)  # the release is taken back
    assert new_labels(empty_site) == [False]
    assert events(empty_site) == [("label set aside", "root"), ("label released", "root"), ("label set aside", "root")]


def test_only_what_gives_a_label_can_be_set_aside(empty_site, decisions):
    nothing = empty_site.submit("a", None, rating="failed")
    with pytest.raises(RequestError, match="gives no disease region to learn from"):
        decisions.set_aside("a", nothing.submission_id)
    with pytest.raises(NotFoundError, match="has no submission '0009-anna'"):
        decisions.set_aside("a", "0009-anna")


def test_a_pinned_version_stays_live_until_the_pin_is_off(empty_site, decisions):
    with pytest.raises(RequestError, match="v1 is live, not v2"):
        decisions.pin("v2")
    decisions.pin("v1")
    own = own_models(empty_site.data)
    publish(own, replace(MANIFEST, version="v2"), b"more", live=False)
    with pytest.raises(ConflictError, match="v1 was pinned by root; take the pin off first"):
        decisions.make_live("v2")
    assert pinned(own)["version"] == "v1"
    decisions.unpin()
    with pytest.raises(RequestError, match="No version is pinned"):
        decisions.unpin()
    assert decisions.make_live("v2") == {"live": "v2"}
    assert events(empty_site) == [("model pinned", "root"), ("model unpinned", "root"), ("model made live", "root")]


def test_an_earlier_version_of_the_shipped_folder_is_copied_before_it_is_live(empty_site, decisions):
    publish(empty_site.shipped, replace(MANIFEST, version="v2"), b"more")
    adopt_live(empty_site.data, empty_site.shipped)
    decisions.make_live("v1")
    assert read_live(own_models(empty_site.data)).weights.read_bytes() == b"weights"
    assert read_live(empty_site.shipped).manifest.version == "v2"


def test_two_versions_are_compared_case_by_case_with_a_picture_of_each(empty_site):
    study = make_phantom(3, (112, 112, 9))
    truth = study.disease_region

    def half(t1w: Volume) -> Mask:
        """Every second slice of the truth: Dice 2 * n / (n + N)."""
        data = truth.data.copy()
        data[..., ::2] = False
        return replace(truth, data=data)

    empty_site.data.mkdir()
    cases = [("hold-out", "a", study.t1w, truth)]
    place = compare_versions(empty_site.folder, ("v1", "v2"), (half, lambda t1w: truth), cases)
    kept = int(np.count_nonzero(half(study.t1w).data))
    expected = round(2 * kept / (kept + truth.voxels), 4)
    (found,) = comparisons(empty_site.folder)
    assert found["cases"] == [{"what": "hold-out", "case": "a", "a": expected, "b": 1.0}]
    assert (place / "1.png").read_bytes().startswith(b"\x89PNG")
    compare_versions(empty_site.folder, ("v1", "v2"), (half, half), cases)  # again: in place of the former
    assert json.loads(Path(place / "comparison.json").read_text())["cases"][0]["b"] == expected


def test_a_version_is_compared_with_the_networks_that_it_has_for_a_kind_of_scans(monkeypatch, tmp_path):
    t1w = make_phantom(3, (112, 112, 9)).t1w
    i, j, k = t1w.grid.spacing_mm
    thick = replace(t1w, grid=Grid(t1w.grid.shape, np.diag([i, j, 2 * k, 1.0])))
    members = Ensemble([np.zeros_like], [(Protocol.of(thick.grid), [np.ones_like])])
    monkeypatch.setattr("lib.nets.weights.load_members", lambda models, version: members)
    assert by_file(tmp_path, "v1")(t1w).voxels == 0
    assert by_file(tmp_path, "v1")(thick).voxels > 0


def test_labels_that_contradict_the_networks_alike_are_taken_up_again_with_each_new_one(empty_site, decisions):
    made = {name: empty_site.label(name, 3) for name in "abcd"}
    own = Protocol.of(empty_site.phantoms[3].t1w.grid).as_dict()
    for name, more in (
        ("a", {"unlike": True, "protocol": own}),
        ("b", {"unlike": False, "protocol": own}),
        ("c", {"unlike": True, "protocol": own | {"slice_mm": 2 * own["slice_mm"]}}),
    ):
        told = {"case": name, "submission": made[name].submission_id, "label_id": made[name].segments[0].sha256}
        empty_site.folder.note_check({**told, "state": "held", "reasons": ["Its Dice is low."], **more})
    session = empty_site.prepare(TrainConfig(train_holdout=0))
    assert [entry.case_id for entry in session.entries] == ["d", "a"]
    asked = checking(empty_site.folder, session, MANIFEST).unchecked
    assert asked == {entry.key for entry in session.entries}


def test_versions_are_pinned_and_chosen_by_command_and_the_audit_log_says_so(empty_site, decisions):
    def typed(*words: object):
        return CliRunner().invoke(app, ["models", *map(str, words), "--data", str(empty_site.data)])

    note_start(empty_site.data, empty_site.shipped)
    assert typed("pin", "v1").output == "pinned  v1\n"
    publish(own_models(empty_site.data), replace(MANIFEST, version="v2"), b"more", live=False)
    assert "take the pin off first" in typed("use", "v2").stderr
    assert typed("unpin").output == "unpinned  v1\n"
    assert typed("use", "v2").output == "live    v2\nbefore  v1\n"
    assert [event for event, _ in events(empty_site)] == ["model pinned", "model unpinned", "model made live"]
