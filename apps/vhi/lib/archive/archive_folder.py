"""The archive itself: a folder of DICOM files, an index of them, and how files get into both."""

from __future__ import annotations

import hashlib
import json
import logging
import os
import shutil
import sqlite3
import tempfile
import threading
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock

from ..errors import ConflictError, InputError, OutputError
from ..files import move_into_place, output_error, write_atomically
from ..locks import taken
from ..studies.dicom_mark import is_dicom
from ..studies.dicom_structure import structure_of
from .index import Index, IndexChanges, Stamp
from .instance import Instance, read_instance

logger = logging.getLogger("vhi.archive")

OWN_FOLDER = ".dicomweb"
SKIPPED = f"{OWN_FOLDER}/skipped.json"
# how many files are read between two moments at which searches see them
_BATCH = 200
# a folder that changed this recently may change again within the same tick of the clock [s]
_SETTLED_S = 2.0
_CHUNK = 2**20

# PS3.18, table I.2-2, and PS3.4, table B.2-1
NOT_UNDERSTOOD, DUPLICATE, OTHER_STUDY, OUT_OF_RESOURCES = 0xC000, 0x0111, 0xA900, 0xA700


@dataclass(frozen=True)
class StoreOutcome:
    """The outcome of storing one file; `reason` is None for one that is now in the archive, and then `sentence` is empty."""

    instance: Instance | None
    reason: int | None
    sentence: str


