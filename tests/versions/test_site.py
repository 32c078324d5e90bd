"""A site's own versions: in its data folder, from the first retraining on."""

from __future__ import annotations

from dataclasses import replace

import pytest

from lib.errors import ModelError
from lib.versions import Manifest, list_versions, make_live, publish, read_live
from lib.versions.site import adopt_live, models_in_use, own_models

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
    assert models_in_use(data, shipped) == own_models(data, shipped) == data / "models" / "disease_region"
    assert adopted.manifest == read_live(shipped).manifest
    assert adopted.weights.read_bytes() == b"weights"


def test_what_is_live_at_the_site_stays_when_the_program_ships_another_version(shipped, tmp_path):
    data = tmp_path / "data"
    adopt_live(data, shipped)
    publish(shipped, replace(MANIFEST, version="v2"), b"more")
    assert adopt_live(data, shipped).manifest.version == "v1"
    assert list_versions(own_models(data, shipped)) == ("v1",)


def test_a_copy_whose_pointer_was_never_written_is_used_as_it_is(shipped, tmp_path):
    data = tmp_path / "data"
    adopt_live(data, shipped)
    (own_models(data, shipped) / "live.json").unlink()
    assert models_in_use(data, shipped) == shipped
    assert adopt_live(data, shipped).manifest.version == "v1"


def test_a_damaged_live_version_is_not_adopted(shipped, tmp_path):
    make_live(shipped, "v1")
    (shipped / "versions" / "v1" / "ensemble.safetensors").write_bytes(b"other")
    with pytest.raises(ModelError, match="corrupt or was swapped"):
        adopt_live(tmp_path / "data", shipped)
    assert models_in_use(tmp_path / "data", shipped) == shipped
