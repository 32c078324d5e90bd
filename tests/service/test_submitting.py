"""Submissions: routed by name, repaired where flattening punched holes, measured, kept."""

import gzip
import json
import shutil
import threading

import nibabel as nib
import numpy as np
import pytest
import SimpleITK

from lib.core.segment_names import SEGMENT_NAMES, most_segments
from lib.core.volume import Grid, Mask
from lib.errors import (
    ConflictError,
    GridMismatchError,
    InputError,
    NormalBoneError,
    NotFoundError,
    OutputError,
    RequestError,
    TooLargeError,
)
from lib.service.segments import segments_of_map
from lib.service.service import VhiService

pytestmark = pytest.mark.slow  # seconds in all

REGION, BONE, INFLAMMATION = "disease region", "normal bone", "inflammation"
CONSERVATIVE, PROPOSED = "inflammation (conservative)", "inflammation (proposed to remove)"


@pytest.fixture
def service(study_folder):
    service = study_folder.service()
    study_folder.draw_regions(service)
    service.vhi("a_STIR", "anna", {})
    return service


def stored(service, submission, name):
    return service.readings.read_segment(submission, name).data


def numbers(service, reader="anna"):
    return json.loads(service.report("a_STIR", reader, "json").read_text())


def test_what_was_kept_is_measured_and_reported(study_folder, service):
    made = study_folder.submit(service, (INFLAMMATION, study_folder.lesions == 1), rating="corrected")
    assert made.submission_id == "0003-anna"
    assert made.rating == "corrected"
    assert made.started_from == {BONE: "your submission 0002", REGION: "your submission 0001"}
    assert made.changes[INFLAMMATION]["lesions_removed"] == [2]
    content = numbers(service)
    assert content["vhi_mm3"] == {"sensitive": 48.0, "conservative": 24.0}
    assert content["reading"]["submission"] == "0003-anna"
    assert content["reading"]["changes"][INFLAMMATION]["lesions_removed"] == [2]
    assert [one["file"] for one in content["provenance"]["inputs"]] == ["a_T1W", "a_STIR"]
    page = service.report("a_T1W", "anna", "html").read_text()
    assert "Reader anna, reading 1, semi-automatic, submission 0003-anna." in page
    assert "The reader rates the automatic disease region: corrected." in page
    assert "Correction: 1 lesion removed, 1 lesion kept." in page
    assert "Correction: none" not in page
    assert service.report("a_STIR", "anna", "pdf").read_bytes().startswith(b"%PDF")


def test_the_report_follows_its_schema(study_folder, service):
    jsonschema = pytest.importorskip("jsonschema")
    from lib.reports.forms import vhi_schema

    study_folder.submit(service, (INFLAMMATION, study_folder.lesions == 1))
    jsonschema.validate(numbers(service), vhi_schema())


def test_holes_that_flattening_punched_into_the_region_are_filled_from_what_the_reader_started_from(study_folder, service):
    made = study_folder.submit(
        service, (REGION, study_folder.region), (BONE, study_folder.bone), (INFLAMMATION, study_folder.lesions > 0)
    )
    np.testing.assert_array_equal(stored(service, made, REGION), study_folder.region)
    np.testing.assert_array_equal(stored(service, made, BONE), study_folder.bone)
    np.testing.assert_array_equal(stored(service, made, INFLAMMATION), study_folder.lesions > 0)
    assert made.changes[REGION] == {"added": 0, "removed": 0}
    assert numbers(service)["voxels"]["sensitive"] == 12


