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
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from ..core.disease_region import dice
from ..core.volume import Mask, Volume, check_same_grid
from ..errors import GridMismatchError

SHIFT_GAIN = 0.01
FLIP_GAIN = 0.02
# how far below what is usual for the live version a label may fit its answer
DROP = 0.15
# of a version that says nothing about itself
USUAL = 0.92
VOLUME_FACTOR = 1.5
# in pixels within the slice, and in slices
_STEPS = ((16, 1), (8, 1), (4, 1), (2, 1), (1, 1))
_AXES = ("i (across the slice)", "j (along the slice)", "k (the order of the slices)")
Shift = tuple[int, int, int]


@dataclass(frozen=True)
class Check:
    """What a check found: nothing to object, or why the label is set aside.

    Parameters
    ----------
    reasons : tuple of str
        Sentences; empty for a label that may be learnt.
    dice : float or None
        With the live ensemble's region; None where the two could not be compared.
    usable : bool
        Whether an administrator may release it all the same: not where there is nothing to learn, or no grid to learn it on.
    """

    reasons: tuple[str, ...]
    dice: float | None = None
    usable: bool = True


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
        return Check((f"It lies on another grid than its scan: {error}",), usable=False)
    if not label.voxels:
        return Check(("It is empty; every scan of the pelvis shows bone.",), usable=False)
    if not region.voxels:
        return Check(("The live ensemble finds no bone on this scan, so nothing can be compared.",))
    found = dice(label.data, region.data)
    reasons = [*_misplaced(label, region, found), *_of_another(label, found, others), *_implausible(label, region)]
    if found < usual - DROP:
        reasons.append(f"Its Dice with the live ensemble is {found:.2f}, far below the usual {usual:.2f}.")
    return Check(tuple(reasons), found)


def best_shift(label: np.ndarray, region: np.ndarray) -> tuple[Shift, float]:
    """By how many voxels to move a label so that it fits a region best, and the Dice then.

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


def _misplaced(label: Mask, region: Mask, found: float) -> list[str]:
    flips = [dice(np.flip(label.data, axis), region.data) for axis in range(3)]
    axis = int(np.argmax(flips))
    if flips[axis] >= found + FLIP_GAIN:
        return [f"It seems flipped along {_AXES[axis]}: Dice {found:.2f}, flipped back {flips[axis]:.2f}."]
    shift, shifted = best_shift(label.data, region.data)
    if shifted >= found + SHIFT_GAIN:
        by = ", ".join(str(-n) for n in shift)
        return [f"It seems shifted by ({by}) voxels: Dice {found:.3f}, moved back {shifted:.3f}."]
    return []


def _of_another(label: Mask, found: float, others: Mapping[str, Mask]) -> list[str]:
    fits = {case_id: dice(label.data, other.data) for case_id, other in others.items() if other.data.shape == label.data.shape}
    closest = max(fits, key=lambda case_id: fits[case_id], default=None)
    if closest is None or fits[closest] <= found + FLIP_GAIN:
        return []
    return [f"It fits the scan of case {closest} better (Dice {fits[closest]:.2f}) than its own ({found:.2f})."]


def _implausible(label: Mask, region: Mask) -> list[str]:
    factor = label.volume_mm3 / region.volume_mm3
    if 1 / VOLUME_FACTOR <= factor <= VOLUME_FACTOR:
        return []
    return [
        f"Its volume of {label.volume_mm3:.0f} mm3 is {factor:.1f} times what the live ensemble finds; "
        f"{1 / VOLUME_FACTOR:.2f} to {VOLUME_FACTOR:.1f} times is plausible."
    ]
