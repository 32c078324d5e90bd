"""The report in six situations, to be looked at: uncleaned, proposed, cleaned, empty, earlier visit, not comparable.

    python benchmarks/report_pages.py OUT

Writes OUT/<situation>/<paper>/report.html and report.pdf for A4 and Letter, and report.dcm, the PDF as an archive gets it. With
VHI_DATA set to the folder of published scans those without an earlier visit are of a real scan, else all are of phantoms; what is
made of real scans stays where it is written. Where chromium and pdftoppm are installed, each page is there as a picture too.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "apps" / "vhi"))
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))

from lib.cli.proposal import proposed
from lib.core.change import Change
from lib.core.cleaning import measure_cleaned
from lib.core.pipeline import VhiResult, measure_vhi
from lib.core.settings import VhiSettings
from lib.core.volume import Mask
from lib.followup import EarlierVisit, compare_with_earlier
from lib.phantom.study import make_phantom
from lib.provenance import provenance_of
from lib.reports import ReaderWork, ReportContent, report_content, write_html, write_pdf
from lib.reports.parts import PAPERS, ScanFacts
from lib.studies.nifti import read_mask, read_volume

REAL = "1013"
READER = ReaderWork(
    {"reader": "anna", "method": "semi-automatic", "changes": {}},
    ("Reader anna, reading 1, semi-automatic, submission 0001-anna.", "Correction: half of the lesions removed by clicks."),
)
SCAN = ScanFacts("Doe, Jane (P001)", "2026-03-01", "SIEMENS Avanto 1.5 T")


def automatic(settings: VhiSettings | None = None, bone: bool = True) -> VhiResult:
    """Of the real scan where there is one, with or without its reader's normal bone."""
    if "VHI_DATA" not in os.environ:
        phantom = make_phantom(seed=5)
        return measure_vhi(phantom.t1w, phantom.stir, (), phantom.normal_bone if bone else None, settings, phantom.disease_region)
    data = Path(os.environ["VHI_DATA"])
    t1w, stir = (read_volume(data / f"images_study/{role}/{REAL}_{role}.nii.gz", role) for role in ("T1W", "STIR"))
    masks = data / "segmentations"
    region = read_mask(next((masks / "disease_region").rglob(f"{REAL}_*.nii.gz")), "disease region")
    marrow = read_mask(masks / f"normal_marrow/{REAL}_normal_marrow.nii.gz", "normal bone")
    return measure_vhi(t1w, stir, (), marrow if bone else None, settings, region)


def cleaned(result: VhiResult, keep: Callable[[int], bool]) -> VhiResult:
    """By a reader who keeps the lesions with these ids."""
    ids = [one.id for one in result.lesions if keep(one.id)]
    return measure_cleaned(result, Mask(np.isin(result.lesion_labels, ids), result.stir.grid, "inflammation"))


def follow_up() -> ReportContent:
    """The second of two visits of a phantom: one lesion is gone, one is new."""
    phantom = make_phantom(seed=3)
    result = measure_vhi(phantom.t1w, phantom.stir, (), phantom.normal_bone, None, phantom.disease_region)
    before, now = cleaned(result, lambda one: one != 2), cleaned(result, lambda one: one != 1)
    numbers = dict(content_of(before, READER).numbers)
    earlier = EarlierVisit(numbers, before.lesion_labels, before.stir.grid, None, before.stir, "2025-03-01")
    since = compare_with_earlier(now, earlier)
    assert isinstance(since, Change)
    return content_of(now, READER, since)


def content_of(result: VhiResult, reading: ReaderWork | None = None, since: Change | None = None) -> ReportContent:
    """The report; provenance is that of this program."""
    inputs = [{"role": role, "file": f"case_{role}.nii.gz", "sha256": "0" * 64} for role in ("T1W", "STIR")]
    provenance = provenance_of("benchmarks/report_pages.py", result.settings, None, inputs)
    return report_content(result, provenance, reading=reading, scan=SCAN, change=since)


def situations() -> dict[str, Callable[[], ReportContent]]:
    """What a report is made in, by name."""
    return {
        "uncleaned": lambda: content_of(automatic(bone=False)),
        "proposed": lambda: content_of(proposed(automatic(), "apply")),
        "cleaned": lambda: content_of(cleaned(automatic(), lambda one: one % 2 == 1), READER),
        "empty": lambda: content_of(cleaned(automatic(), lambda _: False), READER),
        "earlier-visit": follow_up,
        "not-comparable": lambda: content_of(
            cleaned(automatic(VhiSettings.from_values({"leave_out_above": "l5/s1"})), lambda one: one % 2 == 1), READER
        ),
    }


def write(content: ReportContent, folder: Path) -> None:
    """The files of one situation on one paper, and pictures of them."""
    from lib.reports.dicom_pages import pages_of
    from lib.reports.dicom_source import write_dicom
    from mrseries import mr_series

    folder.mkdir(parents=True, exist_ok=True)
    write_html(content, folder / "report.html")
    write_pdf(content, folder / "report.pdf")
    write_dicom(pages_of(content, mr_series(content.result.stir))["report.dcm"], folder / "report.dcm")
    if shutil.which("pdftoppm"):
        subprocess.run(["pdftoppm", "-r", "80", "-png", folder / "report.pdf", folder / "page"], check=True)
    if browser := shutil.which("chromium"):
        picture = [browser, "--headless", "--no-sandbox", "--window-size=1100,2600", f"--screenshot={folder / 'html.png'}"]
        subprocess.run([*picture, (folder / "report.html").resolve().as_uri()], check=True, capture_output=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path)
    parser.add_argument("--only", nargs="+", choices=list(situations()), default=list(situations()))
    given = parser.parse_args()
    for name in given.only:
        content = situations()[name]()
        for paper in PAPERS:
            write(replace(content, paper=paper), given.out / name / paper)
        print(f"{name}: {content.title}, {content.vhi}. {content.verdict}", flush=True)


if __name__ == "__main__":
    main()
