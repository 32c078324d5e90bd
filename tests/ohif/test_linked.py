"""Both images of a case move together, by their places in space: with real turns of the wheel, keys, and the mouse."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import requests

from browsing import NUMBERS, REGION, Reader, number
from linking import COUNT, FROM_NOW, ROLES, Images, other, with_more_slices
from viewing import PICTURED, ViewerServer, known_cases, wait_for

pytestmark = [pytest.mark.browser, pytest.mark.server]


@pytest.fixture(scope="module")
def thin(tmp_path_factory):
    return with_more_slices(tmp_path_factory.mktemp("thin"))


# every order of slices once, over both archives, and unequal counts
OPENED = (("ascending", "embedded"), ("descending", "orthanc"), ("unequal", "embedded"))


@pytest.fixture(params=[pytest.param(one, marks=pytest.mark.pacs, id="-".join(one)) for one in OPENED])
def opened(request, page, viewer_servers, thin) -> tuple[Reader, Images]:
    """A case with all its images on screen; T1W of the third kind has more slices than STIR."""
    name, archive = request.param
    viewer_server: ViewerServer = viewer_servers(archive)
    if name == "unequal":
        viewer_server.archive.store(thin.files())
        wait_for(lambda: thin.study_uid in known_cases(viewer_server.server))
    study = thin if name == "unequal" else viewer_server.studies[name]
    reader = Reader(page, viewer_server, study, "lena")
    reader.open()
    page.locator(PICTURED).wait_for()  # drawn after the images
    page.evaluate(COUNT)
    return reader, Images(page, study)


def test_slice_zoom_pan_and_window_are_moved_in_both_images_by_wheel_keys_bar_mouse_and_list(opened, shot):
    reader, images = opened
    begun = images.shown()
    for role in ROLES:
        turn_the_wheel(images, role)
        press_keys(images, role)
        drag_the_bar(images, role)
        images.page.keyboard.press(" ")
        wait_for(lambda: images.shown()["STIR"]["middle"] == pytest.approx(begun["STIR"]["middle"], abs=0.01))
        check_cross(images, role)
    shot("cross")
    zoom_and_pan(images)
    window(images, begun)
    keys_of_other_modes_do_nothing(images)
    space_bar(reader, images)
    lesions(reader, images)


def turn_the_wheel(images: Images, role: str) -> None:
    images.point_at(role)
    before = images.slice_of(role)
    for delta in (100, 100, -100):
        one_step(images, role, delta)
    assert abs(images.slice_of(role) - before) == 1


def one_step(images: Images, role: str, delta: int) -> None:
    """Each image whose slice changes moves once and is drawn once: nothing runs in a circle."""
    before = images.shown()
    images.page.evaluate(FROM_NOW)
    images.page.mouse.wheel(0, delta)
    wait_for(lambda: images.shown()[role]["instance"] != before[role]["instance"])
    images.check_together(role)
    after = images.shown()
    # several thin slices lie nearest to one thick slice
    changed = sum(after[one]["instance"] != before[one]["instance"] for one in ROLES)
    wait_for(lambda: images.page.evaluate("window.counted.drawn") >= changed)
    assert images.page.evaluate("window.counted") == {"moved": changed, "drawn": changed}


def press_keys(images: Images, role: str) -> None:
    count = len(images.slices[role])
    images.point_at(role)
    images.page.keyboard.press("Home")
    wait_for(lambda: images.slice_of(role) in (0, count - 1))
    images.check_together(role)
    first = images.slice_of(role)
    step = 1 if first == 0 else -1
    for key, expected in (
        ("ArrowDown", first + step),
        ("PageDown", first + 6 * step),
        ("ArrowUp", first + 5 * step),
        ("PageUp", first),
        ("End", count - 1 - first),
    ):
        images.page.keyboard.press(key)
        images.check_at(role, expected)


def drag_the_bar(images: Images, role: str) -> None:
    pane = images.page.locator("[data-cy='viewport-pane']").nth(ROLES.index(role))
    box = pane.locator("input[type=range]").bounding_box()
    x, last = box["x"] + box["width"] / 2, images.slice_of(role)
    images.page.mouse.move(x, box["y"] + box["height"] - 20)
    images.page.mouse.down()
    images.page.mouse.move(x, box["y"] + box["height"] / 2, steps=4)
    images.page.mouse.up()
    wait_for(lambda: abs(images.slice_of(role) - last) >= 3)
    images.check_together(role)


def check_cross(images: Images, role: str) -> None:
    """The other image marks the place of the pointer, and only the other one."""
    x, y = images.point_at(role, 45, 30)
    wait_for(lambda: images.shown()[other(role)]["cross"])
    found = images.shown()
    assert found[role]["cross"] is None
    offsets = [
        np.subtract(at, found[one]["place"][:2]) for at, one in (((x, y), role), (found[other(role)]["cross"], other(role)))
    ]
    np.testing.assert_allclose(*offsets, atol=1.0)  # [pixels] the images are equally large, and show the same place


def zoom_and_pan(images: Images) -> None:
    for role in ROLES:
        before = images.shown()[role]
        images.drag(role, "right", 0, 60)
        wait_for(lambda role=role, before=before: images.shown()[role]["mm_per_pixel"] != before["mm_per_pixel"])
        images.check_together(role)
        before = images.shown()[role]
        images.drag(role, "middle", 40, 25)
        wait_for(lambda role=role, before=before: images.shown()[role]["middle"] != before["middle"])
        images.check_together(role)
        before = images.shown()[role]
        images.page.keyboard.press("+")
        wait_for(
            lambda role=role, before=before: images.shown()[role]["mm_per_pixel"] < 0.95 * before["mm_per_pixel"],
        )
        images.check_together(role)


def window(images: Images, begun: dict[str, Any]) -> None:
    """Each image has a window of its own, and both go back to theirs."""
    for role in ROLES:
        kept = images.shown()[other(role)]["window"]
        images.drag(role, "left", 60, 60)
        wait_for(lambda role=role: images.shown()[role]["window"] != begun[role]["window"])
        assert images.shown()[other(role)]["window"] == kept
    images.page.keyboard.press(" ")
    for role in ROLES:
        wait_for(lambda role=role: images.shown()[role]["window"] == begun[role]["window"])
        assert images.shown()[role]["mm_per_pixel"] == pytest.approx(begun[role]["mm_per_pixel"])
        assert images.shown()[role]["middle"] == pytest.approx(begun[role]["middle"], abs=0.01)
    images.check_together("STIR")


def keys_of_other_modes_do_nothing(images: Images) -> None:
    """No window of CT, no turning, mirroring, inverting, no other tool, no cine; and the panel's fields take what is typed."""
    before = images.shown()
    name = images.page.locator("#vhi-reader-name")
    name.fill("")
    name.type("r 1 h")
    assert name.input_value() == "r 1 h"
    name.fill("lena")
    images.page.locator("#vhi-panel h3").first.click()
    for key in [*"123456789rlhvic,."]:
        images.page.keyboard.press(key)
    told = images.page.evaluate(
        "() => [...window.services.viewportGridService.getState().viewports.values()].map((one) => one.displaySetInstanceUIDs.length)"
    )
    assert told == [1, 1]
    after = images.shown()
    kept = ("instance", "middle", "up", "mm_per_pixel", "window")
    assert {role: [after[role][key] for key in kept] for role in ROLES} == {
        role: [before[role][key] for key in kept] for role in ROLES
    }
    assert images.page.evaluate(
        "cornerstoneTools.ToolGroupManager.getToolGroup('default').getActivePrimaryMouseButtonTool()"
    ) == ("WindowLevel")


