"""`measure --dicom-out`: a DICOM study in, a Segmentation and a report of it out."""

from __future__ import annotations

import json
from pathlib import Path

import nibabel as nib
import numpy as np
import pydicom
import pytest

from drawing import pair
from lib.core.volume import Volume
from lib.errors import InputError
from lib.studies.dicom_seg_reader import read_segments
from lib.studies.dicom_series import read_series
from lib.studies.nifti import read_mask, read_volume, write_mask, write_volume
from mrseries import mr_series

pytestmark = pytest.mark.slow  # seconds in all

# oblique coronal with slices straight behind each other: I to the patient's left, J up and forward, K back
STRAIGHT = np.array([[-0.6, 0.0, 0.0, 60.0], [0.0, 0.45, -2.0, -20.0], [0.0, 0.4, 2.25, -40.0], [0.0, 0.0, 0.0, 1.0]])


def write_series(folder: Path, volume: Volume, *, ascending: bool) -> None:
    for number, image in enumerate(mr_series(volume, folder.name, ascending=ascending)):
        image.save_as(folder / f"{number}.dcm", enforce_file_format=True)


@pytest.fixture
def options(tmp_path) -> dict[str, str]:
    """Arguments of measure for a DICOM study of whole-number intensities, and both masks as NIfTI."""
    scan = pair(np.random.default_rng(7), affine=STRAIGHT)
    volumes = {role: Volume(np.rint(getattr(scan, role).data), scan.stir.grid, role) for role in ("t1w", "stir")}
    for role, volume in volumes.items():
        (tmp_path / role).mkdir()
        write_series(tmp_path / role, volume, ascending=role == "t1w")
        write_volume(tmp_path / f"{role}.nii.gz", volume)
    write_mask(tmp_path / "region.nii.gz", scan.disease_region)
    write_mask(tmp_path / "bone.nii.gz", scan.normal_bone)
    files = {"t1w": "t1w", "stir": "stir", "disease-region": "region.nii.gz", "normal-bone": "bone.nii.gz"}
    return {f"--{name}": str(tmp_path / file) for name, file in files.items()}


def arguments(options: dict[str, str], **more: Path) -> list[str]:
    named = options | {f"--{name.replace('_', '-')}": str(path) for name, path in more.items()}
    return ["measure", *(part for pair in named.items() for part in pair)]


def test_both_objects_say_what_the_result_says(run, options, tmp_path):
    ended = run(arguments(options, out=tmp_path / "out", dicom_out=tmp_path / "dicom"))
    assert ended.code == 0, ended
    assert {path.name for path in (tmp_path / "dicom").iterdir()} == {"seg.dcm", "sr.dcm"}
    assert str(tmp_path / "dicom") in ended.out
    numbers = json.loads((tmp_path / "out" / "vhi.json").read_text())
    stir, info = read_series(tmp_path / "stir", "STIR")
    masks = read_segments(pydicom.dcmread(tmp_path / "dicom" / "seg.dcm"), stir.grid, info.frame_of_reference_uid)
    assert masks["inflammation"].voxels == numbers["voxels"]["sensitive"] > 0
    assert masks["inflammation (conservative)"].voxels == numbers["voxels"]["conservative"] > 0
    report = pydicom.dcmread(tmp_path / "dicom" / "sr.dcm")
    assert f"{numbers['vhi_mm3']['sensitive']:.6f}"[:8] in str(report)
    assert report.StudyInstanceUID == info.study_uid


def test_masks_come_back_to_the_voxels_that_were_given(run, options, tmp_path):
    assert run(arguments(options, out=tmp_path / "out", dicom_out=tmp_path / "dicom")).code == 0
    bone = read_mask(tmp_path / "bone.nii.gz", "normal bone")
    masks = read_segments(pydicom.dcmread(tmp_path / "dicom" / "seg.dcm"), bone.grid)
    np.testing.assert_array_equal(masks["normal bone"].data, bone.data)


def test_an_earlier_result_is_replaced_and_a_folder_of_the_users_is_not(run, options, tmp_path):
    places = {"out": tmp_path / "out", "dicom_out": tmp_path / "dicom"}
    assert run(arguments(options, **places)).code == 0
    before = (tmp_path / "dicom" / "sr.dcm").read_bytes()
    assert run(arguments(options, **places)).code == 0
    assert (tmp_path / "dicom" / "sr.dcm").read_bytes() != before
    (tmp_path / "dicom" / "letter.txt").write_text("mine")
    ended = run(arguments(options, **places))
    assert (ended.code, "letter.txt" in ended.error) == (2, True)


def test_a_nifti_stir_is_refused_before_anything_is_measured(run, options, tmp_path):
    ended = run(
        arguments(options | {"--stir": str(tmp_path / "stir.nii.gz")}, out=tmp_path / "out", dicom_out=tmp_path / "dicom")
    )
    assert ended.code == 2
    assert "needs a STIR scan that is a DICOM series" in ended.error
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("place", ["out", "out/dicom", "."])
def test_the_two_folders_may_not_lie_in_each_other(run, options, tmp_path, place):
    ended = run(arguments(options, out=tmp_path / "out", dicom_out=tmp_path / place))
    assert ended.code == 2
    assert "lie in each other" in ended.error


