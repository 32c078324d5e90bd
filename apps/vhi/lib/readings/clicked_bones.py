"""Normal bones grown from readers' clicks, as they were shown: what is drawn again counts as clicked, after a restart too.

A grown region follows from the clicks and from the disease region at that time, which may have been edited since and is kept
nowhere. So the last few stand in `cases/<case>/shown/<reader>-clicked.json`, the newest first, with their masks beside it.
Damaged or gone, it is as if nothing had been grown.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from ..core.normal_bone import NormalBone
from ..core.segment_names import NORMAL_BONE
from ..core.volume import Grid, Mask
from ..errors import DamagedError, InputError
from ..records import log_once, read_remakable, write_json
from ..studies.nifti import read_mask, write_mask
from .data_folder import make_folder
from .store import ReadingStore
from .submission import check_reader


class ClickedBones:
    """Normal bone from clicks, of all cases and readers of one data folder; callers hold the case's lock."""

    def __init__(self, readings: ReadingStore) -> None:
        self._readings = readings

    def of(self, case_id: str, reader: str, grid: Grid) -> tuple[NormalBone, ...]:
        """The normal bone grown for a reader, the newest first, on the grid of STIR."""
        path = self._path(case_id, reader)
        bones = []
        for entry in (read_remakable(path) or {}).get("bones", []):
            try:
                mask = read_mask(path.with_name(str(entry["file"])), NORMAL_BONE)
                clicks = tuple((int(i), int(j), int(k)) for i, j, k in entry["clicks"])
                bone = NormalBone(
                    Mask(mask.data, grid, NORMAL_BONE), "clicked", clicks=clicks, with_proposal=entry["with_proposal"]
                )
            except (InputError, KeyError, TypeError, ValueError) as error:
                log_once(DamagedError(path, f"a clicked normal bone in it is of no use ({error})"), "it is grown anew")
                continue
            bones.append(bone)
        return tuple(bones)

    def keep(self, case_id: str, reader: str, bones: Sequence[NormalBone]) -> None:
        """Keep these and no others.

        Raises
        ------
        OutputError
        """
        path = self._path(case_id, reader)
        make_folder(path.parent)
        named = {f"{path.stem}-{_digest(bone)}.nii.gz": bone for bone in bones}
        for name, bone in named.items():
            if not path.with_name(name).is_file():
                write_mask(path.with_name(name), bone.mask)
        listed = [
            {"file": name, "clicks": [list(click) for click in bone.clicks], "with_proposal": bone.with_proposal}
            for name, bone in named.items()
        ]
        write_json(path, {"bones": listed})
        for old in path.parent.glob(f"{path.stem}-*.nii.gz"):
            if old.name not in named:
                old.unlink(missing_ok=True)

    def _path(self, case_id: str, reader: str) -> Path:
        check_reader(reader)
        return self._readings.folder_of_case(case_id) / "shown" / f"{reader}-clicked.json"


def _digest(bone: NormalBone) -> str:
    content = hashlib.sha256(repr((bone.clicks, bone.with_proposal, bone.mask.grid.shape)).encode())
    content.update(np.packbits(bone.mask.data).tobytes())
    return content.hexdigest()[:32]
