"""Which part of the pelvis a voxel of the disease region belongs to, from the landmarks of `lib.core.context`.

The joint line divides sacrum and ilium; where there is no joint it is carried on by the plane through it. Planes through the gaps
between the pieces of the spine divide the sacrum from L5 and L5 from L4. Pieces of bone in a slice stay whole where most of
them lies on one side.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .box import box_of
from .context import DISC_MM, SPINE_HALF_MM, Context
from .library import ndimage

PARTS = ("other", "sacrum", "ilium", "sacroiliac joint space", "lumbar vertebrae", "disc", "facet joint")
OTHER, SACRUM, ILIUM, JOINT_SPACE, LUMBAR, DISC, FACET = range(len(PARTS))
ZONES = ("sacroiliac", "between L4/5 and S1", "above L4/5", "joint space")
SACROILIAC, L45_TO_S1, ABOVE_L45, IN_JOINT = range(len(ZONES))

JOINT_HALF_MM = 1.2  # of the joint space: cartilage without the cortex beside it
VERTEBRA_MM = 40.0  # from the midline: a lumbar vertebra with its processes
BELOW_DISC_MM = 15.0  # so far below the lumbosacral disc reach the facet joints
BESIDE_CANAL_MM = 4.0  # from the midline: what lies nearer is a body, or its arch
CARRIED_MM = 10.0  # how far the joint's own course is carried on beyond its ends
FAR_MM = 42.0  # from the midline: no sacrum behind the joints
MOST_OF = 0.8  # of a piece of bone in a slice
DISC_HALF_MM, DARK = 4.0, 0.6  # a disc inside the region: near its plane, and this dark over the marrow's median


@dataclass(frozen=True, eq=False)
class Planes:
    """Row of the discs in every slice [pixels, from 0], `(K,)` float each; None where the disease region shows no gap there."""

    l5_s1: np.ndarray | None
    l4_5: np.ndarray | None


def partition(context: Context, t1w: np.ndarray, region: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Part and zone of every voxel, on hung slices.

    Parameters
    ----------
    context : Context
    t1w : (K, R, C) float array
        [scanner units]
    region : (K, R, C) bool array

    Returns
    -------
    part, zone : (K, R, C) uint8 arrays
        Indices of `PARTS` and `ZONES`; 0 outside the region, and everywhere where no joint was found.
    """
    part, zone = np.zeros(region.shape, np.uint8), np.zeros(region.shape, np.uint8)
    if not context.present.any(axis=(1, 2)).all():
        return part, zone
    _, row_mm, column_mm = context.spacing_mm
    surfaces = [_carried_on(context, side) for side in (0, 1)]
    midline = _midline(context, surfaces)
    planes = disc_planes(context, region)
    from_midline = np.abs(np.arange(region.shape[2]) - midline) * column_mm
    # outside the region there is no part: only its box is looked at, slice by slice
    _, within_rows, within_columns = box_of(region)
    rows, columns = (np.arange(within.start, within.stop) for within in (within_rows, within_columns))
    rows, away = rows[:, None], from_midline[within_columns]
    for k in range(region.shape[0]):
        bone, parts = (array[k, within_rows, within_columns] for array in (region, part))
        right, left = (surface[k, within_rows, None] for surface in surfaces)
        lateral = (columns < right) | (columns > left)
        space = np.zeros(bone.shape, bool)
        for line, present in zip((right, left), context.present[:, k, within_rows], strict=True):
            space[present] |= np.abs((columns - line[present]) * column_mm) <= JOINT_HALF_MM
        space &= bone
        above, near = (_above(planes.l5_s1, k, rows, below_mm / row_mm) for below_mm in (0.0, BELOW_DISC_MM))
        parts[:] = _slice_parts(bone & ~space, lateral, above, near, away)
        parts[space] = JOINT_SPACE
        if _is_behind(context, k):
            _whole_ilium(parts, bone, away)
    _mark_discs(part, context, planes, t1w, from_midline)
    for k in range(region.shape[0]):
        parts, zones = (array[k, within_rows, within_columns] for array in (part, zone))
        above_s1 = parts >= LUMBAR  # and discs and facet joints
        zones[above_s1] = L45_TO_S1
        zones[above_s1 & _above(planes.l4_5, k, rows)] = ABOVE_L45
        zones[parts == JOINT_SPACE] = IN_JOINT
    return part, zone


def _midline(context: Context, surfaces: list[np.ndarray]) -> float:
    """Half way between both joints, over the slices and rows that have both; the region's extent may differ from side to side."""
    both = context.present.all(axis=0)
    return float(np.median((surfaces[0] + surfaces[1])[both]) / 2) if both.any() else context.midline


def _above(plane: np.ndarray | None, k: int, rows: np.ndarray, lower: float = 0.0) -> np.ndarray:
    """`(R, 1)`: rows above the plane, or below it by fewer than `lower` rows."""
    return np.zeros(rows.shape, bool) if plane is None else rows < plane[k] + lower


