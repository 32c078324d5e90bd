"""Both archives, each directly and through the gateway, asked as viewers ask: one set of answers."""

from __future__ import annotations

import io
import json
from email.parser import BytesParser

import numpy as np
import pydicom
import pytest
import requests
from pydicom.uid import generate_uid

from archives import stow_body

JSON = {"Accept": "application/dicom+json"}
FRAMES = {"Accept": 'multipart/related; type="application/octet-stream"; transfer-syntax=*'}


def values(found: list[dict], tag: str) -> set:
    """The first value of a tag in each dataset of an answer."""
    return {one[tag]["Value"][0] for one in found if one.get(tag, {}).get("Value")}


def parts(answer: requests.Response) -> list[bytes]:
    """Contents of the parts of a multipart answer, read by Python's own parser."""
    head = f"Content-Type: {answer.headers['Content-Type']}\r\n\r\n".encode()
    return [part.get_payload(decode=True) for part in BytesParser().parsebytes(head + answer.content).get_payload()]


def altered(study, **changes) -> pydicom.Dataset:
    """The first slice of the study's STIR as another instance."""
    found = pydicom.dcmread(study.files("STIR")[0])
    found.SOPInstanceUID = found.file_meta.MediaStorageSOPInstanceUID = generate_uid()
    for keyword, value in changes.items():
        setattr(found, keyword, value)
    return found


def stow(door, *datasets: pydicom.Dataset | bytes, path: str = "/studies") -> requests.Response:
    contents = []
    for one in datasets:
        content = io.BytesIO()
        if isinstance(one, bytes):
            contents.append(one)
            continue
        pydicom.dcmwrite(content, one, enforce_file_format=True)
        contents.append(content.getvalue())
    body, kind = stow_body(contents)
    return door.session.post(door.url + path, data=body, headers={**JSON, "Content-Type": kind}, timeout=60)


@pytest.mark.parametrize(
    ("query", "hit"),
    [
        ("PatientID=P3", True),
        ("00100020=P3", True),
        ("PatientID=P*", True),
        ("PatientID=nobody", False),
        ("PatientName=P3", True),
        ("StudyDate=20250601", True),
        ("StudyDate=20250101-20251231", True),
        ("StudyDate=20250602-", False),
        ("StudyDate=-20250531", False),
        ("ModalitiesInStudy=MR", True),
        ("ModalitiesInStudy=CT", False),
        ("PatientID=P3&StudyDate=20240101", False),
    ],
)
def test_a_search_of_studies_finds_what_its_query_says(door, query, hit):
    assert (door.study.study_uid in values(door.matches(f"/studies?{query}"), "0020000D")) is hit


def test_a_search_by_uid_finds_that_study_alone(door):
    matches = door.matches(f"/studies?StudyInstanceUID={door.study.study_uid}")
    assert values(matches, "0020000D") == {door.study.study_uid}
    assert len(matches) == 1
    assert matches[0]["00100020"]["Value"] == ["P3"]
    assert matches[0]["00080061"]["Value"] == ["MR"]
    assert matches[0]["00201206"]["Value"] == [2]  # series
    assert matches[0]["00201208"]["Value"] == [26]  # instances


def test_limit_and_offset_page_through_what_is_found(door):
    path = f"/studies/{door.study.study_uid}/instances?limit=10&offset="
    pages = [values(door.matches(f"{path}{offset}"), "00080018") for offset in (0, 10, 20)]
    assert [len(page) for page in pages] == [10, 10, 6]
    assert len(set.union(*pages)) == 26


def test_series_carry_what_was_asked_for(door):
    matches = door.matches(f"/studies/{door.study.study_uid}/series?includefield=0008103E&includefield=00080060")
    assert {one["0020000E"]["Value"][0]: one["0008103E"]["Value"][0] for one in matches} == {
        door.study.t1w_uid: "T1W",
        door.study.stir_uid: "STIR",
    }
    assert values(matches, "00080060") == {"MR"}
    assert values(door.matches(f"/studies/{door.study.study_uid}/series?Modality=SEG"), "0020000E") == set()
    one = door.matches(f"/studies/{door.study.study_uid}/series?SeriesInstanceUID={door.study.stir_uid}")
    assert values(one, "0020000E") == {door.study.stir_uid}


def test_metadata_say_what_the_files_say(door):
    matches = door.matches(f"/studies/{door.study.study_uid}/series/{door.study.stir_uid}/metadata")
    files = {str(one.SOPInstanceUID): one for one in (pydicom.dcmread(path) for path in door.study.files("STIR"))}
    assert values(matches, "00080018") == files.keys()
    for one in matches:
        file = files[one["00080018"]["Value"][0]]
        assert one["00200032"]["Value"] == pytest.approx([float(x) for x in file.ImagePositionPatient])
        assert one["00200037"]["Value"] == pytest.approx([float(x) for x in file.ImageOrientationPatient])
        assert one["00280010"]["Value"] == [file.Rows]
        assert one["00180082"]["Value"] == [210]  # inversion time
        assert "InlineBinary" not in one.get("7FE00010", {})


