"""One scan in every form that archives keep it: several frames in a file, and compressed; and what damage does to it."""

from __future__ import annotations

import copy
import struct
from pathlib import Path

import numpy as np
import pydicom
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydicom.dataset import Dataset
from pydicom.encaps import encapsulate, encapsulate_extended, generate_frames
from pydicom.sequence import Sequence
from pydicom.uid import JPEG2000Lossless, JPEGLosslessSV1, JPEGLSLossless, RLELossless

from compressed import CODERS, compress
from drawing import pair
from lib.core.volume import Grid, Volume
from lib.errors import InputError
from lib.studies.dicom_content import series_of_headers
from lib.studies.dicom_pairing import read_study
from lib.studies.dicom_series import read_series
from mrseries import enhanced_mr, mr_series

pytestmark = pytest.mark.slow  # seconds in all

# perpendicular, as a scanner's axes are; K runs along the normal of images whose rows run down against J
STRAIGHT = np.array([[-0.6, 0.0, 0.0, 60.0], [0.0, 0.45, -2.0, -20.0], [0.0, 0.4, 2.25, -40.0], [0.0, 0.0, 0.0, 1.0]])


def scan(role: str) -> Volume:
    made = pair(np.random.default_rng(3), affine=STRAIGHT)
    volume = made.t1w if role == "T1W" else made.stir
    return Volume(np.rint(volume.data), Grid(volume.grid.shape, STRAIGHT), role)


def group(**sequences: dict[str, object]) -> Dataset:
    """One item of functional groups."""
    dataset = Dataset()
    for name, values in sequences.items():
        inner = Dataset()
        for keyword, value in values.items():
            setattr(inner, keyword, value)
        setattr(dataset, name, Sequence([inner]))
    return dataset


def enhanced(role: str) -> Dataset:
    """A scan as one Enhanced MR image: frames out of order, timing shared, a scaling of its own for every frame."""
    dataset = enhanced_mr(scan(role), role)
    times = {"T1W": (600.0, 10.0), "STIR": (5316.0, 50.0)}[role]
    shared = dataset.SharedFunctionalGroupsSequence[0]
    timing = group(
        MRTimingAndRelatedParametersSequence={"RepetitionTime": times[0]}, MREchoSequence={"EffectiveEchoTime": times[1]}
    )
    if role == "STIR":
        timing.update(group(MRModifierSequence={"InversionRecovery": "YES", "InversionTimes": [210.0]}))
    shared.update(timing)
    for k, frame in enumerate(dataset.PerFrameFunctionalGroupsSequence):
        scaling = {"RescaleSlope": 1 + k, "RescaleIntercept": -7 * k, "RescaleType": "US"}
        frame.update(group(PixelValueTransformationSequence=scaling))
    return dataset


def unscaled(role: str) -> np.ndarray:
    """The volume that `enhanced` should be read as: stored values with the scaling of their frame, slices at their places."""
    stored = scan(role).data[:, ::-1]
    order = np.random.default_rng(5).permutation(stored.shape[2])  # as enhanced_mr lays them
    expected = np.empty_like(stored)
    for frame, k in enumerate(order):
        expected[:, :, k] = stored[:, :, k] * (1 + frame) - 7 * frame
    return expected


def written(dataset: Dataset, path: Path) -> Path:
    dataset.save_as(path, enforce_file_format=True)
    return path


def test_enhanced_mr_is_read_by_the_groups_of_each_frame(tmp_path):
    file = written(enhanced("STIR"), tmp_path / "all.dcm")
    volume, info = read_series(file, "STIR")
    np.testing.assert_array_equal(volume.data, unscaled("STIR"))
    flipped = Grid(volume.grid.shape, STRAIGHT @ np.array([[1, 0, 0, 0], [0, -1, 0, 19], [0, 0, 1, 0], [0, 0, 0, 1.0]]))
    np.testing.assert_allclose(volume.grid.corners_mm(), flipped.corners_mm(), atol=1e-4)  # positions are written to 1e-6 mm
    assert (info.inversion_time_ms, info.repetition_time_ms, info.echo_time_ms) == (210, 5316, 50)
    assert sorted(one.frame for one in info.slices) == [1, 2, 3, 4, 5, 6]
    assert info.files == (file,)


