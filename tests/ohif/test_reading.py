"""A case read in the browser from opening it to what the archive then holds: every voxel where the reader saw it."""

from __future__ import annotations

import base64
import gzip
import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import nibabel
import numpy as np
import pydicom
import pytest
import requests

from archives import Archive, Study
from lib.core.volume import Grid
from lib.pacs import client
from lib.studies.dicom_seg_reader import read_segments
from pacsdesk import client_of, dice, numbers_of
from viewing import ViewerDesk, dismiss_notice, wait_for

pytestmark = [pytest.mark.browser, pytest.mark.server]

REGION, BONE, INFLAMMATION, CONSERVATIVE = "disease region", "normal bone", "inflammation", "inflammation (conservative)"
NUMBERS = {REGION: 1, BONE: 2, INFLAMMATION: 3, CONSERVATIVE: 4}
VOXELS = """() => {
  const data = window.services.segmentationService.getLabelmapVolume('1').voxelManager.getCompleteScalarDataArray();
  let text = '';
  for (let n = 0; n < data.length; n += 8192) text += String.fromCharCode(...data.slice(n, n + 8192));
  return btoa(text);
}"""
PLACE = """([series, voxel]) => {
  const { viewportGridService, displaySetService, cornerstoneViewportService, segmentationService } = window.services;
  for (const { viewportId, displaySetInstanceUIDs } of viewportGridService.getState().viewports.values()) {
    if (displaySetService.getDisplaySetByUID(displaySetInstanceUIDs[0]).SeriesInstanceUID !== series) continue;
    const viewport = cornerstoneViewportService.getCornerstoneViewport(viewportId);
    const world = segmentationService.getLabelmapVolume('1').imageData.indexToWorld(voxel);
    const [x, y] = viewport.worldToCanvas(world);
    const { left, top } = viewport.element.getBoundingClientRect();
    return [left + x, top + y];
  }
}"""


COLOURS = """(index) => [...window.services.viewportGridService.getState().viewports.keys()].map((id) =>
  [...window.services.segmentationService.getSegmentColor(id, '1', index)])"""
# the browser does not tell a test what a form with a file holds
LISTEN = """() => {
  const plain = window.fetch;
  window.fetch = (url, options) => {
    if (String(url).includes('/datastore/label')) window.sentParams = options.body.get('params');
    return plain(url, options);
  };
}"""


