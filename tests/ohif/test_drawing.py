"""Drawing by hand with real mouse and key events: which voxels each tool changes, and that each is one step."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import requests
from scipy.ndimage import distance_transform_edt

from browsing import BONE, INFLAMMATION, NUMBERS, REGION, Reader, lesion_of_two_grades, nifti
from viewing import PICTURED, wait_for

pytestmark = [pytest.mark.browser, pytest.mark.server, pytest.mark.pacs]

MIDDLE = """() => {
  const { labelmap } = window.viewerSession.reading;
  const viewport = window.services.cornerstoneViewportService.getCornerstoneViewport(labelmap.viewportIds()[0]);
  return labelmap.voxelAt(viewport.getCamera().focalPoint);
}"""
LOOK_AT = """(voxel) => {
  const { labelmap } = window.viewerSession.reading;
  const viewport = window.services.cornerstoneViewportService.getCornerstoneViewport(labelmap.viewportIds()[0]);
  const { focalPoint, position } = viewport.getCamera();
  const world = labelmap.worldAt(voxel);
  viewport.setCamera({ focalPoint: world, position: position.map((value, n) => value + world[n] - focalPoint[n]) });
  viewport.render();
}"""
ENLARGE = """(factor) => {
  const { labelmap } = window.viewerSession.reading;
  const viewport = window.services.cornerstoneViewportService.getCornerstoneViewport(labelmap.viewportIds()[0]);
  viewport.setCamera({ parallelScale: viewport.getCamera().parallelScale / factor });
  viewport.render();
}"""
PAINTED = NUMBERS[INFLAMMATION]


@pytest.fixture
def open_case(viewer_servers, page) -> Callable[[str, str], Reader]:
    """Opens a study for a reader, enlarged so that a pixel of the window is far smaller than a voxel."""

    def start(name: str, study: str) -> Reader:
        viewer_server = viewer_servers("embedded")
        reader = Reader(page, viewer_server, viewer_server.studies[study], name)
        reader.open()
        page.locator(PICTURED).wait_for()  # they are made to fit when they are there
        page.evaluate("document.activeElement.blur()")
        before = reader.at([0, 0, 0]), reader.at([1, 0, 0])
        page.evaluate(ENLARGE, 3)  # at once: without a graphics card each step of the wheel or a key takes seconds
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
    assert reader.page.evaluate("window.viewerSession.reading.effort.strokes") == 1
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


def stir_values(reader: Reader) -> np.ndarray:
    """STIR as the server has it, `(I, J, K)`."""
    url = f"{reader.viewer_server.url}/datastore/image?image={reader.study.stir_uid}"
    return np.asarray(nifti(requests.get(url, timeout=120).content).dataobj)


@pytest.mark.parametrize(("study", "tool"), [("ascending", "brush"), ("descending", "circle")])
def test_with_the_switch_inflammation_is_painted_at_or_above_the_shown_threshold_alone(open_case, study, tool, shot):
    reader = open_case("olga", study)
    page = reader.page
    page.locator("#vhi-threshold-only").check()
    page.locator(f"[data-tool='{tool}']").click()
    voxel = middle(reader)
    start = reader.at(voxel)
    page.mouse.move(*start)
    page.mouse.down()
    page.mouse.move(start[0] + 30, start[1], steps=3)
    page.mouse.up()
    page.locator("#vhi-message").filter(has_text="There is no threshold yet: measure VHI first").wait_for()
    assert not reader.map().any()
    reader.measure()
    facts = reader.asked("vhi", show="both")[0]
    threshold = facts["thresholds"]["sensitive"]
    page.locator("label", has_text=f"at or above {threshold:.0f}").wait_for()
    lesion, measured = lesion_of_two_grades(facts), reader.map()
    reader.row(lesion["id"]).get_by_role("button").click()
    reader.wait_until(lesion, "removed")
    before = reader.map()
    bright = stir_values(reader) >= threshold
    voxel = half_bright(reader, (measured > 0) & (before == 0), bright)
    bring_to_middle(reader, voxel)
    radius = step_of_range(reader, voxel)
    if tool == "brush":
        set_radius(reader, radius)
        click(reader, voxel)
    else:
        radius = between_shells(reader, voxel, 8.0)
        drag(reader, voxel, [voxel[0] + radius / np.linalg.norm(reader.grid.affine[:3, 0]), *voxel[1:]])
    shot("at-or-above")
    near = away(reader, voxel) <= radius
    assert (near & bright).any()
    assert (near & ~bright).any()
    np.testing.assert_array_equal(reader.map() >= PAINTED, (before >= PAINTED) | near & bright)
    page.keyboard.press("Control+z")
    wait_for(lambda: np.array_equal(reader.map(), before))
    reader.rest()
    page.keyboard.press("t")
    page.locator("#vhi-threshold-only:not(:checked)").wait_for()
    if tool == "brush":
        click(reader, voxel)
        np.testing.assert_array_equal(reader.map() >= PAINTED, (before >= PAINTED) | near)


def half_bright(reader: Reader, lesion: np.ndarray, bright: np.ndarray) -> list[int]:
    """The voxel of a lesion about which half of 3 mm is bright."""

    def share(voxel: np.ndarray) -> float:
        return float(bright[away(reader, voxel.tolist()) <= 3].mean())

    some = np.argwhere(lesion)[::5]
    return [int(n) for n in min(some, key=lambda voxel: abs(share(voxel) - 0.5))]


def bring_to_middle(reader: Reader, voxel: list[int]) -> None:
    """Look at a voxel; the images were enlarged elsewhere."""
    reader.page.evaluate(LOOK_AT, voxel)
    wait_for(lambda: middle(reader) == voxel)


def in_plane(reader: Reader) -> np.ndarray:
    """How far voxels lie apart along the two axes of a slice [mm]."""
    return np.linalg.norm(reader.grid.affine[:3, :2], axis=0)


def press_over(reader: Reader, voxel: list[int], key: str) -> None:
    before = reader.cells()
    reader.page.mouse.move(*reader.at(voxel))
    reader.page.keyboard.press(key)
    changed(reader, before)


def dilated(mask: np.ndarray, by: float, spacing: np.ndarray) -> np.ndarray:
    """Voxels within a distance of a mask of one slice."""
    return distance_transform_edt(~mask, sampling=spacing) <= by + 1e-6


@pytest.mark.parametrize("study", ["ascending", "descending"])
def test_what_is_drawn_under_the_pointer_grows_shrinks_and_is_copied_to_the_next_slice(open_case, study, shot):
    reader = open_case("petra", study)
    page, voxel = reader.page, middle(reader)
    i, j, k = voxel
    page.keyboard.press("k")
    drag(reader, [i - 6.5, j - 4.5, k], [i + 5.5, j + 3.5, k])
    drag(reader, [i + 14.5, j - 1.5, k], [i + 17.5, j + 1.5, k])  # another part
    drawn = reader.map()[..., k] > 0
    own = drawn.copy()
    own[i + 10 :] = False
    assert (np.count_nonzero(own), np.count_nonzero(drawn)) == (12 * 8, 12 * 8 + 9)
    spacing, step = in_plane(reader), max(in_plane(reader))
    press_over(reader, voxel, "g")
    large = dilated(own, step, spacing)
    np.testing.assert_array_equal(reader.map()[..., k] > 0, drawn | large)
    press_over(reader, voxel, "s")
    back = ~dilated(~large, step, spacing)
    np.testing.assert_array_equal(reader.map()[..., k] > 0, drawn & ~own | back)
    page.keyboard.press("Control+z")
    wait_for(lambda: np.array_equal(reader.map()[..., k] > 0, drawn | large))
    shown = page.locator("[data-cy='viewport-overlay-bottom-right']").first.inner_text()
    press_over(reader, voxel, ".")
    page.locator("[data-cy='viewport-overlay-bottom-right']").first.filter(has_not_text=shown).wait_for()
    (other,) = [n for n in range(reader.grid.shape[2]) if n != k and reader.map()[..., n].any()]
    numbers = [page.evaluate("(slice) => window.viewerSession.reading.labelmap.numberOf(slice)", n) for n in (k, other)]
    assert numbers[1] == numbers[0] + 1
    np.testing.assert_array_equal(reader.map()[..., other] > 0, large)
    shot("copied")
    page.locator("[data-tool='back']").click()
    page.keyboard.press("Control+z")
    wait_for(lambda: not reader.map()[..., other].any())
    bring_to_middle(reader, voxel)
    click(reader, voxel)
    (other,) = [n for n in range(reader.grid.shape[2]) if n != k and reader.map()[..., n].any()]
    assert page.evaluate("(slice) => window.viewerSession.reading.labelmap.numberOf(slice)", other) == numbers[0] - 1
    np.testing.assert_array_equal(reader.map()[..., other] > 0, large)


@pytest.mark.parametrize(("study", "mm"), [("ascending", 4.0), ("descending", 2.5)])
def test_what_is_drawn_grows_and_shrinks_by_the_mm_that_were_chosen(open_case, study, mm, shot):
    reader = open_case("petra", study)
    page, voxel = reader.page, middle(reader)
    i, j, k = voxel
    spacing = in_plane(reader)
    page.locator("#vhi-grow").fill(str(mm))
    wait_for(lambda: page.locator("#vhi-grow-mm").inner_text() == f"{mm:g} mm")
    page.keyboard.press("k")
    drag(reader, [i - 7.5, j - 6.5, k], [i + 7.5, j + 6.5, k])
    drag(reader, [i + 7.5, j - 0.5, k], [i + 12.5, j + 1.5, k])  # an arm, which shrinking takes off
    drawn = reader.map()[..., k] > 0
    press_over(reader, voxel, "g")
    large = dilated(drawn, mm, spacing)
    np.testing.assert_array_equal(reader.map()[..., k] > 0, large)
    assert not np.any(reader.map()[..., [n for n in range(reader.grid.shape[2]) if n != k]])
    shot("grown")
    page.keyboard.press("Control+z")
    wait_for(lambda: np.array_equal(reader.map()[..., k] > 0, drawn))
    page.locator("[data-tool='shrink']").click()
    click(reader, voxel)
    small = ~dilated(~drawn, mm, spacing)
    assert 0 < np.count_nonzero(small) < np.count_nonzero(drawn) < np.count_nonzero(large)
    np.testing.assert_array_equal(reader.map()[..., k] > 0, small)
    page.locator("#vhi-grow").fill("0.5")
    wait_for(lambda: page.locator("#vhi-grow-mm").inner_text() == "0.5 mm")
    page.mouse.click(*reader.at(voxel))
    page.locator("#vhi-message").filter(has_text=f"Voxels lie {min(spacing):.2f} mm apart: by 0.5 mm nothing changes.").wait_for()
    np.testing.assert_array_equal(reader.map()[..., k] > 0, small)


@pytest.mark.parametrize("study", ["ascending", "descending"])
def test_slices_between_two_drawn_ones_are_filled_by_signed_distances(open_case, study, shot):
    reader = open_case("petra", study)
    page, voxel = reader.page, middle(reader)
    i, j, k = voxel
    spacing = in_plane(reader)
    for slice_, radius in ((k, 9.0), (k + 3, 5.0)):
        bring_to_middle(reader, [i, j, slice_])
        page.keyboard.press("q")
        exact = between_shells(reader, [i, j, slice_], radius)
        drag(reader, [i, j, slice_], [i + exact / spacing[0], j, slice_])
    before = reader.map() > 0
    page.mouse.move(*reader.at([i, j, k + 3]))
    press_over(reader, [i, j, k + 3], "f")
    first, last = (signed(before[..., n], spacing) for n in (k, k + 3))
    expected = before.copy()
    for n in (1, 2):
        expected[..., k + n] = (3 - n) / 3 * first + n / 3 * last >= -1e-6
    np.testing.assert_array_equal(reader.map() > 0, expected)
    sizes = [int(np.count_nonzero(expected[..., k + n])) for n in range(4)]
    assert sizes == sorted(sizes, reverse=True)
    assert len(set(sizes)) == 4
    bring_to_middle(reader, [i, j, k + 1])
    shot("between")
    page.keyboard.press("Control+z")
    wait_for(lambda: np.array_equal(reader.map() > 0, before))
    page.keyboard.press("Control+y")
    wait_for(lambda: np.array_equal(reader.map() > 0, expected))
    page.mouse.move(*reader.at([i, j, k + 1]))
    page.keyboard.press("f")
    page.locator("#vhi-message").filter(has_text="There is nothing to fill between").wait_for()


def test_slices_between_two_that_lie_side_by_side_are_filled_on_a_straight_way(open_case, shot):
    reader = open_case("petra", "ascending")
    page, (i, j, k) = reader.page, middle(reader)
    expected = np.zeros(reader.grid.shape, bool)
    for n in range(4):
        expected[i - 12 + 6 * n : i - 7 + 6 * n, j - 4 + 3 * n : j + 3 * n, k + n] = True  # 6 columns and 3 rows a slice
    for n in (0, 3):
        bring_to_middle(reader, [i, j, k + n])
        page.keyboard.press("k")
        x, y = i - 12 + 6 * n, j - 4 + 3 * n
        drag(reader, [x - 0.5, y - 0.5, k + n], [x + 4.5, y + 3.5, k + n])
    before = reader.map() > 0
    np.testing.assert_array_equal(before[..., [k, k + 3]], expected[..., [k, k + 3]])
    press_over(reader, [x + 2, y + 2, k + 3], "f")
    np.testing.assert_array_equal(reader.map() > 0, expected)
    bring_to_middle(reader, [i, j, k + 1])
    shot("beside")
    page.keyboard.press("Control+z")
    wait_for(lambda: np.array_equal(reader.map() > 0, before))


def signed(mask: np.ndarray, spacing: np.ndarray) -> np.ndarray:
    """The distance to the nearest voxel on the other side of the border, negative outside [mm]."""
    return np.where(mask, distance_transform_edt(mask, sampling=spacing), -distance_transform_edt(~mask, sampling=spacing))


def strokes(reader: Reader) -> int:
    return int(reader.page.evaluate("window.viewerSession.reading.effort.strokes"))


def test_two_quick_presses_are_two_strokes_and_both_images_stay(open_case):
    reader = open_case("petra", "ascending")
    i, j, k = middle(reader)
    reader.page.keyboard.press("b")
    reader.page.mouse.dblclick(*reader.at([i, j, k]))
    wait_for(lambda: strokes(reader) == 1)  # the second press changes nothing
    small = np.count_nonzero(reader.map())
    reader.page.locator("[data-tool='grow']").click()
    reader.page.mouse.dblclick(*reader.at([i, j, k]))
    wait_for(lambda: strokes(reader) == 3)
    assert np.count_nonzero(reader.map()) > small
    assert reader.page.locator("canvas.cornerstone-canvas").count() == 2
    reader.page.keyboard.press("w")
    reader.page.mouse.dblclick(*reader.at([i, j, k]))  # without a tool it is the viewer's
    wait_for(lambda: reader.page.locator("canvas.cornerstone-canvas").count() == 1)


def test_the_list_of_keys_names_every_drawing_tool(open_case):
    reader = open_case("petra", "ascending")
    reader.page.keyboard.press("?")
    said = reader.page.locator("#vhi-keys").inner_text()
    for words in (
        "brush",
        "eraser",
        "circle",
        "rectangle",
        "at or above the threshold",
        "grow",
        "shrink",
        "next slice",
        "between",
    ):
        assert words in said, said
