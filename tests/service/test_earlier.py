"""The patient's earlier visit in what a server answers and keeps: which reading it is, what changed, and what is not compared."""

from __future__ import annotations

import json

import numpy as np
import pytest

from lib.errors import GridMismatchError, NotFoundError
from study_folder import INFLAMMATION, StudyFolder, phantom_truth

pytestmark = pytest.mark.slow  # seconds in all


@pytest.fixture
def study_folder(tmp_path):
    study_folder = StudyFolder(tmp_path / "studies")
    for case_id in ("p_baseline", "p_follow_up", "q"):
        study_folder.add_case(case_id)
    return study_folder


def finish(study_folder, service, case_id, kept, reader="anna", **more):
    image = f"{case_id}_STIR"
    study_folder.draw_regions(service, image, reader)
    return study_folder.submit(service, (INFLAMMATION, kept), image=image, reader=reader, **more)


def numbers_of(service, made):
    return json.loads((service.readings.folder_of(made) / "vhi.json").read_text())


def dated(study_folder, rows):
    table = study_folder.folder / ".vhi" / "retraining" / "patients.csv"
    table.parent.mkdir(parents=True, exist_ok=True)
    table.write_text("case,patient,date\n" + rows)


def test_a_follow_up_says_what_changed_in_its_answer_and_in_every_stored_form(study_folder):
    service = study_folder.service()
    before = finish(study_folder, service, "p_baseline", study_folder.lesions == 1)
    made = finish(study_folder, service, "p_follow_up", study_folder.lesions > 0)
    change = numbers_of(service, made)["change"]
    assert (change["earlier_mm3"], change["change_mm3"], change["factor"]) == (48.0, 24.0, 1.5)
    assert change["earlier_title"] == "VHI (cleaned by anna)"
    assert change["smallest_change_mm3"] == pytest.approx([48 * (1 - 1 / 1.52), 48 * 0.52])
    sentence = "Earlier visit: VHI (cleaned by anna) 48 mm³. Change since: +24 mm³, a factor of 1.50."
    assert sentence in made.messages
    assert sentence in (service.readings.folder_of(made) / "report.html").read_text()
    assert made.earlier == {"case": "p_baseline", "submission": before.submission_id, "date": ""}
    assert numbers_of(service, before).get("change") is None
    answer = service.clean("p_follow_up_T1W", "anna", {}, [], [tuple(np.argwhere(study_folder.lesions == 2)[0].tolist())])
    assert answer.facts["change"]["change_mm3"] == 24.0
    report = {"image": "p_baseline_STIR", "submission": before.submission_id, "reader": "anna"}
    assert answer.facts["earlier"] == {"case": "p_baseline", "date": None, "report": report}


def test_an_uncleaned_number_beside_a_cleaned_one_says_so_and_no_word_on_the_change(study_folder):
    service = study_folder.service()
    finish(study_folder, service, "p_baseline", study_folder.lesions == 1)
    study_folder.draw_regions(service, "p_follow_up_STIR")
    change = service.vhi("p_follow_up_STIR", "anna", {}).facts["change"]
    assert "the earlier number is VHI, this one Uncleaned volume" in change["doubts"]
    assert change["exceeds_reader_variation"] is None


def test_a_damaged_report_of_a_follow_up_is_made_again_as_it_was(study_folder):
    service = study_folder.service()
    finish(study_folder, service, "p_baseline", study_folder.lesions == 1)
    made = finish(study_folder, service, "p_follow_up", study_folder.lesions > 0)
    path = service.readings.folder_of(made) / "report.html"
    kept = path.read_bytes()
    finish(study_folder, service, "p_baseline", study_folder.lesions == 2)  # what it is compared with has been amended since
    path.write_bytes(b"")
    assert study_folder.service().report("p_follow_up_STIR", "anna", "html").read_bytes() == kept


