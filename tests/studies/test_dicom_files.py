"""Files beside slices, files without preamble or gzipped, instances twice, and objects that are no images."""

from __future__ import annotations

import gzip
import shutil
from pathlib import Path

import numpy as np
import pydicom
import pytest
from pydicom.uid import ExplicitVRLittleEndian, ImplicitVRLittleEndian, generate_uid
from pydicom.valuerep import VR

from drawing import pair
from lib.core.volume import Grid, Volume
from lib.errors import InputError
from lib.studies.dicom_frames import Frame
from lib.studies.dicom_intensities import _without_padding
from lib.studies.dicom_mark import VRS
from lib.studies.dicom_series import read_series
from mrseries import mr_series

STRAIGHT = np.array([[-0.6, 0.0, 0.0, 60.0], [0.0, 0.45, -2.0, -20.0], [0.0, 0.4, 2.25, -40.0], [0.0, 0.0, 0.0, 1.0]])
STRAY = {
    "Thumbs.db": bytes.fromhex("d0cf11e0a1b11ae1") + bytes(8184),
    "~$0001.dcm": b"\x05user" + bytes(160),
    "notes.docx": b"PK\x03\x04" + bytes(4000),
    "report": b"%PDF-1.7\n" + bytes(range(256)),
    "0001.dcm@SynoEAStream": bytes(300),
    ".DS_Store": b"\0\0\0\1Bud1" + bytes(6000),
    "._0001.dcm": bytes([0, 5, 22, 7, 0, 2, 0, 0]) + b"Mac OS X        " + bytes(4072),
    "protocol.pro": bytes(range(256)) * 4,
    "local.db": b"SQLite format 3\0" + bytes(500),
    "index.dbx": bytes(2000),
    "README": "Open the viewer: Öffnen\r\n".encode(),
    "AUTORUN.INF": b"[autorun]\r\n",
    "viewer.exe": b"MZ" + bytes(500),
    "scan.nii.gz": gzip.compress(bytes(344) + b"n+1\0" + bytes(100)),
    "info.xml": "<?xml version='1.0'?>".encode("utf-16"),
}


@pytest.fixture
def folder(tmp_path) -> Path:
    made = pair(np.random.default_rng(3), affine=STRAIGHT)
    place = tmp_path / "stir"
    place.mkdir()
    for one in mr_series(Volume(np.rint(made.stir.data), Grid(made.stir.grid.shape, STRAIGHT), "STIR")):
        one.save_as(place / f"{one.InstanceNumber:04d}.dcm", enforce_file_format=True)
    return place


@pytest.mark.parametrize("name", STRAY)
def test_what_is_known_to_be_no_dicom_is_passed_over_and_named(folder, name):
    plain, _ = read_series(folder, "STIR")
    (folder / name).write_bytes(STRAY[name])
    volume, info = read_series(folder, "STIR")
    np.testing.assert_array_equal(volume.data, plain.data)
    assert len(info.warnings) == 1
    assert info.warnings[0].startswith(f"Passed over, as no DICOM: {name} (")


def test_many_strange_files_are_counted(folder):
    for name, content in STRAY.items():
        (folder / name).write_bytes(content)
    _, info = read_series(folder, "STIR")
    assert f"and {len(STRAY) - 5} more." in info.warnings[0]


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("0007.dcm", b""),
        ("IM0007", bytes(700)),
        ("1.2.840.7", bytes(range(1, 200))),
        ("0007.dcm", b"<html>not found</html>"),
        ("IM0007", b""),
        ("0007.dcm.gz", b"\x1f\x8b\x08\0cut"),
    ],
    ids=["empty", "zeros", "a number for a name", "a page of a web server", "empty without suffix", "gzip cut"],
)
def test_what_may_be_a_damaged_slice_is_refused_by_name(folder, name, content):
    (folder / name).write_bytes(content)
    with pytest.raises(InputError, match=name):
        read_series(folder, "STIR")


@pytest.mark.parametrize("share", [0.02, 0.2, 0.6, 0.97])
def test_a_file_that_begins_as_dicom_without_preamble_and_ends_early_is_refused(folder, share):
    path = folder / "0003.dcm"
    bare = path.read_bytes()[132:]
    path.write_bytes(bare[: int(share * len(bare))])
    with pytest.raises(InputError):
        read_series(folder, "STIR")


