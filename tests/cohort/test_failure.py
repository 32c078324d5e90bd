"""Failure analysis, by hand."""

from __future__ import annotations

import math

import pytest

from drawing import mask_of, slice_of, stack_of
from lib.cohort.failure import count_reasons, disagreements, region_failures
from lib.cohort.slices import slices_of_disagreement
from lib.errors import InputError

NAN = float("nan")
FIRST = [10.0, 1, 2, NAN, 3, 0, 0, 0, 0]
SECOND = [0.0, 1, 2, 5, 3, 0, 0, 0, 0]


def test_the_case_beyond_two_standard_deviations_is_found_with_its_reason():
    # one difference of 10 among seven of 0: standard deviation 10 / sqrt(8)
    (found,) = disagreements(FIRST, SECOND, ["anatomical", *[None] * 8])
    assert (found.position, found.difference, found.reason) == (0, 10, "anatomical")
    assert found.in_sd == pytest.approx(math.sqrt(8))


def test_reasons_are_counted_and_those_not_recorded_too():
    failures = disagreements([9.0, 8, 0, 0], [0.0, 0, 0, 0], ["artefact", None, None, "morphological"], multiple=1)
    assert count_reasons(failures) == {"anatomical": 0, "morphological": 0, "artefact": 1, "not recorded": 1}


def test_a_word_that_is_no_reason_is_refused():
    with pytest.raises(InputError, match="'vessel' is not known"):
        disagreements([1.0, 2], [1.0, 3], ["vessel", None])
    with pytest.raises(InputError, match="1 reasons for 2 scans"):
        disagreements([1.0, 2], [1.0, 3], [None])


def test_too_few_scans_have_no_disagreements():
    assert disagreements([5], [1]) == ()


def test_slices_are_listed_by_how_much_readers_differ():
    first = mask_of(stack_of(slice_of("11.."), slice_of("1..."), slice_of("1111")))
    second = mask_of(stack_of(slice_of("1..1"), slice_of("1..."), slice_of("....")))
    slices = slices_of_disagreement(first, second)
    assert [(one.slice, one.both, one.only_first, one.only_second) for one in slices] == [(2, 0, 4, 0), (0, 1, 1, 1)]
    assert slices[0].differing == 4


def test_the_papers_failure_rate_of_the_automatic_region():
    # 3 of 19 subjects failed; section 3.2
    failures = region_failures(["failed"] * 3 + ["satisfactory"] * 10 + ["corrected"] * 6 + [None])
    assert (failures.n, failures.not_rated, failures.counts["failed"]) == (19, 1, 3)
    assert failures.failed.value == 3 / 19
    assert failures.failed.low < 3 / 19 < failures.failed.high
    assert failures.corrected.value == 6 / 19


def test_no_ratings_no_rate():
    assert math.isnan(region_failures([None]).failed.value)
    with pytest.raises(InputError, match="'good' is not known"):
        region_failures(["good"])
