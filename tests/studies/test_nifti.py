"""Reading and writing NIfTI: what comes in exactly, and every way a file is refused."""

from __future__ import annotations

import gzip
import struct
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from lib.core.volume import Grid, Mask, Volume
from lib.errors import InputError
from lib.studies.nifti import (
    header_is_plain,
    read_mask,
    read_volume,
    write_labels,
    write_mask,
    write_scan,
    write_slices_last,
    write_volume,
)

SHAPE = (4, 5, 3)
# voxels of 0.6 x 0.6 x 3.3 mm turned about the left-right axis by the angle with cosine 0.8: what a qform can hold
RIGID = np.array([[-0.6, 0.0, 0.0, 60.0], [0.0, 0.48, -1.98, -20.0], [0.0, 0.36, 2.64, -40.0], [0.0, 0.0, 0.0, 1.0]])


def numbers(dtype: str = "int16") -> np.ndarray:
    return np.arange(np.prod(SHAPE)).reshape(SHAPE).astype(dtype)


def image_of(array: np.ndarray, sform: int = 1, qform: int = 0, kind: type[nib.Nifti1Image] = nib.Nifti1Image) -> nib.Nifti1Image:
    image = kind(array, RIGID, dtype=array.dtype)
    image.header.set_xyzt_units("mm", "sec")
    image.set_sform(RIGID if sform else None, code=sform)
    image.set_qform(RIGID if qform else None, code=qform)
    return image


def saved(image: nib.Nifti1Image, path: Path) -> Path:
    nib.save(image, path)
    return path


@pytest.mark.parametrize("dtype", ["uint8", "int16", ">i2", "int32", "float32", "float64"])
@pytest.mark.parametrize("name", ["scan.nii", "scan.nii.gz"])
def test_every_number_type_is_read_as_float64(tmp_path, dtype, name):
    volume = read_volume(saved(image_of(numbers(dtype)), tmp_path / name), "STIR")
    assert volume.data.dtype == np.float64
    np.testing.assert_array_equal(volume.data, numbers("float64"))
    assert volume.name == f"STIR ({name})"


def test_nifti_2_is_read(tmp_path):
    volume = read_volume(saved(image_of(numbers(), kind=nib.Nifti2Image), tmp_path / "scan.nii.gz"), "STIR")
    np.testing.assert_array_equal(volume.data, numbers())


def test_scaling_is_applied_in_float64(tmp_path):
    image = image_of(numbers())
    image.header.set_slope_inter(np.float32(0.1), 3)
    # the slope is stored in single precision; the product is not rounded to it
    raw = bytearray(image.to_bytes())
    raw[112:116] = np.float32(0.1).tobytes()
    raw[116:120] = np.float32(3).tobytes()
    path = tmp_path / "scan.nii"
    path.write_bytes(bytes(raw))
    np.testing.assert_array_equal(read_volume(path, "STIR").data, numbers("float64") * float(np.float32(0.1)) + 3.0)


@pytest.mark.parametrize(("sform", "qform"), [(1, 0), (0, 1), (1, 1), (2, 0)])
def test_geometry_comes_from_the_form_that_is_there(tmp_path, sform, qform):
    volume = read_volume(saved(image_of(numbers(), sform, qform), tmp_path / "scan.nii"), "STIR")
    # both are stored in single precision, a qform as a quaternion: 1e-5 mm at these distances
    np.testing.assert_allclose(volume.grid.affine, RIGID, atol=2e-5)


def test_a_fourth_axis_of_length_one_is_dropped(tmp_path):
    path = saved(image_of(numbers()[..., np.newaxis]), tmp_path / "scan.nii")
    np.testing.assert_array_equal(read_volume(path, "STIR").data, numbers())


def refused(path: Path, match: str) -> None:
    with pytest.raises(InputError, match=match) as caught:
        read_volume(path, "STIR")
    text = str(caught.value)
    assert "STIR" in text
    assert path.name in text
    assert "\n" not in text


def test_a_missing_file_is_refused(tmp_path):
    refused(tmp_path / "no.nii.gz", "there is no file")


def test_a_folder_is_refused(tmp_path):
    refused(tmp_path, "is a folder")


def test_a_file_that_may_not_be_read_is_refused(tmp_path, monkeypatch):
    path = saved(image_of(numbers()), tmp_path / "scan.nii")

    def forbidden(self: Path, mode: str) -> None:
        raise PermissionError(13, "Permission denied", str(self))

    monkeypatch.setattr(Path, "open", forbidden)
    refused(path, "may not be read by this account")


