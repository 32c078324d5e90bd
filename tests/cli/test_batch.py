"""`batch` and `measure --list`, whole: results, failures, going on after a kill."""

from __future__ import annotations

import csv
import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import nibabel as nib
import numpy as np
import psutil
import pydicom
import pytest

from lib.batch.batch_folder import MARK, batch_folder
from lib.batch.case_list import BatchCase
from lib.batch.workers import Outcome
from lib.cli.batch import RESULT_COLUMNS, measure_case
from lib.cli.batch_progress import batch_progress
from lib.cli.measure import RESULT_FILES
from lib.core.settings import VhiSettings
from lib.errors import InputError
from lib.examination import Procedure
from lib.provenance import code_version

pytestmark = pytest.mark.slow  # seconds in all

ROOT = Path(__file__).parents[2]
NAMES = ("A1", "A2", "A3", "A4")


def table(study, folder: Path, names=NAMES, wrong: tuple[str, ...] = ()) -> Path:
    """A table of cases that all have the same scan; those that are wrong have a file that is not there."""
    rows = [["case", "t1w", "stir", "normal_bone", "disease_region"]]
    for name in (*names, *wrong):
        stir = study.options["stir"] if name in names else "missing.nii.gz"
        rows.append([name, study.options["t1w"], stir, study.options["normal_bone"], study.options["disease_region"]])
    path = folder / "cases.csv"
    path.write_text("".join(",".join(row) + "\n" for row in rows))
    return path


def rows_of(path: Path) -> list[dict[str, str]]:
    with path.open() as file:
        return list(csv.DictReader(file))


def begin(cases: Path, out: Path) -> subprocess.Popen[str]:
    command = [sys.executable, str(ROOT / "main.py"), "batch", str(cases), "--out", str(out), "--jobs", "2"]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, cwd=ROOT)


def wait_for_a_result(process: subprocess.Popen[str], out: Path, names: tuple[str, ...]) -> None:
    while process.poll() is None and not any((out / name / "vhi.json").exists() for name in names):
        time.sleep(0.05)


def test_a_case_is_measured_as_measure_does_and_only_once(run, study, tmp_path):
    out = tmp_path / "out"
    out.mkdir()
    files = {name: Path(path) for name, path in study.options.items()}
    settings = {"out": out, "procedure": Procedure({"min_pixels": "3"}, tmp_path, "main.py batch")}
    measure_case(BatchCase("A1", **files), **settings)
    assert {path.name for path in (out / "A1").iterdir()} == set(RESULT_FILES) - {"overlay.png"}
    written = (out / "A1" / "vhi.json").stat().st_mtime_ns
    measure_case(BatchCase("A1", **files), **settings)
    assert (out / "A1" / "vhi.json").stat().st_mtime_ns == written

    assert run([*study.arguments(tmp_path / "one"), "--set", "min_pixels=3"]).code == 0
    alone, batch = (json.loads((folder / "vhi.json").read_text()) for folder in (tmp_path / "one", out / "A1"))
    assert batch["provenance"].pop("command") == "main.py batch"
    for found in (alone, batch):
        for key in ("created", "command"):
            found["provenance"].pop(key, None)
    assert batch == alone


def test_a_case_that_cannot_be_measured_leaves_nothing(study, tmp_path):
    files = {name: Path(path) for name, path in study.options.items()} | {"stir": tmp_path / "missing.nii.gz"}
    with pytest.raises(InputError, match="missing"):
        measure_case(BatchCase("A1", **files), out=tmp_path / "out", procedure=Procedure({}, tmp_path, ""))
    assert not (tmp_path / "out").exists()


