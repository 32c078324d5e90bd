"""A reader who looks for another's results in the archive, by every way that the gateway has, while a setting hides them."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

from archived_case import INFLAMMATION, ArchivedCase, seg_of
from archives import stow_body
from front import in_front_of
from lib.datastores.conf import service_of
from lib.errors import SettingsError
from lib.reports.dicom_source import write_dicom
from lib.server.gateway import ArchiveAddress

JSON = {"Accept": "application/dicom+json"}
RESULTS = ("SEG", "SR", "DOC", "OT")
pytestmark = pytest.mark.filterwarnings("ignore:The string")  # highdicom, of names of one part


@pytest.fixture
def room(archive, tmp_path):
    """A study that ben has read and handed in, and anna has not; `site` is the server's, `front` the way there."""
    archived_case = ArchivedCase(tmp_path / "site", archive, pacs_report=True)
    site = archived_case.exchange(["anna", "ben"], hide_others=True, several_readers=True)
    hand_in(archived_case, site, "ben")
    address = ArchiveAddress(archive.url, archive.user, archive.password)
    with in_front_of(address, tmp_path / "front") as front:
        front.app.service, front.app.archive_sync = site._service, site
        sessions = {name: front.session(name) for name in ("anna", "root")}
        yield SimpleNamespace(
            archived_case=archived_case, site=site, front=front, study=archived_case.study.study_uid, sessions=sessions
        )


def hand_in(archived_case, site, reader):
    archived_case.draw_regions(site._service, reader)
    archived_case.submit(site._service, (INFLAMMATION, archived_case.lesions == 1), reader=reader)
    site.outbox.send()


def objects(room, reader=None):
    """The results that the archive itself holds; of one reader by the words in them."""
    found = [one for modality in RESULTS for one in room.archived_case.stored(modality)]
    return [one for one in found if reader is None or reader in str(one)]


def asked(room, name, path, **more):
    return room.sessions[name].get(f"{room.front.dicomweb}{path}", timeout=60, **more)


def ways_to(one):
    """Every address that could say something of an object."""
    study, series, instance = one.StudyInstanceUID, one.SeriesInstanceUID, one.SOPInstanceUID
    in_series = f"/studies/{study}/series/{series}"
    at = f"{in_series}/instances/{instance}"
    levels = [f"{level}{more}" for level in (in_series, at) for more in ("", "/metadata", "/rendered", "/thumbnail")]
    return [
        *levels,
        f"{in_series}/instances",
        f"{at}/frames/1",
        f"{at}/frames/1/rendered",
        f"{at}/bulk/7fe00010",
        f"{at}/bulkdata/7FE00010",
    ]


def searches(study, one):
    """Searches that would find an object, or count it."""
    series, instance = one.SeriesInstanceUID, one.SOPInstanceUID
    inside = f"/studies/{study}"
    keys = [
        f"Modality={one.Modality}",
        f"SeriesInstanceUID={series}",
        f"SOPInstanceUID={instance}",
        "limit=1&offset=2",
        "limit=50",
        "includefield=all",
    ]
    return [
        *(f"{inside}/{level}{query}" for level in ("series", "instances") for query in ("", *(f"?{key}" for key in keys))),
        f"/studies?StudyInstanceUID={study}",
        f"/studies?StudyInstanceUID={study}&includefield=00201206&includefield=00201208&includefield=ModalitiesInStudy",
        f"/studies?00100020={one.PatientID}&includefield=all",
        f"/studies?StudyInstanceUID={study}&ModalitiesInStudy={one.Modality}",
        f"/studies?StudyInstanceUID={study}&ModalitiesInStudy=MR",
        f"/studies?SeriesInstanceUID={series}",
        f"/studies?SOPClassesInStudy={one.SOPClassUID}",
        f"/series?SeriesInstanceUID={series}",
        f"/series?Modality={one.Modality}",
        f"/instances?SOPInstanceUID={instance}",
        inside,
        f"{inside}/metadata",
        f"{inside}/rendered",
        f"{inside}/thumbnail",
    ]


