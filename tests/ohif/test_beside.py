"""The patient's earlier visit beside the open one in the browser: laid over it, moved along with it, and there to look at alone."""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import nibabel
import numpy as np
import pytest

from archives import ARCHIVES, dicomized, why_no_orthanc
from browsing import Reader
from lib.studies.dicomize import Labels
from lib.studies.nifti import write_volume
from phantoms_once import phantom_once
from viewing import ViewerServer, viewer_over, wait_for

pytestmark = [pytest.mark.browser, pytest.mark.server]

MOVED = 6  # voxels that the patient lies further along the first axis at the earlier visit
# of a viewport by its place: its volume's voxels, slice, window, middle, and the words on it
VIEW = """(n) => {
  const id = [...window.services.viewportGridService.getState().viewports.keys()][n];
  const viewport = window.services.cornerstoneViewportService.getCornerstoneViewport(id);
  const volume = window.cornerstone.cache.getVolume(viewport.getAllVolumeIds()[0]);
  const bytes = new Uint8Array(Float32Array.from(volume.voxelManager.getCompleteScalarDataArray()).buffer);
  let text = '';
  for (let k = 0; k < bytes.length; k += 8192) text += String.fromCharCode(...bytes.slice(k, k + 8192));
  const { focalPoint, parallelScale } = viewport.getCamera();
  const { lower, upper } = viewport.getProperties().voiRange;
  const maps = window.services.segmentationService.getSegmentationRepresentations(id).map((one) => one.segmentationId);
  const words = viewport.element.querySelector('.vhi-beside')?.textContent ?? '';
  return { voxels: btoa(text), dims: volume.dimensions, middle: [...focalPoint], scale: parallelScale, window: [lower, upper], maps, words };
}"""
MAP = """() => {
  const data = window.services.segmentationService.getLabelmapVolume('vhi-earlier').voxelManager.getCompleteScalarDataArray();
  let text = '';
  for (let n = 0; n < data.length; n += 8192) text += String.fromCharCode(...data.slice(n, n + 8192));
  return btoa(text);
}"""
# pixels of an image that are blue
BLUE = """(n) => {
  const canvas = document.querySelectorAll('canvas.cornerstone-canvas')[n];
  const { data } = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height);
  let blue = 0;
  for (let k = 0; k < data.length; k += 4) blue += data[k + 2] - data[k] > 60;
  return blue;
}"""
NOW, PANE = 0, 1


@pytest.fixture(scope="module")
def visits(tmp_path_factory):
    """Two visits of one patient, who lies `MOVED` voxels further at the first of them."""
    folder, phantom, found = tmp_path_factory.mktemp("visits"), phantom_once(3, (224, 224, 13)), {}
    pair = folder / "t1w.nii.gz", folder / "stir.nii.gz"
    for path, volume in zip(pair, (phantom.t1w, phantom.stir), strict=True):
        write_volume(path, volume)
    found["second"] = dicomized(folder / "second", *pair, labels=Labels("TWICE", "20250601"))
    for path in pair:
        image = nibabel.load(path)
        moved = np.roll(np.asarray(image.dataobj), MOVED, axis=0)
        nibabel.save(nibabel.Nifti1Image(moved, image.affine, image.header), folder / f"moved-{path.name}")
    moved_pair = [folder / f"moved-{path.name}" for path in pair]
    found["first"] = dicomized(folder / "first", *moved_pair, labels=Labels("TWICE", "20240601"))
    return found


@pytest.fixture(scope="module")
def viewer_servers_of_visits(visits, tmp_path_factory) -> Iterator[Callable[[str], ViewerServer]]:
    with ExitStack() as stack:
        known: dict[str, ViewerServer] = {}

        def start(name: str) -> ViewerServer:
            reason = why_no_orthanc() if name == "orthanc" else None
            if reason:
                pytest.skip(reason)
            if name not in known:
                work = tmp_path_factory.mktemp(f"visits-{name}")
                archive = ARCHIVES[name](work / "archive")
                archive.start()
                stack.callback(archive.stop)
                known[name] = stack.enter_context(viewer_over(archive, visits, work / "server", OMP_NUM_THREADS="1"))
            return known[name]

        yield start


@pytest.fixture(params=[pytest.param(name, marks=pytest.mark.pacs) for name in ARCHIVES])
def viewer_server(request: pytest.FixtureRequest, viewer_servers_of_visits) -> ViewerServer:
    return viewer_servers_of_visits(request.param)


def read_first(viewer_server: ViewerServer, folder: Any) -> dict[str, Any]:
    """Anna hands in the first visit without its first lesion, as 3D Slicer's own client does."""
    series, client = viewer_server.studies["first"].stir_uid, viewer_server.server.client("anna", folder)
    form = {"result_extension": ".nii.gz", "result_dtype": "uint8"}
    _, facts = client.infer("vhi", series, form)
    clicks = [one["voxel"] for one in facts["lesions"] if one["id"] == 1]
    file, facts = client.infer("vhi_clean", series, {**form, "background": clicks})
    client.save_label(series, file, "", {"label_info": [{"name": "inflammation", "idx": 1}]})
    return facts


