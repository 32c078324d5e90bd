"""SPARCC sheets: what is a sheet, and what is refused."""

from __future__ import annotations

import numpy as np
import pytest

from lib.cohort.sparcc import COLUMNS, HIGHEST, SparccSheet, empty_rows, sheet_from_rows
from lib.errors import InputError


def filled(value="0"):
    return [{"slice": str(k), **dict.fromkeys(COLUMNS, value)} for k in range(1, 7)]


def test_a_sheet_has_six_slices_of_eight_quadrants_two_depths_and_two_intensities():
    assert len(COLUMNS) == 12
    assert len(empty_rows()) == 6
    assert set(empty_rows()[0]) == {"slice", *COLUMNS}


def test_all_scored_is_72_and_none_is_0():
    assert sheet_from_rows(filled("1"), "a.csv").total == HIGHEST == 72
    assert sheet_from_rows(filled("0"), "a.csv").total == 0


def test_the_score_counts_quadrants_depth_and_intensity():
    rows = filled()
    rows[2] |= {"left_upper_ilium": "1", "left_lower_sacrum": "1", "left_depth": "1", "left_intensity": "1"}
    rows[3] |= {"right_upper_sacrum": "1"}
    sheet = sheet_from_rows(rows, "a.csv")
    assert sheet.total == 5
    assert sheet.oedema[2].tolist() == [[False] * 4, [True, False, False, True]]


def test_a_sheet_becomes_rows_and_rows_the_sheet():
    rows = filled()
    rows[5] |= {"right_lower_ilium": "1", "right_depth": "1"}
    sheet = sheet_from_rows(rows, "a.csv")
    assert sheet.rows() == [{name: int(cell) for name, cell in row.items()} for row in rows]


def test_the_order_of_the_slices_does_not_matter():
    rows = filled()
    rows[0]["left_upper_ilium"] = "1"
    assert sheet_from_rows(rows[::-1], "a.csv").oedema[0].any()


def changed(row, column, cell):
    rows = filled()
    rows[row] = {**rows[row], column: cell}
    return rows


@pytest.mark.parametrize(
    ("rows", "match"),
    [
        (empty_rows(), "row 2, column right_upper_ilium: found nothing; needed is 0 or 1"),
        (changed(3, "left_depth", "2"), "row 5, column left_depth: found '2'"),
        (changed(0, "slice", "7"), "row 2, column slice: found '7'"),
        (changed(1, "slice", "1"), "row 3, column slice: found '1'; needed is each slice once; it is also in row 2"),
        (filled()[:5], "slice 6 is not there"),
        (changed(4, "right_intensity", "1"), "a.csv: Slice 5, column right_intensity: .* no quadrant of the right joint"),
    ],
)
def test_wrong_sheets_are_refused_by_row_and_column(rows, match):
    with pytest.raises(InputError, match=match):
        sheet_from_rows(rows, "a.csv")


def test_a_sheet_of_another_shape_is_refused():
    none = np.zeros((6, 2), dtype=bool)
    with pytest.raises(InputError, match=r"\(6, 2, 4\) array"):
        SparccSheet(np.zeros((6, 8), dtype=bool), none, none)
