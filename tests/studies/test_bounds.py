"""Content that is small on the way in and large inside is refused by what it says of itself, before it is unpacked."""

import bz2
import gzip
import struct
import tracemalloc
import zlib

import nibabel as nib
import numpy as np
import pytest
from pydicom.encaps import generate_frames
from pydicom.uid import JPEG2000Lossless, JPEGLosslessSV1, JPEGLSLossless, RLELossless

from compressed import CODERS, compress
from embedded import bytes_of, slice_of
from lib.core.volume import Grid
from lib.errors import InputError, TooLargeError
from lib.studies.dicom_codestreams import FrameSize, check_frame
from lib.studies.dicom_files import read_whole
from lib.studies.dicom_voxels import read_cells
from lib.studies.nifti import read_labels, read_mask, read_volume
from lib.studies.nrrd import nrrd_labels, read_nrrd

# 20 MiB of zeros, some 20 KB as they are sent
PADDING = bytes(20 << 20)


def nifti(shape=(8, 8, 4), kind=nib.Nifti1Image) -> bytes:
    return kind(np.zeros(shape, np.uint8), np.diag([1.0, 1.0, 3.0, 1.0])).to_bytes()


def peak_of(work) -> int:
    """The most that was in memory at once while an error was raised [bytes]."""
    tracemalloc.start()
    try:
        with pytest.raises(TooLargeError):
            work()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("kind", [nib.Nifti1Image, nib.Nifti2Image])
def test_a_label_map_of_more_voxels_than_the_scan_is_refused_by_its_header(tmp_path, kind):
    path = tmp_path / "label.nii.gz"
    path.write_bytes(gzip.compress(nifti((320, 256, 256), kind)))
    with pytest.raises(TooLargeError, match=r"has 20971520 voxels \(shape \(320, 256, 256\)\) and its scan at most 256"):
        read_labels(path, "the saved label map", most_voxels=256)
    assert peak_of(lambda: read_labels(path, "map", most_voxels=256)) < 1 << 20


@pytest.mark.parametrize("read", [read_volume, read_mask, read_labels])
def test_a_file_that_goes_on_behind_its_voxels_is_not_unpacked_to_its_end(tmp_path, read):
    path = tmp_path / "scan.nii.gz"
    path.write_bytes(gzip.compress(nifti() + PADDING))
    with pytest.raises(TooLargeError, match=r"goes on behind its voxels: its shape \(8, 8, 4\) needs 608 bytes"):
        read(path, "scan")
    assert peak_of(lambda: read(path, "scan")) < 1 << 20


def test_members_that_hold_nothing_are_not_gone_through(tmp_path):
    path = tmp_path / "scan.nii.gz"
    path.write_bytes(gzip.compress(nifti()) + gzip.compress(b"") * 60_000)
    with pytest.raises(TooLargeError, match="more than the 608 that it may hold"):
        read_labels(path, "map")


def test_a_gzip_file_within_a_gzip_file_is_no_nifti(tmp_path):
    path = tmp_path / "scan.nii.gz"
    path.write_bytes(gzip.compress(gzip.compress(nifti() + PADDING)))
    with pytest.raises(InputError, match="not a NIfTI file"):
        read_labels(path, "map")


def test_voxels_that_begin_far_behind_the_header_are_refused(tmp_path):
    content = bytearray(nifti())
    content[108:112] = struct.pack("<f", 2.0**28)
    path = tmp_path / "scan.nii.gz"
    path.write_bytes(gzip.compress(bytes(content)))
    with pytest.raises(TooLargeError, match="begin at byte 268435456"):
        read_labels(path, "map")


def test_a_header_that_promises_more_than_memory_is_refused_and_nothing_is_read(tmp_path):
    content = bytearray(nifti())
    content[40:48] = struct.pack("<4h", 3, 32000, 32000, 32000)
    path = tmp_path / "scan.nii.gz"
    path.write_bytes(gzip.compress(bytes(content)))
    with pytest.raises(TooLargeError, match=r"scan \(scan.nii.gz\) needs 281250000 MiB of memory"):
        read_volume(path, "scan")


def test_a_wrong_checksum_at_the_end_still_shows(tmp_path):
    packed = bytearray(gzip.compress(nifti()))
    packed[-8] ^= 1
    path = tmp_path / "scan.nii.gz"
    path.write_bytes(bytes(packed))
    with pytest.raises(InputError, match="damaged: it does not decompress"):
        read_labels(path, "map")


