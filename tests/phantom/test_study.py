"""Geometry, noise and repeatability of a whole phantom; small, for speed."""

import numpy as np
import pytest

from lib.core.orientation import DisplayOrientation
from lib.core.volume import check_same_grid
from lib.errors import SettingsError
from lib.phantom.anatomy import LESION_SITES, Pelvis, PhantomLesion
from lib.phantom.study import Prescription, coil_sensitivity, make_phantom, rician

pytestmark = pytest.mark.slow  # seconds in all

SMALL = (96, 96, 9)


@pytest.fixture(scope="module")
def study():
    return make_phantom(3, SMALL)


def test_both_series_and_every_truth_share_one_grid(study):
    for other in (study.stir, study.disease_region, study.normal_bone, study.vessels):
        check_same_grid(study.t1w, other, tolerance_mm=0)
    assert study.lesions.shape == SMALL


def test_fewer_voxels_are_larger_ones(study):
    # 336 x 0.595 mm over 96 pixels; 25 x 3.3 mm over 9 slices
    np.testing.assert_allclose(study.grid.spacing_mm, (2.0825, 2.0825, 82.5 / 9), rtol=1e-6)


def test_the_default_grid_is_that_of_the_published_protocol():
    grid = Prescription.random(np.random.default_rng(0), (336, 336, 25)).grid
    np.testing.assert_allclose(grid.spacing_mm, (0.595, 0.595, 3.3), rtol=1e-6)


def test_slices_are_oblique_coronal_and_hang_as_stored_scans_do(study):
    left, up, back = study.grid.affine[:3, :3].T / np.array(study.grid.spacing_mm)[:, None]
    assert left @ (-1, 0, 0) > 0.99
    assert up[2] > 0
    assert up[1] > 0
    assert back[1] < 0 < back[2]
    # rows from the top: J counts upwards, I to the patient's left, which is where columns go
    assert DisplayOrientation.of(study.grid) == DisplayOrientation(transpose=False, flip_rows=True, flip_columns=False)


def test_one_seed_gives_one_study_and_another_seed_another(study):
    again, other = make_phantom(3, SMALL), make_phantom(4, SMALL)
    np.testing.assert_array_equal(again.t1w.data, study.t1w.data)
    np.testing.assert_array_equal(again.stir.data, study.stir.data)
    np.testing.assert_array_equal(again.lesions, study.lesions)
    assert again.lesion_table == study.lesion_table
    assert (other.disease_region.data != study.disease_region.data).any()


def test_without_lesions_none_are_listed_or_drawn():
    study = make_phantom(0, SMALL, n_lesions=0)
    assert study.lesion_table == ()
    assert not study.lesions.any()


def test_oedema_is_brighter_than_marrow_on_stir_and_darker_on_t1w():
    clear = make_phantom(5, (112, 112, 13), noise=0, bias=0)
    inside = clear.lesions > 0
    marrow = clear.disease_region.data & ~inside & ~clear.vessels.data
    assert np.median(clear.stir.data[inside]) > 1.7 * np.median(clear.stir.data[marrow])
    assert np.median(clear.t1w.data[inside]) < 0.8 * np.median(clear.t1w.data[marrow])


def test_lesions_lie_in_the_disease_region_away_from_normal_bone(study):
    inside = study.lesions > 0
    assert (study.disease_region.data & inside).sum() == inside.sum()
    assert not (study.normal_bone.data & inside).any()
    assert not (study.normal_bone.data & study.vessels.data).any()


def test_noise_in_air_has_the_mean_of_a_rayleigh_distribution():
    air = rician(np.random.default_rng(0), np.zeros((200, 200, 5), np.float32), sigma=12.0)
    # 200 000 samples: the standard error of the mean is 12 * 0.655 / 447 = 0.018
    assert air.mean() == pytest.approx(12 * np.sqrt(np.pi / 2), abs=0.09)


def test_noise_on_strong_signal_is_gaussian_with_the_same_sigma():
    signal = rician(np.random.default_rng(0), np.full((200, 200, 5), 1000, np.float32), sigma=12.0)
    # 200 000 samples: the standard error of a standard deviation is 12 / 632 = 0.019
    assert signal.std() == pytest.approx(12, abs=0.1)


def test_coil_sensitivity_stays_within_its_bound_and_reaches_it():
    log = np.log(coil_sensitivity(np.random.default_rng(2), (40, 30, 9), bias=0.08))
    assert np.abs(log).max() == pytest.approx(0.08, rel=1e-5)


def test_a_lesion_deep_in_marrow_has_the_volume_of_its_ellipsoid():
    pelvis = Pelvis.random(np.random.default_rng(0))
    still = Pelvis(pelvis.vertebrae, np.zeros_like(pelvis.warp), pelvis.joint_waves)
    # 4 mm round a point in the ala that is more than 8 mm from every surface
    lesion = PhantomLesion(1, "sacrum", 1, (40.0, 20.0, -10.0), (4.0, 4.0, 4.0), 0.8, (0.0, 0.0, 0.0))
    assert still.marrow_of(lesion, *np.array([[40.0], [20.0], [-10.0]], np.float32))[0] < -8
    lobes_mm = 1.4  # the outline moves by up to this; over the surface its waves nearly average out
    low, high = (4 / 3 * np.pi * r**3 for r in (4 - lobes_mm, 4 + lobes_mm))
    assert low < still.lesion_volume_mm3(lesion) < high


def test_lesion_volumes_grow_with_the_cube_of_their_radii():
    pelvis = Pelvis.random(np.random.default_rng(0))
    small, large = (PhantomLesion(1, "sacrum", 1, (40.0, 20.0, -10.0), (r, r, r), 0.8, (0.0, np.pi, 0.0)) for r in (3.0, 6.0))
    ratio = pelvis.lesion_volume_mm3(large, 0.25) / pelvis.lesion_volume_mm3(small, 0.25)
    assert ratio == pytest.approx(8, rel=0.35)  # lobes do not grow along


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"n_lesions": len(LESION_SITES) + 1}, "n_lesions is 9; the phantom takes 0 to 8"),
        ({"lesion_scale": 0.0}, "lesion_scale is 0.0"),
        ({"noise": -0.1}, "noise is -0.1"),
        ({"shape": (8, 96, 9)}, "at least 5 slices"),
    ],
)
def test_parameters_out_of_range_are_refused(arguments, message):
    with pytest.raises(SettingsError, match=message):
        make_phantom(0, **arguments)


def test_a_second_visit_shows_the_same_pelvis_a_little_moved(study):
    later = make_phantom(3, SMALL, visit=1)
    assert [(one.bone, one.side, one.volume_mm3) for one in later.lesion_table] == [
        (one.bone, one.side, one.volume_mm3) for one in study.lesion_table
    ]
    moved = [
        np.linalg.norm(np.subtract(a.centre_mm, b.centre_mm)) for a, b in zip(later.lesion_table, study.lesion_table, strict=True)
    ]
    # 3 mm along each axis, and 2 degrees about each at up to 100 mm from the centre
    assert min(moved) > 0.1
    assert max(moved) < np.sqrt(3) * (3 + 100 * np.radians(2) * 2)
    assert (later.stir.data != study.stir.data).mean() > 0.5
    with pytest.raises(SettingsError, match="visit is -1"):
        make_phantom(3, SMALL, visit=-1)
