"""Is this a scan that the networks know, and a region that they may be trusted with?

The networks always answer. What tells that an answer may be wrong: a slice plane that they never saw, bone that the frame or
the stack cuts off, marrow unlike that of the scans they learnt, and members that are unsure or disagree more than they do on
such scans. Whether the series is T1-weighted at all is asked in `lib.core.contrast`.

Every limit lies between what was measured on right and on wrong inputs; docs/models.md has the table. What depends on the
networks (disagreement, entropy, volume) is compared with the `Reference` of their version.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np

from ..errors import ModelError
from .box import box_of
from .caution import cautions
from .contrast import Tissues, tissues
from .disease_region import DisagreementRank, DiseaseRegion, interior
from .library import ndimage
from .orientation import DisplayOrientation
from .pair_cache import PairCache
from .volume import Grid, Mask, Volume

# Lean of the slices from coronal along the sacrum; measured 25 to 52 degrees on 23 scans, and turned sideways up to 5.
LEAN_DEG = (10.0, 67.0)
LARGEST_TURN_DEG = 20.0
# Area of the region in the front and the back slice over that of its largest slice; measured up to 0.55 and 0.20 on 20 scans
# (0.60 and 0.68 on an atypical one), 0.75 and 0.58 and more on most stacks cut in two.
FRONT_SHARE, BACK_SHARE = 0.65, 0.4
# The region in the three outermost columns or rows, over that in its fullest ones: measured up to 0.16 at the sides, 0.26 at the
# top and 0.02 at the bottom, 0.33, 0.90 and 0.10 and more on most frames cut in two.
SIDE_SHARE, TOP_SHARE, BOTTOM_SHARE = 0.25, 0.5, 0.05
EDGE_PIXELS = 3
# The smaller over the larger half of the region, left and right of the frame's middle: measured 0.88 and more. It says nothing
# of a region that ends before the frame does: a large frame need not have the spine in its middle (0.54 to 0.97 on 12 such).
LOWEST_BALANCE, REACHED = 0.85, 0.02
# 25 slices of 3.3 mm were learnt; half of them hold no whole sacroiliac joint.
SHALLOWEST_STACK_MM = 60.0
# Share of the marrow brighter than the median of fat: up to 0.09 on 20 scans, 0.18 and 0.37 on atypical ones.
BRIGHTEST_MARROW = 0.13
# Interquartile range of the marrow over its mean within 12 mm or so: up to 0.28 on 20 scans, 0.36 on an atypical one.
MOST_UNEVEN_MARROW = 0.315
NEIGHBOURHOOD_MM = 12.0
# Share of dark pixels around the bone, within the box around the region: muscle is grey on T1W and nearly black on T2W. Dark is
# what is below a quarter of the bright tissue nearby, so that coil fall-off changes nothing. Up to 0.08 on 15 scans of two
# scanners, 0.10 with stronger contrast; 0.36 on T2-weighted phantoms, 0.24 and more on scans whose grey scale was squared.
DARKEST_SURROUNDINGS, DARK_NEARBY, NEARBY_MM = 0.17, 0.25, 25.0
# Marrow and surroundings are read at every third pixel, each way.
STEP = 3
# Members that disagree more than on this share of the reference scans and the scan itself are warned of: the worst decile, so
# that of scans like those at most a tenth is.
WORST_SHARE = 0.9
# A frame larger than the reference scans' may show as much more bone.
REFERENCE_FRAME_MM2 = 200.0**2
# How far beyond every reference scan a value must lie: no scan of a small sample is the most unusual one to come.
BEYOND = 1.5


@dataclass(frozen=True)
class Reference:
    """The answers of one version's networks on scans that they know or that are like those.

    Parameters
    ----------
    what : str
        Which scans, and what the networks had learnt of them.
    scans : int
    highest_disagreement : float or None
        1 - mean pairwise Dice; None where no two members were compared.
    highest_entropy : float
        Bit, as in `DiseaseRegion`.
    lowest_mm3, highest_mm3 : float
        Volume of the region.
    disagreements : tuple of float
        Of each scan where members were compared, lowest first; none in versions of earlier builds, which know the highest alone.
    """

    what: str
    scans: int
    highest_disagreement: float | None
    highest_entropy: float
    lowest_mm3: float
    highest_mm3: float
    disagreements: tuple[float, ...] = ()

    @classmethod
    def of(cls, regions: Sequence[DiseaseRegion], what: str) -> Reference:
        """The reference from the networks' regions of such scans; at least one, and none of them given.

        Raises
        ------
        ModelError
            No region, or none that the networks drew.
        """
        entropies = [region.entropy for region in regions if region.entropy is not None]
        if not entropies or len(entropies) < len(regions):
            raise ModelError("A reference is made of regions that networks drew; found none, or a given one among them.")
        disagreements = sorted(region.member_disagreement for region in regions if region.member_disagreement is not None)
        volumes = [region.mask.volume_mm3 for region in regions]
        return cls(
            what, len(regions), max(disagreements, default=None), max(entropies), min(volumes), max(volumes), tuple(disagreements)
        )

    @classmethod
    def from_dict(cls, content: Mapping[str, Any] | None) -> Reference | None:
        """The reference that `as_dict` wrote; None for None.

        Raises
        ------
        ModelError
            A field is missing, unknown or no number.
        """
        if content is None:
            return None
        try:
            reference = cls(**{**content, "disagreements": tuple(content.get("disagreements", ()))})
            extremes = (
                reference.highest_entropy,
                reference.lowest_mm3,
                reference.highest_mm3,
                reference.highest_disagreement or 0.0,
            )
            numbers = (*extremes, *reference.disagreements)
            if not all(np.isfinite(float(number)) for number in numbers):
                raise ValueError("a value is not finite")
        except (TypeError, ValueError) as error:
            raise ModelError(f"The reference values of the model are damaged ({error}); restore its manifest.") from error
        return reference

    def as_dict(self) -> dict[str, Any]:
        """Plain values; disagreements are left out where none are known, as in manifests of earlier builds."""
        values = asdict(self) | {"disagreements": list(self.disagreements)}
        return values if self.disagreements else {name: value for name, value in values.items() if name != "disagreements"}

    def widened(self, other: Reference, name: str) -> Reference:
        """With the extremes of another version's reference too, `name`'s, but the disagreements of its own."""
        highest = [value for value in (self.highest_disagreement, other.highest_disagreement) if value is not None]
        return replace(
            self,
            what=f"{self.what}; extremes also those of {name}: {other.what}",
            highest_disagreement=max(highest, default=None),
            highest_entropy=max(self.highest_entropy, other.highest_entropy),
            lowest_mm3=min(self.lowest_mm3, other.lowest_mm3),
            highest_mm3=max(self.highest_mm3, other.highest_mm3),
        )

    def rank(self, region: DiseaseRegion) -> DisagreementRank | None:
        """Where the members' disagreement stands among the reference scans; None where it or theirs is not known."""
        disagreement = region.member_disagreement
        if disagreement is None or not self.disagreements:
            return None
        return DisagreementRank(sum(other < disagreement for other in self.disagreements), len(self.disagreements))


