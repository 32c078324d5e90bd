"""Gestures over lesions that are drawn by hand, to the voxel."""

from __future__ import annotations

import numpy as np
import pytest

from lib.core import gestures
from lib.core.anatomy import Anatomy
from lib.core.gestures import (
    Beyond,
    Bridge,
    Click,
    Cut,
    InPart,
    Lasso,
    LesionField,
    OnSlice,
    Several,
    Smaller,
    replay,
)
from lib.core.partition import ILIUM, JOINT_SPACE, LUMBAR, SACRUM
from lib.core.polygon import inside_polygon
from lib.core.volume import Grid
from lib.errors import InputError

GRID = Grid((8, 6, 2), np.diag([1.0, 1.0, 3.0, 1.0]))
# rows are I, columns J; lesion 1 lies in both slices, 2 in the first alone, 3 and 4 in the second
SLICES = (
    ("11....", "11....", "......", "2222..", "......", "......", "......", "......"),
    ("......", ".1....", "......", "......", "......", "33....", "......", ".....4"),
)


def labels_of(slices=SLICES):
    return np.array([[[0 if c == "." else int(c) for c in row] for row in one] for one in slices]).transpose(1, 2, 0)


@pytest.fixture
def field():
    return LesionField(labels_of(), GRID)


def kept(field, *gestures, start=None):
    """Ids that are left, as one text a slice, and the messages."""
    left = replay(field, gestures, np.ones(field.count + 1, bool) if start is None else start)
    return ["".join(str(n) for n in range(len(left.keep)) if left.keep[n, k]) for k in range(2)], left.messages


def test_without_a_gesture_everything_is_left(field):
    assert kept(field) == (["1234", "1234"], ())


def test_a_lasso_takes_lesions_with_half_of_their_voxels_of_that_slice_inside_in_all_slices(field):
    two_of_four = ((2.5, -0.5), (2.5, 1.5), (3.5, 1.5), (3.5, -0.5))
    assert kept(field, Lasso("remove", 0, two_of_four))[0] == ["134", "134"]
    one_of_four = ((2.5, -0.5), (2.5, 0.5), (3.5, 0.5), (3.5, -0.5))
    assert kept(field, Lasso("remove", 0, one_of_four)) == (["1234"] * 2, ("That gesture takes no lesion; it changed nothing.",))
    all_of_1 = ((-1, -1), (-1, 3), (2, 3), (2, -1))
    assert kept(field, Lasso("remove", 0, all_of_1))[0] == ["234", "234"]


def test_outside_a_lasso_lie_the_other_lesions_of_that_slice_alone(field):
    all_of_1 = ((-1, -1), (-1, 3), (2, 3), (2, -1))
    assert kept(field, Lasso("remove", 0, all_of_1, inside=False))[0] == ["134", "134"]
    assert kept(field, Lasso("only", 0, all_of_1))[0] == ["1", "1"]


def test_all_on_a_slice_is_whole_lesions_that_lie_there_by_half_or_what_of_any_lies_there(field):
    assert kept(field, OnSlice("remove", 0))[0] == ["34", "34"]  # four of the five voxels of 1
    assert kept(field, OnSlice("remove", 1))[0] == ["12", "12"]
    assert kept(field, OnSlice("remove", 1, parts=True))[0] == ["1234", "2"]


def test_beyond_a_line_are_lesions_of_all_slices_with_half_of_their_voxels_there(field):
    across = ((4.0, 0.0), (4.0, 5.0))  # between I = 3 and I = 5
    assert kept(field, Beyond("remove", across, (7.0, 0.0)))[0] == ["12", "12"]
    assert kept(field, Beyond("remove", across[::-1], (7.0, 0.0)))[0] == ["12", "12"]  # whichever way it was drawn
    assert kept(field, Beyond("remove", across, (0.0, 0.0)))[0] == ["34", "34"]
    through_2 = ((0.0, 1.5), (7.0, 1.5))  # two of its four voxels on either side
    assert kept(field, Beyond("remove", through_2, (0.0, 0.0)))[0] == ["4", "4"]


