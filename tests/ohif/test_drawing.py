"""Drawing by hand with real mouse and key events: which voxels each tool changes, and that each is one step."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from browsing import BONE, INFLAMMATION, NUMBERS, REGION, Reader
from viewing import wait_for

pytestmark = [pytest.mark.browser, pytest.mark.server, pytest.mark.pacs]

MIDDLE = """() => {
  const { labelmap } = window.vhiDesk.reading;
  const viewport = window.services.cornerstoneViewportService.getCornerstoneViewport(labelmap.viewportIds()[0]);
  return labelmap.voxelAt(viewport.getCamera().focalPoint);
}"""
PAINTED = NUMBERS[INFLAMMATION]


@pytest.fixture
def open_case(desks, page) -> Callable[[str, str], Reader]:
    """Opens a study for a reader, enlarged so that a pixel of the window is far smaller than a voxel."""

    def start(name: str, study: str) -> Reader:
        desk = desks("embedded")
        reader = Reader(page, desk, desk.studies[study], name)
        reader.open()
        page.evaluate("document.activeElement.blur()")
        before = reader.at([0, 0, 0]), reader.at([1, 0, 0])
        for _ in range(12):
            page.keyboard.press("+")
        wait_for(lambda: reader.at([1, 0, 0])[0] - reader.at([0, 0, 0])[0] > 2.5 * (before[1][0] - before[0][0]))
        return reader

    return start


def middle(reader: Reader) -> list[int]:
    """The voxel in the middle of what the STIR image shows."""
    return [int(n) for n in reader.page.evaluate(MIDDLE)]


def away(reader: Reader, voxel: list[float]) -> np.ndarray:
    """How far every voxel of a voxel's slice lies from it [mm]; `(I, J, K)`, infinite in other slices."""
    spacing = np.linalg.norm(reader.grid.affine[:3, :3], axis=0)
    i, j, k = np.indices(reader.grid.shape)
    inside = np.hypot((i - voxel[0]) * spacing[0], (j - voxel[1]) * spacing[1])
    return np.where(k == voxel[2], inside, np.inf)


def between_shells(reader: Reader, voxel: list[int], radius: float) -> float:
    """A radius near this one that is farther from every voxel's distance than the pointer's place is uncertain [mm]."""
    found = np.unique(away(reader, voxel).round(4))
    found = found[(found > radius - 1.5) & (found < radius + 1.5)]
    gaps = np.diff(found)
    widest = int(np.argmax(gaps))
    return float(found[widest] + gaps[widest] / 2)


def changed(reader: Reader, before: np.ndarray) -> None:
    """Until a stroke is in the page's cells."""
    wait_for(lambda: not np.array_equal(before, reader.cells()))
    reader.rest()


def set_radius(reader: Reader, radius: float) -> None:
    reader.page.locator("#vhi-brush").fill(str(radius))
    wait_for(lambda: reader.page.locator("#vhi-brush-mm").inner_text() == f"{radius:g} mm")


def click(reader: Reader, voxel: list[float], role: str = "STIR") -> None:
    before = reader.cells()
    reader.page.mouse.click(*reader.at(voxel, role))
    changed(reader, before)


def drag(reader: Reader, start: list[float], end: list[float], role: str = "STIR") -> None:
    before, mouse = reader.cells(), reader.page.mouse
    mouse.move(*reader.at(start, role))
    mouse.down()
    mouse.move(*reader.at(end, role), steps=5)
    mouse.up()
    changed(reader, before)


def step_of_range(reader: Reader, voxel: list[int]) -> float:
    """A radius that the panel can be set to and that no voxel is nearly as far away as."""
    found = away(reader, voxel)
    return max(np.arange(3, 7, 0.5), key=lambda radius: float(np.abs(found[np.isfinite(found)] - radius).min()))


@pytest.mark.parametrize(("study", "role"), [("ascending", "STIR"), ("descending", "T1W")])
def test_one_press_of_the_brush_paints_a_circle_of_its_radius_in_mm_at_once(open_case, study, role, shot):
    reader = open_case("nora", study)
    voxel = middle(reader)
    radius = step_of_range(reader, voxel)
    set_radius(reader, radius)
    reader.page.keyboard.press("b")
    click(reader, voxel, role)
    shot("dab")
    np.testing.assert_array_equal(reader.map(), np.where(away(reader, voxel) <= radius, PAINTED, 0))
    assert reader.page.evaluate("window.vhiDesk.reading.effort.strokes") == 1
    reader.page.keyboard.press("Control+z")
    wait_for(lambda: not reader.map().any())
    reader.page.keyboard.press("Control+y")
    wait_for(lambda: np.array_equal(reader.map(), np.where(away(reader, voxel) <= radius, PAINTED, 0)))
    reader.page.keyboard.press("e")
    click(reader, voxel, role)
    assert not reader.map().any()


