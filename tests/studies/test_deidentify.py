"""Series without whose they are: what stays, what goes, and what is refused because its pixels may hold text."""

from __future__ import annotations

import numpy as np
import pydicom
import pytest
from pydicom.dataset import Dataset

from archives import Study, dicomized
from compressed import CODERS, compress
from handmade import handmade
from lib.errors import InputError
from lib.studies.deidentify import BurnedInError, Pseudonym, check_pixels, deidentified, write_deidentified
from lib.studies.dicom_voxels import read_stored
from lib.studies.dicomize import Labels
from lib.studies.nifti import write_volume
from marked import PRIVATE, SECRETS, files_of, marked, places

ANNA = Pseudonym("case-0123456789", "STIR", b"key")
GEOMETRY = ("Rows", "Columns", "PixelSpacing", "ImagePositionPatient", "ImageOrientationPatient", "RescaleSlope", "EchoTime")


@pytest.fixture
def study(tmp_path) -> Study:
    scan = handmade()
    for name, volume in (("t1w", scan.t1w), ("stir", scan.stir)):
        write_volume(tmp_path / f"{name}.nii.gz", volume)
    return dicomized(tmp_path / "dicom", tmp_path / "t1w.nii.gz", tmp_path / "stir.nii.gz", labels=Labels("P1", "20250601"))


def test_nothing_of_a_marked_study_is_left_in_any_byte_and_its_voxels_and_their_places_are_the_same(study, tmp_path):
    before = marked(study)
    assert places(before.files("STIR")[0].read_bytes(), SECRETS[:3])  # the test can fail
    write_deidentified(before.folder / "STIR", tmp_path / "out", ANNA)
    written = files_of(tmp_path / "out")
    assert len(written) == len(before.files("STIR"))
    by_number = {int(pydicom.dcmread(path).InstanceNumber): path for path in written}
    for path in before.files("STIR"):
        true = pydicom.dcmread(path)
        copy = by_number[int(true.InstanceNumber)]
        assert places(copy.read_bytes()) == []
        dataset = pydicom.dcmread(copy)
        np.testing.assert_array_equal(read_stored(copy), read_stored(path))
        for keyword in GEOMETRY:
            assert dataset[keyword].value == true[keyword].value, keyword
        assert (str(dataset.PatientName), dataset.PatientID, dataset.SeriesDescription) == (ANNA.alias, ANNA.alias, "STIR")
        assert dataset.StudyDate == dataset.PatientBirthDate == dataset.AccessionNumber == ""
        assert not [one for one in dataset if one.tag.is_private or one.tag.group in (0x5000, 0x6000)]
        assert list(dataset.ImageType) == ["ORIGINAL", "PRIMARY"]


def test_a_uid_is_replaced_by_the_same_one_every_time_and_by_another_for_another_case_or_key():
    uid = ANNA.uid("1.2.3")
    assert uid == Pseudonym("case-0123456789", "T1W", b"key").uid("1.2.3")
    others = {Pseudonym("case-9876543210", "STIR", b"key").uid("1.2.3"), Pseudonym(ANNA.alias, "STIR", b"other").uid("1.2.3")}
    assert len({uid, ANNA.uid("1.2.4"), *others}) == 4
    assert uid.startswith("2.25.")
    assert len(uid) <= 64


def test_the_series_of_one_case_still_share_study_and_frame_of_reference(study, tmp_path):
    found = {}
    for role in ("T1W", "STIR"):
        write_deidentified(study.folder / role, tmp_path / role, Pseudonym("case-1", role, b"key"))
        found[role] = pydicom.dcmread(files_of(tmp_path / role)[0])
    assert found["T1W"].StudyInstanceUID == found["STIR"].StudyInstanceUID != study.study_uid
    assert found["T1W"].FrameOfReferenceUID == found["STIR"].FrameOfReferenceUID
    assert found["T1W"].SeriesInstanceUID != found["STIR"].SeriesInstanceUID


