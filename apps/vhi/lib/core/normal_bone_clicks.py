"""Normal bone from a reader's clicks in sacral marrow.

A click says in which part of the sacrum, and at which level along it, normal marrow lies; not where its outline is. The region
is the even marrow of that part on the clicked and the neighbouring slices, as bright as its middle, so that clicks near each
other end in nearly the same region: benchmarks/normal_bone_clicks.py.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ..errors import NormalBoneError
from .evenness import local_statistics, noise_of, structure
from .normal_bone import MIN_VOXELS, NormalBone, Voxel
from .normal_bone_proposal import bright_limit, midline_column, propose_normal_bone
from .orientation import DisplayOrientation
from .volume import Grid, Mask, Volume, check_same_grid

# The part of the sacrum that a click stands for: an ellipse at its level, about the midline. A click further out than
# `CENTRAL_MM` means the ala: the ellipse follows it.
ACROSS_MM, ALONG_MM = 18.0, 18.0  # half its width and height
CENTRAL_MM = 20.0
SLICES_MM = 5.0  # neighbouring slices whose middle lies within this; one at least
# The marrow whose brightness counts as normal: even places within this of a click. Each clicked slice has the same say.
LEVEL_MM = 30.0
LEVEL_BAND = 0.08  # how far smoothed STIR may lie from the mean of that of the click and that of all clicks
T1W_BAND = 0.35  # likewise T1W: muscle, disc and vessels are darker, fat brighter

EVEN_HALF_MM, SMOOTH_HALF_MM = 4.5, 2.7  # half a square's side, in which a place is judged, and the brightness smoothed
MOST_STRUCTURE = 0.17, 0.19  # of a place's mean, beyond the scan's noise: STIR, T1W
TRIM_MADS = 5.0  # above the median, in robust standard deviations: vessels
LARGEST_CLICK_EXCESS = 0.35  # of the smoothed STIR under a click, above the marrow around: a lesion or a vessel
FLANK_MM = 40.0  # bone on both sides within this: a place between the foramina that the disease region leaves out
MOST_CLICKS = 100

CLICK_AGAIN = "Click in even marrow of the sacrum, between the foramina."


@dataclass(frozen=True, eq=False)
class SacralMarrow:
    """One scan, prepared for clicks: hung slices `(K, rows, columns)`.

    `even` is where STIR and T1W vary by little more than noise; `stir_level` and `t1w_level` are smoothed
    [scanner units]; `proposed` is the automatic normal bone, where it can be trusted.
    """

    grid: Grid
    hanging: DisplayOrientation
    spacing_mm: tuple[float, float, float]
    region: np.ndarray
    stir: np.ndarray
    stir_level: np.ndarray
    t1w_level: np.ndarray
    even: np.ndarray
    midline: float
    proposed: np.ndarray | None

    @classmethod
    def of(cls, t1w: Volume, stir: Volume, disease_region: Mask) -> SacralMarrow:
        """Prepare one scan for clicks.

        Parameters
        ----------
        t1w, stir : Volume
        disease_region : Mask
            On the grid of both, not empty.

        Raises
        ------
        GridMismatchError
            The inputs lie on different grids.
        """
        check_same_grid(stir, disease_region)
        check_same_grid(stir, t1w)
        hanging = DisplayOrientation.of(stir.grid)
        region = np.ascontiguousarray(hanging.hang(disease_region.data))
        in_plane = hanging.pixel_spacing_mm(stir.grid)
        even = np.ones(region.shape, dtype=bool)
        levels = []
        for image, most in zip((stir, t1w), MOST_STRUCTURE, strict=True):
            hung = hanging.hang(image.data)
            mean, deviation = local_statistics(hung, EVEN_HALF_MM, in_plane)
            even &= structure(deviation, noise_of(deviation, region)) <= most * mean
            levels.append(local_statistics(hung, SMOOTH_HALF_MM, in_plane)[0])
        spacing_mm = (stir.grid.spacing_mm[2], *in_plane)
        hung_stir = hanging.hang(stir.data)
        trusted = _trusted(t1w, stir, disease_region)
        proposed = None if trusted is None else hanging.hang(trusted.data)
        return cls(
            stir.grid, hanging, spacing_mm, region, hung_stir, levels[0], levels[1], even, midline_column(region), proposed
        )

    def grown_from(self, clicks: Sequence[Voxel]) -> NormalBone:
        """Normal bone grown from clicks, see `normal_bone_from_clicks`."""
        at = self._hung(clicks)
        near = [self._ellipse(k, row, column, LEVEL_MM, LEVEL_MM) & self.even for k, row, column in at]
        for marrow in near:
            if np.count_nonzero(marrow) < MIN_VOXELS:
                raise NormalBoneError(f"No even marrow lies within {LEVEL_MM:g} mm of a normal-bone click. {CLICK_AGAIN}")
        together = np.any(near, axis=0)
        stir, t1w = (float(np.median(level[together])) for level in (self.stir_level, self.t1w_level))
        normal_bone = np.zeros(self.even.shape, dtype=bool)
        for click, place, marrow in zip(clicks, at, near, strict=True):
            own = float(np.median(self.stir_level[marrow]))
            self._check_place(click, place, own)
            part = self._ellipse(place[0], place[1], self._middle(place[2]), ALONG_MM, ACROSS_MM)
            normal_bone |= part & _within(self.stir_level, (own + stir) / 2, LEVEL_BAND)
        normal_bone &= self.even & _within(self.t1w_level, t1w, T1W_BAND)
        self._check_size(normal_bone)
        normal_bone &= self.stir <= bright_limit(self.stir[normal_bone], TRIM_MADS)
        self._check_size(normal_bone)
        with_proposal = self.proposed is not None and bool((self.proposed & ~normal_bone).any())
        if self.proposed is not None:
            normal_bone |= self.proposed
        mask = np.ascontiguousarray(self.hanging.unhang(normal_bone))
        grown = Mask(mask, self.grid, "normal bone from clicks")
        return NormalBone(grown, "clicked", clicks=tuple(clicks), with_proposal=with_proposal)

    def _check_size(self, normal_bone: np.ndarray) -> None:
        count = np.count_nonzero(normal_bone)
        if count < MIN_VOXELS:
            raise NormalBoneError(
                f"Only {count} voxels of even marrow of one brightness lie around the normal-bone clicks; at least {MIN_VOXELS} "
                f"are needed. {CLICK_AGAIN}"
            )

    def _hung(self, clicks: Sequence[Voxel]) -> list[tuple[int, int, int]]:
        """The clicks in hung slices: slice, row, column."""
        if not 1 <= len(clicks) <= MOST_CLICKS:
            raise NormalBoneError(
                f"{len(clicks)} normal-bone clicks were given; needed are 1 to {MOST_CLICKS}, best one a slice on three."
            )
        places = []
        for click in clicks:
            if not all(0 <= n < size for n, size in zip(click, self.grid.shape, strict=True)):
                size = " x ".join(map(str, self.grid.shape))
                raise NormalBoneError(
                    f"{_named(click)} lies outside STIR, which has {size} voxels, counted from 0. {CLICK_AGAIN}"
                )
            places.append(self.hanging.hung_index(click, self.grid.shape))
        return places

    def _middle(self, column: int) -> float:
        """The column of the ellipse's middle: the midline, or as far from it as the click is out of the sacrum's middle."""
        off = column - self.midline
        reach = CENTRAL_MM / self.spacing_mm[2]
        return self.midline + off - float(np.clip(off, -reach, reach))

    def _ellipse(self, k: int, row: float, column: float, along_mm: float, across_mm: float) -> np.ndarray:
        """An ellipse on a slice and its neighbours, `(K, rows, columns)` bool."""
        shape: tuple[int, ...] = self.even.shape
        diamond = np.zeros(shape, dtype=bool)
        reach = max(1, int(SLICES_MM / self.spacing_mm[0]))
        down = ((np.arange(shape[1]) - row) * self.spacing_mm[1] / along_mm) ** 2
        across = ((np.arange(shape[2]) - column) * self.spacing_mm[2] / across_mm) ** 2
        diamond[max(0, k - reach) : k + reach + 1] = down[:, np.newaxis] + across <= 1
        return diamond

    def _check_place(self, click: Voxel, at: tuple[int, int, int], level: float) -> None:
        """Refuse a click that is not in marrow."""
        k, row, column = at
        if not self._in_bone(k, row, column):
            raise NormalBoneError(
                f"{_named(click)} lies outside the bone: neither in the disease region nor between two parts of it. {CLICK_AGAIN}"
            )
        excess = self.stir_level[at] / level - 1
        if excess > LARGEST_CLICK_EXCESS:
            raise NormalBoneError(
                f"{_named(click)} lies on something bright, {excess:.0%} above the marrow around it on STIR: inflammation, "
                f"a vessel or fluid. {CLICK_AGAIN}"
            )

    def _in_bone(self, k: int, row: int, column: int) -> bool:
        line: np.ndarray = np.any(self.region[max(0, k - 1) : k + 2, row], axis=0)
        reach = int(FLANK_MM / self.spacing_mm[2])
        return bool(line[max(0, column - reach) : column + 1].any() and line[column : column + reach + 1].any())


def normal_bone_from_clicks(t1w: Volume, stir: Volume, disease_region: Mask, clicks: Sequence[Voxel]) -> NormalBone:
    """The even, vessel-free, lesion-free marrow about clicks in the sacrum, on the clicked and the neighbouring slices.

    Parameters
    ----------
    t1w, stir : Volume
    disease_region : Mask
        On the grid of both, not empty.
    clicks : sequence of (i, j, k)
        Voxels of STIR, from 0. Best one a slice on three slices.

    Returns
    -------
    NormalBone
        Of source "clicked", on the grid of `stir`; with the automatic proposal, where that can be trusted (`with_proposal`).

    Raises
    ------
    NormalBoneError
        No click; one off the grid, outside the bone, or on something bright; too little even marrow around them.
    GridMismatchError
        The inputs lie on different grids.
    """
    return SacralMarrow.of(t1w, stir, disease_region).grown_from(clicks)


def _trusted(t1w: Volume, stir: Volume, disease_region: Mask) -> Mask | None:
    try:
        return propose_normal_bone(t1w, stir, disease_region).mask
    except NormalBoneError:
        return None


def _within(level: np.ndarray, reference: float, band: float) -> np.ndarray:
    return np.asarray(np.abs(level - reference) <= band * reference)


def _named(click: Voxel) -> str:
    return f"The normal-bone click {','.join(map(str, click))} (slice {click[2] + 1})"
