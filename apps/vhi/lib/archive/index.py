"""The index of an archive: an SQLite file beside the DICOM files, from which searches and metadata are answered.

It holds nothing that the files do not hold. When it is lost or damaged it is made anew from them.
"""

from __future__ import annotations

import json
import sqlite3
import threading
import weakref
import zlib
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..errors import OutputError
from .attributes import SEARCHABLE, Level, tag_of
from .instance import Instance
from .query import Query, matches

# another layout of the tables, or other contents: an index of another version is made anew
VERSION = 1
_UID_COLUMNS = ("study_uid", "series_uid", "sop_uid")
_TABLES = ("studies", "series", "instances")
_RETRIEVE_URL, _AVAILABILITY = tag_of("RetrieveURL"), tag_of("InstanceAvailability")


@dataclass(frozen=True)
class Stamp:
    """The facts about a file by which a change of it is noticed."""

    size: int
    mtime_ns: int


@dataclass(frozen=True)
class Located:
    """An instance, and its file as a path below the archive's folder."""

    study_uid: str
    series_uid: str
    sop_uid: str
    sop_class: str
    syntax: str
    path: str


def _columns(level: Level) -> list[str]:
    """Those by which rows of a level are searched, but its identifier."""
    own = {"StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID"}
    return [attribute.keyword for attribute in SEARCHABLE.values() if attribute.level == level and attribute.keyword not in own]


def _schema() -> str:
    text = {level: "".join(f", {column} TEXT NOT NULL DEFAULT ''" for column in _columns(level)) for level in Level}
    return f"""
        CREATE TABLE studies (study_uid TEXT PRIMARY KEY, shown TEXT NOT NULL, more TEXT NOT NULL,
            counted TEXT NOT NULL DEFAULT '',
            described_by TEXT NOT NULL{text[Level.STUDY]});
        CREATE TABLE series (series_uid TEXT PRIMARY KEY, study_uid TEXT NOT NULL, shown TEXT NOT NULL, more TEXT NOT NULL,
            number INTEGER NOT NULL DEFAULT 0, counted TEXT NOT NULL DEFAULT '', described_by TEXT NOT NULL{text[Level.SERIES]});
        CREATE TABLE instances (sop_uid TEXT PRIMARY KEY, series_uid TEXT NOT NULL, study_uid TEXT NOT NULL,
            sop_class TEXT NOT NULL, syntax TEXT NOT NULL, path TEXT NOT NULL UNIQUE, size INTEGER NOT NULL,
            mtime_ns INTEGER NOT NULL, number INTEGER NOT NULL DEFAULT 0, shown TEXT NOT NULL,
            metadata BLOB NOT NULL{text[Level.INSTANCE]});
        CREATE INDEX series_of_study ON series (study_uid);
        CREATE INDEX instances_of_series ON instances (series_uid, number);
        CREATE INDEX instances_of_study ON instances (study_uid);
        CREATE INDEX studies_by_date ON studies (StudyDate, StudyTime, study_uid);
        CREATE INDEX studies_by_patient ON studies (PatientID);
        PRAGMA user_version = {VERSION};
    """