def test_what_was_erased_from_the_region_stays_erased_where_nothing_covers_it(study_folder, service):
    smaller = study_folder.region.copy()
    smaller[1] = False  # two voxels of lesion 2 lie there
    made = study_folder.submit(service, (REGION, smaller), (BONE, study_folder.bone), (INFLAMMATION, study_folder.lesions == 1))
    np.testing.assert_array_equal(stored(service, made, REGION), smaller)
    assert made.changes[REGION] == {"added": 0, "removed": 40}
    # what is painted as inflammation is bone that the reader did not mean to erase
    made = study_folder.submit(
        service, (REGION, smaller & (study_folder.lesions != 1)), (INFLAMMATION, study_folder.lesions == 1)
    )
    np.testing.assert_array_equal(stored(service, made, REGION), smaller)


def test_normal_bone_under_inflammation_is_filled_in_too(study_folder, service):
    painted = study_folder.lesions > 0
    painted[7, 4, 0] = True  # a bright voxel of normal bone
    made = study_folder.submit(service, (BONE, study_folder.bone), (INFLAMMATION, painted))
    np.testing.assert_array_equal(stored(service, made, BONE), study_folder.bone)
    assert made.changes[INFLAMMATION]["painted_outside"] == 1
    assert numbers(service)["voxels"]["sensitive"] == 13


def test_no_inflammation_is_zero_and_finishes_the_reading(study_folder, service):
    made = study_folder.submit(service, (INFLAMMATION, np.zeros(study_folder.grid.shape, bool)))
    assert made.segment(INFLAMMATION).voxels == 0
    assert not stored(service, made, INFLAMMATION).any()
    assert numbers(service)["vhi_mm3"] == {"sensitive": 0.0, "conservative": 0.0}
    assert service.readings.finished("anna", 1) == {"a"}
    assert "Correction: 2 lesions removed, 0 lesions kept." in made.messages


def test_no_inflammation_beside_unchanged_regions_is_none_too(study_folder, service):
    empty = np.zeros(study_folder.grid.shape, bool)
    made = study_folder.submit(service, (REGION, study_folder.region), (BONE, study_folder.bone), (INFLAMMATION, empty))
    assert made.segment(INFLAMMATION) is not None
    assert numbers(service)["vhi_mm3"]["sensitive"] == 0.0


def test_an_empty_placeholder_beside_a_region_drawn_before_vhi_was_seen_is_no_reading(study_folder):
    service = study_folder.service()
    empty = np.zeros(study_folder.grid.shape, bool)
    made = study_folder.submit(service, (REGION, study_folder.region), (BONE, empty), (INFLAMMATION, empty))
    assert [one.name for one in made.segments] == [REGION]
    assert any("was not taken as 'no inflammation'" in message for message in made.messages)
    assert service.readings.finished("anna") == frozenset()
    assert not made.measured  # there is no model here and no normal bone yet


def test_segments_that_are_missing_or_empty_leave_a_region_as_it_was(study_folder, service):
    empty = np.zeros(study_folder.grid.shape, bool)
    study_folder.submit(service, (REGION, empty), (BONE, empty), (INFLAMMATION, study_folder.lesions > 0))
    study_folder.submit(service, (INFLAMMATION, study_folder.lesions > 0))
    assert service.vhi("a_STIR", "anna", {}).facts["used"] == {BONE: "your submission 0002", REGION: "your submission 0001"}


def test_an_erased_part_is_a_boundary_edit(study_folder, service):
    kept = study_folder.lesions > 0
    kept[10, 1:3, 2] = False
    made = study_folder.submit(service, (INFLAMMATION, kept))
    assert made.changes[INFLAMMATION]["boundary_edits"] == [[1, 2]]
    assert "Erased by hand: 2 voxels (2 of lesion 1)." in made.messages
    assert numbers(service)["voxels"]["sensitive"] == 10


def test_the_conservative_segment_belongs_to_inflammation(study_folder, service):
    answer = service.vhi("a_STIR", "anna", {"show": "both"})
    names = [(INFLAMMATION, 1), (CONSERVATIVE, 2)]
    made = service.submit("a_STIR", answer.labels, answer.grid, names, reader="anna")
    np.testing.assert_array_equal(stored(service, made, INFLAMMATION), study_folder.lesions > 0)
    assert numbers(service)["voxels"] == {"sensitive": 12, "conservative": 4, "raw_sensitive": 21}


