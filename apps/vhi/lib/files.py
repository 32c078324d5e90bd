"""Writing whole files and whole result folders, or nothing."""

from __future__ import annotations

import errno
import hashlib
import os
import secrets
import shutil
import tempfile
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path

from .errors import InputError, OutputError

RESULT_MARK = "vhi.json"
# in the place of the former, where a scan could not be measured
NOT_MEASURED_MARK = "not_measured.json"

_REASONS = {
    errno.ENOSPC: "the disk is full; free some space, or choose another place",
    errno.EDQUOT: "the disk quota is used up; free some space, or choose another place",
    errno.EROFS: "the file system is read-only; choose another place",
    errno.EACCES: "this account may not write there; choose another place, or ask for permission",
    errno.EPERM: "this account may not write there; choose another place, or ask for permission",
    errno.ENOTDIR: "a file is where a folder is needed; choose another place",
    errno.EISDIR: "it is a folder; pass a file name",
    errno.ENAMETOOLONG: "its name is too long; choose a shorter one",
}


def output_error(path: Path, error: OSError) -> OutputError:
    """The sentence for a failed write to `path`."""
    reason = _REASONS.get(error.errno or 0, f"{error.strerror or error}; choose another place")
    return OutputError(f"{path} cannot be written: {reason}. Nothing was written.")


def sha256_of(path: Path) -> str:
    """Hexadecimal sha256 of a file.

    Raises
    ------
    InputError
        It cannot be read.
    """
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise InputError(f"{path} cannot be read ({error.strerror or error}); check the path and its permissions.") from error


def write_atomically(path: Path, content: bytes, mode: int = 0o666) -> None:
    """Write a file so that its name only ever shows the whole content: beside it first, to disk, then renamed.

    Parameters
    ----------
    path : Path
    content : bytes
    mode : int
        Who may read it, less what the process's umask takes away.

    Raises
    ------
    OutputError
        With the reason; an older file of that name is left as it was.
    """
    beside: Path | None = None
    try:
        name = path.parent / f".{path.name[:100]}.partial-{secrets.token_hex(8)}"
        handle = os.open(name, os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0), mode)
        beside = name
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        beside.replace(path)
        beside = None
        sync_folder(path.parent)
    except FileNotFoundError as error:
        raise OutputError(f"{path} cannot be written: the folder {path.parent} does not exist; create it first.") from error
    except OSError as error:
        raise output_error(path, error) from error
    finally:
        if beside is not None:
            beside.unlink(missing_ok=True)


def move_into_place(beside: Path, path: Path) -> None:
    """Give a whole file, already on disk, its final name; missing folders above are made.

    Parameters
    ----------
    beside : Path
        On the same file system.
    path : Path
        A file of that name is replaced.

    Raises
    ------
    OutputError
        With the reason; an older file of that name is left as it was.
    """
    try:
        for parent in _missing_parents(path):
            parent.mkdir(exist_ok=True)
            sync_folder(parent.parent)
        beside.replace(path)
        sync_folder(path.parent)
    except OSError as error:
        raise output_error(path, error) from error


def check_output_file(path: Path) -> None:
    """Refuse, before any work is done, a file that could not be written at the end.

    Raises
    ------
    OutputError
    """
    if path.is_dir():
        raise output_error(path, OSError(errno.EISDIR, ""))
    if not path.parent.exists():
        raise OutputError(f"{path} cannot be written: the folder {path.parent} does not exist; create it first.")
    _check_writable(path, path.parent)


def check_result_folder(folder: Path, own_files: Collection[str], mark: str = RESULT_MARK) -> None:
    """Refuse, before any work is done, a place where a result folder could not be put.

    Fine are: nothing there yet, an empty folder, and an earlier result, which will be replaced whole.

    Parameters
    ----------
    folder : Path
    own_files : names
        What a result may consist of. A folder that also holds anything else is refused, so that nothing of the user's is
        ever deleted.
    mark : str
        The file that tells an earlier result from a folder of the user's.

    Raises
    ------
    OutputError
    """
    target = folder.resolve()
    if target.is_dir():
        if target == Path.cwd() or target in Path.cwd().parents or os.path.ismount(target):
            raise OutputError(
                f"{folder} cannot become a result folder, which is put in place whole: it is in use as the current folder or "
                "as a mount point. Pass the name of a new folder inside it."
            )
        names = _names_in(folder)
        if names and mark not in names and not (mark == RESULT_MARK and NOT_MEASURED_MARK in names):
            raise OutputError(f"{folder} is not empty and holds no earlier result ({mark}); pass a new folder.")
        foreign = sorted(names - set(own_files))
        if foreign:
            raise OutputError(
                f"{folder} holds an earlier result, which would be replaced, but also {foreign[0]}, which is not part of it; "
                "move that away, or pass a new folder."
            )
    nearest = target.parent
    while not nearest.exists() and nearest != nearest.parent:
        nearest = nearest.parent
    if target.exists() and not target.is_dir():
        raise output_error(folder, OSError(errno.ENOTDIR, ""))
    _check_writable(folder, nearest)


