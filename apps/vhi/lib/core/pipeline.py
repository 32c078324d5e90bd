"""The one path from images to a VHI result."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np

from ..errors import InputError, NormalBoneError
from .anatomy import Anatomy, ZoneExtent, anatomy_of, zone_extents
from .box import box_of
from .caution import Caution
from .contrast import check_contrasts
from .disease_region import DiseaseRegion, Member, segment_disease_region
from .interval import Interval, NoInterval, NumberBasis, interval_of
from .lesions import Lesion, LesionMap, label_lesions, lesion_table, midline_mm, voxels_of
from .measurement import Extent, VhiMeasurement, measure, with_places
from .normal_bone import NormalBone, NormalBoneClicks, NormalBoneSample, Voxel, sample_normal_bone
from .normal_bone_clicks import normal_bone_from_clicks
from .normal_bone_proposal import most_even_places, propose_normal_bone
from .not_measured import NormalBoneRefused, NotMeasured
from .plausibility import Reference, region_warnings
from .proposal import Proposal, Stage
from .regrading import BoxedScan, RegradedPieces, Regrading
from .settings import VhiSettings
from .stability import FEWEST_SLICES, Stability, stability_of
from .stir_quality import stir_warnings
from .thresholds import LARGEST_PLAUSIBLE_MULTIPLE, PAPER, Thresholds, thresholds_from
from .touching import TouchingVoxels, in_slices
from .volume import Mask, Volume, blank_slices, check_no_slice_is_blank, check_same_grid, check_scan


@dataclass(frozen=True, eq=False)
class LesionVoxels:
    """The graded voxels of a result.

    Parameters
    ----------
    index : (n, 3) int array
        Along I, J and K of the grid of STIR, which has this `shape`; slice after slice.
    grade : (n,) uint8 array
        1 or 2.
    lesion : (n,) int array
        Ids.
    """

    index: np.ndarray
    shape: tuple[int, int, int]
    grade: np.ndarray
    lesion: np.ndarray

    @cached_property
    def touching(self) -> TouchingVoxels:
        """These voxels with the pairs that touch."""
        return TouchingVoxels.of(self.index, self.shape)

    @property
    def at(self) -> tuple[np.ndarray, ...]:
        """`(n,)` indices along I, J and K, as arrays take them."""
        return tuple(self.index.T)

    @property
    def slice(self) -> np.ndarray:
        """`(n,)` index along K."""
        return self.index[:, 2]


@dataclass(frozen=True, eq=False)
class VhiResult:
    """Everything that one measurement found, with the images it was found on.

    `grade` ((I, J, K) uint8, 0/1/2) and `lesion_labels` ((I, J, K) int32, 0 or the lesion's id) lie on the grid of `stir`.
    `normal_bone_source` is "given", "clicked" or "proposed", `normal_bone_confidence` that of a proposed one and
    `normal_bone_clicks` the voxels of a clicked one, which may hold the proposal beside (`normal_bone_with_proposal`). `stage`
    says which number this is; `raw` is the automatic one where this is another, and `proposal` what a model says about the
    lesions of the automatic result, where it was asked. `regrading` measures the same region at other thresholds.
    """

    t1w: Volume
    stir: Volume
    disease_region: DiseaseRegion
    normal_bone: Mask
    normal_bone_source: str
    normal_bone_values: np.ndarray
    thresholds: Thresholds
    grade: np.ndarray
    lesion_labels: np.ndarray
    lesions: tuple[Lesion, ...]
    measurement: VhiMeasurement
    stability: Stability
    settings: VhiSettings
    warnings: tuple[str, ...]
    stage: Stage = "raw"
    raw: Extent | None = None
    proposal: Proposal | None = None
    normal_bone_confidence: float | None = None
    normal_bone_clicks: tuple[Voxel, ...] = ()
    normal_bone_with_proposal: bool = False
    regrading: Regrading | None = field(default=None, repr=False)
    anatomy: Anatomy | None = None

    @cached_property
    def normal_bone_sample(self) -> NormalBoneSample:
        """The intensities of normal bone, with the slice of each."""
        return NormalBoneSample(self.normal_bone_values, np.nonzero(self.normal_bone.data)[2])

    @cached_property
    def graded(self) -> LesionVoxels:
        """The graded voxels, without the rest of the grid."""
        index = in_slices(self.grade != 0)
        at = tuple(index.T)
        return LesionVoxels(index, self.stir.grid.shape, self.grade[at], self.lesion_labels[at])

    @cached_property
    def central_voxels(self) -> tuple[Voxel, ...]:
        """Of each lesion the voxel next to its centroid, (i, j, k)."""
        at = voxels_of(self.grade)
        which = self.lesion_labels[tuple(at.T)]
        centroids = np.array([lesion.centroid_mm for lesion in self.lesions]).reshape(-1, 3)
        distance = np.linalg.norm(self.stir.grid.world_mm(at) - centroids[which - 1], axis=1)
        order = np.lexsort((distance, which))
        nearest = at[order[np.searchsorted(which[order], np.arange(1, len(self.lesions) + 1))]]
        return tuple((int(i), int(j), int(k)) for i, j, k in nearest)

    @cached_property
    def _pieces(self) -> dict[tuple[float, float], RegradedPieces | None]:
        return {}

    def pieces_at(self, sensitive: float, conservative: float) -> RegradedPieces | None:
        """The voxels that other thresholds grade, as pieces of this result's lesions; None where they are too many."""
        key = (float(sensitive), float(conservative))
        if key not in self._pieces:
            regrading = self.regrading
            self._pieces[key] = None if regrading is None else regrading.pieces_at(*key, self.lesion_labels)
        return self._pieces[key]

    @property
    def left_out(self) -> np.ndarray | None:
        """Voxels that the settings leave out whoever painted them, `(I, J, K)` bool; None where they leave out nothing."""
        region = self.disease_region.mask
        counted = self.counted_region
        return None if counted is region else region.data & ~counted.data

    @property
    def counted_region(self) -> Mask:
        """The disease region without what the settings leave out (`lib.core.limits`)."""
        return _counted(self.disease_region.mask, self.anatomy, self.settings)

    @property
    def interval(self) -> Interval | None:
        """The interval that the measured components of error leave around VHI; None where one of them was not measured."""
        return self._interval if isinstance(self._interval, Interval) else None

    @property
    def no_interval_because(self) -> str | None:
        """Why there is no interval."""
        return self._interval.reason if isinstance(self._interval, NoInterval) else None

    @cached_property
    def _interval(self) -> Interval | NoInterval:
        if not self.settings.is_papers_chain or self.settings.limits.left_out:
            return NoInterval(
                "How far such numbers vary was measured with the paper's post-transforms and all of the disease region alone."
            )
        return interval_of(
            self.measurement.total.sensitive_mm3,
            [(moved.change, moved.vhi_mm3) for moved in self.stability.threshold_changes],
            [
                float(np.log(without_slice.sensitive / self.thresholds.sensitive))
                for without_slice in self.stability.slices_left_out or ()
                if without_slice.sensitive is not None
            ],
            NumberBasis(self.stage, self.normal_bone_source, self.thresholds.rule, self.disease_region.source),
            self.stir.grid.voxel_volume_mm3,
        )


def measure_vhi(  # noqa: PLR0913 the inputs of the method, by name
    t1w: Volume,
    stir: Volume,
    members: Sequence[Member] = (),
    normal_bone: Mask | NormalBone | NormalBoneClicks | None = None,
    settings: VhiSettings | None = None,
    disease_region: Mask | DiseaseRegion | None = None,
    reference: Reference | None = None,
) -> VhiResult:
    """Measure the volume of hyperintense inflammation of one scan.

    Parameters
    ----------
    t1w, stir : Volume
        Of one visit, on one grid.
    members : sequence of callables
        The networks of the disease-region ensemble; needed unless `disease_region` is given.
    normal_bone : Mask, NormalBone or NormalBoneClicks, optional
        As a reader drew it on STIR (a mask counts as drawn), where a reader clicked in it, or as it was proposed before; proposed
        automatically when absent, and refused where the proposal is unsure.
    settings : VhiSettings, optional
        The paper's method when absent.
    disease_region : Mask or DiseaseRegion, optional
        Used as it is instead of the networks' answer; a mask counts as drawn by a reader.
    reference : Reference, optional
        What the networks answer on scans that they know; without it no warning rests on their agreement.

    Raises
    ------
    VhiError
        Whatever makes the number untrustworthy: grids that differ, unusable normal bone, a region that is not found.
    NormalBoneRefused
        No normal bone was passed and the automatic one is missing or unsure; it carries what is there without it.

    Notes
    -----
    Hepburn et al. 2023, section 2.5.1, up to the reader's cleaning.
    """
    settings = settings or VhiSettings()
    try:
        scan = prepare_scan(t1w, stir, members, normal_bone, disease_region, reference)
    except NormalBoneRefused as refused:
        raise refused.described(refused.provenance, chain_warnings(settings)) from refused
    return measure_prepared(scan, settings)


@dataclass(frozen=True, eq=False)
class PreparedScan:
    """The basis of a measurement at any settings: regions, the sample of normal bone, and warnings about the images."""

    t1w: Volume
    stir: Volume
    region: DiseaseRegion
    bone: NormalBone
    sample: NormalBoneSample
    boxed: BoxedScan
    midline_mm: float
    anatomy: Anatomy
    warnings: tuple[str, ...]


def prepare_scan(
    t1w: Volume,
    stir: Volume,
    members: Sequence[Member] = (),
    normal_bone: Mask | NormalBone | NormalBoneClicks | None = None,
    disease_region: Mask | DiseaseRegion | None = None,
    reference: Reference | None = None,
) -> PreparedScan:
    """All of `measure_vhi` that no setting changes; its parameters and errors are those of `measure_vhi`."""
    check_same_grid(t1w, stir)
    for scan in (stir, t1w):
        check_scan(scan)
    contrast_warnings = (*check_contrasts(t1w, stir), *stir_warnings(t1w, stir))
    region = _disease_region(t1w, stir, members, disease_region)
    check_no_slice_is_blank(stir, region.mask)
    region = region if reference is None else replace(region, rank=reference.rank(region))
    notes = (*contrast_warnings, *region_warnings(t1w, region, reference), *_unseen_slices(t1w, stir, region.mask))
    bone = _normal_bone(t1w, stir, region, normal_bone, notes)
    return PreparedScan(
        t1w=t1w,
        stir=stir,
        region=region,
        bone=bone,
        sample=sample_normal_bone(stir, bone.mask),
        boxed=BoxedScan(stir, region.mask),
        midline_mm=midline_mm(region.mask),
        anatomy=anatomy_of(t1w, region.mask),
        warnings=notes,
    )


def _unseen_slices(t1w: Volume, stir: Volume, region: Mask) -> tuple[Caution, ...]:
    """A warning where the last slices of T1W are blank, those of STIR are not, and the region reaches up to them."""
    blank = blank_slices(t1w)
    if not blank.size:
        return ()
    held: np.ndarray = np.any(region.data, axis=(0, 1))
    shown = np.setdiff1d(np.arange(len(held)), blank)
    first, last = shown[0], shown[-1]
    ends = blank[((blank < first) & held[first]) | ((blank > last) & held[last])]
    slices = np.setdiff1d(ends, [*blank_slices(stir), *np.flatnonzero(held)])
    if not slices.size:
        return ()
    which = ", ".join(str(k + 1) for k in slices[:10])
    sentence = (
        f"{t1w.name} is blank in slices that {stir.name} shows (number {which}): no disease region can be found there, and their "
        "inflammation is not counted."
    )
    return (Caution(sentence, "coverage"),)


def measure_prepared(scan: PreparedScan, settings: VhiSettings) -> VhiResult:
    """VHI of a prepared scan by these settings.

    Raises
    ------
    VhiError
        The sample of normal bone gives no thresholds.
    """
    stir, sample = scan.stir, scan.sample
    rule = settings.threshold_rule.resolved(drawn=scan.bone.source == "given")
    thresholds = thresholds_from(sample.values, rule, sample.slice_index)
    at = (thresholds.sensitive, thresholds.conservative)
    whole = scan.region.mask
    counted = _counted(whole, scan.anatomy, settings)
    regrading = Regrading(scan.boxed if counted is whole else _counting(stir, counted, whole), settings)
    grade, labels, count, raw_sensitive = regrading.maps_at(*at)
    graded, left_out = LesionMap(grade, labels, count), _left_out(scan, settings, at)
    lesions = lesion_table(graded, stir, thresholds, scan.midline_mm, scan.anatomy)
    measurement = measure(grade, raw_sensitive, stir.grid, scan.midline_mm, graded.index)
    stability = stability_of(
        lambda *at: regrading.voxels_at(*at) * stir.grid.voxel_volume_mm3,
        sample,
        rule,
        at,
        scan.bone.source,
        scan.bone.with_proposal,
    )
    return VhiResult(
        t1w=scan.t1w,
        stir=stir,
        disease_region=scan.region,
        normal_bone=scan.bone.mask,
        normal_bone_source=scan.bone.source,
        normal_bone_values=sample.values,
        thresholds=thresholds,
        grade=grade,
        lesion_labels=labels,
        lesions=lesions,
        measurement=with_places(measurement, graded, lesions, scan.anatomy, stir.grid, left_out),
        stability=stability,
        settings=settings,
        warnings=(
            *chain_warnings(settings),
            *limit_warnings(settings),
            *scan.warnings,
            *_warnings(scan.bone, thresholds, stability),
        ),
        normal_bone_confidence=scan.bone.confidence,
        normal_bone_clicks=scan.bone.clicks,
        normal_bone_with_proposal=scan.bone.with_proposal,
        regrading=regrading,
        anatomy=scan.anatomy,
    )


def _counted(region: Mask, anatomy: Anatomy | None, settings: VhiSettings) -> Mask:
    left_out = settings.limits.left_out
    if not left_out:
        return region
    if anatomy is None or not anatomy.is_known:
        raise InputError(
            f"What lies {settings.limits.words} cannot be left out: no sacroiliac joint was found on T1W in the disease region, "
            "so it is not known where the parts of the pelvis lie. Leave leave_out_above and leave_out_joint_space at their "
            "defaults, or pass a disease region that was drawn."
        )
    return Mask(region.data & ~np.isin(anatomy.zone, left_out), region.grid, region.name)


def limit_warnings(settings: VhiSettings) -> tuple[str, ...]:
    """That a part of the disease region does not count: such numbers cannot be set beside those of all of it."""
    words = settings.limits.words
    return (f"What lies {words} is reported apart and left out of this number, as the settings ask.",) if words else ()


def _counting(stir: Volume, counted: Mask, region: Mask) -> BoxedScan:
    """The part of the region that counts, in the region's box: nothing may be left of it."""
    return BoxedScan(stir, counted, box_of(region.data))


def _left_out(scan: PreparedScan, settings: VhiSettings, at: tuple[float, float]) -> tuple[ZoneExtent, ...]:
    """The zones that the settings leave out, as they would have been measured."""
    if not settings.limits.left_out:
        return ()
    everything = Regrading(scan.boxed, settings).maps_at(*at)[0]
    voxel_mm3 = scan.stir.grid.voxel_volume_mm3
    zones = zone_extents(scan.anatomy, everything, voxels_of(everything), settings.limits.left_out, voxel_mm3)
    return tuple(zone for zone in zones if not zone.counted)


def with_grade(result: VhiResult, grade: np.ndarray, raw_sensitive: int) -> VhiResult:
    """A result with another grade map: its lesions and volumes follow, by the thresholds that it holds; its stability does not.

    Parameters
    ----------
    result : VhiResult
    grade : (I, J, K) uint8 array
        On the grid of STIR.
    raw_sensitive : int
        Voxels at or above the sensitive threshold before anything was cleared.
    """
    return with_lesions(result, grade, *label_lesions(grade), raw_sensitive)


def with_lesions(result: VhiResult, grade: np.ndarray, labels: np.ndarray, count: int, raw_sensitive: int) -> VhiResult:
    """As `with_grade`, where the lesions of the grade map are known: `(I, J, K)` int32 labels as `label_lesions` gives them."""
    midline, grid, anatomy = result.measurement.midline_mm, result.stir.grid, result.anatomy
    graded = LesionMap(grade, labels, count)
    lesions = lesion_table(graded, result.stir, result.thresholds, midline, anatomy)
    measurement = measure(grade, raw_sensitive, grid, midline, graded.index)
    if anatomy is not None:
        measurement = with_places(measurement, graded, lesions, anatomy, grid, result.measurement.left_out)
    return replace(result, grade=grade, lesion_labels=labels, lesions=lesions, measurement=measurement)


def at_thresholds(result: VhiResult, sensitive: float, conservative: float) -> VhiResult:
    """The automatic result that other thresholds [scanner units] give: graded, cleared and its lesions found anew.

    Its stability and warnings are still those of `result`.
    """
    regrading = result.regrading or Regrading(
        _counting(result.stir, result.counted_region, result.disease_region.mask), result.settings
    )
    other = replace(result, thresholds=replace(result.thresholds, sensitive=sensitive, conservative=conservative))
    return with_lesions(other, *regrading.maps_at(sensitive, conservative))


def _disease_region(t1w: Volume, stir: Volume, members: Sequence[Member], given: Mask | DiseaseRegion | None) -> DiseaseRegion:
    if given is None:
        return segment_disease_region(t1w, members)
    region = DiseaseRegion(given, "given") if isinstance(given, Mask) else given
    check_same_grid(stir, region.mask)
    if not region.mask.voxels:
        raise InputError(
            f"{region.mask.name} is empty; VHI is measured inside the disease region. Pass a mask of the imaged pelvic bone, or "
            "none to have it computed from T1W."
        )
    return region


def _normal_bone(
    t1w: Volume,
    stir: Volume,
    region: DiseaseRegion,
    given: Mask | NormalBone | NormalBoneClicks | None,
    warnings: tuple[str, ...],
) -> NormalBone:
    if given is None:
        try:
            proposed = propose_normal_bone(t1w, stir, region.mask)
        except NormalBoneError as error:
            places = most_even_places(t1w, stir, region.mask)
            raise NormalBoneRefused(NotMeasured(t1w, stir, region, str(error), places, warnings)) from error
        return NormalBone(proposed.mask, "proposed", proposed.confidence)
    if isinstance(given, NormalBoneClicks):
        return normal_bone_from_clicks(t1w, stir, region.mask, given.voxels)
    bone = NormalBone(given) if isinstance(given, Mask) else given
    check_same_grid(stir, bone.mask)
    return bone


def chain_warnings(settings: VhiSettings) -> tuple[str, ...]:
    """That a site's chain made the number, before anything else: it cannot be set beside numbers of the paper's."""
    chain = settings.site_chain
    if chain is None:
        return ()
    return (
        f"This number was not made by the paper's chain of post-transforms but by the chain {chain.name!r} ({chain.summary}; "
        f"sha256 {chain.sha256[:12]}). Do not compare it with numbers that another chain made.",
    )


def _warnings(bone: NormalBone, thresholds: Thresholds, stability: Stability) -> tuple[str, ...]:
    """Sentences for the first page, the most important first."""
    sentences = []
    if bone.with_proposal:
        sentences.append(
            "Normal bone was grown from a reader's clicks with the automatic proposal, which reaches beyond them and which "
            "nobody has checked; both thresholds rest on all of it. Look at its outline; where it is not normal sacral marrow, "
            "correct it by hand."
        )
    if bone.source == "proposed":
        sentences.append(
            "Normal bone was proposed automatically and no reader has checked it; both thresholds rest on it. "
            "Look at its outline; where it is not normal sacral marrow, draw it by hand on STIR and measure with that."
        )
    sentences += stability.warnings
    if stability.slices_left_out is None:
        sentences.append(
            f"Normal bone covers fewer than {FEWEST_SLICES} slices, so what one slice contributes cannot be told; "
            "draw it on three slices or more."
        )
    if thresholds.rule == PAPER and thresholds.multiple > LARGEST_PLAUSIBLE_MULTIPLE:
        sentences.append(
            f"The brightest normal-bone voxel lies far above the rest (multiple {thresholds.multiple:g}, usually 1.5 to 3); "
            "a vessel may be inside the region and both thresholds too high."
        )
    return tuple(sentences)
