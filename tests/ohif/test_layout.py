"""How a case fills windows of three sizes: the images, the list of lesions, parts that fold."""

from __future__ import annotations

import base64
from itertools import pairwise
from typing import Any

import numpy as np
import pytest

from browsing import Reader
from viewing import DRAWN, PICTURED, wait_for

pytestmark = [pytest.mark.browser, pytest.mark.server, pytest.mark.pacs]
SIZES = ((1280, 720), (1600, 1000), (2560, 1440))
# of each image: how many pixels it and its place measure
IMAGES = """() => [...window.services.viewportGridService.getState().viewports.keys()].map((id) => {
  const viewport = window.services.cornerstoneViewportService.getCornerstoneViewport(id);
  const { imageData, dimensions: [i, j, k] } = window.cornerstone.cache.getVolume(viewport.getAllVolumeIds()[0]);
  const at = (voxel) => viewport.worldToCanvas(imageData.indexToWorld(voxel));
  const [[x, y], [right], [, bottom]] = [at([-0.5, -0.5, k / 2]), at([i - 0.5, -0.5, k / 2]), at([-0.5, j - 0.5, k / 2])];
  const { clientWidth, clientHeight } = viewport.element;
  return { image: [Math.abs(right - x), Math.abs(bottom - y)], place: [clientWidth, clientHeight] };
})"""
IN_SIGHT = """() => {
  const frames = ['.lesions', '.rest'].map((one) => document.querySelector(`#vhi-panel ${one}`).getBoundingClientRect());
  return [...document.querySelectorAll('tr[data-lesion]')].filter((row) => {
    const { top, bottom } = row.getBoundingClientRect();
    return frames.every((frame) => top >= frame.top - 1 && bottom <= frame.bottom + 1);
  }).length;
}"""
# the images' canvases once nothing waits to be drawn, and whether edges of polygons are smoothed in them
PICTURES = """async () => {
  const engine = window.services.cornerstoneViewportService.getRenderingEngine();
  const frame = () => new Promise((resolve) => requestAnimationFrame(() => setTimeout(resolve, 100)));
  do await frame(); while (engine._animationFrameSet);
  const isSmooth = engine.offscreenMultiRenderWindow.getOpenGLRenderWindow().getContext().getContextAttributes().antialias;
  const shown = [...document.querySelectorAll('canvas.cornerstone-canvas')].map((canvas) => {
    const { data } = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height);
    const parts = [];
    for (let n = 0; n < data.length; n += 8192) parts.push(String.fromCharCode(...data.subarray(n, n + 8192)));
    return [canvas.height, canvas.width, btoa(parts.join(''))];
  });
  return [isSmooth, shown];
}"""
SMOOTHED = """{
  const plain = HTMLCanvasElement.prototype.getContext;
  HTMLCanvasElement.prototype.getContext = function (kind, options) {
    return plain.call(this, kind, kind === 'webgl2' ? { ...options, antialias: true } : options);
  };
}"""

# the sources of the shaders that the page compiles
SOURCES = """{
  const plain = WebGL2RenderingContext.prototype.shaderSource;
  window.shaderSources = [];
  WebGL2RenderingContext.prototype.shaderSource = function (shader, source) {
    window.shaderSources.push(source);
    return plain.call(this, shader, source);
  };
}"""
PLAIN = "export const sampleSlicesOnce = () => {};"
RAY_CASTER = "computeRayDistances(rayDirVC"  # where the viewer's own shader begins
# what changes both images: a key, or the planes that they are cut in
CUTS = ("sagittal", "coronal")
LOOKS = ("", "Home", "End", "+", "+", *CUTS)
CUT = """(plane) => {
  for (const viewport of window.services.cornerstoneViewportService.getRenderingEngine().getViewports()) {
    viewport.setOrientation(plane);
    viewport.render();
  }
}"""


@pytest.fixture
def reader(viewer_servers, page) -> Reader:
    page.set_viewport_size({"width": 1280, "height": 720})
    viewer_server = viewer_servers("embedded")
    made = Reader(page, viewer_server, viewer_server.studies["ascending"], "lara")
    made.open()
    page.locator(PICTURED).wait_for()
    return made


def pictures_of(page: Any) -> tuple[bool, list[np.ndarray]]:
    """Whether edges of polygons are smoothed, and the images on screen, `(rows, columns, 4)`."""
    is_smooth, shown = page.evaluate(PICTURES)
    return is_smooth, [np.frombuffer(base64.b64decode(data), np.uint8).reshape(high, wide, 4) for high, wide, data in shown]


def is_filling(page: Any) -> bool:
    """Whether each image is as wide or as high as its place, to 2%, and no larger."""
    shares = [max(a / b for a, b in zip(one["image"], one["place"], strict=True)) for one in page.evaluate(IMAGES)]
    return len(shares) == 2 and all(0.98 <= share <= 1 for share in shares)


