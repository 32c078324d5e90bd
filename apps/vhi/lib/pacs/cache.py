"""Series of an archive on this machine's disk: downloaded once, turned into volumes, the longest unused removed."""

from __future__ import annotations

import logging
import os
import secrets
import shutil
from collections.abc import Collection
from pathlib import Path

from ..errors import ArchiveError
from ..files import result_folder
from ..readings.data_folder import make_folder
from ..records import NUMBER, Kinds, read_remakable, write_json
from ..service.memory_cache import NamedLocks
from ..studies.dicom_series import read_series
from ..studies.nifti import write_scan
from ..studies.pairing import ROLES, Archived, Role
from ..studies.pairing_rules import PairingRules
from .client import Archive
from .register import SeriesPair, key_of

# whatever they weigh: an answer may be in the middle of reading them
NEVER_REMOVED = 8
_INFO = "series.json"
# raised when the same files are read to other volumes, or are refused: pairs that were read before are fetched again then
_READER = 2
_NOTED: dict[str, Kinds] = {"warnings": list, "bytes": NUMBER}
log = logging.getLogger("vhi.pacs")


class ChangedError(ArchiveError):
    """A series is no longer what it was when its study was looked at."""


class SeriesCache:
    """Pairs of series below one folder: `<study UID>/<key>/` holds `T1W/` and `STIR/` as they were sent, `T1W.nii`, `STIR.nii`.

    It may be deleted while no server runs.

    Parameters
    ----------
    archive : Archive
    root : Path
    most_bytes : float
        Above this the longest unused pairs go.
    rules : PairingRules, optional
        Which of several contrasts in one series is meant.
    """

    def __init__(self, archive: Archive, root: Path, most_bytes: float, rules: PairingRules | None = None) -> None:
        self.archive, self.root, self.most_bytes, self.rules = archive, root, most_bytes, rules
        self._locks = NamedLocks()
        make_folder(root)
        for leftover in (*root.glob(".*"), *root.glob("*/.*")):
            shutil.rmtree(leftover, ignore_errors=True)

    def folder(self, pair: SeriesPair) -> Path:
        """Where a pair lies, or will."""
        return self.root / pair.series.study_uid / pair.key

    def fetch(self, series: Archived, folder: Path) -> None:
        """Make sure that a pair lies in its folder.

        Raises
        ------
        ChangedError
            The archive has other instances than those that the folder stands for.
        ArchiveError
            It cannot be had now.
        InputError
            It cannot be read as a series.
        OutputError
            The disk.
        """
        with self._locks.of(str(folder)):
            if not self.holds(folder):
                self._download(series, folder)
            os.utime(folder / _INFO)

    def holds(self, folder: Path) -> bool:
        """Whether a pair lies in a folder; one whose note is damaged, or that was read by other rules, is fetched again."""
        return (read_remakable(folder / _INFO, **_NOTED) or {}).get("reader") == _READER

    def warnings(self, folder: Path) -> tuple[str, ...]:
        """Warnings about the series for the reader of a result."""
        return tuple(str(warning) for warning in (read_remakable(folder / _INFO, **_NOTED) or {}).get("warnings", ()))

    def pairs(self) -> list[Path]:
        """The folders that hold a pair, the longest unused first."""
        folders = (path.parent for path in self.root.glob(f"[!.]*/[!.]*/{_INFO}"))
        return sorted(folders, key=_last_used)

    def forget_but(self, study_uids: Collection[str]) -> None:
        """Remove the series of studies that are gone."""
        for folder in self.root.iterdir():
            if folder.name not in study_uids and not folder.name.startswith("."):
                self._remove(folder)

    def _download(self, series: Archived, folder: Path) -> None:
        if folder.exists():  # damaged, or read by other rules
            self._remove(folder)
        with result_folder(folder, ()) as staging:
            names: dict[Role, set[str]] = {}
            warnings: list[str] = []
            for role in ROLES:
                files = self.archive.download_series(series.study_uid, series.series_uid(role), staging / role)
                names[role] = {path.stem for path in files}
                warnings += _write_volume(staging, role, self.rules)
            if key_of(series, names) != folder.name:
                raise ChangedError(
                    f"A series of study {series.study_uid} has other instances in the archive than a moment ago; it may still be "
                    "receiving them. The study is looked at again."
                )
            size = sum(path.stat().st_size for path in staging.rglob("*") if path.is_file())
            write_json(staging / _INFO, {"warnings": warnings, "bytes": size, "reader": _READER})
        self._shrink()

    def _shrink(self) -> None:
        pairs = self.pairs()
        sizes = [int((read_remakable(folder / _INFO, **_NOTED) or {}).get("bytes", 0)) for folder in pairs]
        total = sum(sizes)
        for folder, size in list(zip(pairs, sizes, strict=True))[:-NEVER_REMOVED]:
            if total <= self.most_bytes:
                return
            self._remove(folder)
            total -= size

    def _remove(self, folder: Path) -> None:
        """Out of sight at once, then off the disk."""
        gone = self.root / f".{secrets.token_hex(8)}"
        try:
            folder.rename(gone)
        except OSError as error:
            log.warning("a cached series cannot be removed: %s", error.strerror)
            return
        shutil.rmtree(gone, ignore_errors=True)


def _write_volume(folder: Path, role: Role, rules: PairingRules | None) -> tuple[str, ...]:
    volume, info = read_series(folder / role, role, rules)
    write_scan(folder / f"{role}.nii", volume)
    return info.warnings


def _last_used(folder: Path) -> float:
    try:
        return (folder / _INFO).stat().st_mtime
    except OSError:
        return 0.0
