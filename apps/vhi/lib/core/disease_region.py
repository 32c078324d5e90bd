"""Where inflammation may count: the bone of interest, found on T1W by an ensemble of networks.

Networks reach this module as callables; nothing here knows how they are made.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from ..errors import ModelError, VhiError
from .box import box_of
from .normalise import NetworkFrame, normalise_t1w
from .protocol import members_for, spacing_of
from .runs import grouped_runs
from .volume import Mask, Volume, check_scan

# (K, H, W) float32 normalised slices, hung as in lib.core.normalise, to (K, H, W) float32 probabilities
Member = Callable[[np.ndarray], np.ndarray]

# Pieces are kept by size, not only the largest: L5 and the ilia are often separate pieces of true bone. Measured on held-out
# atypical scans, keeping the largest alone costs up to 2 points of Dice, and this share costs nothing.
SMALLEST_PIECE = 0.02

# Every outline is uncertain by a pixel or two, so at the border entropy says little. Measured on 20 scans and wrong inputs
# (docs/models.md): further inside, wrong contrasts and planes stand out from the scans by twice as much.
INTERIOR_MM = 2.0


class DiseaseRegionError(VhiError):
    """The networks find no bone on the T1W scan."""


@dataclass(frozen=True)
class DisagreementRank:
    """On how many of a version's reference scans the members disagree less than on this one."""

    above: int
    of: int


@dataclass(frozen=True, eq=False)
class DiseaseRegion:
    """The region, and how it came about.

    Parameters
    ----------
    mask : Mask
        On the grid of the T1W scan.
    source : str
        What drew it: "ensemble of 3", or "given".
    member_disagreement : float or None
        1 - mean pairwise Dice of the members' own rounded masks, in [0, 1]; None with fewer than two members.
    entropy : float or None
        Mean binary entropy [bit] of the members' averaged probability inside the region, 2 mm and more from its outline in the
        slice; 0 where they are sure, 1 where they toss a coin. None for a given region.
    computed_by : mapping or None
        `engine` and `precision` that the networks were computed in, where they say.
    rank : DisagreementRank or None
        Where the disagreement stands among the version's reference scans; None where there are none to compare.
    """

    mask: Mask
    source: str
    member_disagreement: float | None = None
    entropy: float | None = None
    computed_by: Mapping[str, str] | None = None
    rank: DisagreementRank | None = None

    @property
    def member_dice(self) -> float | None:
        """Mean pairwise Dice of the members' masks."""
        return None if self.member_disagreement is None else 1.0 - self.member_disagreement


def segment_disease_region(t1w: Volume, members: Sequence[Member]) -> DiseaseRegion:
    """Average the members' probabilities, round, and drop small separate pieces.

    Raises
    ------
    ModelError
        No member was given, or one answers with another shape.
    InputError
        T1W cannot be measured as it lies: `check_scan`.
    DiseaseRegionError
        Nothing is left.

    Notes
    -----
    Hepburn et al. 2023, section 2.5.1 (average and round, 0.5 counts as bone); dropping pieces smaller than 2% of the largest
    is ours.
    """
    if not members:
        raise ModelError("No network was given to find the disease region; pass the members of an ensemble, or a mask.")
    check_scan(t1w)
    members = members_for(members, t1w.grid)
    frame = NetworkFrame.of(t1w, spacing_of(members))
    slices = frame.slices(normalise_t1w(t1w))
    mean = np.zeros_like(slices)
    votes: list[np.ndarray] = []
    for member in members:
        probability = probability_of(member, t1w, slices, frame)
        mean += probability
        votes.append(probability >= 0.5)
    mean /= len(members)
    averaged = frame.volume(mean)
    mask = Mask(drop_small_pieces(averaged >= 0.5), t1w.grid, "disease region")
    if not mask.voxels:
        raise DiseaseRegionError(
            f"No bone was found on {t1w.name}; the networks know T1-weighted oblique coronal scans of the sacroiliac joints. "
            "Check contrast, plane and body part, or pass a disease-region mask."
        )
    source = f"ensemble of {len(members)}" if len(members) > 1 else "single network"
    entropy = float(binary_entropy(averaged[interior(mask)]).mean())
    return DiseaseRegion(mask, source, disagreement(votes), entropy, _computed_by(members))


def _computed_by(members: Sequence[Member]) -> dict[str, str] | None:
    """The members' own statements of engine and precision; members that differ are all named."""
    said = [getattr(member, "computed_by", None) or {} for member in members]
    merged = {
        what: " and ".join(sorted({statement[what] for statement in said if what in statement}))
        for what in ("engine", "precision")
    }
    return merged if all(merged.values()) else None