def lesions(reader: Reader, images: Images) -> None:
    """A line of the list goes to the lesion's slice of STIR, where the server says that it lies, and the other image with it."""
    facts, _ = reader.asked("vhi")
    affine = reader.grid.affine
    normal = np.cross(*np.array(images._orientation).reshape(2, 3))
    far = sorted(facts["lesions"], key=lambda one: one["slice"])
    for lesion in (far[0], far[-1]):
        reader.row(lesion["id"]).click()
        world = (affine @ [*lesion["voxel"], 1.0])[:3] * [-1, -1, 1]
        places = [mm for mm, _ in images.slices["STIR"]]
        images.check_at("STIR", int(np.argmin(np.abs(np.array(places) - normal @ world))))


def space_bar(reader: Reader, images: Images) -> None:
    """It presses the button of the panel that has the focus, and resets nothing then."""
    images.drag("STIR", "right", 0, 60)
    before = images.shown()["STIR"]["mm_per_pixel"]
    reader.page.locator("#vhi-measure").focus()
    reader.page.keyboard.press(" ")
    reader.page.locator("[data-vhi='sensitive']").wait_for()
    reader.rest()
    assert images.shown()["STIR"]["mm_per_pixel"] == before


PLACES = """(points) => window.viewerSession.reading.labelmap.viewportIds().map((id) => {
  const viewport = window.services.cornerstoneViewportService.getCornerstoneViewport(id);
  const { clientWidth, clientHeight } = viewport.element;
  const at = points.map((voxel) => viewport.worldToCanvas(window.viewerSession.reading.labelmap.worldAt(voxel)));
  return at.map(([x, y]) => [x / clientWidth, y / clientHeight]);
})"""


