"""Where a region lies on its image, by the edges alone."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from lib.retraining.placement import placement_of
from lib.retraining.quarantine import doubts_of

pytestmark = pytest.mark.slow  # seconds in all


@pytest.fixture(scope="module")
def study(phantoms):
    return phantoms[4]


def region(study, change):
    return replace(study.disease_region, data=change(study.disease_region.data))


def test_a_right_region_lies_on_the_edges_of_its_image(study):
    placement = placement_of(study.disease_region, study.t1w)
    assert max(map(abs, placement.shift)) <= 1.25
    assert placement.flat < 0.8
    assert max(placement.flipped) < 1
    assert placement.next_slice < 1


@pytest.mark.parametrize(("axis", "by"), [(0, 2), (0, -2), (1, 2), (1, -2)])
def test_a_moved_region_lies_as_much_further_from_the_edges_as_it_was_moved(study, axis, by):
    before = placement_of(study.disease_region, study.t1w).shift
    placement = placement_of(region(study, lambda data: np.roll(data, by, axis)), study.t1w).shift
    assert placement[axis] - before[axis] == pytest.approx(by, abs=0.75)


def test_a_region_one_slice_off_fits_better_one_slice_on(study):
    assert placement_of(region(study, lambda data: np.roll(data, 1, 2)), study.t1w).next_slice > 1


@pytest.mark.parametrize("known", [True, False], ids=["networks right", "networks unknown"])
@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda data: np.flip(data, 1), "upside down"),
        (lambda data: np.flip(data, 0), "left and right exchanged"),
        (lambda data: np.flip(data, 2), "slices in reverse order"),
        (lambda data: np.roll(data, 2, 0), r"shifted by \(2"),
        (np.zeros_like, "empty"),
    ],
)
def test_a_reader_is_told_in_words_what_seems_wrong_with_a_region(study, change, words, known):
    drawn = region(study, change)
    doubts = doubts_of(study.t1w, drawn, study.disease_region if known else None)
    assert len(doubts) >= 1
    assert all(one.startswith("The disease region may be wrong. ") for one in doubts)
    with pytest.raises(AssertionError, match=words):
        raise AssertionError(" ".join(doubts))


def test_a_right_region_raises_no_doubt_although_the_networks_found_something_else(study):
    half = region(study, lambda data: data & (np.arange(data.shape[1]) < 50)[None, :, None])
    assert doubts_of(study.t1w, study.disease_region, half) == ()
    assert doubts_of(study.t1w, study.disease_region, None) == ()