def voxels(view: dict[str, Any]) -> np.ndarray:
    return np.frombuffer(base64.b64decode(view["voxels"]), np.float32).reshape(view["dims"], order="F")


def alike(one: np.ndarray, other: np.ndarray) -> float:
    inner = (slice(20, -20), slice(20, -20), slice(1, -1))  # what was moved in lies at the edge
    return float(np.corrcoef(one[inner].ravel(), other[inner].ravel())[0, 1])


def test_the_earlier_stir_lies_over_this_one_is_linked_outlined_and_takes_no_click(page, viewer_server, shot, tmp_path):
    facts = read_first(viewer_server, tmp_path)
    reader = Reader(page, viewer_server, viewer_server.studies["second"], "anna")
    reader.open()
    reader.measure()
    line = page.locator("#vhi-change").inner_text()
    assert "Earlier visit of 2024-06-01: VHI (cleaned by anna)" in line
    t1w = voxels(page.evaluate(VIEW, PANE))

    page.locator("#vhi-beside").click()
    page.locator("#vhi-beside[aria-pressed='true']").wait_for()
    now, earlier = page.evaluate(VIEW, NOW), page.evaluate(VIEW, PANE)
    stir, moved = voxels(now), voxels(earlier)
    before = np.roll(stir, -MOVED, axis=0), np.roll(stir, MOVED, axis=0)
    assert alike(stir, moved) > 0.99
    assert max(alike(one, moved) for one in before) < 0.95  # as it lay
    kept = np.frombuffer(base64.b64decode(page.evaluate(MAP)), np.uint8).reshape(now["dims"], order="F") > 0
    mm3 = facts["voxel_volume_mm3"]
    assert kept.sum() * mm3 == pytest.approx(facts["vhi_mm3"]["sensitive"], rel=0.1)  # nearest neighbours of a moved mask
    assert (now["maps"], earlier["maps"]) == (["1"], ["vhi-earlier"])
    assert "Earlier visit of 2024-06-01" in earlier["words"]
    assert earlier["window"] == pytest.approx(now["window"], rel=0.05)  # thresholds of one phantom twice
    in_slice = kept.sum(axis=(0, 1))
    show_slice(page, int(in_slice.argmax()))
    wait_for(lambda: page.evaluate(BLUE, PANE) > 10)
    shot("beside")

    # linked by the wheel in either image
    for n in (NOW, PANE):
        box = page.locator("canvas.cornerstone-canvas").nth(n).bounding_box()
        page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
        middle = page.evaluate(VIEW, n)["middle"]
        page.mouse.wheel(0, 100)
        wait_for(lambda n=n, middle=middle: page.evaluate(VIEW, n)["middle"] != pytest.approx(middle, abs=0.1))
        wait_for(lambda: page.evaluate(VIEW, NOW)["middle"] == pytest.approx(page.evaluate(VIEW, PANE)["middle"], abs=0.01))

    # a click in it takes nothing out, one in this visit's image does
    lesion = next(one for one in reader.asked("vhi")[0]["lesions"] if one["id"] == 2)
    reader.row(lesion["id"]).click()
    reader.take("remove")
    box = page.locator("canvas.cornerstone-canvas").nth(PANE).bounding_box()
    own = page.locator("canvas.cornerstone-canvas").nth(NOW).bounding_box()
    x, y = reader.at(lesion["voxel"])
    shown = reader.map()
    page.mouse.click(box["x"] + x - own["x"], box["y"] + y - own["y"])
    page.get_by_text("is there to look at").wait_for()
    assert np.array_equal(reader.map(), shown)
    page.mouse.click(x, y)
    reader.wait_until(lesion, "removed")
    line = page.locator("#vhi-change").inner_text()
    assert ("1 new" in line, "resolved" in line) == (True, True)  # the one taken out of the first visit, and this one

    # the key puts T1W back, and the colours of this visit with it
    page.keyboard.press("v")
    page.locator("#vhi-beside[aria-pressed='false']").wait_for()
    again = page.evaluate(VIEW, PANE)
    assert np.array_equal(voxels(again), t1w)
    assert (again["maps"], again["words"]) == (["1"], "")
    shot("t1w-again")


def show_slice(page: Any, slice_: int) -> None:
    page.evaluate(
        """(k) => {
          const map = window.viewerSession.reading.labelmap;
          const [i, j] = map.place().sizes.map((size) => size >> 1);
          window.viewerSession.reading.dispatchEvent(new CustomEvent('jump', { detail: map.worldAt([i, j, k]) }));
        }""",
        slice_,
    )
