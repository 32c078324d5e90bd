"""The cleaning proposal at the service: shown, applied, overridden by clicks, told in the report; and the effort of a reading."""

import json

import numpy as np
import pytest

from lib.cleaning.features import FEATURES
from lib.cleaning.fitting import fit_forest
from lib.cleaning.learning import publish_model
from lib.cleaning.model import CleaningModel
from lib.cleaning.table import LesionTable
from lib.errors import ModelError, RequestError
from lib.service.service import VhiService

pytestmark = pytest.mark.slow  # seconds in all

REGION, BONE, INFLAMMATION = "disease region", "normal bone", "inflammation"
PROPOSED = "inflammation (proposed to remove)"
IN_1, IN_2 = (9, 1, 1), (1, 1, 3)
SIZE = list(FEATURES).index("size")


def publish_by_size(root, version, above_mm3):
    features = np.zeros((40, len(FEATURES)))
    features[:, SIZE] = np.log10(np.linspace(4, 80, 40))
    kept = features[:, [SIZE]] > np.log10(above_mm3)
    table = LesionTable("t", "t", ("R1",), features, np.arange(1, 41), kept)
    model = CleaningModel(version, fit_forest([table], trees=20), 0.5, (table,))
    publish_model(model, root, created="2026-01-01T00:00:00+00:00", code_version="0")


@pytest.fixture(scope="module")
def cleaning_dir(tmp_path_factory):
    """A model that keeps lesions above 36 mm3: lesion 1 has 48, lesion 2 has 24."""
    root = tmp_path_factory.mktemp("models") / "cleaning"
    publish_by_size(root, "by-size", 36)
    return root


@pytest.fixture
def service(study_folder, cleaning_dir):
    made = VhiService(study_folder.folder, model_dir=study_folder.folder / "no-model", cleaning_dir=cleaning_dir)
    study_folder.draw_regions(made)
    return made


def told(answer):
    return {one["id"]: one for one in answer.facts["lesions"]}


def test_off_is_as_it_was(service, study_folder):
    answer = service.vhi("a_STIR", "anna", {})
    assert answer.names == {INFLAMMATION: 1}
    assert answer.facts["stages"]["proposed"] is None
    assert "proposal" not in answer.facts
    assert "keep" not in answer.facts["lesions"][0]


def test_show_marks_what_would_go_and_counts_it_still(service, study_folder):
    answer = service.vhi("a_STIR", "anna", {"proposal": "show"})
    assert answer.names == {INFLAMMATION: 1, PROPOSED: 3}
    np.testing.assert_array_equal(answer.labels == 3, study_folder.lesions == 2)
    assert answer.facts["stage"] == "raw"
    assert answer.facts["vhi_mm3"]["sensitive"] == 72.0
    assert answer.facts["stages"]["proposed"]["vhi_mm3"]["sensitive"] == 48.0
    lesions = told(answer)
    assert [lesions[n]["keep"] for n in (1, 2)] == [True, False]
    assert lesions[1]["probability"] > 0.5 > lesions[2]["probability"]
    assert all(isinstance(one["reason"], str) and one["reason"] for one in lesions.values())
    i, j, k = lesions[2]["voxel"]
    assert study_folder.lesions[i, j, k] == 2
    assert answer.facts["proposal"]["version"] == "by-size"
    json.dumps(answer.facts, allow_nan=False)


def test_show_keeps_the_grades_apart(service):
    answer = service.vhi("a_STIR", "anna", {"proposal": "show", "show": "both"})
    assert answer.names == {INFLAMMATION: 1, "inflammation (conservative)": 2, PROPOSED: 3}


def test_apply_leaves_it_out_and_says_so(service, study_folder):
    answer = service.vhi("a_STIR", "anna", {"proposal": "apply"})
    np.testing.assert_array_equal(answer.labels > 0, study_folder.lesions == 1)
    assert answer.facts["stage"] == "proposed"
    assert answer.facts["vhi_mm3"]["sensitive"] == 48.0
    assert answer.facts["stages"]["raw"]["vhi_mm3"]["sensitive"] == 72.0
    assert sorted(told(answer)) == [1, 2]


