"""`--post-transforms FILE`: another number, said to be another in every form; the paper's file changes nothing."""

from __future__ import annotations

import csv
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest
from scipy import ndimage

from lib.post_transforms.chain_file import PAPER_FILE

pytestmark = pytest.mark.slow  # seconds in all

APP = Path(__file__).parents[2] / "apps" / "vhi"
DROP = {"_target_": "vhi.transforms.DropSmallComponentsd", "keys": "grade"}
NOT_THE_PAPERS = "not made by the paper"


def chain_file(folder: Path, *steps: Any, name: str = "strict.json", **entries: Any) -> Path:
    path = folder / name
    path.write_text(json.dumps({**entries, "postprocessing": {"_target_": "Compose", "transforms": list(steps)}}))
    return path


def numbers(out: Path) -> dict:
    return json.loads((out / "vhi.json").read_text())


def grade(out: Path) -> np.ndarray:
    return np.asarray(nib.load(out / "grade.nii.gz").dataobj)


def largest_groups(raw: np.ndarray, pixels: int) -> np.ndarray:
    """Of each slice, what lies in 8-connected groups of so many pixels; slice by slice with scipy."""
    kept = np.zeros_like(raw)
    for k in range(raw.shape[2]):
        labels, count = ndimage.label(raw[:, :, k] > 0, structure=np.ones((3, 3)))
        for n in range(1, count + 1):
            if (labels == n).sum() >= pixels:
                kept[:, :, k][labels == n] = raw[:, :, k][labels == n]
    return kept


def test_the_papers_file_gives_todays_result_to_the_voxel_and_no_warning(run, study, tmp_path):
    for name, more in (("without", []), ("with", ["--post-transforms", str(PAPER_FILE)])):
        assert run([*study.arguments(tmp_path / name), *more]).code == 0
    for name in ("grade", "lesions"):
        files = [(tmp_path / way / f"{name}.nii.gz").read_bytes() for way in ("without", "with")]
        assert files[0] == files[1]
    without, with_file = numbers(tmp_path / "without"), numbers(tmp_path / "with")
    for one in (without, with_file):
        del one["provenance"]["created"]
    assert with_file == without
    assert without["provenance"]["post_transforms"]["name"] == "paper"
    assert NOT_THE_PAPERS not in (tmp_path / "with" / "report.html").read_text()


def test_another_chain_gives_its_own_number_and_every_form_says_so(run, study, tmp_path):
    raw = chain_file(tmp_path, DROP | {"min_pixels": 1}, name="raw.json")
    strict = chain_file(tmp_path, DROP | {"min_pixels": 8})
    assert run([*study.arguments(tmp_path / "raw"), "--post-transforms", str(raw)]).code == 0
    ended = run([*study.arguments(tmp_path / "out"), "--post-transforms", str(strict)])
    assert ended.code == 0, ended
    kept = largest_groups(grade(tmp_path / "raw"), 8)
    np.testing.assert_array_equal(grade(tmp_path / "out"), kept)
    content = numbers(tmp_path / "out")
    assert content["voxels"]["sensitive"] == np.count_nonzero(kept) > 0
    assert np.count_nonzero(kept) < content["voxels"]["raw_sensitive"]
    # the first is that nobody has cleaned it
    assert NOT_THE_PAPERS in content["warnings"][1]
    assert "'strict'" in content["warnings"][1]
    assert "min_pixels" not in content["provenance"]["settings"]
    assert NOT_THE_PAPERS in ended.out.replace("\n", " ")
    page = (tmp_path / "out" / "report.html").read_text()
    for words in (NOT_THE_PAPERS, "vhi.transforms.DropSmallComponentsd", content["provenance"]["post_transforms"]["sha256"]):
        assert words in page
    # what was recorded is a file that gives the same again
    again = tmp_path / "again.json"
    again.write_text(json.dumps(content["provenance"]["post_transforms"]["config"]))
    assert run([*study.arguments(tmp_path / "again"), "--post-transforms", str(again)]).code == 0
    assert (tmp_path / "again" / "grade.nii.gz").read_bytes() == (tmp_path / "out" / "grade.nii.gz").read_bytes()
    assert numbers(tmp_path / "again")["provenance"]["post_transforms"]["sha256"] in page


