"""Features of every lesion that tell inflammation from vessels, joint fluid and artefacts.

Each voxel of a lesion is described first (where it lies, what surrounds it), then each lesion by the mean, the least or the most
of its voxels. `FEATURES` says what each number is; lengths are in mm, intensities in units of the sensitive threshold (STIR) or
of the region's median (T1W), so that scanner and patient cancel out.
"""

from __future__ import annotations

import numpy as np

from ..core.anatomy import Anatomy, anatomy_of
from ..core.context import Context, context_of
from ..core.library import ndimage
from ..core.partition import ABOVE_L45, LUMBAR
from ..core.pipeline import VhiResult

AROUND_MM = 10.0  # what counts as a lesion's surroundings
CONTINUED_MM = 2.0  # how far a lesion may move from a slice to the next
MIRROR_MM = 4.0  # how far from its mirror image another lesion may lie
EDGE_MM = 1.5  # what lies this close to a lesion but outside bone
SPINE_MM = 35.0  # from the midline: a vertebra with its processes
FAR_MM = 100.0  # what lies farther off lies there
BESIDE_JOINT_MM = 6.0  # subchondral bone

FEATURES: dict[str, str] = {
    "size": "volume, log10 of mm3",
    "slices": "number of slices",
    "elongation": "square root of the largest over the second largest spread",
    "flatness": "square root of the second largest over the smallest spread",
    "thickness": "largest distance to its own edge in a slice [mm]",
    "solidity": "share of a lesion's voxels whose eight neighbours in the slice belong to it",
    "brightness": "mean STIR over the sensitive threshold",
    "peak": "brightest voxel over the sensitive threshold",
    "conservative": "share of voxels at or above the conservative threshold",
    "contrast": "mean STIR over that of the bone around without its lesions",
    "crowding": "share of the bone within 10 mm that is hyperintense",
    "joint": "mean distance to the joint line [mm]",
    "joint_nearest": "least distance to the joint line [mm]",
    "subchondral": "share of voxels within 6 mm of the joint line",
    "iliac": "share of voxels lateral of the joint",
    "midline": "mean distance to the midline [mm]",
    "height": "0 at the lower, 1 at the upper end of the joints",
    "front": "0 at the anterior, 1 at the posterior end of the joints",
    "depth": "mean distance to the edge of the disease region in the slice [mm]",
    "depth_nearest": "least distance to that edge [mm]",
    "level": "discs between it and the sacrum",
    "t1w": "mean T1W over the marrow's median",
    "t1w_darkest": "darkest T1W voxel over the marrow's median",
    "t1w_contrast": "mean T1W over that of the bone around without its lesions",
    "outside": "brightest STIR just outside bone over the sensitive threshold, 0 where bone is all around",
    "mirrored": "share of voxels that have a lesion at their mirror image",
    "continued": "share of voxels that have a lesion's voxel at their place in a neighbouring slice",
}


def lesion_features(result: VhiResult, context: Context | None = None) -> np.ndarray:
    """The features of every lesion of an automatic result.

    Parameters
    ----------
    result : VhiResult
    context : Context, optional
        Of its T1W and disease region; found when absent.

    Returns
    -------
    (lesions, len(FEATURES)) float array
        In the order of `result.lesions` and of `FEATURES`; all finite.
    """
    if not result.lesions:
        return np.zeros((0, len(FEATURES)))
    context = context or context_of(result.t1w, result.disease_region.mask)
    voxels = _Voxels(result, context)
    features = {**_shape(voxels), **_intensity(voxels), **_place(voxels), **_neighbours(voxels)}
    return np.stack([features[name] for name in FEATURES], axis=1).astype(np.float64)


def above_l4_5(result: VhiResult, anatomy: Anatomy | None = None) -> np.ndarray:
    """Which lesions lie in lumbar vertebrae above the L4/5 disc, half of their voxels or more.

    Parameters
    ----------
    result : VhiResult
    anatomy : Anatomy, optional
        Of its T1W and disease region; found when absent.

    Returns
    -------
    (lesions,) bool array
        All False where no joint was found, on which the parts rest.
    """
    if not result.lesions:
        return np.zeros(0, dtype=bool)
    anatomy = anatomy or anatomy_of(result.t1w, result.disease_region.mask)
    at = np.nonzero(result.lesion_labels)
    there = (anatomy.part[at] == LUMBAR) & (anatomy.zone[at] == ABOVE_L45)
    share = np.bincount(result.lesion_labels[at] - 1, weights=there) / np.bincount(result.lesion_labels[at] - 1)
    return np.asarray(share >= 0.5)