def region_warnings(t1w: Volume, region: DiseaseRegion, reference: Reference | None) -> tuple[str, ...]:
    """Sentences on what is unusual about a scan and its disease region, the gravest first; none for what is as usual.

    A region that was given was drawn by someone who saw the scan: of it only the coverage is judged.
    """
    cut_off = cautions("coverage", _coverage(coverage(region.mask)))
    if region.source == "given":
        return cut_off
    look = look_of(t1w, region.mask)
    return (
        *cautions("plane", _plane(t1w)),
        *cautions("t1w", _surroundings(t1w, look.dark_surroundings)),
        *cautions("region", _networks(region, reference)),
        *cautions("marrow", _marrow(look.marrow)),
        *cut_off,
        *_no_reference(reference),
    )


# the plane ------------------------------------------------------------------------------------------------------------------


def lean_and_turn_deg(grid: Grid) -> tuple[float, float]:
    """How far the slices lean from coronal, head end to the front (-90 to 90 degrees), and how far they turn sideways (0 to 90).

    Coronal slices lean by 0, axial ones by 90 or -90; sagittal slices turn by 90.
    """
    normal = np.cross(grid.affine[:3, 0], grid.affine[:3, 1])
    right, front, up = normal / np.linalg.norm(normal)
    lean = np.degrees(np.arctan2(-up, front))
    # a normal and its opposite are one plane
    return float((lean + 90.0) % 180.0 - 90.0), float(np.degrees(np.arcsin(min(abs(right), 1.0))))


