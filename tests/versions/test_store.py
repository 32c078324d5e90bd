"""Versions are published whole, never overwritten, and refused when their bytes are not those of the manifest."""

import json
from dataclasses import replace

import numpy as np
import pytest

from lib.core.volume import Grid
from lib.errors import ModelError, OutputError
from lib.versions import Manifest, TrainingCase, list_versions, make_live, publish, read_live, read_version, verify


def manifest(version: str, created: str = "2024-01-01T00:00:00+00:00") -> Manifest:
    return Manifest(
        version=version,
        created=created,
        code_version="1.2.3",
        sha256="",
        network={"widths": [16, 32], "shuffle": 2, "bias": False},
        members=3,
        pixel_spacing_mm=0.5952,
        recipes=[{"name": "quick", "steps": 3}] * 3,
        seeds=[0, 1, 2],
        training_cases=[TrainingCase("1007", "ab" * 32)],
        metrics={"test": None},
    )


def test_a_published_version_is_live_and_reads_back(tmp_path):
    publish(tmp_path, manifest("a-1"), b"weights")
    live = read_live(tmp_path)
    # sha256 of "weights", from the command sha256sum
    assert live.manifest.sha256 == "9a129038d9a00aed0cf6a7ea059ca50a813449061ab87848cf1a13eafdf33b2c"
    assert live.manifest.training_cases == [TrainingCase("1007", "ab" * 32)]
    assert (live.manifest.version, live.manifest.seeds) == ("a-1", [0, 1, 2])
    assert verify(live) == b"weights"


def test_of_a_kind_of_scans_a_manifest_tells_what_is_another_there():
    own = {"network": [{"widths": [8], "shuffle": 4, "bias": False}], "members": 1, "flip": False, "pixel_spacing_mm": 1.2}
    protocol = {"pixel_mm": 0.9, "slice_mm": 5.0, "field_mm": 350.0, "lean_deg": 0.0}
    kinds = [{"name": "kind1", "protocol": protocol} | own, {"name": "kind2", "protocol": protocol | {"slice_mm": 3.0}}]
    changed = replace(manifest("a"), kinds=kinds, reference={"scans": 1})
    kind = changed.of_kind("kind1")
    assert (kind.networks, kind.flip, kind.pixel_spacing_mm, kind.reference) == (own["network"], False, 1.2, {"scans": 1})
    assert changed.of_kind("kind2") == changed.of_kind(None) == changed.of_kind("kind9") == replace(changed, kinds=[])
    affine = np.diag([0.9, 3.0, 0.9, 1.0])[:, [0, 2, 1, 3]]
    assert changed.for_scan(Grid((390, 390, 20), affine)) == changed.of_kind("kind2")
    wrong = replace(changed, kinds=[kinds[0] | {"members": 2}])
    with pytest.raises(ModelError, match="2 members, but 1 networks"):
        Manifest.from_json(wrong.as_json(), "manifest.json")


def test_a_version_is_never_overwritten(tmp_path):
    publish(tmp_path, manifest("a"), b"first")
    with pytest.raises(ModelError, match="never overwritten"):
        publish(tmp_path, manifest("a"), b"second")
    assert verify(read_live(tmp_path)) == b"first"


def test_rolling_back_is_pointing_at_an_older_version(tmp_path):
    publish(tmp_path, manifest("old"), b"old weights")
    publish(tmp_path, manifest("new", "2024-02-01T00:00:00+00:00"), b"new weights")
    assert list_versions(tmp_path) == ("old", "new")
    assert read_live(tmp_path).manifest.version == "new"
    make_live(tmp_path, "old")
    assert verify(read_live(tmp_path)) == b"old weights"
    assert verify(read_version(tmp_path, "new")) == b"new weights"


def test_a_version_can_be_published_without_going_live(tmp_path):
    publish(tmp_path, manifest("old"), b"old weights")
    publish(tmp_path, manifest("new"), b"new weights", live=False)
    assert read_live(tmp_path).manifest.version == "old"


@pytest.mark.parametrize("content", [b"weightz", b"", b"weights "])
def test_corrupt_or_swapped_weights_are_refused(tmp_path, content):
    version = publish(tmp_path, manifest("a"), b"weights")
    version.weights.write_bytes(content)
    with pytest.raises(ModelError, match="corrupt or was swapped"):
        verify(read_live(tmp_path))
    with pytest.raises(ModelError, match="corrupt or was swapped"):
        make_live(tmp_path, "a")


def test_missing_weights_are_refused(tmp_path):
    publish(tmp_path, manifest("a"), b"weights").weights.unlink()
    with pytest.raises(ModelError, match=r"ensemble.safetensors is missing"):
        verify(read_live(tmp_path))


def test_a_model_folder_without_pointer_is_refused(tmp_path):
    with pytest.raises(ModelError, match=r"No trained model at .*train one"):
        read_live(tmp_path)


@pytest.mark.parametrize("text", ["", "[]", "{}", "{"])
def test_a_damaged_pointer_is_refused(tmp_path, text):
    (tmp_path / "live.json").write_text(text)
    with pytest.raises(ModelError, match=r"live.json is damaged"):
        read_live(tmp_path)


@pytest.mark.parametrize("version", ["../a", "", "a/b", ".hidden"])
def test_an_id_cannot_leave_the_folder(tmp_path, version):
    with pytest.raises(ModelError, match="cannot name a version"):
        read_version(tmp_path, version)


def test_a_missing_version_is_named(tmp_path):
    with pytest.raises(ModelError, match="no version gone"):
        read_version(tmp_path, "gone")


def test_a_renamed_version_folder_is_refused(tmp_path):
    publish(tmp_path, manifest("a"), b"weights").folder.rename(tmp_path / "versions" / "b")
    with pytest.raises(ModelError, match="describes version a, not b"):
        read_version(tmp_path, "b")


@pytest.mark.parametrize("change", [{"schema": 99}, {"members": None, "surprise": 1}])
def test_a_manifest_of_another_schema_is_refused(tmp_path, change):
    path = publish(tmp_path, manifest("a"), b"weights").folder / "manifest.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    with pytest.raises(ModelError, match=r"has schema 99|is not a model manifest"):
        read_version(tmp_path, "a")


def test_a_failed_publication_leaves_nothing(tmp_path, monkeypatch):
    def full(path, content):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("lib.versions.store.write_atomically", full)
    with pytest.raises(OutputError, match="disk is full"):
        publish(tmp_path, manifest("a"), b"weights")
    assert list((tmp_path / "versions").iterdir()) == []
    assert not (tmp_path / "live.json").exists()


@pytest.mark.slow
def test_each_member_may_have_a_network_of_its_own(tmp_path):
    layouts = [{"widths": [8], "shuffle": n, "bias": False} for n in (1, 2, 4)]
    publish(tmp_path, replace(manifest("mixed"), network=layouts), b"weights")
    assert read_live(tmp_path).manifest.networks == layouts
    publish(tmp_path, manifest("alike"), b"weights")
    assert read_live(tmp_path).manifest.networks == [{"widths": [16, 32], "shuffle": 2, "bias": False}] * 3
    with pytest.raises(ModelError, match="3 members, but 2 networks"):
        publish(tmp_path, replace(manifest("short"), network=layouts[:2]), b"weights")
