"""The change since the earlier visit, by hand."""

from __future__ import annotations

import math

import pytest

from lib.core.change import READER_FACTOR, Change, LesionFate, doubts_about

PLACE = (0.0, 0.0, 0.0)


def test_the_factor_of_readers_is_that_of_their_limits_of_agreement():
    assert pytest.approx(math.exp(math.log(1.79 / 0.77) / 2), abs=0.006) == READER_FACTOR


@pytest.mark.parametrize(("now", "exceeds"), [(1500.0, False), (1530.0, True), (670.0, False), (650.0, True)])
def test_a_change_counts_that_exceeds_what_readers_differ_by(now, exceeds):
    change = Change(1000.0, now, "VHI (cleaned by anna)", "")
    assert change.exceeds_reader_variation is exceeds
    assert change.factor == pytest.approx(now / 1000.0)
    assert change.smallest_change_mm3 == pytest.approx((342.1, 520.0), abs=0.1)


@pytest.mark.parametrize("volumes", [(0.0, 500.0), (500.0, 0.0), (0.0, 0.0)])
def test_from_and_to_nothing_there_is_no_factor(volumes):
    change = Change(*volumes, "VHI", "")
    assert (change.factor, change.exceeds_reader_variation) == (None, None)


def test_what_may_not_be_compared_is_not_said_to_have_changed():
    assert Change(100.0, 900.0, "Uncleaned volume", "", ("x",)).exceeds_reader_variation is None


@pytest.mark.parametrize(
    ("earlier", "now", "words"),
    [
        ("cleaned", "cleaned", ()),
        ("raw", "cleaned", ("the earlier number is Uncleaned volume, this one VHI",)),
    ],
)
def test_numbers_of_different_kinds_are_doubted(earlier, now, words):
    assert doubts_about(earlier, now) == words


def test_two_uncleaned_numbers_are_doubted():
    (doubt,) = doubts_about("raw", "raw")
    assert "no reader has cleaned either of them" in doubt


@pytest.mark.parametrize(
    ("earlier", "now", "fate"),
    [
        (((1,), 100.0), ((2,), 126.0), "grown"),
        (((1,), 100.0), ((2,), 124.0), "unchanged"),
        (((1,), 126.0), ((2,), 100.0), "shrunk"),
        (((1,), 100.0), ((), 0.0), "resolved"),
        (((), 0.0), ((1,), 100.0), "new"),
    ],
)
def test_a_lesion_is_told_by_both_visits(earlier, now, fate):
    assert LesionFate(earlier[0], now[0], earlier[1], now[1], PLACE).fate == fate


def test_lesions_are_counted_by_what_became_of_them():
    lesions = (LesionFate((1,), (), 10.0, 0.0, PLACE), LesionFate((), (1,), 0.0, 9.0, PLACE))
    counts = Change(10.0, 9.0, "VHI", "", (), lesions).counts
    assert counts == {"new": 1, "grown": 0, "unchanged": 0, "shrunk": 0, "resolved": 1}
