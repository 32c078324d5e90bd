"""An administrator looks at a finished case in the browser: two readings in two styles, where they differ, and why."""

from __future__ import annotations

import base64
import json
import re
from typing import Any

import numpy as np
import pytest
import requests

from accessible import grave_faults
from archives import ARCHIVES, phantom_study, serving_archive, why_no_orthanc
from lib.studies.dicomize import Labels
from marked import marked, places, recording
from standin import PASSWORDS, write_known_accounts
from viewing import ViewerServer, dismiss_notice, wait_for

pytestmark = [pytest.mark.browser]
# of a label map by its id: its voxels
MAP = """(id) => {
  const data = window.services.segmentationService.getLabelmapVolume(id).voxelManager.getCompleteScalarDataArray();
  let text = '';
  for (let n = 0; n < data.length; n += 8192) text += String.fromCharCode(...data.slice(n, n + 8192));
  return btoa(text);
}"""
SHOWN_SLICES = """() => [...window.services.viewportGridService.getState().viewports.keys()].map((id) =>
  window.services.cornerstoneViewportService.getCornerstoneViewport(id).getSliceIndex())"""
# pixels of the first image that are orange (filled) and blue (outlined)
COLOURS = """() => {
  const canvas = document.querySelector('canvas.cornerstone-canvas');
  const { data } = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height);
  let [orange, blue] = [0, 0];
  for (let n = 0; n < data.length; n += 4) {
    orange += data[n] - data[n + 2] > 60;
    blue += data[n + 2] - data[n] > 60;
  }
  return [orange, blue];
}"""


@pytest.fixture(params=[pytest.param(name, marks=pytest.mark.pacs) for name in ARCHIVES])
def viewer_server(request: pytest.FixtureRequest, viewer_servers_of_two) -> ViewerServer:
    return viewer_servers_of_two(request.param)


def read(viewer_server: ViewerServer, reader: str, without: int, folder: Any) -> None:
    """Hand in a case without one of its lesions, as 3D Slicer's own client does."""
    series = viewer_server.studies["ascending"].stir_uid
    client = viewer_server.server.client(reader, folder)
    form = {"result_extension": ".nii.gz", "result_dtype": "uint8"}
    _, facts = client.infer("vhi", series, form)
    clicks = [one["voxel"] for one in facts["lesions"] if one["id"] == without]
    file, _ = client.infer("vhi_clean", series, {**form, "background": clicks})
    client.save_label(series, file, "", {"label_info": [{"name": "inflammation", "idx": 1}]})


def voxels(page: Any, name: str) -> np.ndarray:
    return np.frombuffer(base64.b64decode(page.evaluate(MAP, name)), np.uint8)


def test_two_readings_lie_over_the_images_a_press_goes_to_where_they_differ_and_the_reason_is_kept(
    page, viewer_server, shot, tmp_path
):
    for reader, without in (("otto", 1), ("paul", 2)):
        read(viewer_server, reader, without, tmp_path)
    study = viewer_server.studies["ascending"]
    before = requests.get(f"{viewer_server.url}/vhi/cases", timeout=60).json()["cases"]
    page.goto(f"{viewer_server.url}/vhi/worklist", wait_until="domcontentloaded")
    page.locator("#reader").fill("root")
    page.keyboard.press("Enter")
    page.get_by_role("link", name="Review", exact=True).click()
    page.locator("#vhi-differing").wait_for()
    dismiss_notice(page)

    # what the page shows is what the server keeps, to the voxel
    facts = requests.get(f"{viewer_server.url}/vhi/review", {"image": study.stir_uid}, timeout=60).json()
    by_reader = {one["reader"]: one["submission"] for one in facts["readings"]}
    asked = {"image": study.stir_uid, "first": by_reader["otto"], "second": by_reader["paul"]}
    found = requests.get(f"{viewer_server.url}/vhi/review/differences", asked, timeout=60).json()
    page.wait_for_function("() => window.viewerSession.review.found !== null")
    first, second = (voxels(page, name) for name in ("vhi-first", "vhi-second"))
    each = found["first_mm3"] / first.sum()
    assert second.sum() * each == pytest.approx(found["second_mm3"])
    assert (first ^ second).sum() * each == pytest.approx(found["differing_mm3"])
    shot("opened")
    assert grave_faults(page, "#vhi-review") == []

    # nothing there draws or hands in
    for name in ("#vhi-panel", "#vhi-submit", "#vhi-measure", "#vhi-undo"):
        assert page.locator(name).count() == 0
    offered = page.locator("button").all_inner_texts() + page.locator("[data-cy]").evaluate_all(
        "all => all.map((one) => one.dataset.cy)"
    )
    assert not [text for text in offered if re.search(r"brush|eraser|scissor|threshold|submit|^run", text, re.IGNORECASE)]

    rows = page.locator("#vhi-review tr[data-slice]")
    assert [int(row.get_attribute("data-slice")) for row in rows.all()] == [one["slice"] for one in found["slices"]]
    for n in (len(found["slices"]) - 1, 0):
        rows.nth(n).get_by_role("button").click()
        number = int(rows.nth(n).get_by_role("button").inner_text().removeprefix("Slice "))
        page.wait_for_function("(n) => (" + SHOWN_SLICES + ")().every((one) => one === n - 1)", arg=number)
    page.locator("#vhi-side-1").select_option(by_reader["paul"])
    page.get_by_text("Choose two readings.").wait_for()
    page.locator("#vhi-side-2").select_option(by_reader["otto"])
    page.locator("#vhi-differing").wait_for()
    rows.first.get_by_role("button").click()
    page.wait_for_function("() => { const [orange, blue] = (" + COLOURS + ")(); return orange > 30 && blue > 10; }")
    shot("swapped")

    page.locator("input[name=vhi-of][value=slice]").check()
    page.locator("#vhi-class").select_option("anatomical")
    page.locator("#vhi-note").fill("posterior ilium")
    page.locator("#vhi-record").click()
    page.locator("#vhi-recorded").get_by_text("posterior ilium").wait_for()
    shot("recorded")
    (kept,) = requests.get(f"{viewer_server.url}/vhi/reviews", timeout=60).json()["reviews"]
    assert (kept["first"], kept["second"], kept["reason"]) == (by_reader["paul"], by_reader["otto"], "anatomical")
    assert (kept["slice"], kept["note"], kept["case"]) == (found["slices"][0]["slice"], "posterior ilium", study.study_uid)
    assert requests.get(f"{viewer_server.url}/vhi/cases", timeout=60).json()["cases"] == before
    page.goto(f"{viewer_server.url}/vhi/worklist", wait_until="domcontentloaded")
    page.get_by_role("link", name="Reviewed").wait_for()
    shot("worklist")


