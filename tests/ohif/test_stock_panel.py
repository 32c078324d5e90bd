"""MONAI Label's own panel and the viewer's own export, in the page as we serve it: they draw and store at the right place."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from archived_case import dice
from browsing import BONE, CONSERVATIVE, INFLAMMATION, NUMBERS, REGION, Reader, in_archive, lesion_of_two_grades
from lib.studies.dicom_seg_reader import read_segments
from viewing import wait_for

pytestmark = [pytest.mark.browser, pytest.mark.server]

POINTS = """window.cornerstoneTools.annotation.state.getAllAnnotations()
  .filter((one) => one.metadata.toolName === 'ProbeMONAILabel').length"""
LENGTH_ELSEWHERE = """window.cornerstoneTools.annotation.state.addAnnotation({
  annotationUID: 'length', data: { handles: { points: [[0, 0, 0], [9, 0, 0]] } },
  metadata: { toolName: 'Length', FrameOfReferenceUID: '1.2' },
}, '1.2')"""


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


# each archive, each direction of the slices, of which no archive knows, and each order: of any two, every pair
CASES = [
    pytest.param("embedded", "ascending", "connected, then T1W", marks=pytest.mark.pacs),
    pytest.param("embedded", "descending", "T1W, then connected", marks=pytest.mark.pacs),
    pytest.param("orthanc", "ascending", "T1W, then connected", marks=pytest.mark.pacs),
    pytest.param("orthanc", "descending", "connected, then T1W", marks=pytest.mark.pacs),
]


@pytest.mark.parametrize(("viewer_server", "study", "first"), CASES, indirect=["viewer_server"])
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
    reader.page.locator("[data-cy='vhi-btn']").click()
    assert "MONAI Label's panel drew this" in reader.page.locator("#vhi-message").inner_text()
    labels = reader.page.evaluate(
        "Object.values(window.services.segmentationService.getSegmentation('1').segments).map((one) => one.label)"
    )
    assert labels[:4] == [REGION, BONE, INFLAMMATION, CONSERVATIVE]
    shown = reader.page.evaluate(
        "[...window.services.viewportGridService.getState().viewports.keys()].map((id) => "
        "window.services.segmentationService.getSegmentationRepresentations(id, { segmentationId: '1' }).length)"
    )
    assert shown == [1, 1]


def point_prompts(reader: Reader) -> Any:
    """Open MONAI Label's tab of point prompts."""
    connect(reader.page)
    reader.page.locator("label[for='tab-3']").click()
    return reader.page.locator(".tab:has(#tab-3)")


def choose(tab, label: str) -> None:
    tab.locator("tr.clickable-row", has_text=label).first.click()


def run_points(reader: Reader, tab) -> None:
    with reader.page.expect_response(lambda one: "/infer/vhi_clean" in one.url) as answer:
        tab.locator("button[title='Run PointPrompts']").click()
    assert answer.value.status == 200


def test_monai_labels_own_point_prompts_clean_a_lesion(reading, shot):
    reader = reading("emil", "descending")
    facts, labels = reader.asked("vhi")
    lesion = lesion_of_two_grades(facts)
    reader.measure()
    reader.row(lesion["id"]).click()
    activate(reader, "T1W")
    tab = point_prompts(reader)
    run_stock(reader, "vhi")
    np.testing.assert_array_equal(reader.map() == NUMBERS[INFLAMMATION], labels > 0)
    reader.page.locator("label[for='tab-3']").click()
    choose(tab, "background")
    x, y = reader.at(lesion["voxel"], "T1W")
    reader.page.mouse.move(x - 5, y - 5)
    reader.page.mouse.click(x, y)
    # the viewer waits for a second click before it takes the first
    wait_for(lambda: reader.page.evaluate(POINTS) == 1)
    choose(tab, INFLAMMATION)
    before = reader.map()
    run_points(reader, tab)
    wait_for(lambda: not np.array_equal(before, reader.map()))
    shot("cleaned")
    np.testing.assert_array_equal(reader.map() > 0, reader.asked("vhi_clean", background=[lesion["voxel"]])[1] > 0)


def test_point_prompts_without_a_point_are_no_crash(reading):
    reader = reading("emil", "descending")
    tab = point_prompts(reader)
    choose(tab, INFLAMMATION)
    reader.page.evaluate(LENGTH_ELSEWHERE)
    before = reader.map()
    run_points(reader, tab)
    wait_for(lambda: not np.array_equal(before, reader.map()))
    np.testing.assert_array_equal(reader.map() > 0, reader.asked("vhi_clean")[1] > 0)


def test_monai_labels_own_next_sample_names_a_study(reading):
    reader = reading("emil", "descending")
    # a page of another server on this host, in the same browser, leaves this: cookies know no port
    other = {"name": "MONAILABEL_SERVER_URL", "value": "http%3A//127.0.0.1%3A1/", "domain": "127.0.0.1", "path": "/ohif"}
    reader.page.context.add_cookies([other])
    connect(reader.page)
    reader.page.locator("label[for='tab-1']").click()
    with reader.page.expect_response(lambda answer: "/activelearning/" in answer.url) as offered:
        reader.page.get_by_role("button", name="Next Sample").click()
    assert offered.value.request.post_data_json["client_id"] == "emil"
    study_uid = offered.value.json()["StudyInstanceUID"]
    dialog = reader.page.locator(".nextSampleForm").last
    wait_for(lambda: study_uid in dialog.inner_text())


def export_by_menu(page) -> None:
    """Take "Export DICOM SEG" from the menu beside the segmentation's name."""
    page.locator("[data-cy='panelSegmentationWithTools-btn']").click()
    page.locator("xpath=//*[contains(text(), 'Appearance Settings')]/following::button[@aria-haspopup='menu'][1]").click()
    # by keys: a menu that opens by hovering closes again when the pointer crosses another entry on its way
    page.get_by_role("menuitem", name="Export & Download").press("ArrowRight")
    page.get_by_role("menuitem", name="Export DICOM SEG").press("Enter")


def test_the_viewers_own_export_is_stored_and_lies_where_it_was_drawn(reading, shot):
    for study in ("ascending", "descending"):
        reader = reading("carl", study)
        reader.measure()
        expected = reader.map() > 0
        before = {one.SOPInstanceUID for one in in_archive(reader.viewer_server.archive, reader.study, "SEG")}
        with reader.page.expect_response(lambda one: one.request.method == "POST" and "/studies" in one.url) as stored:
            export_by_menu(reader.page)
            reader.page.locator("[data-cy='input-undefined']").fill("exported")
            reader.page.locator("[data-cy='Save-btn']").click()
        assert stored.value.status == 200
        shot(study)
        segs = in_archive(reader.viewer_server.archive, reader.study, "SEG")
        (seg,) = [one for one in segs if one.SOPInstanceUID not in before and one.SeriesDescription == "exported"]
        found = read_segments(seg, reader.grid)
        drawn = found[INFLAMMATION].data | found[CONSERVATIVE].data
        assert dice(drawn, expected) == 1.0
        assert dice(np.flip(drawn, 2), expected) < 0.6