def probability_of(member: Member, t1w: Volume, slices: np.ndarray, frame: NetworkFrame) -> np.ndarray:
    """A member's probabilities of the slices in the scan's frame.

    One that looks beyond single slices is shown the whole scan from back to front, air included: it scales intensities by its
    own rule, which was made for that.

    Parameters
    ----------
    slices : (K, H, W) float32 array
        The scan as `frame` gives it.

    Returns
    -------
    (K, H, W) float32 array

    Raises
    ------
    ModelError
        The member answers with another shape than it was shown.
    """
    if not getattr(member, "sees_stack", False):
        return _answer(member, slices)
    whole = NetworkFrame.of(t1w, air=True)
    way = slice(None, None, 1 if whole.back_to_front else -1)
    answer = _answer(member, whole.slices(normalise_t1w(t1w))[way])[way]
    return frame.slices(whole.volume(answer))


def _answer(member: Member, slices: np.ndarray) -> np.ndarray:
    probability = member(slices)
    if probability.shape != slices.shape:
        raise ModelError(
            f"A network answers {slices.shape} slices with shape {probability.shape}; it is not a disease-region model."
        )
    return probability


def disagreement(masks: Sequence[np.ndarray]) -> float | None:
    """1 - mean pairwise Dice of bool arrays of one shape; None for fewer than two, two empty masks agree."""
    pairs = list(combinations(masks, 2))
    if not pairs:
        return None
    return 1.0 - float(np.mean([dice(a, b) for a, b in pairs]))


def dice(a: np.ndarray, b: np.ndarray) -> float:
    """Dice coefficient of two bool arrays of one shape; 1 for two empty ones."""
    total = np.count_nonzero(a) + np.count_nonzero(b)
    return 2 * int(np.count_nonzero(a & b)) / total if total else 1.0


def binary_entropy(probability: np.ndarray) -> np.ndarray:
    """Entropy [bit] of each probability; 0 for 0 and 1. An array of any shape in, of the same shape out."""
    # float64: logarithms of float32 differ in their last digits from numpy to numpy
    p = np.clip(probability, 1e-6, 1 - 1e-6, dtype=np.float64)
    entropy: np.ndarray = -(p * np.log2(p) + (1 - p) * np.log2(1 - p))
    return entropy


def interior(mask: Mask, margin_mm: float = INTERIOR_MM) -> np.ndarray:
    """`(I, J, K)` bool array of what lies `margin_mm` inside the outline in the slice; all of the mask where that is nothing."""
    box = box_of(mask.data)
    inner = mask.data[box]
    for axis in (0, 1):
        inner = eroded(inner, max(1, round(margin_mm / mask.grid.spacing_mm[axis])), axis)
    if not inner.any():
        return mask.data
    inside = np.zeros_like(mask.data)
    inside[box] = inner
    return inside


def eroded(mask: np.ndarray, pixels: int, axis: int) -> np.ndarray:
    """A bool array, true where all of `2 * pixels + 1` along `axis` are; beyond `mask`, of any shape, nothing is.

    Ten times as fast as a filter.
    """
    widths = [(pixels, pixels) if other == axis else (0, 0) for other in range(mask.ndim)]
    runs, length = np.moveaxis(np.pad(mask, widths), axis, 0), 1
    while length < 2 * pixels + 1:
        step = min(length, 2 * pixels + 1 - length)
        runs, length = runs[:-step] & runs[step:], length + step
    return np.moveaxis(runs, 0, axis)


def slice_dice(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """`(K,)` 2-D Dice of two `(I, J, K)` bool arrays, slice by slice; nan where both are empty."""
    both = 2.0 * np.count_nonzero(a & b, axis=(0, 1))
    total = np.count_nonzero(a, axis=(0, 1)) + np.count_nonzero(b, axis=(0, 1))
    return np.divide(both, total, out=np.full(len(both), np.nan), where=total > 0)


def drop_small_pieces(mask: np.ndarray, smallest: float = SMALLEST_PIECE) -> np.ndarray:
    """Clear the 26-connected 3-D pieces of an `(I, J, K)` bool array with less than `smallest` of the largest one's voxels."""
    box = box_of(mask)
    if not mask[box].size:
        return np.zeros_like(mask)
    # slices are far fewer than rows and columns: runs within a slice are long
    within = mask[box].transpose(2, 0, 1)
    runs = grouped_runs(within)
    sizes = runs.sizes
    small = sizes[runs.group] < smallest * sizes.max()
    cleared = np.array(within, order="C")
    flat = cleared.ravel()  # a view
    for first, last in zip(runs.first[small], runs.last[small], strict=True):
        flat[first:last] = False
    kept = np.zeros_like(mask)
    kept[box] = cleared.transpose(1, 2, 0)
    return kept
