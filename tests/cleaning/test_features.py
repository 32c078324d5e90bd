"""Numbers of lesions: what they mean on a phantom, and what they may not depend on."""

import dataclasses

import numpy as np
import pytest

from handmade import handmade
from lib.cleaning.features import FEATURES, above_l4_5, lesion_features
from lib.cleaning.table import tables_of
from lib.core.anatomy import Anatomy, anatomy_of
from lib.core.partition import ABOVE_L45, FACET, L45_TO_S1, LUMBAR
from lib.core.pipeline import measure_vhi
from lib.core.volume import Grid, Mask, Volume
from lib.phantom.study import make_phantom

pytestmark = pytest.mark.slow  # seconds in all

NAMES = list(FEATURES)


@pytest.fixture(scope="module")
def study():
    return make_phantom(5, (160, 160, 13))


def measured(t1w, stir, bone, region):
    return measure_vhi(t1w, stir, normal_bone=bone, disease_region=region)


@pytest.fixture(scope="module")
def result(study):
    return measured(study.t1w, study.stir, study.normal_bone, study.disease_region)


@pytest.fixture(scope="module")
def features(result):
    return lesion_features(result)


def column(features, name):
    return features[:, NAMES.index(name)]


def test_every_lesion_has_a_finite_number_for_each_feature(result, features):
    assert features.shape == (len(result.lesions), len(FEATURES))
    assert np.isfinite(features).all()
    np.testing.assert_allclose(10 ** column(features, "size"), [one.mm3 for one in result.lesions], rtol=1e-6)
    np.testing.assert_array_equal(column(features, "slices"), [len(one.slices) for one in result.lesions])
    np.testing.assert_allclose(column(features, "brightness"), [one.relative_to_sensitive for one in result.lesions], rtol=1e-4)


def test_true_lesions_lie_nearer_to_the_joint_than_what_is_none(study, result, features):
    true = np.bincount(result.lesion_labels[study.lesions > 0], minlength=len(result.lesions) + 1)[1:] > 0
    assert 0 < true.sum() < true.size
    assert np.median(column(features, "joint")[true]) < np.median(column(features, "joint")[~true])


@pytest.mark.parametrize("axis", [0, 1])
def test_how_the_file_stores_its_axes_does_not_matter(study, features, axis):
    affine = study.grid.affine.copy()
    affine[:3, 3] = study.grid.world_mm(np.eye(3)[axis] * (study.grid.shape[axis] - 1))
    affine[:3, axis] *= -1
    grid = Grid(study.grid.shape, affine)
    images = (Volume(np.flip(one.data, axis), grid, one.name) for one in (study.t1w, study.stir))
    masks = (Mask(np.flip(one.data, axis), grid) for one in (study.normal_bone, study.disease_region))
    turned = lesion_features(measured(*images, *masks))
    order, other = (np.lexsort(np.round(one[:, :8], 4).T) for one in (features, turned))
    np.testing.assert_allclose(turned[other], features[order], atol=2e-3)


def test_the_gain_of_the_scanner_does_not_matter(study, result, features):
    louder = (Volume(3.0 * one.data, study.grid, one.name) for one in (study.t1w, study.stir))
    np.testing.assert_allclose(
        lesion_features(measured(*louder, study.normal_bone, study.disease_region)), features, rtol=1e-4, atol=1e-4
    )


def test_what_goes_on_in_the_next_slice_is_told_from_what_does_not():
    np.testing.assert_array_equal(column(lesion_features(handmade()), "continued"), [1.0, 0.0])


def test_lesions_at_slightly_other_thresholds_teach_too():
    result = handmade()
    marked = Mask(result.lesion_labels == 1, result.stir.grid)
    tables = tables_of(result, [("R1", marked)], "a")
    assert [one.factor for one in tables] == [1.0, 0.9, 0.95, 1.05, 1.1]
    assert [one.as_measured for one in tables] == [True, False, False, False, False]
    np.testing.assert_array_equal(tables[0].features, lesion_features(result))
    for one in tables:
        assert one.kept[0, 0]
        brightness = one.factor * column(one.features, "brightness")[0] / column(tables[0].features, "brightness")[0]
        assert one.voxels[0] < tables[0].voxels[0] or brightness == pytest.approx(1.0)


@pytest.mark.parametrize(("rows", "kept"), [(4, True), (8, True), (9, False)])
def test_at_a_lower_threshold_a_lesion_was_kept_where_readers_kept_a_quarter_of_it(rows, kept):
    result = handmade()
    stir = result.stir.data.copy()
    # beside the eight voxels of lesion 1, what only the lowest threshold (6.3) reaches
    stir[9:11, 3 : 1 + rows, 1:3] = 6.5
    faint = measured(result.t1w, Volume(stir, result.stir.grid, "STIR"), result.normal_bone, result.disease_region)
    first, lowest, *_ = tables_of(faint, [("R1", Mask(faint.lesion_labels == 1, result.stir.grid))], "a")
    assert (first.voxels[0], lowest.voxels[0]) == (8, 4 * rows)
    assert first.kept[0, 0]
    assert lowest.kept[0, 0] == kept


@pytest.mark.parametrize(
    ("part", "zone", "voxels", "left_out"),
    [(LUMBAR, ABOVE_L45, 4, True), (LUMBAR, ABOVE_L45, 3, False), (LUMBAR, L45_TO_S1, 8, False), (FACET, ABOVE_L45, 8, False)],
)
def test_what_lies_in_vertebrae_above_the_l4_5_disc_by_half_is_left_out(part, zone, voxels, left_out):
    result = handmade()
    there = np.zeros(result.lesion_labels.shape, dtype=bool)
    there[tuple(np.argwhere(result.lesion_labels == 1)[:voxels].T)] = True
    context = anatomy_of(result.t1w, result.disease_region.mask).context
    anatomy = Anatomy(context, np.where(there, part, 1).astype(np.uint8), np.where(there, zone, 0).astype(np.uint8))
    assert above_l4_5(result, anatomy).tolist() == [left_out, False]


def test_a_scan_without_lesions_has_an_empty_table():
    assert lesion_features(handmade(lesions=False)).shape == (0, len(FEATURES))


def test_a_scan_in_which_no_joint_is_found_still_has_numbers():
    flat = handmade()
    even = dataclasses.replace(flat, t1w=Volume(np.where(np.indices(flat.grade.shape)[0] == 0, 1.0, 2.0), flat.stir.grid, "T1W"))
    features = lesion_features(even)
    assert features.shape == (2, len(FEATURES))
    assert np.isfinite(features).all()
