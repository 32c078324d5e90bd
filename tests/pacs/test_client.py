"""The client's answers from archives, and its sentences when they fail."""

from __future__ import annotations

import filecmp

import pydicom
import pytest

from lib.errors import ArchiveError, ArchiveRefusal, InputError, NotFoundError, SettingsError
from lib.pacs.client import Archive
from mrseries import mr_series
from serving import free_port
from wire import wire_to


def client_of(archive, **changes):
    return Archive(**{"url": archive.url, "user": archive.user or None, "password": archive.password or None, **changes})


def test_a_series_arrives_as_it_was_stored_to_the_byte(archive, stored, tmp_path):
    files = client_of(archive).download_series(stored.study_uid, stored.stir_uid, tmp_path / "stir")
    sent = {str(pydicom.dcmread(path, stop_before_pixels=True).SOPInstanceUID): path for path in stored.files("STIR")}
    assert {path.stem for path in files} == set(sent)
    assert all(filecmp.cmp(path, sent[path.stem], shallow=False) for path in files)
    assert [path.name for path in tmp_path.iterdir()] == ["stir"]


def test_searches_tell_the_study_its_series_and_their_instances(archive, stored):
    client = client_of(archive)
    assert [one.study_uid for one in client.studies(StudyInstanceUID=stored.study_uid)] == [stored.study_uid]
    series = {one.series_uid: one for one in client.series(stored.study_uid)}
    assert set(series) == {stored.t1w_uid, stored.stir_uid}
    count = len(stored.files("STIR"))
    assert series[stored.stir_uid].modality == "MR"
    assert series[stored.stir_uid].count("NumberOfSeriesRelatedInstances") == count
    assert len(client.instances(stored.study_uid, stored.stir_uid)) == count
    assert client.series(stored.study_uid, Modality="SEG") == []


def test_headers_come_without_voxels(archive, stored):
    client = client_of(archive)
    headers = client.metadata(stored.study_uid, stored.stir_uid)
    assert len(headers) == len(stored.files("STIR"))
    assert {float(one.InversionTime) for one in headers} == {210.0}
    assert not any(one.get("PixelData") for one in headers)
    (one,) = client.metadata(stored.study_uid, stored.stir_uid, headers[0].SOPInstanceUID)
    assert one.ImagePositionPatient == headers[0].ImagePositionPatient


def test_more_studies_than_a_page_holds_are_all_listed(archive, stored, monkeypatch):
    monkeypatch.setattr("lib.pacs.client.PAGE", 5)
    monkeypatch.setattr("lib.pacs.client._LEAST_PAGE", 5)
    assert len(client_of(archive).instances(stored.study_uid, stored.stir_uid)) == len(stored.files("STIR"))


def test_a_series_that_is_not_there_leaves_nothing_behind(archive, stored, tmp_path):
    client = client_of(archive)
    with pytest.raises(NotFoundError, match="may have been deleted"):
        client.download_series(stored.study_uid, "1.2.3", tmp_path / "series")
    with pytest.raises(NotFoundError, match="may have been deleted"):
        client.metadata(stored.study_uid, "1.2.3")
    with pytest.raises(NotFoundError, match="no DICOM UID"):
        client.series("../../system")
    assert list(tmp_path.iterdir()) == []


def test_what_is_stored_is_there_when_store_returns_and_twice_is_once(archive, handmade_series):
    client = client_of(archive)
    for _ in range(2):
        client.store(handmade_series)
    found = client.instances(handmade_series[0].StudyInstanceUID, handmade_series[0].SeriesInstanceUID)
    assert {one.sop_uid for one in found} == {one.SOPInstanceUID for one in handmade_series}


def test_an_instance_that_the_archive_cannot_take_is_refused_by_name(archive, handmade_series):
    broken = handmade_series[0]
    del broken.StudyInstanceUID
    with pytest.raises(ArchiveRefusal):
        client_of(archive).store([broken])


