"""The effort of readings, before a version and with it."""

from __future__ import annotations

import pytest

from lib.retraining.effort_history import ReadingEffort, effort_sentence, median_effort, reading_efforts

pytestmark = pytest.mark.slow  # seconds in all


def effort(version: str, seconds: float, clicks: float) -> ReadingEffort:
    return ReadingEffort("a", "anna", "2026-01-01T00:00:00+00:00", version, {"seconds": seconds, "clicks": clicks})


def test_a_readings_submissions_are_one_effort_under_the_version_that_was_shown_first(empty_site):
    model = {"version": "v1", "sha256": "x"}
    empty_site.submit("a", None, effort={"seconds": 60.0, "clicks": 3}, model=model)
    empty_site.submit("a", None, effort={"seconds": 30.0}, model={**model, "version": "v2"})
    empty_site.submit("a", None, reader="ben")  # nothing was counted
    (found,) = reading_efforts(empty_site.store)
    assert (found.version, dict(found.took)) == ("v1", {"seconds": 90.0, "clicks": 3.0})


def test_readers_are_told_what_a_case_took_before_and_takes_now():
    before = [effort("v1", seconds, clicks) for seconds, clicks in ((240, 20), (360, 40), (900, 90))]
    since = [effort("v2", seconds, clicks) for seconds, clicks in ((120, 10), (180, 12), (60, 14))]
    assert median_effort(before) == {"cases": 3, "seconds": 360.0, "clicks": 40.0}
    assert effort_sentence([*before, *since], "v2") == (
        "A case took 6.0 min and 40 clicks before version v2 (median of 3), and takes 2.0 min and 12 clicks with it (3)."
    )
    assert effort_sentence([*before, *since[:2]], "v2") == ""  # of two cases nothing is said
