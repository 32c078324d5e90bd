"""Whether a proposed normal bone can be trusted."""

import numpy as np
import pytest

from lib.core.normal_bone_confidence import Confidence, confidence_of, joined

SHAPE = (4, 20, 20)
EVERYWHERE = np.ones(SHAPE, dtype=bool)


def test_marrow_above_the_threshold_is_one_lesion_that_falls_apart_ten_per_cent_higher():
    stir = np.full(SHAPE, 100.0)
    # all 1600 voxels lie above 95 and none above 104.5
    assert joined(stir, EVERYWHERE, 95.0) == 1.0
    # half of them stay, in one piece
    stir[:2] = 200.0
    assert joined(stir, EVERYWHERE, 95.0) == 0.5


def test_inflammation_that_stays_in_one_piece_counts_as_none():
    stir = np.full(SHAPE, 100.0)
    stir[:, :10] = 300.0
    assert joined(stir, EVERYWHERE, 150.0) == 0.0


def test_a_large_lesion_that_falls_into_pieces_has_lost_all_but_the_largest():
    stir = np.full(SHAPE, 50.0)
    stir[0] = 200.0
    stir[0, 10] = 104.0  # a bridge of 20 voxels between 200 and 180
    assert joined(stir, EVERYWHERE, 100.0) == pytest.approx((400 - 200) / 400)


def test_lesions_below_a_hundredth_of_the_region_say_nothing_about_marrow():
    stir = np.full(SHAPE, 50.0)
    stir[0, 0, :15] = 104.0
    assert joined(stir, EVERYWHERE, 100.0) == 0.0  # 15 voxels of 1600
    stir[0, 0, :16] = 104.0
    assert joined(stir, EVERYWHERE, 100.0) == 1.0


def test_nothing_above_the_threshold_is_no_lesion():
    assert joined(np.zeros(SHAPE), EVERYWHERE, 100.0) == 0.0


def test_voxels_outside_the_disease_region_do_not_count():
    stir = np.full(SHAPE, 100.0)
    region = np.zeros(SHAPE, dtype=bool)
    region[:, :10] = True
    stir[:, :10] = 300.0
    assert joined(stir, region, 95.0) == 0.0


@pytest.mark.parametrize(
    ("agreement", "loose", "value"), [(1.0, 0.0, 1.0), (0.7, 0.1, 0.7), (0.9, 0.2, 0.6), (1.0, 0.5, 0.0), (1.0, 0.9, 0.0)]
)
def test_the_value_is_the_worse_of_the_two(agreement, loose, value):
    assert Confidence(agreement, loose).value == pytest.approx(value)


def parts_of(levels):
    """One part a slice, with the same spread about levels of its own."""
    noise = np.random.default_rng(1).normal(0, 5, (len(levels), 20, 20))
    stir = np.asarray(levels, dtype=float)[:, None, None] + noise
    parts = np.zeros(stir.shape, dtype=np.uint8)
    parts[:, 5:15, 5:15] = np.arange(1, len(levels) + 1)[:, None, None]
    return stir, parts


def test_parts_that_look_alike_agree_and_parts_that_do_not_disagree():
    region = np.ones((4, 20, 20), dtype=bool)
    assert confidence_of(*parts_of([100, 100, 100, 100]), region).agreement == 1.0
    # of the six halves of two dark and two bright slices only the two pure ones are far from the whole
    mixed = confidence_of(*parts_of([60, 60, 100, 100]), region).agreement
    assert 0 < mixed < 1
