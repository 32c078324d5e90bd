"""Segments as 3D Slicer saves them: one flattened map, and their names in the order of their values."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import RequestError
from ..service.drawing import DrawnMap, voxels_of
from ..studies.nifti import read_labels

_MOST_SEGMENTS = 255


def drawn_map(path: Path, params: Mapping[str, Any], most_voxels: int) -> DrawnMap:
    """An uploaded label map with the names of its segments, which `params["label_info"]` states.

    `params["normal_bone_clicks"]`, where it is there, lists the voxels that normal bone was grown from.

    Parameters
    ----------
    most_voxels : int
        Of the larger series of the case; a map of more is refused before it is unpacked.

    Raises
    ------
    RequestError
        Another kind of file, or names that do not fit the map.
    InputError
        The file cannot be read.
    TooLargeError
        It has more voxels.
    """
    if not path.name.lower().endswith((".nii", ".nii.gz")):
        raise RequestError("A label map is taken as .nii.gz; in 3D Slicer set MONAI Label's File Extension to .nii.gz.")
    labels, grid = read_labels(path, "the saved label map", most_voxels=most_voxels)
    clicks = voxels_of(params.get("normal_bone_clicks") or [], "normal_bone_clicks")
    return DrawnMap(labels, grid, segments_of(params.get("label_info"), labels), clicks)


def segments_of(label_info: Any, labels: np.ndarray) -> tuple[tuple[str, int | Sequence[int]], ...]:
    """Name and value of every segment that was saved, also of those without voxels.

    Slicer numbers what it exports 1, 2, ... in the order of `label_info`. The `idx` that it sends counts segments that were left
    out as well (scribbles), so it is only believed where the order cannot be right: a map with more values than names. A viewer
    whose segments overlap sends lists of values as `idx`: those are believed.

    Parameters
    ----------
    label_info : list of mappings
        With `name`, and perhaps `idx`.
    labels : (I, J, K) uint8 array

    Raises
    ------
    RequestError
        No names, a name twice, or values that no name belongs to.
    """
    names = _names(label_info)
    if any(isinstance(entry.get("idx"), list) for entry in label_info):
        return tuple(zip(names, (entry.get("idx") for entry in label_info), strict=True))
    values = set(np.flatnonzero(np.bincount(labels.ravel(order="K"), minlength=2)).tolist()) - {0}
    by_order = range(1, len(names) + 1)
    by_idx = [idx for entry in label_info if isinstance(idx := entry.get("idx"), int)]
    for numbers in (by_order, by_idx):
        if values <= set(numbers) and len(set(numbers)) == len(names):
            return tuple(zip(names, numbers, strict=True))
    raise RequestError(
        f"The saved map holds the values {', '.join(str(value) for value in sorted(values)[:10])}, but {len(names)} segments are "
        f"named ({', '.join(names[:5])}). Save all segments together with their names."
    )


def _names(label_info: Any) -> list[str]:
    if not isinstance(label_info, list) or not label_info or len(label_info) > _MOST_SEGMENTS:
        raise RequestError(
            "The names of the segments are missing (label_info: a list of names); save from the MONAI Label module."
        )
    names = []
    for entry in label_info:
        name = entry.get("name") if isinstance(entry, Mapping) else None
        if not isinstance(name, str) or not name.strip():
            raise RequestError("Every segment needs a name; name it in the list of segments and save again.")
        names.append(name.strip())
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise RequestError(f"Two segments are called {twice[:80]!r}; merge or rename one and save again.")
    return names
