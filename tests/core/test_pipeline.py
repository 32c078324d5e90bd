"""From two images to the number."""

from dataclasses import replace

import numpy as np
import pytest

import oracle
from drawing import OBLIQUE, Pair, pair
from lib.core.disease_region import DiseaseRegion
from lib.core.numbers import vhi_numbers
from lib.core.pipeline import VhiResult, measure_vhi
from lib.core.plausibility import Reference
from lib.core.settings import VhiSettings
from lib.core.volume import Grid, Mask, Volume
from lib.errors import GridMismatchError, InputError, ModelError, NormalBoneError


def measured(scan: Pair, **settings: object) -> VhiResult:
    return measure_vhi(
        scan.t1w,
        scan.stir,
        normal_bone=scan.normal_bone,
        disease_region=scan.disease_region,
        settings=VhiSettings.from_values(settings),
    )


@pytest.mark.parametrize("seed", range(12))
def test_it_equals_the_method_written_voxel_by_voxel(seed):
    scan = pair(np.random.default_rng(seed))
    found = measured(scan)
    slow = oracle.measure(scan.stir.data, scan.disease_region.data, scan.normal_bone.data, scan.stir.grid.affine)
    assert found.thresholds.sensitive == pytest.approx(slow["sensitive_threshold"], rel=1e-12)
    assert found.thresholds.conservative == slow["conservative_threshold"]
    assert found.thresholds.multiple == pytest.approx(slow["multiple"], abs=1e-9)
    assert found.measurement.raw_sensitive == slow["raw_sensitive"]
    assert found.measurement.total.sensitive == slow["sensitive"]
    assert found.measurement.total.conservative == slow["conservative"]
    assert found.measurement.left.sensitive == slow["left"]
    assert [lesion.voxels for lesion in found.lesions] == slow["lesion_sizes"]
    assert {tuple(map(int, voxel)) for voxel in np.argwhere(found.grade)} == slow["kept"]
    changed, left_out = oracle.stability(
        scan.stir.data, scan.disease_region.data, scan.normal_bone.data, slow["sensitive_threshold"]
    )
    voxel = scan.stir.grid.voxel_volume_mm3
    assert [one.vhi_mm3 for one in found.stability.threshold_changes] == pytest.approx([n * voxel for n in changed])
    assert [one.vhi_mm3 for one in found.stability.slices_left_out] == pytest.approx([n * voxel for n in left_out])
    assert slow["sensitive"] > 0
    assert slow["raw_sensitive"] > slow["sensitive"]  # the small-component rule had something to do


def flipped(scan: Pair, axis: int) -> Pair:
    """The same patient, stored the other way along one axis."""
    affine = scan.stir.grid.affine.copy()
    affine[:3, 3] += affine[:3, axis] * (scan.stir.grid.shape[axis] - 1)
    affine[:3, axis] *= -1
    grid = Grid(scan.stir.grid.shape, affine)
    images = [Volume(np.flip(image.data, axis), grid, image.name) for image in (scan.t1w, scan.stir)]
    masks = [Mask(np.flip(mask.data, axis), grid, mask.name) for mask in (scan.disease_region, scan.normal_bone)]
    return Pair(images[0], images[1], masks[0], masks[1])


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_vhi_and_sides_do_not_change_when_the_file_is_stored_the_other_way(axis):
    scan = pair(np.random.default_rng(3))
    one, other = measured(scan), measured(flipped(scan, axis))
    assert other.thresholds == one.thresholds
    assert other.measurement.total.sensitive == one.measurement.total.sensitive
    assert (other.measurement.left.sensitive, other.measurement.right.sensitive) == (
        one.measurement.left.sensitive,
        one.measurement.right.sensitive,
    )
    np.testing.assert_array_equal(np.flip(other.grade, axis), one.grade)


def test_vhi_does_not_change_with_the_scanners_gain():
    scan = pair(np.random.default_rng(4))
    brighter = Pair(scan.t1w, Volume(scan.stir.data * 8.0, scan.stir.grid, "STIR"), scan.disease_region, scan.normal_bone)
    np.testing.assert_array_equal(measured(brighter).grade, measured(scan).grade)


def test_normal_bone_outside_the_disease_region_is_used_all_the_same():
    scan = pair(np.random.default_rng(5))
    without = scan.disease_region.data & ~scan.normal_bone.data
    apart = Pair(scan.t1w, scan.stir, Mask(without, scan.stir.grid, "disease region"), scan.normal_bone)
    assert measured(apart).thresholds == measured(scan).thresholds


def test_settings_reach_the_result():
    scan = pair(np.random.default_rng(6))
    assert measured(scan, min_pixels=1).measurement.total.sensitive == measured(scan).measurement.raw_sensitive
    assert measured(scan, min_volume_mm3=1e6).lesions == ()
    assert measured(scan, first_multiple=1.0).settings.values()["first_multiple"] == 1.0


def test_stability_measures_the_number_itself():
    found = measured(pair(np.random.default_rng(7)))
    assert found.stability.vhi_mm3 == pytest.approx(found.measurement.total.sensitive_mm3)
    volumes = [one.vhi_mm3 for one in found.stability.threshold_changes]
    assert volumes == sorted(volumes, reverse=True)
    assert len(found.stability.slices_left_out) == 4


