"""The two series of a case in memory, and proof that they are still the ones that were listed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from lib.core.volume import Grid, Volume, check_same_grid
from lib.errors import ConflictError, InputError
from lib.files import sha256_of
from lib.readings.folder import make_folder, read_json, write_json
from lib.readings.store import ReadingStore
from lib.service.keep import Kept
from lib.studies.nifti import read_volume
from lib.studies.pairing import ROLES, Case, Role

Version = tuple[tuple[int, int], ...]  # size and time of each of the two files


@dataclass(frozen=True, eq=False)
class Scans:
    """A loaded pair on one grid, with the sha256 of both files."""

    case: Case
    t1w: Volume
    stir: Volume
    sha256: Mapping[str, str]
    version: Version

    def grid(self, role: Role) -> Grid:
        """The grid exactly as that series' file has it."""
        return self.t1w.grid if role == "T1W" else self.stir.grid


class ScanReader:
    """Reads pairs and keeps the last few.

    The first time a case is opened, the hashes of its files are written down; from then on a case id stands for these files.
    Callers hold the case's lock.
    """

    def __init__(self, store: ReadingStore, count: int) -> None:
        self.store = store
        self._kept: Kept[Scans] = Kept(count)
        self._hashes: Kept[str] = Kept(64 * count)

    def of(self, case: Case) -> Scans:
        """The pair of a case.

        Raises
        ------
        InputError
            A file is gone or cannot be used, or the two do not share a grid.
        ConflictError
            A file is no longer the one that was listed.
        """
        version = _version(case)
        kept = self._kept.find(case.case_id)
        if kept is not None and kept.version == version:
            return kept
        known = self.known(case)
        hashes: dict[str, str] = {role: self.checked_hash(case, role) for role in ROLES}
        t1w, stir = (_named(case, role) for role in ROLES)
        check_same_grid(t1w, stir)
        if _version(case) != version:
            raise ConflictError(f"A scan of case {case.case_id} changed while it was read; ask again once it is copied.")
        if known is None:
            self._write_down(case, hashes)
        scans = Scans(case, t1w, stir, hashes, version)
        self._kept.keep(case.case_id, scans)
        return scans

    def checked_hash(self, case: Case, role: Role) -> str:
        """The sha256 of a scan's file; without reading it again where its size and time did not change.

        Raises
        ------
        InputError
            It is gone or cannot be read.
        ConflictError
            It is no longer the one that was opened first.
        """
        version = (case.path(role), _version(case)[ROLES.index(role)])
        found = self._hashes.find(version)
        if found is None:
            found = sha256_of(case.path(role))
            self._hashes.keep(version, found)
        known = (self.known(case) or {}).get(role, found)
        if known != found:
            raise ConflictError(
                f"The {role} scan of case {case.case_id} is no longer the file that was opened here first (sha256 "
                f"{known[:12]}..., now {found[:12]}...). Put the original back, or add the new scan as a case of its own."
            )
        return found

    def known(self, case: Case) -> dict[str, str] | None:
        """The hashes that a case was first opened with; None before."""
        return read_json(self._path(case))

    def _write_down(self, case: Case, hashes: dict[str, str]) -> None:
        make_folder(self._path(case).parent)
        write_json(self._path(case), hashes)

    def _path(self, case: Case) -> Path:
        return self.store.root / "cases" / case.case_id / "scans.json"


def _named(case: Case, role: Role) -> Volume:
    volume = read_volume(case.path(role), role)
    # by the case's public id: a file's own name may tell who the patient is
    return Volume(volume.data, volume.grid, f"{role} of case {case.case_id}")


def _version(case: Case) -> Version:
    found = []
    for role in ROLES:
        try:
            status = case.path(role).stat()
        except OSError as error:
            raise InputError(
                f"The {role} scan of case {case.case_id} is gone or cannot be read ({error.strerror or error}); put it back."
            ) from error
        found.append((status.st_size, status.st_mtime_ns))
    return tuple(found)
