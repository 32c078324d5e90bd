"""Which label of a case is learnt."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from lib.retraining.candidates import disagreement, find_candidates

pytestmark = pytest.mark.slow  # seconds in all

MODEL = {"version": "tiny-1", "sha256": "abc"}


def chosen(site, seniors=()):
    return {labels[0].case_id: labels[0].submission.submission_id for labels in find_candidates(site.store, seniors)}


def region(site, phantom=0):
    return site.phantoms[phantom].disease_region


def test_the_newest_label_of_a_case_counts(empty_site):
    empty_site.submit("a", region(empty_site))
    empty_site.submit("a", region(empty_site), "ben")
    assert chosen(empty_site) == {"a": "0002-ben"}


def test_older_labels_of_a_case_come_after_the_newest_should_that_be_set_aside(empty_site):
    empty_site.submit("a", region(empty_site))
    empty_site.submit("a", region(empty_site), "ben")
    empty_site.submit("a", region(empty_site))
    ((*labels,),) = find_candidates(empty_site.store)
    assert [label.submission.submission_id for label in labels] == ["0003-anna", "0002-ben", "0001-anna"]


def test_the_most_senior_readers_newest_label_counts_before_all_others(empty_site):
    empty_site.submit("a", region(empty_site), "ben")
    empty_site.submit("a", region(empty_site), "ben")
    empty_site.submit("a", region(empty_site), "anna")
    assert chosen(empty_site, ("cleo", "ben")) == {"a": "0002-ben"}


def test_what_nobody_looked_at_is_no_label(empty_site):
    empty_site.submit("inflammation-only", None)
    empty_site.submit("rated-failed", None, rating="failed", model=MODEL)
    empty_site.submit("rated-without-networks", None, rating="satisfactory")
    assert chosen(empty_site) == {}


def test_a_region_rated_satisfactory_is_the_region_of_the_version_that_was_rated(empty_site):
    empty_site.submit("a", None, rating="satisfactory", model=MODEL, scans={"T1W": "1"})
    empty_site.submit("b", None, rating="satisfactory", model=MODEL, scans={"T1W": "2"})
    (a,), (b,) = find_candidates(empty_site.store)
    assert (a.rated_version, b.rated_version) == ("tiny-1", "tiny-1")
    assert a.label_id != b.label_id


def test_a_reader_who_then_rates_it_failed_takes_the_label_back(empty_site):
    empty_site.submit("a", None, "anna", rating="satisfactory", model=MODEL)
    empty_site.submit("a", region(empty_site), "ben")
    empty_site.submit("a", None, "ben", rating="failed")
    assert chosen(empty_site) == {"a": "0001-anna"}


def test_disagreement_is_the_dice_with_each_other_readers_newest_region(empty_site):
    whole = region(empty_site)
    half = replace(whole, data=whole.data & (np.arange(whole.data.shape[2]) < 4))
    empty_site.submit("a", whole, "ben")
    empty_site.submit("a", half, "ben")
    empty_site.submit("a", whole, "anna")
    ((found, *_),) = find_candidates(empty_site.store)
    expected = 2 * half.voxels / (half.voxels + whole.voxels)
    assert disagreement(empty_site.store, found) == {"ben": round(expected, 4)}
