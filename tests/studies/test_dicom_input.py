"""DICOM series as scans: geometry, refusals, and which series of a study are the pair."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pydicom
import pytest

from drawing import pair
from lib.core.volume import Volume
from lib.errors import GridMismatchError, InputError
from lib.studies.dicom_pairing import read_study
from lib.studies.dicom_series import read_series
from lib.studies.dicomize import Labels, write_dicom_study
from lib.studies.nifti import read_volume, write_volume
from lib.studies.pairing_rules import read_rules
from lib.studies.scan_pair import read_pair

pytestmark = pytest.mark.slow  # seconds in all

# I to the patient's left, J up and forward, K back, perpendicular as a scanner's axes are
STRAIGHT = np.array([[-0.6, 0.0, 0.0, 60.0], [0.0, 0.45, -2.0, -20.0], [0.0, 0.4, 2.25, -40.0], [0.0, 0.0, 0.0, 1.0]])


@pytest.fixture
def nifti(tmp_path) -> dict[str, Path]:
    scan = pair(np.random.default_rng(3), affine=STRAIGHT)
    files = {}
    for role, volume in {"t1w": scan.t1w, "stir": scan.stir}.items():
        files[role] = tmp_path / f"{role}.nii.gz"
        write_volume(files[role], Volume(np.rint(volume.data), volume.grid, role))
    return files


@pytest.fixture
def study(tmp_path, nifti) -> Path:
    write_dicom_study(tmp_path / "study", nifti["t1w"], nifti["stir"])
    return tmp_path / "study"


def changed(file: Path, **values: object) -> None:
    image = pydicom.dcmread(file)
    for keyword, value in values.items():
        setattr(image, keyword, value)
    image.save_as(file)


def files_of(folder: Path) -> list[Path]:
    return sorted(folder.glob("*.dcm"))


@pytest.mark.parametrize("descending", [False, True])
def test_a_scan_survives_dicom_to_the_voxel_and_the_millimetre(tmp_path, nifti, descending):
    write_dicom_study(tmp_path / "study", nifti["t1w"], nifti["stir"], Labels(descending=descending))
    volume, info = read_series(tmp_path / "study" / "STIR", "STIR")
    source = read_volume(nifti["stir"], "STIR")
    # rows run down in DICOM: the same voxels at the same places, J the other way round
    at = np.argwhere(np.ones(volume.grid.shape, dtype=bool))
    there = np.linalg.inv(source.grid.affine) @ np.c_[volume.grid.world_mm(at), np.ones(len(at))].T
    index = np.rint(there[:3].T).astype(int)
    assert np.abs(there[:3].T - index).max() < 1e-3  # of a voxel; DICOM keeps 16 characters of a number
    np.testing.assert_allclose(volume.data[tuple(at.T)], source.data[tuple(index.T)], atol=1e-9)
    assert len(info.files) == 6


def test_both_ways_of_numbering_give_one_volume(tmp_path, nifti):
    volumes = []
    for name, descending in (("up", False), ("down", True)):
        write_dicom_study(tmp_path / name, nifti["t1w"], nifti["stir"], Labels(descending=descending))
        volumes.append(read_series(tmp_path / name / "STIR", "STIR")[0])
    np.testing.assert_array_equal(volumes[0].data, volumes[1].data)
    np.testing.assert_allclose(volumes[0].grid.affine, volumes[1].grid.affine)


def test_equal_input_gives_equal_files(tmp_path, nifti):
    for name in ("one", "two"):
        write_dicom_study(tmp_path / name, nifti["t1w"], nifti["stir"])
    for one, two in zip(files_of(tmp_path / "one" / "T1W"), files_of(tmp_path / "two" / "T1W"), strict=True):
        assert one.read_bytes() == two.read_bytes()


def test_a_missing_slice_is_refused(study):
    files_of(study / "STIR")[2].unlink()
    with pytest.raises(InputError, match="1 slices are missing"):
        read_series(study / "STIR", "STIR")


def test_a_doubled_slice_is_refused(study):
    first = files_of(study / "STIR")[0]
    image = pydicom.dcmread(first)
    image.SOPInstanceUID = image.file_meta.MediaStorageSOPInstanceUID = "1.2.3.4"
    image.save_as(first.with_name("again.dcm"))
    with pytest.raises(InputError, match="two slices at one position"):
        read_series(study / "STIR", "STIR")


def test_slices_of_two_contrasts_are_refused(study):
    changed(files_of(study / "STIR")[2], EchoTime="10")
    with pytest.raises(InputError, match="differ in EchoTime .* so they are of two contrasts"):
        read_series(study / "STIR", "STIR")


def test_a_slice_without_inversion_time_among_others_is_refused(study):
    image = pydicom.dcmread(files_of(study / "STIR")[2])
    del image.InversionTime
    image.save_as(files_of(study / "STIR")[2])
    with pytest.raises(InputError, match=r"differ in InversionTime .*none"):
        read_series(study / "STIR", "STIR")


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"ScanningSequence": "SE"}, "ScanningSequence"),
        ({"ImageType": ["ORIGINAL", "PRIMARY", "M", "WATER"]}, r"kind by ImageType \(none and water\)"),
        ({"StudyInstanceUID": "1.2.3"}, "StudyInstanceUID"),
        ({"EchoTime": None}, r"EchoTime \(50.* and none ms\)"),
    ],
)
def test_a_slice_of_another_sequence_kind_or_study_is_refused(study, values, said):
    changed(files_of(study / "STIR")[2], **values)
    with pytest.raises(InputError, match=f"of one series differ in .*{said}"):
        read_series(study / "STIR", "STIR")


def test_no_inversion_may_be_written_as_0_or_left_out(study):
    for n, file in enumerate(files_of(study / "T1W")):
        changed(file, InversionTime="0" if n % 2 else None)
    read_series(study / "T1W", "T1W")


def test_times_may_differ_by_rounding_and_repetition_as_the_patient_breathes(study):
    for n, file in enumerate(files_of(study / "STIR")):
        changed(file, EchoTime=f"{50 + 0.01 * n}", RepetitionTime=f"{3000 + 400 * n}")
    read_series(study / "STIR", "STIR")


@pytest.mark.parametrize("of_a_slice", [True, False])
def test_two_patients_are_refused_without_their_ids(study, of_a_slice):
    for file in files_of(study / "STIR")[2 if of_a_slice else 0 :]:
        changed(file, PatientID="SECRET")
    for read in (lambda: read_pair(study / "T1W", study / "STIR"), lambda: read_study(study)):
        with pytest.raises(InputError, match="of different patients, say their headers") as refused:
            read()
        assert "SECRET" not in str(refused.value)


def test_one_patient_may_be_written_in_two_ways(study):
    for role, patient in (("T1W", "ab-1"), ("STIR", "AB-1")):
        for file in files_of(study / role):
            changed(file, PatientID=patient)
    read_pair(study / "T1W", study / "STIR")


def test_t1w_and_stir_under_one_series_uid_are_refused_as_that(study):
    uid = pydicom.dcmread(files_of(study / "STIR")[0]).SeriesInstanceUID
    for file in files_of(study / "T1W"):
        changed(file, SeriesInstanceUID=uid)
    with pytest.raises(InputError, match="T1W and STIR are contrasts of one series"):
        read_study(study)
    read_pair(study / "T1W", study / "STIR")


def test_unequal_spacing_is_refused(study):
    last = files_of(study / "STIR")[-1]
    image = pydicom.dcmread(last)
    x, y, z = (float(value) for value in image.ImagePositionPatient)
    changed(last, ImagePositionPatient=[x, y + 0.5, z - 0.5])
    with pytest.raises(InputError, match=r"equally spaced|one straight line|shifted sideways"):
        read_series(study / "STIR", "STIR")


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"Modality": "CT"}, "modality CT, not MR"),
        ({"ImageType": ["ORIGINAL", "PRIMARY", "LOCALIZER"]}, "localiser"),
        ({"PhotometricInterpretation": "RGB"}, "colour"),
        ({"ImageOrientationPatient": [1, 0, 0, 0, 1, 0]}, "oriented differently"),
        ({"RescaleSlope": "0"}, "RescaleSlope is 0"),
    ],
)
def test_what_is_no_mr_stack_is_refused(study, values, message):
    changed(files_of(study / "STIR")[0], **values)
    with pytest.raises(InputError, match=message):
        read_series(study / "STIR", "STIR")


def test_a_truncated_file_is_refused_by_name(study):
    file = files_of(study / "STIR")[1]
    file.write_bytes(file.read_bytes()[:-200])
    with pytest.raises(InputError, match=file.name):
        read_series(study / "STIR", "STIR")


def test_a_folder_without_dicom_is_refused(tmp_path):
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="holds no DICOM images"):
        read_series(tmp_path / "empty", "STIR")


def test_the_pair_of_a_study_is_found_by_inversion_time_whatever_it_is_called(study):
    for role, name in {"T1W": "stir", "STIR": "t1"}.items():
        for file in files_of(study / role):
            changed(file, SeriesDescription=name)
    pair = read_study(study)
    assert pydicom.dcmread(pair.files["STIR"][0]).InversionTime == 210
    assert "InversionTime" not in pydicom.dcmread(pair.files["T1W"][0])
    assert pair.warnings == ()


def test_a_study_without_stir_lists_what_it_has(study):
    for file in files_of(study / "STIR"):
        changed(file, InversionTime="2500")
    with pytest.raises(InputError, match="STIR"):
        read_study(study)


def test_two_studies_are_never_paired(study):
    for file in files_of(study / "STIR"):
        changed(file, StudyInstanceUID="1.2.3")
    with pytest.raises(InputError, match="2 studies"):
        read_study(study)


def test_series_of_different_frames_of_reference_are_refused(study):
    for file in files_of(study / "T1W"):
        changed(file, FrameOfReferenceUID="1.2.3")
    with pytest.raises((InputError, GridMismatchError)):
        read_pair(study / "T1W", study / "STIR")


def test_a_t1w_of_another_matrix_is_resampled_and_that_is_said(tmp_path, nifti, study):
    coarse = STRAIGHT.copy()
    coarse[:3, :2] *= 2
    scan = pair(np.random.default_rng(5), shape=(12, 10, 6), affine=coarse)
    write_volume(tmp_path / "coarse.nii.gz", Volume(np.rint(scan.t1w.data), scan.t1w.grid, "T1W"))
    write_dicom_study(tmp_path / "other", tmp_path / "coarse.nii.gz", nifti["stir"])
    stir = pydicom.dcmread(files_of(study / "STIR")[0])
    for file in files_of(tmp_path / "other" / "T1W"):
        changed(file, FrameOfReferenceUID=stir.FrameOfReferenceUID, PatientID=stir.PatientID)
    found = read_pair(tmp_path / "other" / "T1W", study / "STIR")
    assert found.t1w.grid.shape == found.stir.grid.shape
    assert any("resampled" in warning for warning in found.warnings)


def test_a_sites_rules_replace_a_role(tmp_path, study):
    for file in files_of(study / "STIR"):
        changed(file, InversionTime="350")
    rules = tmp_path / "rules.toml"
    rules.write_text("[stir]\nInversionTime = [300, 400]\n")
    assert read_study(study, read_rules(rules)).stir_info is not None


@pytest.mark.data
@pytest.mark.parametrize(("subject", "descending"), [("1013", False), ("1007", True)])
def test_a_published_scan_measures_to_the_voxel_as_from_nifti(vhi_data, tmp_path, subject, descending):
    from lib.core.pipeline import measure_vhi
    from lib.studies.nifti import read_mask
    from lib.studies.registration import reoriented

    images, masks = vhi_data / "images_study", vhi_data / "segmentations"
    t1w, stir = images / "T1W" / f"{subject}_T1W.nii.gz", images / "STIR" / f"{subject}_STIR.nii.gz"
    write_dicom_study(tmp_path / "study", t1w, stir, Labels(descending=descending))
    pair = read_study(tmp_path / "study")
    bone = read_mask(masks / "normal_marrow" / f"{subject}_normal_marrow.nii.gz", "normal bone")
    region = read_mask(masks / "disease_region" / f"{subject}_disease_region.nii.gz", "disease region")
    grid = pair.stir.grid
    from_dicom = measure_vhi(pair.t1w, pair.stir, normal_bone=reoriented(bone, grid), disease_region=reoriented(region, grid))
    from_nifti = measure_vhi(read_volume(t1w, "T1W"), read_volume(stir, "STIR"), normal_bone=bone, disease_region=region)
    assert from_dicom.measurement.total.sensitive == from_nifti.measurement.total.sensitive
    assert from_dicom.measurement.total.conservative == from_nifti.measurement.total.conservative
    assert from_dicom.measurement.left.sensitive == from_nifti.measurement.left.sensitive
