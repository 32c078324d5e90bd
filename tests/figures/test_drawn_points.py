"""The numbers beside a figure are those that it draws."""

import numpy as np

from lib.figures.canvas import new_chart
from lib.figures.cohort_overlap import Box, BoxPanel, boxes_figure
from lib.figures.drawn_points import COLUMNS, drawn_points


def rows_of(figure, kind):
    return [dict(zip(COLUMNS, row, strict=True)) for row in drawn_points(figure) if row[2] == kind]


def test_every_point_of_a_boxplot_stands_under_the_name_of_its_box():
    figure = boxes_figure([BoxPanel("manual", (Box("R1", (0.5, 0.25)), Box("R2", (0.75, float("nan")))))])
    points = [(row["x_group"].split()[0], row["y"]) for row in rows_of(figure, "point")]
    assert sorted(points) == [("R1", 0.25), ("R1", 0.5), ("R2", 0.75)]
    assert {row["y_axis"] for row in rows_of(figure, "point")} == {"Dice"}


def test_a_line_over_the_whole_panel_is_no_data():
    figure = new_chart(60, 40)
    ax = figure.subplots()
    ax.plot([1, 2], [10.0, 20.0])
    ax.axhline(15)
    ax.imshow(np.zeros((2, 2)))
    assert [(row["x"], row["y"]) for row in rows_of(figure, "line")] == [(1.0, 10.0), (2.0, 20.0)]
    assert rows_of(figure, "point") == []
