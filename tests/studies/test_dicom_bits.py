"""Which bits of a pixel cell are the value, in every way that a file may hold its cells."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pydicom
import pytest
import SimpleITK
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydicom.data import get_testdata_file
from pydicom.dataset import Dataset
from pydicom.uid import (
    UID,
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    RLELossless,
)

from compressed import CODERS, compress
from lib.core.volume import Grid, Volume
from lib.errors import InputError
from lib.studies.dicom_series import read_series
from lib.studies.dicom_voxels import read_cells, read_stored
from mrseries import enhanced_mr, mr_series

pytestmark = pytest.mark.slow  # seconds in all

PLAIN = (ExplicitVRLittleEndian, ImplicitVRLittleEndian, ExplicitVRBigEndian, DeflatedExplicitVRLittleEndian)
SHAPE = (16, 20, 2)  # columns, rows, slices


def cell_of(value: int, other: int, stored: int, high: int) -> int:
    """A cell by hand: `stored` bits of a value up to bit `high`, and other things in the bits around it."""
    low = high + 1 - stored
    mask = ((1 << stored) - 1) << low
    return (other & ~mask) | ((value << low) & mask)


def image_of(cells: np.ndarray, stored: int, high: int, signed: bool, multi_frame: bool) -> Dataset:
    volume = Volume(np.arange(np.prod(SHAPE), dtype=float).reshape(SHAPE), Grid(SHAPE, np.diag([1.0, 1.0, 3.0, 1.0])), "STIR")
    found = enhanced_mr(volume) if multi_frame else mr_series(volume)[0]
    bits = cells.dtype.itemsize * 8
    found.BitsAllocated, found.BitsStored, found.HighBit, found.PixelRepresentation = bits, stored, high, int(signed)
    found.PixelData = (cells if multi_frame else cells[:1]).tobytes()
    return found


def save(image: Dataset, syntax: UID, folder: Path) -> Path:
    if syntax in CODERS:
        compress(image, syntax, folder)
    elif syntax == ExplicitVRBigEndian and image.BitsAllocated > 8:
        kind = f"u{image.BitsAllocated // 8}"
        image.PixelData = np.frombuffer(image.PixelData, f"<{kind}").astype(f">{kind}").tobytes()
    image.file_meta.TransferSyntaxUID = syntax
    if "PixelData" in image and syntax in PLAIN:
        image["PixelData"].VR = "OB" if image.BitsAllocated == 8 and syntax != ImplicitVRLittleEndian else "OW"
    image.save_as(folder / "one.dcm", enforce_file_format=True)
    return folder / "one.dcm"


@settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data(), syntax=st.sampled_from([*PLAIN, *CODERS]), signed=st.booleans(), multi_frame=st.booleans())
def test_the_value_is_bits_stored_up_to_the_high_bit_in_every_syntax(tmp_path, data, syntax, signed, multi_frame):
    bits = data.draw(st.sampled_from([8, 16] if syntax in CODERS else [8, 16, 32]))
    stored = data.draw(st.integers(2, bits))
    high = data.draw(st.integers(stored - 1, bits - 1))
    rng = np.random.default_rng(data.draw(st.integers(0, 9)))
    low, top = (-(1 << (stored - 1)), (1 << (stored - 1)) - 1) if signed else (0, (1 << stored) - 1)
    # four values beside each other: the JPEG-LS encoder has no room for what does not become smaller
    four = [low, top, *rng.integers(low, top, 2, endpoint=True)]
    values = np.repeat(rng.permuted(np.tile(four, (SHAPE[2], SHAPE[1], 1)), axis=2), SHAPE[0] // 4, axis=2)
    others = np.broadcast_to(rng.integers(0, (1 << bits) - 1, (SHAPE[2], 1, 1), endpoint=True), values.shape)
    cells = np.vectorize(lambda value, other: cell_of(int(value), int(other), stored, high))(values, others).astype(
        f"<u{bits // 8}"
    )
    path = save(image_of(cells, stored, high, signed, multi_frame), syntax, tmp_path)
    frames = SHAPE[2] if multi_frame else 1
    np.testing.assert_array_equal(read_stored(path), values[:frames])
    # what an archive hands out uncompressed keeps every bit of the file
    np.testing.assert_array_equal(read_cells(path), cells[:frames])


def test_an_overlay_in_unused_bits_is_no_signal(tmp_path):
    volume = Volume(
        np.random.default_rng(2).integers(0, 4096, (8, 8, 3)).astype(float), Grid((8, 8, 3), np.diag([1.0, 1, 3, 1])), "x"
    )
    for name, overlay in {"clean": False, "overlay": True}.items():
        (tmp_path / name).mkdir()
        for one in mr_series(volume, BitsStored=12, HighBit=11):
            if overlay:
                cells = np.frombuffer(one.PixelData, "<u2").reshape(8, 8).copy()
                cells[2:5, 2:5] |= 0x8000
                one.PixelData = cells.tobytes()
                one.add_new(0x60000010, "US", 8)
                one.add_new(0x60000011, "US", 8)
                one.add_new(0x60000100, "US", 16)
                one.add_new(0x60000102, "US", 15)
            one.save_as(tmp_path / name / f"{one.InstanceNumber}.dcm", enforce_file_format=True)
    clean, drawn = (read_series(tmp_path / name, "STIR")[0] for name in ("clean", "overlay"))
    np.testing.assert_array_equal(drawn.data, clean.data)


@pytest.mark.parametrize("bits", [8, 16])
def test_run_lengths_may_be_longer_than_what_they_stand_for(tmp_path, bits):
    """Noise has no runs. GDCM 3.0 refuses such a frame."""
    cells = np.random.default_rng(0).integers(0, 1 << bits, (1, SHAPE[1], SHAPE[0]), dtype=f"u{bits // 8}")
    path = save(image_of(cells, bits, bits - 1, signed=False, multi_frame=False), RLELossless, tmp_path)
    np.testing.assert_array_equal(read_stored(path), cells)


def test_bits_that_cannot_be_are_refused(tmp_path):
    cells = np.zeros((2, SHAPE[1], SHAPE[0]), "<u2")
    path = save(image_of(cells, 12, 15, signed=False, multi_frame=False), ExplicitVRLittleEndian, tmp_path)
    image = pydicom.dcmread(path)
    image.HighBit = 10
    image.save_as(path)
    with pytest.raises(InputError, match="12 of 16 bits are stored up to bit 10, which cannot be"):
        read_stored(path)


@pytest.mark.parametrize(
    "name",
    ["bigendian", "expb", "implicit", "padded", "RLE", "jp2klossless", "jpeg_ls_lossless"],
)
def test_one_picture_of_a_scanner_is_one_in_every_file_that_others_made_of_it(name):
    original, other = (Path(str(get_testdata_file(file, download=False))) for file in ("MR_small.dcm", f"MR_small_{name}.dcm"))
    by_itk = SimpleITK.GetArrayFromImage(SimpleITK.ReadImage(str(original), imageIO="GDCMImageIO"))
    np.testing.assert_array_equal(read_stored(other), by_itk)
