"""Random readings: the number on the screen at submission is the one in the store, the JSON and the structured report."""

from __future__ import annotations

import json
import os
import random
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest

from archived_case import numbers_of
from lib.core.normal_bone import NormalBone
from lib.errors import NormalBoneError
from lib.pacs.results import ArchiveResults
from lib.phantom.study import make_phantom
from lib.service.service import VhiService
from lib.service.submissions import ChangedNumberError
from lib.studies.dicomize import write_dicom_study
from lib.studies.nifti import read_volume, write_volume
from panelmodel import BONE, INFLAMMATION, REGION, Panel, as_counts, expected, truth

pytestmark = pytest.mark.slow  # seconds in all

FAST = 20
READINGS = int(os.environ.get("VHI_READINGS", "160"))  # by hand 300
IMAGE = "p_STIR"


class DicomFiles:
    """Writes the DICOM objects of a submission beside it, and sends nothing."""

    def __init__(self, service: VhiService, dicom: Path) -> None:
        folders = {"T1W": dicom / "T1W", "STIR": dicom / "STIR"}
        self.results = ArchiveResults(service.readings, None, lambda _, role: folders[role], service.public_name)

    def write(self, *submission: Any) -> tuple[str, ...]:
        return self.results.write(*submission)

    def post(self, made: Any) -> None:
        return

    def delivery_state(self, made: Any) -> Mapping[str, Any]:
        return {}


def prepared(folder: Path, t1w: Path, stir: Path) -> Path:
    """A case with its automatic regions by the shipped networks, and the same as DICOM series."""
    (folder / "studies").mkdir(parents=True)
    for role, path in (("T1W", t1w), ("STIR", stir)):
        shutil.copy2(path, folder / "studies" / f"p_{role}.nii.gz")
    assert VhiService(folder / "studies").precomputing.one_case() == 0
    write_dicom_study(folder / "written", t1w, stir)
    for role in ("T1W", "STIR"):
        (folder / "dicom" / role).mkdir(parents=True)
    for path in (folder / "written").rglob("*.dcm"):
        role = "STIR" if "STIR" in str(pydicom.dcmread(path, stop_before_pixels=True).SeriesDescription) else "T1W"
        shutil.copy2(path, folder / "dicom" / role)
    return folder