def test_smaller_is_by_volume_and_a_lesion_of_that_volume_stays(field):
    assert kept(field, Smaller("remove", 6.0))[0] == ["123", "123"]
    assert kept(field, Smaller("remove", 6.1))[0] == ["12", "12"]


def test_a_part_is_where_most_of_a_lesion_lies_and_a_side_where_its_centre_lies():
    labels = labels_of()
    part = np.full(labels.shape, SACRUM, np.uint8)
    part[3, :, :], part[5, :, :], part[7, :, :] = ILIUM, LUMBAR, JOINT_SPACE
    anatomy = Anatomy(None, part, np.zeros_like(part))
    field = LesionField(labels, GRID, lambda: (anatomy, 4.5))
    assert kept(field, InPart("remove", "above L5/S1"))[0] == ["124", "124"]
    assert kept(field, InPart("remove", "sacroiliac joint space"))[0] == ["123", "123"]
    assert kept(field, InPart("only", "sacrum"))[0] == ["1", "1"]
    assert kept(field, InPart("remove", side="right"))[0] == ["12", "12"]  # of the midline at x = 4.5 mm
    assert kept(field, InPart("remove", "ilium", "right")) == (
        ["1234"] * 2,
        ("That gesture takes no lesion; it changed nothing.",),
    )


def test_a_part_cannot_be_taken_where_the_anatomy_is_not_known(field):
    left, (message,) = kept(field, InPart("remove", "ilium"))
    assert left == ["1234", "1234"]
    assert "The joints were not found" in message


def test_a_side_can_be_taken_where_the_midline_alone_is_known(field):
    known = LesionField(field.labels, GRID, lambda: (None, 4.5))
    assert kept(known, InPart("remove", side="right")) == (["12", "12"], ())
    left, (message,) = kept(known, InPart("remove", "sacrum", "left"))
    assert left == ["1234", "1234"]
    assert "The joints were not found" in message
    (message,) = kept(field, InPart("remove", side="left"))[1]
    assert "The midline is not known" in message


@pytest.mark.parametrize("values", [{"area": "femur"}, {"side": "up"}, {}])
def test_a_part_that_there_is_not_is_refused(values):
    with pytest.raises(InputError, match="femur|side 'up'|needs a part"):
        InPart("remove", **values)


def test_keep_only_brings_back_what_was_removed_before(field):
    assert kept(field, Click("remove", (0, 0, 0)), Click("only", (1, 1, 1)))[0] == ["1", "1"]
    assert kept(field, Several("only", ((3, 0, 0), (7, 5, 1))))[0] == ["24", "24"]
    assert kept(field, Click("only", (0, 0, 0)), Several("restore", ((3, 0, 0),)))[0] == ["12", "12"]


def test_gestures_count_in_order_and_from_what_a_proposal_leaves(field):
    start = np.array([True, False, True, True, True])
    assert kept(field, Smaller("remove", 1e6), Click("restore", (3, 0, 0)), start=start)[0] == ["2", "2"]
    assert kept(field, Click("restore", (3, 0, 0)), Smaller("remove", 1e6), start=start)[0] == ["", ""]
    assert kept(field, Click("restore", (0, 0, 0), "slice"), start=start)[0] == ["1234", "234"]


def test_what_lies_outside_the_scan_changes_nothing_and_says_so(field):
    gestures = [OnSlice("remove", 2), Click("remove", (8, 0, 0)), Cut(0, ((7, 0), (7, 5)))]
    left, messages = kept(field, *gestures)
    assert left == ["1234", "1234"]
    assert [one.split(";")[0] for one in messages] == [
        "Slice 2 is none of the scan's 2 slices, which count from 0.",
        "The click at voxel (8, 0, 0) lies outside the scan's grid of 8 x 6 x 2 voxels",
        "That stroke on slice 0 crosses no lesion",
    ]


DUMBBELL = ["....", "111.", "111.", "111.", ".1..", ".1..", "1111", "1111", "1111", "1111", "...."]