def test_values_may_leave_gaps_come_in_any_order_and_outnumber_what_is_drawn(study_folder, service):
    labels = np.where(study_folder.lesions == 1, 200, 0)
    names = [("a", 3), (INFLAMMATION, 200), ("b", 7), ("Disease Region", 1)]
    made = service.submit("a_STIR", labels.astype(np.int16), study_folder.grid, names, reader="anna")
    assert [one.name for one in made.segments] == [INFLAMMATION]
    assert numbers(service)["voxels"]["sensitive"] == 8


@pytest.mark.parametrize("name", ["../../evil", "/etc/passwd", "a/b\\c", "..", "submission.json", "Gefäß", "vhi.json"])
def test_unknown_names_are_kept_as_files_of_ours_and_reported(study_folder, service, name):
    cyst = np.zeros(study_folder.grid.shape, bool)
    cyst[5, 9, 0] = True
    made = study_folder.submit(service, (INFLAMMATION, study_folder.lesions > 0), (name, cyst))
    (other,) = made.other
    assert (other.name, other.file, other.voxels) == (name, "other-1.nii.gz", 1)
    assert sorted(path.name for path in service.readings.folder_of(made).iterdir()) == [
        "inflammation.nii.gz", "other-1.nii.gz", "report.html", "report.pdf", "submission.json", "vhi.json",
    ]  # fmt: skip
    assert any(repr(name) in message and "1 voxels" in message for message in made.messages)


def test_what_is_proposed_for_removal_is_kept_apart(study_folder, service):
    made = study_folder.submit(service, (INFLAMMATION, study_folder.lesions == 1), (PROPOSED, study_folder.lesions == 2))
    assert [one.name for one in made.other] == [PROPOSED]
    assert numbers(service)["voxels"]["sensitive"] == 8


def test_a_region_that_covered_all_inflammation_is_refused_with_the_way_out(study_folder, service):
    with pytest.raises(RequestError, match="Drag 'disease region' above 'inflammation'"):
        study_folder.submit(service, (INFLAMMATION, study_folder.lesions > 0), (REGION, study_folder.region))
    assert len(service.submissions("a_STIR", "anna")) == 2


def test_a_mask_that_does_not_lie_on_bright_voxels_is_refused(study_folder, service):
    flipped = np.flip(study_folder.lesions > 0, axis=1)
    with pytest.raises(RequestError, match=r"\d+ of the 12 voxels of inflammation lie below the sensitive threshold \(7.0\)"):
        study_folder.submit(service, (INFLAMMATION, flipped))
    assert service.readings.finished("anna") == frozenset()


def test_inflammation_flipped_along_the_slices_is_refused_and_nothing_is_kept(study_folder, service):
    # lesion 1 lies in slices 1 and 2 of 4, lesion 2 in slice 3: flipped, 4 of the 12 voxels are dark
    with pytest.raises(
        InputError, match="flipped along the slices: 67% of its 12 voxels are hyperintense on STIR, and 100% with"
    ):
        study_folder.submit(service, (INFLAMMATION, (study_folder.lesions > 0)[:, :, ::-1]))
    assert len(service.submissions("a_STIR", None)) == 2


def test_inflammation_flipped_together_with_normal_bone_is_refused_by_the_bone_that_was_in_force(study_folder, service):
    # bone in slices 1 to 3 of dark muscle (0.5 but for a third of it): by its own threshold everything is bright
    dark = np.zeros(study_folder.grid.shape, bool)
    dark[3:8, 0:4, :] = True
    dark[3, 0, :] = False
    flipped = (study_folder.lesions == 2)[:, :, ::-1]
    with pytest.raises(InputError, match="flipped along the slices: 0% of its 4 voxels are hyperintense on STIR, and 100% with"):
        study_folder.submit(service, (BONE, dark), (INFLAMMATION, flipped))


