"""The one path from images to a VHI result."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from ..errors import InputError
from .contrast import check_contrasts
from .disease_region import DiseaseRegion, Member, segment_disease_region
from .lesions import Lesion, clear, grade_hyperintensity, label_lesions, lesion_table, midline_mm
from .measurement import Extent, VhiMeasurement, measure
from .normal_bone import NormalBone, sample_normal_bone
from .normal_bone_proposal import propose_normal_bone
from .plausibility import Reference, region_warnings
from .proposal import Proposal, Stage
from .settings import VhiSettings
from .stability import FEWEST_SLICES, Stability, stability_of
from .thresholds import LARGEST_PLAUSIBLE_MULTIPLE, PAPER, Thresholds, thresholds_from
from .volume import Grid, Mask, Volume, check_same_grid


@dataclass(frozen=True, eq=False)
class VhiResult:
    """Everything that one measurement found, with the images it was found on.

    `grade` ((I, J, K) uint8, 0/1/2) and `lesion_labels` ((I, J, K) int32, 0 or the lesion's id) lie on the grid of `stir`.
    `normal_bone_source` is "given" or "proposed", and `normal_bone_confidence` that of a proposed one. `stage` says which
    number this is; `raw` is the automatic one where this is another, and `proposal` what a model says about the lesions of the
    automatic result, where it was asked.
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


def measure_vhi(
    t1w: Volume,
    stir: Volume,
    members: Sequence[Member] = (),
    normal_bone: Mask | NormalBone | None = None,
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
    normal_bone : Mask or NormalBone, optional
        As a reader drew it on STIR (a mask counts as drawn), or as it was proposed before; proposed automatically when absent,
        and refused where the proposal is unsure.
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

    Notes
    -----
    Hepburn et al. 2023, section 2.5.1, up to the reader's cleaning.
    """
    settings = settings or VhiSettings()
    check_same_grid(t1w, stir)
    contrast_warnings = check_contrasts(t1w, stir)
    region = _disease_region(t1w, stir, members, disease_region)
    bone = _normal_bone(t1w, stir, region, normal_bone)
    sample = sample_normal_bone(stir, bone.mask)
    rule = settings.threshold_rule.resolved(proposed=bone.source == "proposed")
    thresholds = thresholds_from(sample.values, rule, sample.slice_index)

    box = _bounding_box(region.mask)
    boxed_grid = _boxed_grid(stir.grid, box)
    # copies, slice after slice in memory: what follows passes over them a dozen times
    boxed_stir = Volume(np.asfortranarray(stir.data[box]), boxed_grid, stir.name)
    boxed_region = Mask(np.asfortranarray(region.mask.data[box]), boxed_grid, region.mask.name)

    def cleared(sensitive: float, conservative: float) -> tuple[np.ndarray, int]:
        raw = grade_hyperintensity(boxed_stir, boxed_region, sensitive, conservative)
        return clear(raw, boxed_region, settings), int(np.count_nonzero(raw))

    def vhi_mm3_at(sensitive: float, conservative: float) -> float:
        return int(np.count_nonzero(cleared(sensitive, conservative)[0])) * stir.grid.voxel_volume_mm3

    boxed_grade, raw_sensitive = cleared(thresholds.sensitive, thresholds.conservative)
    boxed_labels, count = label_lesions(boxed_grade)
    midline = midline_mm(region.mask)
    stability = stability_of(vhi_mm3_at, sample, rule, thresholds.sensitive, thresholds.conservative)
    grade = _uncrop(boxed_grade, box, stir.grid.shape)
    labels = _uncrop(boxed_labels, box, stir.grid.shape)
    return VhiResult(
        t1w=t1w,
        stir=stir,
        disease_region=region,
        normal_bone=bone.mask,
        normal_bone_source=bone.source,
        normal_bone_values=sample.values,
        thresholds=thresholds,
        grade=grade,
        lesion_labels=labels,
        lesions=lesion_table(labels, count, grade, stir, thresholds, midline),
        measurement=measure(grade, raw_sensitive, stir.grid, midline),
        stability=stability,
        settings=settings,
        warnings=(
            *chain_warnings(settings),
            *contrast_warnings,
            *region_warnings(t1w, region, reference),
            *_warnings(bone.source, thresholds, stability),
        ),
        normal_bone_confidence=bone.confidence,
    )


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
    labels, count = label_lesions(grade)
    midline = result.measurement.midline_mm
    return replace(
        result,
        grade=grade,
        lesion_labels=labels,
        lesions=lesion_table(labels, count, grade, result.stir, result.thresholds, midline),
        measurement=measure(grade, raw_sensitive, result.stir.grid, midline),
    )


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


def _normal_bone(t1w: Volume, stir: Volume, region: DiseaseRegion, given: Mask | NormalBone | None) -> NormalBone:
    if given is None:
        proposed = propose_normal_bone(t1w, stir, region.mask)
        return NormalBone(proposed.mask, "proposed", proposed.confidence)
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


def _warnings(source: str, thresholds: Thresholds, stability: Stability) -> tuple[str, ...]:
    """Sentences for the first page, the most important first."""
    found = []
    if source == "proposed":
        found.append(
            "Normal bone was proposed automatically and no reader has checked it; both thresholds rest on it. "
            "Look at its outline; where it is not normal sacral marrow, draw it by hand on STIR and measure with that."
        )
    found += stability.warnings
    if stability.slices_left_out is None:
        found.append(
            f"Normal bone covers fewer than {FEWEST_SLICES} slices, so what one slice contributes cannot be told; "
            "draw it on three slices or more."
        )
    if thresholds.rule == PAPER and thresholds.multiple > LARGEST_PLAUSIBLE_MULTIPLE:
        found.append(
            f"The brightest normal-bone voxel lies far above the rest (multiple {thresholds.multiple:g}, usually 1.5 to 3); "
            "a vessel may be inside the region and both thresholds too high."
        )
    return tuple(found)


Box = tuple[slice, slice, slice]


def _bounding_box(mask: Mask) -> Box:
    """The part of the grid that a mask which is not empty lies in."""
    spans = []
    for axis in range(3):
        hit = np.flatnonzero(mask.data.any(axis=tuple({0, 1, 2} - {axis})))
        spans.append(slice(int(hit[0]), int(hit[-1]) + 1))
    return spans[0], spans[1], spans[2]


def _boxed_grid(grid: Grid, box: Box) -> Grid:
    affine = grid.affine.copy()
    affine[:3, 3] = grid.world_mm(np.array([span.start for span in box]))
    shape = tuple(span.stop - span.start for span in box)
    return Grid((shape[0], shape[1], shape[2]), affine)


def _uncrop(array: np.ndarray, box: Box, shape: tuple[int, int, int]) -> np.ndarray:
    full = np.zeros(shape, dtype=array.dtype)
    full[box] = array
    return full
