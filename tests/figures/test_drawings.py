"""Figures, at places known by hand (see handmade.py)."""

from __future__ import annotations

import io
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from handmade import handmade
from lib.figures.chart import Axis, Bar, Chart, Dots, Line, Picture, Text, round_values
from lib.figures.histogram import normal_bone_histogram
from lib.figures.learning_loop import learning_loop_figure
from lib.figures.mosaic import (
    GAP,
    grey_tiles,
    inflamed_slices,
    jpeg_file,
    mosaic_picture,
    mosaic_tiles,
    most_involved_slices,
    painted,
    png_file,
)
from lib.figures.paper import font_file
from lib.figures.projection import HEAT, SILHOUETTE, depth_of, projection_chart
from lib.figures.search import search_figure
from lib.figures.stability import stability_chart
from lib.figures.view import View
from lib.figures.where import where_chart

# half of the colour over half of the grey signal: the differences between channels are half of the colour's
RED = (0, (226 - 35) / 2, (226 - 26) / 2)
YELLOW = (0, (255 - 214) / 2, 255 / 2)


def below_red(pixel: np.ndarray) -> tuple[int, int, int]:
    """How far each channel lies below the red one."""
    r, g, b = (int(value) for value in pixel)
    return 0, r - g, r - b


def pixels_of(file: bytes) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(file)).convert("RGB")).astype(int)


def marks_of(chart: Chart, kind: type) -> list:
    return [mark for mark in chart.marks if isinstance(mark, kind)]


@pytest.fixture(params=[False, True], ids=["as drawn", "stored the other way"])
def result(request):
    return handmade(stored_the_other_way=request.param)


@pytest.mark.parametrize("chart_of", [projection_chart, normal_bone_histogram, stability_chart])
@pytest.mark.parametrize("lesions", [True, False])
def test_a_chart_is_as_large_as_its_paper_with_and_without_lesions(chart_of, lesions):
    assert pixels_of(chart_of(handmade(lesions=lesions)).png(58, 46, 100)).shape == (181, 228, 3)


def test_a_chart_draws_each_mark_where_its_values_lie():
    marks = [
        Bar((0, 0), (5, 5), (255, 0, 0)),
        Line([(0, 7.5), (10, 7.5)], (0, 0, 255), 2.0),
        Dots([(7.5, 2.5)], 6, "black", "black"),
    ]
    picture = pixels_of(Chart(Axis(0, 10), Axis(0, 10), marks, spines=False).png(50.8, 25.4, 144))
    # 288 x 144 pixels, of which 6 are the edge: values from 0 to 10 fill 276 x 132
    assert picture.shape == (144, 288, 3)
    reds, blues, blacks = (np.argwhere((picture == colour).all(axis=-1)) for colour in ((255, 0, 0), (0, 0, 255), (0, 0, 0)))
    np.testing.assert_array_equal([reds.min(axis=0), reds.max(axis=0)], [[72, 6], [137, 143]])
    np.testing.assert_array_equal([blues.min(axis=0), blues.max(axis=0)], [[37, 6], [40, 281]])
    np.testing.assert_allclose(blacks.mean(axis=0), [105, 213], atol=1)


def test_words_lie_inside_of_the_paper_beside_the_axes():
    ticks = [(0, "0"), (7, "one long name")]
    picture = pixels_of(Chart(Axis(0, 10, ticks, "along"), Axis(0, 10, ticks, "upwards")).png(50.8, 50.8, 144))
    inked = np.argwhere((picture < 200).any(axis=-1))
    assert (inked.min(axis=0) >= 2).all()
    assert inked.max(axis=0)[0] <= 285


def test_opacity_mixes_and_the_later_mark_lies_on_top():
    marks = [Bar((0, 0), (1, 1), (200, 0, 0)), Bar((0, 0), (1, 1), (0, 200, 0), 0.5)]
    picture = pixels_of(Chart(Axis(0, 1), Axis(0, 1), marks, spines=False).png(20, 20, 100))
    np.testing.assert_allclose(picture[40, 40], [100, 100, 0], atol=1)


def test_round_values_are_ones_that_a_person_would_write():
    assert round_values(0, 26_600, 6) == [0, 5000, 10_000, 15_000, 20_000, 25_000]
    assert round_values(291, 630, 5) == [300, 400, 500, 600]
    assert round_values(0, 1, 5) == pytest.approx([0, 0.2, 0.4, 0.6, 0.8, 1.0])
    assert round_values(-0.3, 0.9, 5) == pytest.approx([-0.25, 0, 0.25, 0.5, 0.75])


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