@pytest.mark.parametrize("syntax", [ExplicitVRLittleEndian, ImplicitVRLittleEndian])
@pytest.mark.parametrize("meta", [True, False], ids=["with meta group", "data set alone"])
def test_files_without_preamble_are_read(folder, syntax, meta):
    plain, _ = read_series(folder, "STIR")
    for path in folder.iterdir():
        image = pydicom.dcmread(path)
        image.file_meta.TransferSyntaxUID = syntax
        image.save_as(path, enforce_file_format=True)
        content = path.read_bytes()[132:]
        if not meta:  # behind the 12 bytes that say how long the meta group is
            content = content[12 + int.from_bytes(content[8:12], "little") :]
        path.write_bytes(content)
    volume, info = read_series(folder, "STIR")
    np.testing.assert_array_equal(volume.data, plain.data)
    assert info.warnings == ()


def test_gzipped_files_are_read(folder):
    plain, _ = read_series(folder, "STIR")
    for path in list(folder.iterdir()):
        path.with_name(f"{path.name}.gz").write_bytes(gzip.compress(path.read_bytes()))
        path.unlink()
    volume, info = read_series(folder, "STIR")
    np.testing.assert_array_equal(volume.data, plain.data)
    assert [path.name for path in info.files] == sorted(path.name for path in info.files)


class TestInstancesTwice:
    def test_equal_bytes_count_once_and_that_is_said(self, folder):
        plain, _ = read_series(folder, "STIR")
        shutil.copy(folder / "0003.dcm", folder / "copy.dcm")
        volume, info = read_series(folder, "STIR")
        np.testing.assert_array_equal(volume.data, plain.data)
        assert info.warnings == ("There twice with equal voxels, and taken once: copy.dcm.",)

    def test_equal_voxels_in_another_file_count_once(self, folder):
        image = pydicom.dcmread(folder / "0003.dcm")
        image.InstitutionName, image.file_meta.TransferSyntaxUID = "Elsewhere", ImplicitVRLittleEndian
        image.save_as(folder / "copy.dcm", enforce_file_format=True)
        assert "taken once: copy.dcm" in read_series(folder, "STIR")[1].warnings[0]

    @pytest.mark.parametrize("what", ["voxels", "place", "scaling", "series"])
    def test_a_difference_that_numbers_follow_from_is_refused(self, folder, what):
        image = pydicom.dcmread(folder / "0003.dcm")
        if what == "voxels":
            image.PixelData = bytes(len(image.PixelData))
        elif what == "place":
            image.ImagePositionPatient = [0, 0, 0]
        elif what == "scaling":
            image.RescaleSlope, image.RescaleIntercept = 2, 0
        else:
            image.SeriesInstanceUID = generate_uid()
        image.save_as(folder / "copy.dcm")
        with pytest.raises(InputError, match=r"0003.dcm and copy.dcm are one instance by their UID .* and differ"):
            read_series(folder, "STIR")


@pytest.mark.parametrize(
    "sop_class",
    [
        "1.2.840.10008.5.1.4.1.1.66",
        "1.2.840.10008.5.1.4.1.1.4.2",
        "1.2.840.10008.5.1.4.1.1.11.1",
        "1.2.840.10008.5.1.4.1.1.88.33",
        "1.2.840.10008.5.1.4.1.1.104.1",
        "1.2.840.10008.5.1.4.1.1.88.59",
        "1.3.46.670589.11.0.0.12.2",
    ],
    ids=["raw data", "spectroscopy", "presentation state", "report", "PDF", "key objects", "a vendor's own"],
)
def test_objects_that_are_no_images_are_passed_over_whatever_series_they_name(folder, sop_class):
    other = pydicom.dcmread(folder / "0003.dcm", stop_before_pixels=True)
    for keyword in ("Rows", "Columns", "ImagePositionPatient", "ImageOrientationPatient", "PixelSpacing"):
        delattr(other, keyword)
    other.SOPClassUID = other.file_meta.MediaStorageSOPClassUID = sop_class
    other.SOPInstanceUID = other.file_meta.MediaStorageSOPInstanceUID = generate_uid()
    other.save_as(folder / "other.dcm", enforce_file_format=True)
    volume, info = read_series(folder, "STIR")
    assert (volume.grid.shape[2], info.warnings) == (6, ())


