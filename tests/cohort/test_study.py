"""Which readings go into each analysis; the statistics themselves are tested beside their functions."""

import math

import pytest

from lib.cohort.study import StudySettings, analyse, readers_mean, truncation_point, unused
from lib.cohort.table import parse_table
from lib.errors import SettingsError

HEADER = "subject,visit,reader,reading,method,vhi_mm3,sparcc,basdai,spinal_vas_cm,disagreement,rating,seconds\n"


def study_of(*rows: str, settings: StudySettings | None = None):
    return analyse(parse_table(HEADER + "\n".join(rows) + "\n", "t.csv"), settings)


def reading(
    subject, visit, reader, vhi="", sparcc="", *, number=1, method="semi-automatic", basdai="", vas="", why="", rating="", s=""
):
    return f"{subject},{visit},{reader},{number},{method},{vhi},{sparcc},{basdai},{vas},{why},{rating},{s}"


# readers differ by 2, -2, 0, 10; the mean of both falls for S1 and S2, rises for S3
ROWS = [
    reading("S1", "baseline", "a", 101, 10, basdai=6, vas=6),
    reading("S1", "baseline", "b", 99, 10),
    reading("S1", "follow_up", "a", 49, 4, basdai=3, vas=2),
    reading("S1", "follow_up", "b", 51, 6),
    reading("S2", "baseline", "a", 200, 20, basdai=6, vas=6),
    reading("S2", "baseline", "b", 200, 20),
    reading("S2", "follow_up", "a", 150, 22, basdai=5, vas=5),
    reading("S2", "follow_up", "b", 140, 22),
    reading("S3", "baseline", "a", 10, 3),
    reading("S3", "baseline", "b", 10, 3),
    reading("S3", "follow_up", "a", 30, 3),
    reading("S3", "follow_up", "b", 30, 3),
    reading("S4", "baseline", "a", 70, 8),
]


def test_the_mean_of_readers_is_of_visits_that_all_of_them_read():
    table = parse_table(HEADER + "\n".join(ROWS), "t.csv")
    mean = readers_mean(table, "vhi_mm3", "semi-automatic")
    assert mean.readers == ("a", "b")
    assert mean.values["S1", "baseline"] == 100.0
    assert ("S4", "baseline") not in mean.values
    assert [(one.subject, one.why) for one in mean.left_out] == [("S4", "no semi-automatic VHI of reader b")]


def test_agreement_takes_the_visits_both_readers_read():
    (one,) = study_of(*ROWS).vhi_agreement
    assert (one.readers, len(one.keys)) == (("a", "b"), 6)
    assert one.limits["raw"].differences.tolist() == [2.0, -2.0, 0.0, 10.0, 0.0, 0.0]
    assert one.limits["raw"].bias.value == pytest.approx(10 / 6)
    assert [left.subject for left in one.left_out] == ["S4"]


def test_a_second_reading_and_another_method_stay_apart():
    extra = [
        reading("S1", "baseline", "a", 999, number=2),
        reading("S1", "baseline", "a", 5, method="manual"),
        reading("S1", "baseline", "b", 7, method="manual"),
    ]
    semi, manual = study_of(*ROWS, *extra).vhi_agreement
    assert semi.method == "semi-automatic"
    assert 999.0 not in semi.values["raw"][0]
    assert (manual.method, manual.limits["raw"].differences.tolist()) == ("manual", [-2.0])


def test_response_splits_subjects_and_counts_agreement():
    study = study_of(*ROWS).response
    assert study.vhi.subjects == ("S1", "S2", "S3")
    assert study.vhi.change.tolist() == [-50.0, -55.0, 20.0]
    assert study.vhi.directions == ("improved", "improved", "worsened")
    assert study.sparcc.directions == ("improved", "worsened", "unchanged")
    assert study.primary == "BASDAI and spinal VAS"
    # S2: BASDAI fell by 1.0 only; S3 and S4: not known
    clinical = study.clinical[study.primary]
    assert (clinical["S1"], clinical["S2"]) == (1.0, 0.0)
    assert math.isnan(clinical["S3"])
    by_names = {(one.a, one.b): one.table for one in study.agreement}
    table = by_names["VHI", "SPARCC"]
    assert (table.both, table.only_a, table.only_b, table.neither) == (1, 1, 0, 1)
    assert by_names["VHI", study.primary].n == 2
    assert study.change.n == 3


def test_a_threshold_makes_a_smaller_fall_no_response():
    study = study_of(*ROWS, settings=StudySettings(vhi_response_mm3=52)).response
    assert study.vhi.response.tolist() == [0.0, 1.0, 0.0]


def test_regression_per_reader_is_given_on_request():
    assert len(study_of(*ROWS).relations) == 1
    mean, a, b = study_of(*ROWS, settings=StudySettings(per_reader=True)).relations
    assert (mean.who, a.who, b.who) == ("mean of a and b", "a", "b")
    assert (mean.regressions["raw"].n, a.regressions["raw"].n) == (6, 7)