def test_uncertain_lesions_come_first(service):
    facts = service.vhi("a_STIR", "anna", {"proposal": "show"}).facts
    first = [one["id"] for one in facts["lesions"] if one["uncertain"]]
    assert first == facts["proposal"]["uncertain"]
    assert [one["id"] for one in facts["lesions"]][: len(first)] == first


@pytest.mark.parametrize(
    ("mode", "remove", "restore", "left"),
    [
        ("apply", [], [], [1]),
        ("apply", [], [IN_2], [1, 2]),
        ("apply", [IN_1], [IN_2], [2]),
        ("show", [], [], [1, 2]),
        ("show", [IN_2], [], [1]),
        ("off", [IN_1], [], [2]),
    ],
)
def test_clicks_override_the_proposal(service, study_folder, mode, remove, restore, left):
    answer = service.clean("a_STIR", "anna", {"proposal": mode}, remove, restore)
    np.testing.assert_array_equal(answer.labels > 0, np.isin(study_folder.lesions, left))
    assert answer.facts["changes"][INFLAMMATION]["lesions_kept"] == left
    # nobody has cleaned anything before the first click
    assert answer.facts["stage"] == ("cleaned" if remove or restore else {"apply": "proposed", "show": "raw"}[mode])
    if mode != "off":
        assert [n for n, one in sorted(told(answer).items()) if not one["removed"]] == left


def test_a_restored_lesion_is_no_longer_proposed_to_be_removed(service, study_folder):
    assert (service.clean("a_STIR", "anna", {"proposal": "show"}, [], []).labels == 3).sum() == 4
    answer = service.clean("a_STIR", "anna", {"proposal": "show"}, [], [IN_2])
    assert answer.names == {INFLAMMATION: 1}


def test_the_stability_of_what_apply_leaves_is_that_of_proposing_anew(service):
    # at 7 * 1.05 lesion 1 has four voxels, 24 mm3: the model keeps what is above 36 mm3, so that it goes as well
    answer = service.vhi("a_STIR", "anna", {"proposal": "apply"})
    assert [one["vhi_mm3"] for one in answer.facts["stability"]["threshold_changes"]] == [48.0, 48.0, 0.0, 0.0]


def test_another_word_is_refused(service):
    with pytest.raises(RequestError, match="proposal is 'maybe'; it must be off, show or apply"):
        service.vhi("a_STIR", "anna", {"proposal": "maybe"})


def test_without_a_model_only_the_proposal_fails(study_folder):
    bare = VhiService(study_folder.folder, model_dir=study_folder.folder / "no-model", cleaning_dir=study_folder.folder / "none")
    study_folder.draw_regions(bare)
    assert bare.vhi("a_STIR", "anna", {}).facts["vhi_mm3"]["sensitive"] == 72.0
    with pytest.raises(ModelError, match="No trained model"):
        bare.vhi("a_STIR", "anna", {"proposal": "show"})


def test_the_report_of_a_submission_says_which_number_is_which(service, study_folder):
    service.vhi("a_STIR", "anna", {"proposal": "apply"})
    study_folder.submit(service, (INFLAMMATION, study_folder.lesions == 2))
    content = json.loads(service.report("a_STIR", "anna", "json").read_text())
    assert content["stage"] == "cleaned"
    mm3 = {name: one["vhi_mm3"]["sensitive"] for name, one in content["stages"].items()}
    assert mm3 == {"raw": 72.0, "proposed": 48.0, "cleaned": 24.0}
    assert [one["keep"] for one in content["proposal"]["lesions"]] == [True, False]
    page = service.report("a_STIR", "anna", "html").read_text()
    for words in ("What a reader kept.", "Uncleaned volume, before a lesion was removed: 72 mm³", "Proposed volume: 48 mm³"):
        assert words in page


