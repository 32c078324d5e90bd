"""Normal bone and thresholds of one scan: from the image and the mask, and from the intensities that the authors list."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from ..core.normal_bone import sample_normal_bone
from ..core.pipeline import measure_vhi
from ..core.thresholds import Thresholds, thresholds_from
from ..core.volume import Mask
from ..studies.nifti import read_mask, read_volume, write_labels
from ..studies.reader_masks import ReaderMask, read_inflammation
from .readers import voxel_by_voxel


def sample_of(stir: Path, mask: Path, listed: np.ndarray | None) -> dict[str, Any]:
    """Our sample of normal bone, its thresholds, and how the authors' list differs from it.

    Parameters
    ----------
    stir, mask : Path
    listed : (n,) array, optional
        The intensities in the authors' text file, in any order.

    Raises
    ------
    VhiError
        A file that cannot be read, or a sample that gives no thresholds.
    """
    values = sample_normal_bone(read_volume(stir, "STIR"), read_mask(mask, "normal bone")).values
    sample: dict[str, Any] = {"n": int(values.size), **_thresholds(thresholds_from(values), "ours")}
    if listed is not None:
        same = listed.size == values.size
        apart = float(np.abs(np.sort(values) - np.sort(listed)).max()) if same else None
        sample |= {"listed_n": int(listed.size), "largest_difference": apart, **_thresholds(thresholds_from(listed), "listed")}
    return sample


def _thresholds(thresholds: Thresholds, whose: str) -> dict[str, float]:
    return {
        f"{whose}_sensitive": thresholds.sensitive,
        f"{whose}_conservative": thresholds.conservative,
        f"{whose}_multiple": thresholds.multiple,
        f"{whose}_q3": thresholds.q3,
        f"{whose}_iqr": thresholds.iqr,
    }


def automatic_of(t1w: Path, stir: Path, region: Path, bone: Path, semi: list[ReaderMask], grade_file: Path) -> dict[str, Any]:
    """The automatic segmentation before cleaning, kept as a label map, and how much of each reader's cleaned one lies in it.

    Raises
    ------
    VhiError
        Whatever makes a measurement untrustworthy.
    """
    scan, inversion = read_volume(t1w, "T1W"), read_volume(stir, "STIR")
    drawn = read_mask(bone, "normal bone")
    result = measure_vhi(scan, inversion, normal_bone=drawn, disease_region=read_mask(region, "disease region"))
    write_labels(grade_file, result.grade, inversion.grid)
    automatic = Mask(result.grade > 0, inversion.grid, "automatic segmentation")
    inside = {}
    for reading in semi:
        mask, _ = voxel_by_voxel(read_inflammation(reading)[0], automatic.grid)
        both = int(np.count_nonzero(mask.data & automatic.data))
        inside[reading.reader] = {"voxels": mask.voxels, "inside": both}
    return {
        "voxels": automatic.voxels,
        "conservative_voxels": int(np.count_nonzero(result.grade == 2)),
        "lesions": len(result.lesions),
        "cleaned": inside,
        "warnings": list(result.warnings),
    }
