"""Values that `--study` may have, and which study of several is meant."""

from __future__ import annotations

import zipfile
from pathlib import Path

import numpy as np
import pydicom
import pytest
from pydicom.data import get_testdata_file
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, MediaStorageDirectoryStorage

from drawing import pair
from lib.core.volume import Grid, Volume
from lib.errors import InputError
from lib.studies import dicom_study
from lib.studies.dicom_pairing import read_study
from lib.studies.dicomize import Labels, write_dicom_study
from lib.studies.nifti import write_volume

pytestmark = pytest.mark.slow  # seconds in all

STRAIGHT = np.array([[-0.6, 0.0, 0.0, 60.0], [0.0, 0.45, -2.0, -20.0], [0.0, 0.4, 2.25, -40.0], [0.0, 0.0, 0.0, 1.0]])


@pytest.fixture
def disk(tmp_path) -> Path:
    """A CD: a study in DATA, and what viewers bring."""
    made = pair(np.random.default_rng(3), affine=STRAIGHT)
    for role, volume in {"t1w": made.t1w, "stir": made.stir}.items():
        write_volume(tmp_path / f"{role}.nii.gz", Volume(np.rint(volume.data), Grid(volume.grid.shape, STRAIGHT), role))
    labels = Labels("P1", "20260101")
    write_dicom_study(tmp_path / "cd" / "DATA", tmp_path / "t1w.nii.gz", tmp_path / "stir.nii.gz", labels)
    (tmp_path / "cd" / "README.TXT").write_text("Insert the disk.")
    return tmp_path / "cd"


def directory(disk: Path, *, lost: bool = False) -> Path:
    """A DICOMDIR that names the files of DATA in capitals, as the standard has it."""
    made = Dataset()
    made.file_meta = FileMetaDataset()
    made.file_meta.MediaStorageSOPClassUID, made.file_meta.MediaStorageSOPInstanceUID = MediaStorageDirectoryStorage, "1.2.3"
    made.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    made.DirectoryRecordSequence = []
    names = [path.relative_to(disk).parts for path in sorted(disk.rglob("*.dcm"))]
    for parts in [*names, *([("DATA", "STIR", "9999.DCM")] if lost else [])]:
        record = Dataset()
        record.DirectoryRecordType, record.ReferencedFileID = "IMAGE", [part.upper() for part in parts]
        made.DirectoryRecordSequence.append(record)
    made.save_as(disk / "DICOMDIR", enforce_file_format=True)
    return disk / "DICOMDIR"


def zipped(folder: Path, path: Path) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        for file in sorted(folder.rglob("*")):
            if file.is_file():
                archive.write(file, file.relative_to(folder.parent))
    return path


def test_a_folder_a_zip_file_and_a_dicomdir_give_one_pair(disk, tmp_path):
    expected = read_study(disk)
    for source in (zipped(disk, tmp_path / "study.zip"), directory(disk)):
        pair = read_study(source)
        np.testing.assert_array_equal(pair.stir.data, expected.stir.data)
        np.testing.assert_array_equal(pair.t1w.data, expected.t1w.data)
    assert any("README.TXT (text)" in one for one in expected.warnings)


def test_unpacked_files_stay_as_long_as_the_pair_and_no_longer(disk, tmp_path):
    pair = read_study(zipped(disk, tmp_path / "study.zip"))
    files = pair.files["STIR"]
    assert all(path.is_file() for path in files)
    del pair
    assert not any(path.exists() for path in files)


def test_a_refused_zip_file_leaves_nothing_behind(disk, tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "temporary"))
    (tmp_path / "temporary").mkdir()
    for path in (disk / "DATA" / "STIR").iterdir():
        path.unlink()
    with pytest.raises(InputError, match="none is a STIR series"):
        read_study(zipped(disk, tmp_path / "study.zip"))
    assert list((tmp_path / "temporary").iterdir()) == []


def test_names_in_a_zip_file_lead_nowhere_else(disk, tmp_path):
    with zipfile.ZipFile(tmp_path / "study.zip", "w") as archive:
        for n, file in enumerate(sorted(disk.rglob("*.dcm"))):
            archive.write(file, f"../../{n}/../../evil{n}.dcm")
    pair = read_study(tmp_path / "study.zip")
    assert not list(tmp_path.parent.glob("evil*"))
    assert len(pair.files["STIR"]) == 6


def test_a_zip_file_larger_than_is_unpacked_is_refused(disk, tmp_path, monkeypatch):
    monkeypatch.setattr(dicom_study, "MOST_UNZIPPED", 3000)
    with pytest.raises(InputError, match=r"holds 13 files .* Unpack it yourself"):
        read_study(zipped(disk, tmp_path / "study.zip"))


def test_a_cut_zip_file_is_refused(disk, tmp_path):
    path = zipped(disk, tmp_path / "study.zip")
    path.write_bytes(path.read_bytes()[:-300])
    with pytest.raises(InputError, match="damaged ZIP file"):
        read_study(path)


def test_a_dicomdir_whose_files_are_not_all_there_is_refused(disk):
    with pytest.raises(InputError, match="names 13 files, of which 1 are not there, the first being DATA/STIR/9999.DCM"):
        read_study(directory(disk, lost=True))


def test_one_file_is_no_study(disk):
    with pytest.raises(InputError, match="is one DICOM file"):
        read_study(disk / "DATA" / "STIR" / "0001.dcm")


@pytest.fixture
def several(disk, tmp_path) -> Path:
    write_dicom_study(disk / "LATER", tmp_path / "t1w.nii.gz", tmp_path / "stir.nii.gz", Labels("P1", "20270101"))
    write_dicom_study(disk / "OTHER", tmp_path / "t1w.nii.gz", tmp_path / "stir.nii.gz", Labels("P2", "20260101"))
    return disk


def uid_of(folder: Path) -> str:
    return str(pydicom.dcmread(folder / "STIR" / "0001.dcm").StudyInstanceUID)


def test_of_several_studies_all_are_listed(several):
    with pytest.raises(InputError, match=r"holds 3 studies, .* Choose one with --study-uid, or with --patient") as refused:
        read_study(several)
    for folder in ("DATA", "LATER", "OTHER"):
        assert uid_of(several / folder) in str(refused.value)
    assert "patient P2, 20260101" in str(refused.value)


def test_a_uid_or_a_patient_chooses(several):
    for choice, folder in (({"study_uid": uid_of(several / "LATER")}, "LATER"), ({"patient": "p2"}, "OTHER")):
        pair = read_study(several, **choice)
        assert pair.stir_info is not None
        assert pair.stir_info.study_uid == uid_of(several / folder)


@pytest.mark.parametrize(
    ("choice", "says"), [({"patient": "P1"}, "2 of them fit --patient P1"), ({"patient": "P9"}, "0 of them fit")]
)
def test_a_choice_that_is_none_is_refused(several, choice, says):
    with pytest.raises(InputError, match=says):
        read_study(several, **choice)


def test_the_dicomdir_of_others_is_read_by_the_files_it_names():
    """Pydicom's own: six studies, of two patients of MR in different letters."""
    source = Path(str(get_testdata_file("DICOMDIR", download=False)))
    with pytest.raises(InputError, match="holds 6 studies") as refused:
        read_study(source)
    assert "'Brain-MRA', 3 series" in str(refused.value)
    with pytest.raises(InputError, match="none is a STIR series"):
        read_study(source, study_uid="1.3.6.1.4.1.5962.1.1.0.0.0.1196533885.18148.0.1")