def test_the_patients_right_is_marked_on_the_left_of_every_slice_and_its_number_above():
    result = handmade()
    tiles = mosaic_tiles(result, [0, 1, 2, 3], 10.0)
    height, width = tiles.shape[1:3]
    picture = mosaic_picture(result, [0, 1, 2, 3], 4, 10.0)
    for n, tile in enumerate(tiles):
        left = n * (width + GAP)
        drawn = np.abs(picture[:height, left : left + width].astype(int) - tile).sum(axis=-1)
        number, right, left_side = (
            drawn[:30, : width // 2],
            drawn[height // 2 - 12 : height // 2 + 12, : width // 2],
            drawn[height // 2 - 12 : height // 2 + 12, width // 2 :],
        )
        assert number.any()
        assert right.any()
        assert left_side.any()
        assert number.sum() + right.sum() + left_side.sum() == drawn.sum()


def test_colours_mixed_where_there_are_any_are_those_of_every_pixel_mixed():
    rng = np.random.default_rng(1)
    grey = (rng.random((3, 20, 30)) * 255).astype(np.float32)
    layers = [
        (rng.random(grey.shape) < share, colour, opacity)
        for share, colour, opacity in (
            (0.2, (255, 214, 0), 0.5),
            (0.1, (226, 35, 26), 0.5),
            (0.1, (235, 235, 235), 0.55),
            (0.05, (0, 205, 215), 1.0),
        )
    ]
    slow = np.repeat(grey[..., np.newaxis], 3, axis=-1)
    for mask, colour, opacity in layers:
        slow[mask] = (1 - opacity) * slow[mask] + opacity * np.array(colour, dtype=np.float32)
    np.testing.assert_array_equal(painted(grey, layers), slow.astype(np.uint8))


def test_grey_values_are_those_interpolated_row_by_row_in_double_precision(result):
    view = View.of(result)
    tiles = grey_tiles(view, result.stir.data, [0, 2], 3.0)
    window = view.crop(result.stir.data)[[0, 2]].astype(np.float32)
    low, high = np.percentile(window, [1.0, 99.7])
    expected = np.clip((window.astype(np.float64) - low) / (high - low), 0, 1)
    for axis in (1, 2):
        old, new = expected.shape[axis], tiles.shape[axis]
        at = np.clip((np.arange(new) + 0.5) * old / new - 0.5, 0, old - 1)
        expected = np.apply_along_axis(lambda line, at=at, old=old: np.interp(at, np.arange(old), line), axis, expected)
    assert tiles.dtype == np.float32
    np.testing.assert_allclose(tiles, 255 * expected, atol=1e-3)  # of 255: single precision


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
    depth = depth_of(result, View.of(result))
    assert depth[8, 9] == 6.0  # two slices that lie 3 mm apart
    assert depth[8, 2] == 3.0
    assert depth[8, 5] == 0.0
    chart = projection_chart(result)
    picture = marks_of(chart, Picture)[0].pixels
    np.testing.assert_array_equal(picture[8, 9], HEAT[63])
    np.testing.assert_array_equal(picture[8, 2], HEAT[32])
    np.testing.assert_array_equal(picture[8, 5], [SILHOUETTE] * 3)
    assert chart.bar is not None
    assert chart.bar.high == 6.0
    assert [text.words for text in marks_of(chart, Text)] == ["R\n24 mm³", "L\n48 mm³"]
    # x = 0.5 mm is between columns 5 and 6, which meet 6 mm from the edge
    np.testing.assert_allclose([x for x, _ in marks_of(chart, Line)[0].points], [6.0, 6.0], atol=1e-9)


def test_the_heat_is_that_of_the_map_inferno():
    from matplotlib import colormaps
    from matplotlib.colors import ListedColormap

    chosen = ListedColormap(colormaps["inferno"](np.linspace(0.3, 0.97, 64)))
    np.testing.assert_array_equal(chosen(np.arange(64), bytes=True)[:, :3], HEAT)


def test_where_it_is_has_a_bar_for_each_part_and_side_from_above_to_below():
    parts = [
        {"part": "ilium", "side": "left", "sensitive_mm3": 300.0, "conservative_mm3": 150.0},
        {"part": "sacrum", "side": "right", "sensitive_mm3": 600.0, "conservative_mm3": 0.0},
        {"part": "sacrum", "side": "midline", "sensitive_mm3": 60.0, "conservative_mm3": 0.0},
    ]
    chart = where_chart(parts)
    assert [words for _, words in chart.y.ticks] == ["sacrum", "ilium"]
    assert {text.words: text.at[0] for text in marks_of(chart, Text)} == {"600": 0, "60": 1, "300": 2}
    widths = [round(bar.opposite[0] - bar.corner[0], 3) for bar in marks_of(chart, Bar)]
    assert widths == [0.36, 0.18, 0.72, 0.0, 0.072, 0.0]  # yellow then red of each, the widest of 600 mm3
    assert "No inflammation" in marks_of(where_chart([]), Text)[0].words
    # nothing of what is not there
    red = (pixels_of(chart.png(58, 46, 220)) == (226, 35, 26)).all(axis=-1)
    assert red[:, 300:].any()
    assert not red[:, :280].any()


def test_the_histogram_holds_every_voxel_of_normal_bone_and_both_thresholds(result):
    chart = normal_bone_histogram(result)
    *voxels, quartiles = marks_of(chart, Bar)
    assert sum(bar.opposite[1] for bar in voxels) == 45
    assert (quartiles.corner[0], quartiles.opposite[0]) == (result.thresholds.q1, result.thresholds.q3)
    assert [line.points[0][0] for line in marks_of(chart, Line)] == [pytest.approx(7.0), 7.5]


def test_the_stability_plot_shows_vhi_at_five_thresholds_and_without_each_slice(result):
    changed, left_out = marks_of(stability_chart(result), Dots)
    np.testing.assert_allclose([y for _, y in changed.points], [72.0, 72.0, 72.0, 24.0, 24.0])
    np.testing.assert_allclose([y for _, y in left_out.points], [72.0, 72.0, 72.0])


def test_a_mosaic_that_stands_alone_keeps_its_pixels(result):
    picture = pixels_of(png_file(mosaic_picture(result, [1], columns=1, pixels_per_mm=10.0)))
    tile = mosaic_tiles(result, [1], 10.0)[0].astype(int)
    assert picture.shape[1] == tile.shape[1]
    # the lower right of the slice, away from its number and letters
    np.testing.assert_array_equal(picture[150:195, 70:110], tile[150:195, 70:110])


def test_files_are_the_same_for_the_same_result():
    def files() -> tuple[bytes, bytes]:
        return jpeg_file(mosaic_picture(handmade())), stability_chart(handmade()).png(58, 46, 100)

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