@pytest.mark.parametrize("kept", [20, 200, -30])
def test_a_truncated_archive_is_refused(tmp_path, kept):
    rng = np.random.default_rng(0)
    path = saved(image_of(rng.integers(0, 3000, (16, 16, 4), dtype=np.int16)), tmp_path / "scan.nii.gz")
    path.write_bytes(path.read_bytes()[:kept])
    refused(path, "truncated")


def test_an_archive_that_lost_its_last_bytes_is_refused(tmp_path):
    # all voxels decompress; only the checksum is missing
    path = saved(image_of(numbers()), tmp_path / "scan.nii.gz")
    path.write_bytes(path.read_bytes()[:-4])
    refused(path, "truncated")


def test_a_flipped_bit_in_an_archive_is_refused(tmp_path):
    rng = np.random.default_rng(0)
    path = saved(image_of(rng.integers(0, 3000, (16, 16, 4), dtype=np.int16)), tmp_path / "scan.nii.gz")
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 4
    path.write_bytes(bytes(content))
    refused(path, "damaged|truncated")


@pytest.mark.parametrize("kept", [0, 100, 360, -1])
def test_a_truncated_file_is_refused(tmp_path, kept):
    path = saved(image_of(numbers()), tmp_path / "scan.nii")
    path.write_bytes(path.read_bytes()[:kept])
    refused(path, "truncated")


def test_a_file_that_only_looks_compressed_is_read_by_its_content(tmp_path):
    path = tmp_path / "scan.nii.gz"
    path.write_bytes(saved(image_of(numbers()), tmp_path / "scan.nii").read_bytes())
    np.testing.assert_array_equal(read_volume(path, "STIR").data, numbers())


@pytest.mark.parametrize("content", [b"\x89PNG" + bytes(500), b"text " * 200, bytes(1000)])
def test_another_kind_of_file_is_refused(tmp_path, content):
    (tmp_path / "scan.nii").write_bytes(content)
    refused(tmp_path / "scan.nii", "is not a NIfTI file")
    (tmp_path / "scan.nii.gz").write_bytes(gzip.compress(content))
    refused(tmp_path / "scan.nii.gz", "is not a NIfTI file")


def test_an_unknown_number_type_is_refused(tmp_path):
    raw = bytearray(image_of(numbers()).to_bytes())
    raw[70:72] = np.int16(999).tobytes()
    (tmp_path / "scan.nii").write_bytes(bytes(raw))
    refused(tmp_path / "scan.nii", "damaged NIfTI header")


@pytest.mark.parametrize("kind", [nib.Nifti1Image, nib.Nifti2Image])
def test_voxels_that_begin_in_the_header_are_refused(tmp_path, kind):
    raw = bytearray(image_of(numbers(), kind=kind).to_bytes())
    if kind is nib.Nifti1Image:
        struct.pack_into("<f", raw, 108, 0)
    else:
        struct.pack_into("<q", raw, 168, 0)
    (tmp_path / "scan.nii").write_bytes(bytes(raw))
    refused(tmp_path / "scan.nii", "damaged NIfTI header .voxels from byte 0, where the header is")


def test_an_infinite_slope_is_refused(tmp_path):
    raw = bytearray(image_of(numbers()).to_bytes())
    struct.pack_into("<f", raw, 112, np.inf)
    (tmp_path / "scan.nii").write_bytes(bytes(raw))
    refused(tmp_path / "scan.nii", "scl_slope is infinite")


def test_nibabels_own_log_says_nothing(tmp_path, capfd):
    raw = bytearray(image_of(numbers()).to_bytes())
    struct.pack_into("<3f", raw, 80, *(-mm for mm in struct.unpack_from("<3f", raw, 80)))  # pixdim
    (tmp_path / "scan.nii").write_bytes(bytes(raw))
    read_volume(tmp_path / "scan.nii", "STIR")
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("shape", [(4, 5), (4, 5, 3, 2), (4, 5, 3, 1, 3)])
def test_anything_but_one_3d_volume_is_refused(tmp_path, shape):
    refused(saved(image_of(np.zeros(shape, dtype=np.int16)), tmp_path / "scan.nii"), f"is {len(shape)}-D with shape")


def test_colour_is_refused(tmp_path):
    rgb = np.zeros(SHAPE, dtype=[("R", "u1"), ("G", "u1"), ("B", "u1")])
    refused(saved(image_of(rgb), tmp_path / "scan.nii"), "holds colour or complex voxels")


def test_complex_numbers_are_refused(tmp_path):
    refused(saved(image_of(numbers("complex64")), tmp_path / "scan.nii"), "holds colour or complex voxels")


def test_a_file_without_geometry_is_refused(tmp_path):
    refused(saved(image_of(numbers(), 0, 0), tmp_path / "scan.nii"), "carries no geometry")


