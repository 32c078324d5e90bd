"""A simulated protocol moves no anatomy, and its name decides its noise."""

import importlib.util
import sys
from pathlib import Path

import numpy as np
import pytest

from drawing import OBLIQUE
from lib.core.volume import Grid, Mask, Volume

FOLDER = Path(__file__).parents[2] / "benchmarks"


def loaded(monkeypatch):
    monkeypatch.syspath_prepend(str(FOLDER))
    spec = importlib.util.spec_from_file_location("scanners", FOLDER / "scanners.py")
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, "scanners", module)
    spec.loader.exec_module(module)
    return module


def middle_mm(mask: Mask) -> np.ndarray:
    return mask.grid.world_mm(np.argwhere(mask.data).mean(axis=0))


def scan_of(scanners):
    affine = OBLIQUE.copy()
    affine[:3, :3] *= np.array([2.0, 2.0, 3.3]) / np.linalg.norm(affine[:3, :3], axis=0)
    grid = Grid((100, 100, 20), affine)
    i, j, k = np.indices(grid.shape)
    ball = np.hypot(np.hypot((i - 46) * 2.0, (j - 55) * 2.0), (k - 9) * 3.3) < 25
    t1w = Volume(100.0 + 400 * ball, grid, "T1W")
    return scanners.Scan(t1w, Volume(t1w.data / 2, grid, "STIR"), Mask(ball, grid), Mask(ball, grid))


@pytest.mark.slow
def test_every_protocol_keeps_anatomy_where_it_lies_and_its_volume(monkeypatch):
    scanners = loaded(monkeypatch)
    scan = scan_of(scanners)
    for protocol in scanners.PROTOCOLS:
        made = scan.by(protocol)
        assert made.t1w.grid is made.region.grid
        np.testing.assert_allclose(middle_mm(made.region), middle_mm(scan.region), atol=1.0, err_msg=protocol.name)
        assert made.region.volume_mm3 == pytest.approx(scan.region.volume_mm3, rel=0.1), protocol.name


def test_intensities_alone_leave_the_grid_and_are_the_same_each_time(monkeypatch):
    scanners = loaded(monkeypatch)
    scan = scan_of(scanners)
    plain = {protocol.name: protocol for protocol in scanners.PROTOCOLS}
    noisy, again = (scan.by(plain["1.5 T noise"]) for _ in range(2))
    np.testing.assert_array_equal(noisy.t1w.data, again.t1w.data)
    assert not np.array_equal(noisy.t1w.data, scan.t1w.data)
    np.testing.assert_array_equal(noisy.region.data, scan.region.data)
    stronger = scan.by(plain["T1 contrast up"])
    assert stronger.t1w.data.min() < scan.t1w.data.min()
    np.testing.assert_array_equal(stronger.stir.data, scan.stir.data)
