"""The picture of a region where nothing was measured."""

import numpy as np

from lib.core.volume import Mask, Volume
from lib.figures.paper import NORMAL_BONE_COLOUR, REGION_COLOUR
from lib.figures.region import COLUMNS, region_mosaic
from madeup_pelvis import Pelvis


def test_every_slice_of_the_region_has_its_outline_and_places_lie_where_they_are():
    scan = Pelvis()
    region = Mask(scan.region, scan.grid)
    slices = np.flatnonzero(scan.region.any(axis=(0, 1)))
    i, j = (round(float(at.mean())) for at in np.nonzero(scan.region[:, :, slices[1]]))
    plain = region_mosaic(Volume(scan.t1w, scan.grid), region)
    marked = region_mosaic(Volume(scan.t1w, scan.grid), region, [(i, j, int(slices[1]))])
    assert plain.dtype == np.uint8
    height, width = plain.shape[0] // -(-len(slices) // COLUMNS), plain.shape[1] // min(COLUMNS, len(slices))
    for n in range(len(slices)):
        tile = plain[n // COLUMNS * height :, n % COLUMNS * width :][:height, :width]
        assert (tile == REGION_COLOUR).all(axis=2).any()
    rows, columns = np.nonzero((plain != marked).any(axis=2))
    assert (rows < height).all()
    assert (columns // width == 1).all()
    assert (marked == NORMAL_BONE_COLOUR).all(axis=2).any()
    # the circle stands about the voxel: one beside it lies as far beside it in the picture
    beside = region_mosaic(Volume(scan.t1w, scan.grid), region, [(i + 5, j, int(slices[1]))])
    moved = np.nonzero((plain != beside).any(axis=2))
    step = np.array([moved[0].mean() - rows.mean(), moved[1].mean() - columns.mean()])
    assert np.linalg.norm(step) > 5
