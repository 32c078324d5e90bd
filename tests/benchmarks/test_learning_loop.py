"""The simulated loop on scans of a few pixels, and its tables by hand."""

from __future__ import annotations

import importlib.util
import json
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from cli.test_train import write_scan
from lib.studies.labelled import find_labelled

SCRIPT = Path(__file__).parents[2] / "benchmarks" / "learning_loop.py"
spec = importlib.util.spec_from_file_location("learning_loop", SCRIPT)
assert spec is not None
assert spec.loader is not None
learning_loop = importlib.util.module_from_spec(spec)
sys.modules["learning_loop"] = learning_loop
spec.loader.exec_module(learning_loop)


@pytest.fixture
def data(tmp_path) -> Path:
    """Eight study scans, three atypical ones, one without a mask."""
    for n in range(1, 9):
        write_scan(tmp_path / "data", "images_study/T1W", "segmentations/disease_region", str(n), size=64)
    for n in range(21, 24):
        write_scan(tmp_path / "data", "images_atypical/T1W", "segmentations/disease_region_atypical", str(n), size=64)
    write_scan(tmp_path / "data", "images_unlabelled/T1W", None, "31", size=64)
    return tmp_path / "data"


def test_a_small_scan_is_the_mean_of_blocks_and_its_mask_leads_back(data):
    case = find_labelled(data).study[0]
    scan = learning_loop.Scan.of(case)
    assert scan.images.shape == scan.masks.shape == (3, 16, 16)
    # the square of 32 x 32 pixels in the first two slices
    assert scan.masks.sum(axis=(1, 2)).tolist() == [64, 64, 0]
    region = scan.region(scan.masks)
    assert region.data.shape == (64, 64, 3)
    assert region.data[16:48, 16:48, :2].all()
    assert region.voxels == 32 * 32 * 2


@pytest.mark.slow
def test_every_chain_is_run_once_and_goes_on_where_it_was(data, tmp_path, monkeypatch, capsys):
    work, figure = tmp_path / "work", tmp_path / "loop.svg"
    call = ["", str(work), "--data", str(data), "--seeds", "1", "--steps", "2", "1", "--figure", str(figure)]
    monkeypatch.setattr("sys.argv", call)
    learning_loop.main()
    first = capsys.readouterr().out
    chains = {path.stem: json.loads(path.read_text()) for path in work.glob("*.json")}
    assert len(chains) == len(learning_loop.STRATEGIES) + len(learning_loop.VARIANTS)

    for strategy in learning_loop.STRATEGIES:
        found = chains[f"loop-seed0-{strategy}"]
        learnt = [name for one in found["rounds"] for name in one["learnt"]]
        assert len(found["held_out"]) == 3
        assert not set(learnt) & set(found["held_out"])
        # three at the start, then one a round; in the control none
        assert len(set(learnt)) == len(learnt) == (3 if strategy == "nothing" else 8)
        assert len(found["rounds"]) == 6
        assert found["rounds"][0]["dice"] == chains["loop-seed0-random"]["rounds"][0]["dice"]
    arrived = chains["arrival-seed0-replay"]
    assert [one["learnt"] for one in arrived["rounds"]] == ["21", "22"]
    assert [list(one["atypical_gain"]) for one in arrived["rounds"]] == [["22", "23"], ["23"]]
    assert b"</svg>" in figure.read_bytes()
    assert "seed 0 done" in first
    # checkpoints of finished chains are gone, those of the start stay for the other chains
    assert sorted(path.name for path in work.iterdir() if path.is_dir()) == ["arrival-seed0-start", "loop-seed0-start"]

    (work / "loop-seed0-diverse.json").unlink()
    written = {path: path.stat().st_mtime_ns for path in work.glob("*.json")}
    learning_loop.main()
    assert {path: path.stat().st_mtime_ns for path in written} == written
    again = json.loads((work / "loop-seed0-diverse.json").read_text())
    assert again | {"cpu_s": 0} == chains["loop-seed0-diverse"] | {"cpu_s": 0}


def test_uncertain_takes_the_scan_that_members_disagree_on_and_one_without_bone_last(monkeypatch):
    scans = [SimpleNamespace(name=name) for name in "abc"]
    answers = {"a": (np.ones(1, bool), 0.1), "b": (np.ones(1, bool), 0.4), "c": (np.zeros(1, bool), 0.9)}
    monkeypatch.setattr(learning_loop, "answers", lambda nets, scan: answers[scan.name])
    rng = np.random.default_rng(0)
    assert learning_loop.choose("uncertain", [], scans, [], rng).name == "b"
    assert learning_loop.choose("uncertain", [], [scans[2], scans[0]], scans[1:2], rng).name == "a"
    assert {learning_loop.choose("random", [], scans, [], rng).name for _ in range(50)} == {"a", "b", "c"}


def test_tables_are_means_over_seeds_and_differences_within_a_seed():
    dice = {name: np.array([[0.5, 0.6, 0.8], [0.7, 0.6, 0.8]]) for name in learning_loop.STRATEGIES}
    dice["diverse"] = np.array([[0.5, 0.7, 0.8], [0.7, 0.9, 0.8]])
    rows = learning_loop.loop_rows(dice)
    assert rows[0] == ["0", "0.6000", "0.6000", "0.6000", "0.6000", "+0.0000", "+0.0000"]
    assert rows[1] == ["1", "0.6000", "0.6000", "0.6000", "0.8000", "+0.0000", "+0.2000"]
    assert rows[3] == ["while choosing", "0.6000", "0.6000", "0.6000", "0.8000", "+0.0000 +0.0000", "+0.1000 +0.3000"]

    rounds = [
        {"atypical_gain": {"x": 0.1, "y": 0.3}, "typical_gain": -0.01},
        {"atypical_gain": {"y": 0.5}, "typical_gain": 0.03},
    ]
    found = {(0, variant): {"rounds": rounds} for variant in learning_loop.VARIANTS}
    gains = learning_loop.arrival_gains(found)
    rows = learning_loop.arrival_rows(gains)
    assert rows[0] == ["nothing", "1", "+0.2000", "+0.2000", "-0.0100", "-0.0100"]
    assert rows[1] == ["nothing", "2", "+0.5000", "+0.5000", "+0.0300", "+0.0300"]
