"""Disease regions by networks on the scans of a clone: the authors' own networks, and ours (figure 2, S2c, S3)."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from ..core.disease_region import Member, dice, segment_disease_region, slice_dice
from ..core.plausibility import Reference, region_warnings
from ..errors import VhiError
from ..studies.nifti import read_mask, read_volume, write_mask
from .readers import voxel_by_voxel


@dataclass(eq=False)
class RegionNetworks:
    """Networks that find disease regions.

    Parameters
    ----------
    name : str
        "released" for the authors' own, "ours".
    identity : str
        What tells these weights from others.
    learnt : frozenset of str
        Scans whose manual regions they learnt.
    load : callable
        Gives the members. They are loaded when the first scan needs them: a run that goes on may need none.
    reference : Reference, optional
        What they answer on scans that they know; without it they warn of nothing.
    """

    name: str
    identity: str
    learnt: frozenset[str]
    load: Callable[[], Sequence[Member]]
    reference: Reference | None = None

    @cached_property
    def members(self) -> Sequence[Member]:
        return self.load()


def region_of(ensemble: RegionNetworks, t1w: Path, manual: Path | None, mask_file: Path) -> dict[str, Any]:
    """One scan's region by an ensemble, kept as a mask, and how it lies on the manual one.

    Returns
    -------
    dict
        `voxels`, `member_dice`, `warnings`, and with a manual region `dice` and `slice_dice`, or `no_dice` with the reason;
        strict JSON.

    Raises
    ------
    VhiError
        The scan cannot be read, or no bone is found on it.
    """
    scan = read_volume(t1w, "T1W")
    region = segment_disease_region(scan, ensemble.members)
    write_mask(mask_file, region.mask)
    result: dict[str, Any] = {
        "voxels": region.mask.voxels,
        "member_dice": region.member_dice,
        "warnings": [] if ensemble.reference is None else list(region_warnings(scan, region, ensemble.reference)),
    }
    if manual is None:
        return result
    try:
        drawn, note = voxel_by_voxel(read_mask(manual, "manual disease region"), scan.grid)
    except VhiError as error:
        return {**result, "no_dice": str(error)}
    slices = slice_dice(region.mask.data, drawn.data)
    return {
        **result,
        "dice": dice(region.mask.data, drawn.data),
        "slice_dice": [None if math.isnan(value) else float(value) for value in slices],
        "note": note,
    }


def agreement_of(first: Path, second: Path) -> float:
    """Dice of two kept regions of one scan, or of a kept one and one that the authors publish.

    Raises
    ------
    VhiError
    """
    a, b = read_mask(first, "disease region"), read_mask(second, "disease region")
    return dice(a.data, voxel_by_voxel(b, a.grid)[0].data)


def kept_mask(folder: Path, ensemble: str, case: str) -> Path:
    """Where the region of a scan is kept."""
    return folder / f"region_{ensemble}_{case}.nii.gz"