@pytest.fixture(scope="session")
def small_case(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("random-readings")
    study = make_phantom(3, (80, 80, 9))
    for role, volume in (("T1W", study.t1w), ("STIR", study.stir)):
        write_volume(folder / f"{role}.nii.gz", volume)
    return prepared(folder / "case", folder / "T1W.nii.gz", folder / "STIR.nii.gz")


@pytest.fixture
def without_drawings(monkeypatch: pytest.MonkeyPatch) -> None:
    """The drawn pages take seconds each and hold no number that the JSON does not; other tests read them."""
    for form in ("write_html", "write_pdf"):
        monkeypatch.setattr(f"lib.service.submission_files.{form}", lambda content, path: path.write_text("left out"))


class Reader:
    """Does something at random, as far as the panel would let it."""

    def __init__(self, seed: int, case: Path, folder: Path) -> None:
        self.random, self.case, self.folder = random.Random(seed), case, folder
        shutil.copytree(case / "studies", folder / "studies")
        self.panel = Panel(self.service(), IMAGE, "anna")
        scan = self.panel.service
        with scan.cases.loaded(scan.cases.of_image(IMAGE)[0]) as scans:
            automatic = scan._measuring.automatic.of(scans)
        self.known = {
            "folder": folder / "studies",
            "region": automatic.region,
            "bone": NormalBone(automatic.normal_bone, "proposed", automatic.confidence),
            "reference": automatic.reference,
        }
        self.stir = read_volume(folder / "studies" / "p_STIR.nii.gz", "STIR").data

    def service(self) -> VhiService:
        """As it is after a start of the server."""
        made = VhiService(self.folder / "studies")
        made.delivery = DicomFiles(made, self.case / "dicom")
        return made

    def act(self) -> None:
        panel = self.panel
        acts = [self.options, self.show, self.draw_region, self.reload, panel.undo, panel.redo, self.measure]
        if panel.screen.automatic is not None:
            acts += [self.click] * 4 + [self.stroke] * 4 + [panel.undo, self.put_back]
        self.random.choice(acts)()

    def measure(self) -> None:
        try:
            self.panel.measure()
        except NormalBoneError:
            self.put_back()

    def options(self) -> None:
        self.panel.options = self.random.choice([{}, {"proposal": "show"}, *[{"proposal": "apply"}] * 3, {"min_pixels": 6}])

    def show(self) -> None:
        self.panel.show(self.random.choice([REGION, BONE]))

    def reload(self) -> None:
        """The server starts again, and the panel goes on with its draft."""
        self.panel.service = self.service()

    def put_back(self) -> None:
        for name in (REGION, BONE):
            if name in self.panel.screen.masks:
                self.panel.show(name)

    def draw_region(self) -> None:
        name = self.random.choice([REGION, BONE])
        if name not in self.panel.screen.masks:
            self.panel.show(name)
        self.panel.stroke(name, self.brush(self.panel.screen.masks[name], 2), self.random.random() < 0.5)

    def click(self) -> None:
        screen = self.panel.screen
        what = self.random.choice(["remove", "restore"])
        voxels = np.argwhere((screen.automatic > 0) & (screen.left if what == "remove" else ~screen.left))
        if len(voxels):
            i, j, k = (int(n) for n in voxels[self.random.randrange(len(voxels))])
            self.panel.click(what, (i, j, k), self.random.choice(["lesion", "slice"]))

    def stroke(self) -> None:
        near = self.panel.screen.masks[INFLAMMATION] | (self.panel.screen.automatic > 0)
        self.panel.stroke(INFLAMMATION, self.brush(near, self.random.randrange(1, 4)), self.random.random() < 0.5)

    def brush(self, near: np.ndarray, radius: int) -> np.ndarray:
        """A disc in one slice, at some voxel of a mask or anywhere."""
        voxels = np.argwhere(near) if near.any() and self.random.random() < 0.9 else np.argwhere(np.ones(near.shape, bool))
        i, j, k = voxels[self.random.randrange(len(voxels))]
        rows, columns = np.ogrid[: near.shape[0], : near.shape[1]]
        disc = np.zeros(near.shape, bool)
        disc[:, :, k] = (rows - i) ** 2 + (columns - j) ** 2 <= radius**2
        return disc

    def shown(self) -> dict[str, Any]:
        """The facts on the screen before Submit is pressed; a region that gives no threshold is put back first."""
        for _ in range(3):
            try:
                if self.panel.screen.automatic is None:
                    self.panel.measure()
                return self.panel.preview()
            except NormalBoneError:
                self.put_back()
        raise AssertionError("no number, with both regions put back")


def check_reading(seed: int, case: Path, folder: Path, steps: int) -> None:
    reader = Reader(seed, case, folder)
    for _ in range(reader.random.randrange(2, steps)):
        reader.act()
    shown, panel = reader.shown(), reader.panel
    result = truth(panel, reader.known)
    voxels, who = expected(panel, result)
    volume = result.stir.grid.voxel_volume_mm3
    # the screen is right
    assert {grade: shown["voxels"][grade] for grade in voxels} == voxels
    assert (shown["thresholds"]["sensitive"], shown["thresholds"]["rule"]) == (
        result.thresholds.sensitive,
        result.thresholds.rule,
    )
    assert shown["normal_bone"]["source"] == result.normal_bone_source
    assert as_counts(shown["corrections"]) == who
    # and what is kept is the screen
    if reader.random.random() < 0.2:
        with pytest.raises(ChangedNumberError, match="would be kept"):
            panel.submit("f" * 32)
        assert panel.service.submissions(IMAGE, "anna") == ()
        made = panel.submit("f" * 32, confirmed=shown["result_id"])
    else:
        made = panel.submit(shown["result_id"])
    kept = panel.service.readings.folder_of(made)
    numbers = json.loads((kept / "vhi.json").read_text())
    for name in ("vhi_mm3", "voxels", "thresholds", "stability", "normal_bone", "disease_region", "warnings", "stage"):
        assert numbers[name] == shown[name], name
    assert made.result["result_id"] == shown["result_id"]
    assert as_counts(made.corrections) == as_counts(numbers["reading"]["corrections"]) == who
    for name, mask in panel.screen.masks.items():
        np.testing.assert_array_equal(panel.service.readings.read_segment(made, name).data, mask)
    report = numbers_of(pydicom.dcmread(kept / "sr.dcm"))
    for grade in ("sensitive", "conservative"):
        in_report = report[f"VHI at the {grade} threshold"]
        assert in_report["Volume"] == pytest.approx(voxels[grade] * volume, rel=1e-12)
        assert in_report["Threshold Value"] == pytest.approx(shown["thresholds"][grade], rel=1e-12)
    # the next one who opens it sees the same
    again = reader.service()
    found, (labels, _) = again.reading(IMAGE, "anna"), again.reading_labels(IMAGE, "anna")
    assert found["result"]["result_id"] == shown["result_id"]
    assert found["decisions"]["clicks"] == panel.screen.clicks
    values = {one["name"]: one["idx"] for one in found["label_info"]}
    for name, mask in panel.screen.masks.items():
        np.testing.assert_array_equal(np.isin(labels, values[name]), mask)


@pytest.mark.parametrize("seed", range(FAST))
def test_what_stands_on_the_screen_is_what_is_kept_reported_and_sent(seed, small_case, tmp_path, without_drawings):
    check_reading(seed, small_case, tmp_path, 16)


@pytest.mark.parametrize("first", range(FAST, READINGS, 20))
def test_what_stands_on_the_screen_is_kept_in_many_more_readings(first, small_case, tmp_path, without_drawings):
    for seed in range(first, min(first + 20, READINGS)):
        check_reading(seed, small_case, tmp_path / str(seed), 24)


@pytest.mark.data
def test_what_stands_on_the_screen_is_kept_on_a_real_scan(vhi_data, tmp_path, without_drawings):
    t1w, stir = (next(iter(sorted((vhi_data / "images_study" / role).glob("*.nii.gz")))) for role in ("T1W", "STIR"))
    case = prepared(tmp_path / "case", t1w, stir)
    for seed in range(3):
        check_reading(seed, case, tmp_path / str(seed), 10)
