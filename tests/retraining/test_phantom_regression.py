"""The gate's phantoms: shipped as they were made, bit by bit."""

from __future__ import annotations

import numpy as np
import pytest

from lib.phantom.study import make_phantom
from lib.retraining import phantom_regression
from lib.retraining.phantom_regression import PROTOCOLS, SEEDS, SHAPE, phantom_regression_cases, reference_phantom


def test_three_are_as_the_studys_scans_and_four_as_other_protocols_show_them():
    cases = {name: (t1w, region) for name, t1w, region in phantom_regression_cases()}
    assert list(cases) == [f"phantom-{one}" for one in (*SEEDS, *PROTOCOLS)]
    for t1w, region in cases.values():
        assert t1w.grid == region.grid
        assert region.data.dtype == bool
        assert 0.03 < region.data.mean() < 0.3
    assert cases["phantom-coarse"][0].data.shape == (84, 84, 13)
    assert cases["phantom-thick"][0].data.shape == (168, 168, 6)
    plain, noisy = (float(np.median(cases[f"phantom-{name}"][0].data)) for name in (SEEDS[0], "noisy"))
    assert noisy > plain


@pytest.mark.slow
@pytest.mark.parametrize("seed", [SEEDS[0], SEEDS[-1] + len(PROTOCOLS)])
def test_the_shipped_ones_are_those_that_this_program_makes(seed):
    """Where phantoms are drawn otherwise on purpose, these stay what they are: versions are compared on them over years."""
    made, (t1w, region) = make_phantom(seed, SHAPE), reference_phantom(seed)
    np.testing.assert_array_equal(t1w.data, made.t1w.data)
    assert t1w.data.dtype == made.t1w.data.dtype
    np.testing.assert_array_equal(region.data, made.disease_region.data)
    np.testing.assert_array_equal(t1w.grid.affine, made.t1w.grid.affine)


def test_written_anew_they_are_whole_numbers_bits_and_the_grid(tmp_path, monkeypatch):
    monkeypatch.setattr(phantom_regression, "SHAPE", (40, 40, 5))
    path = tmp_path / "phantoms.npz"
    phantom_regression.write_reference_phantoms(path)
    monkeypatch.setattr(phantom_regression, "FILE", path)
    phantom_regression._arrays.cache_clear()
    try:
        made, (t1w, region) = make_phantom(SEEDS[1], (40, 40, 5)), reference_phantom(SEEDS[1])
        np.testing.assert_array_equal(t1w.data, made.t1w.data)
        np.testing.assert_array_equal(region.data, made.disease_region.data)
    finally:
        phantom_regression._arrays.cache_clear()
