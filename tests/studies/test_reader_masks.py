"""Masks of readers are known by their names."""

import pytest

from lib.errors import InputError
from lib.studies.reader_masks import find_reader_masks, find_stir


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
