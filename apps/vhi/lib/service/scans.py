"""The two series of a case in memory, and proof that they are still the ones that were listed."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from ..core.volume import GRID_TOLERANCE_MM, Grid, Volume, check_same_grid, grid_distance_mm
from ..errors import ConflictError, InputError
from ..files import sha256_of
from ..readings.checking import SCANS_FILE, read_scan_hashes
from ..readings.data_folder import make_folder
from ..readings.scan_identity import is_the_scan, note_scans
from ..readings.store import ReadingStore
from ..records import write_json
from ..sentences import without_uids
from ..studies.nifti import read_volume
from ..studies.pairing import ROLES, Case, CaseSource, Role
from ..studies.registration import labels_at, on_grid_of, reoriented, turn_between
from .answers import Voxel
from .memory_cache import LastUsed

log = logging.getLogger("vhi.service")
HIDDEN_WARNING = "There is a warning about the series of this case; ask the administrator, in whose log it stands."
Version = tuple[tuple[int, int], ...]  # size and time of each of the two files


@dataclass(frozen=True, eq=False)
class Scans:
    """A loaded pair on one grid, with the sha256 of both files.

    `t1w_grid` is that of the T1W series itself, where `t1w` was brought onto STIR's; `warnings` are what the reader of a result
    must know about that and about the series.
    """

    case: Case
    t1w: Volume
    stir: Volume
    sha256: Mapping[str, str]
    version: Version
    t1w_grid: Grid | None = None
    warnings: tuple[str, ...] = ()

    @property
    def inputs(self) -> list[dict[str, str]]:
        """For `lib.provenance`: by the case's public id, with their hashes."""
        return [
            {"role": role, "file": name, "sha256": self.sha256[role]}
            for role, name in zip(ROLES, self.case.series_names, strict=True)
        ]

    def grid(self, role: Role) -> Grid:
        """The grid exactly as that series has it."""
        return (self.t1w_grid or self.t1w.grid) if role == "T1W" else self.stir.grid

    def to_series_grid(self, labels: np.ndarray, role: Role) -> np.ndarray:
        """`(I, J, K)` labels on STIR's grid as they lie on that of a series."""
        return labels_at(labels, self.stir.grid, self.grid(role)) if self._apart(role) else labels

    def to_stir_grid(self, labels: np.ndarray, grid: Grid, role: Role) -> tuple[np.ndarray, Grid]:
        """`(I, J, K)` labels that a viewer drew over a series, on STIR's grid where that loses nothing; else as they are.

        That is where the voxels of both are the same, in whatever order the map has them, and where T1W has a voxel of its own
        for each of STIR: what is shown on T1W and comes back untouched is then the same to the voxel.
        """
        turn = turn_between(grid, self.stir.grid)
        if turn is not None:
            return np.ascontiguousarray(turn.apply(labels)), turn.apply_to_grid(grid)
        if not self._apart(role):
            return labels, grid
        drawn_on_t1w = labels.shape == self.grid(role).shape and grid_distance_mm(grid, self.grid(role)) <= GRID_TOLERANCE_MM
        if drawn_on_t1w and self._t1w_tells_all_voxels:
            return labels_at(labels, self.grid(role), self.stir.grid), self.stir.grid
        return labels, grid

    def voxels_to_stir_grid(self, clicks: Sequence[Voxel], role: Role) -> list[Voxel]:
        """Voxel indices in a series as indices of STIR's grid."""
        return _moved(clicks, self.grid(role), self.stir.grid) if self._apart(role) else list(clicks)

    def points_to_stir_grid(self, points: np.ndarray, role: Role) -> np.ndarray:
        """`(n, 3)` float indices in a series as indices of STIR's grid."""
        return _moved_points(points, self.grid(role), self.stir.grid) if self._apart(role) else points

    def points_to_series_grid(self, points: np.ndarray, role: Role) -> np.ndarray:
        """`(n, 3)` float indices of STIR's grid as indices in a series."""
        return _moved_points(points, self.stir.grid, self.grid(role)) if self._apart(role) else points

    def voxels_to_series_grid(self, voxels: Sequence[Voxel], role: Role) -> list[Voxel]:
        """Voxel indices of STIR's grid as indices of the nearest voxels in a series."""
        return _moved(voxels, self.stir.grid, self.grid(role)) if self._apart(role) else list(voxels)

    @cached_property
    def _t1w_tells_all_voxels(self) -> bool:
        """Whether every voxel of STIR comes back from T1W's grid."""
        numbers = np.arange(1, self.stir.data.size + 1, dtype=np.int32).reshape(self.stir.grid.shape)
        back = labels_at(self.to_series_grid(numbers, "T1W"), self.grid("T1W"), self.stir.grid)
        return bool(np.array_equal(back, numbers))

    def _apart(self, role: Role) -> bool:
        return role == "T1W" and self.t1w_grid is not None


def _moved(voxels: Sequence[Voxel], grid: Grid, other: Grid) -> list[Voxel]:
    """Voxel indices of one grid as indices of the nearest voxels of another."""
    moved = np.rint(_moved_points(np.array(voxels, dtype=np.float64).reshape(-1, 3), grid, other))
    return [(int(i), int(j), int(k)) for i, j, k in moved]


