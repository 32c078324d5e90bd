"""Segments come back from DICOM to the voxels they were drawn on, or not at all."""

from __future__ import annotations

import math
import struct
import zlib
from io import BytesIO

import numpy as np
import pydicom
import pytest
from highdicom import AlgorithmIdentificationSequence, PixelMeasuresSequence
from highdicom.seg import Segmentation, SegmentDescription
from highdicom.sr.coding import CodedConcept
from pydicom.dataset import Dataset
from pydicom.encaps import encapsulate
from pydicom.sequence import Sequence
from pydicom.uid import DeflatedExplicitVRLittleEndian, JPEG2000Lossless, RLELossless, generate_uid

from drawing import OBLIQUE, grid_of
from lib.core.volume import Grid, Mask, Volume
from lib.errors import GridMismatchError, InputError, TooLargeError
from lib.studies.dicom_seg_reader import read_segments
from mrseries import FRAME_OF_REFERENCE_UID, enhanced_mr, mr_series

SHAPE = (9, 7, 5)  # 63 pixels a frame: frames do not begin at a byte
EDEMA, SITE = CodedConcept("79654002", "SCT", "Edema"), CodedConcept("39723000", "SCT", "Sacroiliac joint")
TISSUE = CodedConcept("85756007", "SCT", "Tissue")


def corner() -> np.ndarray:
    """A mask that every flip and every exchange of two axes moves: three voxels beside an otherwise empty corner."""
    mask = np.zeros(SHAPE, dtype=bool)
    mask[1:4, 1, 0] = True
    mask[1, 2:4, 0] = True
    mask[1, 1, 1] = True
    return mask


def dice(a: np.ndarray, b: np.ndarray) -> float:
    return 2 * np.count_nonzero(a & b) / (np.count_nonzero(a) + np.count_nonzero(b))


@pytest.fixture
def stir() -> Volume:
    return Volume(np.random.default_rng(1).uniform(50, 900, SHAPE), Grid(SHAPE, OBLIQUE), "STIR")


def seg_of(source: list[Dataset], grid: Grid, masks: dict[str, np.ndarray], kind: CodedConcept = TISSUE, **changes) -> Dataset:
    """A Segmentation as another program writes it: straight from the frames, without anything of ours."""
    k_of = {
        tuple(float(x) for x in header.ImagePositionPatient): k for header, k in zip(source, slices_of(source, grid), strict=True)
    }
    frames = [k_of[tuple(float(x) for x in header.ImagePositionPatient)] for header in source]
    pixels = np.stack([np.stack([mask[:, ::-1, k].T for k in frames]) for mask in masks.values()], axis=-1)
    algorithm = AlgorithmIdentificationSequence("other", CodedConcept("123110", "DCM", "Artificial Intelligence"), "1")
    described = [
        SegmentDescription(n, name, TISSUE, kind, "AUTOMATIC", algorithm, anatomic_regions=[SITE])
        for n, name in enumerate(masks, start=1)
    ]
    segmentation = Segmentation(
        source, pixels, changes.pop("segmentation_type", "BINARY"), described, generate_uid(), 9, generate_uid(), 1, "Other", "V", "1", "1",
        **changes,
    )  # fmt: skip
    return through_a_file(segmentation)


def slices_of(source: list[Dataset], grid: Grid) -> list[int]:
    """K of each header, from its position, by hand: the slice whose first pixel is nearest."""
    first = [grid.world_mm(np.array([0, grid.shape[1] - 1, k])) * (-1, -1, 1) for k in range(grid.shape[2])]
    return [int(np.argmin([np.linalg.norm(np.array(one.ImagePositionPatient, float) - p) for p in first])) for one in source]


def through_a_file(dataset: Dataset) -> Dataset:
    file = BytesIO()
    dataset.save_as(file, enforce_file_format=True)
    return pydicom.dcmread(BytesIO(file.getvalue()))


def shuffled(seg: Dataset) -> Dataset:
    """The same frames in another order, as DICOM allows."""
    order = np.random.default_rng(3).permutation(seg.NumberOfFrames)
    frames = seg.pixel_array.reshape(-1, seg.Rows, seg.Columns)[order]
    seg.PerFrameFunctionalGroupsSequence = Sequence([seg.PerFrameFunctionalGroupsSequence[n] for n in order])
    bits = np.packbits(frames.ravel(), bitorder="little").tobytes()
    seg.PixelData = bits + b"\0" * (len(bits) % 2)
    return seg


