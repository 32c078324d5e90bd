"""Our objects under dcmtk and dicom3tools: no error, and no warning that docs/dicom.md does not explain."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest
from pydicom.valuerep import DSfloat

from handmade import PROVENANCE, handmade
from lib.reports import ReaderWork, report_content
from lib.reports.dicom_seg import segmentation
from lib.reports.dicom_source import write_dicom
from lib.reports.dicom_sr import structured_report
from mrseries import enhanced_mr, mr_series

TOOLS = {"dcmdump": ["dcmdump"], "dsrdump": ["dsrdump"], "dciodvfy": ["dciodvfy", "-new"]}
MISSING = [tool for tool in TOOLS if shutil.which(tool) is None]
pytestmark = [
    pytest.mark.dicomtools,
    pytest.mark.skipif(bool(MISSING), reason=f"{', '.join(MISSING)} not installed: apt-get install dcmtk dicom3tools"),
    pytest.mark.slow,
]
# part of the message -> why it stands, in the words of docs/dicom.md
EXPLAINED = {
    "Unrecognized defined term = <99VHI>": "99VHI",
    "does not support this Specific Character Set: ISO_IR 192": "UTF-8",
    "that would be needed to build DICOMDIR": "DICOMDIR",
    "Retired Person Name form": "patient's name has one part",
}
CLEANED = ReaderWork(
    {"reader": "R11", "method": "semi-automatic", "changes": {"inflammation": {}}}, ("Correction: 1 lesion removed.",)
)


@pytest.fixture(
    scope="module", params=[*["found", "cleaned", "multi-frame"], "nothing found", "bare headers", "anonymised", "long decimals"]
)
def written(request, tmp_path_factory) -> dict[str, Path]:
    """Segmentation and report of one result, as files."""
    folder = tmp_path_factory.mktemp("dicom")
    result = handmade(lesions=request.param != "nothing found", min_pixels=3 if request.param == "cleaned" else 4)
    content = report_content(result, PROVENANCE, reading=CLEANED if request.param == "cleaned" else None)
    if request.param == "multi-frame":
        stir = [enhanced_mr(result.stir)]
    elif request.param == "bare headers":
        absent = dict.fromkeys(
            ("PatientSex", "StudyID", "StudyTime", "AccessionNumber", "SliceThickness", "ReferringPhysicianName")
        )
        stir = mr_series(result.stir, ascending=False, patient="DOE", **absent)
    elif request.param == "anonymised":
        stir = mr_series(result.stir, FrameOfReferenceUID=None)
    elif request.param == "long decimals":  # as converters write them, longer than the 16 characters that are allowed
        stir = mr_series(result.stir, SliceThickness=DSfloat("3.00000000000000044"))
        for one in stir:
            one.PixelSpacing = [DSfloat(f"{value:.17f}") for value in one.PixelSpacing]
    else:
        stir = mr_series(result.stir)
    seg = segmentation(content, stir)
    objects = {"seg": seg, "sr": structured_report(content, stir, mr_series(result.t1w, "T1W"), seg)}
    for name, dataset in objects.items():
        write_dicom(dataset, folder / f"{name}.dcm")
    return {name: folder / f"{name}.dcm" for name in objects}


def complaints(command: list[str | Path]) -> list[str]:
    done = subprocess.run(command, capture_output=True, text=True, errors="replace", check=False, timeout=60)
    assert done.returncode == 0, done.stderr
    return [line for line in (done.stdout + done.stderr).splitlines() if line.startswith(("Error", "Warning", "E:", "W:", "F:"))]


@pytest.mark.parametrize(
    ("tool", "name"), [("dcmdump", "seg"), ("dcmdump", "sr"), ("dsrdump", "sr"), ("dciodvfy", "seg"), ("dciodvfy", "sr")]
)
def test_no_tool_complains_of_anything_that_is_not_explained(written, tool, name):
    problems = complaints([*TOOLS[tool], written[name]])
    assert [line for line in problems if line.startswith(("Error", "E:", "F:"))] == []
    assert [line for line in problems if not any(part in line for part in EXPLAINED)] == []


def test_the_tools_do_complain(written, tmp_path):
    broken = tmp_path / "broken.dcm"
    broken.write_bytes(written["seg"].read_bytes().replace(b"BINARY", b"BINAIR"))
    done = subprocess.run(["dciodvfy", broken], capture_output=True, text=True, errors="replace", check=False)
    assert "Error" in done.stdout + done.stderr


def test_every_explained_complaint_is_explained():
    words = (Path(__file__).parents[2] / "docs" / "dicom.md").read_text(encoding="utf-8")
    assert all(why in words for why in EXPLAINED.values())
