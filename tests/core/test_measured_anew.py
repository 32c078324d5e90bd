"""Reported stability against really measuring anew: the same scan with its normal bone brighter, or with a slice of it left out."""

import dataclasses

import numpy as np
import pytest

import oracle
from drawing import pair
from lib.core.cleaning import measure_cleaned, measure_proposed
from lib.core.pipeline import measure_vhi
from lib.core.proposal import LesionProposal, Proposal
from lib.core.volume import Mask, Volume

pytestmark = pytest.mark.slow  # seconds in all


def scan_of(seed):
    """A scan whose normal bone lies beside its disease region, so that brighter bone moves the thresholds and nothing else."""
    scan = pair(np.random.default_rng(seed), (24, 20, 6))
    region = scan.disease_region.data & ~scan.normal_bone.data
    return dataclasses.replace(scan, disease_region=Mask(region, scan.stir.grid))


def measured(scan, factor=1.0, without=None):
    stir, bone = scan.stir.data.copy(), scan.normal_bone.data.copy()
    stir[bone] *= factor
    if without is not None:
        bone[..., without] = False
    grid = scan.stir.grid
    return measure_vhi(scan.t1w, Volume(stir, grid, "STIR"), normal_bone=Mask(bone, grid), disease_region=scan.disease_region)


def bright_ones(result):
    """Keeps lesions by numbers that change with the threshold."""
    lesions = tuple(
        LesionProposal(one, one.relative_to_sensitive > 1.3 and one.voxels > 5, 0.5, "bright") for one in result.lesions
    )
    return Proposal("by hand", 0.5, lesions)


def compare(scan, stability, anew, thresholds):
    """Every value of a stability against `anew(result)` [voxels] of the automatic result that really was measured there."""
    voxel = scan.stir.grid.voxel_volume_mm3
    checked = []
    for one in stability.threshold_changes:
        result = measured(scan, 1 + one.change)
        assert result.thresholds.sensitive == pytest.approx((1 + one.change) * thresholds.sensitive)
        assert round(one.vhi_mm3 / voxel) == anew(result)
        checked.append(one.vhi_mm3)
    for one in stability.slices_left_out:
        result = measured(scan, without=one.left_out)
        assert result.thresholds.sensitive == pytest.approx(one.sensitive)
        assert round(one.vhi_mm3 / voxel) == anew(result)
        checked.append(one.vhi_mm3)
    assert len(set(checked)) > 3  # the threshold matters on this scan


@pytest.mark.parametrize("seed", range(3))
def test_stability_of_a_raw_number_is_that_of_measuring_anew(seed):
    scan = scan_of(seed)
    result = measured(scan)
    compare(scan, result.stability, lambda anew: anew.measurement.total.sensitive, result.thresholds)


@pytest.mark.parametrize("seed", range(3))
def test_stability_of_a_proposed_number_is_that_of_measuring_and_proposing_anew(seed):
    scan = scan_of(seed)
    result = measure_proposed(measured(scan), bright_ones)
    assert result.stage == "proposed"
    assert 0 < result.measurement.total.sensitive < result.raw.sensitive
    compare(scan, result.stability, lambda anew: sum(one.voxels for one in bright_ones(anew).kept), result.thresholds)


@pytest.mark.parametrize("by", ["whole lesions", "slices of lesions", "brush"])
@pytest.mark.parametrize("seed", range(3))
def test_stability_of_a_cleaned_number_is_that_of_the_readers_decisions_on_the_scan_measured_anew(seed, by):
    scan = scan_of(seed)
    automatic = measured(scan)
    rng = np.random.default_rng(seed)
    keep = np.r_[False, rng.random(len(automatic.lesions)) > 0.4]
    kept = keep[automatic.lesion_labels]
    painted = np.zeros_like(kept)
    if by == "slices of lesions":
        kept &= (rng.random((len(automatic.lesions) + 1, kept.shape[2])) > 0.3)[automatic.lesion_labels, np.arange(kept.shape[2])]
    elif by == "brush":
        kept[automatic.grade > 0] &= rng.random(np.count_nonzero(automatic.grade)) > 0.1  # erased in part
        painted = (automatic.grade == 0) & (rng.random(kept.shape) > 0.98)
    cleaned = measure_cleaned(automatic, Mask(kept | painted, scan.stir.grid))

    def decided(anew):
        """By the definition in docs/vhi-json.md, with sets of voxels."""
        removed = (automatic.grade > 0) & ~kept
        left = {tuple(at) for at in np.argwhere((anew.grade > 0) & ~removed)}
        counted = {tuple(at) for at in np.argwhere(painted & (anew.stir.data >= anew.thresholds.sensitive))}
        for lesion in oracle.groups(left, oracle.IN_SPACE):
            if any(kept[voxel] for voxel in lesion):
                counted |= lesion
        return len(counted)

    compare(scan, cleaned.stability, decided, automatic.thresholds)
    assert decided(automatic) == cleaned.measurement.total.sensitive
