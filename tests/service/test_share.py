"""The folder of the studies goes away, as a network share does: nobody is told that all is finished, and nothing is thrown away."""

import shutil

import pytest

from lib.errors import ShareError
from lib.service.service import VhiService


@pytest.fixture
def away(study_folder):
    """A folder whose studies are elsewhere, and a service that has seen them."""
    study_folder.data = study_folder.folder.parent / "data"
    service = VhiService(study_folder.folder, data=study_folder.data, model_dir=study_folder.folder / "no-model")
    cache = study_folder.data / "precomputed" / "a" / "key"
    cache.mkdir(parents=True)
    share = study_folder.folder.parent / "share"
    study_folder.folder.rename(share)
    return service, share, cache


@pytest.mark.parametrize("mount_point", ["empty", "gone", "with a note"])
def test_a_share_that_is_away_is_said_and_nothing_is_deleted(study_folder, away, mount_point):
    service, share, cache = away
    if mount_point != "gone":
        study_folder.folder.mkdir()
    if mount_point == "with a note":
        (study_folder.folder / "NOT-MOUNTED.txt").write_text("the share is not mounted")
    for look in (service.cases.refresh, lambda: service.next_case("anna"), lambda: service.image_file("a_STIR", "anna")):
        with pytest.raises(ShareError, match="network share is not mounted"):
            look()
    assert service.precomputing.one_case() == 0
    assert [one.name for one in service.findings() if one.name == "share"] == ["share"]
    assert cache.is_dir()
    if study_folder.folder.exists():
        shutil.rmtree(study_folder.folder)
    share.rename(study_folder.folder)
    service.cases.refresh()
    assert service.next_case("anna").case.case_id == "a"
    assert "share" not in [one.name for one in service.findings()]


def test_a_server_that_starts_without_its_share_goes_on_once_it_is_there(study_folder, away):
    _, share, cache = away
    study_folder.folder.mkdir()
    service = VhiService(study_folder.folder, data=study_folder.data, model_dir=study_folder.folder / "no-model")
    with pytest.raises(ShareError):
        service.vhi("a_STIR", "anna", {})
    study_folder.folder.rmdir()
    share.rename(study_folder.folder)
    service.cases.refresh()
    assert service.next_case("anna").case.case_id == "a"
    assert cache.is_dir()


def test_a_new_server_over_an_empty_folder_just_has_no_case(study_folder):
    (study_folder.folder.parent / "empty").mkdir()
    service = VhiService(
        study_folder.folder.parent / "empty", data=study_folder.folder.parent / "data", model_dir=study_folder.folder / "no-model"
    )
    assert service.next_case("anna") is None


def test_an_empty_folder_inside_the_studies_keeps_what_was_computed(study_folder):
    (study_folder.folder / "site2").mkdir()
    study_folder.add_case("b")
    service = study_folder.service()
    cache = study_folder.folder / ".vhi" / "precomputed" / "of-site2" / "key"
    cache.mkdir(parents=True)
    assert not service.cases.listed.complete
    (study_folder.folder / "site2").rmdir()
    assert service.cases.refresh().complete
