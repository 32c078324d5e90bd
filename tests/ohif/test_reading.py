"""A case read in the browser from opening it to what the archive then holds: every voxel where the reader saw it."""

from __future__ import annotations

from threading import Event
from typing import Any
from urllib.parse import urlsplit

import numpy as np
import pydicom
import pytest
import requests
from pydicom.uid import generate_uid

from archived_case import dice, numbers_of
from archives import phantom_study
from browsing import (
    BONE,
    COLOURS,
    CONSERVATIVE,
    INFLAMMATION,
    NUMBERS,
    PROPOSED,
    PROPOSED_TO_REMOVE,
    REGION,
    Reader,
    by_reader,
    in_archive,
    lesion_of_two_grades,
    number,
)
from lib.studies.dicom_seg_reader import read_segments
from lib.studies.dicomize import Labels
from viewing import DRAWN, OPEN, PICTURED, wait_for

pytestmark = [pytest.mark.browser, pytest.mark.server]


SERIES = "**/wado/studies/*/series/*"  # all images of one
# of each series: how many slices, and a number that another intensity anywhere changes
INTENSITIES = """() => [...window.cornerstone.cache.getVolumes()].filter(({ loadStatus }) => loadStatus).map((volume) => {
  const values = volume.voxelManager.getCompleteScalarDataArray();
  return [volume.dimensions[2], values.length, values.reduce((sum, value) => (sum * 31 + value) % 1000003, 0)];
})"""

# each archive, and each direction of the slices, of which no archive knows; the other two pairs are in test_stored.py
CASES = [
    pytest.param("embedded", "descending", marks=pytest.mark.pacs),
    pytest.param("orthanc", "ascending", marks=pytest.mark.pacs),
]


@pytest.mark.parametrize(("viewer_server", "study"), CASES, indirect=["viewer_server"])
def test_a_case_is_read_cleaned_painted_and_submitted_and_the_archive_holds_what_was_on_screen(reading, study, shot):
    reader = reading("anna", study)
    facts, labels = reader.asked("vhi", show="both")
    reader.measure()
    shot("measured")
    check_first_sight(reader, facts, labels)
    lesion = lesion_of_two_grades(facts)
    remove_and_restore(reader, lesion, labels)
    shot("cleaned")
    other = next(one for one in facts["lesions"] if one["id"] != lesion["id"])
    painted = paint_and_undo(reader, lesion, other)
    shot("painted")
    reader.page.locator("#vhi-rating").select_option("satisfactory")
    sent = reader.submit()
    shot("submitted")
    assert [segment["name"] for segment in sent["label_info"]] == [INFLAMMATION]
    assert (sent["client_id"], sent["rating"]) == ("anna", "satisfactory")
    assert sent["effort"]["boundary_edits"] == 2
    assert sent["effort"]["clicks"] >= 8
    assert sent["effort"]["seconds"] > 0
    check_archive(reader, painted > 0)


def check_first_sight(reader: Reader, facts: dict[str, Any], labels: np.ndarray) -> None:
    """VHI on screen is the server's: voxels, colours in both viewports, numbers."""
    on_screen = reader.map()
    for name, colour in ((INFLAMMATION, [255, 220, 0]), (CONSERVATIVE, [230, 30, 30])):
        np.testing.assert_array_equal(on_screen == NUMBERS[name], labels == facts["label_names"][name])
        assert [one[:3] for one in reader.page.evaluate(COLOURS, NUMBERS[name])] == [colour, colour]
    for grade in ("sensitive", "conservative"):
        assert number(reader.page.locator(f"[data-vhi='{grade}']").inner_text()) == round(facts["vhi_mm3"][grade])


def remove_and_restore(reader: Reader, lesion: dict[str, Any], labels: np.ndarray) -> None:
    """A lesion of two grades by one click in the list, back by another, and by one in the image of the other series."""
    on_screen, button = reader.map(), reader.row(lesion["id"]).get_by_role("button")
    gone = (labels > 0) & (reader.asked("vhi_clean", background=[lesion["voxel"]])[1] == 0)
    assert np.count_nonzero(gone) == lesion["voxels"]
    button.click()
    reader.wait_until(lesion, "removed")
    np.testing.assert_array_equal(reader.map(), np.where(gone, 0, on_screen))
    button.click()
    reader.wait_until(lesion, "kept")
    np.testing.assert_array_equal(reader.map(), on_screen)
    reader.row(lesion["id"]).click()
    told = reader.row(lesion["id"]).locator("td").nth(1).inner_text()
    slice_told = f"({told}/{reader.grid.shape[2]})"
    for overlay in reader.page.locator("[data-cy='viewport-overlay-bottom-right']").all():
        wait_for(lambda shown=overlay: slice_told in shown.inner_text())
    reader.take("remove")
    reader.page.mouse.click(*reader.at(lesion["voxel"], "T1W"))
    reader.wait_until(lesion, "removed")
    np.testing.assert_array_equal(reader.map(), np.where(gone, 0, on_screen))