def _slice_parts(
    bone: np.ndarray, lateral: np.ndarray, above: np.ndarray, near: np.ndarray, from_midline: np.ndarray
) -> np.ndarray:
    """Parts of one slice, `(R, C)`: voxel by voxel, then pieces of bone as wholes."""
    upper = above & (from_midline < VERTEBRA_MM) & ~lateral
    other, sacrum, ilium, lumbar = np.array([OTHER, SACRUM, ILIUM, LUMBAR], dtype=np.uint8)
    part = np.where(bone, np.where(upper, lumbar, np.where(lateral, ilium, sacrum)), other)
    pieces, _ = ndimage.label(bone, np.ones((3, 3)))
    for n, box in enumerate(ndimage.find_objects(pieces), start=1):
        piece = pieces[box] == n
        inside = part[box][piece]
        share = np.bincount(inside, minlength=len(PARTS)) / inside.size
        along = from_midline[box[1]]
        if (along < VERTEBRA_MM).all() and (along > BESIDE_CANAL_MM).all() and near[box[0]].all():
            part[box][piece] = FACET  # beside the canal, behind the bodies
        elif np.count_nonzero(piece & above[box[0]]) >= MOST_OF * inside.size and share[LUMBAR] > share[ILIUM]:
            part[box][piece] = LUMBAR
        elif share.max() >= MOST_OF:
            part[box][piece] = np.argmax(share)
    return part


def _is_behind(context: Context, k: int) -> bool:
    """Whether a slice lies behind the middle of the joints."""
    middle = np.median(np.nonzero(context.present)[1])
    return bool(k > middle if context.front_first else k < middle)


def _whole_ilium(part: np.ndarray, region: np.ndarray, from_midline: np.ndarray) -> None:
    """Behind, a piece of bone far from the midline is ilium: what looks like a joint in it is none."""
    pieces, _ = ndimage.label(region, np.ones((3, 3)))
    for n, box in enumerate(ndimage.find_objects(pieces), start=1):
        if (from_midline[box[1]] > FAR_MM).all():
            part[box][pieces[box] == n] = ILIUM


def _carried_on(context: Context, side: int) -> np.ndarray:
    """Column of the joint's surface in every slice and row, `(K, R)`: beyond its ends the plane through it takes over."""
    present, line = context.present[side], context.joints[side]
    k, row = np.nonzero(present)
    plane = np.linalg.lstsq(np.stack([np.ones(k.size), k, row], axis=1), line[present], rcond=None)[0]
    every_k, every_row = np.indices(present.shape)
    flat = plane[0] + plane[1] * every_k + plane[2] * every_row
    steps = context.spacing_mm[:2]
    away, at = ndimage.distance_transform_edt(~present, sampling=steps, return_indices=True)
    carried: np.ndarray = flat + (line - flat)[tuple(at)] * np.exp(-away / CARRIED_MM)
    return carried


def disc_planes(context: Context, region: np.ndarray) -> Planes:
    """The rows of the L5/S1 and L4/5 discs, from the gaps between the pieces of the spine; `region` is `(K, R, C)` bool, hung."""
    half = round(SPINE_HALF_MM / context.spacing_mm[2])
    middle = region[:, :, max(0, int(context.midline) - half) : int(context.midline) + half + 1].mean(axis=2) > 0.5
    gaps: dict[int, list[tuple[int, float]]] = {1: [], 2: []}
    for k, spine in enumerate(middle):
        rows = np.flatnonzero(spine)
        level = context.level[k, rows]
        for above, below, upper, lower in zip(rows[:-1], rows[1:], level[:-1], level[1:], strict=True):
            if upper == lower + 1 and upper in gaps and below - above <= DISC_MM / context.spacing_mm[1]:
                gaps[int(upper)].append((k, (above + below) / 2))
    slices = np.arange(region.shape[0])
    return Planes(*(_line(gaps[level], slices) for level in (1, 2)))


def _line(points: list[tuple[int, float]], slices: np.ndarray) -> np.ndarray | None:
    """Through most of the points (Theil-Sen): the median of the slopes of all pairs."""
    if not points:
        return None
    k, row = np.array(points).T
    a, b = np.triu_indices(k.size, 1)
    apart = k[a] != k[b]
    slope = float(np.median((row[b] - row[a])[apart] / (k[b] - k[a])[apart])) if apart.any() else 0.0
    return np.asarray(np.median(row - slope * k) + slope * slices)


def _mark_discs(part: np.ndarray, context: Context, planes: Planes, t1w: np.ndarray, from_midline: np.ndarray) -> None:
    """Where the region runs on through a disc, what is dark near its plane is disc."""
    beside = from_midline < VERTEBRA_MM / 2
    middle = from_midline < SPINE_HALF_MM
    reach = round(DISC_HALF_MM / context.spacing_mm[1])
    for plane in (planes.l5_s1, planes.l4_5):
        if plane is None:
            continue
        for k in range(part.shape[0]):
            low, high = max(0, round(plane[k]) - reach), round(plane[k]) + reach + 1
            band = part[k, low:high]
            if band.size and (band[:, middle] > 0).mean() > 0.95:
                brightness = np.asarray(t1w[k, low:high], dtype=np.float32) / context.marrow
                dark = (brightness < DARK) & beside & np.isin(band, (SACRUM, LUMBAR))
                band[dark] = DISC
