"""VHI and cleaning from the regions in force; numbers as `handmade` draws them: 12 voxels of 6 mm3 in two lesions."""

import json

import numpy as np
import pytest

from lib.errors import InputError, ModelError, RequestError, SettingsError, UnknownImageError

pytestmark = pytest.mark.slow  # seconds in all

IN_1, IN_1_NEXT_SLICE, IN_2, NOWHERE = (9, 1, 1), (10, 2, 2), (1, 1, 3), (5, 5, 1)


@pytest.fixture
def service(study_folder):
    service = study_folder.service()
    study_folder.draw_regions(service)
    return service


def test_vhi_rests_on_what_the_reader_drew(study_folder, service):
    answer = service.vhi("a_STIR", "anna", {})
    facts = answer.facts
    assert facts["voxels"] == {"sensitive": 12, "conservative": 4, "raw_sensitive": 12 + 9}
    assert facts["vhi_mm3"] == {"sensitive": 72.0, "conservative": 24.0}
    assert (facts["thresholds"]["sensitive"], facts["thresholds"]["conservative"]) == (7.0, 7.5)
    assert facts["used"] == {"normal bone": "your submission 0002", "disease region": "your submission 0001"}
    assert facts["model_version"] is None
    np.testing.assert_array_equal(answer.labels, study_folder.lesions > 0)
    assert answer.names == {"inflammation": 1}
    assert answer.labels.dtype == np.uint8
    json.dumps(facts, allow_nan=False)


def test_either_series_gives_the_same_answer_on_its_own_grid(study_folder, service):
    as_t1w, as_stir = (service.vhi(f"a_{role}", "anna", {}) for role in ("T1W", "STIR"))
    np.testing.assert_array_equal(as_t1w.labels, as_stir.labels)
    np.testing.assert_allclose(as_t1w.grid.affine, study_folder.grid.affine)
    assert as_t1w.facts["vhi_mm3"] == as_stir.facts["vhi_mm3"]


def test_both_grades_are_shown_on_request(study_folder, service):
    answer = service.vhi("a_STIR", "anna", {"show": "both"})
    np.testing.assert_array_equal(answer.labels, study_folder.truth.grade)
    assert answer.names == {"inflammation": 1, "inflammation (conservative)": 2}


def test_an_empty_answer_still_has_a_name_and_only_names_that_occur_are_told(service):
    # every lesion lies on one or two slices of four pixels
    empty = service.vhi("a_STIR", "anna", {"min_pixels": "5", "show": "both"})
    assert empty.facts["voxels"]["sensitive"] == 0
    assert empty.names == {"inflammation": 1}
    assert not empty.labels.any()


def test_settings_may_come_as_text_and_wrong_ones_are_refused(service):
    assert service.vhi("a_STIR", "anna", {"connectivity": "4"}).facts["provenance"]["settings"]["connectivity"] == 4
    for values, error, sentence in (
        ({"min_pixel": 3}, SettingsError, "did you mean min_pixels"),
        ({"min_pixels": "many"}, SettingsError, "needs a whole number"),
        ({"show": "all"}, RequestError, "must be inflammation or both"),
        ({"reading": 0}, RequestError, "reading is 0"),
        ({"reading": "x"}, RequestError, "reading is 'x'"),
        ({"reading": "9" * 50}, RequestError, "reading is"),
        ({"device": "cuda"}, SettingsError, "no setting 'device'"),
    ):
        with pytest.raises(error, match=sentence):
            service.vhi("a_STIR", "anna", values)


def test_another_reader_starts_from_the_shared_regions(service):
    assert service.vhi("a_STIR", "ben", {}).facts["used"] == {
        "normal bone": "shared by study (0002)",
        "disease region": "shared by study (0001)",
    }
    assert service.vhi("a_STIR", None, {}).facts["vhi_mm3"]["sensitive"] == 72.0


def test_a_second_reading_does_not_see_what_its_reader_drew_since_but_the_shared_regions(study_folder, service):
    smaller = study_folder.region.copy()
    smaller[1:3] = False  # without lesion 2
    study_folder.submit(service, (REGION_NAME, smaller), reader="ben")
    assert service.vhi("a_STIR", "ben", {}).facts["voxels"]["sensitive"] == 8
    second = service.vhi("a_STIR", "ben", {"reading": 2}).facts
    assert second["used"]["disease region"] == "shared by study (0001)"
    assert second["voxels"]["sensitive"] == 12


REGION_NAME = "disease region"


def test_readers_own_regions_do_not_touch_each_other(study_folder, service):
    smaller = study_folder.region.copy()
    smaller[9:11] = False  # without lesion 1
    study_folder.submit(service, (REGION_NAME, smaller), reader="ben")
    assert service.vhi("a_STIR", "ben", {}).facts["voxels"]["sensitive"] == 4
    assert service.vhi("a_STIR", "anna", {}).facts["voxels"]["sensitive"] == 12
    assert service.vhi("a_STIR", "eva", {}).facts["voxels"]["sensitive"] == 12  # the first reader's is shared