def _plane(t1w: Volume) -> Iterator[str]:
    lean, turn = lean_and_turn_deg(t1w.grid)
    low, high = LEAN_DEG
    if turn > 45.0:
        direction = "sagittal"
    elif turn > LARGEST_TURN_DEG:
        direction = f"turned {turn:.0f} degrees sideways"
    elif abs(lean) > high:
        direction = "axial"
    elif lean < -low:
        direction = "oblique axial, across the sacrum"
    elif lean < low:
        direction = "straight coronal"
    else:
        return
    yield (
        f"The slices of {t1w.name} are {direction} by the file's geometry; the disease region and VHI were measured on oblique "
        "coronal slices along the sacrum only, and may be wrong. Pass the oblique coronal series, or draw the region by hand."
    )


# the networks ---------------------------------------------------------------------------------------------------------------


def _networks(region: DiseaseRegion, reference: Reference | None) -> Iterator[str]:
    if reference is None:
        return
    unsure = [*_disagreement(region, reference)]
    if region.entropy is not None and region.entropy > BEYOND * reference.highest_entropy:
        unsure.append(
            f"are unsure inside the region (entropy {region.entropy:.2f} bit, at most {reference.highest_entropy:.2f} on "
            f"{reference.scans} reference scans)"
        )
    if unsure:
        yield (
            f"The networks {' and '.join(unsure)}: this scan is unlike "
            "those they know (contrast, plane, coverage or marrow). Check the region's outline in every slice; redraw it where "
            "it is wrong."
        )
    mm3 = region.mask.volume_mm3
    sides_mm = [n * spacing for n, spacing in zip(region.mask.grid.shape[:2], region.mask.grid.spacing_mm[:2], strict=True)]
    larger = max(1.0, sides_mm[0] * sides_mm[1] / REFERENCE_FRAME_MM2)
    if not reference.lowest_mm3 / BEYOND <= mm3 <= reference.highest_mm3 * BEYOND * larger:
        size = "small" if mm3 < reference.lowest_mm3 else "large"
        yield (
            f"The disease region is unusually {size}: {mm3:.0f} mm3, on {reference.scans} reference scans "
            f"{reference.lowest_mm3:.0f} to {reference.highest_mm3:.0f} mm3. Check that the scan shows the whole sacrum and both "
            "ilia, and the outline in every slice."
        )


def _disagreement(region: DiseaseRegion, reference: Reference) -> Iterator[str]:
    rank, own, highest = reference.rank(region), region.member_disagreement, reference.highest_disagreement
    if rank is not None and own is not None:
        if rank.above >= WORST_SHARE * (rank.of + 1):
            yield f"disagree more than on {rank.above} of {rank.of} reference scans (mean Dice between them {1 - own:.3f})"
    elif highest is not None and own is not None and own > BEYOND * highest:
        yield (
            f"disagree (mean Dice between them {1 - own:.3f}, at least {1 - highest:.3f} on {reference.scans} reference scans)"
        )


def _no_reference(reference: Reference | None) -> Iterator[str]:
    if reference is None:
        yield (
            "This version of the networks comes without reference values, so it was not judged whether their agreement and the "
            "region's size are usual. Check the region's outline."
        )


# contrast, where the bone is -------------------------------------------------------------------------------------------------


