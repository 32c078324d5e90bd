"""DICOM folders given to the command line, and NIfTI pairs made into them."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import nibabel as nib
import numpy as np
import pydicom
import pytest
from pydicom.valuerep import DSfloat

from drawing import pair
from lib.core.volume import Volume
from lib.studies.nifti import write_mask, write_volume

pytestmark = pytest.mark.slow  # seconds in all

# perpendicular, as DICOM needs it
STRAIGHT = np.array([[-0.6, 0.0, 0.0, 60.0], [0.0, 0.45, -2.0, -20.0], [0.0, 0.4, 2.25, -40.0], [0.0, 0.0, 0.0, 1.0]])


@pytest.fixture
def files(tmp_path) -> dict[str, str]:
    """A pair of NIfTI scans of whole numbers, and both masks."""
    scan = pair(np.random.default_rng(7), affine=STRAIGHT)
    (tmp_path / "in").mkdir()
    for role in ("t1w", "stir"):
        volume = getattr(scan, role)
        write_volume(tmp_path / "in" / f"{role}.nii.gz", Volume(np.rint(volume.data).astype(np.float32), volume.grid))
    write_mask(tmp_path / "in" / "region.nii.gz", scan.disease_region)
    write_mask(tmp_path / "in" / "bone.nii.gz", scan.normal_bone)
    names = {"--t1w": "t1w", "--stir": "stir", "--disease-region": "region", "--normal-bone": "bone"}
    return {option: str(tmp_path / "in" / f"{name}.nii.gz") for option, name in names.items()}


def flat(options: dict[str, str | Path]) -> list[str]:
    return [str(part) for option in options.items() for part in option]


def dicomized(run, files, folder: Path, *more: str) -> Path:
    ended = run(["dicomize", *flat({name: files[name] for name in ("--t1w", "--stir")}), "--out", str(folder), *more])
    assert ended.code == 0, ended
    return folder


def masks(files: dict[str, str]) -> dict[str, str]:
    return {name: files[name] for name in ("--disease-region", "--normal-bone")}


def numbers(out: Path) -> dict:
    return json.loads((out / "vhi.json").read_text())


def on_voxels_of(image: nib.Nifti1Image, other: nib.Nifti1Image) -> np.ndarray:
    """The values of a map at the voxels of another, which must lie at the same places."""
    at = np.argwhere(np.ones(other.shape, dtype=bool))
    index = np.c_[at, np.ones(len(at))] @ (np.linalg.inv(image.affine) @ other.affine)[:3].T
    assert np.abs(index - np.rint(index)).max() < 1e-3
    return np.asarray(image.dataobj)[tuple(np.rint(index).astype(int).T)].reshape(other.shape)


@pytest.mark.parametrize("numbering", [[], ["--descending"]], ids=["ascending", "descending"])
def test_a_study_made_of_a_nifti_pair_measures_as_the_pair(run, files, tmp_path, numbering):
    study = dicomized(run, files, tmp_path / "study", *numbering)
    given = {"nifti": flat(files), "dicom": flat({"--study": study, **masks(files)})}
    given["series"] = flat({"--t1w": study / "T1W", "--stir": study / "STIR", **masks(files)})
    for name, options in given.items():
        ended = run(["measure", *options, "--out", str(tmp_path / name)])
        assert (ended.code, ended.error) == (0, ""), ended
    expected = numbers(tmp_path / "nifti")
    assert expected["voxels"]["sensitive"] > expected["voxels"]["conservative"] > 0
    for name in ("dicom", "series"):
        content = numbers(tmp_path / name)
        assert content["voxels"] == expected["voxels"]
        # each calls the scan as the user knows it
        assert len(content["warnings"]) == len(expected["warnings"])
        for one, other in zip(content["warnings"], expected["warnings"], strict=True):
            assert re.sub(r"\((series \d+|T1W|STIR)\)", "(t1w.nii.gz)", one) == other
        assert content["vhi_mm3"]["sensitive"] == pytest.approx(expected["vhi_mm3"]["sensitive"], rel=1e-6)  # NIfTI keeps float32
        for map_name in ("grade", "disease_region", "normal_bone"):
            one, other = (nib.load(tmp_path / place / f"{map_name}.nii.gz") for place in (name, "nifti"))
            np.testing.assert_array_equal(on_voxels_of(one, other), np.asarray(other.dataobj))


def test_dicom_and_nifti_may_be_mixed(run, files, tmp_path):
    study = dicomized(run, files, tmp_path / "study")
    for name, options in {"nifti": files, "mixed": files | {"--stir": str(study / "STIR")}}.items():
        assert run(["measure", *flat(options), "--out", str(tmp_path / name)]).code == 0
    assert numbers(tmp_path / "mixed")["voxels"] == numbers(tmp_path / "nifti")["voxels"]


def test_the_inputs_of_a_study_are_recorded(run, files, tmp_path):
    study = dicomized(run, files, tmp_path / "study")
    assert run(["measure", *flat({"--study": study, **masks(files)}), "--out", str(tmp_path / "out")]).code == 0
    inputs = {one["role"]: one for one in numbers(tmp_path / "out")["provenance"]["inputs"]}
    assert set(inputs) == {"T1W", "STIR", "normal bone", "disease region"}
    assert inputs["STIR"]["sha256"] != inputs["T1W"]["sha256"]
    first = next((study / "STIR").glob("*.dcm"))
    image = pydicom.dcmread(first)
    image.RescaleIntercept = "1"
    image.save_as(first)
    assert run(["measure", *flat({"--study": study, **masks(files)}), "--out", str(tmp_path / "again")]).code == 0
    again = {one["role"]: one for one in numbers(tmp_path / "again")["provenance"]["inputs"]}
    assert again["STIR"]["sha256"] != inputs["STIR"]["sha256"]
    assert again["T1W"] == inputs["T1W"]


def test_a_chosen_series_is_taken_and_a_wrong_one_listed(run, files, tmp_path):
    study = dicomized(run, files, tmp_path / "study")
    uid = pydicom.dcmread(next((study / "STIR").glob("*.dcm"))).SeriesInstanceUID
    options = flat({"--study": study, **masks(files), "--out": tmp_path / "out"})
    assert run(["measure", *options, "--stir-series", uid]).code == 0
    ended = run(["measure", *options, "--stir-series", "1.2.3"])
    assert ended.code == 2
    assert uid in ended.error
    assert ended.error.count("\n") == 1


def test_a_study_in_a_zip_file_is_measured_and_recorded_as_one_file(run, files, tmp_path):
    study = dicomized(run, files, tmp_path / "study")
    archive = shutil.make_archive(str(tmp_path / "study"), "zip", study)
    options = flat({"--study": archive, **masks(files), "--out": tmp_path / "out", "--dicom-out": tmp_path / "dicom"})
    ended = run(["measure", *options])
    assert (ended.code, ended.error) == (0, "")
    assert (tmp_path / "dicom" / "sr.dcm").is_file()
    inputs = [one for one in numbers(tmp_path / "out")["provenance"]["inputs"] if one["role"] in ("T1W", "STIR")]
    assert {(one["file"], one["sha256"]) for one in inputs} == {
        ("study.zip", hashlib.sha256(Path(archive).read_bytes()).hexdigest())
    }


def test_of_two_patients_one_is_chosen(run, files, tmp_path):
    for patient in ("P1", "P2"):
        dicomized(run, files, tmp_path / "all" / patient, "--patient-id", patient)
    options = flat({"--study": tmp_path / "all", **masks(files), "--out": tmp_path / "out"})
    ended = run(["measure", *options])
    assert ended.code == 2
    assert "Choose one with --study-uid, or with --patient" in " ".join(ended.error.split())
    assert run(["measure", *options, "--patient", "P2"]).code == 0


def test_headers_full_of_oddities_leave_the_terminal_clean(files, tmp_path):
    """In a process of its own, whose standard error is a user's: libraries warn there."""
    root = Path(__file__).parents[2]
    call = [sys.executable, "main.py"]
    two = flat({name: files[name] for name in ("--t1w", "--stir")})
    subprocess.run([*call, "dicomize", *two, "--out", tmp_path / "study"], cwd=root, check=True, capture_output=True)
    for path in (tmp_path / "study").rglob("*.dcm"):
        image = pydicom.dcmread(path)
        image.add_new("PatientName", "PN", "A^B^C^D^E^F^G")
        image.add_new("PatientAge", "AS", "forty")
        image.add_new("AccessionNumber", "SH", "x" * 40)
        image.add_new("StationName", "SH", "ä" * 20)
        image.add_new("ImageComments", "LT", "é")
        image.add_new("EchoNumbers", "IS", "1")
        image.PixelSpacing = [DSfloat(f"{value:.17f}") for value in image.PixelSpacing]
        image.save_as(path)
    options = flat({"--study": tmp_path / "study", **masks(files), "--out": tmp_path / "out", "--dicom-out": tmp_path / "dicom"})
    done = subprocess.run([*call, "measure", *options], cwd=root, capture_output=True, text=True, check=False)
    assert done.stderr == ""
    assert done.returncode == 0


