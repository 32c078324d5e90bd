"""Copies of an archive's series for viewers in the browser, of a blinded study: DICOM under aliases and replaced UIDs."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Collection
from functools import cached_property
from pathlib import Path

from ..readings.data_folder import make_folder, remove_but
from ..records import read_remakable, write_json
from ..studies.deidentify import Pseudonym, write_deidentified
from ..studies.pairing import ROLES, Archived, Case, Role
from .memory_cache import NamedLocks

KEY_FILE = "uids.json"
FOLDER = "deidentified"
SeriesFolder = Callable[[Case, Role], Path]
# of both series the folder, which its instances name, and when it was made; None where one is missing
CopiesVersion = tuple[tuple[str, int, int], ...] | None


class DeidentifiedCopies:
    """One folder for each alias below `root/deidentified`; all of it may be deleted and is made again.

    Parameters
    ----------
    root : Path
        The data folder; `uids.json` in it holds the secret behind the replaced UIDs, which outlasts restarts.
    """

    def __init__(self, root: Path) -> None:
        self._root = root
        self._locks = NamedLocks()

    @cached_property
    def folder(self) -> Path:
        """Where they lie; made when it is asked for first."""
        folder = self._root / FOLDER
        make_folder(folder)
        return folder

    @cached_property
    def _key(self) -> bytes:
        return _key_of(self._root / KEY_FILE)

    def replaced_uids(self, alias: str, archived: Archived) -> Archived:
        """The UIDs in place of those that the archive has."""
        uids = (archived.study_uid, archived.t1w_uid, archived.stir_uid)
        return Archived(*(Pseudonym(alias, "STIR", self._key).uid(uid) for uid in uids))

    def version(self, case: Case) -> CopiesVersion:
        """Which copies of a case are there, of the instances that the archive has now: other ones once they were made anew."""
        try:
            folders = [(self._target(case, role), self._target(case, role).stat()) for role in ROLES]
        except OSError:
            return None
        return tuple((str(folder), status.st_ino, status.st_mtime_ns) for folder, status in folders)

    def make(self, case: Case, series_folder: SeriesFolder) -> None:
        """Make sure that the copies of a case are there.

        Raises
        ------
        BurnedInError
            Text may stand in the pixels of a series.
        VhiError
            A series cannot be had, read or written.
        """
        with self._locks.of(case.case_id):
            if self.version(case) is not None:
                return
            remove_but(self.folder / case.case_id, {self._target(case, "STIR").parent.name})
            for role in ROLES:
                if not self._target(case, role).is_dir():
                    write_deidentified(
                        series_folder(case, role), self._target(case, role), Pseudonym(case.case_id, role, self._key)
                    )

    def forget_but(self, case_ids: Collection[str]) -> None:
        """Remove the copies of cases that are gone."""
        if not (self._root / FOLDER).exists():
            return
        own = {path.name for path in self.folder.iterdir() if path.name.startswith(".")}
        remove_but(self.folder, {*case_ids, *own})

    def _target(self, case: Case, role: Role) -> Path:
        # the folder of the series is named by its instances
        return self.folder / case.case_id / case.path(role).parent.name / role


def _key_of(path: Path) -> bytes:
    """The secret in a file, which is made where there is none: viewers then know the series by other UIDs than before."""
    record = read_remakable(path, key=str)
    if record is None:
        record = {"key": secrets.token_hex(32)}
        write_json(path, record)
    return str(record["key"]).encode()
