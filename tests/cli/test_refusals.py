"""Bad input and bad places: one sentence, exit code 2, nothing written."""

from __future__ import annotations

import errno
import os
import re
from collections.abc import Callable
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from cli.conftest import Ended, Study
from lib.core.volume import Grid, Mask, Volume
from lib.studies.nifti import write_mask, write_volume

pytestmark = pytest.mark.slow  # seconds in all

Run = Callable[[list[str]], Ended]


def everything(folder: Path) -> set[Path]:
    return set(folder.rglob("*"))


def refused(run: Run, study: Study, match: str, **changes: str | Path | None) -> None:
    """`measure` with changed options ends with code 2 and one line that matches, and leaves no trace."""
    out = study.folder.parent / "out"
    arguments = study.arguments(**({"out": out} | changes))
    before = everything(study.folder.parent)
    ended = run(arguments)
    assert ended.code == 2, ended
    assert re.search(match, ended.error), ended.error
    assert ended.error.count("\n") == 1
    assert "Traceback" not in ended.error
    assert ended.out == ""
    assert everything(study.folder.parent) == before


def moved(grid: Grid, mm: float) -> Grid:
    affine = grid.affine.copy()
    affine[0, 3] += mm
    return Grid(grid.shape, affine)


def stored(study: Study, array: np.ndarray, name: str = "changed.nii.gz") -> Path:
    """An array on the study's geometry, unchecked."""
    image = nib.Nifti1Image(array, study.scan.stir.grid.affine)
    image.set_sform(study.scan.stir.grid.affine, code=1)
    nib.save(image, study.folder / name)
    return study.folder / name


def test_scans_of_unequal_shape(run, study):
    write_volume(
        study.folder / "s.nii.gz", Volume(study.scan.stir.data[:, :, 1:], Grid((24, 20, 5), study.scan.stir.grid.affine))
    )
    refused(
        run, study, r"T1W \(t1w.nii.gz\) has shape \(24, 20, 6\) and STIR \(s.nii.gz\) has shape", stir=study.folder / "s.nii.gz"
    )


def test_scans_that_lie_apart(run, study):
    write_volume(study.folder / "s.nii.gz", Volume(study.scan.stir.data, moved(study.scan.stir.grid, 7.5)))
    refused(run, study, r"lie up to 7\.5 mm apart \(allowed 0\.5 mm\)", stir=study.folder / "s.nii.gz")


@pytest.mark.parametrize("option", ["t1w", "stir", "normal_bone", "disease_region", "image"])
def test_a_missing_file(run, study, option):
    role = {"t1w": "T1W", "stir": "STIR", "image": "image 1"}.get(option, option.replace("_", " "))
    refused(run, study, f"{role}: there is no file .*absent.nii.gz", **{option: study.folder / "absent.nii.gz"})


