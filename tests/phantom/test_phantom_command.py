"""The study on disk."""

import json

import numpy as np
import pytest

from lib.cli.phantom import check_phantom_folder, write_phantom
from lib.errors import OutputError
from lib.phantom.study import make_phantom
from lib.studies.nifti import read_mask, read_volume


@pytest.fixture(scope="module")
def study():
    return make_phantom(0, (64, 64, 7))


@pytest.mark.slow
def test_a_written_study_reads_back_as_it_was(study, tmp_path):
    write_phantom(study, tmp_path / "study")
    stir = read_volume(tmp_path / "study" / "stir.nii.gz", "STIR")
    np.testing.assert_array_equal(stir.data, study.stir.data)
    np.testing.assert_allclose(stir.grid.affine, study.grid.affine, atol=1e-4)
    region = read_mask(tmp_path / "study" / "truth" / "disease_region.nii.gz", "disease region")
    np.testing.assert_array_equal(region.data, study.disease_region.data)
    table = json.loads((tmp_path / "study" / "truth" / "lesions.json").read_text())
    assert [row["volume_mm3"] for row in table["lesions"]] == [lesion.volume_mm3 for lesion in study.lesion_table]


@pytest.mark.slow
def test_an_earlier_phantom_is_replaced(study, tmp_path):
    write_phantom(study, tmp_path)
    write_phantom(make_phantom(1, (64, 64, 7)), tmp_path)
    assert json.loads((tmp_path / "truth" / "lesions.json").read_text())["seed"] == 1


def test_a_folder_with_scans_in_it_is_refused(tmp_path):
    (tmp_path / "t1w.nii.gz").write_bytes(b"a patient's scan")
    with pytest.raises(OutputError, match="holds no earlier phantom"):
        check_phantom_folder(tmp_path)


def test_a_file_in_place_of_the_folder_is_refused(study, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="cannot be written"):
        write_phantom(study, tmp_path / "file")
