"""`data repair` has the folder for itself, and writes nothing that its server could not read."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from lib.datafolder.repair import repair_folder
from lib.errors import ConflictError

APP = Path(__file__).parents[2] / "apps" / "vhi"
SERVER = """
import sys
from pathlib import Path
from lib.errors import ConflictError
from lib.readings.holding import hold
try:
    hold(Path(sys.argv[1]))
except ConflictError as error:
    print(error)
"""


@pytest.fixture
def folder(tmp_path):
    """A data folder without a format file, which is made anew first of all."""
    (tmp_path / "data" / "cases").mkdir(parents=True)
    (tmp_path / "data" / "cases").chmod(0o755)  # whatever the umask: it is closed then, the second thing that is mended
    return tmp_path / "data"


def starting(folder):
    """The sentence of a server that starts on it now; nothing where it can."""
    variables = {**os.environ, "PYTHONPATH": str(APP)}
    command = [sys.executable, "-c", SERVER, str(folder)]
    return subprocess.run(command, env=variables, capture_output=True, text=True, timeout=60, check=True).stdout


def test_no_server_starts_while_a_folder_is_mended(folder):
    mending = repair_folder(folder)
    assert next(mending) == "format.json: made anew"
    assert f"Another server works on {folder}: process {os.getpid()} on" in starting(folder)
    assert list(mending)
    assert starting(folder) == ""


@pytest.mark.skipif(not hasattr(os, "geteuid"), reason="this system has no numbers of accounts")
def test_a_folder_of_another_account_is_left_alone(folder, monkeypatch):
    owner = folder.stat().st_uid
    monkeypatch.setattr("lib.datafolder.repair.os.geteuid", lambda: owner + 1)
    with pytest.raises(ConflictError, match=f"belongs to account {owner}, and this runs as {owner + 1}"):
        list(repair_folder(folder))
    assert not (folder / "format.json").exists()