def paint_and_undo(reader: Reader, removed: dict[str, Any], other: dict[str, Any]) -> np.ndarray:
    """A stroke where a lesion was removed, in the other series, and one of the eraser that is undone; the map then."""
    reader.row(removed["id"]).click()
    before = reader.map()
    reader.take("brush")
    draw(reader, removed, "T1W")
    painted = reader.map()
    assert set(np.unique(painted[painted != before])) <= {NUMBERS[INFLAMMATION], NUMBERS[CONSERVATIVE]}
    assert np.count_nonzero(painted) > np.count_nonzero(before)
    reader.row(other["id"]).click()
    reader.take("eraser")
    draw(reader, other, "STIR")
    assert np.count_nonzero(reader.map()) < np.count_nonzero(painted)
    reader.page.locator("#vhi-undo").click()
    reader.rest()
    np.testing.assert_array_equal(reader.map(), painted)
    return painted


def draw(reader: Reader, lesion: dict[str, Any], role: str) -> None:
    """One stroke in the middle of a lesion, until the page shows the grades that the server finds."""
    steps = reader.page.evaluate("window.viewerSession.reading.effort.strokes")
    reader.stroke(lesion["voxel"], role)
    reader.page.wait_for_function("steps => window.viewerSession.reading.effort.strokes > steps", arg=steps)
    reader.rest()


def check_archive(reader: Reader, expected: np.ndarray) -> None:
    """The Segmentation and the structured report of a submission, as the archive hands them out."""
    archive, study = reader.viewer_server.archive, reader.study
    wait_for(lambda: len(by_reader(in_archive(archive, study, "SR"), reader.name)) == 1)
    segs = [one for one in by_reader(in_archive(archive, study, "SEG"), reader.name) if INFLAMMATION in names_of(one)]
    (seg,) = segs
    found = read_segments(seg, reader.grid)
    url = f"{reader.viewer_server.url}/vhi/report?image={study.stir_uid}&reader={reader.name}&form=json"
    numbers = requests.get(url, timeout=60).json()
    # what was painted below the sensitive threshold does not count, and the report says how much that was
    assert not (found[INFLAMMATION].data & ~expected).any()
    dark = numbers["reading"]["changes"][INFLAMMATION]["painted_below_threshold"]
    assert np.count_nonzero(expected & ~found[INFLAMMATION].data) == dark < 20
    for axis in range(3):
        assert dice(np.flip(found[INFLAMMATION].data, axis), expected) < 0.6
    assert set(found) >= {BONE, REGION, INFLAMMATION, CONSERVATIVE}
    colours = {one.SegmentLabel: tuple(one.RecommendedDisplayCIELabValue) for one in seg.SegmentSequence}
    assert colours[INFLAMMATION] != colours[CONSERVATIVE]
    meanings = {one.SegmentLabel: one.SegmentedPropertyTypeCodeSequence[0].CodeMeaning for one in seg.SegmentSequence}
    assert len(set(meanings.values())) > 1
    (report,) = by_reader(in_archive(archive, study, "SR"), reader.name)
    told = numbers_of(report)
    assert told["VHI at the sensitive threshold"]["Volume"] == pytest.approx(numbers["vhi_mm3"]["sensitive"], rel=1e-6)
    assert told["VHI at the conservative threshold"]["Volume"] == pytest.approx(numbers["vhi_mm3"]["conservative"], rel=1e-6)
    shown = reader.page.locator("[data-vhi='sensitive']").first.inner_text()
    assert number(shown) == round(numbers["vhi_mm3"]["sensitive"])


def names_of(seg: pydicom.Dataset) -> set[str]:
    return {one.SegmentLabel for one in seg.SegmentSequence}