def _moved_points(points: np.ndarray, grid: Grid, other: Grid) -> np.ndarray:
    to_index = np.linalg.inv(other.affine)
    moved: np.ndarray = grid.world_mm(points) @ to_index[:3, :3].T + to_index[:3, 3]
    return moved


class ScanReader:
    """Reads pairs and keeps the last few.

    The first time a case is opened, the hashes of its files are written down; from then on a case id stands for these files. In
    an archive, where series arrive bit by bit, it does so from the first submission on. Callers hold the case's lock.
    """

    def __init__(self, store: ReadingStore, count: int, source: CaseSource) -> None:
        self.store, self.source = store, source
        self._kept: LastUsed[Scans] = LastUsed(count)
        self._hashes: LastUsed[str] = LastUsed(64 * count)

    def of(self, case: Case) -> Scans:
        """The pair of a case.

        Raises
        ------
        InputError
            A file is gone or cannot be used, or the two do not share a grid.
        ConflictError
            A file is no longer the one that was listed.
        """
        self.source.fetch(case)
        version = _version(case)
        kept = self._kept.get(case.case_id)
        if kept is not None and kept.version == version and kept.case == case:
            return kept
        hashes: dict[str, str] = {role: self.checked_hash(case, role) for role in ROLES}
        t1w, stir = (_named(case, role) for role in ROLES)
        t1w_grid, warnings = None, _warnings_for_readers(case, self.source.warnings(case))
        as_read: dict[str, Volume] = {"T1W": t1w, "STIR": stir}
        fitting, resampled = (reoriented(t1w, stir.grid), ()) if case.archived is None else on_grid_of(t1w, stir)
        check_same_grid(fitting, stir)
        as_it_is = fitting.grid.shape == t1w.grid.shape and np.array_equal(fitting.grid.affine, t1w.grid.affine)
        t1w_grid, warnings = None if as_it_is else t1w.grid, (*warnings, *resampled)
        t1w = fitting
        if _version(case) != version:
            raise ConflictError(f"A scan of case {case.case_id} changed while it was read; ask again once it is copied.")
        if read_scan_hashes(self._path(case)) is None:
            self._write_down(case, hashes)
        note_scans(self.store.root, case.case_id, hashes, as_read)
        scans = Scans(case, t1w, stir, hashes, version, t1w_grid, warnings)
        self._kept.put(case.case_id, scans)
        return scans

    def checked_hash(self, case: Case, role: Role) -> str:
        """The sha256 of a scan's file; without reading it again where its size and time did not change.

        A file of other bytes with the same voxels at the same place is the same scan, and has the hash that it had at first.

        Raises
        ------
        InputError
            It is gone or cannot be read.
        ConflictError
            It is no longer the one that was opened first.
        """
        self.source.fetch(case)
        version = (case.path(role), _version(case)[ROLES.index(role)])
        digest = self._hashes.get(version)
        if digest is None:
            digest = sha256_of(case.path(role))
            self._hashes.put(version, digest)
        known = (self.known(case) or {}).get(role, digest)
        if known != digest and case.archived is not None and not self.store.of_case(case.case_id):
            self._path(case).unlink(missing_ok=True)  # a better pair was found, or the rest of a series arrived
        elif known != digest:
            if is_the_scan(self.store.root, case.case_id, role, case.path(role), known):
                self._hashes.put(version, known)
                return known
            raise ConflictError(
                f"The {role} scan of case {case.case_id} is no longer the file that was opened here first (sha256 "
                f"{known[:12]}..., now {digest[:12]}...). Put the original back, or add the new scan as a case of its own."
            )
        return digest

    def known(self, case: Case) -> dict[str, str] | None:
        """The hashes that a case was first opened with; None before. Where the file is gone, its oldest submission says them.

        Raises
        ------
        DamagedError
        """
        known = read_scan_hashes(self._path(case))
        if known is not None:
            return known
        made = next((submission for submission in self.store.of_case(case.case_id) if set(ROLES) <= set(submission.scans)), None)
        return None if made is None else {role: made.scans[role] for role in ROLES}

    def _write_down(self, case: Case, hashes: dict[str, str]) -> None:
        make_folder(self._path(case).parent)
        write_json(self._path(case), hashes)

    def _path(self, case: Case) -> Path:
        return self.store.root / "cases" / case.case_id / SCANS_FILE


def _named(case: Case, role: Role) -> Volume:
    volume = read_volume(case.path(role), role)
    # by the case's public id: a file's own name may tell who the patient is
    return Volume(volume.data, volume.grid, without_uids(f"{role} of case {case.case_id}"))


def _version(case: Case) -> Version:
    versions = []
    for role, path in zip(ROLES, case.paths, strict=True):
        try:
            status = path.stat()
        except OSError as error:
            raise InputError(
                f"The {role} scan of case {case.case_id} is gone or cannot be read ({error.strerror or error}); put it back."
            ) from error
        versions.append((status.st_size, status.st_mtime_ns))
    return tuple(versions)


def _warnings_for_readers(case: Case, warnings: tuple[str, ...]) -> tuple[str, ...]:
    """The warnings about the series for readers: of a blinded study only that there are some, since they name series and UIDs."""
    if not case.blinded or not warnings:
        return warnings
    log.warning("of the series of %s readers are told that there is something to know: %s", case.case_id, " ".join(warnings))
    return (HIDDEN_WARNING,)
