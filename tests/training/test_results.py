"""Results of the folds, by hand."""

from math import nan
from pathlib import Path

import pytest

from lib.nets.fit import Progress
from lib.studies.labelled import LabelledCase
from lib.training.results import dice_against_cpu, summary

CASES = [LabelledCase("1", Path("1")), LabelledCase("2", Path("2")), LabelledCase("3", Path("3"))]
MEASURED = {
    "1": {"fold": "fold0", "slice_dice": [0.9, None, 0.8], "member_slice_dice": [[0.9, None, 0.7], [0.8, 0.0, 0.8]]},
    "2": {"fold": "fold1", "slice_dice": [1.0, 0.5, 0.6], "member_slice_dice": [[1.0, 0.4, 0.6], [1.0, 0.6, 0.6]]},
}


def test_a_summary_counts_slices_not_scans():
    summarised = summary("what", MEASURED, CASES)
    assert summarised is not None
    assert (summarised["slices"], summarised["mean_slice_dice"], summarised["lowest_slice_dice"]) == (5, 0.76, 0.5)
    # members: (0.9 + 0.7 + 1 + 0.4 + 0.6) / 5, and with the slice that it alone marked (0.8 + 0 + 0.8 + 1 + 0.6 + 0.6) / 6
    assert summarised["member_mean_slice_dice"] == [0.72, 0.6333]
    assert summarised["seed_spread"] == pytest.approx(0.0867)
    assert list(summarised["cases"]) == ["1", "2"]
    one, two = summarised["cases"]["1"], summarised["cases"]["2"]
    assert (one["fold"], one["slices"], one["mean_slice_dice"], one["lowest_slice"]) == ("fold0", 2, 0.85, 3)
    assert (two["fold"], two["slices"], two["mean_slice_dice"], two["lowest_slice"]) == ("fold1", 3, 0.7, 2)
    assert two["slice_dice"] == [1.0, 0.5, 0.6]


def test_nothing_measured_has_no_summary():
    assert summary("what", MEASURED, CASES[2:]) is None


def point(step: int, dice: float, cpu_s: float) -> Progress:
    return Progress(step, 30, step / 10, 0.1, 0.9, 0.1, 0.9, dice, cpu_s, cpu_s)


def test_dice_against_cpu_is_the_mean_over_folds_weighted_by_their_subjects():
    first = [point(10, 0.90, 60), point(20, nan, 120), point(30, 0.96, 180)]
    second = [point(10, 0.84, 120), point(20, 0.93, 240), point(30, 0.90, 360)]
    curve = dice_against_cpu([(2, first), (1, second)])
    assert curve is not None
    assert [entry["step"] for entry in curve["points"]] == [10, 30], "where every network was measured"
    assert [entry["cpu_minutes"] for entry in curve["points"]] == [1.5, 4.5]
    assert [entry["mean_slice_dice"] for entry in curve["points"]] == pytest.approx([0.88, 0.94])
    assert curve["cpu_minutes_to_goal"] == 4.5
    assert curve["cpu_s_per_step"] == 9.0  # (180 / 30 + 360 / 30) / 2


def test_a_goal_that_is_not_reached_has_no_time():
    curve = dice_against_cpu([(1, [point(10, 0.93, 60)])])
    assert curve is not None
    assert curve["cpu_minutes_to_goal"] is None
    assert dice_against_cpu([]) is None