@pytest.mark.parametrize(
    ("mode", "kept", "title"),
    [
        ("apply", [1], "VHI (submitted by anna, proposal unchanged)"),
        ("apply", [2], "VHI (cleaned by anna)"),
        ("off", [1, 2], "VHI (submitted by anna, nothing removed)"),
        ("off", [1], "VHI (cleaned by anna)"),
    ],
)
def test_the_title_of_a_submission_says_where_the_reader_changed_nothing(service, study_folder, mode, kept, title):
    service.vhi("a_STIR", "anna", {"proposal": mode})
    study_folder.submit(service, (INFLAMMATION, np.isin(study_folder.lesions, kept)))
    content = json.loads(service.report("a_STIR", "anna", "json").read_text())
    assert (content["stage"], content["title"]) == ("cleaned", title)
    assert title in service.report("a_STIR", "anna", "html").read_text()


def test_a_reader_who_saw_no_proposal_has_none_in_the_report(service, study_folder):
    service.vhi("a_STIR", "anna", {})
    study_folder.submit(service, (INFLAMMATION, study_folder.lesions == 2))
    content = json.loads(service.report("a_STIR", "anna", "json").read_text())
    assert content["stages"]["proposed"] is None


def test_what_was_submitted_can_be_learnt_with_every_reader_for_himself(service, study_folder):
    service.vhi("a_STIR", "anna", {})
    study_folder.submit(service, (INFLAMMATION, study_folder.lesions == 1))
    service.vhi("a_STIR", "ben", {})
    study_folder.submit(service, (INFLAMMATION, study_folder.lesions == 2), reader="ben")
    found = service.cleanings(lambda case: f"patient of {case}")
    assert found.left_out == ()
    kept = {one.readers: one.kept[:, 0].tolist() for one in found.tables if one.as_measured}
    assert kept == {("anna/1",): [True, False], ("ben/1",): [False, True]}
    assert {one.patient for one in found.tables} == {"patient of a"}


def test_a_cleaning_whose_regions_changed_since_is_not_learnt(service, study_folder):
    study_folder.submit(service, (INFLAMMATION, study_folder.lesions == 1))
    smaller = study_folder.region.copy()
    smaller[9:] = False
    study_folder.submit(service, (REGION, smaller))
    found = service.cleanings(str)
    assert found.tables == ()
    assert "a, submission 0003-anna, is not learnt: its regions were changed since" in found.left_out[0]


def test_effort_is_stored_with_the_submission_and_told(service, study_folder):
    effort = {"seconds": 61.5, "clicks": 7, "boundary_edits": 2}
    made = study_folder.submit(service, (INFLAMMATION, study_folder.lesions == 1), effort=effort)
    assert made.effort == {**effort, "seconds_by": "viewer"}
    content = json.loads(service.report("a_STIR", "anna", "json").read_text())
    assert content["reading"]["effort"] == made.effort


def test_the_server_counts_seconds_where_the_viewer_does_not(service, study_folder):
    service.vhi("a_STIR", "anna", {})
    made = study_folder.submit(service, (INFLAMMATION, study_folder.lesions == 1), effort={"clicks": 3})
    assert made.effort["seconds_by"] == "server"
    assert made.effort["seconds"] >= 0
    assert made.effort["clicks"] == 3


@pytest.mark.parametrize(
    ("effort", "words"),
    [
        ({"seconds": -1}, "seconds is '-1'"),
        ({"clicks": 1.5}, "it must be a whole number"),
        ({"clicks": True}, "clicks is 'True'"),
        ({"seconds": float("nan")}, "seconds is 'nan'"),
        ({"coffee": 1}, "effort holds 'coffee'"),
        ([1], "effort is an object"),
    ],
)
def test_effort_that_cannot_be_is_refused_and_nothing_is_kept(service, study_folder, effort, words):
    before = len(service.submissions("a_STIR", "anna"))
    with pytest.raises(RequestError, match=words):
        study_folder.submit(service, (INFLAMMATION, study_folder.lesions == 1), effort=effort)
    assert len(service.submissions("a_STIR", "anna")) == before


