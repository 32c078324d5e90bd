"""Normal bone: the sample of STIR intensities that both thresholds rest on, and a first proposal of where to take it.

A reader draws it in the sacrum between the foramina, marrow that sacroiliitis usually spares (Hepburn et al. 2023,
section 2.5.1). `propose_normal_bone` stands in when no reader did.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from lib.core.orientation import Hanging
from lib.core.volume import Mask, Volume, check_same_grid
from lib.errors import NormalBoneError

# A quartile of 30 values has seven or eight values beyond it; fewer say little about a spread. The published regions are far
# larger: 1256 to 7893 voxels, and no circle on a single slice below 169.
MIN_VOXELS = 30

# Sizes in the sacrum, all in the plane of the slice. The proposal changes little with any of them (benchmarks/normal_bone.py).
HALF_BAND_MM = 20.0  # left and right of the midline: inside the foramina, which lie beyond
SACRUM_WIDTH_MM = 90.0  # bone across the midline: vertebral bodies stay below 70 mm, the sacrum with its wings is above 100 mm
REACH_MM = 5.0  # rows added above and below those wide ones: the wings end before the first sacral body does
MARGIN_MM = 3.0  # distance to the edge of the disease region: partial volume with cortex, disc and foramina
DEPTH_MM = 16.5  # along the slices, the depth of the first sacral body; five slices at 3.3 mm
SMALLEST_SLICE = 1 / 3  # of the fullest slice; a thinner sliver is mostly edge
TRIM_MADS = 4.0  # above the median, in robust standard deviations
MIN_PROPOSAL_MM3 = 500.0  # a third of the smallest published region (1469 mm3)

DRAW_BY_HAND = "Draw the normal bone by hand on STIR and measure with that region."


@dataclass(frozen=True, eq=False)
class NormalBoneSample:
    """STIR intensities inside the normal-bone region.

    Parameters
    ----------
    values : (n,) float64 array
        Intensities [scanner units], n >= 30, not all equal.
    slice_index : (n,) int array
        Index along K of the slice each value comes from.

    Raises
    ------
    NormalBoneError
        Too few values, values that are not finite, or one value throughout.
    """

    values: np.ndarray
    slice_index: np.ndarray

    def __post_init__(self) -> None:
        values = np.asarray(self.values, dtype=np.float64)
        slice_index = np.asarray(self.slice_index, dtype=np.intp)
        if values.ndim != 1 or values.shape != slice_index.shape:
            raise NormalBoneError(
                f"Each normal-bone intensity needs its slice: found {values.shape} values and {slice_index.shape} slice indices."
            )
        if values.size < MIN_VOXELS:
            raise NormalBoneError(
                f"The normal-bone region holds {values.size} voxels; at least {MIN_VOXELS} are needed for its quartiles. "
                "Draw it larger, over several slices of the sacrum."
            )
        if not np.isfinite(values).all():
            raise NormalBoneError("Normal bone holds intensities that are NaN or infinite; re-export the STIR series.")
        if values.min() == values.max():
            raise NormalBoneError(
                f"All {values.size} normal-bone voxels have one STIR intensity ({values[0]:g}), so they cannot be marrow; "
                "the region may lie outside the body. Redraw it over the sacrum on STIR."
            )
        object.__setattr__(self, "values", values)
        object.__setattr__(self, "slice_index", slice_index)

    @property
    def slices(self) -> tuple[int, ...]:
        """Indices along K of the slices that contribute, rising."""
        return tuple(int(k) for k in np.unique(self.slice_index))

    def without_slice(self, k: int) -> tuple[np.ndarray, np.ndarray]:
        """Values and slice indices of all slices but `k`; `(m,)` each, possibly empty."""
        rest = self.slice_index != k
        return self.values[rest], self.slice_index[rest]


def sample_normal_bone(stir: Volume, normal_bone: Mask) -> NormalBoneSample:
    """STIR intensities inside the normal-bone region, with the slice of each.

    The region may overlap the disease region: on the published scans 3 to 100% of its voxels do.

    Raises
    ------
    NormalBoneError
        An empty region, fewer than `MIN_VOXELS` voxels, or one intensity throughout.
    GridMismatchError
        The region lies on another grid than STIR.
    """
    check_same_grid(stir, normal_bone)
    if not normal_bone.voxels:
        raise NormalBoneError(
            f"The normal-bone region ({normal_bone.name}) is empty; at least {MIN_VOXELS} voxels are needed. "
            "Draw it in the sacrum on STIR, or leave it out to have one proposed."
        )
    return NormalBoneSample(values=stir.data[normal_bone.data], slice_index=np.nonzero(normal_bone.data)[2])


def propose_normal_bone(stir: Volume, disease_region: Mask) -> Mask:
    """The middle of the upper sacrum, free of bright outliers: a stand-in for a reader's normal-bone region.

    Only geometry and STIR intensities decide; no network, nothing random. Per slice: rows where the disease region crosses the
    midline as one piece at least `SACRUM_WIDTH_MM` wide belong to the sacrum; the band around the midline in and next to these
    rows, `MARGIN_MM` inside the disease region, is the candidate. The `DEPTH_MM` of neighbouring slices with most candidate
    voxels are taken and their bright tail dropped (`bright_limit`).

    Parameters
    ----------
    stir : Volume
    disease_region : Mask
        On the grid of `stir`, by a reader or by the networks.

    Returns
    -------
    Mask
        On the grid of `stir`. It follows the anatomy: flipping the arrays along any axis, with their affine, flips it too.

    Raises
    ------
    NormalBoneError
        No sacrum found that way, or less than `MIN_PROPOSAL_MM3` of it.
    GridMismatchError
        The two inputs lie on different grids.

    Notes
    -----
    The sizes were chosen on the eight published scans; on no other scan is there a manual region to compare with.
    """
    check_same_grid(stir, disease_region)
    grid = stir.grid
    hanging = Hanging.of(grid)
    region = hanging.hang(disease_region.data)
    candidate = np.zeros(region.shape, dtype=bool)
    if region.any():
        depth = max(1, round(DEPTH_MM / grid.spacing_mm[2]))
        front_first = slice(None, None, 1 if grid.affine[1, 2] <= 0 else -1)  # so that a tie is settled by the anatomy
        in_sacrum = _central_sacrum(region, hanging.pixel_spacing_mm(grid))
        candidate[front_first] = _fullest_slab(in_sacrum[front_first], depth)
    found_mm3 = np.count_nonzero(candidate) * grid.voxel_volume_mm3
    if found_mm3 < MIN_PROPOSAL_MM3:
        raise NormalBoneError(
            f"No place for normal bone was found: the disease region holds {found_mm3:.0f} mm3 of central sacrum, "
            f"{MIN_PROPOSAL_MM3:.0f} mm3 are needed. {DRAW_BY_HAND}"
        )
    intensities = hanging.hang(stir.data)
    candidate &= intensities <= bright_limit(intensities[candidate])
    return Mask(np.ascontiguousarray(hanging.unhang(candidate)), grid, name="proposed normal bone")


def bright_limit(values: np.ndarray, mads: float = TRIM_MADS) -> float:
    """The intensity above which a value is not marrow but a vessel, a foramen, disc or oedema.

    Median plus `mads` robust standard deviations (1.4826 times the median absolute deviation). The deviation is that of the
    darker half, which bright structures do not widen, and the rule repeats on what remains until nothing more is dropped.
    It is needed because the conservative threshold is a maximum: one bright voxel would set it.

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


