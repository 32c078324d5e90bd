"""Real scans as DICOM in an archive, through the server: the same VHI, to the voxel, as from NIfTI on the command line."""

from __future__ import annotations

import json
import os
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import requests

import waiting
from archives import dicomized, real_pair, serving_archive
from lib.core.volume import Grid
from lib.studies.dicom_series import read_series
from lib.studies.dicomize import Labels
from lib.studies.nifti import read_labels, read_volume
from lib.studies.registration import labels_at
from programs import ran
from serving import serving
from slicing import read

pytestmark = [pytest.mark.server, pytest.mark.pacs]

MAIN = Path(__file__).parents[2] / "main.py"
# InstanceNumber rises along the slices' normal, and against it
CASES = {"1013": False, "1007": True}
PATIENCE_S = 300.0


def cases_of(server) -> set[str]:
    return {one["case"] for one in requests.get(f"{server.url}/vhi/cases", timeout=60).json()["cases"]}


wait_for = partial(waiting.wait_for, within_s=PATIENCE_S, every_s=0.5)


@pytest.fixture(scope="module")
def measured(vhi_data, tmp_path_factory) -> dict[str, Path]:
    """Result folders of the command line, from NIfTI."""
    found = {}
    for case in CASES:
        t1w, stir = real_pair(vhi_data, case)
        found[case] = tmp_path_factory.mktemp("measured") / "result"
        arguments = ["--t1w", t1w, "--stir", stir, "--out", found[case]]
        ended = ran([str(MAIN), "measure", *map(str, arguments)], found[case].parent, os.environ)
        assert ended.returncode == 0, ended.stdout
    return found


@pytest.fixture(scope="module")
def dicom(vhi_data, tmp_path_factory):
    """The same scans as DICOM studies."""
    folder = tmp_path_factory.mktemp("dicom")
    return {
        case: dicomized(folder / case, *real_pair(vhi_data, case), labels=Labels(f"P{case}", "20250601", descending))
        for case, descending in CASES.items()
    }


@pytest.mark.data
def test_real_scans_give_the_vhi_of_the_command_line_to_the_voxel(own_archive, dicom, measured, tmp_path):
    for study in dicom.values():
        own_archive.store(study.files())
    with serving_archive(own_archive, tmp_path) as server:
        wait_for(lambda: {one.study_uid for one in dicom.values()} <= cases_of(server))
        for case, study in dicom.items():
            params = {"result_extension": ".nrrd", "result_dtype": "uint8", "show": "both"}
            file, facts = server.client("anna", tmp_path).infer("vhi", study.stir_uid, params)
            labels, affine = read(file)
            grade, grid = read_labels(measured[case] / "grade.nii.gz", "grade")
            np.testing.assert_array_equal(labels, labels_at(grade, grid, Grid(labels.shape, affine)))
            expected = json.loads((measured[case] / "vhi.json").read_text())
            assert facts["voxels"] == expected["voxels"]
            assert facts["thresholds"].pop("rule") == expected["thresholds"].pop("rule")
            assert facts["thresholds"] == pytest.approx(expected["thresholds"], rel=1e-9)
            for grade_name, mm3 in expected["vhi_mm3"].items():
                assert facts["vhi_mm3"][grade_name] == pytest.approx(mm3, rel=1e-5)  # geometry in NIfTI has 7 digits
            assert labels.any()


def test_a_series_is_handed_to_slicer_with_its_voxels(own_archive, study, tmp_path):
    own_archive.store(study.files())
    with serving_archive(own_archive, tmp_path) as server:
        wait_for(lambda: study.study_uid in cases_of(server))
        for uid, role in ((study.stir_uid, "STIR"), (study.t1w_uid, "T1W")):
            status, content = server.get(f"/datastore/image?image={uid}")
            assert status == 200
            (tmp_path / "image.nii").write_bytes(content)
            handed, sent = read_volume(tmp_path / "image.nii", role), read_series(study.folder / role, role)[0]
            np.testing.assert_array_equal(handed.data, sent.data)
            np.testing.assert_allclose(handed.grid.affine, sent.grid.affine, atol=1e-4)


def test_a_folder_of_dicom_files_is_served_as_an_archive_of_its_own(study, tmp_path):
    folder = tmp_path / "dicom"
    folder.mkdir()
    for path in study.files():
        (folder / f"{path.parent.name}-{path.name}").write_bytes(path.read_bytes())
    words = ["--archive", str(folder), "--data", str(tmp_path / "data"), "--set", "pacs_settle_s=0", "--set", "pacs_look_s=1"]
    with serving(folder, tmp_path, command=[str(MAIN), "serve", "--port", "{port}", *words]) as server:
        wait_for(lambda: study.study_uid in cases_of(server))
        assert server.get(f"/datastore/image?image={study.stir_uid}")[0] == 200
    log = server.log.read_text()
    assert "Traceback" not in log


def test_monai_labels_own_start_takes_the_address_and_its_own_variables(own_orthanc, study, tmp_path):
    own_orthanc.store(study.files())
    conf = {"data": str(tmp_path / "data"), "pacs_settle_s": "0", "pacs_look_s": "0.5"}
    variables = {**own_orthanc.environment, "MONAI_LABEL_STUDIES": own_orthanc.url}
    with serving(tmp_path, tmp_path, conf=conf, **variables) as server:
        wait_for(lambda: study.study_uid in cases_of(server))
        next_one = requests.post(f"{server.url}/activelearning/first", json={"client_id": "anna"}, timeout=60).json()
        assert next_one["id"] in {one.series_uid for one in study_series(own_orthanc)}
        assert own_orthanc.password not in server.log.read_text()


def study_series(orthanc):
    from lib.pacs.client import Archive

    return Archive(orthanc.url, orthanc.user, orthanc.password).series()