class Index:
    """One SQLite file, used by one thread at a time.

    Raises
    ------
    sqlite3.DatabaseError
        From any method: the file is damaged; `start_anew` makes an empty one.
    OutputError
        The file cannot be written where it should be.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock = threading.RLock()
        try:
            self._connection = self._open()
            sound = self._connection.execute("PRAGMA quick_check(1)").fetchone()[0] == "ok"
            known = self._connection.execute("PRAGMA user_version").fetchone()[0] == VERSION
        except sqlite3.OperationalError as error:
            raise OutputError(f"The index {path} cannot be opened ({error}); check the folder's permissions.") from error
        except sqlite3.DatabaseError:
            sound = known = False
        # why what was there could not be used; empty for a sound index, and for the first
        self.was_damaged = not sound
        if not (sound and known):
            self.start_anew()

    def _open(self) -> sqlite3.Connection:
        connection = sqlite3.connect(self.path, check_same_thread=False, isolation_level=None)
        self._closing = weakref.finalize(self, connection.close)  # also where the index turns out not to be usable
        connection.create_function("matches", 3, matches, deterministic=True)
        self._connection = connection
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = NORMAL")  # what a power cut takes from the index is found again in the folder
        return connection

    def start_anew(self) -> None:
        """Throw the index away and begin an empty one."""
        with self._lock:
            self._closing()
            for suffix in ("", "-wal", "-shm"):
                self.path.with_name(self.path.name + suffix).unlink(missing_ok=True)
            self._connection = self._open()
            self._connection.executescript(_schema())

    def close(self) -> None:
        with self._lock:
            self._closing()

    @contextmanager
    def changing(self) -> Iterator[IndexChanges]:
        """Changes that are kept together, or not at all when the block fails."""
        with self._lock:
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                changes = IndexChanges(self._connection)
                yield changes
                changes.count()
                self._connection.execute("COMMIT")
            except BaseException:
                if self._connection.in_transaction:
                    self._connection.execute("ROLLBACK")
                raise

    def _all(self, sql: str, values: Iterable[Any] = ()) -> list[tuple[Any, ...]]:
        with self._lock:
            return self._connection.execute(sql, tuple(values)).fetchall()

    def files(self) -> dict[str, Stamp]:
        """Every file that is indexed."""
        return {path: Stamp(size, mtime) for path, size, mtime in self._all("SELECT path, size, mtime_ns FROM instances")}

    def counts(self) -> tuple[int, int, int]:
        """Studies, series and instances."""
        row = self._all("SELECT " + ", ".join(f"(SELECT count(*) FROM {table})" for table in _TABLES))[0]
        return row[0], row[1], row[2]

    def located(self, uids: Mapping[Level, str]) -> list[Located]:
        """The instances of a study, of a series, or one, in their order."""
        condition, values = _within(uids, "instances")
        columns = "study_uid, series_uid, sop_uid, sop_class, syntax, path"
        rows = self._all(f"SELECT {columns} FROM instances WHERE {condition} ORDER BY series_uid, number, sop_uid", values)
        return [Located(*row) for row in rows]

    def metadata(self, uids: Mapping[Level, str]) -> list[tuple[str, str, str, bytes]]:
        """Study, series, SOP instance and compressed metadata of the same instances."""
        condition, values = _within(uids, "instances")
        sql = f"SELECT study_uid, series_uid, sop_uid, metadata FROM instances WHERE {condition}"
        return [(row[0], row[1], row[2], row[3]) for row in self._all(f"{sql} ORDER BY series_uid, number, sop_uid", values)]

    def exists(self, uids: Mapping[Level, str]) -> bool:
        """Whether there is such a study, or such a series of it."""
        if not uids:
            return True
        table = _TABLES[max(uids)]
        condition, values = _within(uids, table)
        return bool(self._all(f"SELECT 1 FROM {table} WHERE {condition} LIMIT 1", values))

    def search(self, query: Query, within: Mapping[Level, str]) -> tuple[list[tuple[tuple[str, ...], str]], bool]:
        """UIDs and DICOM JSON members (without braces) of what is found, and whether there is more than the limit."""
        level = query.level
        tables = [_TABLES[level], *(_TABLES[number] for number in reversed(range(level)))]
        joined = tables[0] + "".join(f" JOIN {table} USING ({_UID_COLUMNS[_TABLES.index(table)]})" for table in tables[1:])
        bodies = ["instances.shown"] if level == Level.INSTANCE else []
        bodies += [f"{table}.shown || {table}.counted" for table in tables if table != "instances"]
        if query.fields is None or query.fields:
            bodies += [f"{table}.more" for table in tables if table != "instances"]
            bodies += ["instances.metadata"] if level == Level.INSTANCE else []
        inside, values = _within(within, tables[0])
        condition = query.condition
        for keyword, column in zip(("StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID"), _UID_COLUMNS, strict=True):
            condition = condition.replace(keyword, f"{tables[0]}.{column}")
        order = {
            Level.STUDY: "StudyDate DESC, StudyTime DESC, study_uid",
            Level.SERIES: "StudyDate DESC, StudyTime DESC, studies.study_uid, series.number, series_uid",
            Level.INSTANCE: "instances.study_uid, instances.series_uid, instances.number, sop_uid",
        }[level]
        uids = [f"{tables[0]}.{column}" for column in _UID_COLUMNS[: level + 1]]
        rows = self._all(
            f"SELECT {', '.join(uids)}, {', '.join(bodies)} FROM {joined} WHERE {inside} AND ({condition}) "
            f"ORDER BY {order} LIMIT ? OFFSET ?",
            (*values, *query.values, query.limit + 1, query.offset),
        )
        hits = [(row[: level + 1], _body(row[level + 1 :], query)) for row in rows[: query.limit]]
        return hits, len(rows) > query.limit


def _body(parts: tuple[Any, ...], query: Query) -> str:
    """The members of the answer, out of the stored texts."""
    if query.fields is not None and not query.fields:
        return ",".join(parts)
    texts = [zlib.decompress(part).decode()[1:-1] if isinstance(part, bytes) else part for part in parts]
    number = query.level + 1  # of texts that every answer holds
    members = json.loads("{" + ",".join(filter(None, texts[:number])) + "}")
    for text in texts[number:]:
        for tag, element in json.loads("{" + text + "}").items():
            # what lies at an address of its own is no part of a search's result
            if (query.fields is None or tag in query.fields) and "BulkDataURI" not in element:
                members.setdefault(tag, element)
    return json.dumps(dict(sorted(members.items())), ensure_ascii=False, separators=(",", ":"))[1:-1]


def _within(uids: Mapping[Level, str], table: str) -> tuple[str, list[str]]:
    terms = [f"{table}.{_UID_COLUMNS[level]} = ?" for level in uids]
    return " AND ".join(terms) or "1", list(uids.values())


class IndexChanges:
    """Changes of the index, made together inside `Index.changing`."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._touched: set[str] = set()

    def located(self, sop_uid: str) -> Located | None:
        """Where an instance lies; None for one that is not indexed."""
        columns = "study_uid, series_uid, sop_uid, sop_class, syntax, path"
        row = self._connection.execute(f"SELECT {columns} FROM instances WHERE sop_uid = ?", (sop_uid,)).fetchone()
        return Located(*row) if row else None

    def series_study(self, series_uid: str) -> str | None:
        """The study that a series is known to belong to."""
        row = self._connection.execute("SELECT study_uid FROM series WHERE series_uid = ?", (series_uid,)).fetchone()
        return row[0] if row else None

    def put(self, instance: Instance, path: str, stamp: Stamp) -> None:
        """Index an instance. Its study and series are described by their first instance, as long as its file is the same."""
        self._describe(Level.STUDY, instance, {"study_uid": instance.study_uid})
        self._describe(Level.SERIES, instance, {"series_uid": instance.series_uid, "study_uid": instance.study_uid})
        row = {
            "sop_uid": instance.sop_uid,
            "series_uid": instance.series_uid,
            "study_uid": instance.study_uid,
            "sop_class": instance.sop_class,
            "syntax": instance.syntax,
            "path": path,
            "size": stamp.size,
            "mtime_ns": stamp.mtime_ns,
            "metadata": zlib.compress(instance.metadata.encode(), 1),
        }
        self._describe(Level.INSTANCE, instance, row)
        self._touched.add(instance.study_uid)

    def drop(self, path: str) -> None:
        """Forget a file; its series and study go with their last instance."""
        run = self._connection.execute
        row = run("SELECT study_uid, sop_uid FROM instances WHERE path = ?", (path,)).fetchone()
        if row:
            run("DELETE FROM instances WHERE path = ?", (path,))
            for table in ("studies", "series"):
                # until another instance comes, its words stay
                run(f"UPDATE {table} SET described_by = '' WHERE study_uid = ? AND described_by = ?", row)
            self._touched.add(row[0])

    def _describe(self, level: Level, instance: Instance, row: dict[str, Any]) -> None:
        attributes = instance.attributes[level]
        row = row | {column: attributes.get(column, "") for column in _columns(level) if column != "ModalitiesInStudy"}
        row["shown"] = _members({**instance.shown[level], _AVAILABILITY: {"vr": "CS", "Value": ["ONLINE"]}})
        if level == Level.INSTANCE:
            row["number"] = _number(attributes["InstanceNumber"])
        else:
            row |= {"more": _members(instance.more[level]), "described_by": instance.sop_uid}
            if level == Level.SERIES:
                row["number"] = _number(attributes["SeriesNumber"])
        names, marks = ", ".join(row), ", ".join("?" * len(row))
        key = _UID_COLUMNS[level]
        anew = ", ".join(f"{name} = excluded.{name}" for name in row)
        known = "" if level == Level.INSTANCE else f" ON CONFLICT ({key}) DO UPDATE SET {anew} WHERE described_by = ''"
        self._connection.execute(f"INSERT INTO {_TABLES[level]} ({names}) VALUES ({marks}){known}", tuple(row.values()))

    def count(self) -> None:
        """Bring what depends on several instances up to date."""
        run = self._connection.execute
        for study_uid in self._touched:
            run(
                "DELETE FROM series WHERE study_uid = ? AND NOT EXISTS "
                "(SELECT 1 FROM instances WHERE instances.series_uid = series.series_uid)",
                (study_uid,),
            )
            total = 0
            rows = run("SELECT series_uid, Modality FROM series WHERE study_uid = ?", (study_uid,)).fetchall()
            for series_uid, _ in rows:
                number = run("SELECT count(*) FROM instances WHERE series_uid = ?", (series_uid,)).fetchone()[0]
                total += number
                counted = _members({tag_of("NumberOfSeriesRelatedInstances"): {"vr": "IS", "Value": [number]}})
                run("UPDATE series SET counted = ? WHERE series_uid = ?", ("," + counted, series_uid))
            if not rows:
                run("DELETE FROM studies WHERE study_uid = ?", (study_uid,))
                continue
            modalities = sorted({modality for _, modality in rows if modality})
            counted = _members(
                {
                    tag_of("ModalitiesInStudy"): {"vr": "CS", "Value": modalities} if modalities else {"vr": "CS"},
                    tag_of("NumberOfStudyRelatedSeries"): {"vr": "IS", "Value": [len(rows)]},
                    tag_of("NumberOfStudyRelatedInstances"): {"vr": "IS", "Value": [total]},
                }
            )
            run(
                "UPDATE studies SET counted = ?, ModalitiesInStudy = ? WHERE study_uid = ?",
                ("," + counted, "\\".join(modalities), study_uid),
            )


def _members(elements: Mapping[str, Any]) -> str:
    """DICOM JSON without its braces, so that levels can be put together."""
    return json.dumps(dict(sorted(elements.items())), ensure_ascii=False, separators=(",", ":"))[1:-1]


def _number(text: str) -> int:
    try:
        return max(-(2**31), min(2**31, int(text)))
    except ValueError:
        return 0
