"""A composite reference standard: what most readings call inflamed, and how near each comes to it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from ..core.volume import Mask, check_same_grid
from ..errors import InputError, SettingsError
from .overlap import MaskReading, Overlap, compare

FEWEST_VOTES = 3
Standard = Literal["composite", "others", "STAPLE"]
COMPOSITE: Standard = "composite"
STANDARDS: tuple[Standard, ...] = ("composite", "others", "STAPLE")


def composite_reference(masks: Sequence[Mask], fewest_votes: int = FEWEST_VOTES) -> Mask:
    """Voxels that at least `fewest_votes` of the masks contain.

    Parameters
    ----------
    masks : sequence of Mask
        Of one scan, on one grid; in the paper two manual and two semi-automatic ones.
    fewest_votes : int
        1 to the number of masks; in the paper 3 of 4.

    Returns
    -------
    Mask
        It may be empty.

    Raises
    ------
    InputError
        No masks at all.
    SettingsError
        A number of votes that these masks cannot give.
    GridMismatchError

    Notes
    -----
    Hepburn et al. 2023, section 2.7.1.
    """
    if not masks:
        raise InputError("A composite reference needs readings of the scan, found none.")
    if not 1 <= fewest_votes <= len(masks):
        raise SettingsError(
            f"A voxel cannot have {fewest_votes} votes of {len(masks)} readings; ask for 1 to {len(masks)}, or add readings."
        )
    votes = np.zeros(masks[0].grid.shape, dtype=np.uint16)
    for mask in masks:
        check_same_grid(masks[0], mask)
        votes += mask.data
    return Mask(votes >= fewest_votes, masks[0].grid, "composite reference")


@dataclass(frozen=True, eq=False)
class AgainstReference:
    """One reading against a reference standard of its scan; `overlap.voxels_b` is the reference."""

    reading: MaskReading
    overlap: Overlap
    standard: Standard = COMPOSITE


def against_reference(
    readings: Iterable[MaskReading], fewest_votes: int = FEWEST_VOTES
) -> tuple[tuple[AgainstReference, ...], tuple[str, ...]]:
    """Every reading of one number against the composite reference of its scan.

    Parameters
    ----------
    readings : iterable of MaskReading
        Which of them vote is the caller's choice: in the paper each reader's manual and semi-automatic one.
    fewest_votes : int

    Returns
    -------
    found : tuple of AgainstReference
    left_out : tuple of str
        One sentence for each scan with fewer readings than votes are needed.

    Notes
    -----
    Hepburn et al. 2023, section 2.7.1 and figure 5. Each reading also voted, and readings that start from one automatic mask
    vote alike: where two of four do, a majority of three favours them. See `against_others` and `against_estimate`.
    """
    scans: dict[tuple[str, str], list[MaskReading]] = {}
    for reading in readings:
        scans.setdefault((reading.subject, reading.visit), []).append(reading)
    compared, left_out = [], []
    for (subject, visit), group in scans.items():
        if len(group) < fewest_votes:
            left_out.append(f"Subject {subject}, {visit}: {len(group)} readings cannot give {fewest_votes} votes; left out.")
            continue
        reference = composite_reference([reading.mask for reading in group], fewest_votes)
        compared += [AgainstReference(reading, compare(reading.mask, reference)) for reading in group]
    return tuple(compared), tuple(left_out)


def against_others(readings: Sequence[MaskReading]) -> tuple[AgainstReference, ...]:
    """Every reading of one scan against what more than half of the other readings mark.

    Parameters
    ----------
    readings : sequence of MaskReading
        Three or more of one scan, on one grid. The reading that is compared has no vote; readings that share an automatic mask
        with it still have theirs.

    Raises
    ------
    InputError
        Fewer than three readings: two others are the fewest that can make a majority.
    """
    if len(readings) < 3:
        raise InputError(f"A majority of the others needs at least 3 readings of the scan, found {len(readings)}.")
    compared = []
    for reading in readings:
        others = [other.mask for other in readings if other is not reading]
        reference = composite_reference(others, len(others) // 2 + 1)
        compared.append(AgainstReference(reading, compare(reading.mask, reference), "others"))
    return tuple(compared)


def against_estimate(readings: Sequence[MaskReading], estimate: Callable[[Sequence[Mask]], Mask]) -> tuple[AgainstReference, ...]:
    """Every reading of one scan against the truth that an algorithm estimates from all of them.

    Parameters
    ----------
    readings : sequence of MaskReading
        Of one scan, on one grid.
    estimate : callable
        Masks to the estimated mask: STAPLE (Warfield, Zou and Wells 2004, doi 10.1109/TMI.2004.828354), which weighs each
        reading by the sensitivity and specificity it finds for it.
    """
    reference = estimate([reading.mask for reading in readings])
    return tuple(AgainstReference(reading, compare(reading.mask, reference), "STAPLE") for reading in readings)