@pytest.mark.parametrize("study", ["ascending", "descending"])
def test_a_circle_is_a_circle_in_an_oblique_slice(open_case, study, shot):
    reader = open_case("nora", study)
    voxel = middle(reader)
    assert np.count_nonzero(np.abs(reader.grid.affine[:3, 2]) > 0.3) > 1  # the slices lie along no axis of the scanner
    radius = between_shells(reader, voxel, 12.0)
    spacing = np.linalg.norm(reader.grid.affine[:3, :3], axis=0)
    expected = np.where(away(reader, voxel) <= radius, PAINTED, 0)
    i, j, k = voxel
    for end in ([i + radius / spacing[0], j, k], [i, j - radius / spacing[1], k]):
        reader.page.keyboard.press("q")
        drag(reader, voxel, end)
        shot(f"circle-{end[0] == i}")
        np.testing.assert_array_equal(reader.map(), expected)
        reader.page.locator("#vhi-undo").click()
        wait_for(lambda: not reader.map().any())


def test_a_rectangle_and_a_stroke_of_a_region_and_its_eraser_change_these_voxels(open_case, shot):
    reader = open_case("nora", "ascending")
    i, j, k = middle(reader)
    reader.page.keyboard.press("k")
    reader.page.keyboard.press("d")  # after inflammation the disease region
    reader.page.locator(f"[data-segment='{REGION}'][aria-pressed='true']").wait_for()
    drag(reader, [i - 10.5, j - 6.5, k], [i + 8.5, j + 4.5, k])
    expected = np.zeros(reader.grid.shape, np.uint8)
    expected[i - 10 : i + 9, j - 6 : j + 5, k] = NUMBERS[REGION]
    np.testing.assert_array_equal(reader.map(), expected)
    reader.page.keyboard.press("d")
    reader.page.locator(f"[data-segment='{BONE}'][aria-pressed='true']").wait_for()
    reader.page.keyboard.press("b")
    radius = step_of_range(reader, [i, j, k])
    set_radius(reader, radius)
    drag(reader, [i - 10, j, k], [i + 5, j, k])
    shot("bone")
    spacing = np.linalg.norm(reader.grid.affine[:3, :3], axis=0)
    x, y, z = np.indices(reader.grid.shape)
    across = np.hypot((x - np.clip(x, i - 10, i + 5)) * spacing[0], (y - j) * spacing[1])
    sure = np.abs(across - radius) > 0.2  # on the way a pointer lies between pixels
    painted = (across <= radius) & (z == k)
    np.testing.assert_array_equal(reader.map()[sure], np.where(painted, NUMBERS[BONE], expected)[sure])
    before = reader.map()
    reader.page.keyboard.press("e")
    drag(reader, [i - 10, j, k], [i + 5, j, k])
    np.testing.assert_array_equal(reader.map(), np.where(before == NUMBERS[BONE], expected, before))


def test_a_stroke_is_given_up_by_escape_and_the_ring_shows_the_radius(open_case):
    reader = open_case("nora", "ascending")
    voxel = middle(reader)
    page = reader.page
    page.keyboard.press("b")
    x, y = reader.at(voxel)
    page.mouse.move(x, y)
    widths = [ring_width(page)]
    page.keyboard.press("]")
    wait_for(lambda: ring_width(page) > widths[0])
    per_mm = ring_width(page) / 7  # 3.5 mm of radius
    right = reader.at([voxel[0] + 10, voxel[1], voxel[2]])[0] - x
    assert per_mm * 10 * np.linalg.norm(reader.grid.affine[:3, 0]) == pytest.approx(right, rel=0.02)
    page.mouse.down()
    page.mouse.move(x + 20, y + 10, steps=3)
    wait_for(lambda: reader.map().any())
    page.keyboard.press("Escape")
    wait_for(lambda: not reader.map().any())
    page.mouse.up()
    page.keyboard.press("w")
    page.locator(".vhi-ring").wait_for(state="detached")
    assert page.locator("#vhi-undo").is_disabled()


def ring_width(page: Any) -> float:
    return float(page.locator(".vhi-ring").bounding_box()["width"])


def test_who_takes_up_a_tool_of_the_viewer_has_put_down_the_brush(open_case):
    reader = open_case("nora", "ascending")
    reader.page.keyboard.press("b")
    reader.page.locator("[data-tool='brush'][aria-pressed='true']").wait_for()
    reader.page.locator("[data-cy='Zoom']").click()
    reader.page.locator("[data-tool='WindowLevel'][aria-pressed='true']").wait_for()
