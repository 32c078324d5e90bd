"""Gestures by the pointer: a lasso, a line, all of a size, keep only, a split; each is one step, and the submission holds it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import requests

from browsing import INFLAMMATION, Reader
from lib.core.lesions import label_lesions
from viewing import wait_for

pytestmark = [pytest.mark.browser, pytest.mark.server, pytest.mark.pacs]

WINDOWS = """() => window.viewerSession.reading.labelmap.viewportIds().map((id) =>
  JSON.stringify(window.services.cornerstoneViewportService.getCornerstoneViewport(id).getProperties().voiRange))"""


@pytest.fixture
def reader(viewer_servers, page) -> Reader:
    viewer_server = viewer_servers("embedded")
    made = Reader(page, viewer_server, viewer_server.studies["ascending"], "quentin")
    made.open()
    made.measure()
    return made


def choose(reader: Reader, scope: str, tool: str) -> None:
    reader.page.locator("#vhi-scope").select_option(scope)
    if not reader.page.locator(f"[data-tool='{tool}'][aria-pressed='true']").count():
        reader.take(tool)


def drag(reader: Reader, path: list[tuple[float, float]]) -> None:
    mouse = reader.page.mouse
    mouse.move(*path[0])
    mouse.down()
    for point in path[1:]:
        mouse.move(*point, steps=4)
    mouse.up()


def gestures(reader: Reader) -> list[dict[str, Any]]:
    return reader.page.evaluate("window.viewerSession.reading.state.decisions.clicks")


def around(reader: Reader, voxel: list[int], px: float = 25.0) -> list[tuple[float, float]]:
    x, y = reader.at(voxel)
    return [(x - px, y - px), (x + px, y - px), (x + px, y + px), (x - px, y + px), (x - px, y - px + 2)]


def test_a_lasso_takes_what_lies_in_it_and_what_the_server_makes_of_it_is_on_screen(reader, shot):
    facts, labels = reader.asked("vhi", show="both")
    lesion = max(facts["lesions"], key=lambda one: one["voxels"] if one["voxels"] < 400 else 0)
    reader.row(lesion["id"]).click()
    before = reader.map()
    window = reader.page.evaluate(WINDOWS)
    choose(reader, "inside", "remove")
    drag(reader, around(reader, lesion["voxel"]))
    reader.wait_until(lesion, "removed")
    shot("lasso")
    (gesture,) = gestures(reader)
    assert (gesture["what"], gesture["scope"], gesture["slice"], gesture["inside"]) == ("remove", "lasso", lesion["slice"], True)
    assert 3 <= len(gesture["polygon"]) <= 12
    left = reader.asked("vhi_clean", gestures=[gesture])[1]
    assert 0 < np.count_nonzero(left) < np.count_nonzero(labels)
    np.testing.assert_array_equal(reader.map() > 0, left > 0)
    assert reader.page.evaluate(WINDOWS) == window  # the viewer's own tool took no part in it
    reader.page.locator("#vhi-undo").click()
    reader.rest()
    np.testing.assert_array_equal(reader.map(), before)
    assert gestures(reader) == []


def test_keep_only_a_line_and_a_size_are_one_step_each_and_are_submitted(reader, shot):
    facts, labels = reader.asked("vhi", show="both")
    lesion = facts["lesions"][0]
    before = reader.map()
    reader.row(lesion["id"]).click()
    choose(reader, "lesion", "only")
    reader.page.mouse.click(*reader.at(lesion["voxel"]))
    reader.rest()
    ids = label_lesions((labels > 0).astype(np.uint8))[0]
    np.testing.assert_array_equal(reader.map() > 0, ids == ids[tuple(lesion["voxel"])])
    reader.page.keyboard.press("Control+z")
    reader.rest()
    np.testing.assert_array_equal(reader.map(), before)
    choose(reader, "above", "remove")
    x, y = reader.at(lesion["voxel"])
    drag(reader, [(x - 60, y - 25), (x + 60, y - 22)])
    reader.rest()
    most = next(size for size in (20, 50, 100, 200) if size > facts["lesions"][-1]["mm3"])
    reader.page.locator("#vhi-together").select_option(label=f"below {most} mm³")
    reader.rest()
    shot("cleaned")
    line, size = gestures(reader)
    assert (line["scope"], size) == ("beyond line", {"what": "remove", "scope": "smaller", "below_mm3": most})
    left = reader.asked("vhi_clean", gestures=[line, size])[1]
    assert 0 < np.count_nonzero(left) < np.count_nonzero(labels)
    wait_for(lambda: np.array_equal(reader.map() > 0, left > 0))
    reader.submit()
    url = f"{reader.viewer_server.url}/vhi/reading?image={reader.study.stir_uid}&client_id={reader.name}&reading=1"
    made = requests.get(url, timeout=60).json()
    assert made["decisions"]["clicks"] == [line, size]
    assert made["corrections"]["hand"]["erased"] == []
    assert INFLAMMATION in [one["name"] for one in made["segments"]]


def test_a_lesion_is_split_at_its_bridge_by_a_click_and_one_piece_is_removed(reader, shot):
    lesions = reader.asked("vhi")[0]["lesions"]
    bridges = [{"what": "split", "scope": "bridge", "voxel": one["voxel"]} for one in lesions]
    known = reader.asked("vhi_clean", gestures=bridges)[0]["pieces"]
    lesion = next(one for one in lesions if one["id"] == known[0]["of"])
    reader.row(lesion["id"]).click()
    whole = reader.map()
    reader.take("split")
    reader.page.mouse.click(*reader.at(lesion["voxel"]))
    (split,) = until_gestures(reader, 1)
    reader.rest()
    assert split == {"what": "split", "scope": "bridge", "voxel": lesion["voxel"]}
    facts = reader.asked("vhi_clean", gestures=[split])[0]
    first, second = facts["pieces"]
    assert first["voxels"] + second["voxels"] == lesion["voxels"]
    assert f"{second['id']} of {lesion['id']}" in reader.row(second["id"]).inner_text()
    assert reader.page.locator("tr[data-lesion]").count() == len(lesions) + 1
    np.testing.assert_array_equal(reader.map(), whole)  # nothing is decided yet
    reader.row(second["id"]).click()
    choose(reader, "lesion", "remove")
    reader.page.mouse.click(*reader.at(second["voxel"]))
    reader.wait_until(second, "removed")
    shot("split")
    left = reader.asked("vhi_clean", gestures=gestures(reader))[1]
    np.testing.assert_array_equal(reader.map() > 0, left > 0)
    assert np.count_nonzero(whole) - np.count_nonzero(left) == second["voxels"]
    assert reader.page.locator(f"tr.kept[data-lesion='{lesion['id']}']").count() == 1
    for _ in range(2):
        reader.page.keyboard.press("Control+z")
        reader.rest()
    assert reader.page.locator("tr[data-lesion]").count() == len(lesions)
    for _ in range(2):
        reader.page.keyboard.press("Control+y")
        reader.rest()
    np.testing.assert_array_equal(reader.map() > 0, left > 0)
    reader.kept()
    again = Reader(reader.page, reader.viewer_server, reader.study, reader.name)
    again.open("go-on")  # the draft brings pieces and decisions back
    again.row(second["id"]).wait_for()
    np.testing.assert_array_equal(again.map() > 0, left > 0)


def test_a_stroke_right_across_a_lesion_splits_it_and_one_beside_it_says_why_not(reader, shot):
    facts, labels = reader.asked("vhi", show="both")
    lesion = facts["lesions"][0]
    reader.row(lesion["id"]).click()
    reader.take("split")
    i, j, k = lesion["voxel"]
    x, y = reader.at([i, j, k])
    drag(reader, [(x - 400, y - 300), (x - 390, y - 280)])
    reader.page.get_by_text("crosses no lesion; nothing was split").wait_for()
    ids = label_lesions((labels > 0).astype(np.uint8))[0]
    columns = np.argwhere(ids == ids[i, j, k])[:, 1]
    ends = [reader.at([i, int(end), k]) for end in (columns.min() - 6, columns.max() + 6)]
    drag(reader, ends)
    (split,) = until_gestures(reader, 1)
    reader.rest()
    assert (split["scope"], split["slice"]) == ("stroke", k)
    pieces = reader.asked("vhi_clean", gestures=[split])[0]["pieces"]
    assert sum(one["voxels"] for one in pieces if one["of"] == lesion["id"]) == lesion["voxels"]
    for piece in pieces:
        reader.row(piece["id"]).wait_for()
    shot("stroke")


def until_gestures(reader: Reader, count: int) -> list[dict[str, Any]]:
    wait_for(lambda: len(gestures(reader)) == count)
    return gestures(reader)
