"""Reasons in words: what the lesion's numbers bear out, and of that what moved the answer most."""

import numpy as np
import pytest

from lib.cleaning.features import FEATURES
from lib.cleaning.reasons import NO_REMOVE, reasons_of

NAMES = list(FEATURES)
# a lesion far from every cause
PLAIN = {
    "elongation": 1.2, "thickness": 3.0, "slices": 2.0, "solidity": 0.5, "joint": 3.5, "joint_nearest": 2.0, "brightness": 2.0,
    "midline": 50.0, "depth_nearest": 5.0, "front": 0.5, "contrast": 3.0, "t1w": 0.6, "size": 2.5,
}  # fmt: skip


def row(values):
    return np.array([[values.get(name, 0.0) for name in NAMES]])


def reason(keep, moved, **numbers):
    return reasons_of(row({**PLAIN, **numbers}), row(moved), np.array([keep]))[0]


@pytest.mark.parametrize(
    ("words", "numbers", "moved"),
    [
        ("vessel-like", {"elongation": 3.0, "thickness": 1.2}, {"elongation": -0.1}),
        ("joint space", {"joint": 0.8, "joint_nearest": 0.0}, {"joint_nearest": -0.1}),
        ("above the L4/5 disc", {"level": 2.0}, {"level": -0.1}),
        ("foramen", {"outside": 2.0, "depth_nearest": 0.6, "midline": 25.0, "joint": 20.0}, {"outside": -0.1}),
        ("outside subchondral bone", {"joint_nearest": 9.0}, {"joint": -0.1}),
        ("artefact-like", {"slices": 1.0, "front": 1.6}, {"front": -0.1}),
        ("faint and diffuse", {"brightness": 1.1}, {"peak": -0.1}),
    ],
)
def test_a_removed_lesion_has_the_reason_that_its_numbers_bear_out(words, numbers, moved):
    assert reason(False, moved, **numbers) == words


def test_a_cause_that_the_numbers_do_not_bear_out_is_not_named():
    assert reason(False, {"elongation": -0.5}) == NO_REMOVE


def test_what_the_method_leaves_out_says_so_whatever_the_forest_says():
    rows = np.repeat(row(PLAIN), 2, axis=0)
    moved = np.repeat(row({"peak": 0.4}), 2, axis=0)
    reasons = reasons_of(rows, moved, np.array([False, False]), np.array([True, False]))
    assert reasons == ("above the L4/5 disc", NO_REMOVE)


def test_of_two_causes_the_one_that_moved_more_is_named():
    both = {"elongation": 3.0, "thickness": 1.2, "level": 2.0}
    assert reason(False, {"elongation": -0.1, "level": -0.2}, **both) == "above the L4/5 disc"
    assert reason(False, {"elongation": -0.3, "level": -0.2}, **both) == "vessel-like"


def test_a_kept_lesion_has_a_reason_to_be_kept():
    assert reason(True, {"joint": 0.2}) == "beside the joint"
    assert reason(True, {"contrast": 0.2}) == "bright against the marrow"
