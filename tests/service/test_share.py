"""The folder of the studies goes away, as a network share does: nobody is told that all is finished, and nothing is thrown away."""

import shutil

import pytest

from lib.errors import ShareError
from lib.service.service import VhiService


@pytest.fixture
def away(desk):
    """A desk whose studies are elsewhere, and a service that has seen them."""
    desk.data = desk.folder.parent / "data"
    service = VhiService(desk.folder, data=desk.data, model_dir=desk.folder / "no-model")
    cache = desk.data / "precomputed" / "a" / "key"
    cache.mkdir(parents=True)
    share = desk.folder.parent / "share"
    desk.folder.rename(share)
    return service, share, cache


@pytest.mark.parametrize("mount_point", ["empty", "gone", "with a note"])
def test_a_share_that_is_away_is_said_and_nothing_is_deleted(desk, away, mount_point):
    service, share, cache = away
    if mount_point != "gone":
        desk.folder.mkdir()
    if mount_point == "with a note":
        (desk.folder / "NOT-MOUNTED.txt").write_text("the share is not mounted")
    for look in (service.cases.refresh, lambda: service.next_case("anna"), lambda: service.image_file("a_STIR", "anna")):
        with pytest.raises(ShareError, match="network share is not mounted"):
            look()
    assert service.precomputing.one_case() == 0
    assert [one.name for one in service.findings() if one.name == "share"] == ["share"]
    assert cache.is_dir()
    if desk.folder.exists():
        shutil.rmtree(desk.folder)
    share.rename(desk.folder)
    service.cases.refresh()
    assert service.next_case("anna").case.case_id == "a"
    assert "share" not in [one.name for one in service.findings()]


def test_a_server_that_starts_without_its_share_goes_on_once_it_is_there(desk, away):
    _, share, cache = away
    desk.folder.mkdir()
    service = VhiService(desk.folder, data=desk.data, model_dir=desk.folder / "no-model")
    with pytest.raises(ShareError):
        service.vhi("a_STIR", "anna", {})
    desk.folder.rmdir()
    share.rename(desk.folder)
    service.cases.refresh()
    assert service.next_case("anna").case.case_id == "a"
    assert cache.is_dir()


def test_a_new_server_over_an_empty_folder_just_has_no_case(desk):
    (desk.folder.parent / "empty").mkdir()
    service = VhiService(desk.folder.parent / "empty", data=desk.folder.parent / "data", model_dir=desk.folder / "no-model")
    assert service.next_case("anna") is None


def test_an_empty_folder_inside_the_studies_keeps_what_was_computed(desk):
    (desk.folder / "site2").mkdir()
    desk.add_case("b")
    service = desk.service()
    cache = desk.folder / ".vhi" / "precomputed" / "of-site2" / "key"
    cache.mkdir(parents=True)
    assert not service.cases.listed.complete
    (desk.folder / "site2").rmdir()
    assert service.cases.refresh().complete
