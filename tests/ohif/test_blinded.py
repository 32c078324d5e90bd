"""A blinded study read in the browser, as who wants to know whose scans these are would look at it: at every byte that comes."""

from __future__ import annotations

import shutil
import subprocess
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pydicom
import pytest
import requests

from archives import ARCHIVES, Archive, Study, phantom_study, serving_archive, why_no_orthanc
from browsing import Reader, in_archive
from lib.studies.dicomize import Labels
from marked import MARK, Recorder, marked, places, recording, true_uids
from serving import Server
from standin import PASSWORDS, write_known_accounts
from viewing import OPEN, PATIENCE_S, PICTURED, ViewerServer, dismiss_notice, wait_for

pytestmark = [pytest.mark.browser, pytest.mark.pacs, pytest.mark.server]
DICOM_JSON = {"Accept": "application/dicom+json"}


@dataclass(frozen=True)
class Room:
    """A server over a blinded study, a marked case in it, and what stands between it and the browser."""

    archive: Archive
    server: Server
    recorder: Recorder
    true: Study
    waiting: Study
    data: Path

    @property
    def gateway(self) -> str:
        return f"{self.server.url}/proxy/dicom/wado"

    def session(self, name: str) -> requests.Session:
        """Requests of a person who signed in, past the recorder."""
        session = requests.Session()
        form = {"username": name, "password": PASSWORDS[name], "grant_type": "password"}
        token = session.post(f"{self.server.url}/auth/token", data=form, timeout=60).json()["access_token"]
        session.headers["Authorization"] = f"Bearer {token}"
        return session

    def rows(self, name: str = "anna") -> list[dict[str, Any]]:
        return self.session(name).get(f"{self.server.url}/vhi/worklist/rows", timeout=60).json()["rows"]


def small_phantom(folder: Path, seed: int) -> Study:
    return phantom_study(folder, seed, labels=Labels(f"P{seed}", "20250601"))


@pytest.fixture(params=ARCHIVES)
def room(request, tmp_path):
    reason = why_no_orthanc() if request.param == "orthanc" else None
    if reason:
        pytest.skip(reason)
    archive = ARCHIVES[request.param](tmp_path / "archive")
    archive.start()
    write_known_accounts(tmp_path / "accounts.json")
    true = marked(small_phantom(tmp_path / "true", 3))
    waiting = marked(small_phantom(tmp_path / "waiting", 4), 2)
    archive.store(true.files())
    archive.store(waiting.files("STIR"))  # half a case, and another patient's
    options = ["--accounts", str(tmp_path / "accounts.json")]
    conf = {"blinded": "true", "seed": "11", "several_readers": "true", "pacs_report": "true"}
    try:
        with (
            serving_archive(archive, tmp_path / "server", *options, conf=conf, OMP_NUM_THREADS="1") as server,
            recording(server.url) as recorder,
        ):
            found = Room(archive, server, recorder, true, waiting, tmp_path / "server" / "data")
            wait_for(lambda: {"open", "waiting"} <= {row["state"] for row in found.rows()})
            yield found
    finally:
        archive.stop()


def test_a_whole_reading_sends_the_browser_no_name_date_or_uid_and_the_results_go_to_the_right_patient(room, page, shot):
    row = read_in_browser(room, page, shot)
    handed_out = forms_of_report(room, page, row)
    sent = room.recorder.bytes()
    assert room.recorder.answers() > 100
    assert row["case"].encode() in sent  # it is recorded in the clear
    assert places(sent) == []
    for form in handed_out:
        assert places(form) == []
        assert row["case"].encode() in form or form.startswith(b"%PDF")
    check_archive(room)
    check_addresses(room, row["study"])
    check_others(room, row)


def read_in_browser(room: Room, page: Any, shot: Any) -> dict[str, Any]:
    """From the login to the report, with real events; the row of the case."""
    row = next(one for one in room.rows() if one["state"] == "open")
    page.goto(f"{room.recorder.url}/", wait_until="domcontentloaded")
    page.get_by_label("Name").fill("anna")
    page.get_by_label("Password").fill(PASSWORDS["anna"])
    page.get_by_role("button", name="Sign in").click()
    page.locator("tbody").get_by_text(row["case"]).wait_for()
    shot("worklist")
    page.locator("#next").click()
    page.wait_for_url("**/ohif/monai-label?StudyInstanceUIDs=*")
    assert parse_qs(urlsplit(page.url).query)["StudyInstanceUIDs"] == [row["study"]]
    page.locator(OPEN).wait_for()
    dismiss_notice(page)
    seen = room.session("anna").get(f"{room.server.url}/vhi/study", params={"study": row["study"]}, timeout=60).json()
    shown = replace(room.true, study_uid=row["study"], t1w_uid=seen["t1w"], stir_uid=seen["stir"])
    reader = Reader(page, ViewerServer(room.archive, room.server, {}), shown, "anna")
    reader.settled()
    reader.measure()
    page.locator(PICTURED).wait_for()
    page.locator("tr[data-lesion]").first.click()
    page.keyboard.press("Control+z")
    page.locator("[data-vhi='sensitive']").wait_for(state="detached")
    page.keyboard.press("Control+y")
    page.locator("[data-vhi='sensitive']").wait_for()
    reader.rest()
    page.mouse.move(500, 400)
    page.mouse.wheel(0, 300)
    shot("read")
    assert places(page.content().encode()) == []
    reader.submit()
    shot("submitted")
    page.goto(f"{room.recorder.url}/", wait_until="domcontentloaded")
    page.get_by_role("button", name="done (1)").wait_for()
    assert places(page.content().encode()) == []
    page.goto(f"{room.recorder.url}/ohif/viewer?StudyInstanceUIDs={row['study']}", wait_until="domcontentloaded")
    page.locator("[data-cy='study-browser-thumbnail'] img").nth(1).wait_for()
    shot("basic-viewer")
    assert places(page.content().encode()) == []
    return row


