"""What is measured on a phantom against what is known of it."""

import numpy as np
import pytest
from scipy import ndimage

from lib.core.pipeline import measure_vhi
from lib.phantom.study import make_phantom

pytestmark = pytest.mark.slow  # seconds in all

SHELL = np.ones((3, 3, 3), bool)


def check_recovered(study):
    """Each lesion's truth, eroded and dilated by one voxel, must bracket what is measured of it."""
    result = measure_vhi(study.t1w, study.stir, normal_bone=study.normal_bone, disease_region=study.disease_region)
    for lesion in study.lesion_table:
        truth = study.lesions == lesion.label
        inner, outer = ndimage.binary_erosion(truth, SHELL), ndimage.binary_dilation(truth, SHELL)
        assert inner.any()
        found = set(np.unique(result.lesion_labels[inner]))
        assert len(found) == 1, f"lesion {lesion.label} falls into {found}"
        measured = result.lesion_labels == found.pop()
        assert (measured & inner).sum() == inner.sum()
        assert not (measured & ~outer).any()
    return result


@pytest.fixture(scope="module")
def study():
    """Half the pixels of a scan each way, all of its slices."""
    return make_phantom(0, (168, 168, 25))


def test_each_lesion_is_recovered_within_a_voxel_shell(study):
    check_recovered(study)


def test_each_lesion_is_recovered_within_a_voxel_shell_at_full_size():
    check_recovered(make_phantom(0))


def test_what_is_measured_beyond_the_lesions_is_little_but_not_nothing(study):
    result = check_recovered(study)
    beyond = (result.grade > 0) & ~ndimage.binary_dilation(study.lesions > 0, SHELL)
    # vessels, joint fluid, the edge of the canal: for a reader to remove
    assert (beyond & study.vessels.data).any()
    assert beyond.sum() < 0.01 * study.disease_region.voxels


def test_the_known_volume_is_that_of_the_truth_map(study):
    for lesion in study.lesion_table:
        voxels = np.count_nonzero(study.lesions == lesion.label) * study.grid.voxel_volume_mm3
        # the map keeps voxels more than half full: a lesion spans four slices or so, and thin ends are lost or gained
        assert voxels == pytest.approx(lesion.volume_mm3, rel=0.12)


def test_a_lesion_lies_where_the_table_says(study):
    for lesion in study.lesion_table:
        centroid = study.grid.world_mm(np.argwhere(study.lesions == lesion.label)).mean(axis=0)
        # the bone's surface cuts off one end of the patch
        assert np.linalg.norm(centroid - lesion.centre_mm) < 5
        assert (lesion.centre_mm[0] < study.grid.corners_mm()[:, 0].mean()) == (lesion.side == "left")


def test_normal_bone_lies_in_the_midline_on_three_to_six_slices_or_so(study):
    assert 3 <= study.normal_bone.data.any(axis=(0, 1)).sum() <= 7
    i = np.nonzero(study.normal_bone.data)[0] * study.grid.spacing_mm[0]
    assert abs(i.mean() - 100) < 8  # the field of view is 200 mm wide and centred to a few mm
