"""Readings in the archive, for `cohort --pacs`: Segmentations and reports, of this server and of other viewers."""

from __future__ import annotations

import csv
import json

import numpy as np
import pytest
from typer.testing import CliRunner

from archived_case import INFLAMMATION, ArchivedCase, seg_of
from lib.cli.app import app
from lib.pacs.archive_readings import fetch_readings
from lib.studies.nifti import read_mask


@pytest.fixture
def archived_case(archive, tmp_path):
    return ArchivedCase(tmp_path / "site", archive)


@pytest.fixture
def delivered(archived_case):
    """One reading by anna that the server delivered: a Segmentation with its report, beside one with regions alone."""
    service = archived_case.service()
    archived_case.draw_regions(service)
    archived_case.submit(service, (INFLAMMATION, archived_case.lesions == 2))
    service.delivery.outbox.send()
    return archived_case


def fetched(archived_case, tmp_path):
    folder = tmp_path / "fetched"
    folder.mkdir()
    return fetch_readings(archived_case.client, folder, {"PatientID": archived_case.patient})


def test_what_the_server_delivered_and_what_another_viewer_stored_are_read(delivered, tmp_path):
    other = seg_of(delivered, {"inflammation": delivered.lesions > 0}, creator="Bell^Ben")
    delivered.client.store([other])
    found = fetched(delivered, tmp_path)
    readings = {one.reader: one for one in found.readings}
    assert set(readings) == {"anna", "Bell Ben"}
    # 4 and 12 voxels of 6 mm3
    assert {name: read_mask(one.mask, "m").voxels for name, one in readings.items()} == {"anna": 4, "Bell Ben": 12}
    assert readings["anna"].numbers == {"vhi_mm3": 24.0, "vhi_conservative_mm3": 0.0}
    assert {one.method for one in found.readings} == {"semi-automatic"}
    # another viewer's Segmentation says nothing of post-transforms
    assert {name: str(one.chain) for name, one in readings.items()} == {"anna": "paper", "Bell Ben": "None"}
    assert {one.patient for one in found.readings} == {delivered.patient}
    # regions alone are no reading, and the raw automatic measurement has no reader
    assert {why for _, why in found.passed_over} <= {
        "none of its segments is inflammation",
        "no reader: an automatic result",
        "no reader has cleaned it, so it is no VHI; --accept-uncleaned takes it",
    }
    assert readings["anna"].stage == "cleaned"


def test_nothing_left_is_a_reading_of_zero(archived_case, tmp_path):
    service = archived_case.service()
    archived_case.draw_regions(service)
    archived_case.submit(service, (INFLAMMATION, np.zeros_like(archived_case.lesions, dtype=bool)))
    service.delivery.outbox.send()
    (reading,) = [one for one in fetched(archived_case, tmp_path).readings if one.numbers.get("vhi_mm3") == 0.0]
    assert (reading.reader, reading.mask) == ("anna", None)


def test_the_newest_of_a_reader_counts_and_numbered_readings_stay_apart(archived_case, tmp_path):
    def stored(voxels: np.ndarray, written: str, description: str = "") -> None:
        more = {"SeriesDescription": description} if description else {}
        archived_case.client.store([seg_of(archived_case, {"inflammation": voxels}, creator="Bell^Ben", written=written, **more)])

    stored(archived_case.lesions == 1, "20250601 120000")
    stored(archived_case.lesions == 2, "20250602 120000")
    stored(archived_case.lesions > 0, "20250603 120000", "reading 2")
    found = fetched(archived_case, tmp_path)
    assert {one.reading: read_mask(one.mask, "m").voxels for one in found.readings} == {1: 4, 2: 12}
    assert [why for _, why in found.passed_over] == ["the same reader's newer reading of the study counts"]


def test_cohort_analyses_an_archive(delivered, tmp_path, monkeypatch):
    delivered.client.store([seg_of(delivered, {"inflammation": delivered.lesions > 0}, creator="Bell^Ben")])
    archive, out = delivered.archive, tmp_path / "out"
    monkeypatch.setenv("MONAI_LABEL_DICOMWEB_USERNAME", archive.user or "")
    monkeypatch.setenv("MONAI_LABEL_DICOMWEB_PASSWORD", archive.password or "")
    ended = CliRunner().invoke(
        app, ["cohort", "--pacs", archive.url, "--pacs-filter", f"PatientID={delivered.patient}", "--out", str(out)]
    )
    assert ended.exit_code == 0, ended.stderr
    with (out / "tables" / "overlap_pairs.csv").open(newline="") as file:
        (pair,) = csv.DictReader(file)
    # 4 voxels of 12 and 4
    assert (float(pair["dice"]), pair["subject"], pair["visit"]) == (0.5, delivered.patient, "baseline")
    notes = json.loads((out / "cohort.json").read_text())["notes"]
    assert any("objects of the archive" in note for note in notes)


def test_an_archive_without_readings_is_refused(archived_case, tmp_path, monkeypatch):
    archive = archived_case.archive
    monkeypatch.setenv("MONAI_LABEL_DICOMWEB_USERNAME", archive.user or "")
    monkeypatch.setenv("MONAI_LABEL_DICOMWEB_PASSWORD", archive.password or "")
    ended = CliRunner().invoke(
        app,
        ["cohort", "--pacs", archive.url, "--pacs-filter", f"PatientID={archived_case.patient}", "--out", str(tmp_path / "out")],
    )
    assert (ended.exit_code, "holds no reading" in ended.stderr) == (2, True), ended.stderr
    assert CliRunner().invoke(app, ["cohort", "--out", str(tmp_path / "out")]).exit_code == 2