def test_neither_folder_appears_when_one_object_cannot_be_written(run, options, tmp_path, monkeypatch):
    def fails(*_):
        raise InputError("The headers are damaged.")

    monkeypatch.setattr("lib.reports.dicom_sr.structured_report", fails)
    ended = run(arguments(options, out=tmp_path / "out", dicom_out=tmp_path / "dicom"))
    assert (ended.code, "The headers are damaged." in ended.error) == (2, True)
    assert not (tmp_path / "out").exists()
    assert not (tmp_path / "dicom").exists()


def test_no_inflammation_is_a_report_of_zero(run, options, tmp_path):
    stir, bone = read_volume(tmp_path / "stir.nii.gz", "STIR"), read_mask(tmp_path / "bone.nii.gz", "normal bone")
    dark = np.where(bone.data, stir.data, 40.0 + np.indices(stir.grid.shape).sum(axis=0) % 9)
    write_series(tmp_path / "stir", Volume(dark, stir.grid, "STIR"), ascending=False)
    ended = run(arguments(options, out=tmp_path / "out", dicom_out=tmp_path / "dicom"))
    assert ended.code == 0, ended
    assert json.loads((tmp_path / "out" / "vhi.json").read_text())["vhi_mm3"]["sensitive"] == 0
    labels = [one.SegmentLabel for one in pydicom.dcmread(tmp_path / "dicom" / "seg.dcm").SegmentSequence]
    assert labels == ["normal bone", "disease region"]
    assert "0.0" in str(pydicom.dcmread(tmp_path / "dicom" / "sr.dcm"))


def test_dicomize_refuses_axes_that_are_not_perpendicular(run, study, tmp_path):
    files = []
    for role in ("t1w", "stir"):
        image = nib.load(study.options[role])
        affine = image.affine.copy()
        affine[:3, 1] += 0.05 * affine[:3, 0]  # 2.9 degrees
        image.set_qform(None, 0)
        image.set_sform(affine, 1)
        nib.save(image, tmp_path / f"{role}.nii")
        files += [f"--{role}", str(tmp_path / f"{role}.nii")]
    ended = run(["dicomize", *files, "--out", str(tmp_path / "study")])
    assert ended.code == 2
    assert "sheared" in ended.error
    assert not (tmp_path / "study").exists()


def test_measure_finds_the_pair_of_a_study(run, options, tmp_path):
    files = [part for role in ("t1w", "stir") for part in (f"--{role}", str(tmp_path / f"{role}.nii.gz"))]
    assert run(["dicomize", *files, "--out", str(tmp_path / "study")]).code == 0
    masks = [part for name in ("--disease-region", "--normal-bone") for part in (name, options[name])]
    assert run(["measure", *files, *masks, "--out", str(tmp_path / "nifti")]).code == 0
    assert run(["measure", "--study", str(tmp_path / "study"), *masks, "--out", str(tmp_path / "dicom")]).code == 0
    one, other = (json.loads((tmp_path / name / "vhi.json").read_text()) for name in ("nifti", "dicom"))
    assert one["voxels"] == other["voxels"]
    assert one["thresholds"].pop("rule") == other["thresholds"].pop("rule")
    assert one["thresholds"] == pytest.approx(other["thresholds"], rel=1e-9)
    assert one["voxels"]["sensitive"] > 0


def test_a_study_and_a_scan_together_are_refused(run, tmp_path):
    ended = run(["measure", "--study", str(tmp_path), "--t1w", "t1w.nii.gz", "--out", str(tmp_path / "out")])
    assert ended.code == 2
    assert "found --t1w and --study" in ended.error
    assert run(["measure", "--out", str(tmp_path / "out")]).code == 2


def test_a_batch_writes_the_report_as_dicom_too_also_where_it_was_done_without(run, options, tmp_path):
    row = ",".join(["A1", *(options[f"--{name}"] for name in ("t1w", "stir", "disease-region", "normal-bone"))])
    (tmp_path / "cases.csv").write_text(f"case,t1w,stir,disease_region,normal_bone\n{row}\n")
    places = ["--out", str(tmp_path / "out"), "--dicom-out", str(tmp_path / "dicom"), "--jobs", "1"]
    assert run(["batch", str(tmp_path / "cases.csv"), *places]).code == 0
    assert {path.name for path in (tmp_path / "dicom" / "A1").iterdir()} == {"seg.dcm", "sr.dcm"}
    for _ in range(2):
        ended = run(["batch", str(tmp_path / "cases.csv"), *places, "--dicom-report"])
        assert ended.code == 0, ended
        assert {path.name for path in (tmp_path / "dicom" / "A1").iterdir()} == {"seg.dcm", "sr.dcm", "report.dcm", "picture.dcm"}
    assert "1 of them finished before" in ended.out
    ended = run(["batch", str(tmp_path / "cases.csv"), "--out", str(tmp_path / "out"), "--dicom-report"])
    assert (ended.code, "--dicom-report adds to the folder of --dicom-out" in ended.error) == (2, True)
