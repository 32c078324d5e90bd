"""A result as DICOM Segmentation: names, codes, makers, and every voxel in its place."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest
import SimpleITK as sitk
from pydicom.dataset import Dataset
from skimage.color import rgb2lab

from handmade import PROVENANCE, handmade
from lib.core.disease_region import DiseaseRegion
from lib.core.pipeline import VhiResult, measure_vhi
from lib.core.volume import Grid, Volume
from lib.errors import InputError
from lib.files import OutputError
from lib.reports import ReaderWork, ReportContent, report_content
from lib.reports.codes import SEGMENTS
from lib.reports.dicom_seg import segment_masks, segmentation
from lib.reports.dicom_source import write_dicom
from lib.reports.dicom_sr import structured_report
from lib.studies.dicom_seg_reader import read_segments
from lib.studies.nifti import read_mask, read_volume
from mrseries import FRAME_OF_REFERENCE_UID, STUDY_UID, enhanced_mr, mr_series

pytestmark = pytest.mark.slow  # seconds in all

NAMES = ["normal bone", "disease region", "inflammation", "inflammation (conservative)"]


def said(result: VhiResult, **reading: Any) -> ReportContent:
    return report_content(result, PROVENANCE, reading=ReaderWork(reading, ()) if reading else None)


def stored(dataset: Dataset) -> Dataset:
    """The object as another program reads it."""
    file = BytesIO()
    dataset.save_as(file, enforce_file_format=True)
    return pydicom.dcmread(BytesIO(file.getvalue()))


def dice(a: np.ndarray, b: np.ndarray) -> float:
    return 2 * np.count_nonzero(a & b) / (np.count_nonzero(a) + np.count_nonzero(b))


@pytest.mark.parametrize("ascending", [True, False], ids=["numbered along the normal", "numbered against it"])
@pytest.mark.parametrize("stored_the_other_way", [False, True])
def test_every_segment_comes_back_to_its_voxels(ascending, stored_the_other_way):
    content = said(handmade(stored_the_other_way=stored_the_other_way))
    seg = stored(segmentation(content, mr_series(content.result.stir, ascending=ascending)))
    masks = read_segments(seg, content.result.stir.grid, FRAME_OF_REFERENCE_UID)
    assert list(masks) == NAMES
    for name, mask in segment_masks(content).items():
        assert dice(masks[name].data, mask) == 1.0
    # one lesion in a corner: no flip hits it
    for axis in range(3):
        assert dice(np.flip(masks["inflammation (conservative)"].data, axis), content.result.grade == 2) == 0.0


def test_source_and_result_may_count_rows_columns_and_slices_differently():
    result = handmade()
    grid = result.stir.grid
    # the same voxels, their slices and rows counted from the other end
    turned = Grid(grid.shape, grid.affine @ np.array([[1, 0, 0, 0], [0, -1, 0, 9], [0, 0, -1, 3], [0, 0, 0, 1.0]]))
    headers = mr_series(Volume(result.stir.data[:, ::-1, ::-1], turned, "STIR"))
    seg = stored(segmentation(said(result), headers))
    np.testing.assert_array_equal(read_segments(seg, grid)["inflammation"].data, result.grade > 0)


@pytest.mark.parametrize("shared_orientation", [True, False])
def test_a_multi_frame_series_is_segmented_frame_by_frame(shared_orientation):
    content = said(handmade())
    series = enhanced_mr(content.result.stir, shared_orientation=shared_orientation)
    seg = stored(segmentation(content, [series]))
    np.testing.assert_array_equal(read_segments(seg, content.result.stir.grid)["inflammation"].data, content.result.grade > 0)
    assert {
        frame.DerivationImageSequence[0].SourceImageSequence[0].ReferencedSOPInstanceUID
        for frame in seg.PerFrameFunctionalGroupsSequence
    } == {series.SOPInstanceUID}
    assert shared_orientation == ("PlaneOrientationSequence" in series.SharedFunctionalGroupsSequence[0])


def test_each_frame_names_the_image_it_lies_on():
    content = said(handmade())
    headers = mr_series(content.result.stir, ascending=False)
    place = {one.SOPInstanceUID: one.ImagePositionPatient for one in headers}
    for frame in stored(segmentation(content, headers)).PerFrameFunctionalGroupsSequence:
        source = frame.DerivationImageSequence[0].SourceImageSequence[0].ReferencedSOPInstanceUID
        assert frame.PlanePositionSequence[0].ImagePositionPatient == place[source]


def test_segments_are_coded_coloured_and_belong_to_the_patient():
    seg = stored(segmentation(said(handmade()), mr_series(handmade().stir)))
    assert (seg.Modality, seg.SegmentationType, seg.SegmentsOverlap, seg.PatientID) == ("SEG", "BINARY", "YES", "7")
    assert (seg.StudyInstanceUID, seg.FrameOfReferenceUID) == (STUDY_UID, FRAME_OF_REFERENCE_UID)
    assert str(seg.PatientName) == "Müller^Zoë"
    codes = [
        tuple(
            (item.CodingSchemeDesignator, item.CodeValue)
            for item in (
                one.SegmentedPropertyCategoryCodeSequence[0],
                one.SegmentedPropertyTypeCodeSequence[0],
                one.AnatomicRegionSequence[0],
            )
        )
        for one in seg.SegmentSequence
    ]
    assert codes == [
        (("SCT", "309825002"), ("NCIt", "C94970"), ("SCT", "54735007")),  # a reference region in the sacrum
        (("SCT", "123037004"), ("SCT", "272673000"), ("SCT", "39723000")),  # bone at the sacroiliac joint
        (("SCT", "49755003"), ("SCT", "79654002"), ("SCT", "39723000")),  # edema there
        (("SCT", "49755003"), ("SCT", "79654002"), ("SCT", "39723000")),
    ]
    # CIELab of yellow: lightness and both colour axes in 16 bits
    assert seg.SegmentSequence[2].RecommendedDisplayCIELabValue == [57933, 31637, 55563]
    assert seg.SharedFunctionalGroupsSequence[0].PixelMeasuresSequence[0].SpacingBetweenSlices == 3.0


@pytest.mark.parametrize(
    ("name", "rgb"),
    [("inflammation", (255, 221, 0)), ("inflammation (conservative)", (220, 20, 30)), ("normal bone", (127, 169, 173))],
)
def test_colours_are_what_they_are_called(name, rgb):
    np.testing.assert_allclose(SEGMENTS[name].lab, rgb2lab(np.array(rgb) / 255.0), atol=0.06)  # written with one decimal


def kinds(content: ReportContent) -> list[str]:
    return [one.SegmentAlgorithmType for one in segmentation(content, mr_series(content.result.stir)).SegmentSequence]


def test_the_maker_of_each_segment_is_told():
    given = handmade()
    changed = replace(given, disease_region=DiseaseRegion(given.disease_region.mask, "ensemble of 3", 0.04))
    nobody = replace(changed, normal_bone_source="proposed")
    assert kinds(said(given)) == ["MANUAL", "MANUAL", "SEMIAUTOMATIC", "SEMIAUTOMATIC"]
    assert kinds(said(changed)) == ["MANUAL", "AUTOMATIC", "SEMIAUTOMATIC", "SEMIAUTOMATIC"]
    assert kinds(said(nobody)) == ["AUTOMATIC"] * 4
    cleaned = {"reader": "R11", "method": "semi-automatic", "changes": {"inflammation": {}}}
    assert kinds(said(nobody, **cleaned)) == ["AUTOMATIC", "AUTOMATIC", "SEMIAUTOMATIC", "SEMIAUTOMATIC"]
    corrected = {**cleaned, "changes": {"disease region": {"added": 1, "removed": 0}}}
    assert kinds(said(given, **corrected))[1] == "SEMIAUTOMATIC"
    assert kinds(said(nobody, reader="R11", method="manual"))[2:] == ["MANUAL", "MANUAL"]


def test_algorithms_carry_name_and_version():
    given = handmade()
    changed = replace(given, disease_region=DiseaseRegion(given.disease_region.mask, "ensemble of 3", 0.04))
    content = report_content(changed, {**PROVENANCE, "model": {"name": "disease_region", "version": "3-abc"}})
    seg = segmentation(content, mr_series(changed.stir))
    region, inflammation = seg.SegmentSequence[1:3]
    assert (region.SegmentAlgorithmName, inflammation.SegmentAlgorithmName) == ("VHI disease region ensemble", "VHI thresholds")
    assert region.SegmentationAlgorithmIdentificationSequence[0].AlgorithmVersion == "3-abc"
    assert inflammation.SegmentationAlgorithmIdentificationSequence[0].AlgorithmVersion == "0.1.0"
    assert "SegmentAlgorithmName" not in seg.SegmentSequence[0]


@pytest.mark.parametrize(
    ("reader", "name", "series"),
    [
        ("R11", "R11^", "Uncleaned volume segmentation, R11"),
        ("O^Brien\\x=y\n", "O Brien x y^", "Uncleaned volume segmentation, O Brien x y"),
        ("R" * 70, "R" * 63 + "^", "Uncleaned volume segmentation, " + "R" * 33),
        ("", "", "Uncleaned volume segmentation"),
    ],
)
def test_the_reader_is_the_creator_and_the_list_of_series_says_whose_it_is(reader, name, series):
    content = said(handmade(), reader=reader, method="semi-automatic")
    seg = stored(segmentation(content, mr_series(content.result.stir)))
    assert (str(seg.get("ContentCreatorName") or ""), seg.SeriesDescription) == (name, series)


def test_no_inflammation_leaves_its_segments_out():
    content = said(handmade(lesions=False))
    seg = stored(segmentation(content, mr_series(content.result.stir)))
    assert [one.SegmentLabel for one in seg.SegmentSequence] == NAMES[:2]


def test_a_result_without_any_voxel_is_no_segmentation():
    content = said(handmade(lesions=False))
    nothing = np.zeros(content.result.stir.grid.shape, dtype=bool)
    region = replace(content.result.disease_region, mask=replace(content.result.disease_region.mask, data=nothing))
    empty = replace(content.result, disease_region=region, normal_bone=replace(content.result.normal_bone, data=nothing))
    assert segmentation(replace(content, result=empty), mr_series(empty.stir)) is None


@pytest.mark.parametrize(
    "lacking",
    [
        {"PatientSex": None, "StudyID": None, "StudyTime": None, "AccessionNumber": None, "PatientBirthDate": None},
        {"SliceThickness": None, "PositionReferenceIndicator": None, "ReferringPhysicianName": None},
        {"PatientSex": "UNKNOWN", "NumberOfFrames": 1, "PatientName": "", "PatientID": ""},
    ],
)
def test_headers_of_careless_scanners_are_accepted(lacking):
    content = said(handmade())
    changes = {keyword: value for keyword, value in lacking.items() if value is not None or keyword != "NumberOfFrames"}
    seg = stored(segmentation(content, mr_series(content.result.stir, **changes)))
    np.testing.assert_array_equal(read_segments(seg, content.result.stir.grid)["inflammation"].data, content.result.grade > 0)


def test_headers_are_left_as_they_were():
    headers = mr_series(handmade().stir)
    before = [one.to_json() for one in headers]
    segmentation(said(handmade()), headers)
    assert [one.to_json() for one in headers] == before


# what the collector finds left over is another plugin's
@pytest.mark.filterwarnings("error", "ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("name", ["DOE", "Müller^Zoë", "Yamada^Tarou=山田^太郎", ""])
def test_the_patient_is_called_as_in_the_series_and_no_warning_tells_the_name(name):
    content = said(handmade())
    headers = mr_series(content.result.stir, SpecificCharacterSet="ISO_IR 192", PatientName=name)
    seg = segmentation(content, headers)
    for found in (seg, structured_report(content, headers, (), seg)):
        assert str(stored(found).PatientName) == name


def missing_slice(headers):
    return headers[:-1]


def doubled_slice(headers):
    return [*headers, headers[0]]


def another_place(headers):
    for one in headers:
        one.ImagePositionPatient = [float(x) + 0.4 for x in one.ImagePositionPatient]
    return headers


def another_size(headers):
    for one in headers:
        one.Rows += 2
    return headers


def no_position(headers):
    del headers[0].ImagePositionPatient
    return headers


def two_series(headers):
    headers[0].SeriesInstanceUID = "1.2.3"
    return headers


def none(headers):
    return []


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        (missing_slice, "a frame is missing or doubled"),
        (doubled_slice, "a frame is missing or doubled"),
        (another_place, "does not lie on the voxels"),
        (another_size, "reaches beyond"),
        (no_position, "a frame without position"),
        (two_series, "several series"),
        (none, "no DICOM headers"),
    ],
)
def test_headers_of_another_or_a_broken_series_are_refused(wrong, says):
    content = said(handmade())
    with pytest.raises(InputError, match=says):
        segmentation(content, wrong(mr_series(content.result.stir)))


def test_results_of_a_series_without_frame_of_reference_share_one_of_their_own():
    content = said(handmade())
    series = mr_series(content.result.stir, FrameOfReferenceUID=None)
    one, other = (segmentation(content, series).FrameOfReferenceUID for _ in range(2))
    assert one == other
    assert one.startswith("2.25.")


def test_a_file_is_written_whole_or_not_at_all(tmp_path):
    seg = segmentation(said(handmade()), mr_series(handmade().stir))
    write_dicom(seg, tmp_path / "seg.dcm")
    assert [path.name for path in tmp_path.iterdir()] == ["seg.dcm"]
    assert pydicom.dcmread(tmp_path / "seg.dcm").SOPInstanceUID == seg.SOPInstanceUID
    with pytest.raises(OutputError, match="does not exist"):
        write_dicom(seg, tmp_path / "nowhere" / "seg.dcm")


@pytest.mark.parametrize("ascending", [True, False])
def test_another_library_finds_the_lesions_at_the_same_place_in_the_patient(tmp_path, ascending):
    # dcmqi, in C++ on dcmtk and ITK, builds an image from positions by itself
    content = said(handmade())
    seg = segmentation(content, mr_series(content.result.stir, ascending=ascending))
    write_dicom(seg, tmp_path / "seg.dcm")
    program = Path(sys.executable).with_name("segimage2itkimage")
    asked = [program, "--inputDICOM", tmp_path / "seg.dcm", "--outputDirectory", tmp_path, "-t", "nrrd"]
    subprocess.run(asked, check=True, capture_output=True, stdin=subprocess.DEVNULL, timeout=60)
    image = sitk.ReadImage(str(tmp_path / "4.nrrd"))
    points = [
        image.TransformIndexToPhysicalPoint(tuple(int(n) for n in at[::-1])) for at in np.argwhere(sitk.GetArrayFromImage(image))
    ]
    grid = content.result.stir.grid
    expected = grid.world_mm(np.argwhere(content.result.grade == 2)) * (-1, -1, 1)
    assert sorted(tuple(np.round(p, 3) + 0.0) for p in points) == sorted(tuple(np.round(p, 3) + 0.0) for p in expected)


@pytest.mark.data
@pytest.mark.parametrize("ascending", [True, False])
def test_a_real_scan_comes_back_to_the_voxel(vhi_data, ascending):
    stir = read_volume(vhi_data / "images_study/STIR/1013_STIR.nii.gz", "STIR")
    t1w = read_volume(vhi_data / "images_study/T1W/1013_T1W.nii.gz", "T1W")
    region = read_mask(vhi_data / "segmentations/disease_region/1013_disease_region.nii.gz", "disease region")
    bone = read_mask(vhi_data / "segmentations/normal_marrow/1013_normal_marrow.nii.gz", "normal bone")
    content = said(measure_vhi(t1w, stir, normal_bone=bone, disease_region=region))
    seg = stored(segmentation(content, mr_series(stir, ascending=ascending)))
    masks = read_segments(seg, stir.grid)
    for name, mask in segment_masks(content).items():
        assert dice(masks[name].data, mask) == 1.0
        assert dice(masks[name].data[:, :, ::-1], mask) < 0.7