def test_a_file_that_is_no_dicom_is_refused_before_anything_is_sent(archive, study):
    with pytest.raises(InputError, match="no DICOM"):
        client_of(archive).store([study.t1w])


@pytest.mark.pacs
@pytest.mark.parametrize("login", [{"password": "no-such-secret"}, {"user": None, "password": None}])
def test_a_wrong_login_is_told_without_the_password(orthanc, login):
    client = client_of(orthanc, **login)
    with pytest.raises(ArchiveRefusal, match="refuses the login") as error:
        client.studies()
    assert "no-such-secret" not in str(error.value) + repr(client)
    assert not client.is_up()


@pytest.mark.pacs
@pytest.mark.parametrize("path", ["", "/system", "/nowhere"])
def test_an_address_without_dicomweb_is_told(orthanc, path):
    with pytest.raises(ArchiveError, match="no DICOMweb"):
        client_of(orthanc, url=orthanc.root + path).studies()


def test_an_archive_that_is_stopped_is_told_and_found_again(own_archive, study):
    client = client_of(own_archive)
    own_archive.store(study.files("STIR"))
    own_archive.stop()
    with pytest.raises(ArchiveError, match="cannot be reached"):
        client.studies()
    assert not client.is_up()
    own_archive.start()
    assert client.is_up()
    assert [one.study_uid for one in client.studies()] == [study.study_uid]


def test_a_transfer_cut_anywhere_leaves_nothing_behind(archive, stored, tmp_path):
    whole = sum(path.stat().st_size for path in stored.files("STIR"))
    with wire_to(archive.url) as wire:
        client = client_of(archive, url=wire.url)
        # the search for its instances is shorter than any of these
        for share in (0.3, 0.9, 1.0):
            wire.cut_after = int(share * whole)
            with pytest.raises(ArchiveError, match="did not send"):
                client.download_series(stored.study_uid, stored.stir_uid, tmp_path / "stir")
            assert list(tmp_path.iterdir()) == []
        wire.cut_after = None
        wire.hang_up()
        assert client.download_series(stored.study_uid, stored.stir_uid, tmp_path / "stir")


def test_a_kept_connection_that_the_archive_closes_as_it_is_used_again_is_opened_anew(archive, stored):
    with wire_to(archive.url) as wire:
        client = client_of(archive, url=wire.url)
        first = client.studies()
        wire.cut_after = wire.answered  # nothing more passes on this connection, as much again on a new one
        assert client.studies() == first


def test_an_archive_that_falls_silent_is_not_waited_for(archive, stored, tmp_path):
    with wire_to(archive.url) as wire:
        client = client_of(archive, url=wire.url, timeout_s=0.5)
        assert client.is_up()
        wire.silent = True
        for ask in (client.check, lambda: client.download_series(stored.study_uid, stored.stir_uid, tmp_path / "stir")):
            with pytest.raises(ArchiveError, match="did not answer in time"):
                ask()
        assert list(tmp_path.iterdir()) == []


def test_nobody_listening_is_told():
    with pytest.raises(ArchiveError, match="cannot be reached"):
        Archive(f"http://127.0.0.1:{free_port()}/dicom-web").check()


@pytest.mark.parametrize(
    "url", ["archive.example", "ftp://a/b", "http://", "http://a:0/x", "http://a:port/x", "http://a/x?y=1", "http://[1"]
)
def test_an_address_that_is_none_is_refused(url):
    with pytest.raises(SettingsError, match="is no address"):
        Archive(url)


def test_a_login_in_the_address_is_refused_and_not_shown():
    with pytest.raises(SettingsError, match="carries a login") as error:
        Archive("http://anna:secret@archive.example/dicom-web")
    assert "secret" not in str(error.value)


@pytest.fixture
def handmade_series(request):
    from handmade import handmade

    return mr_series(handmade().stir, request.node.name[-60:])