def test_a_disease_region_flipped_along_the_slices_is_refused(phantom):
    service = VhiService(phantom)
    region = service.disease_region("p_T1W")
    stated = [(REGION, 1)]
    flipped = region.labels.copy()
    flipped[:, :, :3] = 0  # what is left is no longer alike from both sides
    with pytest.raises(InputError, match="disease region seems to be flipped along the slices"):
        service.submit("p_T1W", flipped[:, :, ::-1], region.grid, stated, reader="anna")
    assert service.submissions("p_T1W", None) == ()
    service.submit("p_T1W", flipped, region.grid, stated, reader="anna")


def test_masks_that_are_kept_apart_may_overlap(study_folder, service):
    masks = {
        REGION: study_folder.region,
        BONE: study_folder.bone,
        INFLAMMATION: study_folder.lesions == 1,
        "vessel": study_folder.lesions == 2,
    }
    named = {name: Mask(mask, study_folder.grid, name) for name, mask in masks.items()}
    made = service.submit_masks("a_STIR", named, reader="anna", source="1.2.3")
    assert made.source == "1.2.3"
    for name in (REGION, BONE, INFLAMMATION):
        np.testing.assert_array_equal(stored(service, made, name), masks[name])
    assert [one.name for one in made.other] == ["vessel"]
    assert numbers(service)["vhi_mm3"]["sensitive"] == 48.0
    with pytest.raises(RequestError, match="holds nothing"):
        service.submit_masks("a_STIR", {}, reader="anna")


def test_a_few_dark_voxels_are_reported_and_do_not_count(study_folder, service):
    painted = study_folder.lesions > 0
    painted[5, 5, 1] = True
    made = study_folder.submit(service, (INFLAMMATION, painted))
    assert "Painted by hand: 1 voxel below the sensitive threshold, not counted." in made.messages
    assert numbers(service)["voxels"]["sensitive"] == 12


def with_nan(labels):
    broken = labels.astype(float)
    broken[0, 0, 0] = np.nan
    return broken


@pytest.mark.parametrize(
    ("change", "names", "sentence"),
    [
        (with_nan, None, "NaN or infinite"),
        (lambda labels: labels * 0.5, None, "holds fractions"),
        (lambda labels: labels.astype(np.int16) * -1, None, "outside 0 to 65535"),
        (lambda labels: labels[..., None], None, "must be 3-D"),
        (lambda labels: labels[..., 0], None, "must be 3-D"),
        (lambda labels: labels.astype(complex), None, "must be 3-D and hold whole numbers"),
        (None, [], "names no segments"),
        (None, [("x", 2)], "holds the value 1, which none"),
        (None, [(INFLAMMATION, 1), (INFLAMMATION, 2)], "Two segments are called 'inflammation'"),
        (None, [(INFLAMMATION, 1), ("Inflammation ", 2)], "Two segments are called"),
        (None, [(INFLAMMATION, 1), ("x", 1)], "Two segments have the value 1"),
        (None, [(INFLAMMATION, 0)], "has the value 0"),
        (None, [(INFLAMMATION, "1")], "has the value '1'"),
        (None, [("", 1)], "printable characters"),
        (None, [("x" * 201, 1)], "printable characters"),
        (None, [("a\nb", 1)], "printable characters"),
        (None, [(f"n{n}", n + 1) for n in range(251)], "at most 250"),
    ],
)
def test_maps_and_names_that_make_no_sense_are_refused_and_nothing_is_kept(study_folder, service, change, names, sentence):
    labels = (study_folder.lesions > 0).astype(np.uint8)
    before = len(service.submissions("a_STIR", None))
    with pytest.raises(RequestError, match=sentence):
        service.submit(
            "a_STIR",
            change(labels) if change else labels,
            study_folder.grid,
            [(INFLAMMATION, 1)] if names is None else names,
            reader="anna",
        )
    assert len(service.submissions("a_STIR", None)) == before