@dataclass
class Reader:
    """Someone who reads a case in a window; what is on screen, and what the server says of the same."""

    page: Any
    desk: ViewerDesk
    study: Study
    name: str

    def open(self) -> None:
        self.page.goto(self.desk.address(self.study), wait_until="domcontentloaded")
        self.page.locator("#vhi-measure:enabled").wait_for()
        dismiss_notice(self.page)
        self.page.locator("#vhi-reader-name").fill(self.name)
        self.page.keyboard.press("Tab")

    def measure(self) -> None:
        self.page.locator("#vhi-measure").click()
        self.page.locator("[data-vhi='sensitive']").wait_for()
        self.rest()

    def rest(self) -> None:
        """Until the server has answered."""
        self.page.locator("#vhi-measure:enabled").wait_for()

    def map(self) -> np.ndarray:
        """The label map on screen, `(I, J, K)` as the series' NIfTI has it."""
        flat = np.frombuffer(base64.b64decode(self.page.evaluate(VOXELS)), np.uint8)
        return flat.reshape(self.grid.shape, order="F")

    @cached_property
    def grid(self) -> Grid:
        """Where the server and the viewer have STIR's voxels; the NIfTI that the study was made from counts its rows upwards."""
        found = nifti(requests.get(f"{self.desk.url}/datastore/image?image={self.study.stir_uid}", timeout=120).content)
        return Grid(found.shape, found.affine)

    def asked(self, model: str, **params: Any) -> tuple[dict[str, Any], np.ndarray]:
        """Facts and labels of a task, asked of the server beside the browser; labels `(I, J, K)` on the viewer's grid."""
        url = f"{self.desk.url}/infer/{model}?image={self.study.stir_uid}"
        form = {"params": json.dumps({"client_id": self.name, **params})}
        facts = requests.post(f"{url}&output=json", data=form, timeout=120).json()
        file = requests.post(f"{url}&output=image", data=form, timeout=120).content
        return facts, np.asarray(nifti(file).dataobj)

    def at(self, voxel: list[int], role: str = "STIR") -> tuple[float, float]:
        """Where a voxel of STIR's grid is drawn, in the viewport of either series."""
        x, y = self.page.evaluate(PLACE, [{"STIR": self.study.stir_uid, "T1W": self.study.t1w_uid}[role], voxel])
        return x, y

    def stroke(self, voxel: list[int], role: str) -> None:
        """Draw with the tool in hand, from a voxel a little to the side."""
        x, y = self.at(voxel, role)
        mouse = self.page.mouse
        mouse.move(x - 30, y - 30)
        mouse.move(x, y, steps=6)
        self.page.wait_for_timeout(300)  # the brush's own cursor follows the pointer
        before = self.map()
        mouse.down()
        mouse.move(x + 8, y + 2, steps=4)
        mouse.up()
        wait_for(lambda: not np.array_equal(before, self.map()))
        self.page.wait_for_timeout(300)

    def take(self, tool: str) -> None:
        self.page.locator(f"[data-tool='{tool}']").click()

    def row(self, lesion: int) -> Any:
        return self.page.locator(f"tr[data-lesion='{lesion}']")

    def submit(self) -> dict[str, Any]:
        """Submit; what was sent beside the map."""
        self.page.evaluate(LISTEN)
        self.page.locator("#vhi-submit").click()
        self.page.locator("#vhi-submitted").wait_for()
        return json.loads(self.page.evaluate("window.sentParams"))


def nifti(content: bytes) -> nibabel.Nifti1Image:
    is_compressed = content[:2] == b"\x1f\x8b"
    return nibabel.Nifti1Image.from_bytes(gzip.decompress(content) if is_compressed else content)


@pytest.fixture
def reading(page, desk) -> Callable[[str, str], Reader]:
    def start(name: str, study: str) -> Reader:
        reader = Reader(page, desk, desk.studies[study], name)
        reader.open()
        return reader

    return start


def number(text: str) -> int:
    return int(text.split()[0].replace(",", ""))


def lesion_of_two_grades(facts: dict[str, Any]) -> dict[str, Any]:
    return next(one for one in facts["lesions"] if 0 < one["conservative_share"] < 1 and one["voxels"] > 50)


def in_archive(archive: Archive, study: Study, modality: str) -> list[pydicom.Dataset]:
    found: client.Archive = client_of(archive)
    series = found.series(study.study_uid, Modality=modality)
    return [one for entry in series for one in found.retrieve(study.study_uid, entry.series_uid)]


def by_reader(objects: list[pydicom.Dataset], name: str) -> list[pydicom.Dataset]:
    return [one for one in objects if name in str(one)]


