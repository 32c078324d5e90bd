"""Where things lie in the sacrum, against what anatomy says of it."""

import numpy as np
import pytest

from lib.phantom.anatomy import FORAMINA, SACRAL_DISCS
from lib.phantom.study import make_phantom

pytestmark = pytest.mark.slow  # seconds in all


def test_each_sacral_nerve_leaves_beside_the_disc_below_its_body():
    # the first foramina at the disc of S1 and S2, the second at that of S2 and S3
    for foramen, (disc, _) in zip(FORAMINA, SACRAL_DISCS, strict=True):
        _, bend, opening, _ = foramen.points
        assert disc[1] == pytest.approx((bend[1] + opening[1]) / 2, abs=1.5)


def test_the_foramina_converge_downwards():
    lateral = [foramen.points[2][0] for foramen in FORAMINA]
    assert lateral == sorted(lateral, reverse=True)
    assert 18 <= lateral[0] <= 22


def test_a_foramen_is_as_wide_as_its_radii_and_mirrored():
    first = FORAMINA[0]
    x, y, z = np.array(first.points, float).T
    # on the channel's own corners the surface is at least one radius away; a thicker stretch beside one may be nearer still
    assert (first.distance(x, y, z, 1) <= -np.array(first.radii) + 1e-9).all()
    np.testing.assert_allclose(first.distance(-x, y, z, -1), first.distance(x, y, z, 1))
    assert (first.distance(x, y, z, 1, share=0.5) > first.distance(x, y, z, 1)).all()


@pytest.mark.parametrize("seed", [0, 1])
def test_the_first_sacral_body_is_one_with_the_wings_on_several_slices(seed):
    study = make_phantom(seed, (112, 112, 25))
    i_mm = study.grid.spacing_mm[0]
    middle = study.grid.shape[0] // 2
    region = study.disease_region.data
    slices = 0
    for k in range(study.grid.shape[2]):
        widths = []
        for row in region[..., k].T:
            outside = np.flatnonzero(~row)
            left, right = outside[outside < middle], outside[outside > middle]
            if row[middle] and len(left) and len(right):
                widths.append((right[0] - left[-1] - 1) * i_mm)
            elif row[middle]:
                widths.append(200.0)
        # joint to joint is more than 90 mm, a lumbar body less than 70; the first sacral body is some 25 mm high
        slices += np.count_nonzero(np.array(widths) > 90) * study.grid.spacing_mm[1] > 10
    assert slices >= 4
