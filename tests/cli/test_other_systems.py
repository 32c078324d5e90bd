"""Measuring, batches and the cohort where Python has nothing of POSIX, as on Windows: whole commands, here on Linux."""

from __future__ import annotations

import csv
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from lib.cli.measure import RESULT_FILES

ROOT = Path(__file__).parents[2]
# read by every Python that is started, the workers of a batch too. Other people's modules choose by the system's name, not by what
# is there, so these are loaded first
SITE = """
import asyncio, multiprocessing.util, os, subprocess, sys
import filelock, locket, psutil
for name in ("fcntl", "grp", "pty", "pwd", "resource", "syslog", "termios", "tty"):
    sys.modules[name] = None
for name in ("fork", "forkpty", "killpg", "nice", "pread", "setpriority", "setsid"):
    delattr(os, name)
"""
TABLE = """subject,visit,reader,vhi_mm3,sparcc
S1,baseline,a,100,10
S1,baseline,b,110,12
S2,baseline,a,400,20
S2,baseline,b,380,22
S3,baseline,a,90,9
S3,baseline,b,120,11
"""


def without_posix(folder: Path, *command: str) -> subprocess.CompletedProcess[str]:
    (folder / "site").mkdir(exist_ok=True)
    (folder / "site" / "sitecustomize.py").write_text(SITE)
    environment = os.environ | {"PYTHONPATH": str(folder / "site")}
    return subprocess.run([sys.executable, *command], capture_output=True, text=True, cwd=folder, env=environment, check=False)


def run_without_posix(folder: Path, *arguments: str) -> None:
    ended = without_posix(folder, str(ROOT / "main.py"), *arguments)
    assert ended.returncode == 0, ended.stderr


@pytest.mark.parametrize("missing", ["import fcntl", "import resource, pwd", "import os; os.fork()"])
def test_they_are_missing_there(tmp_path, missing):
    assert without_posix(tmp_path, "-c", missing).returncode == 1


@pytest.mark.slow
def test_measure_gives_what_it_gives_here(study, run, tmp_path):
    run_without_posix(tmp_path, *study.arguments(tmp_path / "there"))
    assert {path.name for path in (tmp_path / "there").iterdir()} == set(RESULT_FILES) - {"overlay.png"}
    assert run(study.arguments(tmp_path / "here")).code == 0
    there, here = (json.loads((tmp_path / place / "vhi.json").read_text()) for place in ("there", "here"))
    assert there["vhi_mm3"]["sensitive"] > 0
    assert there | {"provenance": None} == here | {"provenance": None}


@pytest.mark.slow
def test_a_batch_with_two_workers_ends_with_every_case_measured(study, tmp_path):
    cases = tmp_path / "cases.csv"
    with cases.open("w", newline="") as file:
        table = csv.writer(file)
        table.writerow(["case", *study.options])
        table.writerows([name, *study.options.values()] for name in ("A1", "A2"))
    run_without_posix(tmp_path, "batch", str(cases), "--out", str(tmp_path / "out"), "--jobs", "2")
    assert all((tmp_path / "out" / name / "vhi.json").exists() for name in ("A1", "A2"))


@pytest.mark.slow
def test_a_cohort_becomes_a_report(tmp_path):
    (tmp_path / "readings.csv").write_text(TABLE)
    run_without_posix(tmp_path, "cohort", str(tmp_path / "readings.csv"), "--out", str(tmp_path / "out"))
    assert (tmp_path / "out" / "report.pdf").exists()