@pytest.mark.server
@pytest.mark.parametrize("name", [pytest.param(name, marks=pytest.mark.pacs) for name in ARCHIVES])
def test_a_blinded_case_is_reviewed_under_its_alias_and_no_byte_of_it_names_the_patient(name, page, shot, tmp_path):
    reason = why_no_orthanc() if name == "orthanc" else None
    if reason:
        pytest.skip(reason)
    archive = ARCHIVES[name](tmp_path / "archive")
    archive.start()
    archive.store(marked(phantom_study(tmp_path / "true", 3, labels=Labels("P3", "20250601"))).files())
    write_known_accounts(tmp_path / "accounts.json")
    options, conf = ["--accounts", str(tmp_path / "accounts.json")], {"blinded": "true", "seed": "11", "several_readers": "true"}
    try:
        with (
            serving_archive(archive, tmp_path / "server", *options, conf=conf, OMP_NUM_THREADS="1") as server,
            recording(server.url) as recorder,
        ):
            anna, root = (signed_in_at(server.url, who) for who in ("anna", "root"))
            rows = f"{server.url}/vhi/worklist/rows"
            wait_for(lambda: [one["state"] for one in anna.get(rows, timeout=60).json()["rows"]] == ["open"])
            (row,) = anna.get(rows, timeout=60).json()["rows"]
            for reading in (1, 2):
                read_twice(server.url, anna, row["image"], reading)
            review(recorder.url, page, row, shot)
            (kept,) = root.get(f"{server.url}/vhi/reviews", timeout=60).json()["reviews"]
            assert (kept["case"], kept["reason"], kept["by"]) == (row["case"], "artefact", "root")
            sent = recorder.bytes()
            assert row["case"].encode() in sent  # it is recorded in the clear
            assert places(sent) == []
            assert places(page.content().encode()) == []
            page.goto("about:blank")  # nothing is asked for when the server is gone
    finally:
        archive.stop()


def signed_in_at(url: str, name: str) -> requests.Session:
    session = requests.Session()
    form = {"username": name, "password": PASSWORDS[name], "grant_type": "password"}
    token = session.post(f"{url}/auth/token", data=form, timeout=60).json()["access_token"]
    session.headers["Authorization"] = f"Bearer {token}"
    return session


def read_twice(url: str, session: requests.Session, image: str, reading: int) -> None:
    """Hand in a case without the lesion of that number, as one reading."""

    def asked(model: str, output: str, **params: Any) -> requests.Response:
        form = {"params": json.dumps({"reading": reading, "result_extension": ".nii.gz", **params})}
        return session.post(f"{url}/infer/{model}?image={image}&output={output}", data=form, timeout=240)

    lesions = asked("vhi", "json").json()["lesions"]
    clicks = [one["voxel"] for one in lesions if one["id"] == reading]
    label = asked("vhi_clean", "image", background=clicks)
    params = json.dumps({"label_info": [{"name": "inflammation", "idx": 1}], "reading": reading})
    files = {"label": ("label.nii.gz", label.content)}
    session.put(f"{url}/datastore/label?image={image}", data={"params": params}, files=files, timeout=240).raise_for_status()


def review(url: str, page: Any, row: dict[str, Any], shot: Any) -> None:
    """From the login to a class that is recorded, with real events."""
    page.goto(f"{url}/", wait_until="domcontentloaded")
    page.get_by_label("Name").fill("root")
    page.get_by_label("Password").fill(PASSWORDS["root"])
    page.get_by_role("button", name="Sign in").click()
    page.locator("tbody").get_by_text(row["case"]).wait_for()
    page.get_by_role("link", name="Review", exact=True).click()
    page.locator("#vhi-differing").wait_for()
    dismiss_notice(page)
    page.wait_for_function("() => window.viewerSession.review.found !== null")
    first, second = (voxels(page, name) for name in ("vhi-first", "vhi-second"))
    assert (first ^ second).any()
    page.locator("#vhi-review tr[data-slice]").first.get_by_role("button").click()
    page.wait_for_function("() => { const [orange, blue] = (" + COLOURS + ")(); return orange + blue > 20; }")
    shot("blinded")
    page.locator("#vhi-class").select_option("artefact")
    page.locator("#vhi-record").click()
    page.locator("#vhi-recorded li").wait_for()