def test_bits_above_the_value_in_which_old_files_keep_overlays_are_cleared(study):
    image = pydicom.dcmread(study.files("STIR")[0])
    image.BitsStored, image.HighBit = 12, 11
    cells = np.frombuffer(image.PixelData, "<u2").reshape(1, image.Rows, image.Columns) & 0x0FFF
    image.PixelData = (cells | 0x8000).astype("<u2").tobytes()
    path = study.files("STIR")[0]
    image.save_as(path)
    write_deidentified(study.folder / "STIR", study.folder / "out", ANNA)
    number = int(image.InstanceNumber)
    copy = next(one for one in map(pydicom.dcmread, files_of(study.folder / "out")) if int(one.InstanceNumber) == number)
    np.testing.assert_array_equal(np.frombuffer(copy.PixelData, "<u2").reshape(cells.shape), cells)


@pytest.mark.parametrize("syntax", CODERS, ids=lambda one: one.name)
def test_compressed_frames_are_written_anew_without_room_for_comments(study, syntax, tmp_path):
    path = study.files("STIR")[0]
    image = pydicom.dcmread(path)
    compress(image, syntax, tmp_path)
    image.save_as(path, enforce_file_format=True)
    write_deidentified(study.folder / "STIR", tmp_path / "out", ANNA)
    number = int(image.InstanceNumber)
    copy = next(one for one in files_of(tmp_path / "out") if int(pydicom.dcmread(one).InstanceNumber) == number)
    assert not pydicom.dcmread(copy).file_meta.TransferSyntaxUID.is_compressed
    np.testing.assert_array_equal(read_stored(copy), read_stored(path))


def test_a_text_where_a_number_belongs_is_left_out(study):
    image = pydicom.dcmread(study.files("STIR")[0])
    image.add_new("EchoTime", "DS", "50")
    image["EchoTime"]._value = "JANE"
    image.add_new("FlipAngle", "LO", "90 JANE")
    dataset = deidentified(image, image.pixel_array[np.newaxis], ANNA)
    assert "EchoTime" not in dataset
    assert "FlipAngle" not in dataset


SAID = [
    ({"BurnedInAnnotation": "YES"}, "says that text is burned into its pixels"),
    ({"ImageType": ["DERIVED", "PRIMARY"]}, "was made from other images"),
    ({"ImageType": ["ORIGINAL", "SECONDARY"]}, "was made from other images"),
]


@pytest.mark.parametrize(("changes", "sentence"), SAID)
def test_pixels_that_may_hold_text_are_refused(study, changes, sentence, tmp_path):
    path = study.files("STIR")[1]
    image = pydicom.dcmread(path)
    for keyword, value in changes.items():
        setattr(image, keyword, value)
    image.save_as(path)
    with pytest.raises(BurnedInError, match=sentence):
        write_deidentified(study.folder / "STIR", tmp_path / "out", ANNA)
    assert not (tmp_path / "out").exists()


def test_a_derived_image_that_says_it_holds_no_text_is_taken():
    header = Dataset()
    header.SOPClassUID, header.ImageType, header.BurnedInAnnotation = "1.2.840.10008.5.1.4.1.1.4", ["DERIVED", "PRIMARY"], "NO"
    check_pixels(header, "one.dcm", "STIR")


def test_a_secondary_capture_is_refused():
    header = Dataset()
    header.SOPClassUID = "1.2.840.10008.5.1.4.1.1.7"
    with pytest.raises(InputError, match="one.dcm is no MR image"):
        check_pixels(header, "one.dcm", "STIR")


def test_a_private_element_is_private_at_every_depth(study):
    image = pydicom.dcmread(marked(study).files("STIR")[0])
    assert PRIVATE % 2  # odd groups are private
    dataset = deidentified(image, read_stored(study.files("STIR")[0]), ANNA)
    assert not [one for one in dataset.iterall() if one.tag.is_private]