@pytest.mark.parametrize("option", ["t1w", "stir", "normal_bone", "disease_region", "image"])
def test_a_truncated_file(run, study, option):
    content = (study.folder / "stir.nii.gz").read_bytes()
    (study.folder / "cut.nii.gz").write_bytes(content[: len(content) // 2])
    refused(run, study, r"\(cut.nii.gz\) is truncated", **{option: study.folder / "cut.nii.gz"})


def test_a_folder_as_scan(run, study):
    refused(run, study, "STIR: .* is a folder", stir=study.folder)


@pytest.mark.parametrize("option", ["t1w", "stir", "image"])
@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_voxels_that_are_not_finite(run, study, option, bad):
    array = study.scan.stir.data.astype(np.float32)
    array[3, 4, 2] = bad
    refused(run, study, r"\(changed.nii.gz\) holds 1 voxels that are NaN or infinite", **{option: stored(study, array)})


@pytest.mark.parametrize("option", ["t1w", "stir", "image"])
def test_a_constant_scan(run, study, option):
    refused(run, study, "is constant", **{option: stored(study, np.full((24, 20, 6), 5, dtype=np.int16))})


def test_a_4d_scan(run, study):
    array = np.repeat(study.scan.stir.data[..., np.newaxis], 2, axis=3)
    refused(run, study, r"STIR \(changed.nii.gz\) is 4-D with shape \(24, 20, 6, 2\)", stir=stored(study, array))


def test_a_colour_scan(run, study):
    rgb = np.zeros((24, 20, 6), dtype=[("R", "u1"), ("G", "u1"), ("B", "u1")])
    refused(run, study, "holds colour or complex voxels", t1w=stored(study, rgb))


def test_exchanged_scans(run, study):
    refused(run, study, "exchanged", t1w=study.options["stir"], stir=study.options["t1w"])


def test_one_scan_given_twice(run, study):
    refused(run, study, "hold the same voxels", t1w=study.options["stir"])


@pytest.mark.parametrize("option", ["normal_bone", "disease_region"])
def test_an_inverted_mask(run, study, option):
    inside = np.zeros((24, 20, 6), dtype=bool)
    inside[8:14, 6:12, 1:5] = True
    changed = {option: stored(study, (~inside).astype(np.uint8))}
    refused(run, study, r"\(changed.nii.gz\) covers \d+% of the scan and all its corners: .*or the mask is inverted", **changed)


def test_an_empty_normal_bone(run, study):
    refused(
        run, study, r"normal bone \(changed.nii.gz\)\) is empty", normal_bone=stored(study, np.zeros((24, 20, 6), dtype=np.uint8))
    )


def test_a_normal_bone_of_few_voxels(run, study):
    bone = np.zeros((24, 20, 6), dtype=np.uint8)
    bone[10, 10:13, 2] = 1
    refused(run, study, "holds 3 voxels", normal_bone=stored(study, bone))


def test_a_normal_bone_of_one_intensity(run, study):
    stir = study.scan.stir.data.copy()
    stir[study.scan.normal_bone.data] = 0
    write_volume(study.folder / "s.nii.gz", Volume(stir, study.scan.stir.grid))
    refused(run, study, "one STIR intensity", stir=study.folder / "s.nii.gz")


def test_an_empty_disease_region(run, study):
    region = stored(study, np.zeros((24, 20, 6), dtype=np.uint8))
    refused(run, study, r"disease region \(changed.nii.gz\) is empty", disease_region=region)


@pytest.mark.parametrize("option", ["normal_bone", "disease_region"])
def test_a_mask_with_other_values(run, study, option):
    array = study.scan.disease_region.data.astype(np.uint8) * 2
    array[12, 10, 2] = 1
    refused(run, study, r"holds 3 values \(0, 1, 2\); a mask holds only 0 and 1", **{option: stored(study, array)})


@pytest.mark.parametrize("option", ["normal_bone", "disease_region"])
def test_a_mask_of_another_grid(run, study, option):
    path = study.folder / "other.nii.gz"
    write_mask(path, Mask(study.scan.normal_bone.data, moved(study.scan.stir.grid, -3)))
    refused(run, study, r"STIR \(stir.nii.gz\) and .*\(other.nii.gz\) .*3\.0 mm apart", **{option: path})
    beside = moved(study.scan.stir.grid, 0.3).affine  # half a voxel: no box cut out of STIR
    write_mask(path, Mask(study.scan.normal_bone.data[1:], Grid((23, 20, 6), beside)))
    refused(run, study, r"\(other.nii.gz\) has shape \(23, 20, 6\)", **{option: path})


def test_another_sequence_of_another_place(run, study):
    write_volume(study.folder / "adc.nii.gz", Volume(study.scan.stir.data, moved(study.scan.stir.grid, 900)))
    refused(run, study, r"image 1 \(adc.nii.gz\) covers no voxel", image=study.folder / "adc.nii.gz")


@pytest.mark.parametrize(
    ("change", "match"),
    [
        ("min_pixel=3", "There is no setting 'min_pixel'; did you mean min_pixels"),
        ("connectivity=6", "connectivity must be 4 or 8, found 6"),
        ("min_pixels=many", "min_pixels needs a whole number, found 'many'"),
        ("first_multiple=nan", "first_multiple needs a number"),
        ("min_pixels", "--set needs NAME=VALUE, found 'min_pixels'"),
        ("=3", "--set needs NAME=VALUE"),
    ],
)
def test_a_setting_that_cannot_be(run, study, change, match):
    refused(run, study, match, set=change)


def test_a_setting_given_twice(run, study):
    out = study.folder.parent / "out"
    ended = run([*study.arguments(out), "--set", "min_pixels=3", "--set", "min_pixels=5"])
    assert ended.code == 2
    assert "--set gives min_pixels twice (3 and 5)" in ended.error
    assert not out.exists()


def test_no_model_where_the_disease_region_must_be_computed(run, study, tmp_path):
    refused(run, study, "No trained model at", disease_region=None, model_dir=tmp_path / "none")


def test_an_output_folder_that_holds_something_else(run, study):
    refused(run, study, "is not empty and holds no earlier result", out=study.folder)


def test_an_output_below_a_file(run, study):
    refused(run, study, "a file is where a folder is needed", out=study.folder / "stir.nii.gz" / "out")


@pytest.mark.parametrize(("number", "match"), [(errno.ENOSPC, "the disk is full"), (errno.EROFS, "the file system is read-only")])
@pytest.mark.parametrize("when", ["at the first file", "at a later file", "at the folder"])
def test_an_output_that_fails(run, study, monkeypatch, number, match, when):
    # a file costs two calls, itself and its folder; eight files are written and then the folder
    first = {"at the first file": 1, "at a later file": 7, "at the folder": 17}[when]
    real, calls = os.fsync, []

    def failing(handle: int) -> None:
        calls.append(handle)
        if len(calls) >= first:
            raise OSError(number, os.strerror(number))
        real(handle)

    monkeypatch.setattr(os, "fsync", failing)
    refused(run, study, match, out=study.folder.parent / "deep" / "out")
    assert len(calls) >= first


@pytest.mark.skipif(not Path("/proc/version").exists(), reason="needs a Linux /proc")
def test_a_read_only_output(run, study):
    refused(run, study, "/proc/out cannot be written", out=Path("/proc/out"))


@pytest.mark.skipif(os.geteuid() == 0, reason="permissions do not bind root")
def test_an_output_folder_without_permission(run, study):
    closed = study.folder.parent / "closed"
    closed.mkdir(mode=0o500)
    refused(run, study, "may not write there", out=closed / "out")


def test_a_missing_option_is_told(run, study):
    ended = run(["measure", "--t1w", study.options["t1w"]])
    assert ended.code == 2
    assert "Missing option '--out'" in ended.error


class TestDiseaseRegion:
    def ends(self, run: Run, study: Study, t1w: str | Path, out: str | Path, match: str) -> None:
        before = everything(study.folder.parent)
        ended = run(["disease-region", str(t1w), "--out", str(out), "--model-dir", str(study.folder / "none")])
        assert ended.code == 2
        assert re.search(match, ended.error), ended.error
        assert ended.error.count("\n") == 1
        assert everything(study.folder.parent) == before

    def test_refusals(self, run, study):
        t1w, mask = study.options["t1w"], study.folder / "mask.nii.gz"
        self.ends(run, study, study.folder / "no.nii", mask, "T1W: there is no file")
        self.ends(run, study, t1w, study.folder / "mask.png", r"must end in .nii or .nii.gz")
        self.ends(run, study, t1w, t1w, "is the T1W scan itself")
        self.ends(run, study, t1w, study.folder / "no" / "mask.nii", "the folder .*no does not exist")
        self.ends(run, study, t1w, mask, "No trained model at")


def test_networks_that_are_not_there(run, study):
    none = study.folder / "none"
    refused(run, study, f"No trained model at {none}", disease_region=None, model_dir=none)


def test_a_scan_that_is_refused_while_the_networks_are_loaded(run, study):
    refused(run, study, "absent.nii.gz", disease_region=None, stir=study.folder / "absent.nii.gz")
