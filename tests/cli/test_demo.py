"""`demo` without a terminal: studies, a report, a server that is asked and stopped."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.mark.slow
@pytest.mark.server
def test_the_demo_measures_a_study_asks_its_server_and_ends(tmp_path):
    command = [sys.executable, str(ROOT / "main.py"), "demo", "--out", str(tmp_path / "demo")]
    ended = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=600)
    assert ended.returncode == 0, ended.stderr
    assert "VHI of phantom-1" in ended.stdout
    assert (tmp_path / "demo" / "report" / "report.html").stat().st_size > 100_000
    assert (tmp_path / "demo" / "studies" / "phantom-2" / "stir.nii.gz").exists()
