"""Images and segments as 3D Slicer handles them, by the library that it reads and writes with."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import SimpleITK as sitk

LPS_OF_RAS = np.diag([-1.0, -1.0, 1.0, 1.0])


def affine_of(image: sitk.Image) -> np.ndarray:
    """Voxel index to RAS+ mm, from what ITK keeps as LPS origin, spacing and direction."""
    affine = np.eye(4)
    affine[:3, :3] = np.array(image.GetDirection()).reshape(3, 3) * np.array(image.GetSpacing())
    affine[:3, 3] = image.GetOrigin()
    return LPS_OF_RAS @ affine


def read(path: Path | str) -> tuple[np.ndarray, np.ndarray]:
    """`(I, J, K)` voxels and affine of a file as Slicer loads it."""
    image = sitk.ReadImage(str(path))
    return sitk.GetArrayFromImage(image).transpose(2, 1, 0), affine_of(image)


def save_segments(segments: Mapping[str, np.ndarray], series: Path, path: Path) -> dict[str, list[dict[str, object]]]:
    """Flatten segments onto a series' geometry, later ones over earlier ones, as Slicer exports them; gives the params it sends."""
    geometry = sitk.ReadImage(str(series))
    labels = np.zeros(geometry.GetSize(), np.uint8)
    for value, mask in enumerate(segments.values(), start=1):
        labels[mask.astype(bool)] = value
    image = sitk.GetImageFromArray(labels.transpose(2, 1, 0))
    image.CopyInformation(geometry)
    sitk.WriteImage(image, str(path))
    return {"label_info": [{"name": name, "idx": value} for value, name in enumerate(segments, start=1)]}
