"""`reproduce` over a folder laid out as the authors' repository."""

import csv
import json

import nibabel as nib
import numpy as np
import pytest

from authorsclone import PUBLISHED, real_clone, savetxt, write_semi_automatic, write_training_tables

AFFINE = np.diag([1.0, 1.0, 3.0, 1.0])


def rows_of(path):
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def mask(*spans: tuple[int, int]) -> np.ndarray:
    """Voxels of one row of a (20, 2, 2) volume, by first and one past the last."""
    data = np.zeros((20, 2, 2), dtype=bool)
    for low, high in spans:
        data[low:high, 0, 0] = True
    return data


def small_clone(folder):
    """One scan with all six readings, whose numbers are counted by hand."""
    readings = {"R11": mask((0, 8)), "R12": mask((0, 6)), "R21": mask((4, 10)), "R22": mask((2, 10))}
    for reading, drawn in readings.items():
        place = folder / "data" / "segmentations" / "Inflammation_manual_segmentation" / reading
        place.mkdir(parents=True)
        nib.save(nib.Nifti1Image(drawn.astype(np.uint8), AFFINE), place / f"1003_inflammation_{reading}.nii.gz")
    lower = {"R1": mask((2, 10)), "R2": mask((2, 8))}
    write_semi_automatic(folder, "1003", lower, {"R1": mask((2, 4)), "R2": mask((2, 3))}, AFFINE)
    overlap = folder / "generated_files" / "overlap"
    header = "Col. 0: scan ID, Col. 1: volume overlap"
    # 8 and 6 voxels share 4: 8/14
    savetxt(overlap / "overlap_R11_R21.txt", [(1003.0, 8 / 14)], header)
    # 8 and 6 share 6: 12/14; published here one unit of the fourth decimal too high
    savetxt(overlap / "overlap_R1_R2.txt", [(1003.0, 12 / 14 + 1e-4)], header)
    header = "Col. 1: volume similarity coefficient"
    savetxt(folder / "generated_files" / "vs" / "vs_R1_R2.txt", [(1003.0, 12 / 14, 8, 6)], header)
    write_training_tables(folder)


@pytest.mark.slow
def test_a_clone_becomes_a_page_of_ours_beside_theirs(run, tmp_path):
    clone, out = tmp_path / "clone", tmp_path / "out"
    small_clone(clone)
    (clone / "example_image.nii.gz").write_bytes(b"no image")
    ended = run(["reproduce", str(clone), "--out", str(out), "--no-networks"])
    assert ended.code == 0, ended.error
    content = json.loads((out / "report" / "reproduction.json").read_text())
    assert {str(path.relative_to(out / "report")) for path in (out / "report").rglob("*") if path.is_file()} == set(
        content["files"]
    )
    found = {one["what"]: one for one in content["comparisons"]}
    assert found["Dice of R11 R21, 1003"]["verdict"] == "identical"
    wrong = found["Dice of R1 R2, 1003"]
    assert (wrong["verdict"], round(wrong["difference"], 9)) == ("differs", -1e-4)
    assert found["volume similarity of R1 R2, 1003"]["verdict"] in ("identical", "equal to the last digit")
    assert found["voxels of R1, 1003, beside R2"]["ours"] == 8
    # 3 of R11 0-7, R21 4-9, R1 2-9, R2 2-7 mark 2 to 3 (R11, R1, R2), 4 to 7 (all) and nothing else but 8, 9 (R21, R1)
    composite = found["median Dice against the composite, reader 2, semi-automatic, from the masks"]
    assert (composite["ours"], composite["verdict"]) == (1.0, "not comparable")
    assert found["mean 2-D Dice of the test slices, from the authors' table"]["verdict"] == "equal as printed"
    assert content["passed_over"] == [
        {"file": "example_image.nii.gz", "why": "its name is none that the authors give to scans, masks or tables"}
    ]
    assert "differ      " in ended.out
    page = (out / "report" / "report.html").read_text()
    assert "What cannot be reproduced from public data" in page
    assert (out / "report" / "report.pdf").read_bytes().startswith(b"%PDF")

    again = run(["reproduce", str(clone), "--out", str(out), "--no-networks"])
    assert "steps       0 done, 1 kept from before" in again.out


@pytest.mark.slow
def test_a_mask_that_cannot_be_read_is_named_and_the_others_count(run, tmp_path):
    clone, out = tmp_path / "clone", tmp_path / "out"
    small_clone(clone)
    broken = next(clone.rglob("1003_inflammation_R22.nii.gz"))
    broken.write_bytes(broken.read_bytes()[:60])
    ended = run(["reproduce", str(clone), "--out", str(out), "--no-networks"])
    assert ended.code == 0, ended.error
    (left,) = rows_of(out / "report" / "tables" / "passed_over.csv")
    assert left["file"].endswith("R22/1003_inflammation_R22.nii.gz")
    kept = json.loads((out / "work" / "readers_1003.json").read_text())["result"]
    assert set(kept["voxels"]) == {"R11", "R12", "R21", "R1", "R2"}


def test_what_is_no_clone_is_refused_in_one_sentence(run, tmp_path):
    ended = run(["reproduce", str(tmp_path), "--out", str(tmp_path / "out")])
    assert (ended.code, ended.error.count("\n")) == (2, 1)
    assert "holds none of the files that the authors publish" in ended.error
    assert not (tmp_path / "out").exists()


@pytest.mark.data
@pytest.mark.slow
def test_every_published_number_of_the_shared_scans_is_equal(run, vhi_data, tmp_path):
    clone, out = tmp_path / "clone", tmp_path / "out"
    clone.mkdir()
    real_clone(clone, vhi_data)
    ended = run(["reproduce", str(clone), "--out", str(out), "--no-networks"])
    assert ended.code == 0, ended.error
    rows = rows_of(out / "report" / "tables" / "comparisons.csv")
    by_group: dict[str, list[str]] = {}
    for one in rows:
        if "1003" not in one["what"]:
            by_group.setdefault(one["group"], []).append(one["verdict"])
    pairs = len(PUBLISHED["dice"]) - 1
    assert by_group["Overlaps, scan by scan"] == ["identical"] * 7 * pairs
    assert set(by_group["Volume similarities, scan by scan"]) <= {"identical", "equal to the last digit"}
    assert by_group["Voxel counts, scan by scan"] == ["identical"] * 7 * pairs * 2
    # count, intensities and both thresholds of eight scans
    assert by_group["Normal bone"] == ["identical"] * 8 * 4
    # of the scan that is not shared the masks are missing, which is no difference
    assert {one["verdict"] for one in rows if one["what"].endswith(", 1003")} == {"missing"}
    semi = json.loads((out / "work" / "readers_1013.json").read_text())["result"]
    assert {"R1", "R2"} <= semi["voxels"].keys()
    assert semi["conservative_voxels"].keys() == {"R1", "R2"}
