"""Is a label one to learn from? Checked against the scan and the live ensemble, before any training.

Limits were set on the 11 labelled scans of the study, each answered by networks that did not learn it (3-D Dice of the label
with their region):

==============================  ===================================  =========================================
what                            right labels                         poisoned ones
==============================  ===================================  =========================================
Dice                            0.921 to 0.964                       another patient's: 0.64 and less (110 pairs)
gain of the best shift          0.000 (11 of 11 lie best unshifted)  1 pixel 0.001 to 0.012, 2 pixels 0.013 to 0.032,
                                                                     3 pixels from 0.029, 1 slice from 0.068
gain of the best flip           -0.301 to -0.071                     flipped along i, j, k: 0.071 and more
volume over the networks'       0.96 to 1.06
==============================  ===================================  =========================================

A shift is therefore caught from 2 pixels (1.2 mm) or one slice on; one of a single pixel only sometimes.

On another scanner the ensemble may be wrong where the reader is right. Where a label is far from its answer, the image is asked
in its place: whether the label lies on the edges there (`lib.retraining.placement`), and then the other labels of such scans
(`lib.retraining.kinds`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from ..core.disease_region import dice
from ..core.orientation import DisplayOrientation
from ..core.volume import Grid, Mask, Volume, check_same_grid
from ..errors import GridMismatchError
from .placement import FLAT, LARGEST_SHIFT, Placement, placement_of
from .placement import FLIP_GAIN as EDGE_FLIP_GAIN
from .placement import SLICE_GAIN as EDGE_SLICE_GAIN

SHIFT_GAIN = 0.01
FLIP_GAIN = 0.02
# how far below what is usual for the live version a label may fit its answer
DROP = 0.15
# of a version that says nothing about itself
USUAL = 0.92
VOLUME_FACTOR = 1.5
# in pixels within the slice, and in slices
_STEPS = ((16, 1), (8, 1), (4, 1), (2, 1), (1, 1))
_AXES = ("i", "j", "k")
Shift = tuple[int, int, int]


@dataclass(frozen=True)
class Check:
    """The result of a check: nothing to object, or why the label is set aside.

    Parameters
    ----------
    reasons : tuple of str
        Sentences; empty for a label that may be learnt.
    dice : float or None
        With the live ensemble's region; None where the two could not be compared.
    usable : bool
        Whether an administrator may release it all the same: not where there is nothing to learn, or no grid to learn it on.
    placement : Placement or None
        Of a label that is unlike the live ensemble's region: how it lies on its image.
    misplaced : bool
        Whether it seems to lie wrong on its image, or to be another scan's.
    share_found : float or None
        Share of the label that the live ensemble's region has.
    fits_case : str or None
        The other case whose scan it fits better; the reasons do not name it, because readers may read blinded.
    """

    reasons: tuple[str, ...]
    dice: float | None = None
    usable: bool = True
    placement: Placement | None = None
    misplaced: bool = False
    share_found: float | None = None
    fits_case: str | None = None

    @property
    def unlike(self) -> bool:
        """Whether all that speaks against it is that the live ensemble finds something else."""
        return self.placement is not None and bool(self.reasons) and not self.misplaced


def check_label(label: Mask, t1w: Volume, region: Mask, others: Mapping[str, Mask], usual: float = USUAL) -> Check:
    """Compare a label with its scan and with the live ensemble's region of that scan.

    Parameters
    ----------
    label : Mask
    t1w : Volume
    region : Mask
        The live ensemble's; empty where it finds no bone.
    others : mapping of case id to Mask
        The live ensemble's regions of other scans.
    usual : float
        Dice between the live ensemble and right labels.
    """
    try:
        check_same_grid(t1w, label)
    except GridMismatchError as error:
        return Check((f"It lies on another grid than its scan: {error}",), usable=False, misplaced=True)
    if not label.voxels:
        return Check(("It is empty; every scan of the pelvis shows bone.",), usable=False, misplaced=True)
    live_dice = dice(label.data, region.data)
    share = float(np.count_nonzero(label.data & region.data) / label.voxels)
    moved = _best_moves(label, region) if region.voxels else None
    if moved is not None and max(live_dice, *moved.flips, moved.shifted) >= usual - DROP:
        other, fit = _of_another(label, live_dice, others)
        wrong = [*_misplaced(moved, label.grid, live_dice), *fit]
        far = [_far(live_dice, usual)] if live_dice < usual - DROP else []
        reasons = (*wrong, *_implausible(label, region), *far)
        return Check(reasons, live_dice, misplaced=bool(wrong), share_found=share, fits_case=other)
    placement = placement_of(label, t1w)
    wrong = placement_doubts(placement, t1w.grid)
    # where the ensemble answers wrong, only a good fit elsewhere tells
    other, fit = _of_another(label, max(live_dice, usual - DROP - FLIP_GAIN), others if region.voxels else {})
    wrong += fit
    unlike = (
        [_far(live_dice, usual), *_implausible(label, region)]
        if region.voxels
        else ["The live ensemble finds no bone on this scan, so nothing can be compared."]
    )
    return Check((*wrong, *unlike), live_dice, placement=placement, misplaced=bool(wrong), share_found=share, fits_case=other)


def doubts_of(t1w: Volume, region: Mask, expected: Mask | None) -> tuple[str, ...]:
    """Doubts about a reader's region, before it is handed in: sentences for the reader, none for one that may be right.

    Parameters
    ----------
    t1w : Volume
    region : Mask
        As drawn.
    expected : Mask or None
        What the networks found on this scan; None where that is not known. A region that differs much from it is no reason for a
        doubt as long as it lies right on the image.
    """
    check = check_label(region, t1w, expected or Mask(np.zeros_like(region.data), region.grid, region.name), {})
    reasons = check.reasons if not check.placement else placement_doubts(check.placement, t1w.grid)
    return tuple(f"The disease region may be wrong. {reason}" for reason in reasons)


def placement_doubts(placement: Placement, grid: Grid, usual: tuple[float, float] = (0.0, 0.0)) -> list[str]:
    """Doubts about how a label lies on its image, by the edges there.

    Parameters
    ----------
    usual : tuple of float
        The shift along i and j that labels of such scans seem to have: a way of drawing, more than a place.
    """
    axis = int(np.argmax(placement.flipped))
    if placement.flipped[axis] > 1 + EDGE_FLIP_GAIN:
        return [
            f"It fits its scan better {_turned(axis, grid)}: the edges of the image under its outline are "
            f"{placement.flipped[axis]:.2f} times as strong then."
        ]
    if placement.next_slice > 1 + EDGE_SLICE_GAIN:
        return [
            f"It fits its scan better one slice on: the edges under its outline are {placement.next_slice:.2f} times as strong."
        ]
    off = [n - own for n, own in zip(placement.shift, usual, strict=True)]
    if max(map(abs, off)) > LARGEST_SHIFT:
        return [f"It seems shifted by ({off[0]:.1f}, {off[1]:.1f}) pixels from the edges of its scan."]
    if placement.flat > FLAT:
        return [
            "Its outline does not follow the edges of its scan: some pixels away they are "
            f"{placement.flat:.2f} times as strong as under it."
        ]
    return []


def best_shift(label: np.ndarray, region: np.ndarray) -> tuple[Shift, float]:
    """The shift [voxels] of a label by which it fits a region best, and the Dice then.

    Parameters
    ----------
    label, region : (I, J, K) bool arrays
        Neither empty.

    Notes
    -----
    A descent from coarse to fine steps: the Dice of two such regions falls steadily with their distance.
    """
    total = int(label.sum()) + int(region.sum())
    shift: Shift = (0, 0, 0)
    best = _overlap(label, region, shift)
    for step, slices in _STEPS:
        moved = True
        while moved:
            moved = False
            for axis, by in ((0, step), (1, step), (2, slices)):
                for sign in (1, -1):
                    tried: Shift = tuple(n + sign * by * (a == axis) for a, n in enumerate(shift))  # type: ignore[assignment]
                    common = _overlap(label, region, tried)
                    if common > best:
                        shift, best, moved = tried, common, True
    return shift, 2 * best / total


def _overlap(label: np.ndarray, region: np.ndarray, shift: Shift) -> int:
    """Voxels in both, once the label has been moved."""
    ends = label.shape
    source = tuple(slice(max(0, -n), end - max(0, n)) for n, end in zip(shift, ends, strict=True))
    target = tuple(slice(max(0, n), end - max(0, -n)) for n, end in zip(shift, ends, strict=True))
    return int(np.count_nonzero(label[source] & region[target]))


@dataclass(frozen=True)
class _Moves:
    """Dice of a label with a region, flipped along each axis, and shifted to where it fits best."""

    flips: tuple[float, float, float]
    shift: Shift
    shifted: float


def _best_moves(label: Mask, region: Mask) -> _Moves:
    i, j, k = (dice(np.flip(label.data, axis), region.data) for axis in range(3))
    return _Moves((i, j, k), *best_shift(label.data, region.data))


def _misplaced(moves: _Moves, grid: Grid, live_dice: float) -> list[str]:
    axis = int(np.argmax(moves.flips))
    if moves.flips[axis] >= live_dice + FLIP_GAIN:
        return [
            f"It fits better {_turned(axis, grid)}: it seems flipped along {_AXES[axis]}, Dice with the networks' region "
            f"{live_dice:.2f}, flipped back {moves.flips[axis]:.2f}."
        ]
    if moves.shifted >= live_dice + SHIFT_GAIN:
        by = ", ".join(str(-n) for n in moves.shift)
        return [
            f"It seems shifted by ({by}) voxels: Dice with the networks' region {live_dice:.3f}, moved back {moves.shifted:.3f}."
        ]
    return []


def _far(live_dice: float, usual: float) -> str:
    return f"Its Dice with the live ensemble is {live_dice:.2f}, far below the usual {usual:.2f}."


def _turned(axis: int, grid: Grid) -> str:
    """The effect of flipping an array along an axis on a hung slice, in a reader's words."""
    if axis == 2:
        return "with its slices in reverse order"
    along_rows = axis == (0 if DisplayOrientation.of(grid).transpose else 1)
    return "upside down" if along_rows else "with left and right exchanged"


def _of_another(label: Mask, own_dice: float, others: Mapping[str, Mask]) -> tuple[str | None, list[str]]:
    """The other case whose scan a label fits better, and what is said of that."""
    fits = {case_id: dice(label.data, other.data) for case_id, other in others.items() if other.data.shape == label.data.shape}
    closest = max(fits, key=lambda case_id: fits[case_id], default=None)
    if closest is None or fits[closest] <= own_dice + FLIP_GAIN:
        return None, []
    return closest, [f"It fits the scan of another case better (Dice {fits[closest]:.2f}) than its own ({own_dice:.2f})."]


def _implausible(label: Mask, region: Mask) -> list[str]:
    factor = label.volume_mm3 / region.volume_mm3
    if 1 / VOLUME_FACTOR <= factor <= VOLUME_FACTOR:
        return []
    return [
        f"Its volume of {label.volume_mm3:.0f} mm3 is {factor:.1f} times what the live ensemble finds; "
        f"{1 / VOLUME_FACTOR:.2f} to {VOLUME_FACTOR:.1f} times is plausible."
    ]
