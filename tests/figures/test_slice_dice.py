"""Dice per slice and outlines, at places known by hand."""

import numpy as np

from lib.figures.canvas import new_chart, png_bytes
from lib.figures.slice_dice import draw_outlines, failure_figure, slice_dice_figure


def test_every_scan_has_a_panel_with_its_slices_numbered_from_one():
    dices = np.array([0.9, np.nan, 0.7])
    figure = slice_dice_figure({"1007": (dices, [dices + 0.01, dices - 0.01])}, columns=2)
    panel, empty = figure.axes
    assert panel.get_title(loc="left") == "1007"
    assert not empty.get_visible()
    member, _, ensemble = panel.get_lines()
    np.testing.assert_array_equal(ensemble.get_xdata(), [1, 2, 3])
    np.testing.assert_array_equal(ensemble.get_ydata(), dices)
    np.testing.assert_allclose(member.get_ydata(), dices + 0.01)


def test_both_outlines_are_drawn_and_an_empty_region_has_none():
    image, manual = np.random.default_rng(0).random((12, 10)), np.zeros((12, 10), dtype=bool)
    manual[3:8, 2:6] = True
    ax = draw_outlines(image, manual, np.zeros_like(manual), new_chart(40, 40).add_subplot())
    paths = [path for collection in ax.collections for path in collection.get_paths()]
    assert len(paths) == 1
    # halfway between the last pixel inside and the first outside, (column, row)
    np.testing.assert_allclose(paths[0].vertices.min(axis=0), [1.5, 2.5])
    np.testing.assert_allclose(paths[0].vertices.max(axis=0), [5.5, 7.5])
    assert png_bytes(failure_figure(image, manual, ~manual, "1"), 50).startswith(b"\x89PNG")