def test_the_newest_earlier_visit_is_taken_by_its_date(study_folder):
    for case_id in ("r", "s"):
        study_folder.add_case(case_id)
    service = study_folder.service()
    dated(study_folder, "q,X,2024-05-01\nr,X,2025-05-01\ns,X,2026-05-01\n")
    finish(study_folder, service, "s", study_folder.lesions == 1)
    finish(study_folder, service, "q", study_folder.lesions == 2)
    made = finish(study_folder, service, "r", study_folder.lesions > 0)
    assert numbers_of(service, made)["change"]["earlier_date"] == "2024-05-01"
    assert finish(study_folder, service, "s", study_folder.lesions > 0).earlier["case"] == "r"


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        ("q,X,2024-05-01\np_baseline,X,2024-05-01\n", "another scan of the same day, 2024-05-01"),
        ("q,X,\np_baseline,X,2024-05-01\n", "the date of this scan is not known"),
        ("q,X,2024-05-01\np_baseline,X,\n", "the date of another scan of the patient is not known"),
        ("q,X,\np_baseline,X,\n", "the date of this scan is not known"),
        ("q,X,2024-05-02\np_baseline,X,2024-05-01\np_follow_up,X,2024-05-01\n", "2 earlier scans of one day, 2024-05-01"),
        ("q,X,2024-5-2\n", "needs one date, as YYYY-MM-DD"),
    ],
)
def test_an_order_that_is_not_known_is_not_guessed(study_folder, rows, words):
    service = study_folder.service()
    finish(study_folder, service, "p_baseline", study_folder.lesions == 1)
    finish(study_folder, service, "p_follow_up", study_folder.lesions == 1)
    dated(study_folder, rows)
    made = finish(study_folder, service, "q", study_folder.lesions > 0)
    numbers = numbers_of(service, made)
    assert words in numbers["no_change_because"]
    assert "change" not in numbers
    assert made.earlier == {"not_compared": numbers["no_change_because"]}
    assert numbers["no_change_because"] in made.messages


def test_another_patient_and_an_unfinished_visit_are_no_earlier_visit(study_folder):
    service = study_folder.service()
    finish(study_folder, service, "q", study_folder.lesions == 1)
    study_folder.draw_regions(service, "p_baseline_STIR")
    made = finish(study_folder, service, "p_follow_up", study_folder.lesions > 0)
    assert made.earlier is None
    assert not {"change", "no_change_because"} & numbers_of(service, made).keys()


def test_other_settings_are_refused_in_a_sentence(study_folder):
    service = study_folder.service()
    study_folder.draw_regions(service, "p_baseline_STIR")
    service.vhi("p_baseline_STIR", "anna", {"first_multiple": 2.0})
    study_folder.submit(service, (INFLAMMATION, study_folder.lesions == 1), image="p_baseline_STIR")
    made = finish(study_folder, service, "p_follow_up", study_folder.lesions > 0)
    assert "measured with different settings (earlier: first multiple 2.0; now: the defaults)" in made.messages[-1]


def test_a_blinded_study_compares_nothing(study_folder):
    service = study_folder.service(blinded=True, seed=3)
    cases = {case.t1w.name: case.case_id for case in service.cases.index.cases}
    finish(study_folder, service, cases["p_baseline_T1W.nii.gz"], study_folder.lesions == 1)
    made = finish(study_folder, service, cases["p_follow_up_T1W.nii.gz"], study_folder.lesions > 0)
    assert made.earlier is None
    assert "change" not in numbers_of(service, made)


@pytest.mark.parametrize(("several", "earlier"), [(False, "p_baseline"), (True, None)])
def test_another_readers_earlier_visit_counts_where_a_case_goes_to_one_reader(study_folder, several, earlier):
    service = study_folder.service(several_readers=several)
    finish(study_folder, service, "p_baseline", study_folder.lesions == 1, reader="ben")
    made = finish(study_folder, service, "p_follow_up", study_folder.lesions > 0)
    assert (made.earlier or {}).get("case") == earlier
    if earlier:
        answer = service.vhi("p_follow_up_STIR", "anna", {})
        assert answer.facts["earlier"]["report"] is None  # readers see reports of their own alone


def test_a_second_reading_knows_nothing_of_the_first(study_folder):
    service = study_folder.service()
    finish(study_folder, service, "p_follow_up", study_folder.lesions > 0)
    finish(study_folder, service, "p_baseline", study_folder.lesions == 1)
    made = study_folder.submit(service, (INFLAMMATION, study_folder.lesions > 0), image="p_follow_up_STIR", reading=2)
    assert made.earlier is None


def test_without_the_earlier_scan_the_volumes_are_compared_and_no_lesions(study_folder):
    finish(study_folder, study_folder.service(), "p_baseline", study_folder.lesions == 1)
    service = study_folder.service()
    (study_folder.folder / "p_baseline_STIR.nii.gz").write_bytes(b"")
    service.cases.refresh()
    made = finish(study_folder, service, "p_follow_up", study_folder.lesions > 0)
    change = numbers_of(service, made)["change"]
    assert (change["change_mm3"], change["lesions"]) == (24.0, None)
    assert not any("laid over" in one for one in change["doubts"])
    assert "Which lesions are new or gone is not told: the earlier scan is not at hand." in made.messages