def test_the_proposal_follows_the_chain(run, study, tmp_path):
    strict = chain_file(tmp_path, DROP | {"min_pixels": 8})
    words = [*study.arguments(tmp_path / "out", proposal="show"), "--post-transforms", str(strict)]
    assert run(words).code == 0
    content = numbers(tmp_path / "out")
    assert sum(one["voxels"] for one in content["proposal"]["lesions"]) == content["voxels"]["sensitive"]


WRONG = {
    "an unknown target": [{"_target_": "vhi.transforms.Dropd", "keys": "grade"}],
    "a wrong argument": [DROP | {"min_pixels": "many"}],
    "an endless chain": ["@loop"],
}


@pytest.mark.parametrize("fault", WRONG)
@pytest.mark.parametrize("command", ["measure", "batch", "serve"])
def test_a_chain_that_cannot_be_used_is_one_sentence_and_nothing_is_measured(run, study, tmp_path, fault, command):
    path = chain_file(tmp_path, *WRONG[fault], **({"loop": ["@loop"]} if fault == "an endless chain" else {}))
    out = tmp_path / "out"
    calls = {
        "measure": study.arguments(out),
        "batch": ["batch", str(study.folder), "--out", str(out)],
        "serve": ["serve", "--studies", str(study.folder), "--port", "1024"],
    }
    ended = run([*calls[command], "--post-transforms", str(path)])
    assert ended.code == 2, ended
    assert ended.error.count("\n") == 1
    assert "strict.json" in ended.error
    assert not out.exists()
    assert not (study.folder / ".vhi").exists()


def test_a_setting_of_the_papers_chain_beside_another_chain_is_refused(run, study, tmp_path):
    strict = chain_file(tmp_path, DROP | {"min_pixels": 8})
    ended = run([*study.arguments(tmp_path / "out"), "--set", "min_pixels=4", "--post-transforms", str(strict)])
    assert ended.code == 2
    assert "--set min_pixels changes the paper's chain" in ended.error
    assert run([*study.arguments(tmp_path / "out"), "--set", "rule=paper", "--post-transforms", str(strict)]).code == 0


def test_a_batch_measures_with_the_chain_and_goes_on_with_no_other(run, study, tmp_path):
    strict, out = chain_file(tmp_path, DROP | {"min_pixels": 8}), tmp_path / "out"
    table = tmp_path / "cases.csv"
    files = [study.options[name] for name in ("t1w", "stir", "normal_bone", "disease_region")]
    table.write_text("case,t1w,stir,normal_bone,disease_region\nA1," + ",".join(files) + "\n")
    words = ["batch", str(table), "--out", str(out), "--jobs", "1"]
    assert run([*words, "--post-transforms", str(strict)]).code == 0
    assert run([*study.arguments(tmp_path / "one"), "--post-transforms", str(strict)]).code == 0
    of_batch, of_one = numbers(out / "A1"), numbers(tmp_path / "one")
    for one in (of_batch, of_one):
        one["provenance"] = one["provenance"]["post_transforms"]
    assert of_batch == of_one
    with (out / "results.csv").open() as file:
        assert next(csv.DictReader(file))["post_transforms"] == "strict"
    ended = run(words)
    assert ended.code == 2
    assert "settings" in ended.error


def test_neither_measure_nor_batch_nor_the_service_imports_monai(study, tmp_path):
    # a chain of our own steps alone; in a process of its own, since others of this run import MONAI
    strict = chain_file(tmp_path, DROP | {"min_pixels": 8})
    batch = ["batch", str(study.folder), "--out", str(tmp_path / "batch"), "--jobs", "1", "--post-transforms", str(strict)]
    code = f"""
import sys
from lib.cli.app import app
from typer.testing import CliRunner
for words in ({[*study.arguments(tmp_path / "out"), "--post-transforms", str(strict)]!r}, {[*study.arguments(tmp_path / "out")]!r}):
    ended = CliRunner().invoke(app, words)
    assert ended.exit_code == 0, ended.output
    assert "monai" not in sys.modules, words
CliRunner().invoke(app, {batch!r})
assert "monai" not in sys.modules
import lib.service.service, lib.datastores.conf
from pathlib import Path
from lib.post_transforms import read_chain
from lib.service.service import VhiService
import lib.cli.serve
lib.cli.serve.chain_files([Path({str(strict)!r})])
service = VhiService(Path({str(study.folder)!r}), post_transforms=[read_chain(Path({str(strict)!r}))])
assert "monai" not in sys.modules
"""
    ended = subprocess.run([sys.executable, "-c", code], cwd=APP, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr
