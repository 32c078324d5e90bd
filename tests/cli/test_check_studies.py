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
from lib.studies.nifti import write_volume


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
