"""Gestures as viewers send them: taken, refused in a sentence, kept with the submission, and the same again from there."""

from __future__ import annotations

import json

import numpy as np
import pytest

from lib.core.gestures import Lasso, OnSlice
from lib.errors import RequestError
from lib.service.gestures import gesture_as_dict, on_stir, parse_gestures
from lib.service.service import VhiService
from study_folder import StudyFolder, phantom_truth

pytestmark = pytest.mark.slow  # seconds in all

ALL = [
    {"what": "remove", "scope": "lesion", "voxel": [1, 2, 3]},
    {"what": "restore", "scope": "slice", "voxel": [1, 2, 3]},
    {"what": "only", "scope": "several", "voxels": [[1, 2, 3], [4, 5, 6]]},
    {"what": "remove", "scope": "lasso", "slice": 3, "polygon": [[0.5, 1.0], [2.0, 3.0], [4.0, 0.0]], "inside": False},
    {"what": "remove", "scope": "on slice", "slice": 3, "parts": True},
    {"what": "remove", "scope": "beyond line", "line": [[0.0, 1.0], [2.0, 3.0]], "side": [4.0, 0.0]},
    {"what": "remove", "scope": "part", "part": "above L5/S1", "side": "left"},
    {"what": "remove", "scope": "smaller", "below_mm3": 20.0},
    {"what": "split", "scope": "bridge", "voxel": [1, 2, 3]},
    {"what": "split", "scope": "stroke", "slice": 3, "stroke": [[0.0, 1.0], [2.0, 3.0]]},
]


def parsed(*gestures, to_stir=on_stir):
    return parse_gestures(list(gestures), "gestures", to_stir)


def test_every_gesture_comes_back_as_it_was_sent():
    assert [gesture_as_dict(one) for one in parsed(*ALL)] == ALL


def test_what_is_left_out_has_its_usual_value():
    assert parsed({"what": "remove", "scope": "on slice", "slice": 3}) == (OnSlice("remove", 3),)
    triangle = [[0, 1], [2, 3], [4, 0]]
    assert parsed({"what": "only", "scope": "lasso", "slice": 1, "polygon": triangle})[0] == Lasso(
        "only", 1, ((0.0, 1.0), (2.0, 3.0), (4.0, 0.0))
    )


WRONG = {
    "no list": ("remove", "gestures must be a list of at most 10000 gestures"),
    "too many": ([ALL[0]] * 10_001, "at most 10000"),
    "no object": ([7], "found '7'"),
    "unknown scope": ([{"what": "remove", "scope": "circle"}], "found"),
    "a scope that is no word": ([{"what": "remove", "scope": ["lasso"]}], "found"),
    "unknown action": ([{**ALL[0], "what": "paint"}], "found"),
    "split without a bridge": ([{**ALL[0], "what": "split"}], "found"),
    "a key too many": ([{**ALL[0], "slice": 3}], "found"),
    "two corners": ([{**ALL[3], "polygon": [[0, 1], [2, 3]]}], "polygon is .* a list of 3 to 100 points"),
    "too many corners": ([{**ALL[3], "polygon": [[0, 1]] * 101}], "3 to 100 points"),
    "a corner that is no point": ([{**ALL[3], "polygon": [[0, 1], [2, 3], [4]]}], "points"),
    "a corner at infinity": ([{**ALL[3], "polygon": [[0, 1], [2, 3], [4, float("inf")]]}], "points"),
    "inside as a text": ([{**ALL[3], "inside": "no"}], "inside is 'no'; it must be true or false"),
    "half a slice": ([{**ALL[4], "slice": 0.5}], "slice is '0.5'"),
    "a line of one point twice": ([{**ALL[5], "line": [[1, 1], [1, 1]]}], "two points apart"),
    "a part that there is not": ([{**ALL[6], "part": "femur"}], "There is no part 'femur'"),
    "neither part nor side": ([{"what": "remove", "scope": "part"}], "needs a part, a side, or both"),
    "a size of nothing": ([{**ALL[7], "below_mm3": 0}], "below_mm3 is '0'"),
    "a size that is true": ([{**ALL[7], "below_mm3": True}], "below_mm3"),
    "a part that is no text": ([{**ALL[6], "part": []}], "There is no part '\\[\\]'"),
    "a side that is no text": ([{**ALL[6], "side": {}}], "There is no side '{}'"),
    "an index of 400 digits": ([{**ALL[0], "voxel": [10**400, 1, 1]}], "voxel is"),
    "a slice of 400 digits": ([{**ALL[4], "slice": 10**400}], "slice is"),
    "a size of 400 digits": ([{**ALL[7], "below_mm3": 10**400}], "below_mm3 is"),
    "an index of 5000 digits": ([{**ALL[0], "voxel": [10**5000, 1, 1]}], "voxel is"),
    "too many splits": ([ALL[8]] * 101, "101 splits were sent; at most 100"),
    "no voxels": ([{**ALL[2], "voxels": []}], "voxels is"),
}


