"""Scans and masks are paired by id in each layout."""

from pathlib import Path

import pytest

from lib.errors import InputError
from lib.studies.labelled import find_labelled


def touch(folder: Path, *names: str) -> None:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()


def ids(cases) -> list[str]:
    return [case.case_id for case in cases]


def test_the_shared_layout(tmp_path):
    touch(
        tmp_path,
        "images_study/T1W/2_T1W.nii.gz",
        "images_study/T1W/1_T1W.nii",
        "images_study/STIR/1_STIR.nii.gz",
        "segmentations/disease_region/1_disease_region.nii.gz",
        "segmentations/disease_region/2_disease_region.nii.gz",
        "images_atypical/T1W/3_T1W.nii.gz",
        "segmentations/disease_region_atypical/3_disease_region.nii.gz",
        "images_unlabelled/T1W/4_T1W.nii.gz",
    )
    labelled = find_labelled(tmp_path)
    assert ids(labelled.study) == ["1", "2"]
    assert labelled.study[0].t1w == tmp_path / "images_study/T1W/1_T1W.nii"
    assert labelled.study[0].disease_region == tmp_path / "segmentations/disease_region/1_disease_region.nii.gz"
    assert (ids(labelled.atypical), ids(labelled.test), ids(labelled.unlabelled)) == (["3"], [], ["4"])
    assert labelled.unlabelled[0].disease_region is None


def test_scans_of_other_scanners_go_in_pairs_under_ids_of_their_own(tmp_path):
    touch(tmp_path, "images_study/T1W/1_T1W.nii.gz", "segmentations/disease_region/1_disease_region.nii.gz")
    touch(tmp_path, "images_other/T1W/P1.nii.gz", "segmentations/bones_other/P1.nii.gz", "segmentations/bones_other/labels.json")
    labelled = find_labelled(tmp_path)
    assert (ids(labelled.study), ids(labelled.other), ids(labelled.unlabelled)) == (["1"], ["P1"], [])
    assert labelled.other[0].disease_region == tmp_path / "segmentations/bones_other/P1.nii.gz"
    touch(tmp_path, "images_other/T1W/P2.nii.gz")
    with pytest.raises(InputError, match="P2 of another scanner has a scan but no labels"):
        find_labelled(tmp_path)
    (tmp_path / "images_other/T1W/P2.nii.gz").rename(tmp_path / "images_other/T1W/1.nii.gz")
    (tmp_path / "segmentations/bones_other/P1.nii.gz").rename(tmp_path / "segmentations/bones_other/1.nii.gz")
    (tmp_path / "images_other/T1W/P1.nii.gz").unlink()
    with pytest.raises(InputError, match="has the id 1 of another scan"):
        find_labelled(tmp_path)


def test_a_clone_of_the_authors_repository(tmp_path):
    masks = "data/segmentations/Disease_region_manual_segmentation"
    touch(
        tmp_path,
        "data/images_study/T1W/Pre_Scans/1_T1W.nii.gz",
        "data/images_study/T1W/Post_Scans/2_T1W.nii.gz",
        "data/images_study/T1W/Pre_Scans/5_T1W.nii.gz",
        "data/images_study/STIR/Pre_Scans/1_STIR.nii.gz",
        "data/images_study/T1W/Additional_scans/Pre_Scans/3_T1W.nii.gz",
        "data/images_model_evaluation/T1W/Post_Scans/4_T1W.nii.gz",
        f"{masks}/1_disease_region.nii.gz",
        f"{masks}/2_disease_region.nii.gz",
        f"{masks}/Additional_data/3_disease_region.nii.gz",
        f"{masks}/Test_data/5_disease_region.nii.gz",
    )
    labelled = find_labelled(tmp_path)
    assert (ids(labelled.study), ids(labelled.test), ids(labelled.atypical), ids(labelled.unlabelled)) == (
        ["1", "2"],
        ["5"],
        ["3"],
        ["4"],
    )


def test_a_folder_without_labelled_scans_is_refused_with_the_layout(tmp_path):
    touch(tmp_path, "images_study/T1W/1_T1W.nii.gz")
    with pytest.raises(InputError, match=r"no labelled scans; needed are images_study/T1W/<id>_T1W.nii.gz"):
        find_labelled(tmp_path)


def test_a_mask_without_its_scan_is_refused(tmp_path):
    touch(tmp_path, "segmentations/disease_region/7_disease_region.nii.gz")
    with pytest.raises(InputError, match="has no T1W scan 7_T1W"):
        find_labelled(tmp_path)


def test_two_scans_with_one_id_are_refused(tmp_path):
    touch(tmp_path, "images_study/T1W/1_T1W.nii.gz", "images_unlabelled/T1W/1_T1W.nii.gz")
    with pytest.raises(InputError, match="Two files have the id 1"):
        find_labelled(tmp_path)


@pytest.mark.data
def test_the_real_scans(vhi_data):
    labelled = find_labelled(vhi_data)
    assert ids(labelled.study) == ["1007", "1012", "1013", "1016", "1234", "2015", "3002", "4386"]
    assert ids(labelled.atypical) == ["1001", "2016", "3009"]
    assert len(labelled.unlabelled) == 12