def dark_surroundings(t1w: Volume, region: Mask, shown: Tissues) -> float:
    """Share of what is shown in the box around the region, but outside it, that is dark; nan where there is nothing."""
    coarse, values = region.data[::STEP, ::STEP], t1w.data[::STEP, ::STEP].astype(np.float32)
    box = box_of(coarse)
    if not coarse[box].size:
        return float("nan")
    around = ~coarse[box] & (values[box] > 0)
    dark = values < DARK_NEARBY * _bright_nearby(values, t1w.grid, shown)
    return float(dark[box][around].mean()) if around.any() else float("nan")


def _bright_nearby(values: np.ndarray, grid: Grid, shown: Tissues) -> np.ndarray:
    """The mean of what is brighter than the mean of tissue nearby, of every `STEP`-th pixel: fat and marrow."""
    blurred = blur_within_slices(values.shape, [NEARBY_MM / (STEP * spacing) for spacing in grid.spacing_mm[:2]])
    tissue = values > shown.dark / 4

    def mean(of: np.ndarray) -> np.ndarray:
        average: np.ndarray = blurred(values * of) / np.maximum(blurred(of), 1e-3)
        return average

    return mean(tissue & (values > mean(tissue)))


def blur_within_slices(shape: tuple[int, ...], sigmas: Sequence[float]) -> Callable[[np.ndarray], np.ndarray]:
    """A Gaussian filter within slices of `(I, J, K)` arrays, to float32, as scipy's that ends at two sigmas.

    A wide one takes a third of the time as two products with matrices, which hold what the filter makes of single pixels.

    Parameters
    ----------
    shape : (I, J, K)
    sigmas : (float, float)
        [pixels], along I and J.
    """
    rows, columns = (
        ndimage.gaussian_filter1d(np.eye(size), sigma, axis=0, truncate=2) for size, sigma in zip(shape, sigmas, strict=False)
    )

    def blurred(image: np.ndarray) -> np.ndarray:
        # like the filter, in double precision along each direction and rounded after it
        along = (image.T.astype(np.float64) @ rows.T).astype(np.float32)
        both: np.ndarray = (columns @ along.astype(np.float64)).astype(np.float32)
        return both.T

    return blurred


@dataclass(frozen=True)
class Look:
    """The look of T1W in and around a region, see `dark_surroundings` and `marrow`."""

    dark_surroundings: float
    marrow: Marrow


LOOKS: PairCache[Mask, Volume, Look] = PairCache()


def look_of(t1w: Volume, region: Mask) -> Look:
    """The look of T1W in and around a region; measured once for the same objects."""
    known = LOOKS.find(region, t1w)
    if known is not None:
        return known
    shown = tissues(t1w)
    return LOOKS.keep(region, t1w, Look(dark_surroundings(t1w, region, shown), marrow(t1w, region, shown)))


def _surroundings(t1w: Volume, dark_share: float) -> Iterator[str]:
    if dark_share > DARKEST_SURROUNDINGS:
        yield (
            f"{t1w.name} does not look T1-weighted around the bone: {100 * dark_share:.0f}% of the pixels there are dark, "
            "usually below 10% (T2-weighted, fat-suppressed or rescaled?); the disease region may be wrong. Check the series."
        )


# the marrow -----------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Marrow:
    """T1W inside the region: share brighter than the median of fat, and unevenness within a neighbourhood; nan where unknown."""

    bright_share: float
    unevenness: float


def marrow(t1w: Volume, region: Mask, shown: Tissues) -> Marrow:
    """The brightness of a region's marrow beside the fat of the same scan."""
    step = np.s_[::STEP, ::STEP]
    coarse = region.data[step]
    grid = Grid((coarse.shape[0], coarse.shape[1], coarse.shape[2]), t1w.grid.affine @ np.diag([STEP, STEP, 1.0, 1.0]))
    inside = interior(Mask(coarse, grid))
    box = box_of(inside)
    inside = inside[box]
    if not inside.size:
        return Marrow(float("nan"), float("nan"))
    values, weight = t1w.data[step][box].astype(np.float32), inside.astype(np.float32)
    blurred = blur_within_slices(values.shape, [NEIGHBOURHOOD_MM / spacing for spacing in grid.spacing_mm[:2]])
    total, count = (blurred(image)[inside] for image in (values * weight, weight))
    own, mean = values[inside], total / count
    q1, q3 = np.percentile(own[mean > 0] / mean[mean > 0], [25, 75]) if (mean > 0).any() else (np.nan, np.nan)
    return Marrow(float((own > shown.fat).mean()), float(q3 - q1))


