"""Names of segments to values of one flattened map, as 3D Slicer saves them."""

import numpy as np
import pytest

from lib.datastores.slicer_segments import segments_of
from lib.errors import RequestError


def saved(*values: int) -> np.ndarray:
    return np.array([[[0, *values]]], np.uint8)


def info(*names: str) -> list[dict]:
    return [{"name": name, "idx": n} for n, name in enumerate(names, start=1)]


def test_values_follow_the_order_of_the_names():
    assert segments_of(info("disease region", "normal bone"), saved(1, 2)) == (("disease region", 1), ("normal bone", 2))


def test_a_segment_without_voxels_keeps_its_place():
    assert segments_of(info("a", "b", "c"), saved(1, 3)) == (("a", 1), ("b", 2), ("c", 3))


def test_a_gap_in_idx_left_by_a_scribble_does_not_move_the_names():
    # the first segment was a scribble, which Slicer counts and does not export
    segments = segments_of([{"name": "a", "idx": 2}, {"name": "b", "idx": 3}], saved(1, 2))
    assert segments == (("a", 1), ("b", 2))


def test_idx_counts_where_the_order_cannot_be_right():
    assert segments_of([{"name": "inflammation", "idx": 3}], saved(3)) == (("inflammation", 3),)


def test_an_empty_map_is_no_inflammation_and_not_an_error():
    assert segments_of(info("inflammation"), np.zeros((2, 2, 1), np.uint8)) == (("inflammation", 1),)


@pytest.mark.parametrize(
    ("label_info", "values", "sentence"),
    [
        (None, (1,), "names of the segments are missing"),
        ([], (1,), "names of the segments are missing"),
        ("inflammation", (1,), "names of the segments are missing"),
        ([{"idx": 1}], (1,), "Every segment needs a name"),
        ([{"name": " "}], (1,), "Every segment needs a name"),
        ([{"name": {"a": 1}}], (1,), "Every segment needs a name"),
        (["inflammation"], (1,), "Every segment needs a name"),
        (info("a", "b", "a"), (1,), "Two segments are called 'a'"),
        (info("a"), (1, 2), r"values 1, 2, but 1 segments are named \(a\)"),
        ([{"name": "a", "idx": "7"}], (2,), "values 2, but 1 segments"),
        ([{"name": "a", "idx": {"2": 2}}], (2,), "values 2, but 1 segments"),
        ([{"name": "a", "idx": 2}, {"name": "b", "idx": 2}], (2, 3), "values 2, 3, but 2 segments"),
    ],
)
def test_what_cannot_be_told_apart_is_refused(label_info, values, sentence):
    with pytest.raises(RequestError, match=sentence):
        segments_of(label_info, saved(*values))
