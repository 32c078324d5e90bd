"""Another version becomes live while the service runs: taken between two requests, and never under a reading that began before."""

from __future__ import annotations

import shutil
import threading
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from lib.core.disease_region import DiseaseRegionError
from lib.errors import ModelError
from lib.service.service import MODEL_DIR, VhiService
from lib.versions import make_live, publish, read_live
from lib.versions.site import adopt_live, own_models

pytestmark = pytest.mark.slow


@pytest.fixture
def models(tmp_path: Path) -> Path:
    """The shipped ensemble in a folder of the test's own."""
    folder = tmp_path / "models" / "disease_region"
    live = read_live(MODEL_DIR)
    shutil.copytree(live.folder, folder / "versions" / live.manifest.version)
    shutil.copy(MODEL_DIR / "live.json", folder)
    return folder


def publish_two(models: Path, version: str = "two") -> None:
    """The first two members alone, for every kind of scan, as another version, live."""
    from lib.nets.weights import load_networks, pack

    live = read_live(models)
    manifest = live.manifest
    two = replace(manifest, version=version, members=2, network=manifest.networks[:2], kinds=[], parent=manifest.version)
    publish(models, two, pack(load_networks(live)[:2]))


def version_of(service: VhiService, reader: str | None = None) -> str:
    return service.disease_region("p_T1W", reader).facts["model_version"]


def test_the_next_request_after_a_publish_is_answered_by_the_new_version(phantom, models):
    service = VhiService(phantom, model_dir=models)
    before = version_of(service)
    publish_two(models)
    answer = service.disease_region("p_T1W")
    assert (answer.facts["model_version"], answer.facts["source"]) == ("two", "ensemble of 2")
    make_live(models, before)
    assert version_of(service) == before


def test_the_folder_of_the_sites_own_versions_comes_into_use_while_the_service_runs(phantom, models):
    service = VhiService(phantom, model_dir=models)
    shown = service.disease_region("p_T1W", "anna").facts["model_version"]
    own = own_models(phantom / ".vhi")
    adopt_live(phantom / ".vhi", models)
    assert version_of(service) == shown
    publish_two(own)
    assert (version_of(service), version_of(service, "anna")) == ("two", shown)
    assert read_live(models).manifest.version == shown


def test_what_a_reader_was_shown_stays_for_that_reading_and_outlasts_the_cache(phantom, models):
    service = VhiService(phantom, model_dir=models)
    shown = service.disease_region("p_T1W", "anna")
    publish_two(models)
    assert version_of(service, "ben") == "two"
    (p,) = (phantom / ".vhi" / "precomputed").iterdir()
    for folder in p.iterdir():
        shutil.rmtree(folder)
    for again in (service, VhiService(phantom, model_dir=models)):
        later = again.disease_region("p_STIR", "anna")
        assert later.facts["model_version"] == shown.facts["model_version"]
        np.testing.assert_array_equal(later.labels, shown.labels)
        assert again.vhi("p_STIR", "anna", {}).facts["used"]["disease region"].endswith(shown.facts["model_version"])
    made = service.submit("p_STIR", shown.labels, shown.grid, [("disease region", 1)], reader="anna")
    # compared with what was corrected, not with what is live by now
    assert made.changes["disease region"] == {"added": 0, "removed": 0}
    assert made.started_from["disease region"].endswith(shown.facts["model_version"])
    assert version_of(service, "anna") == shown.facts["model_version"]
    service.submit("p_STIR", np.zeros_like(shown.labels), shown.grid, [("inflammation", 1)], reader="anna")
    assert service.disease_region("p_STIR", "anna", reading=2).facts["model_version"] == "two"


def test_a_new_version_is_precomputed_for_every_case(phantom, models):
    service = VhiService(phantom, model_dir=models)
    assert service.precomputing.one_case() == 0
    publish_two(models)
    assert service.precomputing.one_case() == 0
    folders = list((phantom / ".vhi" / "precomputed" / "p").iterdir())
    assert len(folders) == 2  # of both versions
    weights = models / "versions" / "two" / "ensemble.safetensors"
    weights.unlink()
    assert version_of(service) == "two"


@pytest.mark.parametrize("damage", ["weights", "manifest", "pointer"])
def test_a_version_that_cannot_be_used_is_not_taken(phantom, models, damage, caplog):
    service = VhiService(phantom, model_dir=models)
    before = version_of(service)
    publish_two(models)
    path = {
        "weights": models / "versions" / "two" / "ensemble.safetensors",
        "manifest": models / "versions" / "two" / "manifest.json",
        "pointer": models / "live.json",
    }[damage]
    path.write_bytes(path.read_bytes()[:-10])
    assert version_of(service) == before
    assert version_of(service) == before
    assert caplog.text.count("go on, because the new ones cannot be used") == 1
    with pytest.raises(ModelError):
        VhiService(phantom, model_dir=models).disease_region("p_T1W")


def test_requests_while_versions_come_and_go_never_fail(phantom, models):
    service = VhiService(phantom, model_dir=models)
    before = version_of(service)
    publish_two(models)
    done, failed, seen = threading.Event(), [], set()

    def ask() -> None:
        networks = service.networks
        while not done.is_set():
            try:
                seen.add(networks.manifest().version)
                seen.add(version_of(service))
            except (ModelError, DiseaseRegionError) as error:
                failed.append(error)

    threads = [threading.Thread(target=ask) for _ in range(3)]
    for thread in threads:
        thread.start()
    for n in range(60):
        make_live(models, ("two", before)[n % 2])
    done.set()
    for thread in threads:
        thread.join()
    assert failed == []
    assert seen == {"two", before}
