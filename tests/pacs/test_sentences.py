"""Sentences for readers hold no UID and no address: those of every answer that the viewer's pages show."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pydicom
import pytest
import requests

import waiting
from archives import Archive, Study, phantom_study, serving_archive
from lib.studies.dicomize import Labels
from linking import with_more_slices

pytestmark = [pytest.mark.server, pytest.mark.pacs]
UNFIT = re.compile(r"\d+(?:\.\d+){4,}|2\.25\.\d|https?://")
UNKNOWN = "1.2.826.0.1.3680043.8.498.1"
wait_for = partial(waiting.wait_for, within_s=300.0, every_s=0.5)


def sentences(told: Any) -> Iterator[str]:
    """All texts of an answer that are more than one word."""
    if isinstance(told, dict):
        for one in told.values():
            yield from sentences(one)
    elif isinstance(told, list):
        for one in told:
            yield from sentences(one)
    elif isinstance(told, str) and " " in told:
        yield told


def twice(study: Study, folder: Path) -> Study:
    """A study whose STIR is there twice, as a series of another UID, so that two series fit."""
    shutil.copytree(study.folder, folder)
    (folder / "AGAIN").mkdir()
    for n, path in enumerate(sorted((folder / "STIR").glob("*.dcm"))):
        copy = pydicom.dcmread(path)
        copy.SeriesInstanceUID = f"{study.stir_uid[:50]}.77"
        copy.SOPInstanceUID = copy.file_meta.MediaStorageSOPInstanceUID = f"{study.stir_uid[:50]}.77.{n}"
        copy.save_as(folder / "AGAIN" / path.name)
    return Study(folder, study.t1w, study.stir, study.study_uid, study.t1w_uid, study.stir_uid)


@pytest.fixture
def studies(tmp_path) -> dict[str, Study]:
    """One whose T1W is resampled, one that is not fetched yet, one in which two series fit."""
    double = phantom_study(tmp_path / "double", 7, (96, 96, 7), labels=Labels("DOUBLE", "20250601"))
    return {
        "thin": with_more_slices(tmp_path / "thin"),
        "plain": phantom_study(tmp_path / "plain", 3, (96, 96, 7), labels=Labels("PLAIN", "20250601")),
        "double": twice(double, tmp_path / "twice"),
    }


def test_no_sentence_of_any_answer_shows_a_reader_a_uid_or_an_address(own_archive: Archive, studies, tmp_path):
    for study in studies.values():
        own_archive.store(study.files())
    with serving_archive(own_archive, tmp_path / "work") as server:
        told: list[tuple[str, str]] = []

        def ask(path: str, method: str = "GET", **more: Any) -> Any:
            answer = requests.request(method, server.url + path, timeout=300, **more)
            content = answer.json()
            told.extend((path, one) for one in sentences(content))
            return content

        def infer(model: str, image: str, params: str = "{}") -> Any:
            return ask(f"/infer/{model}?image={image}&output=json", "POST", data={"params": params})

        def known() -> set[str]:
            return {one["case"] for one in requests.get(f"{server.url}/vhi/cases", timeout=60).json()["cases"]}

        wait_for(lambda: {studies[name].study_uid for name in ("thin", "plain")} <= known())
        thin, plain, double = (studies[name] for name in ("thin", "plain", "double"))
        wait_for(lambda: ask(f"/vhi/study?study={double.study_uid}")["why"])
        facts = infer("vhi", thin.stir_uid)
        assert any("was resampled onto the grid of STIR of this case" in one for one in facts["warnings"]), facts["warnings"]
        infer(
            "vhi_clean",
            thin.stir_uid,
            '{"client_id": "anna", "gestures": [{"what": "remove", "scope": "lesion", "voxel": [0, 0, 0]}]}',
        )
        for image in (UNKNOWN, f"{UNKNOWN}_STIR", double.stir_uid):
            infer("vhi", image)
            for path in ("/datastore/image", "/vhi/report", "/vhi/review", "/vhi/submissions", "/vhi/earlier", "/vhi/reading"):
                ask(f"{path}?image={image}&client_id=anna&reading=1")
            ask("/vhi/rating", "POST", json={"image": image, "rating": "failed", "client_id": "anna"})
            ask(f"/vhi/draft?image={image}&reader=anna&reading=1")
        ask("/vhi/rating", "POST", json={"image": thin.stir_uid, "rating": "failed", "client_id": "anna"})
        for path in ("/vhi/report", "/vhi/review", "/vhi/earlier", "/vhi/reading"):
            ask(f"{path}?image={thin.stir_uid}&reader=anna&client_id=anna&reading=1")
        rows = ask("/vhi/worklist/rows?reader=anna&reading=1")["rows"]
        assert any(row["note"] for row in rows)
        ask("/activelearning/first", "POST", json={"client_id": "anna"})
        own_archive.stop()
        wait_for(lambda: "cannot be reached" in str(ask("/vhi/worklist/rows?reader=anna&reading=1")["rows"]))
        infer("vhi", plain.stir_uid)
        ask(f"/vhi/study?study={UNKNOWN}")
        ask("/vhi/archive?reader=anna")
        ask("/activelearning/first", "POST", json={"client_id": "bert"})
    assert len({one for _, one in told}) > 15
    assert [one for one in told if UNFIT.search(one[1])] == []
