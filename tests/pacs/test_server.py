"""The whole server on an archive that is stopped, started, silent, cut off, or has another password."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pydicom
import pytest
import requests

from archives import Archive, Orthanc, Study, phantom_study, serving_archive
from serving import Server
from wire import wire_to

pytestmark = [pytest.mark.server, pytest.mark.pacs]
PATIENCE_S = 600.0


def wait_for(condition: Callable[[], Any], what: str) -> Any:
    """The first true answer of a condition."""
    until = time.monotonic() + PATIENCE_S
    while not (answer := condition()):
        assert time.monotonic() < until, f"{what} did not happen"
        time.sleep(0.2)
    return answer


def cases(server: Server) -> dict[str, Any]:
    return requests.get(f"{server.url}/vhi/cases", timeout=60).json()


def reasons(server: Server) -> str:
    return " ".join(one["reason"] for one in cases(server)["waiting"])


def wait_for_reason(server: Server, text: str) -> str:
    """The server's report on its archive, once it gives this reason."""
    return wait_for(lambda: reason_words if text in (reason_words := reasons(server)) else "", f"{text!r} was told")


def wait_for_case(server: Server, study: Study) -> None:
    wait_for(lambda: study.study_uid in {one["case"] for one in cases(server)["cases"]}, "the study became a case")


def infer(server: Server, study: Study, model: str = "vhi") -> requests.Response:
    return requests.post(f"{server.url}/infer/{model}", params={"image": study.stir_uid, "output": "json"}, timeout=PATIENCE_S)


def infer_once_sent(server: Server, study: Study) -> requests.Response:
    """The first answer but those that tell to come again: a study may become a case while it is still arriving."""

    def answer() -> requests.Response | None:
        response = infer(server, study, "disease_region")
        if response.status_code != 503:
            return response
        assert "again" in sentence(response, 503)
        return None

    return wait_for(answer, "the scans were sent whole")


def sentence(found: requests.Response, *statuses: int) -> str:
    assert found.status_code in statuses, (found.status_code, found.text[:300])
    detail = found.json()["detail"]
    assert 10 < len(detail) < 500
    assert "Traceback" not in detail
    return detail


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory, study: Study) -> Iterator[tuple[Server, Orthanc]]:
    """A server on an Orthanc with one study; a test that changes something puts it back."""
    from archives import why_no_orthanc

    if why_no_orthanc():
        pytest.skip(str(why_no_orthanc()))
    folder = tmp_path_factory.mktemp("running")
    archive = Orthanc(folder / "archive")
    archive.start()
    archive.store(study.files())
    with serving_archive(archive, folder / "work", conf={"pacs_timeout_s": "5"}) as server:
        wait_for_case(server, study)
        yield server, archive
    archive.stop()


@pytest.fixture(autouse=True)
def no_secret_is_told(request: pytest.FixtureRequest) -> Iterator[None]:
    """Whatever happened, the log names neither the password nor a patient."""
    yield
    if "running" in request.fixturenames:
        server, archive = request.getfixturevalue("running")
        log = server.log.read_text()
        assert archive.password not in log
        assert "P3" not in log


def test_nothing_but_dicomweb_is_reached_through_the_server(running, study):
    server, _ = running
    found = requests.get(f"{server.url}/proxy/dicom/qido/studies?StudyInstanceUID={study.study_uid}", timeout=60)
    assert [one["0020000D"]["Value"][0] for one in found.json()] == [study.study_uid]
    # MONAI Label's own proxy would answer these
    for path in (
        "/proxy/dicom/studies",
        "/proxy/dicom/wado/../system",
        "/proxy/dicom/wado/system",
        "/proxy/dicom/..%2fsystem",
        "/proxy/dicom/wado/instances/x",
    ):
        for method in ("GET", "POST"):
            answer = requests.request(method, server.url + path, timeout=60)
            assert answer.status_code in (400, 403, 404, 405), path
            assert "forwards nothing but" in sentence(answer, answer.status_code)
    assert requests.delete(f"{server.url}/proxy/dicom/wado/studies/{study.study_uid}", timeout=60).status_code in (403, 405)


