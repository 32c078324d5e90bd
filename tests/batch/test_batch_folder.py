"""The folder of a batch: what counts as finished, and who may write there."""

from __future__ import annotations

import json
import os

import pytest

from lib.batch.batch_folder import MARK, batch_folder, is_finished, sweep, write_table
from lib.batch.case_list import BatchCase
from lib.errors import OutputError


@pytest.fixture
def case(tmp_path):
    for name in ("t1w.nii.gz", "stir.nii.gz"):
        (tmp_path / name).write_text("scan")
        os.utime(tmp_path / name, (1000, 1000))
    return BatchCase("A", tmp_path / "t1w.nii.gz", tmp_path / "stir.nii.gz")


@pytest.fixture
def out(tmp_path, case):
    folder = tmp_path / "out"
    (folder / "A").mkdir(parents=True)
    inputs = [{"role": role, "file": path.name} for role, path in case.scans.items()]
    (folder / "A" / "vhi.json").write_text(json.dumps({"provenance": {"inputs": inputs}}))
    return folder


def test_a_result_folder_is_a_finished_case(out, case):
    assert is_finished(out, case)
    assert not is_finished(out, BatchCase("B", case.t1w, case.stir))


def test_a_file_that_changed_later_makes_the_case_unfinished(out, case):
    os.utime(case.stir, (4e9, 4e9))
    assert not is_finished(out, case)


def test_a_file_that_is_gone_does_not(out, case):
    case.stir.unlink()
    assert is_finished(out, case)


def test_other_files_or_a_damaged_result_make_it_unfinished(out, case, tmp_path):
    assert not is_finished(out, BatchCase("A", case.t1w, tmp_path / "other.nii.gz"))
    assert not is_finished(out, BatchCase("A", case.t1w, case.stir, normal_bone=tmp_path / "bone.nii.gz"))
    (out / "A" / "vhi.json").write_text("{")
    assert not is_finished(out, case)


def test_a_batch_goes_on_only_with_the_same_plan(tmp_path):
    with batch_folder(tmp_path / "new", {"settings": {"a": 1}, "model": None}):
        pass
    with batch_folder(tmp_path / "new", {"settings": {"a": 1}, "model": None}):
        pass
    with (
        pytest.raises(OutputError, match="results with another settings"),
        batch_folder(tmp_path / "new", {"settings": {"a": 2}, "model": None}),
    ):
        pass


def test_two_batches_do_not_share_a_folder(tmp_path):
    with (
        batch_folder(tmp_path, {}),
        pytest.raises(OutputError, match="Another batch is at work"),
        batch_folder(tmp_path, {}),
    ):
        pass
    with batch_folder(tmp_path, {}):
        pass


def test_a_folder_of_something_else_is_left_alone(tmp_path):
    (tmp_path / "thesis.txt").write_text("mine")
    with pytest.raises(OutputError, match="holds no earlier batch"), batch_folder(tmp_path, {}):
        pass
    assert not (tmp_path / MARK).exists()


def test_only_what_dead_workers_left_is_swept_away(tmp_path):
    case = BatchCase("A", study=tmp_path)
    for name in (".A.partial-0a1b", ".A.old-xyz", ".B.partial-0a1b", "A", ".hidden"):
        (tmp_path / name).mkdir()
    assert sweep(tmp_path, [case]) == 2
    assert sorted(path.name for path in tmp_path.iterdir()) == [".B.partial-0a1b", ".hidden", "A"]


def test_a_table_is_whole_and_holds_no_formulas(tmp_path):
    write_table(tmp_path / "t.csv", ("case", "n"), [{"case": "=1+1", "n": -3}, {"case": "B", "n": None}])
    assert (tmp_path / "t.csv").read_text() == "case,n\n'=1+1,-3\nB,\n"
