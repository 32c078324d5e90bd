"""Figures of a cohort draw what they are given, in both formats."""

import io
import xml.etree.ElementTree as ElementTree
from dataclasses import replace

import numpy as np
import pytest
from matplotlib.figure import Figure

from lib.cohort.agreement import bland_altman
from lib.cohort.assumptions import LimitsByMean, check_assumptions
from lib.cohort.regression import linear_regression
from lib.cohort.responsiveness import roc
from lib.core.volume import Grid, Mask, Volume
from lib.figures.canvas import png_bytes, svg_bytes
from lib.figures.cohort_agreement import AgreementPanel, agreement_figure, draw_bland_altman
from lib.figures.cohort_overlap import Box, BoxPanel, boxes_figure, draw_boxes
from lib.figures.cohort_response import SpaghettiPanel, draw_spaghetti, spaghetti_figure
from lib.figures.cohort_scatter import ScatterPanel, draw_regression, scatter_figure
from lib.figures.cohort_sensitivity import RocPanel, draw_roc
from lib.figures.cohort_slices import before_after_figure, disagreement_codes, disagreement_figure
from lib.figures.cohort_style import DIRECTION_INK, VISIT_INK, literal_text, spread

pytestmark = pytest.mark.slow  # seconds in all

RNG = np.random.default_rng(5)
A, B = RNG.lognormal(6, 1, 12), RNG.lognormal(6, 1, 12)
VISITS = ("baseline", "follow_up") * 6


def axes():
    return Figure().subplots()


def points_of(ax) -> int:
    return sum(len(one.get_offsets()) for one in ax.collections if hasattr(one, "get_offsets") and one.get_offsets().size)


def panel(a=A, b=B) -> AgreementPanel:
    limits = bland_altman(a, b)
    return AgreementPanel("VHI", "mm³", a, b, VISITS[: len(a)], limits, 500.0)


def check_both_formats(figure: Figure) -> None:
    png = png_bytes(figure, 60)
    assert png.startswith(b"\x89PNG")
    root = ElementTree.parse(io.BytesIO(svg_bytes(figure))).getroot()
    assert root.tag.endswith("svg")


def test_every_value_is_a_point_and_a_missing_one_is_counted():
    ax = draw_boxes([Box("1/1\n2/1", (0.2, 0.5, float("nan"), 0.9)), Box("none", (float("nan"),))], axes())
    assert points_of(ax) == 3
    assert [tick.get_text() for tick in ax.get_xticklabels()] == ["1/1\n2/1\nn = 3\n1 n/a", "none\nn = 0\n1 n/a"]
    check_both_formats(
        boxes_figure([BoxPanel("within\nmanual", (Box("1", (0.1, 0.2), "manual"),)), BoxPanel("b", (Box("2", ()),))])
    )


def test_a_bland_altman_plot_shows_bias_and_limits_where_they_are():
    one = panel()
    ax = draw_bland_altman(one, axes())
    heights = {round(float(line.get_ydata()[0]), 6) for line in ax.lines}
    assert {round(x.value, 6) for x in (one.limits.bias, one.limits.lower, one.limits.upper)} <= heights
    assert points_of(ax) == 12
    check_both_formats(agreement_figure([one], ("a", "b")))


def test_points_carry_the_colour_of_their_visit():
    ax = draw_bland_altman(panel(), axes())
    assert {len(one.get_offsets()) for one in ax.collections if len(one.get_offsets())} == {6}
    assert set(VISIT_INK) == {"baseline", "follow_up"}


def test_two_few_readings_say_so_instead_of_an_empty_plot():
    ax = draw_bland_altman(panel(A[:1], B[:1]), axes())
    assert "at least 2 complete pairs" in ax.texts[0].get_text()


def test_the_line_of_a_regression_is_the_fitted_one():
    fit = linear_regression(A, 2 * A + 1)
    ax = draw_regression(ScatterPanel("raw", "x", "y", fit, VISITS), axes())
    x, y = ax.lines[0].get_data()
    np.testing.assert_allclose(y, 2 * np.asarray(x) + 1)
    assert draw_regression(ScatterPanel("raw", "x", "y", linear_regression([], [])), axes()).texts
    check_both_formats(scatter_figure([ScatterPanel("raw", "x", "y", fit, VISITS, 300.0)]))
    check_both_formats(scatter_figure([ScatterPanel("cut", "x", "y", fit, limits=(0, 1, 0, 1), through_zero=True)]))


