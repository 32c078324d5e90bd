"""`measure` from files to a result folder."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from lib.cli.measure import RESULT_FILES
from lib.core.pipeline import measure_vhi
from lib.core.settings import VhiSettings
from lib.core.volume import Mask, Volume
from lib.studies.nifti import read_mask, read_volume, write_mask, write_volume

pytestmark = pytest.mark.slow  # seconds in all

ROOT = Path(__file__).parents[2]


def program(arguments: list[str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, str(ROOT / "main.py"), *arguments], capture_output=True, text=True, check=False)


def numbers(out: Path) -> dict:
    return json.loads((out / "vhi.json").read_text())


def test_a_result_folder_holds_what_was_measured(run, study, tmp_path):
    out = tmp_path / "results" / "one"
    write_volume(study.folder / "adc.nii.gz", Volume(study.scan.stir.data * 2, study.scan.stir.grid))
    ended = run([*study.arguments(out, image=study.folder / "adc.nii.gz"), "--set", "min_pixels=3"])
    assert ended.code == 0, ended
    assert ended.error == ""
    assert {path.name for path in out.iterdir()} == set(RESULT_FILES) - {"overlay.png"}
    assert [path.name for path in out.parent.iterdir()] == ["one"]
    found, result = numbers(out), measured(study, min_pixels=3)
    assert found["voxels"]["sensitive"] == result.measurement.total.sensitive > 0
    assert found["vhi_mm3"]["conservative"] == pytest.approx(result.measurement.total.conservative_mm3)
    adc, bone = found["images"][0], result.normal_bone_values
    assert adc["image"] == "image 1 (adc.nii.gz)"
    assert adc["regions"][0]["mean"] == pytest.approx(2 * bone.mean(), rel=1e-9)
    assert adc["regions"][0]["median"] == pytest.approx(2 * np.median(bone), rel=1e-9)
    assert str(result.measurement.total.sensitive) in ended.out
    assert str(out / "report.html") in ended.out


def measured(study, **settings):
    scan = study.scan
    chosen = VhiSettings.from_values(settings)
    return measure_vhi(scan.t1w, scan.stir, (), scan.normal_bone, chosen, scan.disease_region)


def test_the_masks_lie_on_the_stir_grid(run, study, tmp_path):
    assert run(study.arguments(tmp_path / "out")).code == 0
    result = measured(study)
    stir = nib.load(study.options["stir"])
    expected = {
        "grade": result.grade,
        "lesions": result.lesion_labels,
        "disease_region": study.scan.disease_region.data,
        "normal_bone": study.scan.normal_bone.data,
    }
    for name, array in expected.items():
        image = nib.load(tmp_path / "out" / f"{name}.nii.gz")
        np.testing.assert_array_equal(np.asarray(image.dataobj), array)
        np.testing.assert_allclose(image.affine, stir.affine, atol=1e-5)
        assert image.header.get_xyzt_units()[0] == "mm"


def test_provenance_names_programs_settings_and_inputs(run, study, tmp_path):
    assert run([*study.arguments(tmp_path / "out"), "--set", "connectivity=4"]).code == 0
    provenance = numbers(tmp_path / "out")["provenance"]
    assert provenance["settings"]["connectivity"] == 4
    assert provenance["settings"]["min_pixels"] == 4
    assert provenance["model"] is None
    assert "torch" not in provenance["versions"]
    assert {"vhi", "python", "numpy"} <= set(provenance["versions"])
    assert provenance["created"].endswith("+00:00")
    assert [one["role"] for one in provenance["inputs"]] == ["T1W", "STIR", "normal bone", "disease region"]
    assert provenance["inputs"][1] == {
        "role": "STIR",
        "file": "stir.nii.gz",
        "sha256": hashlib.sha256(Path(study.options["stir"]).read_bytes()).hexdigest(),
    }


def test_an_earlier_result_is_replaced_and_measures_the_same(run, study, tmp_path):
    for _ in range(2):
        assert run(study.arguments(tmp_path / "out")).code == 0
    first = numbers(tmp_path / "out")
    # the masks that were written measure the same when they are given back
    again = study.arguments(tmp_path / "again", normal_bone=tmp_path / "out" / "normal_bone.nii.gz")
    assert run(again).code == 0
    second = numbers(tmp_path / "again")
    assert {**first, "provenance": None} == {**second, "provenance": None}


def test_no_inflammation_is_a_result(run, study, tmp_path):
    bone = study.scan.normal_bone.data
    dark = np.where(bone, study.scan.stir.data, study.scan.stir.data[bone].min() / 2 * (1 + study.scan.stir.data / 1e4))
    write_volume(study.folder / "dark.nii.gz", Volume(dark, study.scan.stir.grid))
    region = study.scan.disease_region.data & ~bone
    write_mask(study.folder / "dark_region.nii.gz", Mask(region, study.scan.stir.grid))
    changes = {"stir": study.folder / "dark.nii.gz", "disease_region": study.folder / "dark_region.nii.gz"}
    ended = run(study.arguments(tmp_path / "out", **changes))
    assert ended.code == 0, ended
    content = numbers(tmp_path / "out")
    assert content["vhi_mm3"] == {"sensitive": 0, "conservative": 0}
    assert content["lesions"] == []
    assert not np.asarray(nib.load(tmp_path / "out" / "grade.nii.gz").dataobj).any()


def test_the_program_measures_without_any_network(study, tmp_path):
    ended = program(study.arguments(tmp_path / "out"))
    assert ended.returncode == 0, ended.stderr
    assert ended.stderr == ""
    assert {path.name for path in (tmp_path / "out").iterdir()} == set(RESULT_FILES) - {"overlay.png"}


@pytest.mark.parametrize(("sent", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_an_interrupted_program_leaves_nothing(study, tmp_path, sent, code):
    process = subprocess.Popen(
        [sys.executable, str(ROOT / "main.py"), *study.arguments(tmp_path / "deep" / "out")], stderr=subprocess.PIPE, text=True
    )
    deadline = time.monotonic() + 60
    # its folder beside the target shows that it is writing
    while not list(tmp_path.glob("deep/.out.partial-*")) and time.monotonic() < deadline and process.poll() is None:
        time.sleep(0.005)
    os.kill(process.pid, sent)
    _, error = process.communicate(timeout=60)
    assert process.returncode == code, error
    assert "Traceback" not in error
    assert [path.name for path in tmp_path.iterdir()] == ["in"]


@pytest.mark.data
def test_1013_with_its_manual_masks_gives_the_published_numbers(run, vhi_data, tmp_path):
    masks = vhi_data / "segmentations"
    ended = run(
        [
            "measure",
            *("--t1w", str(vhi_data / "images_study/T1W/1013_T1W.nii.gz")),
            *("--stir", str(vhi_data / "images_study/STIR/1013_STIR.nii.gz")),
            *("--normal-bone", str(masks / "normal_marrow/1013_normal_marrow.nii.gz")),
            *("--disease-region", str(masks / "disease_region/1013_disease_region.nii.gz")),
            *("--out", str(tmp_path / "out")),
        ]
    )
    assert ended.code == 0, ended
    content = numbers(tmp_path / "out")
    assert content["thresholds"]["sensitive"] == pytest.approx(443.8192749, abs=1e-6)
    assert content["thresholds"]["conservative"] == pytest.approx(468.7841091, abs=1e-6)
    assert content["thresholds"]["multiple"] == 3.0
    assert content["voxels"] == {"sensitive": 104878, "conservative": 95645, "raw_sensitive": 105565}
    grade = np.asarray(nib.load(tmp_path / "out" / "grade.nii.gz").dataobj)
    assert (int((grade >= 1).sum()), int((grade == 2).sum())) == (104878, 95645)


@pytest.mark.data
def test_a_real_scan_alone_is_measured_in_bounded_memory(vhi_data, tmp_path):
    arguments = [
        "measure",
        *("--t1w", str(vhi_data / "images_study/T1W/1013_T1W.nii.gz")),
        *("--stir", str(vhi_data / "images_study/STIR/1013_STIR.nii.gz")),
        *("--out", str(tmp_path / "out")),
    ]
    report = (
        # not ru_maxrss: that begins with the memory of the process that started this one
        "import re, runpy, sys; sys.argv = sys.argv[1:]\n"
        "try: runpy.run_path(sys.argv[0], run_name='__main__')\n"
        "finally: print('PEAK', re.search(r'VmHWM:\\s+(\\d+)', open('/proc/self/status').read())[1])"
    )
    ended = subprocess.run(
        [sys.executable, "-c", report, str(ROOT / "main.py"), *arguments], capture_output=True, text=True, check=False
    )
    assert ended.returncode == 0, ended.stderr
    assert int(ended.stdout.split("PEAK")[1]) * 1024 < 1.5e9
    content = numbers(tmp_path / "out")
    assert content["provenance"]["model"]["sha256"]
    assert content["provenance"]["model"]["engine"] == "openvino"
    assert content["disease_region"]["source"].startswith("ensemble of")
    assert any("no reader" in warning for warning in content["warnings"])
    # what was written is what was measured
    stir = read_volume(vhi_data / "images_study/STIR/1013_STIR.nii.gz", "STIR")
    t1w = read_volume(vhi_data / "images_study/T1W/1013_T1W.nii.gz", "T1W")
    region = read_mask(tmp_path / "out" / "disease_region.nii.gz", "disease region")
    bone = read_mask(tmp_path / "out" / "normal_bone.nii.gz", "normal bone")
    # a region that is passed is a reader's, whose rule is another
    again = measure_vhi(t1w, stir, (), bone, VhiSettings.from_values({"rule": "robust"}), region)
    assert again.measurement.total.sensitive == content["voxels"]["sensitive"]
