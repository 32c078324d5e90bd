"""Storing: whole or not at all, once, under names that nobody else chooses, and told in the standard's answer."""

from __future__ import annotations

import concurrent.futures
import io
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pydicom
import pytest
import requests
from dicomweb_client.api import DICOMwebClient
from pydicom.dataset import Dataset

from archives import stow_body
from embedded import ANY_SYNTAX, bytes_of, place_of, slice_of
from lib.archive.instance import read_instance
from waiting import wait_for

pytestmark = pytest.mark.slow  # seconds in all

MAIN = Path(__file__).parents[2] / "main.py"


def uids(answer: requests.Response, tag: str) -> list[str]:
    return [one.get("00081155", {}).get("Value", [""])[0] for one in answer.json().get(tag, {}).get("Value", [])]


def reasons(answer: requests.Response, tag: str = "00081198") -> list[int]:
    return [one["00081197"]["Value"][0] for one in answer.json()[tag]["Value"]]


def test_what_is_stored_lies_under_its_uids_and_is_told(served):
    one = slice_of()
    answer = served.post(bytes_of(one))
    place = place_of(bytes_of(one))
    assert answer.status_code == 200
    assert answer.headers["Content-Type"] == "application/dicom+json"
    assert answer.json()["00081190"]["Value"] == [f"{served.url}/studies/{one.StudyInstanceUID}"]
    (reference,) = answer.json()["00081199"]["Value"]
    assert reference == {
        "00081150": {"vr": "UI", "Value": [one.SOPClassUID]},
        "00081155": {"vr": "UI", "Value": [one.SOPInstanceUID]},
        "00081190": {"vr": "UR", "Value": [served.url + place]},
    }
    (file,) = served.files()
    assert file == served.folder / one.StudyInstanceUID / one.SeriesInstanceUID / f"{one.SOPInstanceUID}.dcm"
    assert file.read_bytes() == bytes_of(one)


def test_some_of_several_are_202_and_each_is_told(served):
    good, broken = slice_of(), slice_of()
    answer = served.post(bytes_of(good), bytes_of(broken)[:-9], b"rubbish" * 40)
    assert answer.status_code == 202
    assert uids(answer, "00081199") == [good.SOPInstanceUID]
    # of what cannot be read nobody knows which instance it was
    assert reasons(answer, "0008119A") == [0xC000, 0xC000]
    assert "One file is truncated: it ends 9 bytes too early" in answer.headers["Warning"]
    assert "no DICOM file" in answer.headers["Warning"]
    assert len(served.files()) == 1
    assert len(served.matches("/instances")) == 1


def test_none_of_several_is_409(served):
    answer = served.post(bytes_of(slice_of())[:-1])
    assert answer.status_code == 409
    assert served.files() == []
    assert "00081199" not in answer.json()


def test_the_same_again_is_fine_and_changes_nothing(served):
    one = slice_of()
    served.store(one)
    (file,) = served.files()
    before = file.stat()
    answer = served.post(bytes_of(one), bytes_of(one))
    assert answer.status_code == 200
    assert uids(answer, "00081199") == [one.SOPInstanceUID] * 2
    # another sender, who writes its own name in front of the same data set
    one.file_meta.SourceApplicationEntityTitle = "ANOTHER"
    assert served.post(bytes_of(one)).status_code == 200
    assert (file.stat().st_mtime_ns, file.stat().st_ino) == (before.st_mtime_ns, before.st_ino)
    assert len(served.matches("/instances")) == 1


def test_another_object_under_a_known_uid_is_refused_and_the_first_stays(served):
    one = slice_of()
    served.store(one)
    first = bytes_of(one)
    one.PatientID = "somebody else"
    answer = served.post(bytes_of(one))
    assert answer.status_code == 409
    assert (uids(answer, "00081198"), reasons(answer)) == ([one.SOPInstanceUID], [0x0111])
    assert "a changed object needs its own UID" in answer.headers["Warning"]
    ((_, kept),) = served.parts(place_of(first), ANY_SYNTAX)
    assert kept == first


def test_an_instance_of_another_study_than_the_address_says_is_refused(served):
    one = slice_of()
    answer = served.post(bytes_of(one), path="/studies/1.2.3.4")
    assert (answer.status_code, reasons(answer)) == (409, [0xA900])
    assert served.post(bytes_of(one), path=f"/studies/{one.StudyInstanceUID}").status_code == 200