def test_where_the_lesions_behind_the_earlier_number_cannot_be_told_the_volumes_alone_are_compared(tmp_path):
    study_folder = StudyFolder(tmp_path / "studies")
    stir = study_folder.truth.stir.data
    stir[5:8, 5:8, 3] = 8.0
    stir[6, 6, 3] = 0.5  # a hole, which fill_holes counts
    for case_id in ("p_baseline", "p_follow_up"):
        study_folder.add_case(case_id)
    service, kept = study_folder.service(), study_folder.lesions == 1
    kept[5:8, 5:8, 3] = True
    kept[0, 0, 0] = True  # dark: it does not count
    for image in ("p_baseline_STIR", "p_follow_up_STIR"):
        study_folder.draw_regions(service, image)
        service.vhi(image, "anna", {"fill_holes": True})
        made = study_folder.submit(service, (INFLAMMATION, kept), image=image)
    change = numbers_of(service, made)["change"]
    assert (change["earlier_mm3"], change["change_mm3"]) == (17 * 6.0, 0.0)
    assert (change["lesions"], change["counts"]) == (None, None)
    assert not any("laid over" in one for one in change["doubts"])
    assert (
        "Which lesions are new or gone is not told: which voxels of the earlier mask count in its number is not known."
        in made.messages
    )


# beside this one -----------------------------------------------------------------------------------------------------------------


def test_the_earlier_visit_is_shown_on_the_grid_of_this_one_with_what_was_kept_of_it(tmp_path):
    study_folder = StudyFolder(tmp_path / "phantoms", phantom_truth())
    for case_id in ("p_baseline", "p_follow_up"):
        study_folder.add_case(case_id)
    service = study_folder.service()
    before = finish(study_folder, service, "p_baseline", study_folder.lesions == 1)
    earlier = service.earlier("p_follow_up_T1W", "anna")
    assert earlier.stir.grid is earlier.kept.grid
    assert earlier.stir.data.shape == study_folder.grid.shape
    # both scans are one: it lies where it lay
    np.testing.assert_array_equal(earlier.kept.data, study_folder.lesions == 1)
    inner = (slice(2, -2), slice(2, -2), slice(1, -1))  # nothing is known beyond the field of view
    assert (
        np.corrcoef(earlier.stir.data[inner].ravel(), study_folder.truth.stir.data[inner].ravel())[0, 1] > 0.99
    )  # linear interpolation smooths
    assert earlier.facts() == {
        "case": "p_baseline",
        "date": None,
        "reader": "anna",
        "sensitive": numbers_of(service, before)["thresholds"]["sensitive"],
    }


def test_where_there_is_no_earlier_visit_none_is_shown(study_folder):
    service = study_folder.service()
    with pytest.raises(NotFoundError, match="No earlier visit of this patient was finished"):
        service.earlier("p_follow_up_STIR", "anna")
    finish(study_folder, service, "p_baseline", study_folder.lesions == 1)
    with pytest.raises(NotFoundError, match="No earlier visit"):
        service.earlier("p_baseline_STIR", "anna")
    dated(study_folder, "p_follow_up,X,2024-05-01\np_baseline,X,2024-05-01\n")
    with pytest.raises(NotFoundError, match="another scan of the same day"):
        study_folder.service().earlier("p_follow_up_STIR", "anna")


def test_a_blinded_study_shows_no_visit_beside_another(study_folder):
    service = study_folder.service(blinded=True, seed=3)
    cases = {case.t1w.name: case.case_id for case in service.cases.index.cases}
    finish(study_folder, service, cases["p_baseline_T1W.nii.gz"], study_folder.lesions == 1)
    with pytest.raises(NotFoundError, match="This study is blinded: its visits are read apart"):
        service.earlier(f"{cases['p_follow_up_T1W.nii.gz']}_STIR", "anna")


def test_another_readers_earlier_visit_is_not_shown_where_every_reader_reads_every_case(study_folder):
    """That of the handmade scans, of a few voxels each, cannot be laid over, and says so to the reader whose it is."""
    service = study_folder.service(several_readers=True)
    finish(study_folder, service, "p_baseline", study_folder.lesions == 1, reader="ben")
    with pytest.raises(NotFoundError, match="No earlier visit"):
        service.earlier("p_follow_up_STIR", "anna")
    with pytest.raises(GridMismatchError, match="could not be aligned"):
        service.earlier("p_follow_up_STIR", "ben")