def test_no_way_tells_a_reader_of_anothers_results_and_the_images_are_there(room):
    hidden = objects(room)
    assert {one.Modality for one in hidden} >= {"SEG", "SR", "DOC"}
    traces = {uid.encode() for one in hidden for uid in (one.SOPInstanceUID, one.SeriesInstanceUID, one.SOPClassUID)}
    traces |= {b"SEG", b'"SR"', b"ben", b"00201206", b"00201208"}
    # objects of one series, and of one study, share ways: each is tried once
    ways = {path: path.replace(one.SeriesInstanceUID, "1.2.3.4") for one in hidden for path in ways_to(one)}
    never_there = {path: asked(room, "anna", path).content for path in dict.fromkeys(ways.values())}
    for path, unknown in ways.items():
        answer = asked(room, "anna", path)
        assert (answer.status_code, answer.json()["detail"]) == (404, "The archive does not have that."), path
        assert never_there[unknown] == answer.content, path
    for path in dict.fromkeys(path for one in hidden for path in searches(room.study, one)):
        answer = asked(room, "anna", path, headers=JSON)
        assert answer.status_code in (200, 204, 400, 403), (path, answer.status_code)
        told = answer.content + "\n".join(answer.headers.values()).encode()
        assert not [trace for trace in traces if trace in told], path
    # by the series of the images
    stir = f"/studies/{room.study}/series/{room.archived_case.study.stir_uid}"
    for one in hidden:
        assert asked(room, "anna", f"{stir}/instances/{one.SOPInstanceUID}/metadata").status_code == 404
    assert len(asked(room, "anna", f"{stir}/instances", headers=JSON).json()) == len(room.archived_case.study.files("STIR"))
    assert asked(room, "anna", f"{stir}/metadata", headers=JSON).status_code == 200
    (study,) = asked(room, "anna", f"/studies?StudyInstanceUID={room.study}", headers=JSON).json()
    assert study["00080061"]["Value"] == ["MR"]


def test_pages_of_a_search_have_no_gaps_where_others_are_left_out(room):
    path = f"/studies/{room.study}/series"
    whole = asked(room, "anna", path, headers=JSON).json()
    assert {one["00080060"]["Value"][0] for one in whole} == {"MR"}
    pages = [asked(room, "anna", f"{path}?limit=1&offset={n}", headers=JSON).json() for n in range(4)]
    assert pages == [whole[:1], whole[1:], [], []]
    assert asked(room, "anna", f"{path}?limit=1;2", headers=JSON).status_code == 400


def test_a_reader_sees_their_own_results_an_administrator_all(room):
    hand_in(room.archived_case, room.site, "anna")
    own = [one for one in objects(room, "anna") if "ben" not in str(one)]
    others = objects(room, "ben")
    assert {one.Modality for one in own} >= {"SEG", "SR", "DOC"}
    listed = {one["0020000E"]["Value"][0] for one in asked(room, "anna", f"/studies/{room.study}/series", headers=JSON).json()}
    assert {one.SeriesInstanceUID for one in own} <= listed
    assert not {one.SeriesInstanceUID for one in others} & listed
    for one in own:
        series = f"/studies/{room.study}/series/{one.SeriesInstanceUID}"
        assert asked(room, "anna", f"{series}/metadata", headers=JSON).status_code == 200
        assert asked(room, "anna", f"{series}/instances/{one.SOPInstanceUID}").status_code == 200
    everything = {
        one["0020000E"]["Value"][0] for one in asked(room, "root", f"/studies/{room.study}/series", headers=JSON).json()
    }
    assert {one.SeriesInstanceUID for one in (*own, *others)} <= everything
    assert asked(room, "root", f"/studies/{room.study}/metadata", headers=JSON).status_code == 200


def test_what_a_reader_stores_through_the_gateway_is_theirs(room, tmp_path):
    made = seg_of(room.archived_case, {INFLAMMATION: np.asarray(room.archived_case.lesions == 2)})
    write_dicom(made, tmp_path / "made.dcm")
    body, kind = stow_body([(tmp_path / "made.dcm").read_bytes()])
    store = {"data": body, "headers": {"Content-Type": kind, **JSON}, "timeout": 60}
    assert room.sessions["anna"].post(f"{room.front.dicomweb}/studies", **store).status_code == 200
    series = f"/studies/{room.study}/series/{made.SeriesInstanceUID}"
    assert asked(room, "anna", f"{series}/metadata", headers=JSON).status_code == 200
    room.site.corrections.note_sender([made.SOPInstanceUID], "ben")
    assert asked(room, "anna", f"{series}/metadata", headers=JSON).status_code == 404


def test_without_the_setting_results_are_seen_as_before(room):
    room.front.app.service = SimpleNamespace(
        config=SimpleNamespace(blinded=False, hide_others=False), audit=room.site._service.audit
    )
    for one in objects(room):
        path = f"/studies/{room.study}/series/{one.SeriesInstanceUID}/metadata"
        assert asked(room, "anna", path, headers=JSON).status_code == 200


def test_the_setting_needs_accounts(monkeypatch, tmp_path):
    monkeypatch.delenv("VHI_SERVER_ACCOUNTS", raising=False)
    with pytest.raises(SettingsError, match="hide_others=true needs accounts"):
        service_of("http://127.0.0.1:9/dicom-web", {"hide_others": "true", "data": str(tmp_path)})
