"""Normal bone where no reader drew it: circles of even marrow between the foramina of the sacrum, as readers place them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ..errors import NormalBoneError
from .evenness import local_statistics, noise_of
from .lesions import voxels_of
from .normal_bone import Voxel
from .normal_bone_confidence import Confidence, confidence_of
from .orientation import DisplayOrientation
from .volume import Mask, Volume, check_same_grid

# Sizes, in the plane of the slice. Readers of the published scans drew 3 to 9 outlines, 8 to 45 mm wide, within 7 mm of the
# midline, on 3 to 6 slices. How the proposal does with these: benchmarks/normal_bone.py.
CIRCLES, PER_SLICE = 6, 2
RADIUS_MM = 6.5
SQUARE = 0.9  # of a circle's width, in which a place is judged
OFF_MIDLINE_MM = 5.0  # of a centre: inside the foramina
FLANK_MM = 35.0  # the disease region lies within this, left and right of a centre: there is sacrum on both sides
SACRUM_WIDTH_MM = 90.0  # bone across the midline: vertebral bodies stay below 70 mm, the sacrum with its wings is above 100 mm
SACRUM_HEIGHT_MM = 60.0  # below the first sacral body's upper end: two to three bodies

# What a place must look like. In the readers' outlines: coefficient of variation of STIR 0.08 to 0.17 and of T1W 0.04 to 0.17;
# median relative to that of the disease region 0.73 to 1.42 on STIR and 0.85 to 1.41 on T1W. Discs, nerves and vessels differ.
LARGEST_VARIATION = 0.17, 0.16  # STIR, T1W
NOISE_ALLOWED = 1.3  # or so many times the scan's own noise, where that is more: thinner signal, smaller voxels
STIR_RANGE = 0.65, 1.5
T1W_RANGE = 0.8, 1.45

TRIM_MADS = 4.0  # above the median, in robust standard deviations
FEWEST_CIRCLES = 3
LEAST_CONFIDENCE = 0.5

DRAW_BY_HAND = "Draw the normal bone by hand on STIR and measure with that region."


@dataclass(frozen=True, eq=False)
class ProposedNormalBone:
    """The region, and how sure it is."""

    mask: Mask
    certainty: Confidence

    @property
    def confidence(self) -> float:
        """Between 0 and 1."""
        return self.certainty.value

    @property
    def refused_because(self) -> str | None:
        """Why a reader's region is needed instead, as a sentence; None where this one may be used."""
        if self.confidence >= LEAST_CONFIDENCE:
            return None
        sure = self.certainty
        if self.confidence == sure.agreement:
            return (
                f"The places that look like normal bone differ from each other: {sure.agreement:.0%} of their halves give one "
                f"threshold, {LEAST_CONFIDENCE:.0%} are needed. {DRAW_BY_HAND}"
            )
        return (
            "The threshold from the proposed normal bone looks too low, so that marrow would count as inflammation: "
            f"{sure.joined:.0%} of what lies above it leaves the largest lesion when it is 10% higher, at most "
            f"{(1 - LEAST_CONFIDENCE) / 2:.0%} may. {DRAW_BY_HAND}"
        )


def propose_normal_bone(t1w: Volume, stir: Volume, disease_region: Mask) -> ProposedNormalBone:
    """The normal bone of `find_normal_bone`, where it can be trusted.

    Raises
    ------
    NormalBoneError
        As `find_normal_bone`, or a confidence below `LEAST_CONFIDENCE`: a reader's region is needed.
    GridMismatchError
        The inputs lie on different grids.
    """
    proposal = find_normal_bone(t1w, stir, disease_region)
    if proposal.refused_because is not None:
        raise NormalBoneError(proposal.refused_because)
    return proposal


def find_normal_bone(t1w: Volume, stir: Volume, disease_region: Mask) -> ProposedNormalBone:
    """Circles in the middle of the sacrum where STIR and T1W are even and as bright as marrow, without bright outliers.

    Only geometry and intensities decide; no network, nothing random. Per slice: rows where the disease region crosses the
    midline as one piece at least `SACRUM_WIDTH_MM` wide are the upper sacrum. Of the places near the midline, in these rows and
    below, that have the disease region on both sides, the six that vary least are taken, one beside the other.

    Parameters
    ----------
    t1w, stir : Volume
    disease_region : Mask
        On the grid of both, by a reader or by the networks.

    Returns
    -------
    ProposedNormalBone
        On the grid of `stir`. It follows the anatomy: flipping the arrays along any axis, with their affine, flips it too.

    Raises
    ------
    NormalBoneError
        No sacrum found that way, or fewer than `FEWEST_CIRCLES` places.
    GridMismatchError
        The inputs lie on different grids.

    Notes
    -----
    The sizes were chosen on the eight published scans; on no other scan is there a manual region to compare with.
    """
    hung = _Hung.of(t1w, stir, disease_region)
    region, images, spacing_mm = hung.region, hung.images, hung.spacing_mm
    circle_number, numbers = _drawn(_apart(_places(region, images, spacing_mm), spacing_mm), images[0], spacing_mm)
    circles = np.unique(numbers).size
    if circles < FEWEST_CIRCLES:
        raise NormalBoneError(
            f"Normal bone was not found: {circles} circles of even marrow lie in the middle of the sacrum, at least "
            f"{FEWEST_CIRCLES} are needed. {DRAW_BY_HAND}"
        )
    certainty = confidence_of(images[0], circle_number, region)
    mask = np.asfortranarray(hung.hanging.unhang((circle_number > 0)[hung.front_first]))
    return ProposedNormalBone(Mask(mask, stir.grid, "proposed normal bone"), certainty)


