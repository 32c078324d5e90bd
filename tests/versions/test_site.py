"""A site's own versions: in its data folder, from the first retraining on."""

from __future__ import annotations

import errno
from dataclasses import replace
from pathlib import Path

import pytest

from lib.errors import ConflictError, InputError, ModelError, OutputError
from lib.versions import Manifest, list_versions, make_live, publish, read_live
from lib.versions.site import adopt_live, models_in_use, note_start, own_models, start_of

MANIFEST = Manifest(
    version="v1", created="2026-01-01T00:00:00+00:00", code_version="0", sha256="", network={"widths": [4], "shuffle": 4, "bias": False},
    members=1, pixel_spacing_mm=0.6, recipes=[{}], seeds=[0], training_cases=[],
)  # fmt: skip


@pytest.fixture
def shipped(tmp_path):
    root = tmp_path / "shipped" / "disease_region"
    publish(root, MANIFEST, b"weights")
    return root


def test_a_site_uses_the_shipped_folder_until_it_has_its_own(shipped, tmp_path):
    data = tmp_path / "data"
    assert models_in_use(data, shipped) == shipped
    adopted = adopt_live(data, shipped)
    assert models_in_use(data, shipped) == own_models(data) == data / "models" / "disease_region"
    assert adopted.manifest == read_live(shipped).manifest
    assert adopted.weights.read_bytes() == b"weights"


def test_what_is_live_at_the_site_stays_when_the_program_ships_another_version(shipped, tmp_path):
    data = tmp_path / "data"
    adopt_live(data, shipped)
    publish(shipped, replace(MANIFEST, version="v2"), b"more")
    assert adopt_live(data, shipped).manifest.version == "v1"
    assert list_versions(own_models(data)) == ("v1",)


def test_a_copy_whose_pointer_was_never_written_is_used_as_it_is(shipped, tmp_path):
    data = tmp_path / "data"
    adopt_live(data, shipped)
    (own_models(data) / "live.json").unlink()
    assert models_in_use(data, shipped) == shipped
    assert adopt_live(data, shipped).manifest.version == "v1"


def test_a_damaged_live_version_is_not_adopted(shipped, tmp_path):
    make_live(shipped, "v1")
    (shipped / "versions" / "v1" / "ensemble.safetensors").write_bytes(b"other")
    with pytest.raises(ModelError, match="corrupt or was swapped"):
        adopt_live(tmp_path / "data", shipped)
    assert models_in_use(tmp_path / "data", shipped) == shipped


def test_a_site_has_one_line_of_versions_whatever_folder_it_started_from(shipped, tmp_path):
    data, other = tmp_path / "data", shipped.rename(tmp_path / "our own models")
    assert note_start(data, other) is None
    # a command that is not told the folder begins where the server does, one that is told another is refused
    assert start_of(data, None, tmp_path / "usual") == other
    assert start_of(data, other, tmp_path / "usual") == other
    with pytest.raises(InputError, match="starts from the versions in .*our own models, not from those in .*usual"):
        start_of(data, tmp_path / "usual", tmp_path / "usual")
    adopt_live(data, start_of(data, None, tmp_path / "usual"))
    assert own_models(data) == data / "models" / "disease_region"
    # from now on its own versions count, and the server says so where it is given another folder
    assert models_in_use(data, tmp_path / "usual") == own_models(data)
    note = note_start(data, tmp_path / "usual")
    assert "models/disease_region are in use" in note


def test_a_line_that_an_earlier_build_kept_under_another_name_goes_on(shipped, tmp_path):
    data, other = tmp_path / "data", shipped.rename(tmp_path / "mine")
    publish(data / "models" / "mine", replace(MANIFEST, version="v2"), b"learnt")
    note_start(data, other)
    assert read_live(models_in_use(data, other)).manifest.version == "v2"
    publish(data / "models" / "mine", MANIFEST, b"weights")
    with pytest.raises(ConflictError, match="two lines of versions"):
        note_start(data, other)


def test_a_site_that_no_server_noted_starts_from_what_is_asked_or_usual(tmp_path):
    assert start_of(tmp_path, None, tmp_path / "usual") == tmp_path / "usual"
    assert start_of(tmp_path, tmp_path / "asked", tmp_path / "usual") == tmp_path / "asked"


def test_a_copy_that_was_cut_short_makes_room_for_the_line_of_an_earlier_build(shipped, tmp_path):
    data, other = tmp_path / "data", shipped.rename(tmp_path / "mine")
    publish(data / "models" / "mine", MANIFEST, b"weights")
    publish(own_models(data), MANIFEST, b"weights", live=False)
    note_start(data, other)
    assert read_live(own_models(data)).manifest.version == "v1"
    assert not (data / "models" / "mine").exists()


def test_versions_that_the_earlier_line_does_not_have_are_not_thrown_away(shipped, tmp_path):
    data, other = tmp_path / "data", shipped.rename(tmp_path / "mine")
    publish(data / "models" / "mine", MANIFEST, b"weights")
    publish(own_models(data), replace(MANIFEST, version="v2"), b"learnt", live=False)
    with pytest.raises(ConflictError, match="two lines of versions"):
        note_start(data, other)
    assert list_versions(own_models(data)) == ("v2",)


def test_a_data_folder_that_cannot_be_written_is_refused_in_a_sentence(shipped, tmp_path):
    (tmp_path / "data").write_text("no folder")
    with pytest.raises(OutputError, match="data/models cannot be written: a file is where a folder is needed"):
        note_start(tmp_path / "data", shipped)


def test_a_line_that_cannot_be_moved_is_refused_in_a_sentence(shipped, tmp_path, monkeypatch):
    data, other = tmp_path / "data", shipped.rename(tmp_path / "mine")
    publish(data / "models" / "mine", MANIFEST, b"weights")

    def refuse(*_):
        raise OSError(errno.EROFS, "Read-only file system")

    monkeypatch.setattr(Path, "rename", refuse)
    with pytest.raises(OutputError, match="disease_region cannot be written: the file system is read-only"):
        note_start(data, other)