@pytest.mark.parametrize("ascending", [True, False])
@pytest.mark.parametrize("omit_empty_frames", [True, False])
def test_a_mask_comes_back_to_its_voxels_and_not_to_those_of_any_flip(stir, ascending, omit_empty_frames):
    source = mr_series(stir, ascending=ascending)
    seg = seg_of(source, stir.grid, {"inflammation": corner()}, omit_empty_frames=omit_empty_frames)
    masks = read_segments(seg, stir.grid)["inflammation"].data
    assert dice(masks, corner()) == 1.0
    for axis in range(3):
        assert dice(np.flip(masks, axis), corner()) < 0.5


def test_the_order_of_frames_says_nothing(stir):
    tall = np.zeros(SHAPE, dtype=bool)
    tall[2, 3, :] = tall[2:5, 4, 3] = True
    seg = shuffled(seg_of(mr_series(stir), stir.grid, {"inflammation": tall, "disease region": corner() | tall}))
    masks = read_segments(seg, stir.grid)
    np.testing.assert_array_equal(masks["inflammation"].data, tall)
    np.testing.assert_array_equal(masks["disease region"].data, corner() | tall)


@pytest.mark.parametrize("turned", [(1, 0, 2), (2, 1, 0), (0, 2, 1)])
def test_frames_may_cut_the_same_voxels_along_another_axis(stir, turned):
    # the same voxels numbered otherwise: the reader's grid is the original one
    affine = np.diag([2.0, 2.0, 2.0, 1.0])
    cube = Grid(SHAPE, affine)
    other = Grid(tuple(SHAPE[axis] for axis in turned), affine[:, [*turned, 3]])
    seg = seg_of(mr_series(Volume(stir.data.transpose(turned), other)), other, {"inflammation": corner().transpose(turned)})
    np.testing.assert_array_equal(read_segments(seg, cube)["inflammation"].data, corner())


def test_a_multi_frame_series_is_a_source_like_any_other(stir):
    series = enhanced_mr(stir)
    positions = [frame.PlanePositionSequence[0].ImagePositionPatient for frame in series.PerFrameFunctionalGroupsSequence]
    headers = [Dataset() for _ in positions]
    for header, position in zip(headers, positions, strict=True):
        header.ImagePositionPatient = position
    pixels = np.stack([corner()[:, ::-1, k].T for k in slices_of(headers, stir.grid)])
    described = SegmentDescription(1, "inflammation", TISSUE, TISSUE, "MANUAL")
    seg = Segmentation([series], pixels, "BINARY", [described], generate_uid(), 9, generate_uid(), 1, "Other", "V", "1", "1")
    np.testing.assert_array_equal(read_segments(through_a_file(seg), stir.grid)["inflammation"].data, corner())


def test_labels_are_recognised_in_any_spelling_and_others_are_kept(stir):
    masks = {" Normal  BONE ": corner(), "Femur": corner()}
    assert list(read_segments(seg_of(mr_series(stir), stir.grid, masks), stir.grid)) == ["normal bone", "Femur"]


def test_a_code_names_a_segment_that_its_label_does_not(stir):
    seg = seg_of(mr_series(stir), stir.grid, {"Segment_1": corner()}, EDEMA)
    assert list(read_segments(seg, stir.grid)) == ["inflammation"]
    seg.SegmentSequence[0].AnatomicRegionSequence[0].CodeValue = "71341001"  # femur
    assert list(read_segments(seg, stir.grid)) == ["Segment_1"]


def test_a_code_never_takes_the_name_of_a_segment_that_is_called_so(stir):
    seg = seg_of(mr_series(stir), stir.grid, {"bright vessel": ~corner(), "inflammation": corner()}, EDEMA)
    masks = read_segments(seg, stir.grid)
    assert list(masks) == ["bright vessel", "inflammation"]
    np.testing.assert_array_equal(masks["inflammation"].data, corner())


def test_a_segment_without_frames_is_empty(stir):
    seg = seg_of(mr_series(stir), stir.grid, {"inflammation": np.zeros(SHAPE, bool), "disease region": corner()})
    assert read_segments(seg, stir.grid)["inflammation"].voxels == 0