def test_a_map_of_another_grid_is_refused(study_folder, service):
    names = [(INFLAMMATION, 1)]
    with pytest.raises(GridMismatchError, match=r"shape \(12, 10, 4\) and the submitted label map has shape \(11, 10, 4\)"):
        service.submit("a_STIR", np.zeros((11, 10, 4), np.uint8), study_folder.grid, names, reader="anna")
    moved = study_folder.grid.affine.copy()
    moved[0, 3] += 2.0
    with pytest.raises(GridMismatchError, match="2.0 mm apart"):
        service.submit("a_STIR", np.zeros((12, 10, 4), np.uint8), Grid(study_folder.grid.shape, moved), names, reader="anna")


def test_a_submission_of_nothing_is_refused_but_a_rating_alone_is_kept(study_folder, service):
    nothing = np.zeros(study_folder.grid.shape, bool)
    with pytest.raises(RequestError, match="holds nothing"):
        study_folder.submit(service, (REGION, nothing))
    assert study_folder.submit(service, (REGION, nothing), rating="failed").segments == ()
    assert service.readings.ratings() == {"a": {"anna": "failed"}}


def test_normal_bone_too_small_to_measure_is_refused(study_folder, service):
    few = np.zeros(study_folder.grid.shape, bool)
    few[3, 4:9, 0] = True
    with pytest.raises(NormalBoneError, match="at least 30 are needed"):
        study_folder.submit(service, (BONE, few))


def test_what_a_reader_draws_is_kept_even_when_nothing_can_be_measured_yet(study_folder):
    service = study_folder.service()
    made = study_folder.submit(service, (BONE, study_folder.bone))
    assert not made.measured
    assert any("not measured yet: No trained model" in message for message in made.messages)
    with pytest.raises(NotFoundError, match="nothing of case a that was measured"):
        service.report("a_STIR", "anna", "json")


def test_a_new_submission_names_the_one_it_amends_and_both_stay(study_folder, service):
    first = study_folder.submit(service, (INFLAMMATION, study_folder.lesions > 0))
    second = study_folder.submit(service, (INFLAMMATION, study_folder.lesions == 1))
    assert (first.amends, second.amends) == ("0002-anna", "0003-anna")
    assert numbers(service)["voxels"]["sensitive"] == 8
    assert len(service.submissions("a_T1W", "anna")) == 4
    third = study_folder.submit(service, (INFLAMMATION, study_folder.lesions == 1), amends="0003-anna")
    assert third.amends == "0003-anna"


def test_nobody_amends_anothers_submission(study_folder, service):
    for amends in ("0001-anna", "0009-ben", "../0001-anna"):
        with pytest.raises(RequestError, match="ben has no submission"):
            study_folder.submit(service, (INFLAMMATION, study_folder.lesions > 0), reader="ben", amends=amends)


def test_readings_come_one_after_the_other(study_folder, service):
    with pytest.raises(RequestError, match="Reading 2 of case a by anna comes after reading 1, which is not finished"):
        study_folder.submit(service, (INFLAMMATION, study_folder.lesions > 0), reading=2)
    study_folder.submit(service, (INFLAMMATION, study_folder.lesions > 0))
    made = study_folder.submit(service, (INFLAMMATION, study_folder.lesions == 1), reading="2")
    assert (made.reading, made.amends) == (2, None)
    assert [one.reading for one in service.submissions("a_STIR", "anna")] == [1, 1, 1, 2]


def test_readers_see_their_own_submissions_and_reports_only(study_folder, service):
    study_folder.submit(service, (INFLAMMATION, study_folder.lesions > 0))
    assert service.submissions("a_STIR", "ben") == ()
    with pytest.raises(NotFoundError, match="ben has submitted nothing"):
        service.report("a_STIR", "ben", "json")
    study_folder.submit(service, (INFLAMMATION, study_folder.lesions == 1), reader="ben")
    assert numbers(service, "anna")["voxels"]["sensitive"] == 12
    assert numbers(service, "ben")["voxels"]["sensitive"] == 8
    assert len(service.submissions("a_STIR", None)) == 4


