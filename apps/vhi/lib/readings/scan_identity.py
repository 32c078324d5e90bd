"""Whether a file still holds the scan that readings are about: by its bytes, else by its voxels and where they lie.

A scan that was compressed again, or stored by another program in another number type, has other bytes and is the same scan. What
the voxels of a scan are is noted when it is first read, in `cases/<case>/voxels.json` beside the hashes of the files.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from ..core.volume import Grid, Volume, grid_distance_mm
from ..files import sha256_of
from ..records import read_remakable, write_json
from ..studies.nifti import read_volume, voxels_sha256
from .data_folder import make_folder

# programs that store a transform again round it by some 0.01 mm; a scan that was moved is off by a pixel or more
SAME_PLACE_MM = 0.05


def note_scans(root: Path, case_id: str, sha256: Mapping[str, str], scans: Mapping[str, Volume]) -> None:
    """Note what the voxels of a case's scans are; nothing where that was done.

    Parameters
    ----------
    root : Path
        The data folder.
    sha256 : mapping of role to str
        Of the files, as they were first opened.
    scans : mapping of role to Volume
        As the files hold them.
    """
    if all((_noted(root, case_id, role) or {}).get("file") == sha256[role] for role in scans):
        return
    notes = {
        role: {"file": sha256[role], "voxels": voxels_sha256(scan), "affine": scan.grid.affine.tolist()}
        for role, scan in scans.items()
    }
    make_folder(_path(root, case_id).parent)
    write_json(_path(root, case_id), notes)


def is_the_scan(root: Path, case_id: str, role: str, path: Path, sha256: str) -> bool:
    """Whether a file is the one with that hash, or holds its voxels at the same place.

    Raises
    ------
    InputError
        The file is gone or cannot be read.
    """
    if sha256_of(path) == sha256:
        return True
    note = _noted(root, case_id, role)
    if note is None or note.get("file") != sha256:
        return False
    scan = read_volume(path, role)
    if note.get("voxels") != voxels_sha256(scan):
        return False
    return grid_distance_mm(Grid(scan.grid.shape, np.array(note["affine"])), scan.grid) <= SAME_PLACE_MM


def _noted(root: Path, case_id: str, role: str) -> dict[str, Any] | None:
    # damaged it is as if it had not been noted, and it is noted again while the files are the same
    note = (read_remakable(_path(root, case_id)) or {}).get(role)
    return note if isinstance(note, dict) and isinstance(note.get("affine"), list) else None


def _path(root: Path, case_id: str) -> Path:
    return root / "cases" / case_id / "voxels.json"