@pytest.fixture
def updated(service, study_folder, tmp_path):
    """Anna saw the proposal of a version that the program's update has taken away since."""
    service.vhi("a_STIR", "anna", {"proposal": "show"})
    publish_by_size(tmp_path / "cleaning", "by-size-2", 36)
    return VhiService(study_folder.folder, model_dir=study_folder.folder / "no-model", cleaning_dir=tmp_path / "cleaning")


def test_a_version_that_is_gone_stops_no_reader_whose_suggestions_are_off(updated, study_folder):
    answer = updated.vhi("a_STIR", "anna", {})
    gone = "The cleaning proposal that was shown before, by-size, is gone; this reading is reported without a proposal."
    decisions = {"proposal": "off", "clicks": [], "automatic_id": answer.facts["automatic_id"]}
    kept = study_folder.submit(updated, (INFLAMMATION, study_folder.lesions == 1), decisions=decisions)
    assert gone in kept.messages
    assert (
        gone in study_folder.submit(updated, (INFLAMMATION, study_folder.lesions == 2)).messages
    )  # by a viewer that sends no decisions
    path = updated.report("a_STIR", "anna", "json")
    content = path.read_bytes()
    assert json.loads(content)["stages"]["proposed"] is None
    path.write_bytes(b"")
    assert updated.report("a_STIR", "anna", "json").read_bytes() == content


def test_a_reader_with_suggestions_of_a_version_that_is_gone_is_asked_to_measure_again(updated, study_folder):
    with pytest.raises(ModelError, match="Version by-size of the cleaning proposal is gone; restore it, or run vhi again"):
        study_folder.submit(updated, (INFLAMMATION, study_folder.lesions == 1), decisions={"proposal": "show", "clicks": []})
    updated.vhi("a_STIR", "anna", {"proposal": "show"})
    assert not any("gone" in one for one in study_folder.submit(updated, (INFLAMMATION, study_folder.lesions == 1)).messages)


def test_clicks_go_on_with_the_version_of_the_measurement_and_a_new_measurement_takes_the_live_one(study_folder, tmp_path):
    root = tmp_path / "cleaning"
    publish_by_size(root, "first", 36)
    service = VhiService(study_folder.folder, model_dir=study_folder.folder / "no-model", cleaning_dir=root)
    study_folder.draw_regions(service)
    service.vhi("a_STIR", "anna", {"proposal": "apply"})
    publish_by_size(root, "second", 60)  # keeps neither lesion
    clean = service.clean("a_STIR", "anna", {"proposal": "apply"}, [], [])
    assert clean.facts["proposal"]["version"] == "first"
    np.testing.assert_array_equal(clean.labels > 0, study_folder.lesions == 1)
    assert service.clean("a_STIR", "ben", {"proposal": "apply"}, [], []).facts["proposal"]["version"] == "second"
    assert service.vhi("a_STIR", "anna", {"proposal": "apply"}).facts["proposal"]["version"] == "second"
    assert service.clean("a_STIR", "anna", {"proposal": "apply"}, [], []).facts["proposal"]["version"] == "second"


@pytest.mark.parametrize("voxel", [(999, 0, 0), (-1, 1, 1)])
def test_a_restoring_click_outside_the_scan_stops_no_submission(service, study_folder, voxel):
    answer = service.clean("a_STIR", "anna", {}, [], [voxel])
    assert "outside the scan's grid" in answer.facts["messages"][0]
    assert study_folder.submit(service, (INFLAMMATION, study_folder.lesions > 0)).segment(INFLAMMATION).voxels == 12
