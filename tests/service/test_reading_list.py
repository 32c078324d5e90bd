"""The list of cases as one reader sees it."""

import pytest

from lib.errors import RequestError
from lib.readings.drafts import Draft
from lib.service.skipped import Skipped
from study_folder import BONE, INFLAMMATION, REGION, finish


@pytest.fixture
def four(study_folder):
    for case_id in "bcd":
        study_folder.add_case(case_id)
    return study_folder


def states(service, reader, reading=1, **more) -> dict[str, str]:
    return {row.case: row.state for row in service.reading_list.page(reader, reading, **more).rows}


def test_what_is_begun_comes_first_then_what_is_open_then_what_others_have_then_what_is_done(four):
    service = four.service()
    finish(service, "a", "anna")
    service.leases.take("b", "ben")
    finish(service, "c", "ben")
    service.leases.take("d", "anna")
    assert states(service, "anna") == {"d": "begun", "b": "elsewhere", "c": "elsewhere", "a": "done"}
    assert list(states(service, "anna")) == ["d", "b", "c", "a"]
    assert states(service, "ben") == {"b": "begun", "a": "elsewhere", "d": "elsewhere", "c": "done"}


def test_a_draft_makes_a_case_begun_and_one_of_a_finished_case_is_told(four):
    service = four.service()
    service.drafting._drafts.save("b", "anna", 1, Draft({}, ""), None)
    finish(service, "c", "anna")
    service.drafting._drafts.save("c", "anna", 1, Draft({}, ""), None)
    rows = {row.case: row for row in service.reading_list.page("anna").rows}
    assert (rows["b"].state, rows["b"].note) == ("begun", "")
    assert (rows["c"].state, rows["c"].note) == ("done", "You have changes that are not handed in.")
    assert states(service, "ben")["b"] == "open"  # another's draft is nobody else's business
    assert states(service, "anna", 2)["b"] == "open"


def test_where_several_read_a_case_is_open_until_one_has_read_it_oneself_in_each_reading(four):
    service = four.service(several_readers=True)
    finish(service, "a", "ben")
    finish(service, "b", "anna")
    service.leases.take("c", "ben")
    assert states(service, "anna") == {"a": "open", "c": "open", "d": "open", "b": "done"}
    assert set(states(service, "anna", 2).values()) == {"open"}


def test_counts_are_of_all_cases_however_few_are_shown_and_a_filter_finds_a_part_of_a_name(four):
    service = four.service()
    four.add_case("Patient-7")
    service.cases.refresh()
    finish(service, "a", "anna")
    page = service.reading_list.page("anna", limit=1)
    assert [row.case for row in page.rows] == ["Patient-7"]
    assert (dict(page.counts), page.matching) == ({"begun": 0, "open": 4, "elsewhere": 0, "done": 1, "waiting": 0}, 5)
    assert [row.case for row in service.reading_list.page("anna", matching="patient").rows] == ["Patient-7"]
    assert [row.case for row in service.reading_list.page("anna", state="done").rows] == ["a"]


def test_what_waits_says_why(four):
    (four.folder / "lonely_T1W.nii.gz").write_bytes((four.folder / "a_T1W.nii.gz").read_bytes())
    service = four.service()
    waiting = [row for row in service.reading_list.page("anna").rows if row.state == "waiting"]
    assert [row.case for row in waiting] == ["lonely"]
    assert "STIR" in waiting[0].note
    assert waiting[0].image is None


def test_a_blinded_study_lists_aliases_in_the_readers_own_order_and_no_study(four):
    service = four.service(blinded=True, seed=3)
    page = service.reading_list.page("anna")
    names = [row.case for row in page.rows]
    assert page.blinded
    assert not set(names) & set("abcd")
    assert names[0] == service.next_case("anna").case.case_id
    assert {row.study for row in page.rows} == {None}


def test_progress_counts_finished_cases_by_reader_and_reading(four):
    service = four.service()
    for case_id, reader, reading in (("a", "anna", 1), ("b", "anna", 1), ("a", "anna", 2), ("a", "ben", 1), ("a", "anna", 1)):
        finish(service, case_id, reader, reading)
    assert [(one.reader, one.reading, one.done) for one in service.reading_list.progress()] == [
        ("anna", 1, 2),
        ("anna", 2, 1),
        ("ben", 1, 1),
    ]


def test_an_unknown_state_reader_or_reading_is_refused(four):
    service = four.service()
    with pytest.raises(RequestError, match="state is 'lost'; it must be begun, open, elsewhere, done or waiting"):
        service.reading_list.page("anna", state="lost")
    with pytest.raises(RequestError, match="reader is not known"):
        service.reading_list.page("")
    with pytest.raises(RequestError, match="reading"):
        service.reading_list.page("anna", 0)


def test_a_reader_sees_which_cases_are_done_for_the_region_alone_or_skipped_and_what_became_of_the_region(study_folder):
    study_folder.add_case("b")
    service = study_folder.service()
    assert service.next_case("anna", values={"skip": "b_STIR"}).case.case_id == "a"
    study_folder.submit(service, ("disease region", study_folder.region))
    notes = {row.case: row.note for row in service.reading_list.page("anna").rows}
    assert notes == {
        "a": "Its region alone is handed in. It is not learnt yet: the next training takes it up.",
        "b": "You skipped it.",
    }
    assert {row.note for row in service.reading_list.page("ben").rows} == {""}


@pytest.mark.slow
def test_a_row_names_the_submission_of_its_reading_that_has_a_report(study_folder):
    service = study_folder.service(several_readers=True)
    finish(service, "a", "anna")  # not measured: there is no report
    (row,) = service.reading_list.page("anna").rows
    assert (row.state, row.submission) == ("done", None)
    shown = study_folder.lesions == 1
    for reading in (1, 2):
        study_folder.submit(service, (REGION, study_folder.region), reading=reading)
        study_folder.submit(service, (BONE, study_folder.bone), reading=reading)
    first, second = (study_folder.submit(service, (INFLAMMATION, shown), reading=reading) for reading in (1, 2))
    named = {reading: service.reading_list.page("anna", reading).rows[0].submission for reading in (1, 2, 3)}
    assert named == {1: first.submission_id, 2: second.submission_id, 3: None}
    assert first.submission_id != second.submission_id


def test_what_became_of_a_case_is_looked_up_for_the_rows_that_are_shown_alone(four, monkeypatch):
    service, looked = four.service(), []
    monkeypatch.setattr(Skipped, "by", lambda self, case_id, *_: looked.append(case_id) or False)
    page = service.reading_list.page("anna", limit=1)
    assert (looked, page.matching) == ([page.rows[0].case], 4)
    looked.clear()
    service.reading_list.page("anna", matching="none of them")
    assert looked == []
