"""Holes that a lesion encloses within a slice are filled."""

import numpy as np

from drawing import grid_of, slice_of, stack_of
from lib.core.transforms.holes import FillHolesd, fill_holes

RING = slice_of(".....",
                ".222.",
                ".2.2.",
                ".222.",
                ".....")  # fmt: skip


def test_the_hole_of_a_ring_gets_grade_one():
    filled = RING.copy()
    filled[2, 2] = 1
    np.testing.assert_array_equal(fill_holes(RING, np.ones_like(RING, dtype=bool)), filled)


def test_a_ring_with_a_gap_encloses_nothing():
    open_ring = RING.copy()
    open_ring[2, 3] = 0
    np.testing.assert_array_equal(fill_holes(open_ring, np.ones_like(RING, dtype=bool)), open_ring)


def test_a_hole_outside_the_disease_region_stays_open():
    within = np.ones_like(RING, dtype=bool)
    within[2, 2] = False
    np.testing.assert_array_equal(fill_holes(RING, within), RING)


def test_the_slices_beside_do_not_open_a_hole():
    empty = np.zeros_like(RING)
    filled = fill_holes(stack_of(empty, RING, empty), np.ones((5, 5, 3), dtype=bool))
    assert filled[2, 2, 1] == 1
    assert filled.sum() == RING.sum() + 1


def test_what_touches_the_edge_of_the_image_is_open():
    at_edge = RING[1:].copy()
    at_edge[0] = slice_of(".2.2.")[0]
    np.testing.assert_array_equal(fill_holes(at_edge, np.ones_like(at_edge, dtype=bool)), at_edge)


def test_it_is_off_unless_asked_for():
    everywhere = np.ones_like(RING, dtype=bool)
    np.testing.assert_array_equal(FillHolesd().apply(RING, grid_of(RING), everywhere), RING)
