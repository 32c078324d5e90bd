"""Normal bone where no reader drew it."""

import numpy as np
import pytest

from lib.core.normal_bone import sample_normal_bone
from lib.core.normal_bone_proposal import RADIUS_MM, bright_limit, propose_normal_bone
from lib.core.thresholds import ThresholdRule, thresholds_from
from lib.core.volume import Grid
from lib.errors import NormalBoneError
from lib.studies.nifti import read_mask, read_volume
from madeup_pelvis import CORONAL, Pelvis

SUBJECTS = ["1007", "1012", "1013", "1016", "2015", "3002", "4386"]
TOO_LOW = "1234"  # every proposal gives it a threshold about 10% below the reader's, at which half of its bone is one lesion


def test_circles_lie_in_the_middle_of_the_sacrum():
    bone = Pelvis().proposed()
    assert bone.mask.grid is CORONAL
    i, j, k = np.nonzero(bone.mask.data)
    # centres at most 5 mm from the midline at 64.5 and the circles' radius below the sacrum's upper end
    assert i.min() >= 64 - 5 - RADIUS_MM
    assert i.max() <= 65 + 5 + RADIUS_MM
    # a circle is judged in a square of nine tenths of its width: it may leave the bone by a pixel
    assert j.min() >= 30
    assert j.max() <= 60
    assert set(k) <= {2, 3, 4, 5, 6}
    # 137 pixels of 1 mm lie within 6.5 mm of one; four robust standard deviations cut one in 30000
    assert 6 * 137 - 3 <= bone.mask.voxels <= 6 * 137
    assert bone.confidence == 1.0


def test_circles_avoid_what_is_no_even_marrow():
    scan = Pelvis()
    scan.stir[58:72, 30:60, 2] = 400.0  # a vessel
    scan.t1w[50:80, 30:60, 3] = 150.0  # sclerosis: dark on T1W
    scan.stir[50:80, 30:60, 4] *= np.random.default_rng(0).normal(1, 0.4, (30, 30))  # patchy
    bone = scan.proposed()
    assert set(np.nonzero(bone.mask.data)[2]) <= {5, 6}


def test_a_bright_voxel_within_a_circle_is_left_out():
    scan = Pelvis()
    before = scan.proposed().mask.data
    spot = tuple(np.argwhere(before)[100])
    scan.stir[spot] = 160.0  # six standard deviations
    assert not scan.proposed().mask.data[spot]


@pytest.mark.parametrize("axes", [(0,), (1,), (2,), (0, 1, 2)])
def test_the_proposal_does_not_depend_on_how_the_file_is_flipped(axes):
    scan = Pelvis()
    affine = CORONAL.affine.copy()
    for axis in axes:
        affine[:3, 3] += affine[:3, axis] * (CORONAL.shape[axis] - 1)
        affine[:3, axis] *= -1
    flipped = scan.turned(lambda data: np.flip(data, axes), Grid(CORONAL.shape, affine)).proposed()
    np.testing.assert_array_equal(np.flip(flipped.mask.data, axes), scan.proposed().mask.data)


def test_the_proposal_does_not_depend_on_which_in_plane_axis_comes_first():
    scan = Pelvis()
    grid = Grid((90, 130, 9), CORONAL.affine[:, [1, 0, 2, 3]])
    turned = scan.turned(lambda data: data.transpose(1, 0, 2), grid).proposed()
    np.testing.assert_array_equal(turned.mask.data.transpose(1, 0, 2), scan.proposed().mask.data)


def test_circles_keep_their_size_in_millimetres_on_a_finer_grid():
    affine = CORONAL.affine.copy()
    affine[:3, :2] /= 2
    grid = Grid((260, 180, 9), affine)
    scan = Pelvis()
    fine = scan.turned(lambda data: np.repeat(np.repeat(data, 2, axis=0), 2, axis=1), grid).proposed()
    one = np.pi * RADIUS_MM**2 * 3.3
    # pixels of half a millimetre draw a circle of 6.5 mm to 2%
    assert fine.mask.volume_mm3 == pytest.approx(6 * one, rel=0.03)


def test_intensities_may_be_scaled_without_moving_the_proposal():
    scan = Pelvis()
    before = scan.proposed()
    scan.stir, scan.t1w = scan.stir * 8, scan.t1w * 4  # powers of two, so that no comparison is decided by rounding
    after = scan.proposed()
    np.testing.assert_array_equal(after.mask.data, before.mask.data)
    assert after.confidence == before.confidence


