"""Someone who reads cases in the viewer: what is on screen, what the server says of it, what the archive holds then."""

from __future__ import annotations

import base64
import gzip
import json
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import nibabel
import numpy as np
import pydicom
import requests

from archived_case import client_of
from archives import Archive, Study
from lib.core.volume import Grid
from viewing import OPEN, ViewerServer, dismiss_notice, wait_for

REGION, BONE, INFLAMMATION, CONSERVATIVE = "disease region", "normal bone", "inflammation", "inflammation (conservative)"
PROPOSED, PROPOSED_TO_REMOVE = 5, "inflammation (proposed to remove)"
NUMBERS = {REGION: 1, BONE: 2, INFLAMMATION: 3, CONSERVATIVE: 4}
# a list of numbers takes a browser and a test seconds to hand over, text does not
AS_TEXT = """(data) => {
  let text = '';
  for (let n = 0; n < data.length; n += 8192) text += String.fromCharCode(...data.slice(n, n + 8192));
  return btoa(text);
}"""
MAP = "window.services.segmentationService.getLabelmapVolume('1').voxelManager.getCompleteScalarDataArray()"
CELLS = "window.viewerSession.reading.cells"
PLACE = """([series, voxel]) => {
  const { viewportGridService, displaySetService, cornerstoneViewportService, segmentationService } = window.services;
  for (const { viewportId, displaySetInstanceUIDs } of viewportGridService.getState().viewports.values()) {
    if (displaySetService.getDisplaySetByUID(displaySetInstanceUIDs[0]).SeriesInstanceUID !== series) continue;
    const viewport = cornerstoneViewportService.getCornerstoneViewport(viewportId);
    const world = segmentationService.getLabelmapVolume('1').imageData.indexToWorld(voxel);
    const [x, y] = viewport.worldToCanvas(world);
    const { left, top } = viewport.element.getBoundingClientRect();
    return [left + x, top + y];
  }
}"""


COLOURS = """(index) => [...window.services.viewportGridService.getState().viewports.keys()].map((id) =>
  [...window.services.segmentationService.getSegmentColor(id, '1', index)])"""
# the browser does not tell a test what a form with a file holds
LISTEN = """() => {
  const plain = window.fetch;
  window.fetch = (url, options) => {
    if (String(url).includes('/datastore/label?')) window.sentParams = options.body.get('params');
    return plain(url, options);
  };
}"""


