"""Labels between a T1W series and the STIR grid that is measured on."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from drawing import OBLIQUE
from lib.core.volume import Grid, Volume
from lib.service.scans import Scans
from lib.studies.pairing import Case

STIR = Grid((6, 5, 4), OBLIQUE)


def scaled(factor: float, shape: tuple[int, int, int]) -> Grid:
    """Pixels `factor` times as large over the same field of view."""
    affine = OBLIQUE.copy()
    affine[:3, :2] *= factor
    affine[:3, 3] += OBLIQUE[:3, :2] @ np.full(2, (factor - 1) / 2)
    return Grid(shape, affine)


def scans(t1w_grid: Grid | None) -> Scans:
    volume = Volume(np.random.default_rng(0).normal(size=STIR.shape), STIR)
    return Scans(Case("a", Path("t1w.nii"), Path("stir.nii")), volume, volume, {}, (), t1w_grid)


@pytest.mark.parametrize(("factor", "shape"), [(0.5, (12, 10, 4)), (1 / 3, (18, 15, 4))])
def test_what_is_shown_on_a_finer_t1w_comes_back_to_the_voxel(factor, shape):
    pair = scans(scaled(factor, shape))
    labels = np.random.default_rng(1).integers(0, 4, STIR.shape).astype(np.int32)
    shown = pair.to_series_grid(labels, "T1W")
    assert shown.shape == shape
    back, grid = pair.to_stir_grid(shown, pair.grid("T1W"), "T1W")
    np.testing.assert_array_equal(back, labels)
    np.testing.assert_array_equal(grid.affine, STIR.affine)


@pytest.mark.parametrize("t1w", [scaled(2, (3, 3, 4)), scaled(0.5, (8, 10, 4))], ids=["coarser", "shows less"])
def test_what_was_drawn_on_a_t1w_that_loses_voxels_stays_where_it_is(t1w):
    pair = scans(t1w)
    drawn = np.ones(t1w.shape, np.int32)
    assert pair.to_stir_grid(drawn, t1w, "T1W")[1] is t1w


def test_a_t1w_in_another_axis_order_is_turned():
    turned = Grid((5, 6, 4), OBLIQUE[:, [1, 0, 2, 3]])
    drawn = np.arange(120, dtype=np.int32).reshape(5, 6, 4)
    back, _ = scans(turned).to_stir_grid(drawn, turned, "T1W")
    np.testing.assert_array_equal(back, drawn.transpose(1, 0, 2))


@pytest.mark.parametrize("t1w_grid", [STIR, None])
def test_a_map_in_another_axis_order_is_turned_whatever_series_it_was_drawn_on(t1w_grid):
    mirrored = OBLIQUE.copy()
    mirrored[:3, 3] += OBLIQUE[:3, 0] * 5
    mirrored[:3, 0] *= -1
    drawn = np.arange(120, dtype=np.int32).reshape(6, 5, 4)
    for role in ("T1W", "STIR"):
        back, grid = scans(t1w_grid).to_stir_grid(drawn[::-1], Grid((6, 5, 4), mirrored), role)
        np.testing.assert_array_equal(back, drawn)
        np.testing.assert_allclose(grid.affine, OBLIQUE)