def test_frames_are_the_files_pixels(door):
    file = pydicom.dcmread(door.study.files("STIR")[4])
    path = f"/studies/{door.study.study_uid}/series/{door.study.stir_uid}/instances/{file.SOPInstanceUID}/frames/1"
    answer = door.get(path, headers=FRAMES)
    assert answer.status_code == 200
    (frame,) = parts(answer)
    assert frame == file.PixelData


def test_bulk_data_is_where_the_metadata_say(door):
    file = pydicom.dcmread(door.study.files("STIR")[4])
    path = f"/studies/{door.study.study_uid}/series/{door.study.stir_uid}/instances/{file.SOPInstanceUID}/metadata"
    link = door.matches(path)[0]["7FE00010"]["BulkDataURI"]
    assert link.startswith(door.url)
    (content,) = parts(door.session.get(link, headers={"Accept": "multipart/related; type=application/octet-stream"}, timeout=60))
    assert content == file.PixelData


def test_a_series_comes_whole(door):
    path = f"/studies/{door.study.study_uid}/series/{door.study.stir_uid}"
    answer = door.get(path, headers={"Accept": 'multipart/related; type="application/dicom"; transfer-syntax=*'})
    received = {str(one.SOPInstanceUID): one for one in (pydicom.dcmread(io.BytesIO(part)) for part in parts(answer))}
    files = [pydicom.dcmread(file) for file in door.study.files("STIR")]
    assert received.keys() == {str(one.SOPInstanceUID) for one in files}
    for file in files:
        np.testing.assert_array_equal(received[str(file.SOPInstanceUID)].pixel_array, file.pixel_array)


def test_dicomweb_client_reads_the_same(door):
    from dicomweb_client.api import DICOMwebClient

    client = DICOMwebClient(door.url, session=door.session)
    series = client.search_for_series(door.study.study_uid, search_filters={"Modality": "MR"})
    assert values(series, "0020000E") == {door.study.t1w_uid, door.study.stir_uid}
    assert len(client.retrieve_series(door.study.study_uid, door.study.stir_uid)) == 13


def test_what_is_stored_is_found_and_comes_back(door):
    uid = generate_uid()
    new = altered(door.study, StudyInstanceUID=uid, SeriesInstanceUID=generate_uid(), PatientID="P-stored")
    answer = stow(door, new)
    assert answer.status_code == 200
    assert [one["00081155"]["Value"][0] for one in answer.json()["00081199"]["Value"]] == [new.SOPInstanceUID]
    assert values(door.matches("/studies?PatientID=P-stored"), "0020000D") >= {uid}
    answer = door.get(f"/studies/{uid}", headers={"Accept": 'multipart/related; type="application/dicom"; transfer-syntax=*'})
    (content,) = parts(answer)
    assert pydicom.dcmread(io.BytesIO(content)).PixelData == new.PixelData


def test_what_does_not_belong_to_the_study_is_not_stored(door):
    new = altered(door.study, StudyInstanceUID=generate_uid())
    answer = stow(door, new, path=f"/studies/{generate_uid()}")
    assert answer.status_code in (400, 409)
    assert door.matches(f"/studies?StudyInstanceUID={new.StudyInstanceUID}") == []


def test_rubbish_is_not_stored(door):
    answer = stow(door, b"no DICOM" * 50)
    assert answer.status_code in (400, 409, 415)


@pytest.mark.parametrize("uid", ["1.2.3", "2.25.999"])
def test_what_is_not_there_is_404_or_empty(door, uid):
    answer = door.get(f"/studies/{uid}/series/1.2/metadata", headers=JSON)
    assert answer.status_code == 404 or json.loads(answer.content) == []
    assert door.get(f"/studies/{uid}/series/1.2/instances/1.2/frames/1", headers=FRAMES).status_code == 404


def test_what_was_stored_is_found_again_after_a_restart(own_archive, study):
    own_archive.store(study.files())
    own_archive.restart()
    matches = own_archive.query(f"/series?StudyInstanceUID={study.study_uid}")
    assert values(matches, "0020000E") == {study.t1w_uid, study.stir_uid}


@pytest.mark.pacs
def test_orthanc_wants_its_password(orthanc):
    assert requests.get(f"{orthanc.url}/studies", timeout=30).status_code == 401
