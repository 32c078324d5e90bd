"""What the figures show, at places known by hand (see handmade.py)."""

from __future__ import annotations

import io
from dataclasses import replace

import numpy as np
import pytest
from matplotlib.axes import Axes

from handmade import handmade
from lib.figures import (
    draw_mosaic,
    draw_normal_bone_histogram,
    draw_projection,
    draw_stability,
    font_file,
    inflamed_slices,
    jpeg_bytes,
    learning_loop_figure,
    mosaic_figure,
    most_involved_slices,
    new_chart,
    png_bytes,
    search_figure,
)
from lib.figures.mosaic import mosaic_tiles

# half of the colour over half of the grey signal: the differences between channels are half of the colour's
RED = (0, (226 - 35) / 2, (226 - 26) / 2)
YELLOW = (0, (255 - 214) / 2, 255 / 2)


def below_red(pixel: np.ndarray) -> tuple[int, int, int]:
    """How far each channel lies below the red one."""
    r, g, b = (int(value) for value in pixel)
    return 0, r - g, r - b


def axes() -> Axes:
    return new_chart(58, 46).add_subplot()


@pytest.fixture(params=[False, True], ids=["as drawn", "stored the other way"])
def result(request):
    return handmade(stored_the_other_way=request.param)


@pytest.mark.parametrize("draw", [draw_mosaic, draw_projection, draw_normal_bone_histogram, draw_stability])
@pytest.mark.parametrize("lesions", [True, False])
def test_a_figure_is_drawn_on_the_axes_that_are_given_and_returned(draw, lesions):
    paper = new_chart(58, 46)
    ax = paper.add_subplot()
    assert draw(handmade(lesions=lesions), ax) is ax
    assert png_bytes(paper, 60).startswith(b"\x89PNG")


def test_what_is_above_conservative_is_red_and_above_sensitive_only_is_yellow(result):
    # at 2 pixels per mm a voxel is 2 pixels wide and 4 high; patient's left (I = 9) is column 9 of 12, J = 1 is row 8 of 10
    tiles = mosaic_tiles(result, [1, 2, 3], 2.0)
    assert tiles.shape == (3, 40, 24, 3)
    assert below_red(tiles[0, 33, 18]) == pytest.approx(RED, abs=1)
    assert below_red(tiles[1, 33, 18]) == pytest.approx(YELLOW, abs=1)
    # the lesion on the patient's right (I = 2) is in column 2
    assert below_red(tiles[2, 33, 4]) == pytest.approx(YELLOW, abs=1)
    assert below_red(tiles[2, 33, 18]) == (0, 0, 0)


def test_pixels_of_any_shape_are_drawn_to_scale(result):
    height, width = mosaic_tiles(result, [0], 3.0).shape[1:3]
    assert (height, width) == (60, 36)  # 10 rows of 2 mm, 12 columns of 1 mm


def test_normal_bone_is_outlined_and_not_filled(result):
    wide = mosaic_tiles(result, [0], 8.0)[0]
    # the row of J = 4 is row 5 from the top: 16 pixels a row, 8 a column
    assert tuple(wide[80, 44]) == (0, 205, 215)
    assert below_red(wide[88, 44]) == (0, 0, 0)


def test_the_patients_right_is_marked_on_the_left_of_every_slice(result):
    ax = draw_mosaic(result, axes(), slices=[0, 1, 2, 3], columns=4)
    places = {side: sorted(text.get_position()[0] for text in ax.texts if text.get_text() == side) for side in "RL"}
    width = np.asarray(ax.images[0].get_array()).shape[1] / 4
    for n in range(4):
        assert n * width <= places["R"][n] < (n + 0.5) * width < places["L"][n] <= (n + 1) * width
    assert [text.get_text() for text in ax.texts if text.get_text().isdigit()] == ["1", "2", "3", "4"]


def test_slices_with_most_normal_bone_come_first_and_then_the_most_inflamed():
    result = handmade(normal_bone_slices=2)
    assert most_involved_slices(result, most=2) == (0, 1)
    assert most_involved_slices(result) == (0, 1, 2, 3)


def test_inflamed_slices_come_with_their_neighbours_and_without_inflammation_all_of_the_region():
    result = handmade()
    grade = np.zeros_like(result.grade)
    grade[1, 1, 3] = 1
    assert inflamed_slices(replace(result, grade=grade)) == (2, 3)
    grade[1, 1, 1] = 2
    assert inflamed_slices(replace(result, grade=grade)) == (0, 1, 2, 3)
    assert inflamed_slices(handmade(lesions=False)) == (0, 1, 2, 3)