def _central_sacrum(region: np.ndarray, pixel_spacing_mm: tuple[float, float]) -> np.ndarray:
    """Candidate voxels of hung slices `(K, rows, columns)`, same shape."""
    row_mm, column_mm = pixel_spacing_mm
    midline = _midline_column(region)
    rows = _width_across(region, midline) * column_mm >= SACRUM_WIDTH_MM
    rows = ndimage.binary_dilation(rows, np.ones((1, _odd_size(REACH_MM, row_mm)), dtype=bool))
    reach = int((HALF_BAND_MM + MARGIN_MM) / column_mm) + 1
    near = slice(max(0, int(np.floor(midline)) - reach), int(np.ceil(midline)) + reach + 1)
    size = (1, _odd_size(MARGIN_MM, row_mm), _odd_size(MARGIN_MM, column_mm))
    central = np.abs(np.arange(region.shape[2]) - midline) * column_mm <= HALF_BAND_MM
    inside = np.zeros(region.shape, dtype=bool)
    inside[:, :, near] = ndimage.minimum_filter(region[:, :, near].view(np.uint8), size, mode="constant").astype(bool)
    return inside & rows[:, :, None] & central


def _odd_size(radius_mm: float, spacing_mm: float) -> int:
    return 2 * round(radius_mm / spacing_mm) + 1


def _midline_column(region: np.ndarray) -> float:
    """Middle between the outermost columns that hold a fair share of the region; a stray speck does not count."""
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


def _fullest_slab(candidate: np.ndarray, depth: int) -> np.ndarray:
    """Only the `depth` neighbouring slices that hold most candidate voxels, without their slivers."""
    area = np.count_nonzero(candidate, axis=(1, 2))
    area[area < SMALLEST_SLICE * area.max()] = 0
    depth = min(depth, len(area))
    first = int(np.argmax(np.convolve(area, np.ones(depth, dtype=area.dtype), mode="valid")))
    chosen = (np.arange(len(area)) >= first) & (np.arange(len(area)) < first + depth) & (area > 0)
    return candidate & chosen[:, None, None]
