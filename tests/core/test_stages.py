"""The names that a number may have."""

from __future__ import annotations

from dataclasses import replace

import pytest

from handmade import handmade
from lib.core.cleaning import measure_cleaned
from lib.core.stages import title_of, unchanged_in, warnings_of
from lib.core.volume import Mask


@pytest.mark.parametrize(
    ("arguments", "title"),
    [
        (("raw", "anna"), "Uncleaned volume"),
        (("proposed",), "Proposed volume"),
        (("cleaned", "anna"), "VHI (cleaned by anna)"),
        (("cleaned", " "), "VHI (cleaned by a reader)"),
        (("cleaned", "anna", "manual"), "VHI (drawn by anna)"),
    ],
)
def test_only_what_a_reader_kept_is_called_vhi(arguments, title):
    assert title_of(*arguments) == title


def test_a_number_that_a_reader_is_still_at_work_on_says_so():
    assert title_of("cleaned", "anna", submitted=False) == "VHI (cleaned by anna, not submitted)"


@pytest.mark.parametrize(
    ("unchanged", "title"),
    [
        ("nothing removed", "VHI (submitted by anna, nothing removed)"),
        ("proposal unchanged", "VHI (submitted by anna, proposal unchanged)"),
    ],
)
def test_a_submission_that_changed_nothing_is_submitted_not_cleaned(unchanged, title):
    assert title_of("cleaned", "anna", unchanged=unchanged) == title
    assert title_of("cleaned", "anna", "manual", unchanged=unchanged) == "VHI (drawn by anna)"
    assert title_of("raw", "anna", unchanged=unchanged) == "Uncleaned volume"


NOTHING = {"proposal": {"removed": []}, "clicks": {"removed": [], "restored": []}, "hand": {"erased": [], "painted": 0}}
AS_MEASURED = {"inflammation": {"lesions_removed": [], "boundary_edits": [], "painted_outside": 0}}
ONE_GONE = {"inflammation": {"lesions_removed": [2], "boundary_edits": [], "painted_outside": 0}}


@pytest.mark.parametrize(
    ("changes", "corrections", "unchanged"),
    [
        (AS_MEASURED, NOTHING, "nothing removed"),
        (ONE_GONE, NOTHING | {"proposal": {"removed": [[2, 4]]}}, "proposal unchanged"),
        (ONE_GONE, NOTHING | {"clicks": {"removed": [[2, 4]], "restored": []}}, ""),
        (ONE_GONE, NOTHING | {"proposal": {"removed": [[2, 4]]}, "hand": {"erased": [], "painted": 1}}, ""),
        (ONE_GONE, NOTHING, ""),  # as a version stored it that did not say who removed what
        (AS_MEASURED, {}, ""),
        ({}, NOTHING, ""),  # no inflammation was handed in
    ],
)
def test_what_nobody_changed_is_told_from_what_a_reader_cleaned(changes, corrections, unchanged):
    assert unchanged_in(changes, corrections) == unchanged


def test_an_uncleaned_and_a_proposed_number_carry_a_warning_of_their_own():
    raw = handmade()
    kept = Mask(raw.grade > 0, raw.stir.grid, "inflammation")
    assert warnings_of(raw)[0].startswith("This volume is uncleaned")
    assert warnings_of(raw)[1:] == raw.warnings
    assert warnings_of(replace(raw, stage="proposed"))[0].startswith("This volume is proposed")
    cleaned = measure_cleaned(raw, kept)
    assert warnings_of(cleaned) == cleaned.warnings