class _Voxels:
    """The voxels of all lesions on hung slices, cut to the bone, and how to sum over those of each lesion."""

    def __init__(self, result: VhiResult, context: Context) -> None:
        region = context.hanging.hang(result.disease_region.mask.data)
        rows, columns = (np.flatnonzero(region.any(axis=axes)) for axes in ((0, 2), (0, 1)))
        box = np.s_[:, rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]

        def cut(array: np.ndarray, unit: float = 0.0) -> np.ndarray:
            hung = np.ascontiguousarray(context.hanging.hang(array)[box])
            return (hung / unit).astype(np.float32) if unit else hung

        self.context = context
        self.region, self.labels = cut(result.disease_region.mask.data), cut(result.lesion_labels)
        self.stir, self.t1w = cut(result.stir.data, result.thresholds.sensitive), cut(result.t1w.data, context.marrow)
        self.conservative = result.thresholds.conservative / result.thresholds.sensitive
        self.at = np.nonzero(self.labels)
        self.of = self.labels[self.at] - 1
        self.size = np.bincount(self.of)
        # on the whole hung slices, as the context has them
        self.slice, self.row, self.column = self.at[0], self.at[1] + rows[0], self.at[2] + columns[0]
        self.voxel_mm3 = result.stir.grid.voxel_volume_mm3

    def mean(self, values: np.ndarray) -> np.ndarray:
        """Per lesion, of `(voxels,)` values."""
        return np.asarray(np.bincount(self.of, weights=values) / self.size)

    def most(self, values: np.ndarray) -> np.ndarray:
        brightest = np.full(self.size.size, -np.inf)
        np.maximum.at(brightest, self.of, values)
        return brightest

    def least(self, values: np.ndarray) -> np.ndarray:
        return -self.most(-values)

    def position_mm(self, slice_mm: float | None = None) -> np.ndarray:
        """`(voxels, 3)`; `slice_mm` in place of the distance between slices."""
        return np.stack([self.slice, self.row, self.column], axis=1) * self._steps(slice_mm)

    def distance_mm(self, points: tuple[np.ndarray, ...], slice_mm: float | None = None) -> np.ndarray:
        """From every voxel to the nearest of points (slice, row, column on the whole slices); far where there are none."""
        if not points[0].size:
            return np.full(self.of.size, FAR_MM)
        from scipy.spatial import cKDTree  # takes a while to import, and a server that waits needs none of it

        tree = cKDTree(np.stack(points, axis=1) * self._steps(slice_mm))
        distance = tree.query(self.position_mm(slice_mm), distance_upper_bound=FAR_MM)[0]
        return np.minimum(distance, FAR_MM)

    def _steps(self, slice_mm: float | None) -> np.ndarray:
        own, row_mm, column_mm = self.context.spacing_mm
        return np.array([own if slice_mm is None else slice_mm, row_mm, column_mm])

    def edge_distance_mm(self, mask: np.ndarray) -> np.ndarray:
        """From every voxel to the nearest one outside a mask that holds it, in its own slice."""
        inner = ndimage.minimum_filter(mask.view(np.uint8), (1, 3, 3), mode="constant").astype(bool)
        k, row, column = np.nonzero(mask & ~inner)
        offset = self.row[0] - self.at[1][0], self.column[0] - self.at[2][0]
        return self.distance_mm((k, row + offset[0], column + offset[1]), slice_mm=10 * FAR_MM) + self.context.spacing_mm[1]

    def window(self, mm: float) -> tuple[int, int, int]:
        """A square of this half width in the slice [voxels]."""
        _, row_mm, column_mm = self.context.spacing_mm
        return 1, 2 * round(mm / row_mm) + 1, 2 * round(mm / column_mm) + 1


def _shape(voxels: _Voxels) -> dict[str, np.ndarray]:
    position = voxels.position_mm()
    centred = position - np.stack([voxels.mean(axis) for axis in position.T], axis=1)[voxels.of]
    spread = np.empty((voxels.size.size, 3, 3))
    for a in range(3):
        for b in range(3):
            # a voxel has an extent of its own: without it a single row of voxels would have no width
            own = voxels.context.spacing_mm[a] ** 2 / 12 if a == b else 0.0
            spread[:, a, b] = voxels.mean(centred[:, a] * centred[:, b]) + own
    least, middle, most = np.sqrt(np.linalg.eigvalsh(spread)).T
    lesion = voxels.labels > 0
    full = ndimage.minimum_filter(lesion.view(np.uint8), (1, 3, 3), mode="constant")[voxels.at]
    pairs = np.unique(np.stack([voxels.of, voxels.slice]), axis=1)
    return {
        "size": np.log10(voxels.size * voxels.voxel_mm3),
        "slices": np.bincount(pairs[0], minlength=voxels.size.size).astype(float),
        "elongation": most / middle,
        "flatness": middle / least,
        "thickness": voxels.most(voxels.edge_distance_mm(lesion)),
        "solidity": voxels.mean(full),
    }