@pytest.mark.parametrize("study", ["ascending", "descending"])
def test_a_case_is_read_cleaned_painted_and_submitted_and_the_archive_holds_what_was_on_screen(
    reading, study, shot, record_property
):
    reader = reading("anna", study)
    facts, labels = reader.asked("vhi", show="both")
    reader.measure()
    on_screen = reader.map()
    np.testing.assert_array_equal(on_screen == NUMBERS[INFLAMMATION], labels == facts["label_names"][INFLAMMATION])
    np.testing.assert_array_equal(on_screen == NUMBERS[CONSERVATIVE], labels == facts["label_names"][CONSERVATIVE])
    for name, colour in ((INFLAMMATION, [255, 220, 0]), (CONSERVATIVE, [230, 30, 30])):
        shown = reader.page.evaluate(COLOURS, NUMBERS[name])
        assert [one[:3] for one in shown] == [colour, colour]
    assert number(reader.page.locator("[data-vhi='sensitive']").inner_text()) == round(facts["vhi_mm3"]["sensitive"])
    assert number(reader.page.locator("[data-vhi='conservative']").inner_text()) == round(facts["vhi_mm3"]["conservative"])
    shot("measured")

    lesion = lesion_of_two_grades(facts)
    everywhere = reader.asked("vhi_clean", background=[lesion["voxel"]])[1] > 0
    gone = (labels > 0) & ~everywhere
    assert np.count_nonzero(gone) == lesion["voxels"]
    reader.row(lesion["id"]).get_by_role("button").click()
    reader.page.locator(f"tr.removed[data-lesion='{lesion['id']}']").wait_for()
    reader.rest()
    np.testing.assert_array_equal(reader.map(), np.where(gone, 0, on_screen))
    shot("removed")
    reader.row(lesion["id"]).get_by_role("button").click()
    reader.page.locator(f"tr.kept[data-lesion='{lesion['id']}']").wait_for()
    reader.rest()
    np.testing.assert_array_equal(reader.map(), on_screen)

    # the same lesion, by one click in the image of the other series
    reader.row(lesion["id"]).click()
    slice_told = reader.row(lesion["id"]).locator("td").nth(1).inner_text()
    for overlay in reader.page.locator("[data-cy='viewport-overlay-bottom-right']").all():
        assert f"({slice_told}/{reader.grid.shape[2]})" in overlay.inner_text()
    reader.take("remove")
    reader.page.mouse.click(*reader.at(lesion["voxel"], "T1W"))
    reader.page.locator(f"tr.removed[data-lesion='{lesion['id']}']").wait_for()
    reader.rest()
    np.testing.assert_array_equal(reader.map(), np.where(gone, 0, on_screen))

    # a stroke over the largest lesion that is left, in the other series, and one that is undone
    painted_at = next(one for one in facts["lesions"] if one["id"] != lesion["id"])
    reader.row(painted_at["id"]).click()
    before = reader.map()
    reader.take("CircularBrush")
    reader.stroke(painted_at["voxel"], "T1W")
    painted = reader.map()
    assert np.count_nonzero(painted != before) > 0
    assert set(np.unique(painted[painted != before])) == {NUMBERS[INFLAMMATION]}
    reader.take("CircularEraser")
    reader.stroke(painted_at["voxel"], "STIR")
    assert np.count_nonzero(reader.map()) < np.count_nonzero(painted)
    reader.page.locator("#vhi-undo").click()
    np.testing.assert_array_equal(reader.map(), painted)
    shot("painted")

    reader.page.locator("#vhi-rating").select_option("satisfactory")
    sent = reader.submit()
    shot("submitted")
    assert sent["label_info"] == [{"name": INFLAMMATION, "idx": 1}]
    assert (sent["client_id"], sent["rating"]) == ("anna", "satisfactory")
    assert sent["effort"]["boundary_edits"] == 2
    assert sent["effort"]["clicks"] >= 8
    assert sent["effort"]["seconds"] > 0
    record_property("effort of a whole reading", json.dumps(sent["effort"]))
    check_archive(reader, painted > 0)