def forms_of_report(room: Room, page: Any, row: dict[str, Any]) -> list[bytes]:
    """Everything else that a reader may ask for, by the browser's own login; the reports."""
    at, image = room.recorder.url, row["image"]
    for path in ("/vhi/archive", "/datastore/?output=all", "/datastore/", "/info/", f"/datastore/image/info?image={image}"):
        assert page.request.get(f"{at}{path}").status == 200, path
    for path in (f"/vhi/submissions?image={image}", f"/vhi/reading?image={image}&reading=1", "/vhi/worklist/rows?reading=2"):
        assert page.request.get(f"{at}{path}").status == 200, path
    for path in (f"/datastore/image?image={image}", f"/vhi/reading/label?image={image}&reading=1"):
        assert page.request.get(f"{at}{path}").status == 200, path
    # error sentences
    for path in (
        "/vhi/study?study=1.2.3",
        "/datastore/image?image=nobody",
        "/vhi/report?image=nobody",
        "/vhi/draft?image=x&reader=anna",
    ):
        assert page.request.get(f"{at}{path}").status in (200, 400, 404), path
    dicomweb = f"{at}/proxy/dicom/wado/studies"
    for path in ("", f"/{row['study']}", f"/{row['study']}/metadata", f"/{row['study']}/series", f"/{row['study']}/instances"):
        kind = "application/dicom+json" if path != f"/{row['study']}" else 'multipart/related; type="application/dicom"'
        assert page.request.get(f"{dicomweb}{path}", headers={"Accept": kind}).status == 200, path
    found = page.request.get(f"{dicomweb}/{row['study']}/instances", headers=DICOM_JSON).json()
    one = found[0]
    instance = f"{dicomweb}/{row['study']}/series/{one['0020000E']['Value'][0]}/instances/{one['00080018']['Value'][0]}"
    for path in ("/rendered", "/thumbnail", "/frames/1/rendered"):
        assert page.request.get(f"{instance}{path}", headers={"Accept": "image/png"}).status == 200, path
    assert page.request.get(f"{instance}/frames/1", headers={"Accept": 'multipart/related; type="application/octet-stream"'}).ok
    reports = [page.request.get(f"{at}/vhi/report?image={image}&form={form}").body() for form in ("json", "html", "pdf")]
    if shutil.which("pdftotext"):
        text = subprocess.run(["pdftotext", "-", "-"], input=reports[-1], capture_output=True, check=True).stdout
        assert row["case"].encode() in text
        reports.append(text)
    return reports


def check_archive(room: Room) -> None:
    """Objects that the server stored lie with the patient, under the true study, and refer to the true images."""
    session = room.session("root")
    wait_for(lambda: session.get(f"{room.server.url}/vhi/archive", timeout=60).json()["waiting"] == 0)
    (seg,), (report,) = (in_archive(room.archive, room.true, kind) for kind in ("SEG", "SR"))
    header = pydicom.dcmread(room.true.files("STIR")[0], stop_before_pixels=True)
    for one in (seg, report):
        assert (one.StudyInstanceUID, one.PatientID) == (room.true.study_uid, header.PatientID)
        assert MARK in str(one.PatientName)
        assert "anna" not in str(one)
    referred = {str(item.ReferencedSOPInstanceUID) for item in seg.ReferencedSeriesSequence[0].ReferencedInstanceSequence}
    assert referred <= set(true_uids(room.true))