def test_rows_choose_a_segment_and_a_transform_and_a_changed_choice_is_measured_again(run, study, tmp_path):
    stored = nib.load(study.options["normal_bone"])
    labels = np.asarray(stored.dataobj).astype(np.uint8) * 3
    labels[0, 0, 0] = 1
    nib.save(nib.Nifti1Image(labels, stored.affine), tmp_path / "map.nii.gz")
    apart = nib.load(study.options["stir"])
    other = apart.affine.copy()
    other[0, 3] += 10
    apart.set_sform(apart.affine, 2)
    apart.set_qform(other, 1)
    nib.save(apart, tmp_path / "stir.nii.gz")
    path, out = tmp_path / "cases.csv", tmp_path / "out"

    def measured(segment: str, form: str) -> dict:
        row = ["A1", study.options["t1w"], "stir.nii.gz", "map.nii.gz", segment, study.options["disease_region"], form]
        head = "case,t1w,stir,normal_bone,normal_bone_segment,disease_region,use_form"
        path.write_text(f"{head}\n{','.join(row)}\n")
        assert run(["batch", str(path), "--out", str(out), "--jobs", "1"]).code == 0
        return json.loads((out / "A1" / "vhi.json").read_text())

    found = measured("3", "sform")
    assert found["provenance"]["choices"] == {"normal_bone_segment": "3", "use_form": "sform"}
    assert run([*study.arguments(tmp_path / "one")]).code == 0
    assert found["vhi_mm3"] == json.loads((tmp_path / "one" / "vhi.json").read_text())["vhi_mm3"]
    ended = run(["batch", str(path), "--out", str(out), "--jobs", "1"])
    assert "1 of them finished before" in ended.out
    path.write_text(path.read_text().replace(",sform", ","))
    ended = run(["batch", str(path), "--out", str(out), "--jobs", "1"])
    assert ended.code == 3
    assert "sform (code 2" in (out / "failures.csv").read_text()
    assert run(["batch", str(path), "--use-sform", "--out", str(out), "--jobs", "1"]).code == 0


def test_a_batch_killed_in_the_middle_goes_on_and_repeats_nothing(run, study, tmp_path):
    cases, out = table(study, tmp_path, wrong=("B1",)), tmp_path / "out"
    process = begin(cases, out)
    # the first result ends the first run, wherever the other worker is then
    wait_for_a_result(process, out, NAMES)
    workers = psutil.Process(process.pid).children(recursive=True)
    process.send_signal(signal.SIGKILL)
    said, _ = process.communicate()
    # workers end by themselves when the one who gives them work is gone
    assert psutil.wait_procs(workers, timeout=60)[1] == []
    first = {name: (out / name / "vhi.json").stat().st_mtime_ns for name in NAMES if (out / name).exists()}
    assert first, said
    assert all({path.name for path in (out / name).iterdir()} == set(RESULT_FILES) - {"overlay.png"} for name in first)

    ended = run(["batch", str(cases), "--out", str(out), "--jobs", "2"])
    assert ended.code == 3, ended
    assert f"5 scans, {len(first)} of them finished before" in ended.out
    for name, written in first.items():
        assert (out / name / "vhi.json").stat().st_mtime_ns == written
    results = rows_of(out / "results.csv")
    assert [row["case"] for row in results] == list(NAMES)
    assert list(results[0]) == list(RESULT_COLUMNS)
    assert len({row["volume_mm3"] for row in results}) == 1
    assert float(results[0]["volume_mm3"]) > 0
    (failure,) = rows_of(out / "failures.csv")
    assert failure["case"] == "B1"
    assert "missing.nii.gz" in failure["reason"]
    # nothing half is left
    assert {path.name for path in out.iterdir()} == {*NAMES, "results.csv", "failures.csv", MARK, ".batch.lock"}

    # without the wrong case nothing is left to do, and no worker is started
    table(study, tmp_path)
    again = run(["measure", "--list", str(cases), "--out", str(out)])
    assert again.code == 0, again
    assert "4 scans, 4 of them finished before" in again.out
    assert rows_of(out / "results.csv") == results
    assert rows_of(out / "failures.csv") == []


