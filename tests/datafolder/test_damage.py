"""Every file of a used data folder, damaged in every way: only what belongs to that file's case is affected.

All of it by `VHI_ALL_DAMAGE=1` (some minutes); else a part that the seed draws.
"""

from __future__ import annotations

import os
import random
import shutil
from functools import partial

import pytest

from study_folder import StudyFolder
from useddata import DAMAGES, answers, asking, case_of, copy_of, damage, files_of, used_folder

pytestmark = [pytest.mark.server, pytest.mark.slow]
MODEL = "models/"
DRAWN = 20


@pytest.fixture(scope="module")
def used(tmp_path_factory: pytest.TempPathFactory) -> StudyFolder:
    return used_folder(tmp_path_factory.mktemp("used"))


def test_only_the_case_of_a_damaged_file_is_affected(used, tmp_path, monkeypatch):
    files, rng = files_of(used.folder / ".vhi"), random.Random(22)
    assert len(files) > 30
    every = bool(os.environ.get("VHI_ALL_DAMAGE"))
    wrong = []
    table = [(file, how) for file in files for how in DAMAGES]
    for file, how in table if every else rng.sample(table, DRAWN):
        folder = tmp_path / "damaged"
        study_folder = copy_of(used, folder)
        damage(study_folder.folder / ".vhi" / file, how)
        wrong += [f"{file} {how}: {one}" for one in _wrong(monkeypatch, study_folder, file)]
        shutil.rmtree(folder)
    print(f"{len(files)} files, {len(table)} damages")
    assert wrong == []


def _wrong(monkeypatch: pytest.MonkeyPatch, study_folder: StudyFolder, file: str) -> list[str]:
    """The faults elsewhere than in the case of the file, and every answer that is no sentence."""
    case, data = case_of(file), str(study_folder.folder)
    found = []
    try:
        with asking(monkeypatch, study_folder) as client:
            other = answers(client, study_folder, "b" if case in ("a", "c", None) else "a")
            own = answers(client, study_folder, case or "a")
    except Exception as error:
        return [f"no start: {type(error).__name__}: {error}"]
    # what training rests on stops training, with a sentence
    theirs = {"train", "session"} if file.startswith((MODEL, "retraining/")) else set()
    found += [
        f"{route} of another case {status}: {what}"
        for route, (status, what) in other.items()
        if status != 200 and not (route in theirs and status < 500)
    ]
    found += [f"{route} {status}" for route, (status, _) in own.items() if status >= 500]
    found += [f"{route} shows a path" for route, (_, what) in own.items() if isinstance(what, dict) and data in str(what)]
    if not other["next"][1].get("id"):
        found.append("nothing is offered")
    return [str(one)[:300] for one in found]


def test_a_damaged_report_is_made_again_byte_for_byte(used, tmp_path, monkeypatch):
    study_folder = copy_of(used, tmp_path / "reports")
    folder = next((study_folder.folder / ".vhi" / "cases" / "b" / "submissions").glob("0003-*"))
    whole = {name: (folder / name).read_bytes() for name in ("report.html", "report.pdf", "vhi.json")}
    with asking(monkeypatch, study_folder) as client:
        asked = partial(client.get, "/vhi/report", params={"image": "b_STIR", "reader": "anna", "form": "html"})
        before = asked().content
        for name in whole:
            damage(folder / name, "empty")
        assert asked().content == before
    assert {name: (folder / name).read_bytes() for name in whole} == whole


def test_a_report_of_other_bytes_is_not_handed_out_where_its_masks_are_gone(used, tmp_path, monkeypatch):
    study_folder = copy_of(used, tmp_path / "gone")
    folder = next((study_folder.folder / ".vhi" / "cases" / "b" / "submissions").glob("0003-*"))
    damage(folder / "report.html", "other bytes")
    damage(folder / "inflammation.nii.gz", "cut")
    with asking(monkeypatch, study_folder) as client:
        answer = client.get("/vhi/report", params={"image": "b_STIR", "reader": "anna", "form": "html"})
    assert answer.status_code == 422
    assert "cannot be made again" in answer.json()["detail"]
    assert str(study_folder.folder) not in answer.text


def test_a_case_with_a_damaged_mask_is_not_handed_out_and_is_named(used, tmp_path, monkeypatch):
    study_folder = copy_of(used, tmp_path / "mask")
    damage(study_folder.folder / ".vhi" / "cases" / "a" / "submissions" / "0001-anna" / "disease_region.nii.gz", "cut")
    with asking(monkeypatch, study_folder) as client:
        offered = client.post("/activelearning/first", json={"client_id": "eve"}).json()
        content = client.get("/vhi/cases").json()
        health = client.get("/vhi/health").json()
    assert offered["id"] == "b_STIR"
    assert [(one["name"], "disease_region.nii.gz" in one["reason"]) for one in content["waiting"]] == [("a", True)]
    assert content["damaged"][0]["files"] == ["cases/a/submissions/0001-anna/disease_region.nii.gz"]
    assert (health["status"], health["findings"][0]["name"]) == ("impaired", "damaged")


def _data(*words: str) -> tuple[int, str]:
    from typer.testing import CliRunner

    from lib.cli.app import app

    result = CliRunner().invoke(app, ["data", *words])
    return result.exit_code, result.output


def test_a_whole_folder_is_said_to_be_whole(used):
    code, said = _data("check", str(used.folder / ".vhi"))
    assert (code, "every file is whole" in said) == (0, True), said


def test_check_names_each_file_and_repair_mends_what_is_made_of_others(used, tmp_path):
    study_folder = copy_of(used, tmp_path / "mended")
    data = study_folder.folder / ".vhi"
    submission = data / "cases" / "a" / "submissions" / "0003-anna"
    damaged = [
        data / "cases" / "a" / "scans.json",
        data / "cases" / "a" / "shared.json",
        submission / "report.pdf",
        data / "models" / "disease_region" / "live.json",
        next((data / "leases").rglob("*.json")),
    ]
    whole = [path.read_bytes() for path in damaged]
    for path in damaged:
        damage(path, "cut")
    code, said = _data("check", str(data))
    assert code == 2
    for path in damaged:
        assert str(path.relative_to(data)) in said
    assert "of which a restore must bring 0" in said
    code, said = _data("repair", str(data), "--studies", str(study_folder.folder))
    assert [path.read_bytes() for path in damaged[:3]] == whole[:3], said
    assert not damaged[4].exists()


def test_repair_says_what_only_a_backup_can_bring_and_leaves_it(used, tmp_path):
    study_folder = copy_of(used, tmp_path / "lost")
    data = study_folder.folder / ".vhi"
    path = data / "cases" / "a" / "submissions" / "0002-anna" / "submission.json"
    damage(path, "empty")
    code, said = _data("repair", str(data))
    assert code == 2
    assert "0002-anna/submission.json: it is empty; restore it from a backup" in said
    assert path.read_bytes() == b""
