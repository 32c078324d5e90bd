"""Headers that say two things: what other programs make of them (SimpleITK, nibabel) and what is said here."""

from __future__ import annotations

import struct
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
import SimpleITK
from hypothesis import given
from hypothesis import strategies as st
from nibabel.eulerangles import euler2mat

from lib.core.volume import grid_distance_mm
from lib.errors import InputError, RequestError
from lib.studies.nifti import read_forms, read_volume, write_with_form
from lib.studies.nifti_geometry import disagreement
from lib.studies.pairing import find_cases

SHAPE = (5, 6, 4)
# voxels of 0.6 x 0.6 x 3.3 mm turned about the left-right axis by the angle with cosine 0.8
PLACE = np.array([[-0.6, 0.0, 0.0, 60.0], [0.0, 0.48, -1.98, -20.0], [0.0, 0.36, 2.64, -40.0], [0.0, 0.0, 0.0, 1.0]])
RAS_OF_LPS = np.diag([-1.0, -1.0, 1.0, 1.0])


def shifted(mm: float) -> np.ndarray:
    other = PLACE.copy()
    other[0, 3] += mm
    return other


def content(sform=PLACE, sform_code=1, qform=PLACE, qform_code=1) -> bytearray:
    image = nib.Nifti1Image(np.arange(np.prod(SHAPE), dtype=np.int16).reshape(SHAPE), PLACE)
    image.set_qform(qform, qform_code)
    image.set_sform(sform, sform_code)
    image.header["pixdim"][1:4] = np.linalg.norm(qform[:3, :3], axis=0)
    return bytearray(image.to_bytes())


def file_of(folder: Path, stored: bytearray) -> Path:
    path = folder / "scan.nii"
    path.write_bytes(bytes(stored))
    return path


def as_itk_reads(path: Path) -> np.ndarray:
    image = SimpleITK.ReadImage(str(path))
    affine = np.eye(4)
    affine[:3, :3] = np.array(image.GetDirection()).reshape(3, 3) * image.GetSpacing()
    affine[:3, 3] = image.GetOrigin()
    return RAS_OF_LPS @ affine


@pytest.mark.parametrize("sform_code", [1, 2, 3, 4])
def test_two_transforms_that_differ_are_refused_with_both_and_the_way_out(tmp_path, sform_code):
    path = file_of(tmp_path, content(sform_code=sform_code, qform=shifted(10)))
    # other programs do read it: two ways where the sform's code is above 1
    assert np.allclose(as_itk_reads(path), PLACE, atol=1e-4) == (sform_code == 1)
    said = (
        rf"sform \(code {sform_code}: .*60.00, .*qform \(code 1: .*70.00, .*10.00 mm apart \(allowed 0.12 mm\)"
        ".*--use-qform.*--use-sform"
    )
    with pytest.raises(InputError, match=said):
        read_volume(path, "STIR")
    np.testing.assert_allclose(read_volume(path, "STIR", "sform").grid.affine, PLACE, atol=1e-4)
    np.testing.assert_allclose(read_volume(path, "STIR", "qform").grid.affine, shifted(10), atol=1e-4)


@pytest.mark.parametrize(("mm", "reads"), [(0.11, True), (0.13, False)])
def test_a_fifth_of_the_smallest_voxel_is_allowed(tmp_path, mm, reads):
    path = file_of(tmp_path, content(qform=shifted(mm)))
    if reads:
        read_volume(path, "STIR")
    else:
        with pytest.raises(InputError, match="0.13 mm apart"):
            read_volume(path, "STIR")


def test_an_sform_beside_other_voxel_sizes_is_refused(tmp_path):
    stored = content(qform_code=0)
    struct.pack_into("<fff", stored, 80, 1.2, 1.2, 3.3)
    path = file_of(tmp_path, stored)
    assert np.allclose(np.linalg.norm(as_itk_reads(path)[:3, :3], axis=0), (1.2, 1.2, 3.3))  # ITK takes pixdim
    with pytest.raises(InputError, match=r"voxels of 0.6 x 0.6 x 3.3 mm and its pixdim says 1.2 x 1.2 x 3.3 mm.*--use-sform"):
        read_volume(path, "STIR")
    np.testing.assert_allclose(read_volume(path, "STIR", "sform").grid.spacing_mm, (0.6, 0.6, 3.3), atol=1e-5)
    with pytest.raises(InputError, match="--use-sform"):  # there is no qform to rule
        read_volume(path, "STIR", "qform")


@pytest.mark.parametrize("qform_code", [0, 1])
def test_a_sheared_sform_is_refused(tmp_path, qform_code):
    sheared = PLACE.copy()
    sheared[:3, 2] += 0.05 * PLACE[:3, 0] / 0.6 * 3.3
    path = file_of(tmp_path, content(sform=sheared, qform_code=qform_code))
    if qform_code == 0:
        with pytest.raises(RuntimeError, match="orthonormal"):
            as_itk_reads(path)
    with pytest.raises(InputError, match="sheared"):
        read_volume(path, "STIR")
    np.testing.assert_allclose(read_volume(path, "STIR", "sform").grid.affine, sheared, atol=1e-4)


