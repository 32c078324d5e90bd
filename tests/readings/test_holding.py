"""One server on one data folder, and what it leaves behind."""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from lib.errors import ConflictError
from lib.readings import holding

APP = Path(__file__).parents[2] / "apps" / "vhi"
FIRST = """
import sys, tempfile
from pathlib import Path
from lib.readings.holding import hold
hold(Path(sys.argv[1]), "8042")
Path(tempfile.gettempdir(), "answer").write_bytes(b"voxels")
print(tempfile.gettempdir(), flush=True)
sys.stdin.read()
"""


def first_server(data: Path, tmp: Path) -> subprocess.Popen[str]:
    tmp.mkdir(exist_ok=True)
    variables = {**os.environ, "PYTHONPATH": str(APP), "TMPDIR": str(tmp)}
    command = [sys.executable, "-c", FIRST, str(data)]
    return subprocess.Popen(command, env=variables, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def test_a_second_server_is_refused_and_the_first_is_named(tmp_path):
    with first_server(tmp_path / "data", tmp_path / "tmp") as first:
        assert first.stdout
        first.stdout.readline()
        with pytest.raises(ConflictError, match=f"process {first.pid} on .*, port 8042"):
            holding.hold(tmp_path / "data")
        with pytest.raises(ConflictError, match="port 8042"), holding.held(tmp_path / "data"):
            pass
        first.kill()
    with holding.held(tmp_path / "data"):
        pass


def test_what_it_writes_is_for_its_account_alone_and_its_temporary_files_go_with_it(tmp_path):
    data, tmp = tmp_path / "data", tmp_path / "tmp"
    with first_server(data, tmp) as first:
        assert first.stdout
        place = Path(first.stdout.readline().strip())
        assert place.parent == tmp
        modes = {path.stat().st_mode & 0o777 for path in (data, place)}
        assert modes == {0o700}
        assert {(data / "server.json").stat().st_mode & 0o777, (place / "answer").stat().st_mode & 0o777} == {0o600}
        assert first.stdin
        first.stdin.close()
        first.wait(20)
    assert list(tmp.iterdir()) == []


def test_the_next_server_removes_what_a_killed_one_left(tmp_path):
    data, tmp = tmp_path / "data", tmp_path / "tmp"
    with first_server(data, tmp) as first:
        assert first.stdout
        first.stdout.readline()
        first.kill()
    assert [path.name for path in tmp.rglob("answer")] == ["answer"]
    with first_server(data, tmp) as second:
        assert second.stdout
        place = Path(second.stdout.readline().strip())
        (place / "answer").unlink()
        assert list(tmp.rglob("answer")) == []
        second.kill()


@pytest.fixture
def temporary(tmp_path, monkeypatch):
    """This process's folder of temporary files, as a server has one."""
    place = tmp_path / "vhi-0123"
    place.mkdir(mode=0o700)
    monkeypatch.setattr(holding, "_temporary", [place])
    monkeypatch.setattr(tempfile, "tempdir", str(place))
    return place


def test_the_folder_of_temporary_files_outlasts_the_systems_tidying(temporary):
    os.utime(temporary, (0, 0))
    holding.keep_temporary()
    assert temporary.stat().st_mtime > 0
    temporary.rmdir()
    holding.keep_temporary()
    assert temporary.stat().st_mode & 0o777 == 0o700


def test_a_folder_that_another_account_made_in_its_place_is_not_used(temporary, tmp_path):
    temporary.rmdir()
    temporary.symlink_to(tmp_path)
    holding.keep_temporary()
    place = Path(tempfile.gettempdir())
    assert place.parent == tmp_path
    assert place.name.startswith("vhi-0123-")
    assert list(tmp_path.glob("vhi-0123-*")) == [place]


def test_tempfile_of_this_process_is_left_alone_by_asking(tmp_path):
    before = tempfile.gettempdir()
    (tmp_path / "data").mkdir()
    with holding.held(tmp_path / "data"):
        assert tempfile.gettempdir() == before
