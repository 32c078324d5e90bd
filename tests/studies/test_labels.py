"""Label maps as viewers save them."""

import nibabel as nib
import numpy as np
import pytest

from drawing import OBLIQUE
from lib.errors import InputError
from lib.studies.nifti import read_labels


def write(path, array):
    nib.save(nib.Nifti1Image(array, OBLIQUE), path)
    return path


@pytest.mark.parametrize("kind", [np.uint8, np.int16, np.float64])
def test_labels_of_any_number_type_come_as_uint8(tmp_path, kind):
    drawn = np.arange(12).reshape(2, 3, 2)
    labels, grid = read_labels(write(tmp_path / "map.nii.gz", drawn.astype(kind)), "map")
    assert labels.dtype == np.uint8
    np.testing.assert_array_equal(labels, drawn)
    np.testing.assert_allclose(grid.affine, OBLIQUE, atol=1e-5)  # NIfTI keeps the affine in single precision


def test_an_empty_map_is_read(tmp_path):
    labels, _ = read_labels(write(tmp_path / "map.nii.gz", np.zeros((2, 3, 2), np.uint8)), "map")
    assert not labels.any()


@pytest.mark.parametrize(
    ("value", "sentence"),
    [
        (0.5, "values from 0.5 to 0.5"),
        (-1.0, "values from -1 to -1"),
        (256.0, "values from 256 to 256"),
        (1e300, "values from 1e\\+300"),
        (np.nan, "12 voxels that are NaN or infinite"),
        (np.inf, "12 voxels that are NaN or infinite"),
    ],
)
def test_what_is_no_label_is_refused(tmp_path, value, sentence):
    with pytest.raises(InputError, match=sentence):
        read_labels(write(tmp_path / "map.nii.gz", np.full((2, 3, 2), value)), "map")