def test_places_that_differ_from_each_other_are_refused_and_a_readers_region_is_asked_for():
    scan = Pelvis()
    scan.stir[:, :, 2:7] *= np.array([1.4, 0.7, 1.0, 0.8, 1.2])  # each slice even, no two alike
    with pytest.raises(NormalBoneError, match=r"differ from each other: \d+% of their halves .* Draw the normal bone by hand"):
        scan.proposed()


def test_confidence_falls_as_the_places_differ():
    scan = Pelvis()
    scan.stir[:, :, 2:7] *= np.array([0.9, 0.95, 1.0, 1.05, 1.1])
    assert 0.5 <= scan.proposed().confidence < 1


def test_a_threshold_that_cuts_through_the_marrow_is_refused():
    scan = Pelvis()
    scan.stir[scan.region] *= 1.2  # all bone but the middle of the sacrum
    scan.stir[45:85, 30:60, :] = np.random.default_rng(4).normal(100.0, 10.0, (40, 30, 9))
    with pytest.raises(NormalBoneError, match=r"looks too low.* \d+% of what lies above .* Draw the normal bone by hand"):
        scan.proposed()


def test_a_region_without_a_sacrum_is_refused():
    scan = Pelvis()
    scan.region[:, 24:, :] = False
    with pytest.raises(
        NormalBoneError, match=r"0 circles of even marrow .* at least 3 are needed\. Draw the normal bone by hand"
    ):
        scan.proposed()


def test_an_empty_disease_region_is_refused():
    scan = Pelvis()
    scan.region[:] = False
    with pytest.raises(NormalBoneError, match="0 circles of even marrow"):
        scan.proposed()


def test_too_little_sacrum_is_refused():
    scan = Pelvis()
    scan.region[35:95, 30:60, 3:7] = False  # only one slice is left, for two circles
    scan.t1w[35:95, 30:60, 3:7] = 200.0
    with pytest.raises(NormalBoneError, match="2 circles of even marrow"):
        scan.proposed()


def test_the_bright_limit_is_worked_out_from_the_darker_half():
    # median 5, deviations of the darker half 0 to 4, their median 2
    assert bright_limit(np.arange(1.0, 10.0)) == pytest.approx(5 + 4 * 1.4826 * 2)


def test_the_bright_limit_is_found_again_without_what_it_dropped():
    # median 12, deviation 2: limit 23.9 drops the 100s; then 10.5 and 1.5: 19.4 drops the 22; then 10 and 1: nothing is dropped
    values = np.array([8.0, 9.0, 10.0, 11.0, 12.0, 22.0, 100.0, 100.0, 100.0])
    assert bright_limit(values) == pytest.approx(10 + 4 * 1.4826 * 1)


def published(folder, subject):
    """T1W, STIR, disease region and normal bone, both by readers."""
    t1w, stir = (read_volume(folder / "images_study" / kind / f"{subject}_{kind}.nii.gz", kind) for kind in ("T1W", "STIR"))
    masks = folder / "segmentations"
    region = read_mask(masks / "disease_region" / f"{subject}_disease_region.nii.gz", "disease region")
    return t1w, stir, region, read_mask(masks / "normal_marrow" / f"{subject}_normal_marrow.nii.gz", "normal bone")


@pytest.mark.data
@pytest.mark.parametrize("subject", SUBJECTS)
def test_on_a_published_scan_it_agrees_with_the_readers_region(vhi_data, subject):
    t1w, stir, region, manual = published(vhi_data, subject)
    proposed = propose_normal_bone(t1w, stir, region)

    def sensitive(mask):
        sample = sample_normal_bone(stir, mask)
        return thresholds_from(sample.values, ThresholdRule(rule="robust"), sample.slice_index).sensitive

    # by the robust rule; worst measured 9.1% (1013), mean 3.4%
    assert sensitive(proposed.mask) == pytest.approx(sensitive(manual), rel=0.1)
    assert proposed.confidence >= 0.75
    ours, readers = (stir.grid.world_mm(np.argwhere(mask.data)).mean(axis=0) for mask in (proposed.mask, manual))
    # a sacral body is about 30 mm high and 20 mm deep; readers draw in the first, the second or both
    assert np.linalg.norm(ours - readers) < 35
    assert abs(ours[0] - readers[0]) < 5


@pytest.mark.data
def test_a_published_scan_whose_threshold_would_be_too_low_is_refused(vhi_data):
    t1w, stir, region, _ = published(vhi_data, TOO_LOW)
    with pytest.raises(NormalBoneError, match="looks too low"):
        propose_normal_bone(t1w, stir, region)