@pytest.mark.parametrize("name", WRONG)
def test_what_is_no_gesture_is_refused_in_a_sentence(name):
    value, sentence = WRONG[name]
    with pytest.raises(RequestError, match=sentence):
        parse_gestures(value, "gestures", on_stir)


def test_points_of_a_series_whose_rows_run_the_other_way_are_moved_and_those_across_the_slices_are_refused():
    turned = parsed(ALL[3], to_stir=lambda points: points * [-1, 1, 1] + [9, 0, 0])
    assert turned[0].polygon == ((8.5, 1.0), (7.0, 3.0), (5.0, 0.0))
    with pytest.raises(RequestError, match="drawn on STIR, whose slices are none of this series'"):
        parsed(ALL[3], to_stir=lambda points: points[:, ::-1])


@pytest.fixture
def service(study_folder):
    made = VhiService(study_folder.folder, model_dir=study_folder.folder / "no-model")
    study_folder.draw_regions(made)
    return made


SMALL = {"what": "remove", "scope": "smaller", "below_mm3": 36.0}  # lesion 1 has 48 mm3, lesion 2 has 24
FIRST_SLICE = {"what": "remove", "scope": "on slice", "slice": 1, "parts": True}


def test_gestures_are_replayed_in_order_after_the_clicks(service, study_folder):
    only = {"what": "only", "scope": "lesion", "voxel": [1, 1, 3]}
    answer = service.clean("a_STIR", "anna", {"gestures": [SMALL]}, [], [])
    np.testing.assert_array_equal(answer.labels > 0, study_folder.lesions == 1)
    assert answer.facts["stage"] == "cleaned"
    assert answer.facts["vhi_mm3"]["sensitive"] == 48.0
    assert answer.facts["corrections"]["clicks"]["removed"] == [[2, 4]]
    answer = service.clean("a_STIR", "anna", {"gestures": [SMALL, only]}, [], [])
    np.testing.assert_array_equal(answer.labels > 0, study_folder.lesions == 2)
    answer = service.clean("a_STIR", "anna", {"gestures": [SMALL]}, [], [(1, 1, 3)])
    np.testing.assert_array_equal(answer.labels > 0, study_folder.lesions == 1)  # it was restored before


def test_what_a_gesture_could_not_do_is_a_message(service):
    answer = service.clean("a_STIR", "anna", {"gestures": [{**SMALL, "below_mm3": 1.0}]}, [], [])
    assert answer.facts["messages"][0] == "That gesture takes no lesion; it changed nothing."


def test_a_submission_keeps_its_gestures_and_credits_what_they_did_to_the_reader(service, study_folder):
    answer = service.clean("a_STIR", "anna", {"gestures": [SMALL, FIRST_SLICE]}, [], [])
    expected = study_folder.lesions == 1
    expected[:, :, 1] = False
    np.testing.assert_array_equal(answer.labels > 0, expected)
    decisions = {"proposal": "off", "clicks": [SMALL, FIRST_SLICE], "automatic_id": answer.facts["automatic_id"]}
    kept = study_folder.submit(service, ("inflammation", expected), decisions=decisions)
    assert kept.corrections["clicks"]["removed"] == [[1, 4], [2, 4]]
    assert kept.corrections["hand"]["erased"] == []
    (stored,) = [one for one in service.readings.of_case("a") if one.segment("inflammation")]
    assert stored.decisions["clicks"] == [SMALL, FIRST_SLICE]


def test_a_submission_with_a_gesture_that_there_is_not_keeps_nothing(service, study_folder):
    before = len(service.readings.of_case("a"))
    decisions = {"clicks": [{"what": "remove", "scope": "circle"}]}
    with pytest.raises(RequestError, match="found"):
        study_folder.submit(service, ("inflammation", study_folder.lesions > 0), decisions=decisions)
    assert len(service.readings.of_case("a")) == before