class ArchiveFolder:
    """A folder of DICOM files.

    Parameters
    ----------
    folder : Path
        Files below it, whatever their names, are the archive's; what is stored goes to `<study>/<series>/<instance>.dcm`.
    index : Path, optional
        The index file; by default inside `folder`, in `.dicomweb`.

    Raises
    ------
    InputError
        There is no such folder.
    ConflictError
        Another process has the archive open.
    OutputError
        The folder cannot be written.
    """

    def __init__(self, folder: Path, index: Path | None = None) -> None:
        if not folder.is_dir():
            raise InputError(f"{folder} is no folder; pass the folder of the DICOM files, or make it first.")
        self.folder = folder.resolve()
        own = self.folder / OWN_FOLDER
        self._incoming = own / "incoming"
        try:
            own.mkdir(exist_ok=True)
            self._lock = self._take(folder, own / "lock")
            shutil.rmtree(self._incoming, ignore_errors=True)  # what a killed process was receiving
            self._incoming.mkdir()
        except OSError as error:
            raise output_error(own, error) from error
        self._committing = threading.Lock()
        self._scanning = threading.Lock()
        self._skipped: dict[str, tuple[Stamp, str]] = {}
        self._listed_as_skipped: dict[str, str] = {}
        self._folders: dict[str, tuple[int, list[str], list[str]]] = {}
        self.index = Index(index or own / "index.sqlite")
        if self.index.was_damaged:
            logger.warning("The index of %s was damaged and is made anew from the files.", folder)

    @staticmethod
    def _take(folder: Path, lock_file: Path) -> FileLock:
        lock = taken(lock_file, wait_s=0)
        if lock is None:
            raise ConflictError(f"{folder} is served by another archive; stop that one, or pass another folder.")
        return lock

    def close(self) -> None:
        """Let another process open the archive."""
        self.index.close()
        self._lock.release()

    @property
    def skipped(self) -> Mapping[str, str]:
        """Files that are not served, by path below the folder, and why: one sentence each."""
        return {path: sentence for path, (_, sentence) in self._skipped.items()}

    def path(self, relative: str) -> Path:
        """Where a file of the index lies."""
        return self.folder / relative

    @contextmanager
    def receiving(self) -> Iterator[Path]:
        """An empty folder on the archive's own disk, for files that arrive; what is left in it goes when the block ends."""
        place = Path(tempfile.mkdtemp(dir=self._incoming))
        try:
            yield place
        finally:
            shutil.rmtree(place, ignore_errors=True)

    def store(self, files: Iterable[Path], study_uid: str | None = None) -> list[StoreOutcome]:
        """Take files that were received: checked, to disk, under their final name, and only then indexed.

        The same instance again, with the same data set, changes nothing and is a success; with another it is refused.

        Raises
        ------
        OutputError
            The disk is full, or the folder cannot be written. What was taken until then stays and can be sent again.
        """
        read = [self._checked(path, study_uid) for path in files]
        with self._committing, self._repairing(), self.index.changing() as changes:
            return [
                outcome if isinstance(outcome, StoreOutcome) else self._commit(outcome[0], outcome[1], changes)
                for outcome in read
            ]

    def _checked(self, path: Path, study_uid: str | None) -> StoreOutcome | tuple[Path, Instance]:
        try:
            instance = read_instance(path)
        except InputError as error:
            return StoreOutcome(None, NOT_UNDERSTOOD, str(error).replace(path.name, "One file"))
        if study_uid is not None and instance.study_uid != study_uid:
            sentence = f"Instance {instance.sop_uid} belongs to study {instance.study_uid}, not to {study_uid}."
            return StoreOutcome(instance, OTHER_STUDY, sentence)
        try:
            with path.open("rb") as file:
                os.fsync(file.fileno())
        except OSError as error:
            raise output_error(path, error) from error
        return path, instance

    def _commit(self, path: Path, instance: Instance, changes: IndexChanges) -> StoreOutcome:
        known = changes.located(instance.sop_uid)
        relative = known.path if known else f"{instance.study_uid}/{instance.series_uid}/{instance.sop_uid}.dcm"
        target = self.path(relative)
        if target.exists() and _is_whole(target):
            if _content_digest(target) != _content_digest(path):
                sentence = f"Instance {instance.sop_uid} is here with other content; a changed object needs its own UID."
                return StoreOutcome(instance, DUPLICATE, sentence)
            if known:
                return StoreOutcome(instance, None, "")
        else:
            other = changes.series_study(instance.series_uid)
            if other not in (None, instance.study_uid):
                sentence = f"Series {instance.series_uid} is here already, in study {other}; it cannot be in two studies."
                return StoreOutcome(instance, OTHER_STUDY, sentence)
            move_into_place(path, target)
        if known:
            changes.drop(relative)
        self._skipped.pop(relative, None)
        changes.put(instance, relative, _stamp(target.stat()))
        return StoreOutcome(instance, None, "")

    def rescan(self, *, everything: bool = False) -> None:
        """Bring the index in line with the folder: new, changed and removed files.

        Parameters
        ----------
        everything : bool
            Look at every file. Otherwise only at folders in which names came or went since the last time, and at files that
            were skipped: a file that is changed in place, without a new name, is then not noticed.
        """
        with self._scanning, self._repairing():
            indexed = self.index.files()
            present, looked_at = self._walk(everything)
            gone = [path for path in indexed if path not in present and os.path.dirname(path) in looked_at]
            gone += [path for path in indexed if os.path.dirname(path) not in self._folders]
            removed = [skipped for skipped in self._skipped if not self.path(skipped).exists()]
            for path in removed:
                del self._skipped[path]
            # of two files of one instance the other is wanted when the first goes
            again = self._skipped if gone or removed else {}
            changed = [
                path
                for path, stamp in present.items()
                if indexed.get(path) != stamp and (path in again or self._is_news(path, stamp))
            ]
            self._forget(gone)
            for start in range(0, len(changed), _BATCH):
                self._index(changed[start : start + _BATCH])
            self._list_skipped()

    def _list_skipped(self) -> None:
        """Write down which files are not served and why; their names and sentences may name patients, so they are not logged."""
        skipped = dict(sorted(self.skipped.items()))
        if skipped == self._listed_as_skipped:
            return
        self._listed_as_skipped = skipped
        logger.warning("%d files are not served; %s in the archive's folder says which and why", len(skipped), SKIPPED)
        try:
            write_atomically(self.folder / SKIPPED, json.dumps(skipped, indent=1, ensure_ascii=False).encode())
        except OutputError:
            logger.warning("the list of files that are not served cannot be written")

    def _is_news(self, path: str, stamp: Stamp) -> bool:
        return path not in self._skipped or self._skipped[path][0] != stamp

    def _walk(self, everything: bool) -> tuple[dict[str, Stamp], set[str]]:
        """Files of the folders that changed, and which folders these are; paths below the archive's folder."""
        present: dict[str, Stamp] = {}
        looked_at: set[str] = set()
        folders: dict[str, tuple[int, list[str], list[str]]] = {}
        todo = [""]
        while todo:
            relative = todo.pop()
            place = self.folder / relative
            try:
                mtime_ns = place.stat().st_mtime_ns
                before = self._folders.get(relative)
                if everything or before is None or before[0] != mtime_ns:
                    before = self._listed(relative, mtime_ns, present)
                    looked_at.add(relative)
            except OSError as error:
                logger.warning("%s cannot be listed (%s).", place, error.strerror)
                continue
            folders[relative] = before
            todo += before[1]
        self._folders = folders
        for path in self._skipped:
            if os.path.dirname(path) not in looked_at and self.path(path).exists():
                present[path] = _stamp(self.path(path).stat())
        return present, looked_at

    def _listed(self, relative: str, mtime_ns: int, present: dict[str, Stamp]) -> tuple[int, list[str], list[str]]:
        folders, files = [], []
        with os.scandir(self.folder / relative) as entries:
            for entry in sorted(entries, key=lambda entry: entry.name):
                path = f"{relative}/{entry.name}" if relative else entry.name
                if entry.name.startswith("."):
                    continue
                if entry.is_dir(follow_symlinks=False):
                    folders.append(path)
                elif entry.is_file(follow_symlinks=False):
                    files.append(path)
                    present[path] = _stamp(entry.stat(follow_symlinks=False))
        settled = time.time_ns() - mtime_ns > _SETTLED_S * 1e9
        return mtime_ns if settled else -1, folders, files

    def _forget(self, paths: list[str]) -> None:
        with self._committing, self.index.changing() as changes:
            for path in paths:
                if not self.path(path).exists():
                    changes.drop(path)

    def _index(self, paths: list[str]) -> None:
        read: list[tuple[str, Stamp, Instance]] = []
        unusable: list[str] = []
        for path in paths:
            try:
                stamp = _stamp(self.path(path).stat())
                if not _looks_like_dicom(self.path(path)):
                    continue
                read.append((path, stamp, read_instance(self.path(path))))
            except FileNotFoundError:
                continue
            except (InputError, OSError) as error:
                self._skip(path, stamp, str(error))
                unusable.append(path)
        with self._committing, self.index.changing() as changes:
            for path in unusable:
                changes.drop(path)
            for path, stamp, instance in read:
                changes.drop(path)
                known = changes.located(instance.sop_uid)
                study = changes.series_study(instance.series_uid)
                if known is not None and self.path(known.path).exists():
                    self._settle_duplicate(path, stamp, known.path, changes)
                elif study not in (None, instance.study_uid):
                    self._skip(path, stamp, f"{path} is of a series that lies in another study too; one of them is wrong.")
                else:
                    if known is not None:
                        changes.drop(known.path)
                    changes.put(instance, path, stamp)
                    self._skipped.pop(path, None)

    def _settle_duplicate(self, path: str, stamp: Stamp, known: str, changes: IndexChanges) -> None:
        """A second file of an instance: the first goes on being served where both are equal; else neither is."""
        if _same_content(self.path(path), self.path(known)):
            self._skip(path, stamp, f"{path} holds the same instance as {known}; remove one of them.")
            return
        changes.drop(known)
        for one, other in ((path, known), (known, path)):
            sentence = f"{one} and {other} are one instance by their UID and differ, so neither is served; remove the wrong one."
            self._skip(one, _stamp(self.path(one).stat()), sentence)

    def _skip(self, path: str, stamp: Stamp, sentence: str) -> None:
        name = os.path.basename(path)
        sentence = sentence if path in sentence else sentence.replace(name, path)
        self._skipped[path] = (stamp, sentence)

    @contextmanager
    def _repairing(self) -> Iterator[None]:
        """A damaged index is begun anew; the next scan fills it."""
        try:
            yield
        except sqlite3.OperationalError as error:
            raise OutputError(f"The index {self.index.path} cannot be written ({error}); check the disk.") from error
        except sqlite3.DatabaseError as error:
            self.repair()
            raise OutputError("The index was damaged and is being made anew; try again in a moment.") from error

    def repair(self) -> None:
        """Begin the index anew; the next scan fills it from the files."""
        logger.warning("The index of %s is damaged; it is made anew from the files.", self.folder)
        self.index.start_anew()
        self._folders = {}


def _stamp(status: os.stat_result) -> Stamp:
    return Stamp(status.st_size, status.st_mtime_ns)


def _looks_like_dicom(path: Path) -> bool:
    """Whether a file should be DICOM: it begins so, gzipped or without preamble too, or has the name of one."""
    return is_dicom(path) or path.suffix.lower() in (".dcm", ".ima")


def _is_whole(path: Path) -> bool:
    try:
        structure_of(path)
    except InputError:
        return False
    return True


def _same_content(one: Path, other: Path) -> bool:
    try:
        return _content_digest(one) == _content_digest(other)
    except InputError:
        return False


def _content_digest(path: Path) -> bytes:
    """Of the transfer syntax and the data set; what a sender writes about itself in front of them may differ."""
    structure = structure_of(path)
    digest = hashlib.sha256(structure.syntax.encode() + b"\0")
    with path.open("rb") as file:
        file.seek(structure.start)
        while chunk := file.read(_CHUNK):
            digest.update(chunk)
    return digest.digest()