def test_an_administrator_can_share_another_readers_region(study_folder, service):
    smaller = study_folder.region.copy()
    smaller[9:11] = False
    study_folder.submit(service, (REGION_NAME, smaller), reader="ben")
    service.share("a_STIR", "0003-ben", [REGION_NAME], admin="chief")
    answer = service.vhi("a_STIR", "eva", {})
    assert answer.facts["voxels"]["sensitive"] == 4
    assert answer.facts["used"][REGION_NAME] == "shared by study (0003)"


def test_without_a_region_and_without_a_model_the_sentence_says_so(study_folder):
    service = study_folder.service()
    for ask in (service.disease_region, service.normal_bone, lambda image: service.vhi(image, "anna", {})):
        with pytest.raises(ModelError, match="No trained model"):
            ask("a_STIR")


@pytest.mark.parametrize("image_id", ["b_STIR", "a", "", "../a_STIR", "a_STIR/../../etc/passwd", "a_stir"])
def test_an_unknown_id_is_refused_everywhere(study_folder, service, image_id):
    for ask in (
        service.disease_region,
        service.normal_bone,
        service.image_file,
        lambda image: service.vhi(image, "anna", {}),
        lambda image: service.clean(image, "anna", {}, [], []),
        lambda image: service.report(image, "anna", "json"),
        lambda image: service.submissions(image, "anna"),
        lambda image: study_folder.submit(service, (REGION_NAME, study_folder.region), image=image),
    ):
        with pytest.raises(UnknownImageError, match="There is no image"):
            ask(image_id)


def test_a_click_removes_and_another_restores(study_folder, service):
    one = service.clean("a_STIR", "anna", {}, [IN_1], [])
    np.testing.assert_array_equal(one.labels, study_folder.lesions == 2)
    assert one.facts["vhi_mm3"]["sensitive"] == 24.0
    assert one.facts["changes"]["inflammation"]["lesions_removed"] == [1]
    assert one.facts["messages"] == [
        "Correction: 1 lesion removed, 1 lesion kept.",
        "Removed by the reader's clicks: 8 voxels (8 of lesion 1).",
    ]
    both = service.clean("a_T1W", "anna", {}, [IN_1, IN_2], [IN_1])
    assert both.facts["vhi_mm3"]["sensitive"] == 48.0
    assert service.clean("a_STIR", "anna", {}, [], []).facts["messages"] == []


def test_in_slice_scope_only_the_clicked_slice_goes(service):
    answer = service.clean("a_STIR", "anna", {"scope": "slice"}, [IN_1_NEXT_SLICE], [])
    assert answer.facts["voxels"]["sensitive"] == 8
    assert not answer.labels[..., 2].any()
    assert "4 of lesion 1" in answer.facts["messages"][1]


def test_clicks_beside_lesions_and_beyond_the_grid_are_named_and_change_nothing(service):
    answer = service.clean("a_STIR", "anna", {}, [NOWHERE, (0, 0, 4)], [])
    assert answer.facts["voxels"]["sensitive"] == 12
    assert ["no lesion at voxel (5, 5, 1)" in answer.facts["messages"][0], "12 x 10 x 4" in answer.facts["messages"][1]] == [
        True,
        True,
    ]


def test_click_requests_that_make_no_sense_are_refused(service):
    with pytest.raises(RequestError, match="at most 10000"):
        service.clean("a_STIR", "anna", {}, [IN_1] * 10_001, [])
    with pytest.raises(RequestError, match="must be lesion or slice"):
        service.clean("a_STIR", "anna", {"scope": "all"}, [], [])


def test_everything_removed_is_an_empty_answer_with_a_name(service):
    answer = service.clean("a_STIR", "anna", {}, [IN_1, IN_2], [])
    assert answer.names == {"inflammation": 1}
    assert answer.facts["vhi_mm3"] == {"sensitive": 0.0, "conservative": 0.0}
    assert answer.facts["lesions"] == []


def test_a_scan_that_is_gone_is_told_and_its_case_waits(study_folder, service):
    path = study_folder.folder / "a_STIR.nii.gz"
    path.rename(study_folder.folder / "elsewhere")
    with pytest.raises(InputError, match="STIR scan of case a is gone"):
        service.vhi("a_STIR", "anna", {})
    assert service.cases.index.cases == ()
    assert "is gone" in service.cases.index.waiting[0].reason
    (study_folder.folder / "elsewhere").rename(path)
    assert service.vhi("a_STIR", "anna", {}).facts["voxels"]["sensitive"] == 12
    assert len(service.cases.index.cases) == 1


def test_each_lesion_of_an_answer_has_a_voxel_inside_it_and_its_mm3_per_grade(study_folder, service):
    lesions = service.vhi("a_STIR", "anna", {}).facts["lesions"]
    assert [one["vhi_mm3"] for one in lesions] == [
        {"sensitive": 48.0, "conservative": 24.0},
        {"sensitive": 24.0, "conservative": 0.0},
    ]
    assert [study_folder.lesions[tuple(one["voxel"])] for one in lesions] == [one["id"] for one in lesions] == [1, 2]
    assert [one["slice"] for one in lesions] == [one["voxel"][2] for one in lesions]
    assert lesions[1]["slice"] == 3