def _intensity(voxels: _Voxels) -> dict[str, np.ndarray]:
    stir, t1w = voxels.stir[voxels.at], voxels.t1w[voxels.at]
    rest = voxels.region & (voxels.labels == 0)
    share = _filtered(rest, voxels)
    around = np.maximum(share, 1e-3)
    # nothing but lesions around: no contrast
    stir_around = np.where(share > 1e-3, _filtered(voxels.stir * rest, voxels) / around, stir)
    t1w_around = np.where(share > 1e-3, _filtered(voxels.t1w * rest, voxels) / around, t1w)
    return {
        "brightness": voxels.mean(stir),
        "peak": voxels.most(stir),
        "conservative": voxels.mean(stir >= voxels.conservative),
        "contrast": voxels.mean(stir) / np.maximum(voxels.mean(stir_around), 1e-3),
        "t1w": voxels.mean(t1w),
        "t1w_darkest": voxels.least(t1w),
        "t1w_contrast": voxels.mean(t1w) / np.maximum(voxels.mean(t1w_around), 1e-3),
    }


def _filtered(values: np.ndarray, voxels: _Voxels) -> np.ndarray:
    """Mean over the surroundings of every lesion voxel."""
    mean = ndimage.uniform_filter(values.astype(np.float32), voxels.window(AROUND_MM), mode="constant")
    return np.asarray(mean[voxels.at], dtype=np.float64)


def _place(voxels: _Voxels) -> dict[str, np.ndarray]:
    context = voxels.context
    side, k, row = np.nonzero(context.present)
    to_joint = voxels.distance_mm((k, row, context.joints[side, k, row]))
    right, left = (joints[voxels.slice, voxels.row] for joints in context.joints)
    from_midline = np.abs(voxels.column - context.midline) * context.spacing_mm[2]
    (top, bottom), (first, last) = context.joint_rows, context.joint_slices
    along = (voxels.mean(voxels.slice) - first) / (last - first)
    of_spine = (from_midline < SPINE_MM) & (voxels.row < top + AROUND_MM / context.spacing_mm[1])
    depth = voxels.edge_distance_mm(voxels.region)
    return {
        "joint": voxels.mean(to_joint),
        "joint_nearest": voxels.least(to_joint),
        "subchondral": voxels.mean(to_joint < BESIDE_JOINT_MM),
        "iliac": voxels.mean((voxels.column < right) | (voxels.column > left)),
        "midline": voxels.mean(from_midline),
        "height": (bottom - voxels.mean(voxels.row)) / (bottom - top),
        "front": along if context.front_first else 1.0 - along,
        "depth": voxels.mean(depth),
        "depth_nearest": voxels.least(depth),
        "level": voxels.mean(np.where(of_spine, context.level[voxels.slice, voxels.row], 0)),
    }


def _neighbours(voxels: _Voxels) -> dict[str, np.ndarray]:
    lesion = voxels.labels > 0
    beyond = ndimage.maximum_filter(np.where(voxels.region, 0.0, voxels.stir), voxels.window(EDGE_MM))
    near = ndimage.maximum_filter(lesion.view(np.uint8), voxels.window(MIRROR_MM))
    first_column = voxels.column[0] - voxels.at[2][0]
    mirror = np.rint(2 * voxels.context.midline - voxels.column).astype(int) - first_column
    within = (mirror >= 0) & (mirror < lesion.shape[2])
    mirrored = near[voxels.at[0], voxels.at[1], np.where(within, mirror, 0)].astype(bool) & within
    moved = ndimage.maximum_filter(lesion.view(np.uint8), voxels.window(CONTINUED_MM))
    beside = np.pad(moved, ((1, 1), (0, 0), (0, 0)))
    bone = np.maximum(_filtered(voxels.region, voxels), 1e-3)
    return {
        "crowding": voxels.mean(_filtered(lesion, voxels) / bone),
        "outside": voxels.most(beyond[voxels.at]),
        "mirrored": voxels.mean(mirrored),
        "continued": voxels.mean((beside[:-2] | beside[2:])[voxels.at]),
    }
