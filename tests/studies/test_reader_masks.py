"""Masks of readers are known by their names."""

import numpy as np
import pytest

from lib.core.volume import Grid
from lib.errors import InputError
from lib.studies.nifti import write_labels
from lib.studies.reader_masks import find_reader_masks, find_stir, passed_over, read_inflammation


def touch(folder, *names):
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()


def found(folder):
    return [(one.case, one.reader, one.reading, one.method) for one in find_reader_masks(folder)]


def test_published_names_give_case_reader_reading_and_method(tmp_path):
    touch(
        tmp_path,
        "inflammation_manual/R12/1007_inflammation_R12.nii.gz",
        "Inflammation_semiautomatic_segmentation/R21/S_1_follow_up_inflammation_R21.nii",
        "normal_marrow/1007_normal_marrow.nii.gz",
        ".hidden/1007_inflammation_R11.nii.gz",
    )
    assert found(tmp_path) == [("1007", "R1", 2, "manual"), ("S_1_follow_up", "R2", 1, "semi-automatic")]


def test_the_folder_that_is_passed_may_itself_say_semi(tmp_path):
    touch(tmp_path, "semi/R11/A_inflammation_R11.nii.gz")
    assert found(tmp_path / "semi" / "R11") == [("A", "R1", 1, "manual")]
    assert found(tmp_path / "semi") == [("A", "R1", 1, "semi-automatic")]


def test_the_nearest_folder_that_says_a_method_counts(tmp_path):
    touch(tmp_path, "semi study/Manual/A_inflammation_R11.nii", "manual/Semi/R1/B_inflammation_R11.nii")
    assert found(tmp_path) == [("A", "R1", 1, "manual"), ("B", "R1", 1, "semi-automatic")]


def test_bids_names_give_the_same(tmp_path):
    touch(
        tmp_path,
        "sub-01/ses-baseline/anat/sub-01_ses-baseline_space-orig_desc-semiR11_mask.nii.gz",
        "sub-01/ses-followup/anat/sub-01_ses-followup_desc-R22_mask.nii.gz",
        "sub-01/ses-followup/anat/sub-01_ses-followup_STIR.nii.gz",
    )
    assert found(tmp_path) == [("01_baseline", "R1", 1, "semi-automatic"), ("01_follow_up", "R2", 2, "manual")]
    assert list(find_stir(tmp_path)) == ["01_follow_up"]


def test_a_session_that_is_no_visit_is_refused(tmp_path):
    touch(tmp_path, "sub-01_ses-week3_desc-R11_mask.nii.gz")
    with pytest.raises(InputError, match="session 'week3'"):
        find_reader_masks(tmp_path)


def test_two_files_of_one_reading_or_scan_are_refused(tmp_path):
    touch(tmp_path, "a/1_inflammation_R11.nii.gz", "b/1_inflammation_R11.nii", "a/1_STIR.nii.gz", "b/1_STIR.nii.gz")
    with pytest.raises(InputError, match="Two masks are of one reading"):
        find_reader_masks(tmp_path)
    with pytest.raises(InputError, match="Two STIR scans are of the case 1"):
        find_stir(tmp_path)


def test_the_authors_semi_automatic_names_give_one_reading_of_two_files(tmp_path):
    touch(
        tmp_path,
        "Semi/R1/1007_inflammation_R1_LT.nii",
        "Semi/R1/Two_thresholds/1007_inflammation_R1.nii",
        "Manual/R11/1007_inflammation_R11.nii.gz",
    )
    assert found(tmp_path) == [("1007", "R1", 1, "manual"), ("1007", "R1", 1, "semi-automatic")]
    semi = find_reader_masks(tmp_path)[1]
    assert (semi.path.name, semi.two_thresholds.name) == ("1007_inflammation_R1_LT.nii", "1007_inflammation_R1.nii")


@pytest.mark.parametrize(
    "name", ["Two_thresholds/7_inflammation_R2.nii", "two thresholds/7_inflammation_R2.nii", "7_inflammation_R2_LT.nii"]
)
def test_a_threshold_in_the_name_says_semi_automatic(tmp_path, name):
    touch(tmp_path, name)
    assert found(tmp_path) == [("7", "R2", 1, "semi-automatic")]


GRID = Grid((4, 1, 1), np.diag([1.0, 1.0, 3.0, 1.0]))


def written(path, *values):
    path.parent.mkdir(parents=True, exist_ok=True)
    write_labels(path, np.array(values, dtype=np.uint8).reshape(4, 1, 1), GRID)


def test_grades_of_both_thresholds_give_both_volumes(tmp_path):
    written(tmp_path / "Two_thresholds" / "7_inflammation_R1.nii", 0, 1, 2, 2)
    (reading,) = find_reader_masks(tmp_path)
    inflammation, conservative, note = read_inflammation(reading)
    assert (inflammation.voxels, conservative.voxels, note) == (3, 2, "")


def test_a_map_that_differs_from_the_lower_threshold_is_named_and_gives_no_conservative_volume(tmp_path):
    written(tmp_path / "7_inflammation_R1_LT.nii", 0, 1, 1, 0)
    written(tmp_path / "Two_thresholds" / "7_inflammation_R1.nii", 0, 1, 2, 2)
    (reading,) = find_reader_masks(tmp_path)
    inflammation, conservative, note = read_inflammation(reading)
    assert (inflammation.voxels, conservative) == (2, None)
    assert "differ in 1 voxels" in note


def test_a_mask_of_other_values_is_refused(tmp_path):
    written(tmp_path / "7_inflammation_R1_LT.nii", 0, 1, 1, 3)
    with pytest.raises(InputError, match="holds values up to 3"):
        read_inflammation(find_reader_masks(tmp_path)[0])


def test_every_image_that_is_no_reading_is_named_with_the_reason(tmp_path):
    touch(
        tmp_path,
        "R11/7_inflammation_R11.nii.gz",
        "7_STIR.nii.gz",
        "7_T1W.nii.gz",
        "7_disease_region.nii.gz",
        "7_normal_marrow.nii",
        "7_inflammation_final.nii.gz",
        "7_inflammation_R1.nrrd",
        "8.mha",
        "notes.txt",
    )
    names = {
        str(one.path): one.why for one in passed_over(tmp_path, find_reader_masks(tmp_path), list(find_stir(tmp_path).values()))
    }
    assert names == {
        "7_T1W.nii.gz": "T1W scan",
        "7_disease_region.nii.gz": "disease region",
        "7_normal_marrow.nii": "normal bone",
        "7_inflammation_final.nii.gz": "its name gives no reader; <case>_inflammation_R<reader>[<reading>][_LT].nii.gz is read",
        "7_inflammation_R1.nrrd": "its name gives no reader; <case>_inflammation_R<reader>[<reading>][_LT].nii.gz is read",
        "8.mha": "its name is neither that of a reader's mask nor that of a STIR scan",
    }