def test_every_value_representation_of_the_standard_is_known_without_pydicom():
    assert {vr.decode() for vr in VRS} == {str(vr) for vr in VR if len(str(vr)) == 2}


def test_a_picture_of_the_screen_in_the_series_is_passed_over_and_named(folder):
    plain, _ = read_series(folder, "STIR")
    capture = pydicom.dcmread(folder / "0001.dcm")
    capture.SOPClassUID = capture.file_meta.MediaStorageSOPClassUID = "1.2.840.10008.5.1.4.1.1.7"
    capture.SOPInstanceUID = capture.file_meta.MediaStorageSOPInstanceUID = generate_uid()
    capture.Modality, capture.SamplesPerPixel, capture.PhotometricInterpretation = "OT", 3, "RGB"
    capture.BitsAllocated = capture.BitsStored = 8
    capture.HighBit, capture.PixelData = 7, bytes(3 * capture.Rows * capture.Columns)
    del capture.ImagePositionPatient, capture.ImageOrientationPatient
    capture.save_as(folder / "screen.dcm", enforce_file_format=True)
    volume, info = read_series(folder, "STIR")
    np.testing.assert_array_equal(volume.data, plain.data)
    assert info.warnings == ("Passed over, as pictures of the screen (Secondary Capture): screen.dcm.",)


@pytest.mark.parametrize(
    ("value", "limit", "signed"), [(65535, None, False), (4000, 4095, False), (-2000, None, True), (32767, None, True)]
)
def test_padding_is_as_dark_as_the_darkest_pixel_beside_it(folder, value, limit, signed):
    paths = sorted(folder.glob("*.dcm"))
    expected = read_series(folder, "STIR")[0].data.copy()
    expected[:, :3] = 9999  # at the top of the image, which is the low end of J
    for k, path in enumerate(paths):
        one = pydicom.dcmread(path)
        pixels = one.pixel_array.astype("<i4")
        pixels[:3] = value
        one.PixelData = (pixels & 0xFFFF).astype("<u2").tobytes()
        one.PixelRepresentation = int(signed)
        one.add_new("PixelPaddingValue", "SS" if signed else "US", value)
        if limit is not None:
            one.add_new("PixelPaddingRangeLimit", "US", limit)
        one.save_as(path)
        expected[:, :3, k] = pixels[3:].min()
    np.testing.assert_array_equal(read_series(folder, "STIR")[0].data, expected)


@pytest.mark.parametrize(
    ("pixels", "value", "limit", "expected"),
    [
        ([[65535, 65535]], 65535, None, [[0, 0]]),  # a slice of padding alone is blank, and no bright one
        ([[0, 5], [100, 65000]], -10, 3, [[0, 5], [100, 65000]]),  # a range that no unsigned pixel can have
        ([[48, 200]], 63536, None, [[48, 200]]),
        ([[100, 65535]], 65535, 0, [[100, 100]]),  # a limit that a tool filled in
        ([[48, 200]], 200, None, [[48, 48]]),
        ([[0, 200]], 0, None, [[0, 200]]),
    ],
)
def test_only_pixels_that_the_header_can_mean_are_padding(pixels, value, limit, expected):
    header = pydicom.Dataset()
    header.add_new("PixelPaddingValue", "SS" if value < 0 else "US", value)
    if limit is not None:
        header.add_new("PixelPaddingRangeLimit", "SS" if value < 0 else "US", limit)
    stored = np.array(pixels, dtype=np.uint8 if np.max(pixels) < 256 else np.uint16)
    np.testing.assert_array_equal(_without_padding(stored, Frame(Path("0001.dcm"), header)), expected)


def test_a_table_of_intensities_is_refused(folder):
    one = pydicom.dcmread(folder / "0002.dcm")
    table = pydicom.Dataset()
    table.LUTDescriptor, table.ModalityLUTType = [256, 0, 16], "US"
    one.ModalityLUTSequence = [table]
    one.save_as(folder / "0002.dcm")
    with pytest.raises(InputError, match=r"0002.dcm gives its intensities by a table"):
        read_series(folder, "STIR")