def test_an_sform_of_zeros_beside_a_qform_is_a_question_too(tmp_path):
    path = file_of(tmp_path, content(sform=np.diag([0.0, 0.0, 0.0, 1.0])))
    with pytest.raises(InputError, match="its sform .* is no transform.*--use-qform"):
        read_volume(path, "STIR")
    np.testing.assert_allclose(read_volume(path, "STIR", "qform").grid.affine, PLACE, atol=1e-4)


@pytest.mark.slow
@given(
    st.tuples(*[st.floats(-3.1, 3.1)] * 3),
    st.tuples(*[st.floats(0.3, 6.0)] * 3),
    st.tuples(*[st.floats(-300, 300)] * 3),
    st.booleans(),
)
def test_any_rotation_written_as_both_transforms_is_read_where_itk_reads_it(tmp_path_factory, angles, spacing, origin, mirror):
    affine = np.eye(4)
    affine[:3, :3] = euler2mat(*angles) * spacing
    affine[:3, 0] *= -1 if mirror else 1
    affine[:3, 3] = origin
    image = nib.Nifti1Image(np.arange(np.prod(SHAPE), dtype=np.int16).reshape(SHAPE), affine)
    image.set_sform(affine, 1)
    image.set_qform(affine, 1)
    path = file_of(tmp_path_factory.mktemp("any"), bytearray(image.to_bytes()))
    volume = read_volume(path, "STIR").grid
    corners = np.c_[np.indices((2, 2, 2)).reshape(3, -1).T * (np.array(SHAPE) - 1), np.ones(8)].T
    # single precision at 300 mm
    assert np.abs((as_itk_reads(path) - volume.affine) @ corners).max() < 1e-3
    image.set_sform(None, 0)
    alone = read_volume(file_of(tmp_path_factory.mktemp("qform"), bytearray(image.to_bytes())), "STIR").grid
    assert grid_distance_mm(volume, alone) < 0.03


@pytest.mark.parametrize(("square", "reads"), [(1 + 2e-6, True), (1 + 1.9e-5, True), (1 + 1e-4, False)])
def test_a_quaternion_a_rounding_beyond_one_is_read_as_itk_reads_it(tmp_path, square, reads):
    half_turn = np.diag([-0.6, 0.6, -3.3, 1.0])  # about the second axis: its quaternion has no first part
    stored = content(qform=half_turn, sform_code=0)
    quaternion = np.array(struct.unpack_from("<fff", stored, 256))
    struct.pack_into("<fff", stored, 256, *(quaternion * np.sqrt(square)))
    path = file_of(tmp_path, stored)
    if not reads:
        with pytest.raises(InputError, match="quaternion of its qform has the length 1.00005"):
            read_volume(path, "STIR")
        return
    np.testing.assert_allclose(read_volume(path, "STIR").grid.affine, half_turn, atol=1e-4)
    np.testing.assert_allclose(as_itk_reads(path), half_turn, atol=1e-4)


def test_a_scan_with_a_question_waits_on_a_server(tmp_path):
    for role in ("T1W", "STIR"):
        (tmp_path / f"a_{role}.nii").write_bytes(bytes(content(sform_code=2, qform=shifted(10))))
    index = find_cases(tmp_path)
    assert not index.cases
    assert "sform" in index.waiting[0].reason
    assert "qform" in index.waiting[0].reason
    assert len(find_cases(tmp_path, "qform").cases) == 1


@pytest.mark.parametrize("name", ["copy.nii", "copy.nii.gz"])
def test_a_copy_with_one_transform_is_read_alike_and_has_the_same_voxels(tmp_path, name):
    path = file_of(tmp_path, content(sform_code=2, qform=shifted(10)))
    write_with_form(path, "qform", tmp_path / name)
    copy = read_volume(tmp_path / name, "STIR")
    np.testing.assert_allclose(copy.grid.affine, shifted(10), atol=1e-4)
    np.testing.assert_allclose(as_itk_reads(tmp_path / name), shifted(10), atol=1e-4)
    np.testing.assert_array_equal(copy.data, read_volume(path, "STIR", "sform").data)
    assert disagreement(*read_forms(tmp_path / name, "the copy")) is None


def test_a_copy_over_the_file_itself_or_of_a_missing_transform_is_refused(tmp_path):
    path = file_of(tmp_path, content(qform_code=0))
    with pytest.raises(RequestError, match="original is kept"):
        write_with_form(path, "sform", path)
    with pytest.raises(InputError, match="has no qform"):
        write_with_form(path, "qform", tmp_path / "copy.nii")
    assert not (tmp_path / "copy.nii").exists()


@pytest.mark.parametrize("slope", [0.0, np.nan])
def test_without_a_slope_values_are_as_stored_whatever_the_intercept(tmp_path, slope):
    stored = content()
    struct.pack_into("<ff", stored, 112, slope, 5.0)
    assert read_volume(file_of(tmp_path, stored), "STIR").data.max() == np.prod(SHAPE) - 1


def test_half_of_a_pair_of_files_is_refused_with_what_to_save(tmp_path):
    nib.save(nib.Nifti1Pair(np.ones(SHAPE, np.int16), PLACE), tmp_path / "scan.hdr")
    with pytest.raises(InputError, match=r"one half of a pair \(.hdr and .img\); save it as a single .nii"):
        read_volume(tmp_path / "scan.hdr", "STIR")