def most_even_places(t1w: Volume, stir: Volume, disease_region: Mask, most: int = 3) -> tuple[Voxel, ...]:
    """Where a reader would click first: middles of the most even circles in the sacrum, however even, each on a slice of its own.

    Parameters
    ----------
    t1w, stir : Volume
    disease_region : Mask
        On the grid of both.
    most : int

    Returns
    -------
    tuple of (i, j, k)
        Voxels of STIR, from 0, the most even first; empty where no sacrum was found.
    """
    hung = _Hung.of(t1w, stir, disease_region)
    by_slice: dict[int, tuple[int, int, int]] = {}
    for k, row, column in _places(hung.region, hung.images, hung.spacing_mm, at_most_uneven=np.inf).tolist():
        by_slice.setdefault(k, (k, row, column))
        if len(by_slice) == most:
            break
    last = stir.grid.shape[2] - 1
    slices = [(k if hung.front_first.step == 1 else last - k, row, column) for k, row, column in by_slice.values()]
    return tuple(hung.hanging.voxel(one, stir.grid.shape) for one in slices)


@dataclass(frozen=True, eq=False)
class _Hung:
    """One scan as hung slices, the front one first, so that the anatomy settles a tie and not the file."""

    hanging: DisplayOrientation
    front_first: slice
    region: np.ndarray
    images: tuple[np.ndarray, np.ndarray]  # STIR, T1W
    spacing_mm: tuple[float, float]

    @classmethod
    def of(cls, t1w: Volume, stir: Volume, disease_region: Mask) -> _Hung:
        check_same_grid(stir, disease_region)
        check_same_grid(stir, t1w)
        grid = stir.grid
        hanging = DisplayOrientation.of(grid)
        front_first = slice(None, None, 1 if grid.affine[1, 2] <= 0 else -1)
        region, *images = (hanging.hang(image.data)[front_first] for image in (disease_region, stir, t1w))
        # a copy, slice after slice in memory: it is passed over again and again
        return cls(hanging, front_first, np.ascontiguousarray(region), (images[0], images[1]), hanging.pixel_spacing_mm(grid))


def bright_limit(values: np.ndarray, mads: float = TRIM_MADS) -> float:
    """The intensity above which a value is not marrow but a vessel, a foramen, disc or oedema.

    Median plus `mads` robust standard deviations (1.4826 times the median absolute deviation). The deviation is that of the
    darker half, which bright structures do not widen, and the rule repeats on what remains until nothing more is dropped.
    It is needed because the paper's conservative threshold is a maximum: one bright voxel would set it.

    Parameters
    ----------
    values : (n,) float array
        n >= 1.
    """
    remaining = np.sort(np.asarray(values, dtype=np.float64))
    while True:
        median = np.median(remaining)
        darker = remaining[remaining <= median]
        limit = float(median + mads * 1.4826 * np.median(median - darker))
        kept = remaining[: np.searchsorted(remaining, limit, side="right")]
        if kept.size == remaining.size:
            return limit
        remaining = kept


def _places(
    region: np.ndarray, images: Sequence[np.ndarray], spacing_mm: tuple[float, float], at_most_uneven: float = 1.0
) -> np.ndarray:
    """Where a circle's centre may lie in hung slices `(K, rows, columns)`: `(n, 3)` indices, the most even place first.

    `at_most_uneven` times the largest variation is allowed.
    """
    midline = midline_column(region) if region.any() else 0.0
    rows = _sacrum_rows(region, midline, spacing_mm)
    if not rows.any():
        return np.empty((0, 3), dtype=np.intp)
    off, margin = (int(mm / spacing_mm[1]) for mm in (OFF_MIDLINE_MM, OFF_MIDLINE_MM + RADIUS_MM))
    start = max(0, round(midline) - margin)
    band = slice(start, round(midline) + margin + 1)
    columns = np.arange(region.shape[2])[band]
    radius = RADIUS_MM / spacing_mm[1]
    within = (np.abs(columns - round(midline)) <= off) & (columns >= radius) & (columns < region.shape[2] - radius)
    allowed = rows[:, :, np.newaxis] & within
    uneven = np.zeros(allowed.shape)
    for image, largest, (low, high) in zip(images, LARGEST_VARIATION, (STIR_RANGE, T1W_RANGE), strict=True):
        mean, deviation = local_statistics(image[:, :, band], SQUARE * RADIUS_MM, spacing_mm)
        reference = float(np.median(image[region]))
        noise = noise_of(deviation, region[:, :, band]) / reference if region[:, :, band].any() else 0.0
        most = at_most_uneven * max(largest, NOISE_ALLOWED * noise)
        allowed &= (mean >= low * reference) & (mean <= high * reference) & (deviation <= most * mean)
        uneven += deviation / np.maximum(mean, np.finfo(float).tiny) / largest
    at = np.argwhere(allowed)
    order = np.lexsort((*at.T[::-1], np.round(uneven[allowed], 6)))
    return at[order] + [0, 0, start]