def check_enlarged(reader: Reader, region: np.ndarray) -> None:
    """Each image shows all of a region, as large as its place allows with a margin of 5%, in the middle."""
    voxels = np.argwhere(region)
    low, high = voxels.min(axis=0) - 0.5, voxels.max(axis=0) + 0.5
    corners = [[float(at[bit >> axis & 1][axis]) for axis in range(3)] for bit in range(8) for at in [(low, high)]]

    def is_enlarged() -> bool:
        shown = np.array(reader.page.evaluate(PLACES, corners))  # (images, corners, 2), in shares of the place
        least, most = shown.min(axis=1), shown.max(axis=1)
        sizes = (most - least).max(axis=1)
        return len(shown) == 2 and np.allclose((least + most) / 2, 0.5, atol=0.01) and np.allclose(sizes, 1 / 1.05, atol=0.01)

    wait_for(is_enlarged)


@pytest.mark.pacs
@pytest.mark.parametrize("study", ["ascending", "descending"])
def test_both_images_are_enlarged_to_the_disease_region_and_put_back(page, viewer_servers, study, shot):
    viewer_server: ViewerServer = viewer_servers("embedded")
    reader = Reader(page, viewer_server, viewer_server.studies[study], "lena")
    reader.open()
    page.locator(PICTURED).wait_for()
    images = Images(page, viewer_server.studies[study])
    begun = images.shown()
    page.evaluate("document.activeElement.blur()")
    facts, labels = reader.asked("disease_region")
    page.keyboard.press("z")
    check_enlarged(reader, labels == facts["label_names"][REGION])
    images.check_together("STIR")
    assert images.shown()["STIR"]["instance"] == begun["STIR"]["instance"]
    assert not reader.map().any()  # it is looked at, and nothing is drawn
    shot("enlarged")
    for put_back in (lambda: page.keyboard.press(" "), lambda: page.locator("#vhi-reset").click()):
        put_back()
        for role in ROLES:
            wait_for(lambda role=role: images.shown()[role]["mm_per_pixel"] == pytest.approx(begun[role]["mm_per_pixel"]))
            assert images.shown()[role]["middle"] == pytest.approx(begun[role]["middle"], abs=0.01)
        page.locator("#vhi-zoom").click()
        check_enlarged(reader, labels == facts["label_names"][REGION])
    page.locator(f"[data-segment='{REGION}']").click()
    page.keyboard.press("k")
    x, y = images.point_at("STIR", 0, 0)
    page.mouse.down()
    page.mouse.move(x + 80, y + 50, steps=3)
    page.mouse.up()
    wait_for(lambda: reader.map().any())
    page.keyboard.press("z")
    check_enlarged(reader, reader.map() == NUMBERS[REGION])  # the one that is drawn


@pytest.mark.pacs
def test_a_t1w_on_another_grid_is_drawn_on_and_the_number_on_screen_is_the_one_that_is_kept(page, viewer_servers, thin):
    viewer_server: ViewerServer = viewer_servers("embedded")
    viewer_server.archive.store(thin.files())
    wait_for(lambda: thin.study_uid in known_cases(viewer_server.server))
    reader = Reader(page, viewer_server, thin, "mara")
    reader.open()
    reader.measure()
    lesion = reader.asked("vhi")[0]["lesions"][0]
    reader.row(lesion["id"]).get_by_role("button").click()
    reader.wait_until(lesion, "removed")
    removed = reader.map()
    reader.row(lesion["id"]).click()
    reader.take("brush")
    reader.stroke(lesion["voxel"], "T1W")
    page.wait_for_function("window.viewerSession.reading.effort.strokes > 0")
    reader.rest()
    assert np.count_nonzero(reader.map()) > np.count_nonzero(removed)
    shown = {grade: number(page.locator(f"[data-vhi='{grade}']").inner_text()) for grade in ("sensitive", "conservative")}
    reader.submit()
    url = f"{viewer_server.url}/vhi/report?image={thin.stir_uid}&reader=mara&form=json"
    report = requests.get(url, timeout=60).json()
    assert {grade: round(value) for grade, value in report["vhi_mm3"].items()} == shown
    assert any("resampled onto the grid" in warning for warning in report["warnings"])