def test_the_projection_shows_depth_in_mm_each_sides_volume_and_the_midline(result):
    ax = draw_projection(result, axes())
    depth = np.asarray(ax.images[1].get_array().filled(0.0))
    assert depth[8, 9] == 6.0  # two slices that lie 3 mm apart
    assert depth[8, 2] == 3.0
    assert depth[8, 5] == 0.0
    assert [text.get_text() for text in ax.texts] == ["R\n24 mm³", "L\n48 mm³"]
    # x = 0.5 mm is between columns 5 and 6, which meet 6 mm from the edge
    np.testing.assert_allclose(ax.lines[0].get_xdata(), [6.0, 6.0], atol=1e-9)


def test_the_histogram_holds_every_voxel_of_normal_bone_and_both_thresholds(result):
    ax = draw_normal_bone_histogram(result, axes())
    assert sum(bar.get_height() for bar in ax.containers[0]) == 45
    assert [line.get_xdata()[0] for line in ax.lines] == [pytest.approx(7.0), 7.5]


def test_the_stability_plot_shows_vhi_at_five_thresholds_and_without_each_slice(result):
    ax = draw_stability(result, axes())
    _, changed, left_out = ax.lines
    np.testing.assert_allclose(changed.get_ydata(), [72.0, 72.0, 72.0, 24.0, 24.0])
    np.testing.assert_allclose(left_out.get_ydata(), [72.0, 72.0, 72.0])


def test_a_mosaic_that_stands_alone_keeps_its_pixels(result):
    from matplotlib.image import imread

    figure, dpi = mosaic_figure(result, [1], columns=1, pixels_per_mm=10.0)
    picture = (imread(io.BytesIO(png_bytes(figure, dpi)))[..., :3] * 255).round().astype(int)
    tile = mosaic_tiles(result, [1], 10.0)[0].astype(int)
    assert picture.shape[1] == tile.shape[1]
    # the lower right of the slice, away from its number and letters
    np.testing.assert_array_equal(picture[150:195, 70:110], tile[150:195, 70:110])


def test_files_are_the_same_for_the_same_result():
    def files() -> tuple[bytes, bytes]:
        figure, dpi = mosaic_figure(handmade())
        chart = new_chart(58, 46)
        draw_stability(handmade(), chart.add_subplot())
        return jpeg_bytes(figure, dpi), png_bytes(chart, 100)

    assert files() == files()


@pytest.mark.parametrize("bold", [True, False])
def test_the_typeface_is_there(bold):
    assert font_file(bold).is_file()


def test_a_search_has_a_panel_per_kernel_with_a_dot_per_fold_and_their_mean():
    found = {(60, 2, 3): [0.5, 0.7], (100, 2, 3): [0.8], (60, 4, 5): [0.9, 0.9, 0.6]}
    figure = search_figure(found)
    three, five = figure.axes
    assert (three.get_title(loc="left"), five.get_title(loc="left")) == ("kernel 3 x 3", "kernel 5 x 5")
    dots, mean, *_ = three.get_lines()
    np.testing.assert_allclose(dots.get_xydata(), [[-0.15, 0.5], [-0.15, 0.7]])
    np.testing.assert_allclose(mean.get_ydata(), [0.6, 0.6])
    assert len(three.get_lines()) == 4
    # four levels are the second place of every panel, also of the one that has nothing at two
    np.testing.assert_allclose(five.get_lines()[0].get_xdata(), [0.85] * 3)
    np.testing.assert_allclose(five.get_lines()[1].get_ydata(), [0.8, 0.8])
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["60 epochs", "100 epochs"]


def test_the_learning_loop_shows_every_seed_and_the_means():
    dice = {"random": np.array([[0.5, 0.7], [0.7, 0.9]])}
    gains = {"replay": {"atypical": np.array([[0.0, 0.1], [0.0, 0.3]]), "typical": np.array([[0.0, -0.01], [0.0, 0.01]])}}
    rounds, arrivals = learning_loop_figure(dice, gains).axes
    one, other, mean = (line.get_ydata() for line in rounds.get_lines())
    np.testing.assert_allclose([one, other, mean], [[0.5, 0.7], [0.7, 0.9], [0.6, 0.8]])
    dots, line, *_ = arrivals.get_lines()
    np.testing.assert_allclose(dots.get_xdata(), [0.05, 0.15])
    np.testing.assert_allclose(line.get_xdata(), [0.1, 0.1])
    assert [label.get_text() for label in arrivals.get_yticklabels()] == ["replay"]
    assert -0.005 in [line.get_xdata()[0] for line in arrivals.get_lines()]
