"""Holes that later segments of a flattened map punch into regions."""

import numpy as np

from drawing import OBLIQUE
from lib.core.covered import equals_but_for_covered, without_holes
from lib.core.volume import Grid, Mask

GRID = Grid((6, 1, 1), OBLIQUE)


def row(text: str) -> np.ndarray:
    return np.array([sign == "#" for sign in text])[:, None, None]


def mask(text: str) -> Mask:
    return Mask(row(text), GRID)


def test_a_drawing_is_the_known_region_where_only_covered_voxels_miss():
    assert equals_but_for_covered(mask("#.#..."), mask("###..."), row(".#...."))
    assert not equals_but_for_covered(mask("#.#..."), mask("###..."), row("......"))
    assert not equals_but_for_covered(mask("####.."), mask("###..."), row(".#...."))


def test_holes_are_filled_and_the_old_place_of_a_region_drawn_anew_is_not():
    covering = row(".#..#.")
    np.testing.assert_array_equal(without_holes(mask("#.#..."), mask("######"), covering).data, row("###.#."))
    np.testing.assert_array_equal(without_holes(mask("#.#..."), mask("######"), covering, touching=True).data, row("###..."))
    np.testing.assert_array_equal(without_holes(mask("#.#..."), None, covering).data, row("#.#..."))
