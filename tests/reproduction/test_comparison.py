"""The verdict on two numbers: every published digit counts."""

import math

import pytest

from lib.reproduction.comparison import Comparison, exact, paper, printed_decimals
from lib.reproduction.comparisons import p_of_interval


def verdict(published: str, ours: float, **more) -> str:
    return Comparison("g", "w", "p", published, ours, **more).verdict


@pytest.mark.parametrize(
    ("published", "ours", "expected"),
    [
        ("0.84", 0.8397, "equal as printed"),
        ("0.84", 0.8451, "differs"),
        ("0.84", 0.845, "equal as printed"),
        ("8", 8.0, "identical"),
        ("8", 7.0, "differs"),
        ("894", 893.5, "equal as printed"),
        (exact(0.1), 0.1, "identical"),
        (exact(0.1), math.nextafter(0.1, 1), "equal to the last digit"),
        (exact(0.1), 0.1 + 1e-12, "differs"),
        ("0.84", math.nan, "missing"),
    ],
)
def test_a_number_equals_what_is_printed_of_it(published, ours, expected):
    assert verdict(published, ours) == expected


def test_numbers_of_other_scans_are_not_called_different():
    assert verdict("0.84", 0.7, comparable=False) == "not comparable"


def test_a_file_prints_every_digit_and_an_article_some():
    assert printed_decimals(exact(0.5)) is None
    assert printed_decimals("0.0003") == 4
    assert printed_decimals("58") == 0


def test_p_of_the_papers_slope_is_that_of_student_by_hand():
    # half width 1178 over t(0.975, 27) = 2.05183 is an error of 574.12, t = 4.1942
    assert p_of_interval(2408, 1230, 3586, 27) == pytest.approx(0.000264, abs=2e-6)


def test_every_number_of_the_paper_has_its_place():
    content = paper()
    assert "10.1371/journal.pone.0284508" in content["source"]
    for part in ("numbers", "arithmetic"):
        assert all(one["where"] and float(one["published"]) is not None for one in content[part].values())
