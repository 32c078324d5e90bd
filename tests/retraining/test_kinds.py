"""When labels that contradict the networks are right, worked out by hand."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

import pytest

from lib.core.protocol import STUDY, Protocol
from lib.retraining.entries import Entry
from lib.retraining.kinds import kind_of, other_scanners, outliers
from lib.retraining.placement import Placement
from lib.retraining.quarantine import Check

OTHER = Protocol(0.91, 5.2, 350.0, 0.0)
RIGHT = Placement(shift=(0.0, 0.5), flat=0.65, flipped=(0.7, 0.4, 0.4), next_slice=0.8)
UNLIKE = Check(("Its Dice is low.",), dice=0.5, placement=RIGHT, share_found=0.6)
USUAL = Check((), dice=0.92, share_found=0.95)


def entry(n, protocol=OTHER, **more):
    return Entry(
        f"case-{n}", "0001-anna", "anna", "", f"label-{n}", None, "train", False, 9, protocol.as_dict(), f"patient-{n}", **more
    )


def passed(checks, entries=None):
    """The numbers of the labels that pass."""
    entries = entries or [entry(n) for n in range(len(checks))]
    judged = other_scanners(entries, {one.key: check for one, check in zip(entries, checks, strict=True)})
    return [n for n, one in enumerate(entries) if not judged[one.key].reasons]


def test_three_labels_of_another_scanner_that_contradict_the_networks_alike_are_believed():
    assert passed([UNLIKE] * 3) == [0, 1, 2]


def test_two_are_not_nor_three_visits_of_two_patients():
    assert passed([UNLIKE] * 2) == []
    visits = [entry(0), entry(1), replace(entry(2), patient="patient-1")]
    assert passed([UNLIKE] * 3, visits) == []


def test_where_the_networks_are_right_on_most_such_scans_the_others_wait():
    assert passed([USUAL, USUAL, UNLIKE, UNLIKE, UNLIKE]) == [0, 1]
    assert passed([USUAL, UNLIKE, UNLIKE, UNLIKE]) == [0, 1, 2, 3]


def test_scans_like_the_studys_become_no_kind_of_their_own():
    assert passed([UNLIKE] * 3, [entry(n, STUDY) for n in range(3)]) == []


def test_labels_that_the_networks_agreed_with_before_count_against_the_new_ones():
    """Three of five contradict the networks, which is less than two thirds; then three of four."""
    entries = [entry(n) for n in range(5)]
    for there, right in ((5, []), (4, [0, 1, 2])):
        judged = other_scanners(entries[:there], {one.key: UNLIKE for one in entries[:3]})
        assert [n for n in range(3) if not judged[entries[n].key].reasons] == right


def test_a_scan_like_the_studys_is_of_no_kind_though_it_is_like_one_too():
    """Slices 3.3 mm apart in the study, 3.96 mm in the kind, 3.6 mm here: each step is within 15 per cent, both are not."""
    kind, between = replace(STUDY, slice_mm=3.96), replace(STUDY, slice_mm=3.6)
    manifest = SimpleNamespace(kinds=[{"name": "kind1", "protocol": kind.as_dict()}])
    assert kind_of(manifest, entry(0, kind)) == "kind1"
    assert kind_of(manifest, entry(1, between)) is None
    entries = [entry(0, kind), entry(1, kind), entry(2, kind), entry(3, between)]
    assert passed([UNLIKE] * 4, entries) == [0, 1, 2]


def test_labels_of_different_protocols_do_not_speak_for_each_other():
    entries = [entry(0), entry(1), entry(2, replace(OTHER, slice_mm=3.0))]
    assert passed([UNLIKE] * 3, entries) == []


@pytest.mark.parametrize(
    "odd",
    [
        replace(UNLIKE, share_found=0.1),
        replace(UNLIKE, placement=replace(RIGHT, shift=(0.0, -1.0))),
        replace(UNLIKE, misplaced=True),
    ],
    ids=["in another way", "elsewhere than the others", "wrong on its image"],
)
def test_a_label_that_is_unlike_the_others_of_its_kind_stays_set_aside(odd):
    assert passed([UNLIKE, UNLIKE, UNLIKE, odd]) == [0, 1, 2]


def test_a_case_on_which_readers_contradict_each_other_speaks_for_nothing():
    entries = [entry(0), entry(1), entry(2, disagreement={"ben": 0.7})]
    assert passed([UNLIKE] * 3, entries) == []


def test_a_label_that_networks_of_the_others_do_not_confirm_is_an_outlier():
    assert outliers({"a": 0.7, "b": 0.72, "c": 0.5, "d": 0.68}) == ["c"]