def test_while_the_archive_is_stopped_known_cases_are_read_on_and_the_reason_is_told(running, study):
    server, archive = running
    before = infer(server, study).json()
    archive.stop()
    try:
        wait_for_reason(server, "cannot be reached")
        assert infer(server, study).json()["vhi_mm3"] == before["vhi_mm3"]
        found = requests.get(f"{server.url}/proxy/dicom/wado/studies", timeout=60)
        assert "cannot be reached" in sentence(found, 502)
        assert requests.get(f"{server.url}/info/", timeout=60).status_code == 200
    finally:
        archive.start()
    wait_for(lambda: not reasons(server), "the server noticed that the archive is back")
    assert requests.get(f"{server.url}/proxy/dicom/wado/studies", timeout=60).status_code == 200


def test_a_study_that_arrives_after_a_restart_becomes_a_case(running, tmp_path):
    server, archive = running
    archive.restart()
    new = phantom_study(tmp_path / "new", seed=4)
    archive.store(new.files())
    wait_for_case(server, new)
    assert infer_once_sent(server, new).status_code == 200


def test_the_server_starts_before_its_archive(own_archive: Archive, study, tmp_path):
    own_archive.store(study.files())
    own_archive.stop()
    with serving_archive(own_archive, tmp_path / "work") as server:
        wait_for_reason(server, "cannot be reached")
        assert cases(server)["cases"] == []
        assert "cannot be reached" in json.dumps(requests.get(f"{server.url}/datastore/", timeout=60).json())
        sentence(infer(server, study), 404, 422)
        own_archive.start()
        wait_for_case(server, study)
        assert infer(server, study).status_code == 200


def test_a_wrong_password_is_told_and_set_right(own_orthanc: Orthanc, study, tmp_path):
    own_orthanc.store(study.files())
    right, own_orthanc.password = own_orthanc.password, "not-the-password"
    with serving_archive(own_orthanc, tmp_path / "work") as server:
        told = wait_for_reason(server, "refuses the login")
        assert "not-the-password" not in told + server.log.read_text()
        found = requests.get(f"{server.url}/proxy/dicom/wado/studies", timeout=60)
        assert "refused the name and password" in sentence(found, 502)
        assert "WWW-Authenticate" not in found.headers
        # the archive's administrator makes the password what the server was told
        own_orthanc.stop()
        own_orthanc.start()
        wait_for_case(server, study)
    own_orthanc.password = right


def test_a_transfer_that_is_cut_off_is_never_taken_for_a_scan(own_orthanc: Orthanc, study, tmp_path):
    own_orthanc.store(study.files())
    with wire_to(own_orthanc.url) as line:
        line.cut_after = 300_000  # lists and headers pass, a series of 1.3 MB does not
        with serving_archive(own_orthanc, tmp_path / "work", url=line.url) as server:
            wait_for_case(server, study)
            assert "whole" in sentence(infer(server, study), 422, 502, 503)
            assert not list((tmp_path / "work" / "data").rglob("*.nii"))
            with pytest.raises(requests.RequestException):
                requests.get(f"{server.url}/proxy/dicom/wado/studies/{study.study_uid}/series/{study.stir_uid}", timeout=60)
            line.cut_after = None
            assert infer(server, study).status_code == 200


def test_a_silent_archive_stops_nobody_and_is_told(own_orthanc: Orthanc, study, tmp_path):
    own_orthanc.store(study.files())
    with (
        wire_to(own_orthanc.url) as line,
        serving_archive(own_orthanc, tmp_path / "work", url=line.url, conf={"pacs_timeout_s": "2"}) as server,
    ):
        wait_for_case(server, study)
        line.silent = True
        wait_for_reason(server, "in time")
        assert "said nothing for 2 seconds" in sentence(requests.get(f"{server.url}/proxy/dicom/wado/studies", timeout=60), 504)
        assert requests.get(f"{server.url}/info/", timeout=60).status_code == 200
        line.silent = False
        wait_for(lambda: not reasons(server), "the server noticed that the archive is back")
        assert infer(server, study).status_code == 200