def test_a_subject_is_a_line_in_the_colour_of_its_direction():
    one = SpaghettiPanel("all", "VHI", A[:3], B[:3], ("improved", "worsened", "unchanged"), (0.0, 2000.0))
    ax = draw_spaghetti(one, axes())
    assert [line.get_color() for line in ax.lines] == list(DIRECTION_INK.values())
    np.testing.assert_allclose(ax.lines[1].get_ydata(), [A[1], B[1]])
    empty = SpaghettiPanel("none", "VHI", A[:0], B[:0], (), (0.0, 1.0))
    assert draw_spaghetti(empty, axes()).texts
    check_both_formats(spaghetti_figure([[one, empty]]))


GRID = Grid((20, 24, 4), np.array([[-1.0, 0, 0, 10], [0, 0, 2.0, 0], [0, 1.0, 0, 0], [0, 0, 0, 1.0]]))


def box(low: int, high: int) -> Mask:
    data = np.zeros(GRID.shape, dtype=bool)
    data[low:high, 5:9, 1:3] = True
    return Mask(data, GRID, "m")


def test_voxels_are_coded_by_who_marked_them():
    codes = disagreement_codes(box(2, 6), box(4, 8))
    assert [int(codes[i, 6, 1]) for i in (1, 2, 5, 7, 8)] == [0, 2, 1, 3, 0]
    assert codes[5, 6, 0] == 0


def test_pictures_of_readers_and_of_visits_are_drawn():
    stir = Volume(RNG.uniform(0, 100, GRID.shape), GRID, "STIR")
    figure = disagreement_figure(stir, box(2, 6), box(4, 8), ("a", "b$x$"), [1, 2])
    assert len(figure.axes) == 6
    # printed from 1, as a reader counts
    assert [ax.texts[0].get_text() for ax in figure.axes[::3]] == ["2", "3"]
    check_both_formats(figure)
    codes = {"baseline": box(2, 6).data * 1, "follow_up": box(4, 8).data * 3}
    check_both_formats(before_after_figure({"baseline": stir, "follow_up": stir}, codes, [1]))


@pytest.mark.parametrize("name", ["$\\frac{", "a$b", "$x$", "100%", "<b>", "_^{"])
def test_a_hostile_name_is_drawn_as_it_is(name):
    ax = axes()
    ax.set_title(literal_text(name))
    check_both_formats(ax.figure)


def test_dots_of_one_height_lie_apart_and_within_the_box():
    offsets = spread([0.5] * 40)
    assert len(set(offsets)) == 40
    assert np.abs(offsets).max() <= 0.32 + 1e-9
    assert spread([]).size == 0


def test_limits_that_follow_the_mean_are_drawn_where_they_lie():
    first = np.array([100.0, 210, 290, 450, 480, 700, 640, 950])
    second = np.array([101.0, 204, 305, 420, 530, 630, 740, 820])
    limits = bland_altman(first, second)
    lines = LimitsByMean(1.0, 0.05, 2.0, 0.1, 1.96)
    assumptions = replace(check_assumptions(limits), by_mean=lines)
    shown = AgreementPanel("VHI", "mm³", first, second, ("baseline",) * 8, limits, None, assumptions, "P: normal 0.50")
    ax = draw_bland_altman(shown, axes())
    drawn = [line for line in ax.lines if len(line.get_xdata()) == 101]
    ends = [float(np.min(limits.means)), float(np.max(limits.means))]
    for line, expected in zip(drawn, lines.at(ends), strict=True):
        np.testing.assert_allclose(np.asarray(line.get_ydata())[[0, -1]], expected)
    assert "P: normal 0.50" in [text.get_text() for text in ax.texts]


def test_a_curve_runs_from_nobody_to_everybody_and_a_panel_without_one_says_why():
    curve = roc([3, 2, 1, 0], [1, 0, 1, 0])
    ax = draw_roc(RocPanel("BASDAI50", {"VHI": curve}, {"VHI": "VHI, area 0.75"}), axes())
    line = next(one for one in ax.lines if one.get_label() == "VHI, area 0.75")
    assert [float(line.get_ydata()[n]) for n in (0, -1)] == [0.0, 1.0]
    assert curve.auc.value == 0.75
    none = roc([1.0], [1])
    assert none.note in draw_roc(RocPanel("BASDAI50", {"VHI": none}, {"VHI": ""}), axes()).texts[0].get_text()
