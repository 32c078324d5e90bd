"""Where two readings differ, to the voxel, and what is recorded of it."""

from __future__ import annotations

import json

import numpy as np
import pytest

from lib.cli.cohort_input import read_cohort
from lib.datafolder.check import problems_of
from lib.errors import ConflictError, OutputError, RequestError
from lib.readings import reviews as stored
from lib.readings.reviews import classes_of_cases
from study_folder import INFLAMMATION

pytestmark = pytest.mark.slow  # seconds in all

IMAGE, VOXEL_MM3 = "a_STIR", 6


@pytest.fixture
def two(study_folder):
    """Anna keeps 4 voxels in slice 1 and 2 in slice 2, Ben 2 of those in slice 1 and 1 elsewhere in slice 3."""
    service = study_folder.service(several_readers=True)
    study_folder.draw_regions(service)
    anna, ben = (np.zeros(study_folder.grid.shape, bool) for _ in range(2))
    anna[9:11, 1:3, 1] = True
    anna[9:11, 1, 2] = True
    ben[9, 1:3, 1] = True
    ben[1, 1, 3] = True
    names = [
        study_folder.submit(service, (INFLAMMATION, mask), reader=who).submission_id
        for who, mask in (("anna", anna), ("ben", ben))
    ]
    return service, *names


def test_the_slices_that_differ_are_listed_with_their_volume_the_largest_first(two):
    service, anna, ben = two
    differences = service.reviewing.differences(IMAGE, anna, ben)
    assert [one["slice"] for one in differences["slices"]] == [1, 2, 3]
    assert [one["only_first_mm3"] / VOXEL_MM3 for one in differences["slices"]] == [2, 2, 0]
    assert [one["only_second_mm3"] / VOXEL_MM3 for one in differences["slices"]] == [0, 0, 1]
    assert [one["both_mm3"] / VOXEL_MM3 for one in differences["slices"]] == [2, 0, 0]
    assert (differences["first_mm3"], differences["second_mm3"], differences["both_mm3"], differences["differing_mm3"]) == (
        36,
        18,
        12,
        30,
    )
    # a voxel that only one has
    assert [one["voxel"] in ([10, 1, 1], [10, 2, 1], [9, 1, 2], [10, 1, 2], [1, 1, 3]) for one in differences["slices"]] == [
        True
    ] * 3
    turned = service.reviewing.differences(IMAGE, ben, anna)
    assert turned["slices"][0]["only_second_mm3"] == 12


def test_each_voxel_of_the_map_says_who_calls_it_inflamed(two):
    service, anna, ben = two
    labels, grid = service.reviewing.labels(IMAGE, anna, ben)
    assert labels[9, 1, 1] == 3
    assert labels[10, 2, 1] == 1
    assert labels[1, 1, 3] == 2
    assert np.bincount(labels.ravel(), minlength=4)[1:].tolist() == [4, 1, 2]
    np.testing.assert_allclose(grid.affine, service.stir_grid(IMAGE).affine)


def test_the_finished_readings_of_a_case_are_offered_the_newest_of_each(two, study_folder):
    service, anna, ben = two
    again = study_folder.submit(service, (INFLAMMATION, np.zeros(study_folder.grid.shape, bool)), reader="anna").submission_id
    facts = service.reviewing.facts(IMAGE)
    assert [(one["reader"], one["submission"]) for one in facts["readings"]] == [("anna", again), ("ben", ben)]
    assert [one["name"] for one in facts["classes"]] == ["anatomical", "morphological", "artefact"]
    # an older one stays comparable by its id
    assert service.reviewing.differences(IMAGE, anna, ben)["differing_mm3"] == 30


def test_what_is_recorded_says_who_when_and_of_what_and_changes_no_reading(two, study_folder):
    service, anna, ben = two
    before = {path: path.read_bytes() for path in service.readings.root.glob("cases/*/submissions/**/*") if path.is_file()}
    made = service.reviewing.record(IMAGE, (anna, ben), 2, "morphological", " a vessel ", "root")
    of_case = service.reviewing.record(IMAGE, (anna, ben), None, "anatomical", "", "root")
    assert (made.number, made.by, made.slice, made.note) == (1, "root", 2, "a vessel")
    assert made.created.startswith("20")
    assert list(service.reviewing.reviews.all()) == [made, of_case]
    assert {path: path.read_bytes() for path in before} == before
    last = list(service.audit.entries())[-1]
    assert (last["event"], last["reader"], last["case"], last["second"]) == ("reviewed", "root", "a", ben)
    assert problems_of(service.readings.root) == ()
    # a server that starts anew knows them
    assert list(study_folder.service(several_readers=True).reviewing.reviews.all()) == [made, of_case]


