"""Whole files and whole result folders, or nothing."""

from __future__ import annotations

import errno
import hashlib
import os
from pathlib import Path
from types import SimpleNamespace

import pytest

from lib.errors import InputError, OutputError
from lib.files import check_output_file, check_result_folder, result_folder, sha256_of, write_atomically

OWN = ("vhi.json", "report.html")


def everything(folder: Path) -> dict[str, bytes | None]:
    """Every path under a folder, hidden ones too, with its content."""
    return {str(path.relative_to(folder)): None if path.is_dir() else path.read_bytes() for path in folder.rglob("*")}


def fill(folder: Path, content: str = "new") -> None:
    for name in OWN:
        (folder / name).write_text(content)


def failing(number: int):
    def fail(*_args: object, **_kwargs: object) -> None:
        raise OSError(number, os.strerror(number))

    return fail


def test_a_file_is_written_and_replaced(tmp_path):
    write_atomically(tmp_path / "a.bin", b"one")
    write_atomically(tmp_path / "a.bin", b"two")
    assert everything(tmp_path) == {"a.bin": b"two"}
    assert (tmp_path / "a.bin").stat().st_mode & 0o777 == 0o666 & ~_umask()


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


@pytest.mark.parametrize(
    ("number", "reason"),
    [
        (errno.ENOSPC, "the disk is full"),
        (errno.EROFS, "read-only"),
        (errno.EACCES, "may not write there"),
        (errno.EIO, "Input/output error"),
    ],
)
@pytest.mark.parametrize("where", ["fsync", "replace"])
def test_a_failed_write_leaves_the_old_file_and_nothing_else(tmp_path, monkeypatch, number, reason, where):
    (tmp_path / "a.bin").write_bytes(b"old")
    monkeypatch.setattr(os, where, failing(number))
    with pytest.raises(OutputError, match=f"a.bin cannot be written: .*{reason}.*Nothing was written"):
        write_atomically(tmp_path / "a.bin", b"new")
    assert everything(tmp_path) == {"a.bin": b"old"}


def test_an_interrupted_write_leaves_the_old_file_and_nothing_else(tmp_path, monkeypatch):
    (tmp_path / "a.bin").write_bytes(b"old")

    def interrupt(_handle: int) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "fsync", interrupt)
    with pytest.raises(KeyboardInterrupt):
        write_atomically(tmp_path / "a.bin", b"new")
    assert everything(tmp_path) == {"a.bin": b"old"}


def test_a_file_needs_its_folder(tmp_path):
    with pytest.raises(OutputError, match=r"the folder .*/no does not exist"):
        write_atomically(tmp_path / "no" / "a.bin", b"new")
    (tmp_path / "file").write_text("x")
    with pytest.raises(OutputError, match="a file is where a folder is needed"):
        write_atomically(tmp_path / "file" / "a.bin", b"new")


def test_an_output_file_is_checked_before_any_work(tmp_path, monkeypatch):
    check_output_file(tmp_path / "mask.nii.gz")
    with pytest.raises(OutputError, match="it is a folder; pass a file name"):
        check_output_file(tmp_path)
    with pytest.raises(OutputError, match="does not exist"):
        check_output_file(tmp_path / "no" / "mask.nii.gz")
    monkeypatch.setattr(os, "access", lambda *_: False)
    with pytest.raises(OutputError, match="may not write there"):
        check_output_file(tmp_path / "mask.nii.gz")


@pytest.mark.skipif(os.name != "posix", reason="whether a file system is read-only is told on POSIX systems alone")
def test_a_read_only_file_system_is_told_from_a_folder_of_others(tmp_path, monkeypatch):
    monkeypatch.setattr(os, "access", lambda *_: False)
    monkeypatch.setattr(os, "statvfs", lambda _: SimpleNamespace(f_flag=os.ST_RDONLY))
    with pytest.raises(OutputError, match="out cannot be written: the file system is read-only; choose another place"):
        check_result_folder(tmp_path / "out", OWN)


def test_a_result_folder_appears_whole(tmp_path):
    target = tmp_path / "results" / "1013"
    with result_folder(target, OWN) as folder:
        fill(folder)
        assert not target.exists()
    assert everything(tmp_path) == {
        "results": None,
        "results/1013": None,
        "results/1013/vhi.json": b"new",
        "results/1013/report.html": b"new",
    }
    assert target.stat().st_mode & 0o777 == 0o777 & ~_umask()


def test_an_empty_folder_is_used(tmp_path):
    (tmp_path / "out").mkdir()
    with result_folder(tmp_path / "out", OWN) as folder:
        fill(folder)
    assert everything(tmp_path) == {"out": None, "out/vhi.json": b"new", "out/report.html": b"new"}


