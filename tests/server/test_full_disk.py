"""A disk that is full: 507 and nothing stored, for a submission as for its upload; the server goes on once there is room."""

from __future__ import annotations

import os
import tempfile

import pytest

from lib.service.findings import PROBED_EVERY_S, Disk
from smalldisk import fill, small_disk
from study_folder import StudyFolder
from useddata import answers, asking

pytestmark = pytest.mark.server


def test_on_a_full_disk_nothing_is_stored_and_that_is_said_and_the_next_submission_is_kept(tmp_path, monkeypatch):
    study_folder = StudyFolder(tmp_path / "studies")
    study_folder.add_case("a")
    with small_disk(study_folder.folder / ".vhi") as data, asking(monkeypatch, study_folder) as client:
        assert client.get("/datastore/image", params={"image": "a_STIR"}).status_code == 200
        filler = fill(data)
        full = answers(client, study_folder, "a", study_folder.bone)
        assert list((data / "cases").glob("*/submissions/[!.]*")) == []
        filler.unlink()
        again = answers(client, study_folder, "a", study_folder.bone)
    status, told = full["submit"]
    assert (status, "nothing was stored" in told["detail"], str(tmp_path) in told["detail"]) == (507, True, False)
    assert {route: status for route, (status, _) in full.items() if status in (400, 500)} == {}
    assert "disk" in [one["name"] for one in full["health"][1]["findings"]]
    assert again["submit"][0] == 200


def test_an_upload_that_finds_no_room_is_507_too(tmp_path, monkeypatch):
    study_folder = StudyFolder(tmp_path / "studies")
    study_folder.add_case("a")
    with small_disk(tmp_path / "temporary") as place, asking(monkeypatch, study_folder) as client:
        monkeypatch.setattr(tempfile, "tempdir", str(place))
        fill(place)
        answer = client.put(
            "/datastore/label",
            params={"image": "a_STIR"},
            files={"label": ("label.nii.gz", os.urandom(2 << 20))},
            data={"params": '{"client_id": "anna", "label_info": []}'},
        )
    assert (answer.status_code, "nothing was stored" in answer.text, str(place) in answer.text) == (507, True, False)


def test_the_disk_is_asked_by_writing_and_not_at_every_question(tmp_path):
    now = [0.0]
    disk = Disk(tmp_path / "data", clock=lambda: now[0])
    assert [one.name for one in disk.findings()] == ["disk"]  # there is no such folder
    (tmp_path / "data").mkdir()
    assert disk.findings() != ()
    now[0] = PROBED_EVERY_S + 1
    assert "data folder" not in " ".join(one.sentence for one in disk.findings())
    assert list((tmp_path / "data").iterdir()) == []