def test_truncation_leaves_out_and_is_chosen_from_the_data():
    one = study_of(*ROWS, settings=StudySettings(truncate_vhi_mm3=100)).relations[0]
    assert one.regressions["truncated"].n == 4, "a value at the cut stays"
    # quartiles 2 and 4 of 1, 2, 3, 4, 5
    assert truncation_point([1, 2, 3, 4, 5]) == 7.0
    assert math.isnan(truncation_point([]))


def test_failures_lie_beyond_two_standard_deviations_from_zero():
    rows = [reading(f"P{n}", "baseline", who, 100) for n in range(20) for who in "ab"]
    rows += [reading("P20", "baseline", "a", 500, why="artefact"), reading("P20", "baseline", "b", 100)]
    (found,) = study_of(*rows).failures
    assert [(visit.subject, one.difference, one.reason) for visit, one in found.failures] == [("P20", 400.0, "artefact")]
    assert found.n == 21


def test_a_rating_counts_once_a_reading():
    rows = [
        reading("S1", "baseline", "a", 1, rating="failed"),
        reading("S1", "baseline", "a", 1, rating="failed", method="manual"),
        reading("S1", "baseline", "b", 1, rating="satisfactory"),
        reading("S2", "baseline", "b", 1),
    ]
    study = study_of(*rows).ratings
    assert study.counts == {"satisfactory": 1, "corrected": 0, "failed": 1}
    assert study.not_rated == 1
    assert study_of(*ROWS).ratings is None


def test_effort_is_summed_up_by_reader_and_method():
    rows = [
        reading("S1", "baseline", "a", 1, s=30),
        reading("S2", "baseline", "a", 1, s=50),
        reading("S1", "baseline", "b", 1, s=9),
    ]
    study = study_of(*rows).effort
    assert [(one.reader, one.summary.n, one.summary.median) for one in study] == [("a", 2, 40.0), ("b", 1, 9.0)]


def test_what_is_missing_is_a_sentence():
    study = study_of(reading("S1", "baseline", "a", 5))
    assert study.relations == "It needs VHI and SPARCC scores; no SPARCC score was given."
    assert "baseline and follow-up" in study.response
    assert study.vhi_agreement == ()


@pytest.mark.parametrize("wrong", [{"truncate_vhi_mm3": 0}, {"vhi_response_mm3": -1}, {"failure_sd": 0}, {"fewest_votes": 0}])
def test_settings_out_of_range_are_refused(wrong):
    with pytest.raises(SettingsError):
        StudySettings(**wrong)


VOXELS = """subject,visit,reader,vhi_voxels,sparcc
1,baseline,A,100,3
1,baseline,B,120,4
2,baseline,A,0,0
2,baseline,B,0,1
3,baseline,A,50,2
3,baseline,B,60,2
"""


def test_vhi_in_voxels_is_analysed_where_it_is_all_there_is():
    study = analyse(parse_table(VOXELS, "t.csv"))
    assert study.vhi_unit == "voxels"
    (one,) = study.vhi_agreement
    assert one.limits["raw"].differences.tolist() == [-20.0, 0.0, -10.0]
    # mean VHI 110, 0, 55 on mean SPARCC 3.5, 0.5, 2: slope 110 / 3
    assert study.relations[0].regressions["raw"].slope.value == pytest.approx(110 / 3)


def test_vhi_in_mm3_counts_where_both_are_given():
    study = analyse(parse_table("subject,reader,vhi_mm3,vhi_voxels\n1,A,10,7\n1,B,20,\n", "t.csv"))
    assert study.vhi_unit == "mm³"
    assert study.vhi_agreement[0].limits["raw"].differences.tolist() == [-10.0]


def test_vhi_that_no_analysis_takes_is_told_by_reader():
    columns = "subject,reader,reading,vhi_mm3,vhi_voxels,vhi_conservative_mm3\n"
    rows = ("S1,a,1,5,50,", "S2,a,1,7,70,", "S1,b,1,,48,", "S2,b,1,,,3", "S1,c,2,5,,", "S2,c,2,7,,")
    told = unused(parse_table(columns + "\n".join(rows), "t.csv"), StudySettings())
    assert told == (
        "Reader b, semi-automatic: 2 of 2 readings have no vhi_mm3, which VHI is analysed in; what they have "
        "(vhi_voxels, vhi_conservative_mm3) is in no analysis.",
        "Reader c, semi-automatic, has reading 2 alone; analyses of numbers take reading 1 (--reading), so none of it is in them.",
    )
    assert unused(parse_table("subject,reader,vhi_voxels\nS1,a,5\n", "t.csv"), StudySettings()) == ()
