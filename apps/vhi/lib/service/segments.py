"""From one flattened label map to segments, routed by name."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..core.normal_bone import Voxel
from ..core.segment_names import (
    CONSERVATIVE,
    DISEASE_REGION,
    INFLAMMATION,
    NORMAL_BONE,
    PROPOSED_TO_REMOVE,
    SEGMENT_NAMES,
    most_segments,
)
from ..core.volume import Grid, Mask
from ..core.whole_numbers import whole_numbers
from ..errors import RequestError, TooLargeError

MOST_SEGMENTS = 250
_LONGEST_NAME = 200


@dataclass(frozen=True, eq=False)
class Submitted:
    """The segments of one submission on the scans' grid.

    `normal_bone` and `disease_region` are None where they were not handed in, or empty (a viewer lists segments that nobody drew
    in): nothing can be measured with an empty one, so it means no change. `inflammation` is None where it was not listed and
    empty for none; voxels of `inflammation (conservative)` belong to it, those of
    `inflammation (proposed to remove)` do not. `other` are segments of any other name. `order` is the one in which segments cover
    each other in a map, and empty where they do not; `masks` are all of them as they came. `normal_bone_clicks` are the voxels of
    STIR that normal bone was grown from, as the viewer says; it may have been changed by hand since.
    """

    normal_bone: Mask | None
    disease_region: Mask | None
    inflammation: Mask | None
    other: tuple[Mask, ...]
    order: tuple[str, ...]
    messages: tuple[str, ...]
    masks: Mapping[str, Mask]
    normal_bone_clicks: tuple[Voxel, ...] = ()

    def covering(self, name: str) -> np.ndarray:
        """`(I, J, K)` or `()` bool: voxels of the map that hold a segment which covers the one of that name."""
        above = self.order[self.order.index(name) + 1 :] if name in self.order else ()
        return np.any([self.masks[segment].data for segment in above], axis=0) if above else np.zeros((), bool)


def segments_of_map(labels: np.ndarray, grid: Grid, segments: Sequence[tuple[str, int | Sequence[int]]]) -> Submitted:
    """Take a label map apart.

    Parameters
    ----------
    labels : (I, J, K) array
        Whole numbers, 0 for nothing.
    grid : Grid
        Of the scans; the map lies on it.
    segments : sequence of (name, value)
        Values may leave gaps, and segments may be empty. What comes later covers what came before. Where any segment has a list
        of values, each holds it, and a value in several lists is where they overlap: then nothing is covered.

    Raises
    ------
    RequestError
        No, too many, doubled or unusable names or values, or voxels with a value that no segment has.
    TooLargeError
        More segments than a scan of this size may have.
    """
    _check_room(len(segments), labels.size)
    overlapping = any(isinstance(value, list | tuple) for _, value in segments)
    values = _checked_lists(segments) if overlapping else {name: (value,) for name, value in _checked(segments).items()}
    known = set(np.unique(labels).tolist()) - {0}
    unnamed = sorted(known - {value for several in values.values() for value in several})
    if unnamed:
        raise RequestError(
            f"The label map holds the value {unnamed[0]}, which none of its {len(values)} segments has; send the name of every "
            "segment."
        )
    masks = {name: Mask(np.isin(labels, several), grid, name) for name, several in values.items()}
    return _submitted(masks, grid, () if overlapping else tuple(sorted(values, key=lambda name: values[name])))


def segments_of_masks(masks: Mapping[str, Mask], grid: Grid) -> Submitted:
    """Masks that are kept apart, as a DICOM Segmentation has them.

    Where none overlaps another a viewer kept them in one label map: regions are then covered by what lies in them.

    Parameters
    ----------
    masks : mapping of name to Mask
        On the scans' grid; any may be empty.
    grid : Grid

    Raises
    ------
    RequestError
        Too many, doubled or unusable names.
    """
    values = _checked([(name, value) for value, name in enumerate(masks, start=1)]) if masks else {}
    named = dict(zip(values, masks.values(), strict=True))
    overlap = sum(mask.data.astype(np.uint8) for mask in named.values())
    flattened = not named or int(np.max(overlap)) <= 1
    order = [name for name in (DISEASE_REGION, NORMAL_BONE) if name in named]
    return _submitted(named, grid, (*order, *(name for name in named if name not in order)) if flattened else ())


def _submitted(masks: Mapping[str, Mask], grid: Grid, order: tuple[str, ...]) -> Submitted:
    inflammation = [masks[name] for name in (INFLAMMATION, CONSERVATIVE) if name in masks]
    listed = None
    if INFLAMMATION in masks or any(mask.voxels for mask in inflammation):
        listed = Mask(np.any([mask.data for mask in inflammation], axis=0), grid, INFLAMMATION)
    own = (NORMAL_BONE, DISEASE_REGION, INFLAMMATION, CONSERVATIVE)
    other = tuple(mask for name, mask in masks.items() if name not in own and (mask.voxels or name not in SEGMENT_NAMES))
    return Submitted(
        normal_bone=_drawn(masks.get(NORMAL_BONE)),
        disease_region=_drawn(masks.get(DISEASE_REGION)),
        inflammation=listed,
        other=other,
        order=order,
        messages=tuple(
            f"The segment {mask.name!r} ({mask.voxels} voxels) was kept, but {_why_unmeasured(mask.name)}." for mask in other
        ),
        masks=masks,
    )


def _why_unmeasured(name: str) -> str:
    if name == PROPOSED_TO_REMOVE:
        return "apart from inflammation, as proposed: it does not count"
    return "its name means nothing here and it was not measured"


def _check_room(segments: int, voxels: int) -> None:
    most = most_segments(voxels)
    if most < segments <= MOST_SEGMENTS:
        raise TooLargeError(
            f"The submission names {segments} segments of a scan of {voxels} voxels; at most {most} are taken. "
            "Leave out those that are not meant."
        )


def _drawn(mask: Mask | None) -> Mask | None:
    return mask if mask is not None and mask.voxels else None


def _checked_lists(segments: Sequence[tuple[str, Any]]) -> dict[str, tuple[int, ...]]:
    """The same where segments overlap."""
    lists = [list(value) if isinstance(value, list | tuple) else [value] for _, value in segments]
    names = _checked([(name, n) for n, (name, _) in enumerate(segments, start=1)])
    for name, several in zip(names, lists, strict=True):
        for value in several:
            _check_value(name, value)
    return {name: tuple(int(value) for value in several) for name, several in zip(names, lists, strict=True)}


def _check_value(name: str, value: Any) -> None:
    if isinstance(value, bool) or not isinstance(value, int | np.integer) or value < 1:
        raise RequestError(f"Segment {name!r} has the value {value!r}; values are whole numbers from 1.")


def _checked(segments: Sequence[tuple[str, Any]]) -> dict[str, int]:
    if not segments:
        raise RequestError("The submission names no segments; send label_info with the name and value of each.")
    if len(segments) > MOST_SEGMENTS:
        raise RequestError(f"The submission names {len(segments)} segments; at most {MOST_SEGMENTS} can be told apart.")
    values: dict[str, int] = {}
    for name, value in segments:
        if not isinstance(name, str) or not name.strip() or len(name) > _LONGEST_NAME or not name.isprintable():
            raise RequestError(f"A segment's name must be 1 to {_LONGEST_NAME} printable characters; rename it.")
        _check_value(name, value)
        name = name.strip()
        name = name.lower() if name.lower() in SEGMENT_NAMES else name
        if name in values:
            raise RequestError(f"Two segments are called {name!r}; merge them, or rename one.")
        if value in values.values():
            raise RequestError(f"Two segments have the value {value}; export the segmentation again.")
        values[name] = int(value)
    return values


def checked_labels(labels: np.ndarray) -> np.ndarray:
    """`(I, J, K)` whole numbers in a signed type; as they are where they need no change.

    Raises
    ------
    RequestError
        Not 3-D, no numbers, NaN or infinite, fractions, or negative.
    """
    labels = np.asarray(labels)
    if labels.ndim != 3 or labels.dtype.kind not in "buif":
        raise RequestError(
            f"The label map must be 3-D and hold whole numbers; found {labels.ndim}-D {labels.dtype}. Export it again."
        )
    if labels.dtype.kind == "f":
        if not np.isfinite(labels).all():
            raise RequestError("The label map holds voxels that are NaN or infinite; export the segmentation again.")
        whole = whole_numbers(labels)
        if whole is None:
            raise RequestError("The label map holds fractions; send a label map, not an image or probabilities.")
        labels = whole
    if labels.size and (labels.min() < 0 or labels.max() > 65535):
        raise RequestError("The label map holds values outside 0 to 65535; export the segmentation again.")
    return labels.astype(np.int32)
