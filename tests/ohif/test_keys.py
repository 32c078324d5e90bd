"""A reading by keys alone, the list of lesions, and how images are shown."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy.ndimage import binary_erosion, label

from browsing import CONSERVATIVE, NUMBERS, PROPOSED, Reader
from viewing import PICTURED, wait_for

pytestmark = [pytest.mark.browser, pytest.mark.server, pytest.mark.pacs]
SHOWN = """() => window.viewerSession.reading.labelmap.viewportIds().map((id) =>
  window.cornerstoneTools.segmentation.config.visibility.getSegmentationRepresentationVisibility(
    id, { segmentationId: '1', type: 'Labelmap' }))"""
# the grey that the middle half of an image has on screen, from 0 to 255
GREY = """() => [...document.querySelectorAll('canvas.cornerstone-canvas')].map((canvas) => {
  const [width, height] = [canvas.width, canvas.height];
  const { data } = canvas.getContext('2d').getImageData(width / 4, height / 3, width / 2, height / 3);
  const grey = Array.from({ length: data.length / 4 }, (_, n) => data[4 * n]).sort((a, b) => a - b);
  return grey[Math.floor(grey.length / 2)];
})"""

RENDERED = """() => Promise.all(window.viewerSession.reading.labelmap.viewportIds().map((id) => new Promise((resolve) => {
  const viewport = window.services.cornerstoneViewportService.getCornerstoneViewport(id);
  viewport.element.addEventListener('CORNERSTONE_IMAGE_RENDERED', () => resolve(), { once: true });
  viewport.render();
})))"""


@pytest.fixture
def reader(viewer_servers, page) -> Reader:
    viewer_server = viewer_servers("embedded")
    made = Reader(page, viewer_server, viewer_server.studies["ascending"], "rosa")
    made.open()
    return made


def rows(reader: Reader) -> list[int]:
    return [
        int(one) for one in reader.page.locator("tr[data-lesion]").evaluate_all("all => all.map((one) => one.dataset.lesion)")
    ]


def current(reader: Reader) -> int:
    return int(reader.page.locator("tr.current").get_attribute("data-lesion") or 0)


def test_a_case_is_measured_cleaned_and_submitted_without_the_pointer(reader, shot):
    key = reader.page.keyboard.press
    reader.page.locator("#vhi-rating").focus()
    reader.page.evaluate("document.activeElement.blur()")
    key("m")
    reader.page.locator("tr[data-lesion]").first.wait_for()
    reader.rest()
    order, before = rows(reader), reader.map()
    for n in (0, 1, 0):
        key("p" if n == 0 and reader.page.locator("tr.current").count() else "n")
        wait_for(lambda n=n: current(reader) == order[n])
    key("x")
    reader.wait_until({"id": order[0]}, "removed")
    assert np.count_nonzero(reader.map()) < np.count_nonzero(before)
    key("r")
    reader.wait_until({"id": order[0]}, "kept")
    np.testing.assert_array_equal(reader.map(), before)
    key("x")
    reader.wait_until({"id": order[0]}, "removed")
    key("?")
    reader.page.locator("#vhi-keys").filter(has_text="next unsure lesion").wait_for()
    shot("keys")
    key("Escape")
    reader.page.locator("#vhi-keys").wait_for(state="detached")
    key("u")
    reader.page.locator("#vhi-message").filter(has_text="No lesion of the list is unsure").wait_for()
    key("Control+Enter")
    reader.page.locator("#vhi-submitted").wait_for()


# what the keyboard is on: an id, or a lesion's line, or the button in it
FOCUSED = """() => {
  const { id, localName, dataset } = document.activeElement;
  const line = document.activeElement.closest('tr[data-lesion]')?.dataset.lesion;
  return line ? [localName, Number(line)] : [localName, id || dataset.sort || dataset.fold || ''];
}"""


def focused(reader: Reader) -> list[Any]:
    found: list[Any] = reader.page.evaluate(FOCUSED)
    return found


def test_lines_are_reached_by_tab_and_the_keyboard_stays_where_it_is_when_the_panel_is_drawn_anew(reader):
    keyboard = reader.page.keyboard
    reader.page.locator("#vhi-measure").focus()
    keyboard.press("Enter")
    reader.page.locator("tr[data-lesion]").first.wait_for()
    reader.rest()
    wait_for(lambda: focused(reader) == ["button", "vhi-measure"])  # it was disabled while it measured
    order = rows(reader)
    for _ in range(40):
        keyboard.press("Tab")
        if focused(reader) == ["tr", order[1]]:
            break
    assert focused(reader) == ["tr", order[1]]
    keyboard.press("x")
    reader.wait_until({"id": order[1]}, "removed")
    assert focused(reader) == ["tr", order[1]]
    assert reader.page.locator("tr.removed").count() == 1
    keyboard.press("n")
    wait_for(lambda: current(reader) == order[2])
    assert focused(reader) == ["tr", order[2]]
    keyboard.press("Tab")
    keyboard.press("Enter")  # the button of its line
    reader.wait_until({"id": order[2]}, "removed")
    assert focused(reader) == ["button", order[2]]
    keyboard.press("Control+z")
    reader.wait_until({"id": order[2]}, "kept")
    assert focused(reader) == ["button", order[2]]
    # a line that is gone leaves the keyboard to the one in its place
    reader.page.locator("#vhi-filter").select_option("kept")
    wait_for(lambda: rows(reader) == [order[0], *order[2:]])
    reader.row(order[2]).focus()
    keyboard.press("x")
    wait_for(lambda: rows(reader) == [order[0], *order[3:]])
    reader.rest()
    assert focused(reader) == ["tr", order[3]]
    reader.page.locator("[data-sort='Side']").focus()
    keyboard.press("Enter")
    reader.page.locator("th[aria-sort='ascending']").filter(has_text="Side").wait_for()
    assert focused(reader) == ["button", "Side"]


def test_the_overlay_is_hidden_while_a_key_is_held_and_by_another_for_good(reader):
    reader.measure()
    keyboard = reader.page.keyboard
    assert reader.page.evaluate(SHOWN) == [True, True]
    keyboard.down("h")
    assert reader.page.evaluate(SHOWN) == [False, False]
    keyboard.up("h")
    assert reader.page.evaluate(SHOWN) == [True, True]
    keyboard.press("o")
    assert reader.page.evaluate(SHOWN) == [False, False]
    keyboard.press("o")
    assert reader.page.evaluate(SHOWN) == [True, True]


def test_the_list_sorts_filters_and_takes_several_lesions_at_once(reader, shot):
    reader.measure()
    facts = reader.asked("vhi")[0]
    by_slice = sorted(facts["lesions"], key=lambda one: (one["slice"], one["id"]))
    reader.page.get_by_role("button", name="Slice", exact=True).click()
    wait_for(lambda: rows(reader) == [one["id"] for one in by_slice])
    first, third = (reader.row(rows(reader)[n]).locator("td").first for n in (0, 2))
    first.click()
    third.click(modifiers=["Shift"])
    reader.page.locator("#vhi-selected").filter(has_text="3 selected").wait_for()
    shot("selected")
    chosen = by_slice[:3]
    reader.page.locator("#vhi-selected").get_by_role("button", name="Remove").click()
    for one in chosen:
        reader.wait_until(one, "removed")
    (gesture,) = reader.page.evaluate("window.viewerSession.reading.state.decisions.clicks")
    assert (gesture["scope"], len(gesture["voxels"])) == ("several", 3)
    reader.page.locator("#vhi-filter").select_option("removed")
    wait_for(lambda: rows(reader) == [one["id"] for one in chosen])
    reader.page.locator("#vhi-filter").select_option("kept")
    wait_for(lambda: rows(reader) == [one["id"] for one in by_slice[3:]])
    reader.row(by_slice[3]["id"]).focus()
    reader.page.keyboard.press("Enter")
    wait_for(lambda: current(reader) == by_slice[3]["id"])


def test_marrow_is_not_black_and_a_window_that_a_reader_chose_holds_for_the_next_page(reader, shot):
    page = reader.page
    stir = grey_on_screen(page)
    assert 15 < stir < 200
    page.locator("[data-window='stir-bright']").click()
    bright = grey_on_screen(page)
    assert bright > 1.3 * stir
    shot("bright")
    page.reload()
    reader.settled()
    assert grey_on_screen(page) == pytest.approx(bright, rel=0.1)  # the page's own would be less than three quarters of it


def grey_on_screen(page: Any) -> int:
    """Of STIR, drawn once more: a slow machine draws long after a window was set."""
    page.locator(PICTURED).wait_for()  # after the windows are set
    page.evaluate(RENDERED)
    return int(page.evaluate(GREY)[0])


def test_a_narrow_window_is_told_that_it_is_too_narrow(reader):
    reader.page.set_viewport_size({"width": 400, "height": 800})
    reader.page.locator("#vhi-narrow").filter(has_text="at least 900 pixels wide; this one has 400").wait_for()
    reader.page.set_viewport_size({"width": 1280, "height": 720})
    reader.page.locator("#vhi-narrow").wait_for(state="detached")
    for button in ("#vhi-submit", "#vhi-measure"):
        box = reader.page.locator(button).bounding_box()
        assert box["y"] + box["height"] <= 720


WORDS = """() => [...document.querySelectorAll('.vhi-numbers')].map((layer) => [...layer.children].map((one) => {
  const { left, top } = one.getBoundingClientRect();
  return [one.textContent, left, top];
}))"""
PIXELS = """(voxels) => {
  const { labelmap } = window.viewerSession.reading;
  const viewport = window.services.cornerstoneViewportService.getCornerstoneViewport(labelmap.viewportIds()[0]);
  const canvas = viewport.element.querySelector('canvas');
  const scale = canvas.width / canvas.clientWidth;
  return voxels.map((voxel) => {
    const [x, y] = viewport.worldToCanvas(labelmap.worldAt(voxel)).map((one) => Math.round(one * scale));
    return [...canvas.getContext('2d').getImageData(x, y, 1, 1).data].slice(0, 3);
  });
}"""
TOGETHER = np.ones((3, 3), int)


def words_expected(reader: Reader, slice_: int) -> list[list[tuple[str, float, float]]]:
    """By image: the word of each part in a slice of STIR, and where: beside the first run of voxels in its highest row."""
    bits, shown = reader.bits()[..., slice_], reader.map()[..., slice_]
    found: list[tuple[str, list[int]]] = []
    for word, mask in (("region", bits & 1 > 0), ("bone", bits & 2 > 0), ("R", shown == PROPOSED)):
        labels, count = label(mask, TOGETHER)
        for n in range(1, count + 1):
            i, j = np.nonzero(labels == n)
            row = set(i[j == j.min()].tolist())
            end = min(row)
            while end + 1 in row:
                end += 1
            found.append((word, [end, int(j.min()), slice_]))
    return [
        sorted((word, x + 3, y - 12) for word, voxel in found for x, y in [reader.at(voxel, role)]) for role in ("STIR", "T1W")
    ]


def test_what_only_its_colour_would_tell_has_a_word_or_is_filled(reader, shot):
    page = reader.page
    page.locator(PICTURED).wait_for()
    page.locator("#vhi-proposal").select_option("show")
    reader.measure()
    for model in ("disease_region", "normal_bone"):
        page.locator(f"[data-proposal='{model}']").click()
        reader.rest()
    bits, proposed = reader.bits(), reader.map() == PROPOSED
    slices = [int(np.argmax(one.sum(axis=(0, 1)))) for one in (bits & 2 > 0, proposed)]
    for slice_ in slices:
        page.evaluate("(voxel) => window.viewerSession.reading.jumpTo({ voxel })", [10, 10, slice_])
        expected = words_expected(reader, slice_)
        wait_for(lambda expected=expected: all_near(page.evaluate(WORDS), expected))
        shot(f"words-{slice_}")
    assert {word for word, *_ in expected[0]} >= {"region", "R"}
    page.evaluate("document.activeElement.blur()")
    page.keyboard.press("o")
    wait_for(lambda: page.locator(".vhi-numbers span").count() == 0)
    page.keyboard.press("o")
    wait_for(lambda: all_near(page.evaluate(WORDS), expected))
    page.keyboard.press("l")
    wait_for(lambda: "R" not in [word for word, *_ in page.evaluate(WORDS)[0]] and page.locator(".vhi-numbers span").count() > 9)
    page.keyboard.press("l")
    page.locator("#vhi-fill").uncheck()
    red = binary_erosion(reader.map() == NUMBERS[CONSERVATIVE], np.ones((5, 5, 1)))
    inside = np.argwhere(red)[::5].tolist()
    page.evaluate("(voxel) => window.viewerSession.reading.jumpTo({ voxel })", inside[0])
    here = [one for one in inside if one[2] == inside[0][2]]
    wait_for(lambda: all(red > green + 10 for red, green, _ in page.evaluate(PIXELS, here)))
    shot("outlines")


def all_near(shown: list[Any], expected: list[Any]) -> bool:
    """Whether the same words are shown in both images, each within a pixel of its place."""
    ordered = [sorted(one) for one in shown]
    if [[word for word, *_ in one] for one in ordered] != [[word for word, *_ in one] for one in expected]:
        return False
    nearest = [
        min(np.hypot(x - a, y - b) for w, a, b in there if w == word)
        for there, one in zip(expected, ordered, strict=True)
        for word, x, y in one
    ]
    return max(nearest, default=0) < 1.5
