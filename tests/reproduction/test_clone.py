"""The files of a clone, wherever its folders are."""

import numpy as np
import pytest

from authorsclone import savetxt
from lib.core.volume import Grid, Mask
from lib.errors import InputError
from lib.reproduction.clone import find_clone
from lib.studies.nifti import write_mask

GRID = Grid((4, 4, 2), np.eye(4))
DOT = Mask(np.arange(32).reshape(4, 4, 2) == 3, GRID)


def put(path):
    path.parent.mkdir(parents=True, exist_ok=True)
    write_mask(path, DOT)


def test_files_are_found_by_name_and_the_folder_tells_what_a_region_is_for(tmp_path):
    put(tmp_path / "a" / "1007_disease_region.nii.gz")
    put(tmp_path / "a" / "Test_data" / "1003_disease_region.nii.gz")
    put(tmp_path / "a" / "Additional_data" / "1001_disease_region.nii.gz")
    put(tmp_path / "Disease_region_automatic_segmentation" / "Pre_Scans" / "1015_disease_region.nii")
    put(tmp_path / "anywhere" / "semi" / "R1" / "1007_inflammation_R1_LT.nii")
    put(tmp_path / "b" / "example_mask.nii.gz")
    savetxt(tmp_path / "c" / "t.txt", [[1003.0, 1.0, 0.9]], "area overlap (2D Dice)")
    clone = find_clone(tmp_path)
    assert clone.use == {"1007": "study", "1003": "test", "1001": "additional"}
    assert list(clone.automatic_regions) == ["1015"]
    assert [(one.reader, one.method) for one in clone.readings] == [("R1", "semi-automatic")]
    assert clone.text("test overlap").rows.tolist() == [[1003.0, 1.0, 0.9]]
    (left,) = clone.passed_over
    assert (str(left.path), "its name is none" in left.why) == ("b/example_mask.nii.gz", True)


def test_a_file_that_was_not_fetched_a_second_one_and_a_broken_table_are_named(tmp_path):
    put(tmp_path / "1" / "1007_normal_marrow.nii.gz")
    put(tmp_path / "2" / "1007_normal_marrow.nii.gz")
    (tmp_path / "1007_T1W.nii.gz").write_text("version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 7\n")
    (tmp_path / "overlap_R11_R12.txt").write_text("# volume overlap\n1003\n")
    savetxt(tmp_path / "test.txt", [[1003.0, 1.0, 0.9]], "area overlap (2D Dice)")
    why = {str(one.path): one.why for one in find_clone(tmp_path).passed_over}
    assert "Git LFS" in why["1007_T1W.nii.gz"]
    assert why["2/1007_normal_marrow.nii.gz"] == "a second file of 1007; 1/1007_normal_marrow.nii.gz is read"
    assert "row 1 has 1 columns" in why["overlap_R11_R12.txt"]


def test_a_folder_without_the_authors_files_is_refused(tmp_path):
    (tmp_path / "notes.txt").write_text("nothing")
    with pytest.raises(InputError, match="holds none of the files that the authors publish"):
        find_clone(tmp_path)
    with pytest.raises(InputError, match="There is no folder"):
        find_clone(tmp_path / "missing")