def test_images_fill_the_window_and_the_list_grows_with_it(reader, shot):
    page = reader.page
    reader.measure()
    rows = []
    for width, height in SIZES:
        page.set_viewport_size({"width": width, "height": height})
        wait_for(lambda: is_filling(page))
        for name in ("#vhi-submit", "#vhi-undo", "#vhi-measure", "[data-vhi='sensitive']"):
            box = page.locator(name).bounding_box()
            assert box["y"] >= 0, name
            assert box["y"] + box["height"] <= height, name
        narrower = min(one["image"][0] for one in page.evaluate(IMAGES))
        assert narrower >= 0.36 * width
        rows.append(page.evaluate(IN_SIGHT))
        shot(f"{width}")
    assert rows[0] >= 4
    assert all(one <= other for one, other in pairwise(rows))
    assert rows[-1] == page.locator("tr[data-lesion]").count()


def test_a_part_that_is_folded_gives_its_room_to_the_list_and_stays_folded(reader):
    page = reader.page
    page.set_viewport_size({"width": 1600, "height": 1000})
    reader.measure()
    before = page.evaluate(IN_SIGHT)
    heading = page.locator("[data-fold='Draw']")
    heading.click()
    page.locator("[data-tool='brush']").wait_for(state="hidden")
    assert heading.get_attribute("aria-expanded") == "false"
    assert page.evaluate(IN_SIGHT) > before
    page.reload()
    reader.settled()
    assert page.locator("[data-tool='brush']").is_hidden()
    page.locator("[data-fold='Draw']").focus()
    page.keyboard.press("Enter")
    page.locator("[data-tool='brush']").wait_for()


def test_images_fit_again_after_a_side_panel_was_folded_or_the_view_was_reset(reader):
    page = reader.page
    page.locator("[data-cy='side-panel-header-right']").click()
    page.locator("#vhi-panel").wait_for(state="detached")
    wait_for(lambda: is_filling(page) and page.evaluate(IMAGES)[0]["place"][0] > 550)
    page.keyboard.press("+")
    wait_for(lambda: not is_filling(page))
    page.keyboard.press(" ")
    wait_for(lambda: is_filling(page))


def test_within_their_borders_images_are_those_that_four_samples_a_pixel_draw(viewer_servers, page):
    viewer_server = viewer_servers("embedded")
    pictures = []
    for is_smooth in (False, True):
        if is_smooth:
            page.add_init_script(SMOOTHED)
        reader = Reader(page, viewer_server, viewer_server.studies["ascending"], "pia")
        reader.open()
        reader.measure()
        page.wait_for_function(DRAWN, polling=500)
        told, shown = pictures_of(page)
        assert told == is_smooth
        pictures.append(shown)
    for ours, smoothed in zip(*pictures, strict=True):
        rows, columns = np.nonzero(smoothed[..., :3].any(axis=-1))
        inner = np.s_[rows.min() + 3 : rows.max() - 2, columns.min() + 3 : columns.max() - 2]
        assert ours[inner].size > ours.size / 3
        np.testing.assert_array_equal(ours[inner], smoothed[inner])


def test_slices_are_those_that_the_viewers_own_shader_draws(viewer_servers, page):
    viewer_server = viewer_servers("embedded")
    page.add_init_script(SOURCES)
    found = []
    for is_plain in (False, True):
        if is_plain:
            page.route("**/slice_shader.js", lambda route: route.fulfill(body=PLAIN, content_type="text/javascript"))
        reader = Reader(page, viewer_server, viewer_server.studies["ascending"], "ute")
        reader.open()
        reader.measure()
        page.wait_for_function(DRAWN, polling=500)
        found.append([])
        for look in LOOKS:
            if look in CUTS:
                page.evaluate(CUT, look)
            elif look:
                page.keyboard.press(look)
            found[-1].append(pictures_of(page)[1])
        bodies = [one.rpartition("void main()")[2] for one in page.evaluate("window.shaderSources") if "vtkVolumeFS" in one]
        assert len(bodies) >= 2  # of the images and of the label map
        assert {RAY_CASTER in one for one in bodies} == {is_plain}
    for look, ours, plain in zip(LOOKS, *found, strict=True):
        for one, other in zip(ours, plain, strict=True):
            assert np.unique(other[..., 0]).size > 50, look
            if look in CUTS:  # across slices either leaves out a pixel here and there, where the planes beside it round to one
                drawn = one[..., :3].any(axis=-1) & other[..., :3].any(axis=-1)
                assert (one != other).mean() < 1e-3
                np.testing.assert_allclose(one[drawn].astype(int), other[drawn], atol=2, err_msg=look)
            else:
                np.testing.assert_array_equal(one, other, err_msg=look)
    assert len({one[0].tobytes() for one in found[0]}) == len(LOOKS)
