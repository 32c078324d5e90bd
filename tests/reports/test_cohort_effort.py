"""Effort in the cohort report: by reader, and case by case."""

from lib.cohort.study import analyse
from lib.cohort.table import parse_table
from lib.reports.cohort_sections.visits import effort_section

TABLE = """subject,reader,vhi_mm3,clicks,seconds,boundary_edits
S1,anna,120,7,61.5,2
S1,ben,110,9,,
S2,anna,40,,30,0
S3,anna,10,,,
"""


def test_effort_stands_by_reader_and_case_by_case():
    section = effort_section(analyse(parse_table(TABLE, "table.csv")))
    by_reader, each = section.tables
    assert ("anna", "semi-automatic", "boundary edits", "2", "1.00 (0 to 2.00)") in by_reader.rows
    assert each.rows == (
        ("S1", "baseline", "anna", "1", "semi-automatic", "7", "61.5", "2"),
        ("S1", "baseline", "ben", "1", "semi-automatic", "9", "–", "–"),
        ("S2", "baseline", "anna", "1", "semi-automatic", "–", "30", "0"),
    )


def test_without_effort_the_section_says_so():
    section = effort_section(analyse(parse_table("subject,reader,vhi_mm3\nS1,anna,120\n", "table.csv")))
    assert section.why_not == "no reading has clicks, seconds or boundary edits."