def test_a_submission_is_measured_with_the_settings_the_reader_saw(study_folder, service):
    answer = service.vhi("a_STIR", "anna", {"min_volume_mm3": 30})  # lesion 2 has 24 mm3
    made = service.submit("a_STIR", answer.labels, answer.grid, [(INFLAMMATION, 1)], reader="anna")
    assert made.settings["min_volume_mm3"] == 30
    assert made.changes[INFLAMMATION]["lesions_removed"] == []
    assert made.changes[INFLAMMATION]["lesions_kept"] == [1]


def test_a_report_of_no_form_or_no_reader_is_refused(service):
    with pytest.raises(RequestError, match="must be json, html, pdf"):
        service.report("a_STIR", "anna", "exe")
    with pytest.raises(RequestError, match="set the user name"):
        service.report("a_STIR", None, "json")


def test_a_scan_that_was_changed_after_it_was_opened_is_refused(study_folder, service):
    study_folder.add_case("a", brighter=1.0)
    with pytest.raises(ConflictError, match="no longer the file"):
        service.image_file("a_STIR", "anna")
    with pytest.raises(ConflictError, match="STIR scan of case a is no longer the file that was opened here first"):
        study_folder.submit(service, (INFLAMMATION, study_folder.lesions > 0))
    study_folder.add_case("a")
    assert study_folder.submit(service, (INFLAMMATION, study_folder.lesions > 0)).measured


def test_a_scan_that_was_compressed_again_or_stored_as_other_numbers_is_the_same_scan(study_folder, service):
    before = service.vhi("a_STIR", "anna", {}).facts
    path = study_folder.folder / "a_STIR.nii.gz"
    original = nib.load(path)
    path.write_bytes(gzip.compress(gzip.decompress(path.read_bytes()), 1, mtime=7))
    assert service.vhi("a_STIR", "anna", {}).facts == before
    # by ITK, which rounds the place and writes another header
    SimpleITK.WriteImage(SimpleITK.ReadImage(str(path), SimpleITK.sitkFloat64), str(path))
    assert study_folder.submit(service, (INFLAMMATION, study_folder.lesions > 0)).scans == service.cases.scans.known(
        service.cases.index.cases[0]
    )
    assert study_folder.service().vhi("a_STIR", "anna", {}).facts["voxels"] == before["voxels"]
    moved = original.affine.copy()
    moved[0, 3] += 0.6  # a voxel
    nib.save(nib.Nifti1Image(original.get_fdata(), moved), path)
    with pytest.raises(ConflictError, match="no longer the file"):
        service.vhi("a_STIR", "anna", {})


def test_a_record_of_before_voxels_were_noted_is_completed(study_folder, service):
    service.vhi("a_STIR", "anna", {})
    note = study_folder.folder / ".vhi" / "cases" / "a" / "voxels.json"
    note.unlink()
    study_folder.service().vhi("a_STIR", "anna", {})
    assert note.is_file()


def test_everything_is_there_after_a_restart(study_folder, service):
    study_folder.submit(service, (INFLAMMATION, study_folder.lesions == 1))
    again = study_folder.service()
    assert numbers(again)["voxels"]["sensitive"] == 8
    assert again.vhi("a_STIR", "anna", {}).facts["voxels"]["sensitive"] == 12
    assert again.readings.finished("anna", 1) == {"a"}