@pytest.mark.parametrize(
    ("options", "match"),
    [
        (["--study", "STUDY", "--t1w", "STUDY/T1W"], "Pass --t1w and --stir, or --study alone"),
        (["--t1w", "STUDY/T1W", "--stir", "STUDY/STIR", "--stir-series", "1.2"], "choose within --study"),
        (["--t1w", "STUDY", "--stir", "STUDY/STIR"], "holds 2 series"),
        (["--t1w", "STUDY/STIR", "--stir", "STUDY/STIR"], "hold the same voxels"),
        (["--study", "STUDY/STIR"], "none is a T1W series"),
        (["--study", "STUDY/none"], "cannot be listed (No such file"),
    ],
)
def test_options_that_cannot_be_served_end_in_one_sentence(run, files, tmp_path, options, match):
    study = dicomized(run, files, tmp_path / "study")
    ended = run(["measure", *[one.replace("STUDY", str(study)) for one in options], "--out", str(tmp_path / "out")])
    assert ended.code == 2, ended
    assert match in ended.error
    assert ended.error.count("\n") == 1
    assert not (tmp_path / "out").exists()


def test_the_disease_region_takes_a_dicom_folder(run, files, tmp_path):
    study = dicomized(run, files, tmp_path / "study")
    ended = run(["disease-region", str(study / "T1W"), "--out", str(tmp_path / "m.nii"), "--model-dir", str(tmp_path / "none")])
    assert "No trained model at" in ended.error  # the series was read before that
    ended = run(["disease-region", str(study), "--out", str(tmp_path / "m.nii"), "--model-dir", str(tmp_path / "none")])
    assert "holds 2 series" in ended.error


class TestDicomize:
    def test_every_slice_is_valid_and_says_that_its_timing_is_nominal(self, run, files, tmp_path):
        study = dicomized(run, files, tmp_path / "study", "--patient-id", "p 7", "--study-date", "20250601")
        images = [pydicom.dcmread(file) for file in sorted(study.rglob("*.dcm"))]
        assert len(images) == 12
        assert len({one.SOPInstanceUID for one in images}) == 12
        assert len({one.SeriesInstanceUID for one in images}) == 2
        for shared in ("StudyInstanceUID", "FrameOfReferenceUID", "PatientID", "StudyDate"):
            assert len({one[shared].value for one in images}) == 1
        assert (images[0].PatientID, images[0].StudyDate) == ("p 7", "20250601")
        assert all(one.SOPInstanceUID.is_valid and "nominal" in one.ImageComments for one in images)

    def test_other_content_and_other_labels_have_other_uids(self, run, files, tmp_path):
        def uids(name: str, *more: str) -> set[str]:
            found = dicomized(run, files, tmp_path / name, *more)
            return {pydicom.dcmread(file).SOPInstanceUID for file in found.rglob("*.dcm")}

        plain = uids("one")
        assert uids("two") == plain
        assert not uids("three", "--descending") & plain
        assert not uids("four", "--patient-id", "other") & plain

    def test_numbers_that_are_not_whole_are_kept_to_half_a_step_and_that_is_said(self, run, files, tmp_path):
        image = nib.load(files["--stir"])
        fine = np.asarray(image.dataobj) * np.float32(1.0001) + np.float32(0.123)
        nib.save(nib.Nifti1Image(fine, image.affine), files["--stir"])
        ended = run(["dicomize", *flat({name: files[name] for name in ("--t1w", "--stir")}), "--out", str(tmp_path / "study")])
        told = float(ended.out.split("STIR")[1].split("intensity ")[1].split()[0])
        half_a_step = float(fine.max() - fine.min()) / 65535 / 2
        assert 0.9 * half_a_step < told <= 1.01 * half_a_step

    @pytest.mark.parametrize(
        ("more", "match"),
        [
            (["--study-date", "2025-06-01"], "YYYYMMDD"),
            (["--study-date", "20251301"], "YYYYMMDD"),
            (["--patient-id", "a\\b"], "no backslash"),
            (["--patient-id", "x" * 65], "at most 64"),
        ],
    )
    def test_labels_that_cannot_be_written(self, run, files, tmp_path, more, match):
        ended = run(["dicomize", *flat({k: files[k] for k in ("--t1w", "--stir")}), "--out", str(tmp_path / "study"), *more])
        assert ended.code == 2
        assert match in ended.error
        assert not (tmp_path / "study").exists()

    def test_a_folder_with_something_in_it_is_left_alone(self, run, files, tmp_path):
        before = hashlib.sha256(Path(files["--t1w"]).read_bytes()).hexdigest()
        ended = run(["dicomize", *flat({k: files[k] for k in ("--t1w", "--stir")}), "--out", str(tmp_path / "in")])
        assert ended.code == 2
        assert "is not empty" in ended.error
        assert hashlib.sha256(Path(files["--t1w"]).read_bytes()).hexdigest() == before

    def test_a_full_disk_leaves_nothing(self, run, files, tmp_path, monkeypatch):
        def full(handle: int) -> None:
            raise OSError(28, os.strerror(28))

        monkeypatch.setattr(os, "fsync", full)
        ended = run(["dicomize", *flat({k: files[k] for k in ("--t1w", "--stir")}), "--out", str(tmp_path / "deep" / "study")])
        assert ended.code == 2
        assert "the disk is full" in ended.error
        assert {path.name for path in tmp_path.iterdir()} == {"in"}
