"""Parts of the pelvis: on a phantom, whose solids are known, and by hand."""

import numpy as np
import pytest
from scipy import ndimage

from handmade import handmade
from lib.core import partition as parts_of
from lib.core.anatomy import PartExtent, anatomy_of, side_of_lesions
from lib.core.cleaning import changes_of, measure_cleaned
from lib.core.corrections import Corrections, DisplayedLesions, corrections_of
from lib.core.gestures import LesionField
from lib.core.limits import AnatomicalLimits
from lib.core.partition import FACET, ILIUM, JOINT_SPACE, LUMBAR, PARTS, SACRUM
from lib.core.pipeline import measure_vhi
from lib.core.settings import VhiSettings
from lib.core.volume import Mask
from lib.errors import InputError
from lib.phantom.study import make_phantom
from phantom_parts import true_parts

pytestmark = pytest.mark.slow  # seconds in all

SHAPE = (168, 168, 25)


@pytest.fixture(scope="module")
def phantom():
    return make_phantom(0, SHAPE, n_lesions=8)


@pytest.fixture(scope="module")
def anatomy(phantom):
    return anatomy_of(phantom.t1w, phantom.disease_region)


def test_the_parts_of_a_phantom_are_those_of_its_solids_within_a_voxel(phantom, anatomy):
    truth, region = true_parts(0, SHAPE), phantom.disease_region.data
    shell = np.ones((3, 3, 3), dtype=bool)
    near = {part: ndimage.binary_dilation(truth == part, shell) for part in (SACRUM, ILIUM, JOINT_SPACE, LUMBAR, FACET)}
    right = np.zeros(region.shape, dtype=bool)
    for part, allowed in near.items():
        right |= (anatomy.part == part) & allowed
    missed = {part: np.mean(~right[region & (truth == part)]) for part in (SACRUM, ILIUM, LUMBAR, FACET)}
    # beyond a voxel lies what the joint line cuts off beyond the joint's own ends, and processes that hang on a vertebra in a slice
    assert missed[SACRUM] < 0.01
    assert missed[ILIUM] < 0.01
    assert missed[LUMBAR] < 0.07
    assert missed[FACET] < 0.10


def test_no_voxel_changes_side_of_the_lumbosacral_disc_but_at_the_facets(phantom, anatomy):
    truth, region = true_parts(0, SHAPE), phantom.disease_region.data
    assert not (region & (truth == LUMBAR) & (anatomy.part == ILIUM)).any()
    body = region & (truth == SACRUM) & (anatomy.part == LUMBAR)
    assert body.sum() < 0.002 * np.count_nonzero(region & (truth == SACRUM))


def test_every_lesion_of_a_phantom_has_its_bone_and_side(phantom):
    result = measure_vhi(phantom.t1w, phantom.stir, normal_bone=phantom.normal_bone, disease_region=phantom.disease_region)
    checked = 0
    for truth in phantom.lesion_table:
        inside = np.bincount(result.lesion_labels[phantom.lesions == truth.label], minlength=len(result.lesions) + 1)[1:]
        lesion = result.lesions[int(inside.argmax())]
        if inside.max() > 0.7 * lesion.voxels:  # not one that noise has joined with others
            assert (lesion.part, lesion.side) == (truth.bone, truth.side)
            checked += 1
    assert checked >= 6
    assert sum(part.sensitive_mm3 for part in result.measurement.parts) == pytest.approx(result.measurement.total.sensitive_mm3)
    assert sum(zone.sensitive_mm3 for zone in result.measurement.zones) == pytest.approx(result.measurement.total.sensitive_mm3)


def test_what_is_left_out_is_reported_apart_and_the_rest_is_the_sacroiliac_total(phantom):
    def measured(**values):
        settings = VhiSettings.from_values({"min_pixels": 1, **values})
        return measure_vhi(
            phantom.t1w,
            phantom.stir,
            normal_bone=phantom.normal_bone,
            disease_region=phantom.disease_region,
            settings=settings,
        ).measurement

    # without the rule for small groups no group loses its neighbours, and the zones add up to the voxel
    whole, less = measured(), measured(leave_out_above="l5/s1", leave_out_joint_space=True)
    of = {zone.zone: zone for zone in whole.zones}
    assert less.total.sensitive_mm3 == pytest.approx(of["sacroiliac"].sensitive_mm3)
    assert [zone.zone for zone in less.left_out] == ["between L4/5 and S1", "above L4/5", "joint space"]
    for zone in less.left_out:
        assert zone.sensitive_mm3 == pytest.approx(of[zone.zone].sensitive_mm3)
    assert whole.left_out == ()
    assert AnatomicalLimits("l5/s1", True).words == "above the L5/S1 disc and in the joint space"
    assert AnatomicalLimits("l4/5").words == "above the L4/5 disc"


