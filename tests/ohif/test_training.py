"""The train button of MONAI Label's panel in the viewer."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest
import requests

from viewing import OPEN, dismiss_notice, wait_for

pytestmark = [pytest.mark.browser, pytest.mark.server, pytest.mark.slow]


@pytest.fixture
def viewer_server(viewer_servers_of_two):
    """Two cases, those of other modules not among them, on a server where nobody else submits or trains."""
    return viewer_servers_of_two("embedded")


def accept_region(url: str, image: str) -> None:
    """Hand in the automatic disease region as it is."""
    params = {"params": json.dumps({"result_extension": ".nii.gz"})}
    answer = requests.post(f"{url}/infer/disease_region", params={"image": image, "output": "image"}, data=params, timeout=120)
    told = {"params": json.dumps({"label_info": [{"name": "disease region", "idx": 1}], "client_id": "anna"})}
    files = {"label": ("label.nii.gz", io.BytesIO(answer.content))}
    saved = requests.put(f"{url}/datastore/label", params={"image": image}, data=told, files=files, timeout=120)
    assert saved.status_code == 200, saved.text


def hold_one_out(data: Path) -> None:
    """Give the patients of two cases names of which the first is held out: nothing is learnt where nobody is."""
    cases = sorted(path.name for path in (data / "cases").iterdir())
    (data / "retraining").mkdir(exist_ok=True)
    lines = (f"{case},{patient}" for case, patient in zip(cases, ("p3", "p5"), strict=True))
    (data / "retraining" / "patients.csv").write_text("\n".join(["case,patient", *lines, ""]))


def test_the_button_starts_training_and_stops_it(viewer_server, page, shot):
    for study in viewer_server.studies.values():
        accept_region(viewer_server.url, study.stir_uid)
    hold_one_out(next(viewer_server.server.tmp.parent.rglob("cases")).parent)

    def status() -> dict:
        return requests.get(f"{viewer_server.url}/train/", timeout=60).json()

    page.goto(viewer_server.address(viewer_server.studies["ascending"]), wait_until="domcontentloaded")
    page.locator(OPEN).wait_for()
    dismiss_notice(page)
    page.locator("[data-cy='monailabel-btn']").click()
    page.locator(".settingsTable button.actionButton").click()
    page.locator("label[for='tab-1']").click()
    # 0% where nothing runs; the panel shows 100% where a trainer tells no statistics
    assert page.locator("[title='Not Running']").inner_text() == "0%"
    with page.expect_response(lambda one: one.request.method == "POST" and one.url.endswith("/train/")) as begun:
        page.get_by_role("button", name="Update Model").click()
    assert begun.value.status == 200
    assert begun.value.json()["disease_region"]["result"]["status"] == "RUNNING"
    page.get_by_role("button", name="Stop Training").wait_for()
    wait_for(lambda: status()["progress"]["state"] == "training")
    page.locator("#vhi-training:visible").filter(has_text="Training, ").wait_for()
    shot("training")
    with page.expect_response(lambda one: one.request.method == "DELETE" and one.url.endswith("/train/")) as stopped:
        page.get_by_role("button", name="Stop Training").click()
    assert stopped.value.json()["status"] == "STOPPED"
    page.get_by_role("button", name="Update Model").wait_for()
    page.locator("#vhi-training").filter(has_text="can be gone on with").wait_for()
    assert status()["status"] == "STOPPED"
    # the history page, by its own buttons
    page.goto(f"{viewer_server.url}/vhi/models")
    assert "can be gone on with" in page.inner_text("body")
    shot("models")