@pytest.mark.parametrize("shared_orientation", [True, False])
def test_an_orientation_may_be_shared_or_each_frames_own(tmp_path, shared_orientation):
    made = enhanced_mr(scan("STIR"), shared_orientation=shared_orientation)
    volume, _ = read_series(written(made, tmp_path / "all.dcm"), "STIR")
    np.testing.assert_array_equal(volume.data, scan("STIR").data[:, ::-1])


def test_a_pair_of_enhanced_mr_is_found(tmp_path):
    for role in ("T1W", "STIR"):
        written(enhanced(role), tmp_path / f"{role}.dcm")
    pair = read_study(tmp_path)
    assert [path.name for role in ("T1W", "STIR") for path in pair.files[role]] == ["T1W.dcm", "STIR.dcm"]
    np.testing.assert_array_equal(pair.t1w.data, unscaled("T1W"))
    assert pair.warnings == ()


def test_frames_that_are_not_all_described_are_refused(tmp_path):
    made = enhanced("STIR")
    made.NumberOfFrames = 7
    with pytest.raises(InputError, match="describes 6 of its 7 frames"):
        read_series(written(made, tmp_path / "all.dcm"), "STIR")


def test_a_repeated_frame_is_refused_by_its_number(tmp_path):
    made = enhanced("STIR")
    groups = made.PerFrameFunctionalGroupsSequence
    groups[4].PlanePositionSequence = groups[1].PlanePositionSequence
    with pytest.raises(InputError, match=r"all.dcm frame 2 and all.dcm frame 5"):
        read_series(written(made, tmp_path / "all.dcm"), "STIR")


def test_other_multi_frame_images_are_refused(tmp_path):
    made = mr_series(scan("STIR"))[0]
    made.NumberOfFrames = 2
    with pytest.raises(InputError, match="several frames but is no Enhanced MR"):
        read_series(written(made, tmp_path / "one.dcm"), "STIR")


@pytest.mark.parametrize("syntax", CODERS, ids=lambda one: one.name)
def test_compressed_slices_hold_what_was_compressed(tmp_path, syntax):
    for k, one in enumerate(mr_series(scan("STIR"), RescaleSlope="2.5", RescaleIntercept="-3")):
        compress(one, syntax, tmp_path)
        written(one, tmp_path / f"{k}.dcm")
    volume, info = read_series(tmp_path, "STIR")
    np.testing.assert_array_equal(volume.data, scan("STIR").data[:, ::-1] * 2.5 - 3)
    assert info.warnings == ()


@pytest.mark.parametrize("syntax", [RLELossless, JPEG2000Lossless], ids=lambda one: one.name)
def test_compressed_frames_keep_their_own_scaling(tmp_path, syntax):
    made = enhanced("STIR")
    compress(made, syntax, tmp_path)
    volume, _ = read_series(written(made, tmp_path / "all.dcm"), "STIR")
    np.testing.assert_array_equal(volume.data, unscaled("STIR"))


def test_loss_is_told(tmp_path):
    for k, one in enumerate(mr_series(scan("STIR"), LossyImageCompression="01")):
        written(one, tmp_path / f"{k}.dcm")
    assert "compressed with loss" in read_series(tmp_path, "STIR")[1].warnings[0]


def test_a_syntax_that_cannot_be_decoded_is_named(tmp_path):
    for k, one in enumerate(mr_series(scan("STIR"))):
        one.PixelData = encapsulate([b"\0\0"])
        one["PixelData"].is_undefined_length = True
        one.file_meta.TransferSyntaxUID = "1.2.840.10008.1.2.4.102"
        written(one, tmp_path / f"{k}.dcm")
    with pytest.raises(InputError, match=r"compressed as MPEG-4.*export the series uncompressed, or as one of: RLE"):
        read_series(tmp_path, "STIR")


