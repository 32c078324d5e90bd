"""The cohort table: what is understood, and what is refused by row and column."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lib.cohort.table import (
    EMPTY,
    Reading,
    joined,
    merged,
    natural,
    parse_table,
    parse_tables,
    split_case,
)
from lib.errors import InputError

GOOD = """subject,visit,reader,reading,method,vhi_mm3,sparcc,basdai,spinal_vas_cm
S1,baseline,anna,1,semi-automatic,120.5,12,6.1,5
S1,baseline,ben,1,semi-automatic,100,14,,
S1,follow_up,anna,1,semi-automatic,0,2,3.0,NA
S1,follow_up,,,,,,,2.5
"""


def test_rows_are_readings_and_visits():
    table = parse_table(GOOD, "t.csv")
    assert [one.key for one in table.readings] == [
        ("S1", "baseline", "anna", 1, "semi-automatic"),
        ("S1", "baseline", "ben", 1, "semi-automatic"),
        ("S1", "follow_up", "anna", 1, "semi-automatic"),
    ]
    assert table.of_reader("vhi_mm3", "anna") == {("S1", "baseline"): 120.5, ("S1", "follow_up"): 0.0}
    assert table.of_visit("basdai", "baseline") == {"S1": 6.1}
    assert table.of_visit("spinal_vas_cm", "follow_up") == {"S1": 2.5}, "a row without a reader holds values of the visit"
    assert table.readers("sparcc") == ("anna", "ben")


def test_semicolons_tabs_and_a_byte_order_mark_are_read_too():
    for separator in (";", "\t"):
        for before in ("\ufeff", "\ufeff\r\n"):
            table = parse_table(before + GOOD.replace(",", separator), "t.csv")
            assert len(table.readings) == 3


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (
            "subject,visit,reader,vhi_mm3\nS1,baseline,a,12\nS1,follow_up,a,-3\n",
            "row 3, column vhi_mm3: found '-3'; needed is a number from 0",
        ),
        (
            "subject,visit,spinal_vas_cm\nS1,baseline,55\n",
            "row 2, column spinal_vas_cm: found '55'; needed is a number from 0 to 10 \\[cm\\]",
        ),
        ('subject,reader,sparcc\nS1,a,"3,5"\n', "row 2, column sparcc: .*write decimals with a point"),
        ("subject,reader,sparcc\nS1,a,73\n", "column sparcc: found '73'; needed is a number from 0 to 72"),
        ("subject,reader,vhi_voxels\nS1,a,2.5\n", "column vhi_voxels: found '2.5'; needed is a whole number"),
        ("subject,reader,vhi_mm3\nS1,a,inf\n", "column vhi_mm3: found 'inf'"),
        ("subject,reader,vhi_mm3\nS1,a,1e400\n", "column vhi_mm3: found '1e400'"),
        ("subject,reader,vhi_mm3\nS1,a,1e200\n", "column vhi_mm3: found '1e200'; needed is a number from 0 to 1,000,000,000"),
        ("subject,reader,vhi_mm3\nS1,a,1e-200\n", "column vhi_mm3: found '1e-200'; needed is 0, or a number"),
        ("subject,visit,reader\nS1,week 12,a\n", "row 2, column visit: found 'week 12'; needed is baseline or follow_up"),
        ("subject,method,reader\nS1,by eye,a\n", "column method: found 'by eye'; needed is semi-automatic or manual"),
        ("subject,reading,reader\nS1,0,a\n", "column reading: found '0'"),
        ("subject,reader,rating\nS1,a,great\n", "column rating: found 'great'"),
        ("subject,vhi_mm3\nS1,5\n", "row 2, column reader: found it is empty, but the row has vhi_mm3"),
        ("subject,reader\n,a\n", "row 2, column subject: found it is empty"),
        ("subject,weight\nS1,80\n", "row 1, column 2: 'weight' is no column"),
        ("subject,reader,reader\nS1,a,b\n", "row 1: the column reader is there twice"),
        ("reader,vhi_mm3\na,5\n", "row 1: there is no column subject"),
        ("subject,reader\nS1,a,5\n", "row 2: 3 cells, the header has 2"),
        ("subject,reader,vhi_mm3\nS1,a,5\nS1,a,6\n", "row 3: the same reading as in row 2"),
        (
            "subject,visit,basdai\nS1,baseline,5\nS1,baseline,6\n",
            "row 3, column basdai: found 6, but row 2 of the same visit has 5",
        ),
        ("subject,reader,method,sparcc\nS1,a,manual,5\nS1,a,semi-automatic,6\n", "row 3, column sparcc: found 6, but row 2"),
        ("subject,case\nS1,x\nS2,x\n", "row 3, column case: found 'x' is another visit in row 2"),
        ("subject,reader\nS\u202e1,a\n", "row 2, column subject: .*printable"),
        (f"subject,reader\n{'x' * 81},a\n", "row 2, column subject: .*at most 80"),
        ("subject,reader,vhi_mm3\nS1,a,1e13\n", "column vhi_mm3: found '1e13'"),
        ("", "is empty"),
        ("subject,reader,vhi_mm3\n", "is empty"),
        ("\nsubject,size\n", "t.csv, row 2, column 2: 'size' is no column"),
        ("subject,reader,\nS1,a,5\n", "row 1, column 3: '' is no column"),
        ('subject,reader\n"S1,a\n', "is not a CSV table"),
    ],
)
def test_a_wrong_cell_is_refused_by_row_and_column(text, words):
    with pytest.raises(InputError, match=words) as refused:
        parse_table(text, "t.csv")
    assert "\n" not in str(refused.value)
    assert "\u202e" not in str(refused.value)


def test_last_columns_without_name_and_content_are_left_out():
    table = parse_table("subject;reader;vhi_mm3;;\nS1;a;5;;\nS2;a;6\n", "t.csv")
    assert table.of_reader("vhi_mm3", "a") == {("S1", "baseline"): 5.0, ("S2", "baseline"): 6.0}


def test_vhi_without_a_method_is_semi_automatic_and_a_score_alone_has_none():
    table = parse_table("subject,reader,vhi_mm3,sparcc\nS1,a,5,\nS2,a,,7\n", "t.csv")
    assert [one.method for one in table.readings] == ["semi-automatic", ""]


def test_the_name_of_a_case_may_end_in_its_visit():
    assert split_case("S01_follow_up") == ("S01", "follow_up")
    assert split_case("S01-baseline") == ("S01", "baseline")
    for name in ("S01_followup", "S01-follow-up", "S01.FOLLOW_UP", "S01_FollowUp"):
        assert split_case(name) == ("S01", "follow_up")
    assert split_case("S01_Baseline") == ("S01", "baseline")
    assert split_case("1013") == ("1013", "baseline")
    assert split_case("_baseline") == ("_baseline", "baseline"), "a subject needs a name"


def test_a_case_alone_finds_the_visit_that_another_table_gives_it():
    scores = "case,reader,sparcc\n3001,a,9\n"
    visits = "subject,visit,case\nP7,follow_up,3001\n"
    for texts in ([(scores, "s.csv"), (visits, "v.csv")], [(visits, "v.csv"), (scores, "s.csv")]):
        table = parse_tables(texts)
        assert table.of_reader("sparcc", "a") == {("P7", "follow_up"): 9.0}
        assert table.subjects == ("P7",)


def test_two_tables_must_agree():
    a, b = (parse_table(f"subject,reader,sparcc\nS1,a,{score}\n", "t.csv") for score in (5, 6))
    with pytest.raises(InputError, match="give sparcc of subject S1, baseline, reader a as 5 and as 6"):
        joined([a, b])
    assert joined([a, a]).readings == a.readings


@pytest.mark.parametrize(
    ("first", "second", "words"),
    [
        ("reader,method,sparcc\nS1,a,manual,5\n", "reader,sparcc\nS1,a,7\n", "give sparcc of .* reader a as 5 and as 7"),
        ("case\nS1,X\n", "case\nS2,X\n", "give the case X as subject S1, baseline and as subject S2, baseline"),
        ("case\nS1,X\n", "case\nS1,Y\n", "give case of subject S1, baseline as X and as Y"),
        ("disagreement\nS1,artefact\n", "disagreement\nS1,anatomical\n", "give disagreement .* as artefact and as anatomical"),
        ("reader,rating\nS1,a,failed\n", "reader,rating\nS1,a,corrected\n", "give rating .* as failed and as corrected"),
        ("reader,stage\nS1,a,raw\n", "reader,stage\nS1,a,cleaned\n", "give stage .* as raw and as cleaned"),
    ],
)
def test_two_tables_must_agree_in_words_cases_and_scores_too(first, second, words):
    tables = [(f"subject,{text}", "t.csv") for text in (first, second)]
    with pytest.raises(InputError, match=words):
        parse_tables(tables)
    assert parse_tables([tables[0], tables[0]]) == parse_tables(tables[:1])


def test_a_masks_number_wins_and_the_rest_of_the_row_stays():
    table = parse_table("subject,reader,method,vhi_mm3,clicks\nS1,a,manual,5,17\n", "t.csv")
    whole = merged(table, [Reading("S1", "baseline", "a", 1, "manual", {"vhi_mm3": 8.0})], {("S1", "baseline"): "S1"})
    assert whole.readings[0].values == {"vhi_mm3": 8.0, "clicks": 17.0}
    assert merged(EMPTY, [Reading("S2", "follow_up", "a", 1, "manual")], {}).subjects == ("S2",)


def test_names_sort_as_people_count():
    assert sorted(["S10", "S2", "a", "10", "9"], key=natural) == ["9", "10", "a", "S2", "S10"]


CELLS = st.one_of(
    st.text(max_size=6), st.sampled_from(["S1", "a", "1", "-1", "1e9", "NA", "baseline", "manual", '"', "=1+1", "nan"])
)


@pytest.mark.slow
@given(st.lists(st.lists(CELLS, min_size=5, max_size=5), max_size=4), st.sampled_from(",;\t"))
def test_any_text_is_understood_or_refused_in_one_line(rows, separator):
    text = "\n".join(separator.join(row) for row in [["subject", "visit", "reader", "method", "vhi_mm3"], *rows])
    try:
        table = parse_table(text, "t.csv")
    except InputError as error:
        sentence = str(error)
    else:
        sentence = ""
        assert all(one.values.get("vhi_mm3", 0) >= 0 for one in table.readings)
    assert not sentence or sentence.isprintable()


@pytest.mark.parametrize(
    ("column", "first", "second", "shown"),
    [
        ("sex", "f", "male", "female"),
        ("hla_b27", "pos", "negative", "positive"),
        ("drug", "etanercept", "anti-il-17", "anti-tnf"),
    ],
)
def test_a_fact_of_a_patient_that_differs_between_visits_is_refused(column, first, second, shown):
    header, baseline, follow_up = f"subject,visit,{column}", f"S1,baseline,{first}", f"S1,follow_up,{second}"
    with pytest.raises(InputError, match=rf"row 3, column {column}: .*'{second}', but row 2 of the same patient has '{shown}'"):
        parse_table("\n".join((header, baseline, follow_up)), "t.csv")
    tables = [(f"{header}\n{row}", name) for row, name in ((baseline, "a.csv"), (follow_up, "b.csv"))]
    with pytest.raises(InputError, match=f"Subject S1 has {column} {shown} and {second} at two visits"):
        parse_tables(tables)


def test_a_fact_may_stand_at_any_visit_and_differ_between_patients():
    rows = "subject,visit,sex,drug\nS1,baseline,f,\nS1,follow_up,female,anti-tnf\nS2,baseline,m,golimumab\nS2,follow_up,,anti-tnf"
    facts = {key: dict(visit.facts) for key, visit in parse_tables([(rows, "t.csv")]).visits.items()}
    assert facts["S1", "follow_up"] == {"sex": "female", "drug": "anti-tnf"}
    assert facts["S2", "baseline"] == {"sex": "male", "drug": "anti-tnf"}