def dumbbell():
    rows = np.array([[0 if c == "." else 1 for c in row] for row in DUMBBELL])
    return LesionField(np.repeat(rows[:, :, np.newaxis], 3, axis=2), Grid((11, 4, 3), np.eye(4)))


def test_a_lesion_is_split_at_its_bridge_and_the_smaller_piece_can_go():
    field = dumbbell()
    left = replay(field, [Bridge((2, 1, 1)), Click("remove", (2, 1, 1))], np.ones(2, bool))
    gone = (field.labels > 0) & ~left.keep[left.labels, np.arange(3)]
    assert gone[1:4, 0:3].all()
    assert not gone[6:].any()
    assert left.parent.tolist() == [0, 1, 1]
    assert not left.messages
    again = replay(field, [Bridge((2, 1, 1)), Click("remove", (8, 1, 1))], np.ones(2, bool))
    np.testing.assert_array_equal(again.labels, left.labels)  # whatever is done with the pieces
    assert again.keep[again.labels, np.arange(3)][1:4, 0:3].all()


def test_a_lesion_without_a_bridge_is_not_split(field):
    left, (message,) = kept(field, Bridge((3, 0, 0)))
    assert left == ["1234", "1234"]
    assert "no bridge" in message


def test_a_stroke_cuts_through_all_slices_and_its_own_voxels_go_to_the_nearest_piece():
    field = dumbbell()
    left = replay(field, [Cut(0, ((4.2, -1), (4.2, 5))), Click("remove", (2, 1, 2))], np.ones(2, bool))
    gone = (field.labels > 0) & ~left.keep[left.labels, np.arange(3)]
    expected = np.zeros_like(gone)
    expected[:5] = field.labels[:5] > 0
    np.testing.assert_array_equal(gone, expected)
    (message,) = replay(field, [Cut(0, ((7, -1), (7, 1)))], np.ones(2, bool)).messages
    assert "hangs together as before" in message


def test_inside_a_polygon_is_by_the_even_odd_rule_whichever_way_it_runs():
    points = np.array([(i, j) for i in range(6) for j in range(6)], float)
    square = ((0.5, 0.5), (0.5, 4.5), (4.5, 4.5), (4.5, 0.5))
    expected = [(1 <= i <= 4) and (1 <= j <= 4) for i, j in points]
    assert inside_polygon(points, square).tolist() == expected
    assert inside_polygon(points, square[::-1]).tolist() == expected
    bow = ((0.5, 0.4), (4.5, 4.4), (4.5, 0.4), (0.5, 4.4))  # crosses itself in the middle
    assert points[inside_polygon(points, bow)].tolist() == [[1, 1], [1, 2], [1, 3], [2, 2], [3, 2], [4, 1], [4, 2], [4, 3]]
    touching = ((0, 0), (0, 2), (2, 2), (2, 0)), ((0, 2), (0, 4), (2, 4), (2, 2))
    assert not (inside_polygon(points, touching[0]) & inside_polygon(points, touching[1])).any()


def test_a_split_looks_at_the_box_of_its_lesion_alone_and_finds_the_same_pieces(monkeypatch):
    small = dumbbell()
    labels = np.zeros((60, 50, 9), int)
    labels[40:51, 30:34, 4:7] = small.labels
    field, seen = LesionField(labels, Grid(labels.shape, np.eye(4))), []
    for name in ("split_at_bridge", "split_along"):
        split = getattr(gestures, name)
        monkeypatch.setattr(gestures, name, lambda lesion, *more, split=split: seen.append(lesion.shape) or split(lesion, *more))
    for there, here in (
        (Bridge((42, 31, 5)), Bridge((2, 1, 1))),
        (Cut(4, ((44.2, 29), (44.2, 35))), Cut(0, ((4.2, -1), (4.2, 5)))),
    ):
        left, alone = (replay(one, [gesture], np.ones(2, bool)) for one, gesture in ((field, there), (small, here)))
        np.testing.assert_array_equal(left.labels[40:51, 30:34, 4:7], alone.labels)
        assert np.count_nonzero(left.labels) == np.count_nonzero(small.labels)
    assert set(seen) == {(9, 4, 3)}