def test_no_inflammation_is_zero_and_no_error():
    scan = pair(np.random.default_rng(8))
    dark = np.where(scan.normal_bone.data, scan.stir.data, np.minimum(scan.stir.data, 100.0))
    found = measured(Pair(scan.t1w, Volume(dark, scan.stir.grid, "STIR"), scan.disease_region, scan.normal_bone))
    outside_normal = found.grade[~scan.normal_bone.data]
    assert found.measurement.total.sensitive == int(np.count_nonzero(found.grade))
    assert not outside_normal.any()


def test_what_no_reader_checked_is_said_first():
    scan = pair(np.random.default_rng(9))
    assert not any("proposed automatically" in warning for warning in measured(scan).warnings)
    few = np.zeros_like(scan.normal_bone.data)
    few[:, :, 1:3] = scan.normal_bone.data[:, :, 1:3]
    found = measured(Pair(scan.t1w, scan.stir, scan.disease_region, Mask(few, scan.stir.grid, "normal bone")))
    assert any("fewer than 3 slices" in warning for warning in found.warnings)


def test_a_region_that_networks_drew_earlier_is_measured_and_judged_as_theirs():
    scan = pair(np.random.default_rng(10))
    drawn = DiseaseRegion(scan.disease_region, "ensemble of 3", 0.3, 0.4)
    result = measure_vhi(scan.t1w, scan.stir, normal_bone=scan.normal_bone, disease_region=drawn)
    assert result.disease_region is drawn
    assert any("comes without reference values" in warning for warning in result.warnings)
    reference = Reference("scans", 5, 0.1, 0.1, 1.0, 1e9)
    result = measure_vhi(scan.t1w, scan.stir, normal_bone=scan.normal_bone, disease_region=drawn, reference=reference)
    assert any("The networks disagree" in warning for warning in result.warnings)
    assert result.disease_region.rank is None, "this version does not know its reference scans one by one"
    ranked = replace(reference, disagreements=(0.1, 0.2, 0.4))
    result = measure_vhi(scan.t1w, scan.stir, normal_bone=scan.normal_bone, disease_region=drawn, reference=ranked)
    assert vhi_numbers(result, {})["disease_region"]["disagreement_rank"] == {"above": 2, "of": 3}
    given = measure_vhi(
        scan.t1w, scan.stir, normal_bone=scan.normal_bone, disease_region=scan.disease_region, reference=reference
    )
    assert not any("networks" in warning for warning in given.warnings)


def test_the_networks_are_asked_only_when_no_region_is_given():
    scan = pair(np.random.default_rng(10))

    def everything(slices: np.ndarray) -> np.ndarray:
        return np.ones_like(slices)

    result = measure_vhi(scan.t1w, scan.stir, [everything, everything], normal_bone=scan.normal_bone)
    assert result.disease_region.mask.voxels == scan.t1w.data.size
    assert result.disease_region.member_disagreement == 0.0
    with pytest.raises(ModelError, match="No network was given"):
        measure_vhi(scan.t1w, scan.stir, normal_bone=scan.normal_bone)


def test_inputs_that_do_not_belong_together_are_refused():
    scan = pair(np.random.default_rng(11))
    shifted = OBLIQUE.copy()
    shifted[:3, 3] += 2.0
    elsewhere = Grid(scan.stir.grid.shape, shifted)
    with pytest.raises(GridMismatchError, match="T1W and STIR"):
        measure_vhi(scan.t1w, Volume(scan.stir.data, elsewhere, "STIR"), normal_bone=scan.normal_bone)
    with pytest.raises(GridMismatchError, match="STIR and normal bone"):
        measure_vhi(
            scan.t1w,
            scan.stir,
            normal_bone=Mask(scan.normal_bone.data, elsewhere, "normal bone"),
            disease_region=scan.disease_region,
        )
    empty = Mask(np.zeros(scan.stir.grid.shape, dtype=bool), scan.stir.grid, "disease region")
    with pytest.raises(InputError, match="disease region is empty"):
        measure_vhi(scan.t1w, scan.stir, normal_bone=scan.normal_bone, disease_region=empty)
    with pytest.raises(NormalBoneError):
        measure_vhi(
            scan.t1w, scan.stir, normal_bone=Mask(empty.data, scan.stir.grid, "normal bone"), disease_region=scan.disease_region
        )


def test_slices_that_t1w_does_not_show_are_warned_of_where_the_region_reaches_up_to_them():
    scan = pair(np.random.default_rng(3))
    blank = Volume(scan.t1w.data.copy(), scan.t1w.grid, "T1W 1")
    blank.data[:, :, -1] = 0

    def warned(*slices: int) -> list[str]:
        region = Mask(scan.disease_region.data.copy(), scan.t1w.grid, "disease region")
        region.data[:, :, -2:] = False
        region.data[:, :, list(slices)] = True
        result = measured(replace(scan, t1w=blank, disease_region=region))
        return [warning for warning in result.warnings if "T1W 1 is blank" in warning]

    assert warned() == warned(-2, -1) == []
    (sentence,) = warned(-2)
    assert f"in slices that {scan.stir.name} shows (number {scan.t1w.grid.shape[2]})" in sentence