def test_vhi_can_be_measured_while_the_images_still_load(page, viewer_server, shot):
    reader = Reader(page, viewer_server, viewer_server.studies["descending"], "anna")
    gate, held = Event(), []
    for images in (SERIES, "**/frames/**"):
        page.route(images, lambda route: route.continue_() if gate.is_set() else held.append(route))
    page.goto(viewer_server.address(reader.study), wait_until="domcontentloaded")
    reader.measure()
    labels = reader.asked("vhi", show="both")[1]
    expected = np.select([labels == 1, labels == 2], [NUMBERS[INFLAMMATION], NUMBERS[CONSERVATIVE]])
    np.testing.assert_array_equal(reader.map(), expected)
    assert not page.evaluate(DRAWN)
    gate.set()
    for one in held:
        one.continue_()
    page.wait_for_function(DRAWN, polling=500)
    shot("loaded")


def test_a_series_comes_by_one_request_and_where_that_is_refused_by_one_for_each_slice(page, viewer_server, watch):
    study, asked = viewer_server.studies["ascending"], []
    page.on("request", lambda request: asked.append(urlsplit(request.url).path))

    def opened() -> list[list[int]]:
        asked.clear()
        page.goto(viewer_server.address(study), wait_until="domcontentloaded")
        page.locator(PICTURED).wait_for()
        return page.evaluate(INTENSITIES)

    volumes = opened()
    (metadata,) = (n for n, path in enumerate(asked) if path.endswith("/metadata"))
    whole = [
        n
        for uid in (study.stir_uid, study.t1w_uid)
        for n, path in enumerate(asked)
        if path.endswith(f"/wado/studies/{study.study_uid}/series/{uid}")
    ]
    assert len(whole) == 2
    assert min(whole) > metadata  # which the viewer waits for before it mounts
    assert not [path for path in asked if "/frames/" in path]
    page.route(SERIES, lambda route: route.fulfill(status=406))
    assert opened() == volumes
    assert len({path for path in asked if "/frames/" in path}) == sum(slices for slices, *_ in volumes)
    assert all("406" in error for error in watch.errors)
    watch.errors.clear()


def test_without_a_label_map_nothing_is_drawn_yet_and_that_is_no_error(reading):
    """As in the moments between a case's opening and its first images, in which it can be measured already."""
    reader = reading("otto", "ascending")
    (known,) = reader.page.evaluate("window.services.segmentationService.getSegmentations().map((one) => one.segmentationId)")
    reader.page.evaluate("(known) => window.services.segmentationService.remove(known)", known)
    drawn = "[viewerSession.reading.labelmap.volume, viewerSession.reading.drawnCells, viewerSession.reading.hasDrawnRegion]"
    assert reader.page.evaluate(drawn) == [None, None, False]


def test_images_are_shown_while_vhi_is_measured(page, viewer_server):
    held = []
    page.route("**/infer/vhi?**", lambda route: held.append(route))
    page.goto(viewer_server.address(viewer_server.studies["ascending"]), wait_until="domcontentloaded")
    with page.expect_request("**/infer/vhi?**"):
        page.locator("#vhi-measure:enabled").click()
    page.locator(PICTURED).wait_for()
    assert page.locator("[data-vhi='sensitive']").count() == 0
    (asked,) = held
    asked.continue_()
    page.locator("[data-vhi='sensitive']").wait_for()
    page.wait_for_function(DRAWN, polling=500)


def test_another_case_in_the_same_page_begins_anew_and_knows_the_reader(reading):
    first = reading("fritz", "ascending")
    first.measure()
    first.page.locator("[data-cy='return-to-work-list']").click()
    second = Reader(first.page, first.viewer_server, first.viewer_server.studies["descending"], "fritz")
    uid = second.study.study_uid
    second.page.locator(f"[data-cy='studyRow-{uid}']").click()
    second.page.locator(f"[data-cy='mode-monai-label-{uid}']").click()
    second.page.locator(OPEN).wait_for()
    assert second.page.locator("#vhi-reader-name").input_value() == "fritz"
    assert second.page.locator("[data-vhi='sensitive']").count() == 0
    assert not second.map().any()
    second.measure()
    facts, labels = second.asked("vhi", show="both")
    expected = np.select([labels == 1, labels == 2], [NUMBERS[INFLAMMATION], NUMBERS[CONSERVATIVE]])
    np.testing.assert_array_equal(second.map(), expected)
    assert number(second.page.locator("[data-vhi='sensitive']").inner_text()) == round(facts["vhi_mm3"]["sensitive"])