def test_a_geometry_without_volume_is_refused(tmp_path):
    raw = bytearray(image_of(numbers()).to_bytes())
    raw[312:324] = bytes(12)  # the third row of the sform
    (tmp_path / "scan.nii").write_bytes(bytes(raw))
    refused(tmp_path / "scan.nii", "has no volume")


def test_a_geometry_in_metres_is_refused(tmp_path):
    image = image_of(numbers())
    image.header.set_xyzt_units("meter", "sec")
    refused(saved(image, tmp_path / "scan.nii"), "geometry in meter; millimetres are needed")


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_voxels_that_are_not_finite_are_refused(tmp_path, bad):
    array = numbers("float32")
    array[1, 2, 1] = bad
    refused(saved(image_of(array), tmp_path / "scan.nii"), "1 voxels that are NaN or infinite")


def test_a_constant_image_is_refused(tmp_path):
    refused(saved(image_of(np.full(SHAPE, 7, dtype=np.int16)), tmp_path / "scan.nii"), "is constant")


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32", "float64"])
def test_a_mask_of_zeros_and_ones_is_read(tmp_path, dtype):
    mask = read_mask(saved(image_of((numbers() % 2).astype(dtype), 0, 1), tmp_path / "mask.nii.gz"), "normal bone")
    assert mask.data.dtype == np.bool_
    assert mask.voxels == 30
    assert mask.name == "normal bone (mask.nii.gz)"


def test_an_empty_mask_is_a_mask(tmp_path):
    assert read_mask(saved(image_of(np.zeros(SHAPE, dtype=np.uint8)), tmp_path / "mask.nii"), "normal bone").voxels == 0


@pytest.mark.parametrize(
    ("values", "shown"),
    [
        ([0, 1, 2], r"3 values \(0, 1, 2\)"),
        ([0, 1, 255], r"3 values \(0, 1, 255\)"),
        ([0, 0.5, 1], r"3 values \(0, 0.5, 1\)"),
        (range(9), r"9 values \(0, 1, 2, 3, 4, 5, ...\)"),
        ([0, 1, np.nan], r"2 values \(0, 1\) and 20 voxels that are NaN"),
    ],
)
def test_a_mask_with_other_values_is_refused_with_them(tmp_path, values, shown):
    array = np.resize(np.array(values, dtype=np.float32), SHAPE)
    with pytest.raises(InputError, match=rf"normal bone \(mask.nii\) holds {shown}.*; a mask holds only 0 and 1"):
        read_mask(saved(image_of(array), tmp_path / "mask.nii"), "normal bone")


@pytest.mark.parametrize("name", ["a.nii", "a.nii.gz"])
def test_a_volume_comes_back_as_it_was_written(tmp_path, name):
    rng = np.random.default_rng(1)
    written = Volume(rng.normal(size=SHAPE), Grid(SHAPE, RIGID), "STIR")
    write_volume(tmp_path / name, written)
    volume = read_volume(tmp_path / name, "STIR")
    np.testing.assert_array_equal(volume.data, written.data)
    np.testing.assert_allclose(volume.grid.affine, RIGID, atol=2e-6)


def test_a_mask_comes_back_and_other_programs_find_its_geometry(tmp_path):
    mask = Mask(numbers() % 3 == 0, Grid(SHAPE, RIGID))
    write_mask(tmp_path / "mask.nii.gz", mask)
    np.testing.assert_array_equal(read_mask(tmp_path / "mask.nii.gz", "mask").data, mask.data)
    header = nib.load(tmp_path / "mask.nii.gz").header
    assert header.get_data_dtype() == np.uint8
    assert header.get_xyzt_units() == ("mm", "sec")
    assert int(header["sform_code"]) == 1
    np.testing.assert_allclose(header.get_sform(), RIGID, atol=1e-5)


def test_a_rotation_is_written_as_qform_too_and_a_sheared_grid_is_not(tmp_path):
    straight = np.diag([0.6, 0.6, 3.3, 1.0])
    write_mask(tmp_path / "straight.nii", Mask(numbers() > 0, Grid(SHAPE, straight)))
    header = nib.load(tmp_path / "straight.nii").header
    assert int(header["qform_code"]) == 1
    np.testing.assert_allclose(header.get_qform(), straight, atol=1e-5)
    sheared = straight.copy()
    sheared[0, 2] = 1.0
    write_mask(tmp_path / "sheared.nii", Mask(numbers() > 0, Grid(SHAPE, sheared)))
    header = nib.load(tmp_path / "sheared.nii").header
    assert int(header["qform_code"]) == 0
    np.testing.assert_allclose(header.get_sform(), sheared, atol=1e-5)


