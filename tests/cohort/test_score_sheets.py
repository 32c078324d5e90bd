"""Score sheets: created empty, read back, refused by row and column."""

import numpy as np
import pytest

from lib.cohort.score_sheets import Scored, blank_sheets, read_sheets, scores_table, sheets_text
from lib.cohort.sparcc import SparccSheet
from lib.errors import InputError


def sheet(quadrants: int) -> SparccSheet:
    oedema = np.zeros((6, 2, 4), dtype=bool)
    oedema.flat[:quadrants] = True
    none = np.zeros((6, 2), dtype=bool)
    return SparccSheet(oedema, none, none)


def test_filled_in_sheets_are_read_back_and_an_empty_one_has_no_score():
    scored = [Scored("anna", 1, "A", sheet(5)), Scored("anna", 1, "B", None), Scored("anna", 1, "C", sheet(0))]
    sheets = read_sheets(sheets_text(scored), "s.csv")
    assert [(one.case, one.sheet and one.sheet.total) for one in sheets] == [("A", 5), ("B", None), ("C", 0)]
    assert scores_table(sheets) == "case,reader,reading,sparcc,sparcc_first_slice\nA,anna,1,5,\nC,anna,1,0,\n"


def test_each_reader_sees_the_cases_in_an_order_of_their_own_and_always_the_same():
    cases = [f"S{n}" for n in range(12)]
    orders = {
        (reader, reading): [one.case for one in read_sheets(blank_sheets(cases, reader, reading), "s.csv")]
        for reader in ("anna", "ben")
        for reading in (1, 2)
    }
    assert all(sorted(order) == sorted(cases) for order in orders.values())
    assert len({tuple(order) for order in orders.values()}) == 4
    assert orders["anna", 1] == [one.case for one in read_sheets(blank_sheets(cases, "anna", 1), "s.csv")]
    assert [one.case for one in read_sheets(blank_sheets(cases, "anna", 1, seed=None), "s.csv")] == cases


def test_a_wrong_cell_is_refused_by_its_row_in_the_file():
    rows = sheets_text([Scored("anna", 1, "A", sheet(5)), Scored("anna", 1, "B", sheet(1))]).splitlines()
    # row 9 of the file is slice 2 of case B
    rows[8] = rows[8].replace("B,2,0", "B,2,x")
    with pytest.raises(InputError, match=r"s\.csv, row 9, column right_upper_ilium: found 'x'; needed is 0 or 1"):
        read_sheets("\n".join(rows), "s.csv")


def test_a_sheet_that_is_begun_must_be_complete():
    rows = sheets_text([Scored("anna", 1, "A", sheet(5))]).splitlines()
    rows[6] = "anna,1,A,6" + "," * 12
    with pytest.raises(InputError, match="row 7, column right_upper_ilium: found nothing"):
        read_sheets("\n".join(rows), "s.csv")


def test_a_case_twice_an_identity_missing_and_a_foreign_table_are_refused():
    text = sheets_text([Scored("a", 1, "A", None), Scored("a", 1, "B", None), Scored("a", 1, "A", None)])
    with pytest.raises(InputError, match="row 14: case 'A' of reader 'a', reading 1, is also in row 2"):
        read_sheets(text, "s.csv")
    with pytest.raises(InputError, match="row 2, column case: it is empty"):
        read_sheets(sheets_text([Scored("a", 1, "", None)]), "s.csv")
    with pytest.raises(InputError, match="there is no column reading"):
        read_sheets("reader,case\na,A\n", "s.csv")


def test_a_cell_too_many_and_a_column_twice_are_refused_and_not_passed_over():
    text = sheets_text([Scored("anna", 1, "A", sheet(5))])
    rows = text.splitlines()
    rows[3] += ",1"
    with pytest.raises(InputError, match=r"s\.csv, row 4: 18 cells, the header has 17"):
        read_sheets("\n".join(rows), "s.csv")
    rows = text.splitlines()
    rows[4] = ",".join([*rows[4].split(",")[:-2], "7", ""])
    with pytest.raises(InputError, match=r"s\.csv, row 6, column .*: found '7'"):
        read_sheets("\n".join([*rows[:2], "", *rows[2:]]), "s.csv")
    with pytest.raises(InputError, match="the column left_depth is there twice"):
        read_sheets(text.replace("scan_slice", "left_depth"), "s.csv")