def test_a_series_lies_in_one_study(served):
    served.store(slice_of())
    answer = served.post(bytes_of(slice_of(StudyInstanceUID="1.2.999")))
    assert (answer.status_code, reasons(answer)) == (409, [0xA900])
    assert "it cannot be in two studies" in answer.headers["Warning"]


@pytest.mark.parametrize("name", ["StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID"])
@pytest.mark.parametrize(
    "uid",
    ["../../../evil", "/etc/evil", "1.2/../../evil", "..", "1..2", ".1", "1.2.", "1.2\x00.3", "a.b", "1" * 65, "1.\n2", "."],
)
def test_hostile_uids_write_nothing(served, tmp_path, name, uid):
    one = slice_of()
    content = bytearray(bytes_of(one))
    tag = {
        "StudyInstanceUID": b"\x20\x00\x0d\x00",
        "SeriesInstanceUID": b"\x20\x00\x0e\x00",
        "SOPInstanceUID": b"\x08\x00\x18\x00",
    }
    place = content.index(tag[name] + b"UI")
    length = int.from_bytes(content[place + 6 : place + 8], "little")
    value = uid.encode() + b"\0" * (len(uid) % 2)
    content[place + 6 : place + 8 + length] = len(value).to_bytes(2, "little") + value
    before = {path for path in tmp_path.rglob("*") if ".dicomweb" not in path.parts}
    answer = served.post(bytes(content))
    assert answer.status_code == 409, answer.text
    assert "is no UID" in answer.headers["Warning"]
    assert {path for path in tmp_path.rglob("*") if ".dicomweb" not in path.parts} == before
    assert not Path("/etc/evil").exists()


def test_an_image_without_voxels_is_refused(served):
    one = slice_of()
    del one.PixelData
    answer = served.post(bytes_of(one))
    assert answer.status_code == 409
    assert "holds no voxels" in answer.headers["Warning"]


def body(*contents: bytes) -> tuple[bytes, dict[str, str]]:
    made, kind = stow_body(contents)
    return made, {"Content-Type": kind}


