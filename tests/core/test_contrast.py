"""T1W and STIR are told apart by what fills them."""

import os
from pathlib import Path

import numpy as np
import pytest

from lib.core.contrast import bright_fill, check_contrasts, t1w_warnings, tissues
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
    warnings = t1w_warnings(Volume(data, GRID, "T1W"))
    assert (not warnings) if words is None else (words in warnings[0] and "Check the series" in warnings[0])


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


@pytest.mark.slow
def test_no_t1w_series_of_another_scanner_is_told_that_it_is_none():
    from lib.studies.nifti import read_volume

    folder = os.environ.get("VHI_DATA_FOREIGN", "")
    if not (Path(folder) / "images").is_dir():
        pytest.skip("VHI_DATA_FOREIGN is not set: it names the folder of scans of another scanner")
    paths = sorted((Path(folder) / "images").glob("*.nii.gz"))
    assert len(paths) == 12
    assert {path.name: t1w_warnings(read_volume(path, "T1W")) for path in paths} == dict.fromkeys([p.name for p in paths], ())


def test_coil_fall_off_is_not_taken_for_fat_suppression_but_a_thin_bright_tail_is():
    rng = np.random.default_rng(0)
    fall_off = np.exp(-5 * np.linspace(0, 1, 200) ** 2)[None, :, None]
    tissue = np.where(rng.random((200, 200, 4)) < 0.3, 1000.0, 450.0)
    tissue[:20] = 0.0
    grid = Grid(tissue.shape, np.eye(4))
    t1w = Volume(tissue * fall_off, grid, "T1W")
    assert bright_fill(t1w) < 0.55
    assert t1w_warnings(t1w) == ()
    grey = 300 + 100 * rng.random(tissue.shape)
    grey[:20] = 0.0
    grey[rng.random(tissue.shape) < 0.03] = 1500.0  # vessels and fluid
    assert any("fat-suppressed" in warning for warning in t1w_warnings(Volume(grey, grid, "T1W")))