def check_archive(reader: Reader, expected: np.ndarray) -> None:
    """The Segmentation and the structured report of a submission, as the archive hands them out."""
    archive, study = reader.desk.archive, reader.study
    wait_for(lambda: len(by_reader(in_archive(archive, study, "SR"), reader.name)) == 1)
    segs = [one for one in by_reader(in_archive(archive, study, "SEG"), reader.name) if INFLAMMATION in names_of(one)]
    (seg,) = segs
    found = read_segments(seg, reader.grid)
    assert dice(found[INFLAMMATION].data, expected) == 1.0
    for axis in range(3):
        assert dice(np.flip(found[INFLAMMATION].data, axis), expected) < 0.6
    assert set(found) >= {BONE, REGION, INFLAMMATION, CONSERVATIVE}
    colours = {one.SegmentLabel: tuple(one.RecommendedDisplayCIELabValue) for one in seg.SegmentSequence}
    assert colours[INFLAMMATION] != colours[CONSERVATIVE]
    meanings = {one.SegmentLabel: one.SegmentedPropertyTypeCodeSequence[0].CodeMeaning for one in seg.SegmentSequence}
    assert len(set(meanings.values())) > 1
    (report,) = by_reader(in_archive(archive, study, "SR"), reader.name)
    url = f"{reader.desk.url}/vhi/report?image={study.stir_uid}&reader={reader.name}&form=json"
    numbers = requests.get(url, timeout=60).json()
    told = numbers_of(report)
    assert told["VHI at the sensitive threshold"]["Volume"] == pytest.approx(numbers["vhi_mm3"]["sensitive"], rel=1e-6)
    assert told["VHI at the conservative threshold"]["Volume"] == pytest.approx(numbers["vhi_mm3"]["conservative"], rel=1e-6)
    shown = reader.page.locator("[data-vhi='sensitive']").first.inner_text()
    assert number(shown) == round(numbers["vhi_mm3"]["sensitive"])


def names_of(seg: pydicom.Dataset) -> set[str]:
    return {one.SegmentLabel for one in seg.SegmentSequence}


def connect(page) -> None:
    """Connect MONAI Label's own panel."""
    page.locator("[data-cy='monailabel-btn']").click()
    page.locator(".settingsTable button.actionButton").click()
    page.locator(".monaiLabelPanel .tabs").wait_for()


def activate(reader: Reader, role: str) -> None:
    x, y = reader.at([5, 5, 5], role)
    reader.page.mouse.click(x, y)


def run_stock(reader: Reader, model: str) -> None:
    """Run a task from MONAI Label's own panel, and wait until it is drawn."""
    before = reader.map()
    reader.page.locator("label[for='tab-2']").click()
    reader.page.locator(".tab:has(#tab-2) select.selectBox").select_option(model)
    with reader.page.expect_response(lambda one: f"/infer/{model}" in one.url) as answer:
        reader.page.locator("button[title='Run Segmentation']").click()
    assert answer.value.status == 200
    wait_for(lambda: not np.array_equal(before, reader.map()))


@pytest.mark.parametrize("study", ["ascending", "descending"])
@pytest.mark.parametrize("first", ["connected, then T1W", "T1W, then connected"])
def test_monai_labels_own_panel_draws_at_the_right_place_whatever_was_shown_when_it_connected(reading, study, first, shot):
    reader = reading("ben", study)
    if first == "T1W, then connected":
        activate(reader, "T1W")
    connect(reader.page)
    if first == "connected, then T1W":
        activate(reader, "T1W")
    expected = np.zeros(reader.grid.shape, np.uint8)
    for model, name in (("disease_region", REGION), ("vhi", INFLAMMATION)):
        run_stock(reader, model)
        expected[reader.asked(model)[1] > 0] = NUMBERS[name]
        np.testing.assert_array_equal(reader.map(), expected)
    shot("drawn")
    labels = reader.page.evaluate(
        "Object.values(window.services.segmentationService.getSegmentation('1').segments).map((one) => one.label)"
    )
    assert labels[:4] == [REGION, BONE, INFLAMMATION, CONSERVATIVE]
    shown = reader.page.evaluate(
        "[...window.services.viewportGridService.getState().viewports.keys()].map((id) => "
        "window.services.segmentationService.getSegmentationRepresentations(id, { segmentationId: '1' }).length)"
    )
    assert shown == [1, 1]


