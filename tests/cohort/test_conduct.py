"""Who is in a study, when they were scanned and read, which slices were scored; by hand."""

import re

import pytest

from lib.cohort.conduct import (
    baseline_table,
    included_only,
    intervals,
    left_out_of_study,
    read_before_scanned,
    scored_slices,
    washouts,
)
from lib.cohort.score_sheets import Scored, read_sheets, scores_table, sheets_text
from lib.cohort.table import parse_table
from lib.errors import InputError

TABLE = """subject,visit,date,drug,inclusion,sex,hla_b27,age_years,crp_mg_l
S1,baseline,2019-01-01,adalimumab,,f,positive,30,4
S1,follow_up,2019-03-26,,,,,,
S2,baseline,2019-01-01,anti-IL-17,included,male,,50,
S2,follow_up,2019-03-26,,,,,,
S3,baseline,2019-01-01,,,male,negative,41,12.5
S3,follow_up,2019-04-01,,,,,,
S4,baseline,2019-01-01,anti-TNF,withdrawn,female,positive,77,1
S5,baseline,2019-01-01,anti-tnf,,female,positive,35,2
S5,follow_up,,,,,,,
"""


def table(text: str = TABLE):
    return parse_table(text, "t.csv")


def test_twelve_weeks_of_anti_tnf_are_due_and_of_anti_il_17_are_not():
    found = {one.subject: one for one in intervals(table())}
    # 1 January to 26 March 2019 are 84 days: 12 weeks
    assert (found["S1"].drug, found["S1"].days, found["S1"].within) == ("anti-tnf", 84, True)
    assert (found["S2"].drug, found["S2"].days, found["S2"].within) == ("anti-il-17", 84, False)
    assert (found["S3"].within, found["S3"].why) == (None, "no drug is given")
    assert (found["S5"].days, found["S5"].why) == (None, "a visit has no date")


@pytest.mark.parametrize(
    ("day", "within"), [("2019-03-12", True), ("2019-03-11", False), ("2019-04-09", True), ("2019-04-10", False)]
)
def test_two_weeks_more_or_less_are_within(day, within):
    (one, *_) = intervals(table(TABLE.replace("S1,follow_up,2019-03-26", f"S1,follow_up,{day}")))
    assert one.within is within


def test_the_baseline_table_has_median_range_and_what_is_missing():
    found = {one.column: one for one in baseline_table(included_only(table(), {"S4"}))}
    # 30, 35, 41, 50
    assert (found["age_years"].numbers.median, found["age_years"].numbers.low, found["age_years"].numbers.high) == (
        38.0,
        30.0,
        50.0,
    )
    assert (found["crp_mg_l"].numbers.n, found["crp_mg_l"].missing) == (3, 1)
    assert (found["sex"].counts, found["hla_b27"].missing) == ((("female", 2), ("male", 2)), 1)
    assert "basdai" not in found


def test_who_withdrew_is_left_out_with_all_rows():
    assert left_out_of_study(table()) == {"S4": "withdrawn"}
    assert "S4" not in included_only(table(), {"S4"}).subjects


READ = """subject,visit,date,reader,reading,method,read_on,vhi_mm3
S1,baseline,2019-01-01,a,1,manual,2019-02-01,10
S1,baseline,,a,2,manual,2019-03-01,12
S1,baseline,,b,1,manual,2019-02-01,9
S1,baseline,,b,2,manual,2019-02-28,9
S2,baseline,2019-03-01,a,1,manual,2019-02-01,8
"""


def test_a_month_between_two_readings_is_enough_and_a_day_less_is_not():
    repeats = washouts(table(READ))
    # 1 February to 1 March 2019 are 28 days, to 28 February 27
    assert [(one.reading.reader, one.days, one.enough) for one in repeats] == [("b", 27, False), ("a", 28, True)]


def test_a_reading_before_its_scan_is_found():
    assert [(one.subject, one.read_on) for one in read_before_scanned(table(READ))] == [("S2", "2019-02-01")]


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("2019-03-26,,,,,,", "26.03.2019,,,,,,", "row 3, column date: found '26.03.2019'; needed is a day as YYYY-MM-DD"),
        ("2019-03-26,,,,,,", "2019-02-30,,,,,,", "found '2019-02-30'"),
        ("adalimumab", "aspirin", "column drug: found 'aspirin'; needed is anti-tnf or anti-il-17"),
        (",f,", ",x,", "column sex"),
    ],
)
def test_a_wrong_date_or_word_is_refused(old, new, words):
    with pytest.raises(InputError, match=words):
        table(TABLE.replace(old, new, 1))


def test_a_sheet_says_which_slices_it_scored_and_readers_are_compared():
    blank = sheets_text([Scored("a", 1, "S1", None)])
    filled = "\n".join(
        line if n == 0 else ",".join(["a", "1", "S1", str(n), *["0"] * 12, str(8 + n)])
        for n, line in enumerate(blank.strip().split("\n"))
    )
    (sheet,) = read_sheets(filled, "a.csv")
    assert (sheet.first_slice, sheet.sheet.total) == (9, 0)
    assert read_sheets(sheets_text([sheet]), "again.csv")[0].first_slice == 9
    other = filled.replace("a,1,", "b,1,")
    for n in range(1, 7):
        other = re.sub(rf"(S1,{n},.*),{8 + n}$", rf"\1,{10 + n}", other, flags=re.MULTILINE)
    tables = parse_table(scores_table([sheet, *read_sheets(other, "b.csv")]), "scores.csv")
    (pair,) = scored_slices(tables)
    # slices 9 to 14, and 11 to 16: four are the same
    assert (pair.first, pair.second, pair.shared) == (9, 11, 4)
    with pytest.raises(InputError, match=r"row 4, column scan_slice: found '12'; needed are 6 consecutive slices"):
        read_sheets(re.sub(r"(S1,3,.*),11$", r"\1,12", filled, flags=re.MULTILINE), "a.csv")
