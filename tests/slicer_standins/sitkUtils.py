"""Stand-in for Slicer's `sitkUtils`."""

from __future__ import annotations

from typing import Any

import SimpleITK as sitk
import slicer
from slicer.nodes import volume_of


def PushVolumeToSlicer(image: sitk.Image, target: None, className: str) -> Any:
    """A node that holds the image, in the scene."""
    return volume_of(image, slicer.mrmlScene.AddNewNodeByClass(className))
