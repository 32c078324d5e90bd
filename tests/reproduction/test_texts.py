"""The authors' tables of numbers, told apart by their comments."""

import numpy as np
import pytest

from authorsclone import savetxt
from lib.errors import InputError
from lib.reproduction.texts import read_published_text, scan_id

OVERLAP = "\nCol. 0: scan ID, Col. 1: volume overlap\n"
SIMILARITY = "\nCol. 0: scan ID\nCol. 1: volume similarity coefficient\n"


def test_a_table_of_overlap_is_of_the_two_readings_in_its_name(tmp_path):
    savetxt(tmp_path / "overlap_R11_R12.txt", [(1003.0, 0.3123644251626898), (1007.0, 2 / 3)], OVERLAP)
    text = read_published_text(tmp_path / "overlap_R11_R12.txt")
    assert (text.kind, text.of, scan_id(text.rows[0, 0])) == ("overlap", "R11 R12", "1003")
    # every bit survives the 19 digits
    assert text.rows[:, 1].tolist() == [0.3123644251626898, 2 / 3]


def test_the_readings_come_from_the_comments_where_the_name_does_not_say_them(tmp_path):
    files = "['1003_inflammation_R1_LT.nii', '1007_inflammation_R1_LT.nii']\n\n['1003_inflammation_R2_LT.nii']\n"
    savetxt(tmp_path / "semi.txt", [(1003.0, 0.25, 896, 168)], SIMILARITY + files)
    text = read_published_text(tmp_path / "semi.txt")
    assert (text.kind, text.of) == ("similarity", "R1 R2")


def test_intensities_are_of_the_scan_whose_mask_the_comments_name(tmp_path):
    header = (
        "image: 1013_STIR.nii.gz\nmask: 1013_normal_marrow.nii.gz\nColumn: intensities of voxels considered to be normal bone."
    )
    savetxt(tmp_path / "x.txt", [210.5, 233.25], header)
    text = read_published_text(tmp_path / "x.txt")
    assert (text.kind, text.of, text.rows.shape) == ("normal bone", "1013", (2, 1))


def test_other_text_is_no_table(tmp_path):
    (tmp_path / "requirements.txt").write_text("numpy\nscipy\n")
    assert read_published_text(tmp_path / "requirements.txt") is None


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("# volume overlap\n1003 0.5 7\n", "row 1 has 3 columns"),
        ("# volume overlap\n", "there are no rows"),
        ("# volume overlap\n1003 half\n", "holds what is no number"),
        ("# volume overlap\n1003 nan\n", "not finite"),
    ],
)
def test_a_table_that_is_not_what_its_comments_say_is_refused(tmp_path, text, words):
    path = tmp_path / "overlap_R11_R12.txt"
    path.write_text(text)
    with pytest.raises(InputError, match=words):
        read_published_text(path)


def test_a_table_of_unknown_readings_is_refused(tmp_path):
    np.savetxt(tmp_path / "mine.txt", [[1003, 0.5]], header="volume overlap")
    with pytest.raises(InputError, match="does not say which two readings"):
        read_published_text(tmp_path / "mine.txt")
