"""deploy/vhi.service, judged by systemd itself."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

UNIT = Path(__file__).parents[2] / "deploy" / "vhi.service"
ANALYZE = shutil.which("systemd-analyze")

pytestmark = pytest.mark.skipif(ANALYZE is None, reason="systemd-analyze is not installed (Debian package systemd)")


def complaints(text: str, folder: Path) -> str:
    """The complaints of systemd about a unit whose program is this Python; none about one that is right."""
    program = "/opt/vhi/.venv/bin/python"
    assert program in text
    (folder / "vhi.service").write_text(text.replace(program, sys.executable))
    ended = subprocess.run(
        [str(ANALYZE), "verify", "--man=no", str(folder / "vhi.service")], capture_output=True, text=True, check=False
    )
    # of units of this machine it may say something too
    return "\n".join(line for line in (ended.stdout + ended.stderr).splitlines() if "vhi.service" in line)


def test_systemd_finds_nothing_wrong_with_the_unit(tmp_path):
    assert complaints(UNIT.read_text(), tmp_path) == ""


def test_what_is_said_of_readers_who_come_without_a_proxy_is_right_for_systemd(tmp_path):
    text, alone = UNIT.read_text(), "\nIPAddressAllow=localhost\n"
    (wider,) = re.findall(r"^# .*(IPAddressAllow=.+)$", text, re.MULTILINE)
    assert alone in text
    assert wider in (UNIT.parents[1] / "docs" / "deploy.md").read_text()
    assert complaints(text.replace(alone, f"\n{wider}\n"), tmp_path) == ""
    assert "prefix is invalid" in complaints(text.replace(alone, f"\n{wider}0\n"), tmp_path)  # /160


def test_a_misspelt_protection_is_found(tmp_path):
    assert "Unknown key" in complaints(UNIT.read_text().replace("NoNewPrivileges", "NoNewPrivs"), tmp_path)
