"""The report as Encapsulated PDF and its pictures as Secondary Capture, as other programs read them."""

from __future__ import annotations

import shutil
import subprocess
from io import BytesIO
from pathlib import Path

import numpy as np
import pydicom
import pytest

from handmade import PROVENANCE, handmade
from lib.core.change import Change, LesionFate
from lib.core.volume import Volume
from lib.reports import ReaderWork, ReportContent, report_content
from lib.reports.dicom_pages import PICTURE, REPORT, VISITS, pages_of
from lib.reports.dicom_source import write_dicom
from lib.reports.parts import ScanFacts
from lib.reports.pdf import pdf_bytes
from mrseries import mr_series

pytestmark = pytest.mark.slow  # seconds in all

READER = ReaderWork({"reader": "anna", "reading": 1, "method": "semi-automatic"}, ("Reader anna.",))


def content_with_earlier_visit() -> ReportContent:
    result = handmade()
    over = Volume(result.stir.data / 7.0, result.stir.grid, "STIR")
    codes = np.stack([result.lesion_labels == 1, 2 * (result.lesion_labels == 1)]).astype(np.uint8)
    lesions = (LesionFate((1,), (1,), 30.0, 48.0, (0.0, 0.0, 0.0)), LesionFate((), (2,), 0.0, 24.0, (0.0, 0.0, 0.0)))
    change = Change(30.0, 72.0, "VHI (cleaned by ben)", "2024-03-01", (), lesions, earlier_stir=over, now_stir=over, codes=codes)
    facts = ScanFacts("Doe, Jane (4711)", "2025-06-01", "ACME 3 T")
    return report_content(result, PROVENANCE, reading=READER, scan=facts, change=change)


@pytest.fixture(scope="module")
def written(tmp_path_factory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("pages")
    content = content_with_earlier_visit()
    for name, dataset in pages_of(content, mr_series(content.result.stir)).items():
        write_dicom(dataset, folder / name)
    return {name: folder / name for name in (REPORT, PICTURE, VISITS)}


def test_the_report_in_the_archive_is_the_report(written):
    dataset = pydicom.dcmread(written[REPORT])
    assert dataset.EncapsulatedDocument[: dataset.EncapsulatedDocumentLength] == pdf_bytes(content_with_earlier_visit())
    assert (dataset.DocumentTitle, dataset.MIMETypeOfEncapsulatedDocument) == ("Uncleaned volume: 72 mm3", "application/pdf")
    assert dataset.SeriesDescription == "Uncleaned volume report, anna"
    assert dataset.BurnedInAnnotation == "YES"


def test_pictures_are_colour_images_of_the_patients_study(written):
    source = mr_series(handmade().stir)[0]
    picture, visits = (pydicom.dcmread(written[name]) for name in (PICTURE, VISITS))
    assert picture.StudyInstanceUID == source.StudyInstanceUID
    assert picture.PatientID == source.PatientID
    assert picture.SeriesInstanceUID == visits.SeriesInstanceUID
    assert (picture.InstanceNumber, visits.InstanceNumber) == (1, 2)
    pixels = picture.pixel_array
    assert pixels.shape == (picture.Rows, picture.Columns, 3)
    # the yellow and red of inflammation are colours, not grey
    assert int((pixels.max(axis=-1).astype(int) - pixels.min(axis=-1)).max()) > 60
    assert picture.BurnedInAnnotation == "NO"


def test_without_the_patient_on_the_page_nothing_is_burned_in():
    content = report_content(handmade(), PROVENANCE, reading=READER)
    made = pages_of(content, mr_series(content.result.stir))
    assert set(made) == {REPORT, PICTURE}
    assert made[REPORT].BurnedInAnnotation == "NO"


@pytest.mark.dicomtools
@pytest.mark.skipif(shutil.which("dciodvfy") is None, reason="dciodvfy is not installed: apt-get install dicom3tools")
@pytest.mark.parametrize("name", [REPORT, PICTURE, VISITS])
def test_dciodvfy_finds_nothing(written, name):
    done = subprocess.run(["dciodvfy", "-new", written[name]], capture_output=True, text=True, errors="replace", check=False)
    lines = (done.stdout + done.stderr).splitlines()
    assert [line for line in lines if line.startswith("Error")] == []
    explained = ("ISO_IR 192", "DICOMDIR", "Retired Person Name form")
    assert [line for line in lines if line.startswith("Warning") and not any(part in line for part in explained)] == []
    assert BytesIO(written[name].read_bytes()).read(132)[128:] == b"DICM"
