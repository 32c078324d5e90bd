"""Regions and lesions carried to another sequence of the same visit, by geometry alone."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..errors import InputError
from .library import ndimage
from .pipeline import VhiResult
from .volume import Volume


@dataclass(frozen=True)
class RegionStatistics:
    """Intensities of another sequence at the voxels of one region [units of that sequence].

    Parameters
    ----------
    region : str
        The segment's name, or "lesion <id>".
    voxels : int
        Voxels of the region on the STIR grid.
    inside_share : float or None
        Share of them inside the other sequence's field of view; None for an empty region.
    mean, median, p5, p25, p75, p95 : float or None
        Over the voxels inside; None when there is none.
    """

    region: str
    voxels: int
    inside_share: float | None
    mean: float | None = None
    median: float | None = None
    p5: float | None = None
    p25: float | None = None
    p75: float | None = None
    p95: float | None = None


@dataclass(frozen=True)
class ImageStatistics:
    """One other sequence: its name, its four regions, and its lesions in the order of `VhiResult.lesions`."""

    image: str
    regions: tuple[RegionStatistics, ...]
    lesions: tuple[RegionStatistics, ...]


def image_statistics(image: Volume, result: VhiResult) -> ImageStatistics:
    """Intensities of another sequence in the regions and lesions of a result.

    Parameters
    ----------
    image : Volume
        Of the same visit; its grid may differ from that of STIR in size, spacing and orientation.
    result : VhiResult

    Raises
    ------
    InputError
        The image covers no voxel of the disease region.

    Notes
    -----
    The image is read by linear interpolation at the centres of the STIR voxels, so every value stands for the same volume.
    """
    region, bone = result.disease_region.mask.data, result.normal_bone.data
    at = np.argwhere(region | bone)
    values, inside = _sampled(image, result.stir.grid.world_mm(at))
    index = tuple(at.T)
    grade, labels, in_region = result.grade[index], result.lesion_labels[index], region[index]
    if not (inside & in_region).any():
        raise InputError(
            f"{image.name} covers no voxel of the disease region on {result.stir.name}; they must show one anatomy in the same "
            "scanner coordinates. Pass another sequence of the same visit, with its geometry."
        )

    def described(name: str, where: np.ndarray) -> RegionStatistics:
        return _described(name, values[where & inside], int(np.count_nonzero(where)))

    return ImageStatistics(
        image=image.name,
        regions=(
            described("normal bone", bone[index]),
            described("disease region", in_region),
            described("inflammation", grade >= 1),
            described("inflammation (conservative)", grade == 2),
        ),
        lesions=tuple(described(f"lesion {lesion.id}", labels == lesion.id) for lesion in result.lesions),
    )


def _sampled(image: Volume, points_mm: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Intensity at `(n, 3)` RAS+ positions [mm], and whether each lies within a voxel of the image."""
    to_index = np.linalg.inv(image.grid.affine)
    index = points_mm @ to_index[:3, :3].T + to_index[:3, 3]
    # the field of view ends half a voxel beyond the outermost centres, where the nearest voxel's value holds
    inside = np.all((index >= -0.5) & (index <= np.array(image.grid.shape) - 0.5), axis=1)
    return ndimage.map_coordinates(image.data, index.T, order=1, mode="nearest"), inside


def _described(name: str, values: np.ndarray, voxels: int) -> RegionStatistics:
    if not values.size:
        return RegionStatistics(name, voxels, 0.0 if voxels else None)
    p5, p25, median, p75, p95 = (float(q) for q in np.percentile(values, [5, 25, 50, 75, 95]))
    return RegionStatistics(name, voxels, values.size / voxels, float(values.mean()), median, p5, p25, p75, p95)
