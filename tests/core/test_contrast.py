"""T1W and STIR are told apart by what fills them."""

import numpy as np
import pytest

from lib.core.contrast import check_contrasts, t1w_warnings, tissues
from lib.core.volume import Grid, Volume
from lib.errors import InputError

GRID = Grid((40, 40, 4), np.eye(4))


def filled(share: float, name: str) -> Volume:
    """A quarter of the frame at `share` of the brightest twentieth, the rest dark."""
    data = np.full(GRID.shape, 100.0)
    data[:, :10] = 1000.0 * share
    data[:, 10:12] = 1000.0
    return Volume(data, GRID, name)


def test_a_right_pair_passes_without_a_word():
    assert check_contrasts(filled(0.8, "T1W"), filled(0.4, "STIR")) == ()


def test_an_exchanged_pair_is_refused():
    with pytest.raises(InputError, match="T1W and STIR seem to be exchanged"):
        check_contrasts(filled(0.4, "T1W"), filled(0.8, "STIR"))


def test_one_series_given_twice_is_refused():
    with pytest.raises(InputError, match="hold the same voxels"):
        check_contrasts(filled(0.8, "T1W"), filled(0.8, "STIR"))


def test_a_series_unlike_its_name_is_warned_of():
    assert "does not look T1-weighted" in check_contrasts(filled(0.5, "T1W"), filled(0.4, "STIR"))[0]
    assert "does not look fat-suppressed" in check_contrasts(filled(0.9, "T1W"), filled(0.8, "STIR"))[0]


@pytest.mark.parametrize(
    ("air", "muscle", "fat", "words"),
    [
        (0.0, 400.0, 900.0, None),
        (0.0, 300.0, 950.0, "T2-weighted or rescaled"),
        (0.0, 600.0, 900.0, "proton density"),
        (300.0, 400.0, 900.0, "inverted grey scale"),
    ],
)
def test_air_muscle_and_fat_of_a_t1w_series_are_far_enough_apart(air, muscle, fat, words):
    data = np.full(GRID.shape, muscle)
    data[:, :10], data[:, 10:24] = air, fat
    found = t1w_warnings(Volume(data, GRID, "T1W"))
    assert (not found) if words is None else (words in found[0] and "Check the series" in found[0])


def test_tissues_are_told_apart_by_otsu():
    data = np.zeros(GRID.shape)
    data[:, 10:20], data[:, 20:] = 400.0, 1000.0
    found = tissues(Volume(data, GRID, "T1W"))
    assert (found.muscle, found.fat, found.dark) == (400.0, 1000.0, 200.0)
    assert found.dark_share == pytest.approx(0.3)  # every fourth column: 0, 4, 8 of 0, 4, ... 36
    two_values = np.zeros(GRID.shape)
    two_values[:, 5:] = 700.0
    assert np.isnan(tissues(Volume(two_values, GRID, "T1W")).fat)


@pytest.mark.data
def test_every_published_pair_passes_and_is_refused_when_exchanged(vhi_data):
    from lib.studies.nifti import read_volume

    for path in sorted((vhi_data / "images_study" / "STIR").glob("*.nii.gz")):
        stir = read_volume(path, "STIR")
        t1w = read_volume(vhi_data / "images_study" / "T1W" / path.name.replace("STIR", "T1W"), "T1W")
        assert check_contrasts(t1w, stir) == ()
        with pytest.raises(InputError, match="exchanged"):
            check_contrasts(stir, t1w)