def test_an_earlier_result_is_replaced_whole(tmp_path):
    (tmp_path / "out").mkdir()
    fill(tmp_path / "out", "old")
    with result_folder(tmp_path / "out", OWN) as folder:
        (folder / "vhi.json").write_text("new")
    assert everything(tmp_path) == {"out": None, "out/vhi.json": b"new"}


def test_a_folder_of_something_else_is_refused(tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "thesis.txt").write_text("mine")
    with pytest.raises(OutputError, match="is not empty and holds no earlier result"):
        check_result_folder(tmp_path / "out", OWN)


def test_an_earlier_result_with_a_file_of_the_users_is_refused(tmp_path):
    (tmp_path / "out").mkdir()
    fill(tmp_path / "out")
    (tmp_path / "out" / "my_mask.nii.gz").write_text("mine")
    with pytest.raises(OutputError, match=r"but also my_mask.nii.gz, which is not part of it"):
        check_result_folder(tmp_path / "out", OWN)


def test_the_current_folder_and_those_above_it_are_refused(tmp_path, monkeypatch):
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    for folder in (".", ".."):
        with pytest.raises(OutputError, match="in use as the current folder"):
            check_result_folder(Path(folder), OWN)


@pytest.mark.parametrize("place", ["file", "file/out", "file/deep/out"])
def test_a_file_in_the_way_is_refused(tmp_path, place):
    (tmp_path / "file").write_text("mine")
    with pytest.raises(OutputError, match="a file is where a folder is needed"):
        check_result_folder(tmp_path / place, OWN)
    assert everything(tmp_path) == {"file": b"mine"}


@pytest.mark.skipif(not Path("/proc/version").exists(), reason="needs a Linux /proc")
def test_a_read_only_file_system_is_refused():
    with pytest.raises(OutputError, match=r"/proc/vhi-result cannot be written"), result_folder(Path("/proc/vhi-result"), OWN):
        pytest.fail("there is no folder to write into")


def half_write(folder: Path, failure: BaseException) -> None:
    (folder / "vhi.json").write_text("half")
    raise failure


@pytest.mark.parametrize("failure", [OSError(errno.ENOSPC, "No space left on device"), KeyboardInterrupt(), ValueError("a bug")])
@pytest.mark.parametrize("before", ["nothing", "an earlier result"])
def test_a_failure_half_way_leaves_what_was_there(tmp_path, failure, before):
    target = tmp_path / "deep" / "out"
    if before == "an earlier result":
        target.mkdir(parents=True)
        fill(target, "old")
    was = everything(tmp_path)
    expected: type[BaseException] = OutputError if isinstance(failure, OSError) else type(failure)
    with pytest.raises(expected), result_folder(target, OWN) as folder:
        half_write(folder, failure)
    assert everything(tmp_path) == was


def test_a_failed_last_rename_brings_the_earlier_result_back(tmp_path, monkeypatch):
    target = tmp_path / "out"
    target.mkdir()
    fill(target, "old")
    was = everything(tmp_path)
    rename = Path.rename

    def failing_for_the_new_one(self: Path, to: Path) -> Path:
        if ".partial-" in self.name:
            raise OSError(errno.EIO, "Input/output error", str(self))
        return rename(self, to)

    monkeypatch.setattr(Path, "rename", failing_for_the_new_one)
    with pytest.raises(OutputError, match="Input/output error"), result_folder(target, OWN) as folder:
        fill(folder)
    assert everything(tmp_path) == was


def test_a_failed_file_is_named_where_it_was_asked_for(tmp_path, monkeypatch):
    monkeypatch.setattr(os, "fsync", failing(errno.ENOSPC))
    with pytest.raises(OutputError) as caught, result_folder(tmp_path / "out", OWN) as folder:
        write_atomically(folder / "vhi.json", b"{}")
    assert str(caught.value).startswith(f"{tmp_path / 'out' / 'vhi.json'} cannot be written: the disk is full")
    assert everything(tmp_path) == {}


def test_a_file_missing_elsewhere_is_not_blamed_on_the_output(tmp_path):
    with pytest.raises(FileNotFoundError), result_folder(tmp_path / "out", OWN):
        Path("/no/such/template.html").read_text()
    assert everything(tmp_path) == {}


def test_a_hash_is_that_of_the_bytes(tmp_path):
    (tmp_path / "a").write_bytes(b"abc")
    assert sha256_of(tmp_path / "a") == hashlib.sha256(b"abc").hexdigest()
    with pytest.raises(InputError, match="cannot be read"):
        sha256_of(tmp_path / "b")