def test_parts_of_one_result_are_read_together_and_a_name_occurs_once(stir):
    source = mr_series(stir)
    parts = [seg_of(source, stir.grid, {name: corner()}) for name in ("inflammation", "disease region")]
    assert list(read_segments(parts, stir.grid)) == ["inflammation", "disease region"]
    assert list(read_segments([parts[0], parts[0]], stir.grid)) == ["inflammation"]  # one instance, twice
    again = seg_of(source, stir.grid, {"inflammation": corner()})
    with pytest.raises(InputError, match="Two segments are called 'inflammation'"):
        read_segments([parts[0], again], stir.grid)
    again.SOPInstanceUID, again.PixelData = parts[0].SOPInstanceUID, bytes(len(again.PixelData))
    with pytest.raises(InputError, match="one instance by their UID .* and differ"):
        read_segments([parts[0], again], stir.grid)


def test_a_label_map_holds_several_segments_in_a_frame(stir):
    seg = seg_of(mr_series(stir), stir.grid, {"inflammation": corner()}, omit_empty_frames=False)
    values = seg.pixel_array.astype(np.uint8)
    values[:, 0, 0] = 2
    other = Dataset()
    other.SegmentNumber, other.SegmentLabel = 2, "normal bone"
    seg.SegmentSequence.append(other)
    seg.SOPClassUID, seg.SegmentationType = "1.2.840.10008.5.1.4.1.1.66.7", "LABELMAP"
    seg.BitsAllocated, seg.BitsStored, seg.HighBit, seg.PixelData = 8, 8, 7, values.tobytes() + b"\0"
    masks = read_segments(seg, stir.grid)
    np.testing.assert_array_equal(masks["inflammation"].data, corner())
    assert masks["normal bone"].voxels == SHAPE[2]


@pytest.mark.parametrize("number", [0, 7])
def test_the_background_of_a_label_map_is_no_segment(stir, number):
    seg = seg_of(mr_series(stir), stir.grid, {"inflammation": corner()}, omit_empty_frames=False)
    values = np.where(seg.pixel_array, 1, number).astype(np.uint8)
    background = Dataset()
    background.SegmentNumber, background.SegmentLabel = number, "Background"
    background.SegmentedPropertyTypeCodeSequence = [CodedConcept("125040", "DCM", "Background")]
    seg.SegmentSequence.insert(0, background)
    seg.SOPClassUID, seg.SegmentationType = "1.2.840.10008.5.1.4.1.1.66.7", "LABELMAP"
    seg.BitsAllocated, seg.BitsStored, seg.HighBit, seg.PixelData = 8, 8, 7, values.tobytes() + b"\0"
    masks = read_segments(seg, stir.grid)
    assert list(masks) == ["inflammation"]
    np.testing.assert_array_equal(masks["inflammation"].data, corner())


class TestShares:
    def fractional(self, stir: Volume, **changes) -> Dataset:
        return seg_of(mr_series(stir), stir.grid, {"inflammation": corner()}, segmentation_type="FRACTIONAL", **changes)

    def test_all_or_nothing_is_a_mask(self, stir):
        masks = read_segments(self.fractional(stir, max_fractional_value=200), stir.grid)
        np.testing.assert_array_equal(masks["inflammation"].data, corner())

    def test_shares_between_are_refused_without_a_cut_and_taken_from_it_on(self, stir):
        seg = self.fractional(stir, max_fractional_value=200)
        shares = seg.pixel_array.copy()
        inside = np.argwhere(shares)
        shares[tuple(inside[0])], shares[tuple(inside[1])] = 99, 100
        seg.PixelData = shares.tobytes() + b"\0" * (shares.size % 2)
        with pytest.raises(InputError, match=r"FRACTIONAL .*\(2 voxels lie between 0 and 200"):
            read_segments(seg, stir.grid)
        assert read_segments(seg, stir.grid, cut=0.5)["inflammation"].voxels == np.count_nonzero(corner()) - 1
        with pytest.raises(InputError, match="above 0 and is at most 1"):
            read_segments(seg, stir.grid, cut=0.0)

    def test_run_lengths_are_read(self, stir):
        seg = self.fractional(stir)
        seg.compress(RLELossless)
        np.testing.assert_array_equal(read_segments(through_a_file(seg), stir.grid)["inflammation"].data, corner())