def test_monai_labels_own_point_prompts_clean_a_lesion_and_its_next_sample_names_a_study(reading, shot):
    reader = reading("emil", "descending")
    facts, labels = reader.asked("vhi")
    lesion = lesion_of_two_grades(facts)
    reader.measure()
    reader.row(lesion["id"]).click()
    activate(reader, "T1W")
    connect(reader.page)
    run_stock(reader, "vhi")
    np.testing.assert_array_equal(reader.map() == NUMBERS[INFLAMMATION], labels > 0)
    reader.page.locator("label[for='tab-3']").click()
    tab = reader.page.locator(".tab:has(#tab-3)")
    tab.locator("tr.clickable-row", has_text="background").click()
    x, y = reader.at(lesion["voxel"], "T1W")
    reader.page.mouse.move(x - 5, y - 5)
    reader.page.mouse.click(x, y)
    tab.locator("tr.clickable-row", has_text=INFLAMMATION).first.click()
    before = reader.map()
    with reader.page.expect_response(lambda one: "/infer/vhi_clean" in one.url) as answer:
        tab.locator("button[title='Run PointPrompts']").click()
    assert answer.value.status == 200
    wait_for(lambda: not np.array_equal(before, reader.map()))
    shot("cleaned")
    np.testing.assert_array_equal(reader.map() > 0, reader.asked("vhi_clean", background=[lesion["voxel"]])[1] > 0)

    reader.page.locator("label[for='tab-1']").click()
    with reader.page.expect_request(lambda one: "/activelearning/" in one.url) as asked:
        reader.page.get_by_role("button", name="Next Sample").click()
    assert asked.value.post_data_json["client_id"] == "emil"
    dialog = reader.page.locator(".nextSampleForm").last
    dialog.get_by_text("Study Instance UID").wait_for()
    assert any(one.study_uid in dialog.inner_text() for one in reader.desk.studies.values())


def export_by_menu(page) -> None:
    """Take "Export DICOM SEG" from the menu beside the segmentation's name."""
    page.locator("[data-cy='panelSegmentationWithTools-btn']").click()
    page.locator("xpath=//*[contains(text(), 'Appearance Settings')]/following::button[@aria-haspopup='menu'][1]").click()
    page.get_by_role("menuitem", name="Export & Download").hover()
    page.get_by_role("menuitem", name="Export DICOM SEG").click()


def test_the_viewers_own_export_is_stored_and_lies_where_it_was_drawn(reading, shot):
    for study in ("ascending", "descending"):
        reader = reading("carl", study)
        reader.measure()
        expected = reader.map() > 0
        before = {one.SOPInstanceUID for one in in_archive(reader.desk.archive, reader.study, "SEG")}
        with reader.page.expect_response(lambda one: one.request.method == "POST" and "/studies" in one.url) as stored:
            export_by_menu(reader.page)
            reader.page.locator("[data-cy='input-undefined']").fill("exported")
            reader.page.locator("[data-cy='Save-btn']").click()
        assert stored.value.status == 200
        shot(study)
        segs = in_archive(reader.desk.archive, reader.study, "SEG")
        (seg,) = [one for one in segs if one.SOPInstanceUID not in before and one.SeriesDescription == "exported"]
        found = read_segments(seg, reader.grid)
        drawn = found[INFLAMMATION].data | found[CONSERVATIVE].data
        assert dice(drawn, expected) == 1.0
        assert dice(np.flip(drawn, 2), expected) < 0.6


def test_opening_a_case_and_seeing_vhi_takes_two_clicks(desk, page, record_property):
    study = desk.studies["ascending"]
    reader = Reader(page, desk, study, "dora")
    reader.open()
    reader.measure()  # the server and the browser are warm now
    page.goto(f"{desk.url}/ohif/", wait_until="domcontentloaded")
    row = page.locator(f"[data-cy='studyRow-{study.study_uid}']")
    row.wait_for()
    row.click()
    started = time.monotonic()
    page.locator(f"[data-cy='mode-monai-label-{study.study_uid}']").click()
    page.locator("#vhi-measure:enabled").click()
    page.locator("[data-vhi='sensitive']").wait_for()
    record_property("seconds from opening a case to VHI", round(time.monotonic() - started, 2))
    assert np.count_nonzero(reader.map())