def test_a_record_that_cannot_be_written_leaves_nothing(two, monkeypatch):
    service, anna, ben = two

    def full(path, content):
        raise OutputError("The disk is full.")

    monkeypatch.setattr(stored, "write_json", full)
    with pytest.raises(OutputError):
        service.reviewing.record(IMAGE, (anna, ben), None, "artefact", "", "root")
    assert list(service.reviewing.reviews.all()) == []
    assert [one["event"] for one in service.audit.entries()].count("reviewed") == 0


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"reason": "other"}, "The class is 'other'; it must be anatomical, morphological or artefact."),
        ({"note": "x" * 2001}, "The note has 2001 characters; at most 2000 are kept"),
        ({"slice_number": 0}, "do not differ in slice 0"),
        ({"second": "0001-nobody"}, "no finished reading '0001-nobody'"),
    ],
)
def test_what_makes_no_sense_is_refused_and_not_kept(two, change, sentence):
    service, anna, ben = two
    asked = {"second": ben, "slice_number": None, "reason": "artefact", "note": "", "by": "root", **change}
    with pytest.raises(RequestError, match=sentence):
        service.reviewing.record(IMAGE, (anna, asked.pop("second")), **asked)
    assert list(service.reviewing.reviews.all()) == []


def test_a_reading_is_not_compared_with_itself_nor_a_region_with_a_reading(two):
    service, anna, _ = two
    with pytest.raises(RequestError, match="Both readings are"):
        service.reviewing.differences(IMAGE, anna, anna)
    with pytest.raises(RequestError, match="no finished reading '0001-anna'"):
        service.reviewing.differences(IMAGE, "0001-anna", anna)


def test_readings_on_two_grids_are_refused_in_a_sentence(two, study_folder, monkeypatch):
    service, anna, ben = two
    plain = service.readings.read_segment

    def cut(one, name):
        from lib.core.volume import Grid, Mask

        mask = plain(one, name)
        return mask if one.reader == "anna" else Mask(mask.data[:-1], Grid(mask.data[:-1].shape, mask.grid.affine), "ben's")

    monkeypatch.setattr(service.readings, "read_segment", cut)
    with pytest.raises(ConflictError, match="cannot be laid over each other"):
        service.reviewing.differences(IMAGE, anna, ben)


def test_a_cohort_takes_the_class_of_the_case_that_was_recorded_last(two, study_folder):
    service, anna, ben = two
    for where, reason in ((None, "artefact"), (1, "morphological"), (None, "anatomical")):
        service.reviewing.record(IMAGE, (anna, ben), where, reason, "", "root")
    assert classes_of_cases(service.readings.root) == {"a": "anatomical"}
    table = read_cohort(study_folder.folder, [], None, accept_uncleaned=True)
    list(table.scans())
    assert {one.disagreement for one in table.whole_table().visits.values()} == {"anatomical"}


def test_the_class_of_a_blinded_case_is_of_its_true_name_in_a_cohort(study_folder):
    service = study_folder.service(blinded=True, seed=4, several_readers=True)
    image = f"{service.cases.index.cases[0].case_id}_STIR"
    study_folder.draw_regions(service, image)
    mask = np.zeros(study_folder.grid.shape, bool)
    mask[9, 1, 1] = True
    names = [
        study_folder.submit(service, (INFLAMMATION, one), image=image, reader=who).submission_id
        for who, one in (("anna", mask), ("ben", np.roll(mask, 1, axis=1)))
    ]
    made = service.reviewing.record(image, tuple(names), None, "artefact", "", "root")
    assert made.case.startswith("case-")
    assert classes_of_cases(service.readings.root) == {"a": "artefact"}


def test_a_damaged_record_is_left_out_and_named_by_the_check(two):
    service, anna, ben = two
    service.reviewing.record(IMAGE, (anna, ben), None, "artefact", "", "root")
    path = service.readings.root / "cases" / "a" / "reviews" / "0001.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "case": "b"}))
    assert list(service.reviewing.reviews.all()) == []
    assert [one.file for one in problems_of(service.readings.root)] == ["cases/a/reviews/0001.json"]
