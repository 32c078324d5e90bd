"""The published scans through the server, with the client code of 3D Slicer; numbers as the command line gives them."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from serving import serving
from slicing import read, save_segments

pytestmark = [pytest.mark.server, pytest.mark.data]

MAIN = Path(__file__).parents[2] / "main.py"
SLICER = {"result_extension": ".nrrd", "result_dtype": "uint8"}
TASKS = ("disease_region", "normal_bone", "vhi", "vhi_clean")
SUBJECT = "1013"


@pytest.fixture(scope="module")
def server(vhi_data, tmp_path_factory):
    work = tmp_path_factory.mktemp("work")
    # nothing is written beside the scans
    with serving(vhi_data / "images_study", work, conf={"data": str(work / "data")}) as running:
        yield running


@pytest.fixture(scope="module")
def measured(vhi_data, tmp_path_factory) -> dict:
    """`vhi.json` of the command line, with the manual masks."""
    out = tmp_path_factory.mktemp("cli") / "result"
    images, masks = vhi_data / "images_study", vhi_data / "segmentations"
    options = {
        "--t1w": images / "T1W" / f"{SUBJECT}_T1W.nii.gz",
        "--stir": images / "STIR" / f"{SUBJECT}_STIR.nii.gz",
        "--normal-bone": masks / "normal_marrow" / f"{SUBJECT}_normal_marrow.nii.gz",
        "--disease-region": masks / "disease_region" / f"{SUBJECT}_disease_region.nii.gz",
        "--out": out,
    }
    arguments = [str(part) for option in options.items() for part in option]
    subprocess.run([sys.executable, str(MAIN), "measure", *arguments], check=True, capture_output=True)
    return json.loads((out / "vhi.json").read_text())


def series(vhi_data: Path, image_id: str) -> Path:
    return vhi_data / "images_study" / image_id.rsplit("_", 1)[1] / f"{image_id}.nii.gz"


@pytest.mark.parametrize("image_id", [f"{SUBJECT}_STIR", f"{SUBJECT}_T1W", "1007_STIR"])
@pytest.mark.parametrize("task", TASKS)
def test_every_task_answers_on_the_grid_of_the_series_asked_for(server, vhi_data, tmp_path, task, image_id):
    file, facts = server.client("anna", tmp_path).infer(task, image_id, dict(SLICER))
    labels, affine = read(file)
    voxels, expected = read(series(vhi_data, image_id))
    assert labels.shape == voxels.shape
    np.testing.assert_allclose(affine, expected, atol=1e-4)
    assert labels.any()
    assert set(np.unique(labels)) - {0} <= set(facts["label_names"].values())


def test_the_manual_masks_submitted_give_the_numbers_of_the_command_line(server, vhi_data, tmp_path, measured):
    image, masks = f"{SUBJECT}_STIR", vhi_data / "segmentations"
    region = read(masks / "disease_region" / f"{SUBJECT}_disease_region.nii.gz")[0]
    bone = read(masks / "normal_marrow" / f"{SUBJECT}_normal_marrow.nii.gz")[0]
    client = server.client("manual", tmp_path)
    # the region first: the normal bone lies in it, and one map holds one of the two
    for segments in ({"disease region": region}, {"disease region": region, "normal bone": bone}):
        params = save_segments(segments, series(vhi_data, image), tmp_path / "saved.nii.gz")
        client.save_label(image, str(tmp_path / "saved.nii.gz"), params=params)
    file, facts = client.infer("vhi", image, dict(SLICER))
    assert all(told.startswith("your submission") for told in facts["used"].values())
    for part in ("thresholds", "vhi_mm3", "voxels", "left", "right", "stability"):
        assert facts[part] == measured[part], part
    # each told with a voxel to jump to besides
    assert [{name: lesion[name] for name in measured["lesions"][0]} for lesion in facts["lesions"]] == measured["lesions"]
    labels, _ = read(file)
    assert np.count_nonzero(labels) == measured["voxels"]["sensitive"]