def test_what_a_reader_paints_where_everything_is_left_out_does_not_count_and_is_told(phantom):
    settings = VhiSettings.from_values({"leave_out_joint_space": True})
    result = measure_vhi(
        phantom.t1w, phantom.stir, normal_bone=phantom.normal_bone, disease_region=phantom.disease_region, settings=settings
    )
    bright = (result.grade == 0) & (result.stir.data >= result.thresholds.sensitive)
    in_joint, beyond = np.argwhere(bright & result.left_out), np.argwhere(bright & ~result.disease_region.mask.data)
    assert len(in_joint) > 5
    kept = result.grade > 0
    before = measure_cleaned(result, Mask(kept.copy(), result.stir.grid))
    kept[tuple(in_joint[:5].T)] = True
    kept[tuple(beyond[0])] = True
    painted = Mask(kept, result.stir.grid)
    after = measure_cleaned(result, painted)
    assert after.measurement.total.sensitive == before.measurement.total.sensitive + 1
    assert after.measurement.left_out == before.measurement.left_out
    assert not (after.grade.astype(bool) & result.left_out).any()
    assert (changes_of(result, painted).painted_outside, changes_of(result, painted).painted_left_out) == (1, 5)
    assert corrections_of(result, painted) == Corrections(hand_painted=1, hand_painted_left_out=5)
    # all of it was on the screen before the setting was changed
    shown = DisplayedLesions.after(LesionField(np.where(kept, 1, 0), result.stir.grid))
    assert corrections_of(result, painted, shown).regions_left_out == 5


def test_without_joints_every_part_is_other_and_nothing_can_be_left_out():
    scan = handmade()
    assert scan.measurement.parts == (PartExtent("other", "left", 48.0, 24.0), PartExtent("other", "right", 24.0, 0.0))
    assert {lesion.part for lesion in scan.lesions} == {PARTS[0]}
    assert scan.measurement.zones == ()
    with pytest.raises(InputError, match="What lies above the L4/5 disc cannot be left out: no sacroiliac joint was found"):
        handmade(leave_out_above="l4/5")


def test_a_lesion_across_the_midline_is_called_so():
    # lesion 1: nine voxels left, one right, far from it; 2: half and half; 3: its centre 2 mm from the midline, on both sides
    x = np.array([*[-20.0] * 9, 1.0, -3.0, 3.0, -6.0, -1.0, -1.0, -1.0, -1.0, 1.0])
    which = np.array([1] * 10 + [2] * 2 + [3] * 6)
    assert side_of_lesions(x, which, 3, 0.0) == ("left", "midline", "midline")


def test_parts_are_looked_for_in_the_box_of_the_region_alone_and_are_those_of_the_whole_scan(phantom, anatomy, monkeypatch):
    hang = anatomy.context.hanging.hang
    t1w, region = hang(phantom.t1w.data) / anatomy.context.marrow, np.ascontiguousarray(hang(phantom.disease_region.data))
    parts = parts_of.partition(anatomy.context, t1w, region)
    monkeypatch.setattr(parts_of, "box_of", lambda mask: tuple(slice(0, n) for n in mask.shape))
    whole = parts_of.partition(anatomy.context, t1w, region)
    for one, other in zip(parts, whole, strict=True):
        np.testing.assert_array_equal(one, other)
    assert set(np.unique(parts[0])) > {SACRUM, ILIUM, LUMBAR}


def test_the_joint_space_is_what_lies_near_a_joint_line_by_distances_of_every_voxel(phantom, anatomy):
    context = anatomy.context
    hang = context.hanging.hang
    part, region = hang(anatomy.part), hang(phantom.disease_region.data)
    columns, column_mm = np.arange(part.shape[2]), context.spacing_mm[2]
    away = np.stack([(columns - parts_of._carried_on(context, side)[..., None]) * column_mm for side in (0, 1)])
    near = ((np.abs(away) <= parts_of.JOINT_HALF_MM) & context.present[..., None]).any(axis=0) & region
    assert near.any()
    assert near[part == JOINT_SPACE].all()
    # behind, what looks like a joint far from the midline is ilium
    assert np.isin(part[near], (JOINT_SPACE, ILIUM)).all()
    assert np.count_nonzero(part[near] == JOINT_SPACE) > 0.9 * np.count_nonzero(near)