@pytest.fixture(scope="module")
def stacks(tmp_path_factory) -> dict[str, list[Path]]:
    """A plain and a compressed series, and one file of all frames."""
    found: dict[str, list[Path]] = {}
    for name, syntax in {"plain": None, "compressed": JPEGLosslessSV1}.items():
        folder = tmp_path_factory.mktemp(name)
        found[name] = []
        for k, one in enumerate(mr_series(scan("STIR"))):
            if syntax:
                compress(one, syntax, folder)
            found[name].append(written(one, folder / f"{k}.dcm"))
    found["enhanced"] = [written(enhanced("STIR"), tmp_path_factory.mktemp("enhanced") / "all.dcm")]
    return found


@pytest.mark.parametrize("form", ["plain", "compressed", "enhanced"])
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(share=st.floats(0, 1, exclude_max=True))
def test_a_file_cut_anywhere_is_refused_unless_no_voxel_is_lost(tmp_path, stacks, form, share):
    first, *others = stacks[form]
    whole = first.read_bytes()
    cut = tmp_path / "cut.dcm"
    cut.write_bytes(whole[: int(share * len(whole))])
    try:
        found, _ = read_series([cut, *others], "STIR")
    except InputError:
        return
    # behind compressed voxels stands a closing mark; what ends within its last four bytes has lost nothing
    assert len(whole) - cut.stat().st_size <= 4
    np.testing.assert_array_equal(found.data, read_series([first, *others], "STIR")[0].data)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(changes=st.lists(st.tuples(st.integers(128, 1200), st.integers(0, 255)), min_size=1, max_size=4))
def test_a_damaged_header_is_read_or_refused_and_never_a_crash(tmp_path, stacks, changes):
    first, *others = stacks["plain"]
    content = bytearray(first.read_bytes())
    for place, value in changes:
        content[place] = value
    (tmp_path / "damaged.dcm").write_bytes(content)
    try:
        volume, _ = read_series([tmp_path / "damaged.dcm", *others], "STIR")
    except InputError:
        return
    assert np.isfinite(volume.data).all()


def test_what_a_maker_keeps_of_an_older_header_does_not_count(tmp_path):
    made = enhanced("STIR")
    for frame in made.PerFrameFunctionalGroupsSequence:
        old = Dataset()
        old.RescaleSlope, old.RescaleIntercept, old.EchoTime = 3.5, 0, 90
        old.ImagePositionPatient, old.PixelSpacing = [0, 0, 0], [1, 1]
        frame.private_block(0x2005, "Philips MR Imaging DD 005", create=True).add_new(0x0F, "SQ", Sequence([old]))
    volume, info = read_series(written(made, tmp_path / "all.dcm"), "STIR")
    np.testing.assert_array_equal(volume.data, unscaled("STIR"))
    assert info.echo_time_ms == 50


def test_a_part_of_a_divided_image_may_not_be_missing(tmp_path):
    whole = enhanced_mr(scan("STIR"), "STIR")
    for part, frames in enumerate((slice(0, 4), slice(4, 6)), start=1):
        own = copy.deepcopy(whole)
        own.SOPInstanceUID = own.file_meta.MediaStorageSOPInstanceUID = f"1.2.3.{part}"
        own.ConcatenationUID, own.InConcatenationNumber, own.InConcatenationTotalNumber = "1.2.3", part, 2
        own.PerFrameFunctionalGroupsSequence = Sequence(list(whole.PerFrameFunctionalGroupsSequence)[frames])
        own.NumberOfFrames = len(own.PerFrameFunctionalGroupsSequence)
        size = whole.Rows * whole.Columns * 2
        own.PixelData = whole.PixelData[frames.start * size : frames.stop * size]
        written(own, tmp_path / f"part{part}.dcm")
    volume, _ = read_series(tmp_path, "STIR")
    np.testing.assert_array_equal(volume.data, scan("STIR").data[:, ::-1])
    # of another contrast, a part is there all the same
    phase = pydicom.dcmread(tmp_path / "part2.dcm")
    kind = group(MRImageFrameTypeSequence={"FrameType": ["ORIGINAL", "PRIMARY", "P", "NONE"]})
    for n, frame in enumerate(phase.PerFrameFunctionalGroupsSequence):
        frame.update(kind)
        frame.PlanePositionSequence = whole.PerFrameFunctionalGroupsSequence[n].PlanePositionSequence
    assert all(
        not series.incomplete for series in series_of_headers([(tmp_path / "1", part_of(tmp_path, 1)), (tmp_path / "2", phase)])
    )
    (tmp_path / "part2.dcm").unlink()
    with pytest.raises(InputError, match="holds 1 of the 2 files that an image of it was divided into"):
        read_series(tmp_path, "STIR")
    alone = pydicom.dcmread(tmp_path / "part1.dcm")
    alone.InConcatenationNumber = 3
    del alone.InConcatenationTotalNumber
    written(alone, tmp_path / "part1.dcm")
    with pytest.raises(InputError, match="holds 1 of the 3 files"):
        read_series(tmp_path, "STIR")


