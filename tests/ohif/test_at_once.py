"""A click is drawn before the server has answered it; the answer confirms it, corrects it, or everything goes back."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy.ndimage import binary_erosion

from browsing import Reader, lesion_of_two_grades, number
from viewing import wait_for

pytestmark = [pytest.mark.browser, pytest.mark.server, pytest.mark.pacs]
CLEAN = "**/infer/vhi_clean?**"
DRAFT = "**/vhi/draft?**"
# the panel is drawn after the second frame
DRAWN_AGAIN = """() => new Promise((resolve) =>
  requestAnimationFrame(() => requestAnimationFrame(() => setTimeout(resolve, 50))))"""


@pytest.fixture
def reader(viewer_servers, page) -> Reader:
    """A measured case over the embedded archive."""
    viewer_server = viewer_servers("embedded")
    made = Reader(page, viewer_server, viewer_server.studies["ascending"], "paula")
    made.open()
    made.measure()
    return made


def button(reader: Reader, lesion: dict[str, Any]) -> Any:
    return reader.row(lesion["id"]).get_by_role("button")


def test_removals_and_undo_are_drawn_while_the_server_has_answered_none_of_them(reader, shot):
    facts, labels = reader.asked("vhi", show="both")
    first = lesion_of_two_grades(facts)
    second = next(one for one in facts["lesions"] if one["id"] != first["id"])
    before, held = reader.map(), []
    reader.page.route(CLEAN, lambda route: held.append(route))
    button(reader, first).click()
    button(reader, second).click()
    gone = [(labels > 0) & (reader.asked("vhi_clean", background=[one["voxel"]])[1] == 0) for one in (first, second)]
    np.testing.assert_array_equal(reader.map(), np.where(gone[0] | gone[1], 0, before))
    reader.page.locator(f"tr.removed[data-lesion='{second['id']}']").wait_for()
    assert reader.page.locator(".grades.behind").count() == 1  # the numbers are still those of before
    shot("before-the-answer")
    reader.page.keyboard.press("Control+z")
    np.testing.assert_array_equal(reader.map(), np.where(gone[0], 0, before))
    assert len(held) == 1  # the second click waits for the first one's answer, and is never asked for: it was undone
    held[0].continue_()
    reader.page.unroute(CLEAN)
    reader.rest()
    told = reader.asked("vhi_clean", background=[first["voxel"]])[0]
    assert number(reader.page.locator("[data-vhi='sensitive']").inner_text()) == round(told["vhi_mm3"]["sensitive"])
    np.testing.assert_array_equal(reader.map(), np.where(gone[0], 0, before))


def test_without_an_answer_everything_goes_back_with_one_sentence_and_redo_tries_again(reader, watch):
    facts, _ = reader.asked("vhi", show="both")
    lesion, before = facts["lesions"][0], reader.map()
    reader.page.route(CLEAN, lambda route: route.fulfill(status=500, json={"detail": "The disk is full; nothing was kept."}))
    button(reader, lesion).click()
    reader.page.locator("#vhi-message").filter(has_text="The disk is full; nothing was kept. Redo tries").wait_for()
    np.testing.assert_array_equal(reader.map(), before)
    reader.page.locator(f"tr.kept[data-lesion='{lesion['id']}']").wait_for()
    assert number(reader.page.locator("[data-vhi='sensitive']").inner_text()) == round(facts["vhi_mm3"]["sensitive"])
    reader.page.unroute(CLEAN)
    reader.page.locator("#vhi-redo").click()
    reader.wait_until(lesion, "removed")
    assert reader.page.locator("#vhi-message").count() == 0
    left = reader.asked("vhi_clean", background=[lesion["voxel"]])[1]
    wait_for(lambda: np.array_equal(reader.map() > 0, left > 0))
    assert len(watch.errors) == 1
    assert "500" in watch.errors.pop()


def mistake(reader: Reader, lesion: dict[str, Any], other: dict[str, Any]) -> None:
    """Have the page take another lesion's voxels for this one's."""
    reader.page.evaluate(
        """([id, other]) => {
          const { lesions } = window.viewerSession.reading.state.measured;
          const plain = lesions.voxelsOf.bind(lesions);
          lesions.voxelsOf = (one, slice) => plain(one === id ? other : one, slice);
        }""",
        [lesion["id"], other["id"]],
    )


def test_where_the_server_leaves_something_else_that_is_drawn(reader):
    facts, labels = reader.asked("vhi", show="both")
    lesion, other = facts["lesions"][:2]
    voxels = np.argwhere(labels > 0)
    mistake(reader, lesion, other)
    button(reader, lesion).click()
    left = reader.asked("vhi_clean", background=[lesion["voxel"]])[1]
    assert 0 < np.count_nonzero(left) < len(voxels)
    wait_for(lambda: np.array_equal(reader.map() > 0, left > 0))
    reader.wait_until(lesion, "removed")


def test_an_undo_after_a_corrected_answer_shows_the_number_of_what_is_on_screen(reader):
    facts, _ = reader.asked("vhi", show="both")
    lesion, other = facts["lesions"][:2]
    before = reader.map()
    mistake(reader, lesion, other)
    button(reader, lesion).click()
    left = reader.asked("vhi_clean", background=[lesion["voxel"]])[1]
    reader.page.locator("#vhi-message").filter(has_text="The server leaves something else than was drawn at once").wait_for()
    for key, expected in (("Control+z", before), ("Control+Shift+z", left), ("Control+z", before)):
        reader.page.keyboard.press(key)
        wait_for(lambda expected=expected: np.array_equal(reader.map() > 0, expected > 0))
        reader.rest()
        shown = number(reader.page.locator("[data-vhi='sensitive']").inner_text())
        assert shown == round(np.count_nonzero(expected) * facts["voxel_volume_mm3"])
    np.testing.assert_array_equal(reader.map(), before)
    assert reader.page.locator("#vhi-message").count() == 0


def test_a_lesion_is_removed_by_a_press_that_lasts_while_the_page_keeps_what_was_begun(reader):
    lesion = reader.asked("vhi")[0]["lesions"][0]
    page, held = reader.page, []
    page.route(DRAFT, lambda route: held.append(route))
    page.locator("summary", has_text="Options").click()
    page.locator("input[name='min_pixels']").fill("6")
    with page.expect_request(DRAFT):
        page.keyboard.press("Tab")
    button(reader, lesion).hover()
    page.mouse.down()
    held[0].continue_()
    page.unroute(DRAFT)
    wait_for(lambda: page.evaluate("window.viewerSession.keeping.keeper.isKept"))
    page.evaluate(DRAWN_AGAIN)
    page.mouse.up()
    reader.wait_until(lesion, "removed")
    clicks = page.evaluate("window.viewerSession.reading.state.decisions.clicks")
    assert clicks == [{"what": "remove", "scope": "lesion", "voxel": lesion["voxel"]}]
    reader.kept()  # the panel is drawn again once the press is over


# what an image shows about a voxel in the first frame after a click, and how often the viewer had drawn by then
FIRST_FRAME = """([voxel]) => {
  const { labelmap } = window.viewerSession.reading;
  let drawn = 0;
  window.addEventListener('CORNERSTONE_IMAGE_RENDERED', () => (drawn += 1), { capture: true });
  window.shownAt = () => labelmap.viewportIds().map((id) => {
    const viewport = window.services.cornerstoneViewportService.getCornerstoneViewport(id);
    const canvas = viewport.element.querySelector('canvas');
    const [x, y] = viewport.worldToCanvas(labelmap.worldAt(voxel)).map((one) => Math.round((one * canvas.width) / canvas.clientWidth));
    const [red, , blue] = canvas.getContext('2d').getImageData(x, y, 1, 1).data;
    return red - blue;
  });
  window.firstFrame = new Promise((resolve) => {
    const look = () => requestAnimationFrame(() => resolve({ drawn, shown: window.shownAt() }));
    window.addEventListener('click', look, { capture: true, once: true });
  });
}"""
# the same two frames after a key, and whether the list says by then that a lesion is removed
AFTER_KEY = """([id]) => {
  window.afterKey = new Promise((resolve) => {
    const isListed = () => Boolean(document.querySelector(`tr.removed[data-lesion='${id}']`));
    const look = () => requestAnimationFrame(() => requestAnimationFrame(() => resolve({ shown: window.shownAt(), isListed: isListed() })));
    window.addEventListener('keydown', look, { capture: true, once: true });
  });
}"""
SETTLED = """() => new Promise((resolve) => {
  const engine = window.services.cornerstoneViewportService.getRenderingEngine();
  const look = () => (engine._animationFrameSet ? setTimeout(look, 50) : resolve());
  requestAnimationFrame(() => setTimeout(look, 100));
})"""


def red_lesion(reader: Reader) -> dict[str, Any]:
    """A lesion that is red about its voxel, gone to in the images."""
    facts, labels = reader.asked("vhi", show="both")
    red = binary_erosion(labels == facts["label_names"]["inflammation (conservative)"], np.ones((3, 3, 1)))
    lesion = next(one for one in facts["lesions"] if red[tuple(one["voxel"])])
    reader.row(lesion["id"]).click()
    reader.page.evaluate(SETTLED)
    return lesion


def test_a_removed_lesion_is_grey_in_the_next_frame_and_a_restored_one_coloured_before_the_viewer_has_drawn_anew(reader, shot):
    page, lesion = reader.page, red_lesion(reader)
    for is_gone in (True, False):
        page.evaluate(FIRST_FRAME, [lesion["voxel"]])
        before = page.evaluate("window.shownAt()")
        button(reader, lesion).click()
        first = page.evaluate("window.firstFrame")
        page.evaluate(SETTLED)
        shot(f"gone-{is_gone}")
        coloured, grey = (before, first["shown"]) if is_gone else (first["shown"], before)
        assert first["drawn"] == 0
        assert min(coloured) > 20
        assert max(map(abs, grey)) <= 2
        after = page.evaluate("window.shownAt()")
        assert [abs(one) <= 2 for one in after] == [is_gone, is_gone]  # the viewer's own drawing says the same
        reader.rest()


def test_a_lesion_that_is_removed_by_a_key_is_grey_before_the_list_is_drawn_anew(reader):
    page, lesion = reader.page, red_lesion(reader)
    page.evaluate(FIRST_FRAME, [lesion["voxel"]])
    page.evaluate(AFTER_KEY, [lesion["id"]])
    assert min(page.evaluate("window.shownAt()")) > 20
    page.keyboard.press("x")
    after = page.evaluate("window.afterKey")
    assert max(map(abs, after["shown"])) <= 2
    assert not after["isListed"]
    reader.wait_until(lesion, "removed")
