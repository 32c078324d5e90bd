"""`train --search` whole: killed, gone on with on a cluster, one table and one figure."""

import csv
import os
import time
from pathlib import Path

import pytest

import batchwork
from cli.test_train import write_scan
from programs import forks

ROOT = Path(__file__).parents[2]


@pytest.fixture
def data(tmp_path) -> Path:
    """Two scans, large enough for six levels."""
    for case in ("1", "2"):
        write_scan(tmp_path / "data", "images_study/T1W", "segmentations/disease_region", case, size=32)
    return tmp_path / "data"


@pytest.mark.slow
def test_a_killed_search_goes_on_anywhere_and_ends_in_a_table_and_a_figure(data, run, tmp_path):
    out = tmp_path / "out"
    call = ["train", "--search", "--data", str(data), "--out", str(out), "--steps", "5"]
    process = forks().start([str(ROOT / "main.py"), *call, "--jobs", "1"], tmp_path, os.environ, tmp_path / "said.txt")
    while process.poll() is None and len(list(out.glob("results/*.json"))) < 3:
        time.sleep(0.05)
    process.kill()
    process.wait(60)
    done = {path: path.stat().st_mtime_ns for path in out.glob("results/*.json")}
    assert 3 <= len(done) < 24

    other = run([*call[:-1], "6"])
    assert (other.code, "results with another asked and steps" in other.error) == (2, True)
    path = os.pathsep.join(map(str, batchwork.IMPORTED))
    with batchwork.scheduler() as address, batchwork.worker(address, path, tmp_path):
        ended = run([*call, "--cluster", address])
    assert ended.code == 0, ended.error
    assert f"12 networks of 5 steps, {len(done) // 2} of them finished before" in ended.out
    assert {path: path.stat().st_mtime_ns for path in done} == done

    with (out / "search.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 12
    assert {(row["epochs"], row["levels"], row["kernel"]) for row in rows} == {
        (epochs, levels, kernel) for epochs in ("60", "100") for levels in ("2", "4", "6") for kernel in ("3", "5")
    }
    assert {row["networks"] for row in rows} == {"2"}
    assert {row["parameters"] for row in rows if (row["levels"], row["kernel"]) == ("4", "3")} == {"450897"}
    means = [float(row["mean_slice_dice"]) for row in rows]
    assert means == sorted(means, reverse=True)
    assert b"</svg>" in (out / "search.svg").read_bytes()
    assert (out / "search.png").read_bytes().startswith(b"\x89PNG")
    best = rows[0]
    assert f"Best: {best['epochs']} epochs, {best['levels']} levels" in ended.out
    assert f"--steps {5 if best['epochs'] == '100' else 3}." in ended.out
    assert all(row["mean_slice_dice"] in ended.out for row in rows)
    assert not list(out.glob("networks/*/checkpoint.pt"))


def test_a_cluster_is_for_the_search(data, run, tmp_path):
    ended = run(["train", "--data", str(data), "--out", str(tmp_path / "out"), "--cluster", "tcp://127.0.0.1:1"])
    assert (ended.code, ended.error) == (2, "--cluster is for --search; leave it out, or search.\n")
