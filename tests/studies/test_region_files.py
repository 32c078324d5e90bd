"""Regions that other programs wrote come back to the voxels they were drawn on, or are a question."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import nibabel as nib
import nrrd
import numpy as np
import pytest
import SimpleITK
from highdicom import AlgorithmIdentificationSequence
from highdicom.seg import Segmentation, SegmentDescription
from highdicom.sr.coding import CodedConcept
from hypothesis import given, settings
from hypothesis import strategies as st
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, generate_uid

from drawing import OBLIQUE
from lib.core.volume import Grid, Volume
from lib.errors import GridMismatchError, InputError
from lib.studies.region_files import read_region
from lib.studies.scan_pair import ScanPair
from mrseries import FRAME_OF_REFERENCE_UID, mr_series

SHAPE = (9, 7, 5)
GRID = Grid(SHAPE, OBLIQUE)
LPS = np.array([-1.0, -1.0, 1.0])
TISSUE, SITE = CodedConcept("85756007", "SCT", "Tissue"), CodedConcept("39723000", "SCT", "Sacroiliac joint")
ILIUM = CodedConcept("22356005", "SCT", "Ilium")


def volume(grid: Grid, name: str = "STIR") -> Volume:
    return Volume(np.random.default_rng(1).uniform(50, 900, grid.shape), grid, name)


def scans(t1w_grid: Grid = GRID) -> ScanPair:
    return ScanPair(volume(GRID, "T1W"), volume(GRID), None, None, {}, (), t1w_grid)


def corner() -> np.ndarray:
    """A mask that every flip and every exchange of two axes moves."""
    mask = np.zeros(SHAPE, dtype=bool)
    mask[1:4, 1, 1] = True
    mask[1, 2:4, 1] = True
    mask[1, 1, 2] = True
    return mask


def region(path: Path, role: str = "normal bone", **choice) -> np.ndarray:
    return read_region(path, role, scans(), **choice)[0].data


# NIfTI, as nibabel and ITK write it ---------------------------------------------------------------------------------------


def as_itk(mask: np.ndarray, affine: np.ndarray, kind: type = np.uint8) -> SimpleITK.Image:
    image = SimpleITK.GetImageFromArray(np.ascontiguousarray(mask.astype(kind).transpose(2, 1, 0)))
    spacing = np.linalg.norm(affine[:3, :3], axis=0)
    image.SetSpacing(spacing.tolist())
    image.SetDirection((affine[:3, :3] / spacing * LPS[:, np.newaxis]).ravel().tolist())
    image.SetOrigin((affine[:3, 3] * LPS).tolist())
    return image


WRITERS = {
    "nibabel uint8": lambda mask, path: nib.save(nib.Nifti1Image(mask.astype(np.uint8), OBLIQUE), path),
    "nibabel float64": lambda mask, path: nib.save(nib.Nifti1Image(mask.astype(np.float64), OBLIQUE), path),
    "nibabel scaled int16": lambda mask, path: _scaled(mask, path),
    "nibabel 4-D": lambda mask, path: nib.save(nib.Nifti1Image(mask.astype(np.int16)[..., np.newaxis], OBLIQUE), path),
    "nibabel big-endian": lambda mask, path: nib.save(
        nib.Nifti1Image(mask.astype(np.int32), OBLIQUE, nib.Nifti1Header(endianness=">")), path
    ),
    "nibabel NIfTI-2 int64": lambda mask, path: nib.save(nib.Nifti2Image(mask.astype(np.int64), OBLIQUE, dtype=np.int64), path),
    "ITK uint8": lambda mask, path: SimpleITK.WriteImage(as_itk(mask, OBLIQUE), str(path)),
    "ITK 255": lambda mask, path: SimpleITK.WriteImage(as_itk(mask, OBLIQUE) * 255, str(path)),
    "ITK float": lambda mask, path: SimpleITK.WriteImage(as_itk(mask, OBLIQUE, np.float32), str(path)),
}


def _scaled(mask: np.ndarray, path: Path) -> None:
    image = nib.Nifti1Image(mask * 0.9999999, OBLIQUE)
    image.set_data_dtype(np.int16)  # nibabel chooses slope and intercept
    nib.save(image, path)


@pytest.mark.slow
@pytest.mark.parametrize("writer", WRITERS)
@settings(deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_any_mask_survives_every_writer_of_nifti(tmp_path_factory, writer, seed):
    mask = np.random.default_rng(seed).random(SHAPE) < 0.3
    path = tmp_path_factory.mktemp("mask") / "mask.nii.gz"
    WRITERS[writer](mask, path)
    np.testing.assert_array_equal(region(path), mask)


@pytest.mark.parametrize("axes", [(0, 1, 2), (2, 0, 1), (1, 0, 2)])
@pytest.mark.parametrize("flipped", [(), (0,), (0, 2), (0, 1, 2)])
def test_a_mask_in_another_axis_order_comes_back(tmp_path, axes, flipped):
    affine = OBLIQUE.copy()
    affine[:, :3] = OBLIQUE[:, list(axes)]
    stored = corner().transpose(axes)
    for axis in flipped:
        affine[:3, 3] += affine[:3, axis] * (stored.shape[axis] - 1)
        affine[:3, axis] *= -1
        stored = np.flip(stored, axis)
    nib.save(nib.Nifti1Image(stored.astype(np.uint8), affine), tmp_path / "mask.nii")
    np.testing.assert_array_equal(region(tmp_path / "mask.nii"), corner())


@settings(deadline=None)
@given(
    st.tuples(st.integers(0, 1), st.integers(0, 1), st.integers(0, 1)),
    st.tuples(st.integers(4, 9), st.integers(4, 7), st.integers(3, 5)),
)
def test_a_box_cut_out_of_a_mask_comes_back(tmp_path_factory, low, high):
    box = tuple(slice(a, b) for a, b in zip(low, high, strict=True))
    affine = OBLIQUE.copy()
    affine[:3, 3] += OBLIQUE[:3, :3] @ low
    path = tmp_path_factory.mktemp("box") / "mask.nii"
    nib.save(nib.Nifti1Image(corner()[box].astype(np.uint8), affine), path)
    np.testing.assert_array_equal(region(path), corner())


def test_a_box_between_the_voxels_is_left_for_the_measurement_to_refuse(tmp_path):
    affine = OBLIQUE.copy()
    affine[:3, 3] += OBLIQUE[:3, 0] / 2
    nib.save(nib.Nifti1Image(corner()[:5].astype(np.uint8), affine), tmp_path / "mask.nii")
    assert read_region(tmp_path / "mask.nii", "normal bone", scans())[0].grid.shape == (5, 7, 5)


def test_one_label_of_a_map_is_taken_by_its_number(tmp_path):
    labels = corner() * 2
    labels[8, 6, 4] = 1
    nib.save(nib.Nifti1Image(labels.astype(np.uint8), OBLIQUE), tmp_path / "map.nii")
    mask, notes = read_region(tmp_path / "map.nii", "normal bone", scans(), segment="2")
    np.testing.assert_array_equal(mask.data, corner())
    assert notes == ("The normal bone is the segment '2', one of 2 segments of map.nii.",)
    with pytest.raises(InputError, match=r"2 segments \('1', '2'\), and none of them is '3'; .*--normal-bone-segment"):
        region(tmp_path / "map.nii", segment="3")


# NRRD, as 3D Slicer writes it ---------------------------------------------------------------------------------------------


def nrrd_of(
    path: Path, layers: list[np.ndarray], segments: list[tuple[str, int, int]], space: str = "left-posterior-superior"
) -> Path:
    signs = {"left-posterior-superior": (-1, -1, 1), "right-anterior-superior": (1, 1, 1), "left-anterior-superior": (-1, 1, 1)}[
        space
    ]
    directions = (OBLIQUE[:3, :3] * np.array(signs)[:, np.newaxis]).T
    header = {"space": space, "space origin": OBLIQUE[:3, 3] * signs, "encoding": "gzip"}
    if len(layers) == 1:
        data, header["space directions"], header["kinds"] = layers[0], directions, ["domain"] * 3
    else:
        data = np.stack(layers)
        header["space directions"] = np.vstack([np.full(3, np.nan), directions])
        header["kinds"] = ["list", *["domain"] * 3]
    for n, (name, layer, value) in enumerate(segments):
        header |= {
            f"Segment{n}_Name": name,
            f"Segment{n}_Layer": str(layer),
            f"Segment{n}_LabelValue": str(value),
            f"Segment{n}_ID": name,
        }
    nrrd.write(str(path), data.astype(np.uint8), header)
    return path


@pytest.mark.parametrize("space", ["left-posterior-superior", "right-anterior-superior", "left-anterior-superior"])
def test_a_segment_of_a_slicer_segmentation_is_taken_by_the_name_of_the_region(tmp_path, space):
    labels = corner() * 2
    labels[8, 6, 4] = 1
    path = nrrd_of(tmp_path / "a.seg.nrrd", [labels], [("disease region", 0, 1), ("Normal_bone", 0, 2)], space)
    mask, notes = read_region(path, "normal bone", scans())
    np.testing.assert_array_equal(mask.data, corner())
    assert "'Normal_bone', one of 2 segments of a.seg.nrrd" in notes[0]


def test_segments_that_overlap_lie_in_two_layers_and_both_come_back(tmp_path):
    whole = np.ones(SHAPE)
    path = nrrd_of(tmp_path / "a.seg.nrrd", [whole, corner()], [("disease region", 0, 1), ("normal bone", 1, 1)])
    np.testing.assert_array_equal(region(path), corner())
    assert region(path, "disease region").all()


def test_a_file_of_itk_with_one_label_needs_no_name(tmp_path):
    SimpleITK.WriteImage(as_itk(corner(), OBLIQUE) * 3, str(tmp_path / "a.nrrd"))
    np.testing.assert_array_equal(region(tmp_path / "a.nrrd"), corner())


def test_segments_of_other_names_are_a_question(tmp_path):
    path = nrrd_of(tmp_path / "a.seg.nrrd", [corner() + 1], [("left", 0, 1), ("right", 0, 2)])
    with pytest.raises(InputError, match=r"a.seg.nrrd holds 2 segments \('left', 'right'\).*--normal-bone-segment"):
        region(path)
    np.testing.assert_array_equal(region(path, segment="Right"), corner())


@pytest.mark.parametrize(
    ("change", "said"),
    [(lambda text: text[:-4], "damaged"), (lambda text: text.replace(b"space origin", b"spare origin"), "where its voxels lie")],
)
def test_a_damaged_nrrd_is_refused(tmp_path, change, said):
    path = nrrd_of(tmp_path / "a.nrrd", [corner()], [])
    path.write_bytes(change(path.read_bytes()))
    with pytest.raises(InputError, match=rf"normal bone \(a.nrrd\).*{said}"):
        region(path)


# DICOM Segmentation -------------------------------------------------------------------------------------------------------


def seg_file(path: Path, masks: dict[str, np.ndarray], grid: Grid = GRID) -> Path:
    source = mr_series(volume(grid))
    position = {
        tuple(round(float(x), 6) for x in grid.world_mm(np.array([0, grid.shape[1] - 1, k])) * LPS): k
        for k in range(grid.shape[2])
    }
    frames = [position[tuple(float(x) for x in one.ImagePositionPatient)] for one in source]
    pixels = np.stack([np.stack([mask[:, ::-1, k].T for k in frames]) for mask in masks.values()], axis=-1)
    algorithm = AlgorithmIdentificationSequence("other", CodedConcept("123110", "DCM", "Artificial Intelligence"), "1")
    kinds = (ILIUM, TISSUE)
    described = [
        SegmentDescription(n, name, TISSUE, kinds[n % 2], "AUTOMATIC", algorithm, anatomic_regions=[SITE])
        for n, name in enumerate(masks, start=1)
    ]
    segmentation = Segmentation(
        source, pixels.astype(np.uint8), "BINARY", described, generate_uid(), 9, generate_uid(), 1, "m", "n", "1", "d"
    )
    segmentation.save_as(path)
    return path


def test_a_segment_of_highdicom_is_taken_by_name_by_code_or_as_the_only_one(tmp_path):
    other = np.zeros(SHAPE, dtype=bool)
    other[5, 5, 3] = True
    path = seg_file(tmp_path / "a.dcm", {"Sacrum": other, "Ilium left": corner()})
    for wanted in ("ilium left", "SCT:22356005", "Ilium"):
        np.testing.assert_array_equal(region(path, segment=wanted), corner())
    with pytest.raises(InputError, match=r"2 segments \('Sacrum', 'Ilium left'\).*--disease-region-segment"):
        region(path, "disease region")
    only = seg_file(tmp_path / "b.dcm", {"bone": corner()})
    mask, notes = read_region(only, "normal bone", scans())
    np.testing.assert_array_equal(mask.data, corner())
    assert notes == ("The normal bone is the segment 'bone', the only segment of b.dcm.",)


def test_what_dcmqi_hands_out_comes_back_to_its_voxels(tmp_path):
    """It writes only the slices that hold frames, and the number of the segment as the value."""
    other = np.zeros(SHAPE, dtype=bool)
    other[5, 5, 3] = True
    path = seg_file(tmp_path / "a.dcm", {"other": other, "bone": corner()})
    tool = Path(sys.executable).parent / "segimage2itkimage"
    for kind in ("nii", "nrrd"):
        subprocess.run(
            [tool, "--inputDICOM", path, "--outputDirectory", tmp_path, "-t", kind, "-p", kind], check=True, capture_output=True
        )
        written = next(tmp_path.glob(f"{kind}-2.n*"))
        np.testing.assert_array_equal(region(written), corner())


def test_a_region_drawn_on_a_finer_t1w_is_read_at_the_voxels_of_stir(tmp_path):
    fine = OBLIQUE.copy()
    fine[:3, :2] /= 2
    t1w_grid = Grid((18, 14, 5), fine)
    drawn = np.zeros((18, 14, 5), dtype=bool)
    drawn[2:8, 2:4, 1] = True
    pair = scans(t1w_grid)
    nib.save(nib.Nifti1Image(drawn.astype(np.uint8), fine), tmp_path / "mask.nii")
    # centres of STIR's voxels are those of every second voxel of T1W
    for path in (tmp_path / "mask.nii", seg_file(tmp_path / "a.dcm", {"normal bone": drawn}, t1w_grid)):
        mask, notes = read_region(path, "normal bone", pair)
        np.testing.assert_array_equal(mask.data, drawn[::2, ::2])
        assert "read at STIR's voxels (nearest neighbour)" in notes[-1]


# RT Structure Set ---------------------------------------------------------------------------------------------------------


def structures(
    path: Path, rois: dict[str, list[tuple[str, float, list[tuple[float, float]]]]], reference: str = FRAME_OF_REFERENCE_UID
) -> Path:
    """Contours given as indices I, J on a slice K."""
    found = Dataset()
    found.SOPClassUID, found.SOPInstanceUID, found.Modality = "1.2.840.10008.5.1.4.1.1.481.3", generate_uid(), "RTSTRUCT"
    found.StructureSetROISequence, found.ROIContourSequence = [], []
    for number, (name, contours) in enumerate(rois.items(), start=1):
        described, drawn = Dataset(), Dataset()
        described.ROINumber, described.ROIName, described.ReferencedFrameOfReferenceUID = number, name, reference
        drawn.ReferencedROINumber, drawn.ContourSequence = number, []
        for kind, k, points in contours:
            one = Dataset()
            one.ContourGeometricType, one.NumberOfContourPoints = kind, len(points)
            index = np.array([(i, j, k) for i, j in points], dtype=float).reshape(-1, 3)
            one.ContourData = [f"{mm:.3f}" for mm in (GRID.world_mm(index) * LPS).ravel()]
            drawn.ContourSequence.append(one)
        found.StructureSetROISequence.append(described)
        found.ROIContourSequence.append(drawn)
    found.file_meta = FileMetaDataset()
    found.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    found.file_meta.MediaStorageSOPClassUID, found.file_meta.MediaStorageSOPInstanceUID = found.SOPClassUID, found.SOPInstanceUID
    found.save_as(path, implicit_vr=False, little_endian=True, enforce_file_format=True)
    return path


def square(low: float, high: float) -> list[tuple[float, float]]:
    return [(low, low), (high, low), (high, high), (low, high)]


def drawn_on(k: int, *rows: str) -> np.ndarray:
    """A mask drawn on one slice; the first row is J = 0."""
    mask = np.zeros(SHAPE, dtype=bool)
    mask[:, :, k] = np.array([[mark == "x" for mark in row] for row in rows]).T
    return mask


RING = drawn_on(2, ".........", ".xxxxx...", ".x...x...", ".x...x...", ".x...x...", ".xxxxx...", ".........")
FULL = drawn_on(2, ".........", ".xxxxx...", ".xxxxx...", ".xxxxx...", ".xxxxx...", ".xxxxx...", ".........")
# around the outer square, in by a channel of no width to the hole, around it, and out again
KEYHOLE = [*square(0.5, 5.5), (0.5, 0.5), (1.5, 1.5), (1.5, 4.5), (4.5, 4.5), (4.5, 1.5), (1.5, 1.5), (0.5, 0.5)]


@pytest.mark.parametrize(
    ("contours", "mask"),
    [
        ([("CLOSED_PLANAR", 2, square(0.5, 5.5))], FULL),
        # through the centres of the outermost voxels: these belong to it
        ([("CLOSED_PLANAR", 2, square(1, 5))], FULL),
        ([("CLOSEDPLANAR_XOR", 2, square(0.5, 5.5)), ("CLOSEDPLANAR_XOR", 2, square(1.5, 4.5))], RING),
        ([("CLOSED_PLANAR", 2, KEYHOLE)], RING),
        ([("CLOSED_PLANAR", 2.05, square(0.5, 5.5))], FULL),
        ([("CLOSED_PLANAR", 2, square(0.5, 3.5)), ("CLOSED_PLANAR", 2, square(2.5, 5.5))], None),
    ],
)
def test_contours_are_the_voxels_whose_centres_lie_inside(tmp_path, contours, mask):
    if mask is None:
        mask = drawn_on(2, ".........", ".xxx.....", ".xxx.....", ".xxxxx...", "...xxx...", "...xxx...", ".........")
    np.testing.assert_array_equal(region(structures(tmp_path / "rt.dcm", {"normal bone": contours})), mask)


@pytest.mark.parametrize(
    ("contour", "said", "kind"),
    [
        (("CLOSED_PLANAR", 2.4, square(1, 5)), r"off the nearest slice \(allowed 0.60 mm\)", GridMismatchError),
        (("CLOSED_PLANAR", 7, square(1, 5)), "reaches beyond the series", GridMismatchError),
        (("CLOSED_PLANAR", 2, square(1, 12)), "reaches beyond the series", GridMismatchError),
        (("OPEN_PLANAR", 2, square(1, 5)), "contour of type OPEN_PLANAR", InputError),
        (("CLOSED_PLANAR", 2, [(1, 1), (2, 2)]), "three points", InputError),
    ],
)
def test_a_contour_that_is_no_region_of_the_series_is_refused(tmp_path, contour, said, kind):
    with pytest.raises(kind, match=said):
        region(structures(tmp_path / "rt.dcm", {"normal bone": [contour]}))


def test_a_contour_in_another_that_is_not_called_a_hole_is_a_question(tmp_path):
    contours = [("CLOSED_PLANAR", 2, square(0.5, 5.5)), ("CLOSED_PLANAR", 2, square(1.5, 4.5))]
    with pytest.raises(InputError, match="slice 3: one CLOSED_PLANAR contour lies inside another"):
        region(structures(tmp_path / "rt.dcm", {"normal bone": contours}))


def test_one_roi_of_several_is_taken_by_name_and_the_others_are_not_judged(tmp_path):
    rois = {"isocentre": [("POINT", 2, [(1, 1)])], "Normal Bone": [("CLOSED_PLANAR", 2, square(0.5, 5.5))]}
    np.testing.assert_array_equal(region(structures(tmp_path / "rt.dcm", rois)), FULL)
    with pytest.raises(InputError, match=r"2 segments \('isocentre', 'Normal Bone'\)"):
        region(structures(tmp_path / "rt.dcm", rois), "disease region")