def test_a_body_without_its_end_stores_nothing(served):
    made, headers = body(bytes_of(slice_of()), bytes_of(slice_of()))
    for cut in (made[:-6], made[: len(made) // 2], made[:40], b""):
        answer = served.session.post(served.url + "/studies", data=cut, headers=headers, timeout=30)
        assert answer.status_code == 400
        assert "truncated" in answer.json()["detail"]
    assert served.files() == []
    assert list((served.folder / ".dicomweb" / "incoming").iterdir()) == []


def test_a_connection_that_breaks_stores_nothing(served):
    made, headers = body(bytes_of(slice_of()))
    host, port = served.url.removeprefix("http://").partition("/")[0].split(":")
    with socket.create_connection((host, int(port))) as connection:
        head = f"POST /dicom-web/studies HTTP/1.1\r\nHost: {host}\r\nContent-Type: {headers['Content-Type']}\r\n"
        connection.sendall(f"{head}Content-Length: {len(made)}\r\n\r\n".encode() + made[: len(made) // 2])
        incoming = served.folder / ".dicomweb" / "incoming"
        wait_for(lambda: list(incoming.iterdir()), 20, "the request's arrival", every_s=0.01)
    wait_for(lambda: not list(incoming.iterdir()), 20, "clearing up", every_s=0.05)
    assert served.files() == []
    served.store(slice_of())


@pytest.mark.parametrize(
    ("kind", "status"),
    [
        ("application/json", 415),
        ("multipart/form-data; boundary=x", 415),
        ('multipart/related; type="application/dicom+json"; boundary=x', 415),
        ("", 415),
        ('multipart/related; type="application/dicom"', 400),
    ],
)
def test_other_bodies_are_refused(served, kind, status):
    answer = served.session.post(
        served.url + "/studies", data=b"--x\r\n\r\n\r\n--x--", headers={"Content-Type": kind}, timeout=30
    )
    assert answer.status_code == status
    assert answer.json()["detail"]


def test_parts_are_told_apart_however_the_chunks_fall(served):
    # a boundary's beginning inside the voxels, and chunks of one byte and of every other length
    contents = []
    for _ in range(3):
        one = slice_of()
        one.PixelData = (b"\r\n--bound" * 200)[: len(one.PixelData)].ljust(len(one.PixelData), b"-")
        contents.append(bytes_of(one))
    mark = b"--boundary7"
    made = b"preamble\r\n" + b"".join(mark + b"  \r\nContent-Type: application/dicom\r\n\r\n" + one + b"\r\n" for one in contents)
    made += mark + b"--\r\nepilogue"
    headers = {"Content-Type": "multipart/related; type=application/dicom; boundary=boundary7"}

    def chunks(size: int):
        for start in range(0, len(made), size):
            yield made[start : start + size]

    for size in (7, 64, 1000):
        answer = served.session.post(served.url + "/studies", data=chunks(size), headers=headers, timeout=60)
        assert answer.status_code == 200, answer.text
    assert sorted(path.read_bytes() for path in served.files()) == sorted(contents)


def test_dicomweb_client_stores_every_kind(served, objects):
    client = DICOMwebClient(served.url, chunk_size=5000)
    for form in ("plain", "enhanced", "seg", "sr"):
        done = client.store_instances([pydicom.dcmread(io.BytesIO(objects[form]))])
        assert isinstance(done, Dataset)
        assert len(done.ReferencedSOPSequence) == 1
        assert "FailedSOPSequence" not in done
    assert len(served.matches("/instances")) == 4


def test_many_store_and_search_at_once(served):
    batches = [[slice_of(SeriesInstanceUID=f"1.2.{number}") for _ in range(4)] for number in range(12)]
    shared = slice_of(SeriesInstanceUID="1.2.99")

    def store(batch: list[Dataset]) -> int:
        made, kind = stow_body([bytes_of(one) for one in (*batch, shared)])
        return requests.post(served.url + "/studies", data=made, headers={"Content-Type": kind}, timeout=120).status_code

    def search(_: int) -> list[int]:
        found = requests.get(served.url + "/instances", timeout=120)
        return [found.status_code, len(found.json())]

    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        stored = [pool.submit(store, batch) for batch in batches]
        searched = [pool.submit(search, number) for number in range(24)]
    assert [one.result() for one in stored] == [200] * 12
    # a request's instances are found together, or not yet
    assert all(one.result()[0] == 200 and one.result()[1] % 4 in (0, 1) for one in searched)
    assert len(served.matches("/instances")) == 49
    assert served.matches("/studies")[0]["00201208"]["Value"] == [49]


def test_one_uid_stored_twice_at_once_is_kept_once(served):
    one, other = slice_of(), None
    other = pydicom.dcmread(io.BytesIO(bytes_of(one)))
    other.PatientID = "another"
    contents = [bytes_of(one), bytes_of(other)] * 6

    def store(content: bytes) -> int:
        made, kind = stow_body([content])
        return requests.post(served.url + "/studies", data=made, headers={"Content-Type": kind}, timeout=60).status_code

    with concurrent.futures.ThreadPoolExecutor(6) as pool:
        statuses = list(pool.map(store, contents))
    assert sorted(statuses) == [200] * 6 + [409] * 6
    (file,) = served.files()
    assert file.read_bytes() in contents


@pytest.mark.parametrize("after_s", [0.05, 0.2, 0.5])
def test_killed_while_it_stores_leaves_whole_files_and_an_index_that_agrees(serve, tmp_path, after_s):
    folder = tmp_path / "archive"
    folder.mkdir()
    process = subprocess.Popen(
        [sys.executable, str(MAIN), "archive", str(folder), "--port", "0"], stdout=subprocess.PIPE, text=True, bufsize=1
    )
    assert process.stdout is not None
    url = process.stdout.readline().split()[-1]
    acknowledged: list[str] = []

    def store() -> None:
        while True:
            batch = [slice_of(SeriesInstanceUID="1.2.7") for _ in range(5)]
            made, kind = stow_body([bytes_of(one) for one in batch])
            try:
                answer = requests.post(f"{url}/studies", data=made, headers={"Content-Type": kind}, timeout=60)
            except requests.RequestException:
                return
            assert answer.status_code == 200
            acknowledged.extend(uids(answer, "00081199"))

    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        done = pool.submit(store)
        while not acknowledged and not done.done():
            time.sleep(0.01)
        time.sleep(after_s)
        os.kill(process.pid, signal.SIGKILL)
        process.wait(20)
        process.stdout.close()
        done.result(60)
    files = [path for path in folder.rglob("*.dcm") if ".dicomweb" not in path.parts]
    on_disk = {read_instance(path).sop_uid for path in files}  # raises for one that is not whole
    assert set(acknowledged) <= on_disk
    again = serve(folder)
    assert {one["00080018"]["Value"][0] for one in again.matches("/instances")} == on_disk
    assert again.running.skipped == {}
    assert list((folder / ".dicomweb" / "incoming").iterdir()) == []