@pytest.mark.parametrize(("sign", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_an_interrupted_batch_leaves_whole_results_and_their_table(study, tmp_path, sign, code):
    names = tuple(f"A{n:02d}" for n in range(20))
    cases, out = table(study, tmp_path, names), tmp_path / "out"
    process = begin(cases, out)
    wait_for_a_result(process, out, names)
    process.send_signal(sign)
    said, _ = process.communicate()
    finished = [name for name in names if (out / name).exists()]
    assert process.returncode == code, said
    assert 0 < len(finished) < len(names)
    assert [row["case"] for row in rows_of(out / "results.csv")] == finished
    assert rows_of(out / "failures.csv") == []
    assert {path.name for path in out.iterdir()} == {*finished, "results.csv", "failures.csv", MARK, ".batch.lock"}
    if sign == signal.SIGINT:
        assert f"Interrupted; {len(finished)} of 20 scans are finished." in said
        assert "Traceback" not in said


def test_calls_that_mix_one_scan_and_many_are_refused(run, study, tmp_path):
    cases = table(study, tmp_path)
    ended = run(["measure", "--list", str(cases), "--t1w", study.options["t1w"], "--out", str(tmp_path / "out")])
    assert (ended.code, "leave out the options of one scan" in ended.error) == (2, True)
    ended = run([*study.arguments(tmp_path / "out"), "--jobs", "2"])
    assert (ended.code, "name these with --list" in ended.error) == (2, True)
    ended = run(["batch", str(cases), "--out", str(tmp_path / "out"), "--jobs", "2", "--cluster", "tcp://127.0.0.1:1"])
    assert (ended.code, "--jobs is for this machine" in ended.error) == (2, True)


def test_results_of_other_settings_are_not_mixed(run, study, tmp_path):
    cases, out = table(study, tmp_path, names=("A1",)), tmp_path / "out"
    with batch_folder(out, {"program": code_version(), "settings": VhiSettings().values(), "model": None}):
        pass
    # finished already, so that no worker is needed
    files = {name: Path(path) for name, path in study.options.items()}
    measure_case(BatchCase("A1", **files), out=out, procedure=Procedure({}, tmp_path, ""))
    assert run(["batch", str(cases), "--out", str(out)]).code == 0
    ended = run(["batch", str(cases), "--out", str(out), "--set", "min_pixels=3"])
    assert (ended.code, "results with another settings" in ended.error) == (2, True)


@pytest.mark.parametrize(("proposal", "title"), [("off", "Uncleaned volume"), ("apply", "Proposed volume")])
def test_neither_the_table_nor_the_terminal_of_a_batch_calls_its_numbers_vhi(run, study, tmp_path, proposal, title):
    cases, out = table(study, tmp_path, names=("A1",)), tmp_path / "out"
    ended = run(["batch", str(cases), "--out", str(out), "--jobs", "1", "--proposal", proposal])
    assert ended.code == 0, ended.error
    (row,) = rows_of(out / "results.csv")
    assert row["title"] == title
    assert title in ended.out
    for text in (ended.out, ended.error, (out / "results.csv").read_text()):
        assert "VHI" not in text.replace(str(out), "")


def test_a_terminal_shows_a_bar_and_every_failure(monkeypatch, capsys, tmp_path):
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    case = BatchCase("A1", study=tmp_path)
    with batch_progress("Measuring", 2, str) as show:
        show(Outcome(case))
        show(Outcome(case, "[STIR] is missing.", "Traceback: line 3"))
    shown = capsys.readouterr().err
    assert "2/2" in shown
    assert "A1: [STIR] is missing." in shown
    assert "Traceback: line 3" in shown


def test_a_batch_writes_dicom_and_what_the_proposal_keeps_as_measure_does(run, study, tmp_path):
    scans = [part for role in ("t1w", "stir") for part in (f"--{role}", study.options[role])]
    assert run(["dicomize", *scans, "--out", str(tmp_path / "study")]).code == 0
    regions = {name: study.options[name] for name in ("normal_bone", "disease_region")}
    cases = tmp_path / "cases.csv"
    cases.write_text(f"case,study,{','.join(regions)}\nA1,{tmp_path / 'study'},{','.join(regions.values())}\n")
    choices = ["--proposal", "apply"]
    batch = ["batch", str(cases), "--out", str(tmp_path / "out"), "--dicom-out", str(tmp_path / "dicom"), "--jobs", "1", *choices]
    assert run(batch).code == 0
    masks = [part for name, path in regions.items() for part in (f"--{name.replace('_', '-')}", path)]
    alone = ["measure", "--study", str(tmp_path / "study"), *masks, "--out", str(tmp_path / "one"), *choices]
    assert run([*alone, "--dicom-out", str(tmp_path / "one-dicom")]).code == 0
    results = [json.loads((folder / "vhi.json").read_text()) for folder in (tmp_path / "out" / "A1", tmp_path / "one")]
    assert results[0]["stage"] == results[1]["stage"] == "proposed"
    assert results[0]["voxels"] == results[1]["voxels"]
    segs = [pydicom.dcmread(folder / "seg.dcm") for folder in (tmp_path / "dicom" / "A1", tmp_path / "one-dicom")]
    assert segs[0].PixelData == segs[1].PixelData
