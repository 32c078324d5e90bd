"""`check-studies` and `nifti-header`: what is told of inputs before anything is measured."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from drawing import pair
from lib.core.volume import Volume
from lib.studies.nifti import write_mask, write_volume


@pytest.fixture
def studies(tmp_path) -> Path:
    """NIfTI: a whole pair, half a pair, a pair that lies apart, a pair whose STIR says two things; and a DICOM study."""
    folder = tmp_path / "studies"
    scan = pair(np.random.default_rng(7))
    folder.mkdir()
    for role in ("t1w", "stir"):
        volume = getattr(scan, role)
        write_volume(folder / f"a_{role.upper()}.nii.gz", Volume(np.rint(volume.data).astype(np.float32), volume.grid))
    shutil.copy(folder / "a_STIR.nii.gz", folder / "b_STIR.nii.gz")
    for case, code in (("c", 1), ("d", 2)):
        shutil.copy(folder / "a_T1W.nii.gz", folder / f"{case}_T1W.nii.gz")
        image = nib.load(folder / "a_STIR.nii.gz")
        moved = image.affine.copy()
        moved[0, 3] += 10
        image.set_sform(moved, code)
        image.set_qform(moved if code == 1 else scan.stir.grid.affine, 1)
        nib.save(image, folder / f"{case}_STIR.nii.gz")
    return folder


def dicomized(run, studies: Path, *more: str) -> None:
    scans = ["--t1w", str(studies / "a_T1W.nii.gz"), "--stir", str(studies / "a_STIR.nii.gz")]
    assert run(["dicomize", *scans, "--out", str(studies / "dicom"), *more]).code == 0


def test_every_study_is_listed_with_what_was_taken_or_what_is_missing(run, studies):
    dicomized(run, studies, "--patient-id", "P7", "--study-date", "20260102")
    ended = run(["check-studies", str(studies), "--json"])
    assert ended.code == 3
    found = {one["study"]: one for one in json.loads(ended.out)}
    assert (found["a"]["t1w"], found["a"]["stir"], found["a"]["missing"]) == ("a_T1W.nii.gz", "a_STIR.nii.gz", None)
    assert "T1W series is missing" in found["b"]["missing"]
    assert "10.0 mm apart" in found["c"]["missing"]
    assert "sform (code 2" in found["d"]["missing"]
    study = next(one for one in found.values() if one["patient"] == "P7")
    assert study["missing"] is None
    assert study["date"] == "20260102"
    assert "T1" in study["t1w"]
    assert "STIR" in study["stir"]
    assert any("1 of 2 series fit (InversionTime 100 to 300" in one for one in study["why"])
    assert len(study["series"]) == 2
    said = run(["check-studies", str(studies)]).out
    assert "5 studies, 2 ready" in said
    assert "b  MISSING Its T1W series is missing" in said


def test_a_study_without_stir_says_what_was_sought_and_found(run, studies):
    dicomized(run, studies)
    for path in (studies / "dicom").rglob("*"):
        if path.is_file() and "STIR" in str(path):
            path.unlink()
    for path in studies.glob("*.nii.gz"):
        path.unlink()
    ended = run(["check-studies", str(studies)])
    assert ended.code == 3
    assert "none is a STIR series (InversionTime 100 to 300" in ended.out


@pytest.mark.parametrize(("name", "said"), [("nowhere", "is no folder"), ("empty", "holds neither NIfTI scans nor DICOM")])
def test_nothing_to_check_is_refused(run, tmp_path, name, said):
    (tmp_path / "empty").mkdir()
    ended = run(["check-studies", str(tmp_path / name)])
    assert ended.code == 2
    assert said in ended.error


def test_a_header_is_shown_and_mended_in_a_copy(run, studies, tmp_path):
    path = str(studies / "d_STIR.nii.gz")
    shown = run(["nifti-header", path])
    assert shown.code == 3
    assert "sform    code 2" in shown.out
    assert "10.00 mm apart" in shown.out
    copy = str(tmp_path / "copy.nii.gz")
    assert run(["nifti-header", path, "--use-qform", "--out", copy]).code == 0
    assert "read this header alike" in run(["nifti-header", copy]).out
    assert run(["nifti-header", path, "--use-qform"]).code == 2


def test_a_scan_with_slices_along_another_axis_is_refused_and_its_turned_copy_measured_alike(run, tmp_path):
    scan, numbers = pair(np.random.default_rng(7)), []
    masks = {"disease-region": scan.disease_region, "normal-bone": scan.normal_bone}
    regions = ["--forms", "json"]
    for name, mask in masks.items():
        write_mask(tmp_path / f"{name}.nii.gz", mask)
        regions += [f"--{name}", str(tmp_path / f"{name}.nii.gz")]
    turned, copies, plain = ([str(tmp_path / f"{kind}_{role}.nii.gz") for role in ("T1W", "STIR")] for kind in "acp")
    for volume, other, path in zip((scan.t1w, scan.stir), turned, plain, strict=True):
        write_volume(Path(path), volume)
        nib.save(nib.Nifti1Image(volume.data.transpose(0, 2, 1), volume.grid.affine[:, [0, 2, 1, 3]]), other)
    refused = run(["measure", "--t1w", turned[0], "--stir", turned[1], *regions, "--out", str(tmp_path / "refused")])
    assert refused.code == 2
    assert "along the second axis" in refused.error
    assert "along the second axis" in run(["check-studies", str(tmp_path)]).out
    for path, copy in zip(turned, copies, strict=True):
        assert run(["nifti-header", path, "--slices-last", "--out", copy]).code == 0
    for t1w, stir in (copies, plain, (turned[0], plain[1])):
        out = tmp_path / f"out{len(numbers)}"
        assert run(["measure", "--t1w", t1w, "--stir", stir, *regions, "--out", str(out)]).code == 0
        numbers.append(json.loads((out / "vhi.json").read_text())["vhi_mm3"]["sensitive"])
    assert numbers[0] > 0
    assert numbers == pytest.approx([numbers[1]] * 3)