def _marrow(t1w_marrow: Marrow) -> Iterator[str]:
    unlike = []
    if t1w_marrow.bright_share > BRIGHTEST_MARROW:
        unlike.append(f"{100 * t1w_marrow.bright_share:.0f}% of it is brighter than fat, usually below 10%")
    if t1w_marrow.unevenness > MOST_UNEVEN_MARROW:
        unlike.append(f"it is patchy, varying by {100 * t1w_marrow.unevenness:.0f}% from place to place, usually below 28%")
    if unlike:
        yield (
            f"The marrow is atypical on T1W: {' and '.join(unlike)}. On very fatty or sclerotic bone the networks may leave "
            "parts out. Check the region's outline in every slice; redraw it where it is wrong."
        )


# coverage -------------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Coverage:
    """How far a region reaches into the ends of the stack and the edges of the frame; shares of its own greatest extent.

    `balance` is the smaller over the larger half, left and right of the frame's middle; `stack_mm` the depth of all slices.
    """

    front: float
    back: float
    right: float
    left: float
    top: float
    bottom: float
    balance: float
    stack_mm: float


def coverage(region: Mask) -> Coverage:
    """The coverage of a region that is not empty."""
    hung = DisplayOrientation.of(region.grid).hang(region.data)
    area = np.count_nonzero(hung, axis=(1, 2))
    if region.grid.affine[1, 2] > 0:  # later slices lie further to the front
        area = area[::-1]
    flat = np.count_nonzero(hung, axis=0)
    rows, columns = flat.sum(axis=1), flat.sum(axis=0)
    middle = len(columns) // 2
    halves = columns[:middle].sum(), columns[len(columns) - middle :].sum()

    def share(edge: np.ndarray, whole: np.ndarray) -> float:
        return float(edge.mean() / whole.max())

    return Coverage(
        front=share(area[:1], area),
        back=share(area[-1:], area),
        right=share(columns[:EDGE_PIXELS], columns),
        left=share(columns[-EDGE_PIXELS:], columns),
        top=share(rows[:EDGE_PIXELS], rows),
        bottom=share(rows[-EDGE_PIXELS:], rows),
        balance=float(min(halves) / max(*halves, 1)),
        stack_mm=region.grid.shape[2] * region.grid.spacing_mm[2],
    )


def _coverage(extent: Coverage) -> Iterator[str]:
    ends = {
        "the front of the stack": extent.front > FRONT_SHARE,
        "the back of the stack": extent.back > BACK_SHARE,
        "the patient's right edge": extent.right > SIDE_SHARE,
        "the patient's left edge": extent.left > SIDE_SHARE,
        "the top edge": extent.top > TOP_SHARE,
        "the bottom edge": extent.bottom > BOTTOM_SHARE,
    }
    cut = [name for name, is_cut in ends.items() if is_cut]
    what = []
    if cut:
        what.append(f"bone is cut off at {', '.join(cut)}")
    if extent.stack_mm < SHALLOWEST_STACK_MM:
        what.append(f"the stack is only {extent.stack_mm:.0f} mm deep, usually 80 mm")
    if extent.balance < LOWEST_BALANCE and max(extent.right, extent.left) > REACHED:
        what.append(f"one side holds {100 * extent.balance:.0f}% of the region of the other, usually above 88%")
    if what:
        yield (
            f"The scan may show only part of the bone: {'; '.join(what)}. Inflammation outside it is not counted; compare it "
            "only with scans of the same coverage."
        )