@pytest.mark.parametrize(("name", "pack"), [("gzip", gzip.compress), ("bzip2", bz2.compress)])
def test_a_nrrd_file_that_holds_more_than_its_sizes_is_not_unpacked(tmp_path, name, pack):
    labels = np.zeros((8, 8, 4), np.uint8)
    header = nrrd_labels(labels, Grid(labels.shape, np.eye(4))).partition(b"\n\n")[0].replace(b"gzip", name.encode())
    path = tmp_path / "label.nrrd"
    path.write_bytes(header + b"\n\n" + pack(labels.tobytes()))
    assert not read_nrrd(path, "map").layers.any()
    path.write_bytes(header + b"\n\n" + pack(labels.tobytes() + PADDING))
    with pytest.raises(TooLargeError, match="unpacks to more than the 2048 bytes that its sizes need"):
        read_nrrd(path, "map")
    assert peak_of(lambda: read_nrrd(path, "map")) < 4 << 20


def test_a_nrrd_header_of_more_voxels_than_any_series_is_refused(tmp_path):
    content = nrrd_labels(np.zeros((8, 8, 4), np.uint8), Grid((8, 8, 4), np.eye(4))).replace(b"8 8 4", b"9000 9000 9000")
    path = tmp_path / "label.nrrd"
    path.write_bytes(content)
    with pytest.raises(TooLargeError, match="729000000000 voxels"):
        read_nrrd(path, "map")


@pytest.mark.parametrize("syntax", CODERS, ids=lambda syntax: syntax.name[:9])
def test_a_compressed_frame_that_is_larger_than_its_file_says_is_not_decoded(tmp_path, syntax):
    large = slice_of(Rows=96, Columns=96, PixelData=np.arange(96 * 96, dtype="<u2").tobytes())
    compress(large, syntax, tmp_path)
    content = next(generate_frames(large.PixelData, number_of_frames=1))
    check_frame(content, syntax, FrameSize(96, 96, 1, 16), "slice")
    path = tmp_path / "slice.dcm"
    path.write_bytes(bytes_of(large))
    assert read_cells(path).shape == (1, 96, 96)
    if syntax != RLELossless:  # whose length is the only thing that it says
        with pytest.raises(TooLargeError, match="a compressed frame of 96 x 96 pixels of 1 samples, and its header says 95 x 96"):
            check_frame(content, syntax, FrameSize(95, 96, 1, 16), "slice")
        large.Rows = 95
        path.write_bytes(bytes_of(large))
        with pytest.raises(TooLargeError, match="96 x 96 pixels"):
            read_cells(path)


def test_run_lengths_that_unpack_to_more_than_twice_the_frame_are_not_decoded():
    # 600 KB that become 38 MB: each pair of bytes is a run of 128
    runs = b"\x81\x00" * 300_000
    content = struct.pack("<16I", 1, 64, *[0] * 14) + runs
    check_frame(content, RLELossless, FrameSize(6000, 6400, 1, 8), "slice")
    with pytest.raises(TooLargeError, match="in run lengths of over 131200 bytes, and its header says 65536"):
        check_frame(content, RLELossless, FrameSize(256, 256, 1, 8), "slice")


@pytest.mark.parametrize("syntax", [JPEGLosslessSV1, JPEGLSLossless, JPEG2000Lossless])
def test_a_frame_that_does_not_say_how_large_it_is_is_damaged(syntax):
    with pytest.raises(InputError, match="truncated or damaged"):
        check_frame(b"\xff\xd8\xff\xda\0\0", syntax, FrameSize(4, 4, 1, 8), "slice")


def test_a_deflated_file_that_holds_more_than_is_taken_is_refused(tmp_path, monkeypatch):
    from pydicom.uid import DeflatedExplicitVRLittleEndian

    from lib.studies import dicom_files

    large = slice_of(PixelData=PADDING, Rows=1024, Columns=10240)
    large.file_meta.TransferSyntaxUID = DeflatedExplicitVRLittleEndian
    path = tmp_path / "slice.dcm"
    path.write_bytes(bytes_of(large))
    assert path.stat().st_size < 1 << 20
    assert len(read_whole(path).PixelData) == len(PADDING)
    monkeypatch.setattr(dicom_files, "MOST_UNPACKED", 16 << 20)
    with pytest.raises(TooLargeError, match="inflates to more than 16 MiB"):
        read_whole(path)


def test_a_deflated_frame_of_a_segmentation_gives_no_more_than_its_pixels():
    from lib.studies.dicom_seg_reader import _inflated

    squeeze = zlib.compressobj(wbits=-15)
    content = squeeze.compress(PADDING) + squeeze.flush()
    assert len(_inflated(content, 315)) == 315
