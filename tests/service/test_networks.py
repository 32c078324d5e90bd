"""Which networks stay in memory."""

from __future__ import annotations

from dataclasses import replace

from lib.engine import members
from lib.service import networks
from lib.service.networks import Networks
from lib.versions import Manifest, publish

MANIFEST = Manifest(
    version="v1", created="2026-01-01T00:00:00+00:00", code_version="0", sha256="", network={"widths": [4], "shuffle": 4, "bias": False},
    members=1, pixel_spacing_mm=0.6, recipes=[{}], seeds=[0], training_cases=[],
)  # fmt: skip


def test_versions_that_are_compared_stay_loaded_for_all_cases_and_never_take_the_place_of_the_live_one(tmp_path, monkeypatch):
    live = publish(tmp_path / "shipped", MANIFEST, b"weights").manifest
    loaded = []
    monkeypatch.setattr(members, "load_members", lambda root, version: loaded.append(version) or (version,))
    monkeypatch.setattr(networks, "segment_disease_region", lambda t1w, found: found)
    study_folder = Networks(tmp_path / "shipped", tmp_path / "data")
    study_folder.manifest()
    study_folder.segment(None, live)
    for pair in (("a", "b"), ("c", "d"), ("e", "f")):
        for _ in range(3):
            for version in pair:
                study_folder.segment(None, replace(live, version=version, sha256=version))
    study_folder.segment(None, live)
    assert loaded == ["v1", *"abcdef"]
