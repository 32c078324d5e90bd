"""`evaluate` from two folders to its tables."""

from __future__ import annotations

import csv
import json
import re
from pathlib import Path

import numpy as np
import pytest

from drawing import slice_of
from lib.cli.evaluate import _csv
from lib.core.volume import Grid
from lib.studies.nifti import write_labels

SQUARE = slice_of("11....", "12....", "....1.", "......")
GRID = Grid(SQUARE.shape, np.diag([0.5, 0.5, 4.0, 1.0]))


@pytest.fixture
def folders(tmp_path) -> tuple[Path, Path]:
    made = tmp_path / "predictions", tmp_path / "references"
    for folder in made:
        folder.mkdir()
    return made


def write(folder: Path, name: str, labels: np.ndarray, grid: Grid = GRID) -> None:
    write_labels(folder / name, labels, grid)


@pytest.mark.slow
def test_a_folder_of_lesions_becomes_a_table_json_and_csv(run, folders, tmp_path):
    predictions, references = folders
    half = SQUARE.copy()
    half[:, 1:] = 0
    write(predictions, "a.nii.gz", half)
    write(references, "a.nii", SQUARE)
    for folder in folders:
        write(folder, "none.nii.gz", np.zeros_like(SQUARE))
    out = tmp_path / "out"
    ended = run(["evaluate", str(predictions), str(references), "--lesions", "--out", str(out)])
    assert ended.code == 0, ended
    content = json.loads((out / "evaluation.json").read_text())
    a, none = content["cases"]
    assert (a["case"], a["prediction_voxels"], a["reference_voxels"], a["reference_mm3"]) == ("a", 2, 5, 5.0)
    assert a["dice"] == pytest.approx(2 * 2 / 7)
    assert (a["reference_lesions"], a["found_lesions"], a["predicted_lesions"], a["false_lesions"]) == (2, 1, 1, 0)
    assert (none["dice"], none["hausdorff95_mm"], none["lesion_sensitivity"]) == (None, None, None)
    summary = content["summary"]
    assert (summary["cases"], summary["both_empty"], summary["one_empty"], summary["dice"]["n"]) == (2, 1, 0, 1)
    assert (summary["lesion_sensitivity"], summary["lesion_precision"]) == (0.5, 1.0)
    assert len(content["rules"]) == 4
    with (out / "evaluation.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert (rows[0]["case"], rows[0]["dice"], rows[1]["dice"]) == ("a", str(a["dice"]), "")
    assert "both 1 (in no mean)" in ended.out
    assert "sensitivity 0.500 (1 of 2)" in ended.out


@pytest.mark.slow
def test_every_file_without_a_partner_and_every_pair_that_cannot_be_compared_is_named(run, folders, tmp_path):
    predictions, references = folders
    square = np.where(SQUARE > 0, 1, 0).astype(np.uint8)
    for folder in folders:
        write(folder, "a.nii.gz", square)
    write(predictions, "more.nii.gz", square)
    write(references, "missed.nii.gz", square)
    (references / "notes.txt").write_text("hello")
    write(predictions, "moved.nii.gz", square)
    write(references, "moved.nii.gz", square, Grid(SQUARE.shape, np.diag([0.8, 0.5, 4.0, 1.0])))
    write(predictions, "graded.nii.gz", SQUARE)
    write(references, "graded.nii.gz", square)
    out = tmp_path / "out"
    ended = run(["evaluate", str(predictions), str(references), "--out", str(out)])
    assert ended.code == 3
    for words in (
        "predictions: more.nii.gz has no partner",
        "references: missed.nii.gz has no partner",
        "notes.txt (no NIfTI file)",
        "moved: ",
        "graded: ",
    ):
        assert words in ended.error
    content = json.loads((out / "evaluation.json").read_text())
    assert [one["case"] for one in content["cases"]] == ["a"]
    assert [one["case"] for one in content["failures"]] == ["graded", "moved"]
    assert content["without_partner"] == {
        "predictions": ["more.nii.gz"],
        "references": ["missed.nii.gz", "notes.txt (no NIfTI file)"],
    }
    assert content["cases"][0]["surface_dice"] == 1.0
    assert content["cases"][0]["hausdorff95_mm"] == 0.0
    assert "lesion_sensitivity" not in content["summary"]


def test_folders_without_a_pair_and_places_that_are_taken_are_refused_in_one_sentence(run, folders, tmp_path):
    predictions, references = folders
    write(predictions, "a.nii.gz", SQUARE)
    write(references, "b.nii.gz", SQUARE)
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "mine.txt").write_text("x")
    for words, sentence in (
        ([str(predictions), str(references), "--out", str(tmp_path / "out")], "No mask of .* has the name of one in"),
        ([str(predictions), str(tmp_path / "nowhere"), "--out", str(tmp_path / "out")], "nowhere is no folder"),
        ([str(predictions), str(references), "--out", str(tmp_path / "full")], "is not empty and holds no earlier result"),
    ):
        ended = run(["evaluate", *words])
        assert ended.code == 2
        assert ended.error.count("\n") == 1
        assert re.search(sentence, ended.error), ended.error
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("name", ["=1+1", "@SUM(A1)", "+1", "-1"])
def test_no_name_of_a_case_runs_as_a_formula_in_a_spreadsheet(name):
    text = _csv(
        [{"case": name, "dice": 0.5, "hausdorff95_mm": float("nan"), "volume_difference_mm3": np.float64(-2.5), "voxels": 3}]
    )
    assert text == f"case,dice,hausdorff95_mm,volume_difference_mm3,voxels\n'{name},0.5,,-2.5,3\n"


@pytest.mark.parametrize("tolerance", ["inf", "nan", "-1", "1001"])
def test_a_tolerance_that_is_no_distance_is_refused_in_a_sentence(run, folders, tmp_path, tolerance):
    for folder in folders:
        write(folder, "x.nii.gz", SQUARE)
    ended = run(["evaluate", *map(str, folders), "--out", str(tmp_path / "out"), "--tolerance-mm", tolerance])
    assert ended.code == 2
    assert not (tmp_path / "out").exists()
