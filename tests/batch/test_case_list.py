"""Tables and folders of cases."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from drawing import pair
from lib.batch.case_list import BatchCase, parse_cases, read_cases
from lib.errors import InputError
from lib.studies.nifti import write_volume

HERE = Path("/scans")


def test_paths_start_from_the_table_and_empty_cells_are_not_given():
    text = "case;t1w;stir;normal_bone;study\nA1;a/t1w.nii.gz;/b/stir.nii.gz;;\n\nB2;;;bone.nii.gz;dicom/B2\n"
    assert parse_cases(text, "cases.csv", HERE) == (
        BatchCase("A1", HERE / "a/t1w.nii.gz", Path("/b/stir.nii.gz")),
        BatchCase("B2", study=HERE / "dicom/B2", normal_bone=HERE / "bone.nii.gz"),
    )


@pytest.mark.parametrize(
    ("text", "match"),
    [
        ("", "is empty"),
        ("t1w,stir\na,b\n", "no column case"),
        ("case,t1w,stir,vhi\n", "'vhi' is unknown"),
        ("case,case\n", "the column case is there twice"),
        ("case,t1w,stir\nA,a\n", "row 2: 2 cells"),
        ("case,t1w,stir\nA,a,\n", "row 2: t1w is given; a scan needs t1w and stir"),
        ("case,t1w,stir,study\nA,a,b,c\n", "row 2: t1w and stir and study is given"),
        ("case,study\nA,\n", "row 2: nothing is given"),
        ("case,study\n../A,x\n", "row 2, column case: found '../A'"),
        ("case,study\nbatch.,x\n", "row 2, column case"),
        ("case,study\nA,x\na,y\n", "row 3, column case: 'a' is there twice"),
        ('case,study\n"A,x\n', "not a CSV table"),
    ],
)
def test_wrong_tables_are_refused_by_row_and_column(text, match):
    with pytest.raises(InputError, match=match):
        parse_cases(text, "cases.csv", HERE)


def test_a_folder_gives_its_pairs_and_says_what_it_leaves_out(tmp_path):
    scan = pair(np.random.default_rng(1))
    for name in ("A_T1W", "A_STIR", "B_T1W"):
        write_volume(tmp_path / f"{name}.nii.gz", scan.t1w)
    cases, left_out = read_cases(tmp_path)
    assert cases == (BatchCase("A", tmp_path / "A_T1W.nii.gz", tmp_path / "A_STIR.nii.gz"),)
    assert len(left_out) == 1
    assert left_out[0].startswith("B: Its STIR series is missing")


def test_nothing_to_measure_is_refused(tmp_path):
    (tmp_path / "empty.csv").write_text("case,study\n")
    for source in (tmp_path, tmp_path / "empty.csv"):
        with pytest.raises(InputError, match="no scans to measure"):
            read_cases(source)
    with pytest.raises(InputError, match="cannot be read"):
        read_cases(tmp_path / "missing.csv")