def part_of(folder: Path, number: int) -> Dataset:
    return pydicom.dcmread(folder / f"part{number}.dcm", stop_before_pixels=True)


def scaled_by(how: str, image: Dataset, scale: float) -> None:
    """State in a header, beside the usual rescaling, that stored values were multiplied by `scale`."""
    if how == "real world":
        image.RealWorldValueMappingSequence = Sequence([Dataset()])
        image.RealWorldValueMappingSequence[0].RealWorldValueSlope = 1 / scale
        image.RealWorldValueMappingSequence[0].RealWorldValueIntercept = 0.0
    else:
        image.private_block(0x2005, "Philips MR Imaging DD 001", create=True).add_new(0x0E, "FL", scale)


@pytest.mark.parametrize("how", ["real world", "philips"])
def test_slices_whose_headers_tell_of_different_scales_are_refused(tmp_path, how):
    images = mr_series(scan("STIR"), "STIR")
    for scales, slope in (([2.0] * 6, None), ([2.0, 2.0, 4.0, 2.0, 2.0, 2.0], None), ([2.0, 2.0, 4.0, 2.0, 2.0, 2.0], 2.0)):
        for n, (image, scale) in enumerate(zip(images, scales, strict=True)):
            # with the rescaling that undoes the other scale there is one scale, and else none
            image.RescaleSlope, image.RescaleIntercept = (slope / scale if slope else 1), 0
            scaled_by(how, image, scale)
            written(image, tmp_path / f"{n}.dcm")
        if len(set(scales)) == 1 or slope:
            read_series(tmp_path, "STIR")
        else:
            with pytest.raises(InputError, match="its slices have different scales of intensity by"):
                read_series(tmp_path, "STIR")


def test_a_multi_frame_image_may_divide_its_frames_into_fragments(tmp_path):
    made = enhanced("STIR")
    made.compress(JPEGLSLossless)
    frames = list(generate_frames(made.PixelData, number_of_frames=6))
    of_one = encapsulate(frames)
    first_offset_alone = of_one[:4] + struct.pack("<LL", 4, 0) + of_one[8 + 4 * 6 :]
    for content in (
        encapsulate(frames, fragments_per_frame=2),
        encapsulate(frames, fragments_per_frame=2, has_bot=False),
        of_one,
        first_offset_alone,
    ):
        made.PixelData = content
        volume, _ = read_series(written(made, tmp_path / "all.dcm"), "STIR")
        np.testing.assert_array_equal(volume.data, unscaled("STIR"))
    made.PixelData, made.ExtendedOffsetTable, made.ExtendedOffsetTableLengths = encapsulate_extended(frames)
    volume, _ = read_series(written(made, tmp_path / "all.dcm"), "STIR")
    np.testing.assert_array_equal(volume.data, unscaled("STIR"))


def test_floating_point_voxels_are_refused_as_such(tmp_path):
    made = mr_series(scan("STIR"))
    for n, image in enumerate(made):
        image.FloatPixelData = np.frombuffer(image.PixelData, "<u2").astype("<f4").tobytes()
        image.BitsAllocated = 32
        del image.PixelData
        written(image, tmp_path / f"{n}.dcm")
    with pytest.raises(InputError, match="as floating-point numbers"):
        read_series(tmp_path, "STIR")
