"""Tables as spreadsheets of several systems and countries save them."""

from __future__ import annotations

import pytest

from lib.csv_tables import parse_table_text, read_table_text
from lib.errors import InputError

HEADER, ROWS = ("case", "vhi_mm3"), [(2, {"case": "A", "vhi_mm3": "1.5"}), (4, {"case": "B, left", "vhi_mm3": ""})]


@pytest.mark.parametrize("ends", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("separator", [",", ";", "\t"])
@pytest.mark.parametrize("mark", ["", "\ufeff"])
def test_line_ends_separators_and_a_mark_of_the_encoding_change_nothing(ends, separator, mark):
    lines = ["Case, VHI_mm3 ", "A, 1.5", " , ", '"B, left",']
    text = mark + ends.join(line.replace(", ", f"{separator} ").replace('",', f'"{separator}') for line in lines[:3])
    text = text.replace(f"B{separator}", "B,") + ends + f'"B, left"{separator}' + ends
    table = parse_table_text(text, "t.csv")
    assert (table.header, list(table.rows())) == (HEADER, ROWS)


def test_last_columns_without_name_and_content_are_left_out():
    table = parse_table_text("case,date,,\nA,2020-01-01,,\nB,,,\n", "t.csv")
    assert (table.header, table.lines) == (("case", "date"), ((2, ("A", "2020-01-01")), (3, ("B", ""))))


def test_a_blank_line_before_the_header_counts_as_a_row_and_says_nothing_of_the_separator():
    assert parse_table_text("\n;\ncase;date\nA;1,5\n", "t.csv").lines == ((4, ("A", "1,5")),)


def test_what_is_quoted_in_the_header_separates_nothing_and_line_breaks_in_a_cell_are_its_own():
    table = parse_table_text('case,patient,"a; b; c; d"\nA,p1,"two\nlines"\n', "t.csv")
    assert (table.header, table.lines) == (("case", "patient", "a; b; c; d"), ((2, ("A", "p1", "two\nlines")),))


def test_short_rows_are_taken_where_the_caller_says_so():
    assert parse_table_text("a,b\n1\n", "t.csv", may_be_short=True).lines == ((2, ("1", "")),)


@pytest.mark.parametrize(
    ("text", "match"),
    [
        ("", "t.csv is empty"),
        ("\n;;\n", "t.csv is empty"),
        ("a,b,a\n", "row 1: the column a is there twice"),
        ("\na,A\n", "row 2: the column a is there twice"),
        ("a,b\n1\n", "row 2: 1 cells, the header has 2"),
        ("a,b\n1,2,3\n", "row 2: 3 cells, the header has 2"),
        ("a,b,\n1,2,3\n4,5\n", "row 3: 2 cells, the header has 3"),
        ('a,b\n"1,2\n', "is not a CSV table"),
    ],
)
def test_what_is_no_table_is_refused_by_row(text, match):
    with pytest.raises(InputError, match=match):
        parse_table_text(text, "t.csv")


def test_a_file_that_is_missing_or_of_another_encoding_is_refused(tmp_path):
    with pytest.raises(InputError, match="cannot be read"):
        read_table_text(tmp_path / "none.csv")
    (tmp_path / "t.csv").write_bytes("Fall;Größe\n".encode("latin-1"))
    with pytest.raises(InputError, match=r"t\.csv is not UTF-8 text"):
        read_table_text(tmp_path / "t.csv")
