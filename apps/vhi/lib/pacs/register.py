"""The register of an archive's studies, kept over restarts: one small SQLite file in the data folder."""

from __future__ import annotations

import hashlib
import json
import sqlite3
import threading
import weakref
from collections.abc import Collection, Iterable, Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from ..errors import OutputError
from ..studies.pairing import ROLES, Archived, Role

# raised when what is kept, or how it is found out, changes: everything is found out again then
FORMAT = 2


@dataclass(frozen=True)
class SeriesPair:
    """T1W and STIR of a study, and what the reader of a result must know about the choice.

    `key` tells one set of instances of the two series from another, see `key_of`.
    """

    series: Archived
    key: str
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True)
class ArchivedStudy:
    """One study of the archive.

    Parameters
    ----------
    uid : str
    date : str
        YYYYMMDD, perhaps empty.
    counts : str
        What the archive says of its size; where it says something else, the study is looked at again.
    since : float
        When it first said so [s since the epoch].
    examined : float or None
        When it was looked at last; None before the first time and after it changed.
    mr : str
        Its MR series with their sizes, at that time.
    pair : SeriesPair or None
    obstacle : str or None
        Why there is no usable pair; None where there is one, or where the study was not looked at yet.
    """

    uid: str
    date: str = ""
    counts: str = ""
    since: float = 0.0
    examined: float | None = None
    mr: str = ""
    pair: SeriesPair | None = None
    obstacle: str | None = None


@dataclass
class Register:
    """All studies by their UIDs, in memory and on disk. Safe between threads."""

    path: Path
    _studies: dict[str, ArchivedStudy] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)
    version: int = 0

    def __post_init__(self) -> None:
        try:
            self._database = self._opened()
        except sqlite3.DatabaseError:
            self.close()
            # all of it can be learnt again
            for part in ("", "-wal", "-shm"):
                self.path.with_name(self.path.name + part).unlink(missing_ok=True)
            self._database = self._opened()
        rows = self._database.execute("SELECT uid, content FROM studies").fetchall()
        self._studies.update({uid: _study(json.loads(content)) for uid, content in rows})

    def _opened(self) -> sqlite3.Connection:
        try:
            database = sqlite3.connect(self.path, check_same_thread=False, isolation_level=None)
            self._closing = weakref.finalize(self, database.close)  # nobody closes the one that a server keeps until it ends
            database.execute("PRAGMA journal_mode=WAL")
            if database.execute("PRAGMA user_version").fetchone()[0] != FORMAT:
                database.execute("DROP TABLE IF EXISTS studies")
                database.execute(f"PRAGMA user_version={FORMAT}")
            database.execute("CREATE TABLE IF NOT EXISTS studies (uid TEXT PRIMARY KEY, content TEXT NOT NULL)")
        except sqlite3.OperationalError as error:
            raise OutputError(f"{self.path} cannot be opened ({error}); check the data folder and its permissions.") from error
        return database

    def close(self) -> None:
        self._closing()

    def all(self) -> list[ArchivedStudy]:
        with self._lock:
            return list(self._studies.values())

    def get(self, uid: str) -> ArchivedStudy | None:
        with self._lock:
            return self._studies.get(uid)

    def put(self, studies: Iterable[ArchivedStudy]) -> None:
        """Keep studies as they are given.

        Raises
        ------
        OutputError
        """
        rows = list(studies)
        if rows:
            self._write(
                "INSERT INTO studies VALUES (?, ?) ON CONFLICT (uid) DO UPDATE SET content=excluded.content",
                [(row.uid, json.dumps(asdict(row))) for row in rows],
            )
        with self._lock:
            self._studies.update({row.uid: row for row in rows})
            self.version += bool(rows)

    def remove(self, uids: Collection[str]) -> None:
        """Forget studies.

        Raises
        ------
        OutputError
        """
        if uids:
            self._write("DELETE FROM studies WHERE uid=?", [(uid,) for uid in uids])
        with self._lock:
            for uid in uids:
                self._studies.pop(uid, None)
            self.version += bool(uids)

    def examine_again(self, uid: str) -> None:
        """The study is looked at again, as if it had changed."""
        study = self.get(uid)
        if study is not None:
            self.put([replace(study, examined=None, mr="")])

    def _write(self, statement: str, rows: list[tuple[Any, ...]]) -> None:
        with self._lock:
            try:
                self._database.execute("BEGIN")
                self._database.executemany(statement, rows)
                self._database.execute("COMMIT")
            except sqlite3.Error as error:
                if self._database.in_transaction:
                    self._database.execute("ROLLBACK")
                raise OutputError(f"{self.path} cannot be written ({error}); free some space.") from error


def key_of(series: Archived, instances: Mapping[Role, Iterable[str]]) -> str:
    """A short text that stands for two series with these instances (SOPInstanceUIDs)."""
    text = "/".join(f"{series.series_uid(role)}:{','.join(sorted(instances[role]))}" for role in ROLES)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _study(content: dict[str, Any]) -> ArchivedStudy:
    pair = content.pop("pair")
    if pair is not None:
        pair = SeriesPair(Archived(**pair["series"]), pair["key"], tuple(pair["warnings"]))
    return ArchivedStudy(**content, pair=pair)