@contextmanager
def result_folder(folder: Path, own_files: Collection[str], mark: str = RESULT_MARK) -> Iterator[Path]:
    """A folder to write a result into, which appears at `folder` whole when the block ends, and not at all when it fails.

    Yields
    ------
    Path
        An empty folder beside `folder`.

    Raises
    ------
    OutputError
        `folder` is refused by `check_result_folder`, or a write fails.
    """
    check_result_folder(folder, own_files, mark)
    target = folder.resolve()
    # named before they exist, so that an interruption at any moment finds what to take away
    created = _missing_parents(target)
    staging = target.parent / f".{target.name[:100]}.partial-{secrets.token_hex(8)}"
    done = False
    try:
        for parent in created:
            parent.mkdir(exist_ok=True)
        staging.mkdir()
        yield staging
        _sync_files(staging)
        _put_in_place(staging, target)
        done = True
    except OutputError as error:
        # of a file inside: the user asked for `folder`, and the one beside it is gone by now
        raise OutputError(str(error).replace(str(staging), str(folder))) from error
    except OSError as error:
        if error.filename is not None and not _is_within(Path(os.fsdecode(error.filename)), target.parent):
            raise  # not about the output
        raise output_error(folder, error) from error
    finally:
        if not done:
            shutil.rmtree(staging, ignore_errors=True)
            for parent in reversed(created):
                try:
                    parent.rmdir()
                except OSError:
                    break


def _put_in_place(staging: Path, target: Path) -> None:
    """Rename `staging` to `target`; what is there (an empty folder, an earlier result) goes only once the new one stands."""
    old: Path | None = None
    if target.exists() and any(target.iterdir()):
        # a folder that is not empty cannot be renamed over: two renames, undone when the second fails
        old = Path(tempfile.mkdtemp(prefix=f".{target.name[:100]}.old-", dir=target.parent))
        target.rename(old)
    try:
        staging.rename(target)
    except OSError:
        if old is not None:
            old.rename(target)
        raise
    sync_folder(target.parent)
    if old is not None:
        shutil.rmtree(old, ignore_errors=True)


def _missing_parents(target: Path) -> list[Path]:
    """The folders above `target` that do not exist, outermost first."""
    missing: list[Path] = []
    parent = target.parent
    while not parent.exists():
        missing.insert(0, parent)
        parent = parent.parent
    return missing


def _names_in(folder: Path) -> set[str]:
    try:
        return {entry.name for entry in folder.iterdir()}
    except OSError as error:
        raise output_error(folder, error) from error


def _check_writable(path: Path, folder: Path) -> None:
    if not folder.is_dir():
        raise output_error(path, OSError(errno.ENOTDIR, ""))
    if not os.access(folder, os.W_OK | os.X_OK):
        is_read_only = os.name == "posix" and os.statvfs(folder).f_flag & os.ST_RDONLY
        raise output_error(path, OSError(errno.EROFS if is_read_only else errno.EACCES, ""))


def _is_within(path: Path, folder: Path) -> bool:
    return path.absolute().is_relative_to(folder)


def _sync_files(folder: Path) -> None:
    if os.name != "posix":
        return  # Windows writes no file out that is open for reading, and opens no folder
    for path in folder.iterdir():
        if path.is_dir():
            _sync_files(path)
            continue
        with path.open("rb") as file:
            os.fsync(file.fileno())
    sync_folder(folder)


def sync_folder(folder: Path) -> None:
    """Bring the names in a folder to disk, where the system can open folders; Windows cannot."""
    if os.name == "nt":
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def keep_private() -> None:
    """Make all that this process writes from now on private to its account: files 600, folders 700. Once, at its start."""
    os.umask(0o077)