def check_addresses(room: Room, shown: str) -> None:
    """Every true UID in an address answers 404, for readers and administrators; the archive's own address says nothing."""
    true = room.true
    header = pydicom.dcmread(true.files("STIR")[0], stop_before_pixels=True)
    series, instance = f"/series/{true.stir_uid}", f"/instances/{header.SOPInstanceUID}"
    wrong = [f"/studies/{true.study_uid}{rest}" for rest in ("", "/metadata", "/series", series, f"{series}{instance}")]
    wrong += [
        f"/studies/{shown}{series}/metadata",
        f"/studies/{shown}{series}{instance}",
        f"/studies/{shown}{series}{instance}/rendered",
    ]
    wrong += [f"/studies/{shown}{series}{instance}/frames/1", f"/studies/{room.waiting.study_uid}", "/studies/1.2.3/metadata"]
    wrong += [f"/studies?StudyInstanceUID={true.study_uid}", f"/series?0020000D={room.waiting.study_uid}"]
    for name in ("anna", "root"):
        session = room.session(name)
        for path in wrong:
            answer = session.get(f"{room.gateway}{path}", headers={"Accept": "*/*"}, timeout=60)
            assert answer.status_code == 404, (path, answer.status_code, answer.text[:200])
            assert places(answer.content) == []
        for image in (true.stir_uid, true.t1w_uid, f"{true.study_uid}_STIR"):
            assert session.get(f"{room.server.url}/datastore/image", params={"image": image}, timeout=60).status_code == 404
        # what others hold is not even counted: every search finds the two series alone, whatever it asks for
        for query in ("", "?ModalitiesInStudy=SEG", f"?PatientName={MARK}*", "?PatientID=*", "?StudyDate=19000101-20991231"):
            found = session.get(f"{room.gateway}/studies{query}", headers=DICOM_JSON, timeout=60)
            listed = found.json() if found.status_code == 200 else []
            assert {one["0020000D"]["Value"][0] for one in listed} <= {shown}
            assert all(one["00201206"]["Value"] == [2] for one in listed if "00201206" in one)
        stored = session.post(f"{room.gateway}/studies", data=b"", headers={"Content-Type": "multipart/related"}, timeout=60)
        assert stored.status_code == 403
        assert "blinded" in stored.json()["detail"]
    assert requests.get(f"{room.archive.url}/studies", timeout=60).status_code == 401


def check_others(room: Room, row: dict[str, Any]) -> None:
    """Another reader sees the same two series and none of the first one's results, after a restart of nothing but their login."""
    session = room.session("root")
    found = session.get(f"{room.gateway}/studies/{row['study']}/series", headers=DICOM_JSON, timeout=60).json()
    assert sorted(one["0008103E"]["Value"][0] for one in found) == ["STIR", "T1W"]
    text = session.get(f"{room.server.url}/vhi/worklist/rows", timeout=60).content
    assert places(text) == []
    assert "done" not in {one["state"] for one in session.get(f"{room.server.url}/vhi/worklist/rows", timeout=60).json()["rows"]}


def test_a_case_with_text_in_its_pixels_waits_in_the_worklist_with_the_reason(tmp_path):
    archive = ARCHIVES["embedded"](tmp_path / "archive")
    archive.start()
    study = marked(small_phantom(tmp_path / "true", 3))
    for path in study.files("T1W"):
        image = pydicom.dcmread(path)
        image.BurnedInAnnotation = "YES"
        image.save_as(path)
    archive.store(study.files())
    write_known_accounts(tmp_path / "accounts.json")
    options = ["--accounts", str(tmp_path / "accounts.json")]
    try:
        with serving_archive(archive, tmp_path / "server", *options, conf={"blinded": "true", "seed": "3"}) as server:
            room = Room(archive, server, None, study, study, tmp_path / "server" / "data")  # type: ignore[arg-type]
            wait_for(lambda: "burned into its pixels" in str(room.rows()), within_s=PATIENCE_S)
            (row,) = room.rows()
            assert (row["state"], row["study"]) == ("waiting", None)
            assert places(str(room.rows()).encode()) == []
            assert room.session("anna").get(f"{room.gateway}/studies", headers=DICOM_JSON, timeout=60).text in ("", "[]")
    finally:
        archive.stop()


def test_the_replaced_uids_outlast_a_restart(tmp_path):
    archive = ARCHIVES["embedded"](tmp_path / "archive")
    archive.start()
    study = marked(small_phantom(tmp_path / "true", 3))
    archive.store(study.files())
    write_known_accounts(tmp_path / "accounts.json")
    try:
        first, second = (shown_after_start(archive, study, tmp_path) for _ in range(2))
    finally:
        archive.stop()
    assert first == second


def shown_after_start(archive: Archive, study: Study, work: Path) -> str:
    """Start a server on the same data folder as before; the UID under which it shows its case."""
    options, conf = ["--accounts", str(work / "accounts.json")], {"blinded": "true", "seed": "12"}
    with serving_archive(archive, work / "server", *options, conf=conf) as server:
        room = Room(archive, server, None, study, study, work / "server" / "data")  # type: ignore[arg-type]
        wait_for(lambda: [row["study"] for row in room.rows()] not in ([], [None]))
        return str(room.rows()[0]["study"])