@dataclass
class Reader:
    """Someone who reads a case in a window; what is on screen, and what the server says of the same."""

    page: Any
    viewer_server: ViewerServer
    study: Study
    name: str

    def open(self, begun: str = "start-anew") -> None:
        """Open the case under this name; what was begun before is thrown away, or gone on with (`go-on`)."""
        self.page.goto(self.viewer_server.address(self.study), wait_until="domcontentloaded")
        self.page.locator(f"{OPEN}, #vhi-draft").first.wait_for()
        dismiss_notice(self.page)
        self.page.locator("#vhi-reader-name").fill(self.name)
        self.page.keyboard.press("Tab")
        self.settled(begun)

    def settled(self, begun: str = "start-anew") -> None:
        """Until the page knows what this reader has begun and handed in, and what was begun is answered for."""
        settled = self.page.locator(f"#vhi-panel[aria-busy='false']:has({OPEN}), #vhi-panel[aria-busy='false']:has(#vhi-draft)")
        settled.first.wait_for()
        if self.page.locator("#vhi-draft").count():
            self.page.locator(f"#vhi-{begun}").click()
        self.page.locator(f"#vhi-panel[aria-busy='false']:has({OPEN})").wait_for()

    def kept(self) -> None:
        """Until the server has what is not handed in."""
        self.page.locator("#vhi-kept[data-kept='true']").wait_for()

    def measure(self) -> None:
        self.page.locator("#vhi-measure").click()
        self.page.locator("[data-vhi='sensitive']").wait_for()
        self.rest()

    def rest(self) -> None:
        """Until the server has answered: nothing is under way, and the numbers are those of what is on screen."""
        self.page.locator("#vhi-measure:enabled").wait_for()
        self.page.locator("#vhi-panel[aria-busy='false']:not(:has(.behind))").wait_for()

    def map(self) -> np.ndarray:
        """The label map on screen, `(I, J, K)` as the series' NIfTI has it."""
        return self.voxels(MAP)

    def cells(self) -> np.ndarray:
        """The page's cells, one per voxel, `(I, J, K)`; see `cells.js`."""
        return self.voxels(CELLS)

    def voxels(self, held: str) -> np.ndarray:
        """The value of an expression of the page at each voxel, whole numbers below 256, `(I, J, K)`."""
        flat = np.frombuffer(base64.b64decode(self.page.evaluate(f"({AS_TEXT})({held})")), np.uint8)
        return flat.reshape(self.grid.shape, order="F")

    def bits(self) -> np.ndarray:
        """The segments of each voxel on screen and beneath it, `(I, J, K)`: 1 disease region, 2 normal bone, 4 inflammation, and their sums."""
        cells = self.cells()
        return (cells >> 3 & 3) | np.where(np.isin(cells & 7, (3, 4, 5)), 4, 0).astype(np.uint8)

    @cached_property
    def grid(self) -> Grid:
        """Where the server and the viewer have STIR's voxels; the NIfTI that the study was made from counts its rows upwards."""
        image = nifti(requests.get(f"{self.viewer_server.url}/datastore/image?image={self.study.stir_uid}", timeout=120).content)
        i, j, k = image.shape
        return Grid((i, j, k), image.affine)

    def asked(self, model: str, **params: Any) -> tuple[dict[str, Any], np.ndarray]:
        """Facts and labels of a task, asked of the server beside the browser; labels `(I, J, K)` on the viewer's grid."""
        url = f"{self.viewer_server.url}/infer/{model}?image={self.study.stir_uid}"
        form = {"params": json.dumps({"client_id": self.name, **params})}
        facts = requests.post(f"{url}&output=json", data=form, timeout=120).json()
        file = requests.post(f"{url}&output=image", data=form, timeout=120).content
        return facts, np.asarray(nifti(file).dataobj)

    def measured_with(self, name: str, mask: np.ndarray) -> dict[str, Any]:
        """Facts of VHI measured with a region that is sent along, asked of the server beside the browser."""
        image = nibabel.Nifti1Image(mask.astype(np.uint8), self.grid.affine)
        params = json.dumps({"client_id": f"{self.name}-2", "label_info": [{"name": name, "idx": 1}]})
        files = {"label": ("label.nii.gz", gzip.compress(image.to_bytes()))}
        url = f"{self.viewer_server.url}/infer/vhi?image={self.study.stir_uid}&output=json"
        return requests.post(url, data={"params": params}, files=files, timeout=120).json()

    def hand_in_beside(self, name: str, mask: np.ndarray) -> None:
        """Submit one region by another client, under the same name."""
        image = nibabel.Nifti1Image(mask.astype(np.uint8), self.grid.affine)
        params = json.dumps({"client_id": self.name, "label_info": [{"name": name, "idx": 1}]})
        files = {"label": ("label.nii.gz", gzip.compress(image.to_bytes()))}
        url = f"{self.viewer_server.url}/datastore/label?image={self.study.stir_uid}"
        requests.put(url, data={"params": params}, files=files, timeout=120).raise_for_status()

    def dab(self, voxel: list[int], right: int, down: int) -> None:
        """One short stroke with the tool in hand, some pixels beside a voxel; it may change nothing."""
        x, y = self.at(voxel)
        mouse = self.page.mouse
        mouse.move(x + right - 20, y + down - 20)
        mouse.move(x + right, y + down, steps=3)
        self.page.wait_for_timeout(300)  # the brush's own cursor follows the pointer
        mouse.down()
        mouse.move(x + right + 5, y + down + 2, steps=3)
        mouse.up()
        self.page.wait_for_timeout(300)

    def at(self, voxel: list[int], role: str = "STIR") -> tuple[float, float]:
        """Where a voxel of STIR's grid is drawn, in the viewport of either series."""
        x, y = self.page.evaluate(PLACE, [{"STIR": self.study.stir_uid, "T1W": self.study.t1w_uid}[role], voxel])
        return x, y

    def stroke(self, voxel: list[int], role: str) -> None:
        """Draw with the tool in hand, from a voxel a little to the side."""
        x, y = self.at(voxel, role)
        mouse = self.page.mouse
        mouse.move(x - 30, y - 30)
        mouse.move(x, y, steps=6)
        self.page.wait_for_timeout(300)  # the brush's own cursor follows the pointer
        before = self.map()
        mouse.down()
        mouse.move(x + 8, y + 2, steps=4)
        mouse.up()
        wait_for(lambda: not np.array_equal(before, self.map()))
        self.page.wait_for_timeout(300)

    def take(self, tool: str) -> None:
        self.page.locator(f"[data-tool='{tool}']").click()

    def row(self, lesion: int) -> Any:
        return self.page.locator(f"tr[data-lesion='{lesion}']")

    def wait_until(self, lesion: dict[str, Any], fate: str) -> None:
        """Until the list says that a lesion is `kept`, `part` or `removed`."""
        self.page.locator(f"tr.{fate}[data-lesion='{lesion['id']}']").wait_for()
        self.rest()

    def submit(self) -> dict[str, Any]:
        """Submit; what was sent beside the map."""
        self.page.evaluate(LISTEN)
        self.page.locator("#vhi-submit").click()
        self.page.locator("#vhi-submitted").wait_for()
        return json.loads(self.page.evaluate("window.sentParams"))


def nifti(content: bytes) -> nibabel.Nifti1Image:
    is_compressed = content[:2] == b"\x1f\x8b"
    return nibabel.Nifti1Image.from_bytes(gzip.decompress(content) if is_compressed else content)


def number(text: str) -> int:
    return int(text.split()[0].replace(",", ""))


def lesion_of_two_grades(facts: dict[str, Any]) -> dict[str, Any]:
    return next(one for one in facts["lesions"] if 0 < one["conservative_share"] < 1 and one["voxels"] > 50)


def in_archive(archive: Archive, study: Study, modality: str) -> list[pydicom.Dataset]:
    client = client_of(archive)
    series = client.series(study.study_uid, Modality=modality)
    return [one for entry in series for one in client.retrieve(study.study_uid, entry.series_uid)]


def by_reader(objects: list[pydicom.Dataset], name: str) -> list[pydicom.Dataset]:
    return [one for one in objects if name in str(one)]