def test_a_restored_copy_of_the_data_folder_serves_the_same(study_folder, service, tmp_path):
    made = study_folder.submit(service, (INFLAMMATION, study_folder.lesions == 1))
    copy = shutil.copytree(study_folder.folder / ".vhi", tmp_path / "restored")
    restored = VhiService(study_folder.folder, data=copy, model_dir=tmp_path / "no-model")
    assert restored.submissions("a_STIR", None) == service.submissions("a_STIR", None)
    np.testing.assert_array_equal(stored(restored, made, INFLAMMATION), study_folder.lesions == 1)
    assert numbers(restored) == numbers(service)
    assert restored.audit.verify() > 0


def test_a_submission_kept_by_a_process_that_was_killed_before_it_was_logged_is_logged_at_the_next_start(study_folder, service):
    made = study_folder.submit(service, (INFLAMMATION, study_folder.lesions == 1))
    lines = service.audit.path.read_bytes().splitlines(keepends=True)
    service.audit.path.write_bytes(b"".join(lines[:-1]))
    study_folder.service()
    last = list(study_folder.service().audit.entries())[-1]
    assert (last["event"], last["submission"], last["found_at_start"]) == ("changed", made.submission_id, True)
    assert study_folder.service().audit.verify() == len(lines)


def test_the_log_tells_who_opened_changed_and_exported_what(study_folder, service):
    made = study_folder.submit(service, (INFLAMMATION, study_folder.lesions == 1))
    service.report("a_STIR", "anna", "pdf")
    service.image_file("a_T1W", "ben")
    told = [(one["event"], one["reader"], one["case"], one["submission"]) for one in service.audit.entries()]
    assert told[-4:] == [
        ("opened", "anna", "a", None),
        ("changed", "anna", "a", made.submission_id),
        ("exported", "anna", "a", made.submission_id),
        ("opened", "ben", "a", None),
    ]
    assert service.audit.verify() == len(told)
    assert str(study_folder.folder) not in service.audit.path.read_text()


def test_a_data_folder_that_cannot_be_written_is_refused_at_the_start(study_folder, tmp_path):
    (tmp_path / "data").write_text("")
    with pytest.raises(OutputError, match="cannot be written"):
        VhiService(study_folder.folder, data=tmp_path / "data")


def test_many_at_once_lose_nothing(study_folder):
    study_folder.add_case("b")
    service = study_folder.service()
    for image in ("a_STIR", "b_STIR"):
        study_folder.draw_regions(service, image)
    problems = []

    def work(reader, image):
        try:
            for lesion in (1, 2):
                result = service.vhi(image, reader, {})
                assert result.facts["voxels"]["sensitive"] == 12
                study_folder.submit(service, (INFLAMMATION, study_folder.lesions == lesion), image=image, reader=reader)
        except Exception as error:
            problems.append(error)

    threads = [threading.Thread(target=work, args=(reader, image)) for reader in ("ben", "eva") for image in ("a_STIR", "b_T1W")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert problems == []
    for image in ("a_STIR", "b_STIR"):
        assert [one.number for one in service.submissions(image, None)] == [1, 2, 3, 4, 5, 6]
        assert json.loads(service.report(image, "ben", "json").read_text())["voxels"]["sensitive"] == 4
    assert service.audit.verify() > 12


def test_more_segments_than_a_scan_of_its_size_may_have_are_refused():
    grid = Grid((336, 336, 25), np.diag([1.0, 1.0, 3.3, 1.0]))
    labels = np.zeros(grid.shape, np.uint8)
    with pytest.raises(TooLargeError, match="names 24 segments of a scan of 2822400 voxels; at most 23 are taken"):
        segments_of_map(labels, grid, [(f"finding {n}", n) for n in range(1, 25)])
    assert len(segments_of_map(labels, grid, [(f"finding {n}", n) for n in range(1, 24)]).masks) == 23
    # of a large scan 16, and of one of any size our own
    assert most_segments(512 * 512 * 60) == 16
    assert most_segments(512 * 512 * 128) == 8  # of 2**25 voxels each, 2**28 in all
    assert most_segments(10**9) == len(SEGMENT_NAMES)