def test_a_deflated_file_is_read(stir):
    seg = seg_of(mr_series(stir), stir.grid, {"inflammation": corner()})
    seg.file_meta.TransferSyntaxUID = DeflatedExplicitVRLittleEndian
    np.testing.assert_array_equal(read_segments(through_a_file(seg), stir.grid)["inflammation"].data, corner())


def test_frames_deflated_one_by_one_are_read(stir):
    seg = seg_of(mr_series(stir), stir.grid, {"inflammation": corner()})
    frames = [np.packbits(one.ravel(), bitorder="little").tobytes() for one in seg.pixel_array.reshape(-1, seg.Rows, seg.Columns)]
    deflated = []
    for frame in frames:
        deflater = zlib.compressobj(wbits=-zlib.MAX_WBITS)
        deflated.append(deflater.compress(frame) + deflater.flush())
    seg.PixelData = encapsulate(deflated)
    seg["PixelData"].VR, seg["PixelData"].is_undefined_length = "OB", True
    seg.file_meta.TransferSyntaxUID = JPEG2000Lossless
    file = BytesIO()
    seg.save_as(file, enforce_file_format=True)
    # pydicom 3.0 writes no syntax that it does not know; this one is named afterwards
    content = file.getvalue().replace(JPEG2000Lossless.encode(), b"1.2.840.10008.1.2.8.1\0", 1)
    masks = read_segments(pydicom.dcmread(BytesIO(content)), stir.grid)
    np.testing.assert_array_equal(masks["inflammation"].data, corner())


@pytest.mark.parametrize(
    ("kind", "site", "name"),
    [
        (("C94970", "NCIt"), None, "normal bone"),
        (("39723000", "SCT"), None, "disease region"),
        (("T-15680", "SRT"), None, "disease region"),
        (("79654002", "SCT"), None, "inflammation"),
        (("M-36300", "SRT"), ("T-15680", "SRT"), "inflammation"),
        (("79654002", "SCT"), ("12738006", "SCT"), "one"),
    ],
    ids=["reference region", "joint", "joint in an older code", "edema", "edema in an older code", "edema of the brain"],
)
def test_segments_of_other_writers_are_known_by_their_codes(stir, kind, site, name):
    seg = seg_of(mr_series(stir), stir.grid, {"one": corner()})
    segment = seg.SegmentSequence[0]
    segment.SegmentedPropertyTypeCodeSequence = [CodedConcept(*kind, "as it is called there")]
    del segment.AnatomicRegionSequence
    if site:
        segment.AnatomicRegionSequence = [CodedConcept(*site, "as it is called there")]
    assert list(read_segments(seg, stir.grid)) == [name]


@pytest.mark.parametrize("label", ["Normal_Bone", "normal-bone", " NORMAL  BONE "])
def test_labels_may_be_joined_by_other_signs(stir, label):
    assert list(read_segments(seg_of(mr_series(stir), stir.grid, {label: corner()}), stir.grid)) == ["normal bone"]


def test_another_spacing_is_refused_with_both_spacings(stir):
    measures = PixelMeasuresSequence([1.2, 1.2], 3.0)
    with pytest.raises(GridMismatchError, match=r"'inflammation', frame 1: .*1\.2 x 1\.2 mm pixels.*0\.6 x"):
        read_segments(seg_of(mr_series(stir), stir.grid, {"inflammation": corner()}, pixel_measures=measures), stir.grid)


def test_a_shift_of_half_a_voxel_is_refused_and_rounding_is_not(stir):
    seg = seg_of(mr_series(stir), stir.grid, {"inflammation": corner()})
    moved = stir.grid.affine.copy()
    moved[0, 3] += 0.01
    np.testing.assert_array_equal(read_segments(seg, Grid(SHAPE, moved))["inflammation"].data, corner())
    moved[0, 3] += 0.29
    with pytest.raises(GridMismatchError, match="does not lie on the voxels"):
        read_segments(seg, Grid(SHAPE, moved))


