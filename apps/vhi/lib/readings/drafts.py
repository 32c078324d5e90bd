"""Work on a case that a reader has begun and not handed in. A draft is never a reading: nothing but the panel reads it.

`cases/<case>/drafts/<reader>-<reading>.json`, replaced whole at every save:

`schema`      1
`revision`    changes with every save; who saves names the one that they have seen
`saved`       ISO 8601, UTC
`state`       what the panel makes of it: clicks, options, rating
`map`         the panel's label map in runs, see `voxels_of_runs`
"""

from __future__ import annotations

import base64
import binascii
import secrets
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import ConflictError, DamagedError, InputError, RequestError
from ..provenance import now
from ..records import read_json, write_json
from .data_folder import locked, make_folder
from .store import ReadingStore
from .submission import check_reader, check_reading

SCHEMA = 1
ANY = "*"
_VALUE_BITS = 7
_LONGEST_RUN_BYTES = 5


@dataclass(frozen=True)
class Draft:
    """One draft; fields as in the module's docstring."""

    state: Mapping[str, Any]
    map: str
    revision: str = field(default_factory=lambda: secrets.token_hex(8))
    saved: str = field(default_factory=now)
    schema: int = SCHEMA


class Drafts:
    """The drafts in a data folder: one for each case, reader and reading.

    Parameters
    ----------
    readings : ReadingStore
    """

    def __init__(self, readings: ReadingStore) -> None:
        self._readings = readings

    def find(self, case_id: str, reader: str, reading: int) -> Draft | None:
        """The draft; None where there is none.

        Raises
        ------
        RequestError, InputError
            An unusable name or number; a damaged file.
        """
        return _read(self._path(case_id, reader, reading))

    def cases_with_draft(self, reader: str, reading: int) -> frozenset[str]:
        """The cases of which a reader has a draft in a reading, whether or not it can be read.

        Raises
        ------
        RequestError
            An unusable name or number.
        """
        check_reader(reader)
        check_reading(reading)
        paths = (self._readings.root / "cases").glob(f"*/drafts/{reader}-{reading}.json")
        return frozenset(path.parent.parent.name for path in paths)

    def save(self, case_id: str, reader: str, reading: int, draft: Draft, revision: str | None) -> None:
        """Put a draft in place of the one with this revision, of any for "*", or of none for None.

        Raises
        ------
        ConflictError
            Another one is there.
        OutputError
        """
        path = self._path(case_id, reader, reading)
        make_folder(path.parent)
        with locked(path.parent / "lock"):
            _check_revision(path, revision)
            write_json(path, asdict(draft))

    def remove(self, case_id: str, reader: str, reading: int, revision: str) -> None:
        """Remove the draft with this revision, or any for "*". Where there is none, nothing happens.

        Raises
        ------
        ConflictError
            Another one is there.
        """
        path = self._path(case_id, reader, reading)
        if not path.exists():
            return
        with locked(path.parent / "lock"):
            _check_revision(path, revision)
            path.unlink(missing_ok=True)

    def _path(self, case_id: str, reader: str, reading: int) -> Path:
        check_reader(reader)
        check_reading(reading)
        return self._readings.folder_of_case(case_id) / "drafts" / f"{reader}-{reading}.json"


def _read(path: Path) -> Draft | None:
    content = read_json(path, state=dict, map=str, revision=str, saved=str)
    if content is None:
        return None
    if content.get("schema") != SCHEMA:
        raise InputError(f"{path} has schema {content.get('schema')}, this program reads {SCHEMA}; update the program.")
    try:
        return Draft(**content)
    except TypeError as error:
        raise DamagedError(path, str(error), "start anew in the panel, or restore it from a backup") from error


def _check_revision(path: Path, revision: str | None) -> None:
    if revision == ANY:
        return
    draft = _read(path)
    if (draft.revision if draft else None) == revision:
        return
    if draft is None:
        raise ConflictError("What you had begun here was handed in or thrown away in another window.", {"revision": None})
    facts = {"revision": draft.revision, "saved": draft.saved}
    raise ConflictError("Another window of yours has gone on with this case.", facts)


def voxels_of_runs(text: str) -> int:
    """How many voxels a label map in runs has, without unpacking it.

    Parameters
    ----------
    text : str
        Base64 of whole numbers, each in bytes of 7 bits, lowest first, all but the last with the highest bit set (LEB128):
        128 x the length of the run + its value. First axis fastest.

    Raises
    ------
    RequestError
        It is no such map.
    """
    try:
        data = np.frombuffer(base64.b64decode(text, validate=True), np.uint8).astype(np.int64)
    except (binascii.Error, ValueError) as error:
        raise RequestError("The draft's label map is not base64; reload the page.") from error
    last = np.flatnonzero(data < 128)
    if not data.size or last[-1:].tolist() != [data.size - 1]:
        raise RequestError("The draft's label map broke off; nothing was kept of it.")
    first = np.concatenate([[0], last[:-1] + 1])
    place = np.arange(data.size) - np.repeat(first, last - first + 1)
    if place.max() >= _LONGEST_RUN_BYTES:
        raise RequestError("The draft's label map holds a run that is longer than any scan; nothing was kept of it.")
    runs = np.add.reduceat((data & 127) << (7 * place), first) >> _VALUE_BITS
    return int(runs.sum())