def test_what_is_proposed_to_be_removed_is_marked_or_left_out_and_comes_back_by_a_click(reading, shot):
    reader = reading("greta", "ascending")
    for mode in ("show", "apply"):
        reader.page.locator("#vhi-proposal").select_option(mode)
        reader.page.locator("#vhi-measure").click()
        reader.page.locator("[data-vhi='sensitive']").wait_for()
        reader.rest()
        shot(mode)
        facts, labels = reader.asked("vhi_clean", proposal=mode)
        on_screen = reader.map()
        np.testing.assert_array_equal(on_screen > 0, labels > 0)
        np.testing.assert_array_equal(on_screen == PROPOSED, labels == facts["label_names"].get(PROPOSED_TO_REMOVE, 255))
        assert number(reader.page.locator("[data-vhi='sensitive']").inner_text()) == round(facts["vhi_mm3"]["sensitive"])
    proposed = [one for one in facts["lesions"] if not one["keep"]]
    assert proposed
    reader.row(proposed[0]["id"]).get_by_role("button").click()
    reader.wait_until(proposed[0], "kept")
    back = reader.asked("vhi_clean", proposal="apply", foreground=[proposed[0]["voxel"]])[1]
    assert np.count_nonzero(back) == np.count_nonzero(labels) + proposed[0]["voxels"]
    np.testing.assert_array_equal(reader.map() > 0, back > 0)


@pytest.mark.pacs
def test_the_automatic_region_is_rated_without_a_label_map(viewer_servers, page):
    viewer_server = viewer_servers("embedded")
    reader = Reader(page, viewer_server, viewer_server.studies["ascending"], "hugo")
    reader.open()
    page.locator("#vhi-submit").click()
    page.locator("#vhi-message").filter(has_text="There is nothing to submit").wait_for()
    page.locator("#vhi-rating").select_option("failed")
    page.locator("#vhi-submit").click()
    page.locator("#vhi-submitted").filter(has_text="Rated failed.").wait_for()
    url = f"{viewer_server.url}/vhi/submissions?image={reader.study.stir_uid}&reader=hugo"
    (kept,) = requests.get(url, timeout=60).json()
    assert (kept["rating"], kept["segments"]) == ("failed", [])


@pytest.mark.pacs
def test_a_study_that_is_no_case_is_shown_with_the_reason_and_can_be_read_once_its_images_are_there(
    viewer_servers, page, tmp_path
):
    viewer_server = viewer_servers("orthanc")
    study = phantom_study(tmp_path, 9, (96, 96, 7), labels=Labels("PHANTOM-9", "20250601"))
    viewer_server.archive.store(study.files("STIR"))
    page.goto(viewer_server.address(study), wait_until="domcontentloaded")
    message = page.locator("#vhi-message")
    message.filter(has_text="VHI cannot be measured here. The study holds 1 series and none is a T1W series").wait_for()
    page.locator("[data-cy='viewport-overlay-top-left']").filter(has_text="STIR").wait_for()
    assert page.locator("#vhi-measure:disabled").count() == 1
    viewer_server.archive.store(study.files("T1W"))
    page.locator("#vhi-measure:enabled").wait_for()  # nobody reloads the page
    page.locator("[data-cy='viewport-overlay-top-left']").filter(has_text="T1W").wait_for()


@pytest.mark.pacs
def test_two_series_that_fit_equally_well_are_named_in_the_panel(viewer_servers, page, tmp_path):
    viewer_server = viewer_servers("embedded")
    study = phantom_study(tmp_path, 10, (96, 96, 7), labels=Labels("PHANTOM-10", "20250601"))
    again = generate_uid()
    copies = [pydicom.dcmread(path) for path in study.files("STIR")]
    for copy in copies:
        copy.SeriesInstanceUID, copy.SOPInstanceUID, copy.SeriesNumber = again, generate_uid(), 7
        copy.file_meta.MediaStorageSOPInstanceUID = copy.SOPInstanceUID
    viewer_server.archive.store([*study.files(), *copies])
    page.goto(viewer_server.address(study), wait_until="domcontentloaded")
    page.locator("#vhi-message").filter(has_text="2 series fit STIR equally well").wait_for()
    assert page.locator("#vhi-measure:disabled").count() == 1


def test_opening_a_case_and_seeing_vhi_takes_two_clicks(viewer_server, page):
    study = viewer_server.studies["ascending"]
    reader = Reader(page, viewer_server, study, "dora")
    reader.open()
    reader.measure()  # the server and the browser are warm now
    page.goto(f"{viewer_server.url}/ohif/", wait_until="domcontentloaded")
    row = page.locator(f"[data-cy='studyRow-{study.study_uid}']")
    row.wait_for()
    row.click()
    page.locator(f"[data-cy='mode-monai-label-{study.study_uid}']").click()
    page.locator("#vhi-measure:enabled").click()
    page.locator("[data-vhi='sensitive']").wait_for()
    assert np.count_nonzero(reader.map())