def test_pixels_beyond_the_series_are_refused_and_a_larger_empty_margin_is_not(stir):
    seg = seg_of(mr_series(stir), stir.grid, {"inflammation": corner()})
    inside = Grid((6, 7, 5), stir.grid.affine)
    np.testing.assert_array_equal(read_segments(seg, inside)["inflammation"].data, corner()[:6])
    with pytest.raises(GridMismatchError, match="2 of the 5 pixels set in a frame lie outside"):
        read_segments(seg, Grid((2, 7, 5), stir.grid.affine))


def test_another_frame_of_reference_is_refused(stir):
    seg = seg_of(mr_series(stir), stir.grid, {"inflammation": corner()})
    assert read_segments(seg, stir.grid, FRAME_OF_REFERENCE_UID)
    with pytest.raises(GridMismatchError, match="different frames of reference"):
        read_segments(seg, stir.grid, "1.2.3")


def no_number(seg):
    del seg.SegmentSequence[0].SegmentNumber


def one_frame_fewer(seg):
    del seg.PerFrameFunctionalGroupsSequence[0]


def pixels_cut(seg):
    seg.PixelData = seg.PixelData[:4]


def unknown_segment(seg):
    seg.PerFrameFunctionalGroupsSequence[0].SegmentIdentificationSequence[0].ReferencedSegmentNumber = 7


def no_position(seg):
    del seg.PerFrameFunctionalGroupsSequence[0].PlanePositionSequence


def one_place(seg):
    first, second = seg.PerFrameFunctionalGroupsSequence[:2]
    second.PlanePositionSequence[0].ImagePositionPatient = first.PlanePositionSequence[0].ImagePositionPatient


def no_segments(seg):
    seg.SegmentSequence = Sequence()
    seg.PixelData = bytes(len(seg.PixelData))


def huge(seg):
    seg.Rows = seg.Columns = 65000


@pytest.mark.parametrize(
    ("damage", "says"),
    [
        (no_number, "no usable SegmentNumber"),
        (one_frame_fewer, "describes 1 of its 2 frames"),
        (pixels_cut, "fewer or more pixels than its frames need"),
        (unknown_segment, "segment 7, which is not described"),
        (no_position, "Frame 1 of the segmentation has no ImagePositionPatient"),
        (one_place, "lie at one position"),
        (no_segments, "holds no segments"),
        (huge, "65000 x 65000 pixels for 1 segments, far more than the 315 voxels"),
    ],
)
def test_a_damaged_segmentation_is_refused_with_the_reason(stir, damage, says):
    seg = seg_of(mr_series(stir), stir.grid, {"inflammation": corner()})
    damage(seg)
    with pytest.raises(InputError, match=says):
        read_segments(seg, stir.grid)


def test_an_image_is_no_segmentation(stir):
    with pytest.raises(InputError, match="A DICOM Segmentation is needed"):
        read_segments(mr_series(stir)[0], stir.grid)


def test_masks_keep_the_grid_they_were_asked_for(stir):
    mask = read_segments(seg_of(mr_series(stir), stir.grid, {"inflammation": corner()}), stir.grid)["inflammation"]
    assert isinstance(mask, Mask)
    assert mask.grid is stir.grid
    assert mask.grid.shape == grid_of(corner()).shape


def test_frames_of_a_segmentation_far_beyond_the_series_are_refused_before_they_are_unpacked(stir):
    seg = seg_of(mr_series(stir), stir.grid, {"inflammation": corner()})
    assert read_segments(seg, stir.grid)["inflammation"].voxels
    voxels = math.prod(stir.grid.shape)
    seg.Rows = seg.Columns = 2000
    with pytest.raises(TooLargeError, match=rf"2000 x 2000 pixels for 1 segments, far more than the {voxels} voxels"):
        read_segments(seg, stir.grid)


def test_compressed_frames_of_a_segmentation_are_looked_at_before_they_are_decoded(stir):
    seg = seg_of(mr_series(stir), stir.grid, {"inflammation": corner()})
    seg.BitsAllocated, seg.BitsStored, seg.HighBit = 8, 8, 7
    seg.SegmentationType, seg.PixelPaddingValue = "LABELMAP", 0
    seg.file_meta.TransferSyntaxUID = RLELossless
    runs = struct.pack("<16I", 1, 64, *[0] * 14) + b"\x81\x00" * 300_000
    seg.PixelData = encapsulate([runs] * int(seg.NumberOfFrames))
    with pytest.raises(TooLargeError, match="in run lengths"):
        read_segments(seg, stir.grid)
