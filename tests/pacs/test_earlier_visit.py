"""Two visits of one patient in an archive, a year apart, through the server: the second says what changed since the first."""

from __future__ import annotations

import secrets
from functools import partial

import pydicom
import pytest
import requests

import waiting
from archived_case import client_of, numbers_of
from archives import dicomized, serving_archive
from lib.studies.dicomize import Labels
from lib.studies.nifti import write_volume
from phantoms_once import phantom_once

pytestmark = [pytest.mark.server, pytest.mark.pacs]

wait_for = partial(waiting.wait_for, within_s=120.0, every_s=0.5)


@pytest.fixture(scope="module")
def phantom():
    return phantom_once(4, (112, 112, 9))


@pytest.fixture
def visits(own_archive, phantom, tmp_path):
    """Studies of one patient in 2024 and 2025, and of another patient whose id another hospital gave, in the archive."""
    patient, found = secrets.token_hex(6), {}
    pair = tmp_path / "t1w.nii.gz", tmp_path / "stir.nii.gz"
    write_volume(pair[0], phantom.t1w)
    write_volume(pair[1], phantom.stir)
    for name, date in (("first", "20240601"), ("second", "20250601"), ("stranger", "20250101")):
        study = dicomized(tmp_path / name, *pair, labels=Labels(patient, date))
        if name == "stranger":
            for path in study.files():
                header = pydicom.dcmread(path)
                header.IssuerOfPatientID = "ELSEWHERE"
                header.save_as(path)
        own_archive.store(study.files())
        found[name] = study
    return found


def cases_of(server):
    return {one["case"] for one in requests.get(f"{server.url}/vhi/cases", timeout=60).json()["cases"]}


def test_the_second_visit_says_what_changed_since_the_first(own_archive, visits, tmp_path):
    with serving_archive(own_archive, tmp_path / "site") as server:
        wait_for(lambda: {one.study_uid for one in visits.values()} <= cases_of(server))
        client = server.client("anna", tmp_path)

        def measured(name, model="vhi", **params):
            return client.infer(model, visits[name].stir_uid, {"result_extension": ".nii.gz", "result_dtype": "uint8", **params})

        def submitted(name, removed):
            """Without the lesions whose numbers are given."""
            _, facts = measured(name)
            clicks = [one["voxel"] for one in facts["lesions"] if one["id"] in removed]
            file, facts = measured(name, "vhi_clean", background=clicks)
            client.save_label(visits[name].stir_uid, file, "", {"label_info": [{"name": "inflammation", "idx": 1}]})
            return facts

        stranger = submitted("stranger", [3])
        first = submitted("first", [1])
        assert "change" not in first
        assert "change" not in stranger
        second = submitted("second", [2])
        change = second["change"]
        assert change["earlier_date"] == "2024-06-01"
        assert change["earlier_mm3"] == first["vhi_mm3"]["sensitive"]
        assert change["change_mm3"] == pytest.approx(second["vhi_mm3"]["sensitive"] - first["vhi_mm3"]["sensitive"])
        assert (change["counts"]["new"], change["counts"]["resolved"]) == (1, 1)
        assert second["earlier"]["case"] == visits["first"].study_uid
        report = second["earlier"]["report"]
        assert requests.get(f"{server.url}/vhi/report", {**report, "form": "html"}, timeout=60).status_code == 200
        _, raw = measured("second")
        assert any("the earlier number is VHI, this one Uncleaned volume" in one for one in raw["change"]["doubts"])

        asked = {"image": visits["second"].stir_uid, "reader": "anna"}
        stored = requests.get(f"{server.url}/vhi/report", {**asked, "form": "json"}, timeout=60).json()
        assert stored["change"] == change
        html = requests.get(f"{server.url}/vhi/report", {**asked, "form": "html"}, timeout=60).text
        assert "Earlier visit of 2024-06-01: VHI (cleaned by anna)" in html
        assert "The earlier visit above, this one below" in html  # both visits' pictures
        assert requests.get(f"{server.url}/vhi/report", {**asked, "form": "pdf"}, timeout=60).content.startswith(b"%PDF")

        archive_client = client_of(own_archive)

        def reports():
            series = archive_client.series(visits["second"].study_uid, Modality="SR")
            return [one for entry in series for one in archive_client.retrieve(visits["second"].study_uid, entry.series_uid)]

        wait_for(reports)
        numbers = numbers_of(reports()[-1])["VHI at the sensitive threshold"]
        assert numbers["The same volume at the earlier visit"] == pytest.approx(change["earlier_mm3"], abs=0.01)
        assert numbers["Change of the volume since the earlier visit"] == pytest.approx(change["change_mm3"], abs=0.01)
        assert numbers["Number of lesions that are new since the earlier visit"] == 1
