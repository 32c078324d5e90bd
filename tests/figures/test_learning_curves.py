"""The lines of the learning curves, at places known by hand."""

import numpy as np
import pytest

from lib.figures.canvas import png_bytes, svg_bytes
from lib.figures.learning_curves import LearningCurve, learning_curves_figure

CURVE = LearningCurve(
    epoch=np.array([1.0, 2.0, 3.0]),
    loss=np.array([0.9, 0.5, 0.3]),
    soft_dice=np.array([0.7, 0.8, 0.9]),
    validation_loss=np.array([0.8, np.nan, 0.4]),
    validation_dice=np.array([0.75, np.nan, 0.85]),
    cpu_minutes=np.array([1.0, 2.0, 3.0]),
    validation_slice_dice=np.array([0.74, np.nan, 0.84]),
)


def lines(ax) -> list[list[tuple[float, float]]]:
    return [[(float(x), float(y)) for x, y in line.get_xydata()] for line in ax.get_lines()]


def test_every_fold_has_a_column_with_loss_and_dice_against_epoch_and_dice_against_cpu_time():
    figure = learning_curves_figure({"fold0": [CURVE], "all scans": [CURVE, CURVE]}, goal=0.8)
    loss, other_loss, dice, _, cpu, _ = figure.axes
    assert (loss.get_title(loc="left"), other_loss.get_title(loc="left")) == ("fold0", "all scans")
    assert lines(loss) == [[(1.0, 0.9), (2.0, 0.5), (3.0, 0.3)], [(1.0, 0.8), (3.0, 0.4)]]
    assert lines(dice) == [[(1.0, 0.7), (2.0, 0.8), (3.0, 0.9)], [(1.0, 0.75), (3.0, 0.85)]]
    assert lines(cpu)[0] == [(1.0, 0.74), (3.0, 0.84)]
    assert len(lines(other_loss)) == 4
    assert (loss.get_xlabel(), loss.get_ylabel(), dice.get_ylabel()) == ("epoch", "loss", "soft Dice")
    assert cpu.get_xlabel() == "CPU minutes of one network"


@pytest.mark.slow
def test_both_forms_are_the_same_bytes_each_time():
    first, second = (learning_curves_figure({"fold0": [CURVE]}) for _ in range(2))
    assert svg_bytes(first) == svg_bytes(second)
    assert png_bytes(first, 60) == png_bytes(second, 60)