def test_a_blinded_study_hands_out_cases_under_other_uids_and_no_study_of_the_archive(own_archive: Archive, study, tmp_path):
    own_archive.store(study.files())
    with serving_archive(own_archive, tmp_path / "work", conf={"blinded": "true"}) as server:
        wait_for(lambda: cases(server)["cases"], "the study became a case")
        gateway = f"{server.url}/proxy/dicom/wado/studies"
        assert "does not have that" in sentence(requests.get(f"{gateway}/{study.study_uid}", timeout=60), 404)
        (row,) = requests.get(f"{server.url}/vhi/worklist/rows?reader=anna", timeout=60).json()["rows"]
        shown = requests.get(f"{gateway}/{row['study']}/metadata", timeout=PATIENCE_S)
        assert {one["00100010"]["Value"][0]["Alphabetic"] for one in shown.json()} == {row["case"]}
        told = json.dumps(cases(server)) + requests.get(f"{server.url}/datastore/?output=all", timeout=60).text + shown.text
        for secret in (study.study_uid, study.stir_uid, "P3"):
            assert secret not in told


def state(server: Server) -> dict[str, Any]:
    return requests.get(f"{server.url}/vhi/archive", timeout=60).json()


def submit(server: Server, study: Study, reader: str) -> dict[str, Any]:
    """Hand in the automatic region, as a viewer does."""
    query = {"image": study.stir_uid, "output": "image"}
    form = {"params": json.dumps({"result_extension": ".nii.gz"})}
    region = requests.post(f"{server.url}/infer/disease_region", params=query, data=form, timeout=PATIENCE_S)
    assert region.status_code == 200, region.text[:300]
    params = json.dumps({"label_info": [{"name": "disease region", "idx": 1}], "client_id": reader})
    answer = requests.put(
        f"{server.url}/datastore/label",
        params={"image": study.stir_uid},
        files={"label": ("region.nii.gz", region.content)},
        data={"params": params},
        timeout=PATIENCE_S,
    )
    assert answer.status_code == 200, answer.text[:300]
    return answer.json()


def written(data: Path) -> set[str]:
    """Instances that submissions were written as."""
    return {str(pydicom.dcmread(path, stop_before_pixels=True).SOPInstanceUID) for path in (data / "cases").rglob("*.dcm")}


def results(archive: Archive, study: Study) -> list[str]:
    """Instances of the study that are no images."""
    matches = archive.query(f"/studies/{study.study_uid}/series")
    series = [one["0020000E"]["Value"][0] for one in matches if one["00080060"]["Value"][0] != "MR"]
    every = [archive.query(f"/studies/{study.study_uid}/series/{uid}/instances") for uid in series]
    return [one["00080018"]["Value"][0] for instances in every for one in instances]


def test_no_submission_is_lost_while_the_archive_is_away_and_the_server_is_killed(own_archive: Archive, study, tmp_path):
    own_archive.store(study.files())
    with serving_archive(own_archive, tmp_path / "work") as server:
        wait_for_case(server, study)
        assert infer(server, study).status_code == 200
        own_archive.stop()
        assert submit(server, study, "anna")["archive"]["stored"] is False
        assert submit(server, study, "bert")["archive"]["waiting"] == 2
        wait_for(lambda: "cannot be reached" in (state(server)["last_error"] or ""), "the reason was told")
        server.process.kill()
        server.process.wait(20)
    ours = written(tmp_path / "work" / "data")
    assert len(ours) >= 4  # a segmentation and a report each
    own_archive.start()
    assert results(own_archive, study) == []
    with serving_archive(own_archive, tmp_path / "work") as server:
        wait_for(lambda: everything_sent(server, 2), "everything was sent")
        found = results(own_archive, study)
    assert set(found) == ours
    assert len(found) == len(ours)


def everything_sent(server: Server, count: int) -> bool:
    delivery = state(server)
    return delivery["sent"] == count and delivery["waiting"] == 0