def test_gestures_by_side_are_credited_as_they_were_on_the_screen_when_the_region_was_redrawn_since(service, study_folder):
    left = {"what": "remove", "scope": "part", "part": None, "side": "left"}
    answer = service.clean("a_STIR", "anna", {"gestures": [left]}, [], [])
    np.testing.assert_array_equal(answer.labels > 0, study_folder.lesions == 2)
    smaller = np.zeros_like(study_folder.region)
    smaller[9:12, :, :] = True  # its midline runs through lesion 1
    decisions = {"proposal": "off", "clicks": [left], "automatic_id": answer.facts["automatic_id"]}
    kept = study_folder.submit(
        service, ("disease region", smaller), ("inflammation", study_folder.lesions == 2), decisions=decisions
    )
    assert kept.corrections["clicks"]["removed"] == [[1, 8]]
    assert kept.corrections["hand"]["erased"] == []


def test_lesions_that_an_older_program_noted_without_their_places_are_still_replayed(service, study_folder):
    answer = service.clean("a_STIR", "anna", {"gestures": [SMALL]}, [], [])
    (path,) = service.readings.folder_of_case("a").glob("shown/anna-1.json")
    noted = json.loads(path.read_text())
    del noted["display"]["midlines"]
    path.write_text(json.dumps(noted))
    left = {"what": "remove", "scope": "part", "part": None, "side": "left"}
    decisions = {"proposal": "off", "clicks": [SMALL, left], "automatic_id": answer.facts["automatic_id"]}
    kept = study_folder.submit(service, ("inflammation", study_folder.lesions > 2), decisions=decisions)
    assert kept.corrections["clicks"]["removed"] == [[1, 8], [2, 4]]
    assert kept.corrections["hand"]["erased"] == []
    service.clean("a_STIR", "anna", {"gestures": [SMALL]}, [], [])
    assert list(json.loads(path.read_text())["display"]["midlines"]) == [answer.facts["automatic_id"]]


def test_pieces_of_a_split_lesion_are_told_as_lesions_and_where_they_lie(tmp_path):
    study_folder = StudyFolder(tmp_path / "phantoms", phantom_truth())
    study_folder.add_case("a")
    service = study_folder.service()
    study_folder.draw_regions(service)
    lesion = max(study_folder.truth.lesions, key=lambda one: one.voxels)
    at = np.argwhere(study_folder.truth.lesion_labels == lesion.id)
    i, k = (int(np.median(at[:, axis])) for axis in (0, 2))
    ends = [[i, int(at[:, 1].min()) - 5], [i, int(at[:, 1].max()) + 5]]
    split = {"what": "split", "scope": "stroke", "slice": k, "stroke": ends}
    facts = service.clean("a_STIR", "anna", {"gestures": [split]}, [], []).facts
    assert facts["without_effect"] == []
    pieces = [one for one in facts["pieces"] if one["of"] == lesion.id]
    assert len(pieces) >= 2
    whole = np.zeros(study_folder.grid.shape, bool)
    for piece in pieces:
        places = np.concatenate([np.arange(start, start + length) for start, length in piece["runs"]])
        assert places.size == piece["voxels"]
        here = np.zeros(whole.size, bool)
        here[places] = True
        here = here.reshape(whole.shape, order="F")
        assert here[tuple(piece["voxel"])]
        assert not (whole & here).any()
        whole |= here
        gone = {"what": "remove", "scope": "lesion", "voxel": piece["voxel"]}
        left = service.clean("a_STIR", "anna", {"gestures": [split, gone]}, [], []).labels > 0
        np.testing.assert_array_equal(left, (study_folder.truth.grade > 0) & ~here)
    np.testing.assert_array_equal(whole, study_folder.truth.lesion_labels == lesion.id)


def test_a_split_that_finds_nothing_is_told_and_leaves_no_pieces(service):
    beside = {"what": "split", "scope": "stroke", "slice": 0, "stroke": [[0, 0], [1, 0]]}
    facts = service.clean("a_STIR", "anna", {"gestures": [beside]}, [], []).facts
    assert facts["pieces"] == []
    assert facts["without_effect"] == ["That stroke on slice 0 crosses no lesion; nothing was split."]
