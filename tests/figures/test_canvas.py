"""Files of figures: drawn once, and what matplotlib writes that draws them twice."""

from __future__ import annotations

import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from lib.figures.canvas import new_chart, png_bytes, svg_bytes


def filled(figure: Figure) -> Figure:
    """Two panels whose labels need room of different widths, with a title, a legend and ticks of four digits."""
    left, right = figure.subplots(1, 2)
    left.plot([0, 1, 2], [0, 1000, 2000], label="VHI")
    left.set(xlabel="visit", ylabel="volume (mm³)\nof both sides", title="Change")
    left.legend()
    right.imshow(np.arange(12).reshape(3, 4))
    right.set_xlabel("one\ntwo\nthree")
    return figure


def plain(width_mm: float, height_mm: float) -> Figure:
    figure = Figure(figsize=(width_mm / 25.4, height_mm / 25.4), facecolor="white", layout="constrained")
    FigureCanvasAgg(figure)
    return figure


@pytest.mark.parametrize("in_form", [svg_bytes, lambda figure: png_bytes(figure, 200)], ids=["svg", "png"])
def test_a_file_is_the_one_of_a_figure_that_is_drawn_twice(in_form):
    figure, twice = filled(new_chart(120, 60)), filled(plain(120, 60))
    for _ in range(2):  # one after the other, as a report writes both forms of one figure
        assert in_form(figure) == in_form(twice)


def test_the_axes_of_a_figure_are_drawn_once_for_a_file(monkeypatch):
    figure = filled(new_chart(120, 60))
    draws = []
    monkeypatch.setattr(figure.axes[0].patch, "draw", lambda renderer: draws.append(renderer))
    png_bytes(figure, 100)
    assert len(draws) == 1