@pytest.mark.parametrize(("largest", "dtype"), [(2, "uint8"), (255, "uint8"), (256, "int16"), (32767, "int16"), (40000, "int32")])
def test_labels_are_written_in_the_smallest_type_that_holds_them(tmp_path, largest, dtype):
    labels = np.zeros(SHAPE, dtype=np.int32)
    labels[1, 1, 1] = largest
    write_labels(tmp_path / "labels.nii.gz", labels, Grid(SHAPE, RIGID))
    image = nib.load(tmp_path / "labels.nii.gz")
    assert image.get_data_dtype() == dtype
    assert int(np.asarray(image.dataobj)[1, 1, 1]) == largest


def test_equal_results_are_equal_files(tmp_path):
    mask = Mask(numbers() > 3, Grid(SHAPE, RIGID))
    for name in ("a.nii.gz", "b.nii.gz"):
        write_mask(tmp_path / name, mask)
    assert (tmp_path / "a.nii.gz").read_bytes() == (tmp_path / "b.nii.gz").read_bytes()


@pytest.mark.data
def test_real_scans_read_as_nibabel_reads_them(vhi_data):
    path = vhi_data / "images_study/STIR/1013_STIR.nii.gz"
    volume = read_volume(path, "STIR")
    np.testing.assert_array_equal(volume.data, nib.load(path).get_fdata())
    mask = read_mask(vhi_data / "segmentations/normal_marrow/1013_normal_marrow.nii.gz", "normal bone")
    assert mask.voxels == int(nib.load(vhi_data / "segmentations/normal_marrow/1013_normal_marrow.nii.gz").get_fdata().sum())


@pytest.mark.parametrize(
    ("values", "kind"),
    [([0, 1, -32768], "int16"), ([0, 40000, 1], "int32"), ([0, 0.5, 3e9], "float32"), ([0, 0.1, 1], "float64")],
)
def test_a_scan_is_written_in_the_smallest_type_that_loses_nothing(tmp_path, values, kind):
    volume = Volume(np.array(values, dtype=np.float64).reshape(3, 1, 1), Grid((3, 1, 1), np.eye(4)))
    write_scan(tmp_path / "scan.nii", volume)
    assert nib.load(tmp_path / "scan.nii").get_data_dtype() == np.dtype(kind)
    np.testing.assert_array_equal(read_volume(tmp_path / "scan.nii", "STIR").data, volume.data)


@pytest.mark.parametrize("name", ["t1_Eq_1.nii", "t1_Eq_1.nii.gz", "t1_Eq.nii.gz"])
def test_a_copy_with_interpolated_slices_is_no_scan(tmp_path, name):
    with pytest.raises(InputError, match=r"T1W \(t1_Eq.*some of its slices are interpolated.*Pass the DICOM series"):
        read_volume(saved(image_of(numbers()), tmp_path / name), "T1W")


@pytest.mark.parametrize("copy", ["t1_Eq_1.nii", "t1_Eq_1.nii.gz"])
def test_a_scan_beside_such_a_copy_has_wrong_distances(tmp_path, copy):
    path = saved(image_of(numbers()), tmp_path / "t1.nii.gz")
    read_volume(path, "T1W")
    saved(image_of(numbers()), tmp_path / copy)
    with pytest.raises(InputError, match=f"Beside T1W .t1.nii.gz. lies {copy}"):
        read_volume(path, "T1W")
    saved(image_of(numbers()), tmp_path / "other.nii.gz")
    read_volume(tmp_path / "other.nii.gz", "T1W")


def test_a_copy_with_its_slices_last_has_each_voxel_at_its_place(tmp_path):
    content = bytearray(nib.Nifti1Image(numbers().transpose(0, 2, 1), RIGID[:, [0, 2, 1, 3]]).to_bytes())
    struct.pack_into("<ff", content, 112, 2, 1)  # slope and intercept
    path, copy = tmp_path / "turned.nii.gz", tmp_path / "copy.nii.gz"
    path.write_bytes(gzip.compress(bytes(content)))
    assert not header_is_plain(gzip.decompress(path.read_bytes()))
    write_slices_last(path, copy)
    assert header_is_plain(gzip.decompress(copy.read_bytes()))
    before, after = read_volume(path, "STIR"), read_volume(copy, "STIR")
    assert before.grid.shape == (4, 3, 5)
    assert after.grid.shape == (4, 5, 3)
    np.testing.assert_array_equal(after.data, 2 * numbers() + 1)
    for index in [(0, 0, 0), (3, 4, 2), (1, 2, 1)]:
        i, j, k = index
        np.testing.assert_allclose(after.grid.world_mm(np.array(index)), before.grid.world_mm(np.array([i, k, j])), atol=1e-4)
    np.testing.assert_allclose(nib.load(copy).get_qform(), nib.load(copy).affine, atol=1e-4)
