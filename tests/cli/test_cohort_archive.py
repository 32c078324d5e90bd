"""Which visit of whom a study of the archive is, worked out by hand."""

import pytest

from lib.cli.cohort_archive import _archived_visits
from lib.cli.cohort_input import CohortInput
from lib.cohort.table import EMPTY, parse_table
from lib.errors import InputError
from lib.pacs.archive_readings import ArchivedReading


def reading(patient: str, study: str, date: str) -> ArchivedReading:
    return ArchivedReading(patient, study, date, "anna", 1, "manual", f"{date} 120000")


def given(rows: str = "") -> CohortInput:
    return CohortInput(table=parse_table(f"subject,visit,case\n{rows}", "t.csv") if rows else EMPTY)


def test_without_a_table_the_first_study_by_date_is_the_baseline():
    readings = given()
    visits = _archived_visits([reading("P", "1.2", "20250301"), reading("P", "1.1", "20250101")], readings)
    assert visits == {"1.1": ("P", "baseline"), "1.2": ("P", "follow_up")}
    assert readings.passed_over == ()


@pytest.mark.parametrize("subject", ["P", "S01"])
def test_a_further_study_of_a_patient_whom_the_table_names_is_passed_over_and_listed(subject):
    readings = given(f"{subject},baseline,1.2\n")
    studies = [reading("P", "1.2", "20250301"), reading("P", "1.1", "20250101"), reading("Q", "2.1", "20250101")]
    assert _archived_visits(studies, readings) == {"1.2": (subject, "baseline"), "2.1": ("Q", "baseline")}
    assert [(str(one.path), one.why) for one in readings.passed_over] == [
        ("study 1.1", "the table names other studies of this patient")
    ]


def test_a_named_baseline_without_readings_does_not_make_the_follow_up_one():
    readings = given("P,baseline,1.1\n")
    assert _archived_visits([reading("P", "1.2", "20250301"), reading("Q", "2.1", "20250101")], readings) == {
        "2.1": ("Q", "baseline")
    }
    with pytest.raises(InputError, match="none that holds a reading; check that its column case"):
        _archived_visits([reading("P", "1.2", "20250301")], given("P,baseline,1.1\n"))


@pytest.mark.parametrize("visit", ["baseline", "follow_up"])
def test_two_patients_who_would_be_one_subject_are_refused(visit):
    studies = [reading("X", "1.1", "20250101"), reading("P", "2.1", "20250101")]
    with pytest.raises(InputError, match=r"study 1\.1 of another patient subject P, .* PatientID of study 2\.1"):
        _archived_visits(studies, given(f"P,{visit},1.1\n"))