def _sacrum_rows(region: np.ndarray, midline: float, spacing_mm: tuple[float, float]) -> np.ndarray:
    """`(K, rows)`: where a circle about the midline has sacrum on both sides, below the first sacral body's upper end."""
    row_mm, column_mm = spacing_mm
    wide = _width_across(region, midline) * column_mm >= SACRUM_WIDTH_MM
    slices = np.flatnonzero(wide.any(axis=1))
    if not slices.size:
        return wide
    nearest = slices[np.argmin(np.abs(np.arange(len(region))[:, np.newaxis] - slices), axis=1)]
    upper_end = np.argmax(wide, axis=1)[nearest][:, np.newaxis]
    radius, reach = RADIUS_MM / row_mm, int(FLANK_MM / column_mm)
    row = np.arange(region.shape[1])
    middle = round(midline)
    flanked = region[:, :, max(0, middle - reach) : middle].any(axis=2) & region[:, :, middle : middle + reach].any(axis=2)
    in_sacrum = (row >= upper_end + radius) & (row <= upper_end + SACRUM_HEIGHT_MM / row_mm) & (row < len(row) - radius)
    candidates: np.ndarray = flanked & in_sacrum
    return candidates


def _circle(spacing_mm: tuple[float, float]) -> tuple[np.ndarray, np.ndarray]:
    """Rows and columns of a circle's pixels, from its centre."""
    rows, columns = (np.arange(-n, n + 1) for n in (int(RADIUS_MM / mm) for mm in spacing_mm))
    inside = (rows[:, np.newaxis] * spacing_mm[0]) ** 2 + (columns * spacing_mm[1]) ** 2 <= RADIUS_MM**2
    at = np.nonzero(inside)
    return rows[at[0]], columns[at[1]]


def _apart(places: np.ndarray, spacing_mm: tuple[float, float]) -> list[tuple[int, int, int]]:
    """The first `CIRCLES` of the places whose circles do not overlap, at most `PER_SLICE` on a slice."""
    chosen: list[tuple[int, int, int]] = []
    for k, row, column in places.tolist():
        same = [centre for centre in chosen if centre[0] == k]
        near = (((row - r) * spacing_mm[0]) ** 2 + ((column - c) * spacing_mm[1]) ** 2 < (2 * RADIUS_MM) ** 2 for _, r, c in same)
        if len(same) < PER_SLICE and not any(near):
            chosen.append((k, row, column))
            if len(chosen) == CIRCLES:
                break
    return chosen


def _drawn(
    centres: list[tuple[int, int, int]], stir: np.ndarray, spacing_mm: tuple[float, float]
) -> tuple[np.ndarray, np.ndarray]:
    """The number of each voxel's circle, from 1, and 0 outside and where a voxel is too bright.

    `(K, rows, columns)` uint8, and `(n,)` of the voxels where it is not 0.
    """
    circle_number = np.zeros(stir.shape, dtype=np.uint8)
    rows, columns = _circle(spacing_mm)
    for number, (k, row, column) in enumerate(centres, start=1):
        circle_number[k, row + rows, column + columns] = number
    if not centres:
        return circle_number, np.empty(0, dtype=np.uint8)
    at = tuple(voxels_of(circle_number).T)
    values = stir[at]
    circle_number[at] *= values <= bright_limit(values)
    numbers = circle_number[at]
    return circle_number, numbers[numbers > 0]


def midline_column(region: np.ndarray) -> float:
    """Middle between the outermost columns that hold a fair share of the region; a stray speck does not count.

    `region` is `(K, rows, columns)` bool.
    """
    per_column = np.count_nonzero(region, axis=(0, 1))
    columns = np.flatnonzero(per_column >= 0.05 * per_column.max())
    return float(columns[0] + columns[-1]) / 2


def _width_across(region: np.ndarray, midline: float) -> np.ndarray:
    """Length [pixels] of the run of region that crosses the midline, per slice and row; 0 where there is none."""
    left = _run_length(region[:, :, int(np.floor(midline)) :: -1])
    right = _run_length(region[:, :, int(np.ceil(midline)) :])
    on_one_column = int(midline == int(midline))
    return np.where((left > 0) & (right > 0), left + right - on_one_column, 0)


def _run_length(rows: np.ndarray) -> np.ndarray:
    """How many leading entries along the last axis are True."""
    return np.where(rows.all(axis=-1), rows.shape[-1], np.argmin(rows, axis=-1))
