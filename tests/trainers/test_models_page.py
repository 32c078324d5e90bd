"""The page of the versions, and who may do what there, behind the guard."""

from __future__ import annotations

import base64
import hashlib
import re
from dataclasses import replace
from pathlib import Path

import pytest

from handmade import handmade
from lib.figures.canvas import new_chart, png_bytes
from lib.readings.data_folder import make_folder
from lib.records import write_json
from lib.retraining.config import TrainConfig
from lib.server.config import ServerConfig
from lib.service.service import MODEL_DIR, VhiService
from lib.studies.nifti import write_volume
from lib.trainers.training_manager import TrainingManager
from lib.versions import make_live, publish, read_live, verify
from lib.versions.site import own_models
from standin import PASSWORDS, cookie_of, guarded, signed_in, write_known_accounts

pytestmark = pytest.mark.slow  # seconds in all

PICTURE = png_bytes(new_chart(5, 5), 50)
HTML = {"Accept": "text/html,application/xhtml+xml"}


def gate(live: float, candidate: float, accepted: bool, *reasons: str) -> dict:
    pair = {"what": "hold-out", "case_id": "h", "live": live, "candidate": candidate}
    return {"accepted": accepted, "reasons": list(reasons), "compared": {}, "cases": [pair]}


@pytest.fixture
def manager(tmp_path: Path) -> TrainingManager:
    """A site with three versions of its own, a rejected session and a label in quarantine."""
    studies = tmp_path / "studies"
    studies.mkdir()
    truth = handmade()
    write_volume(studies / "a_T1W.nii.gz", truth.t1w)
    write_volume(studies / "a_STIR.nii.gz", truth.stir)
    service = VhiService(studies)
    own, shipped = own_models(studies / ".vhi"), read_live(MODEL_DIR)
    first = shipped.manifest
    publish(own, first, verify(shipped))
    second = replace(
        first, version="site-2", parent=first.version, created="2027-02-01T00:00:00+00:00", gate=gate(0.9, 0.93, True)
    )
    publish(own, second, verify(shipped))
    bad = gate(0.93, 0.8, False, "Its mean Dice is 0.13 below.")
    publish(
        own,
        replace(second, version="site-3", parent="site-2", created="2027-03-01T00:00:00+00:00", gate=bad),
        verify(shipped),
        live=False,
    )
    manager = TrainingManager(service, TrainConfig(), "1")
    place = manager.folder.history / "s3"
    make_folder(place)
    (place / "1.png").write_bytes(PICTURE)
    write_json(place / "result.json", {
        "state": "rejected", "session": "s3", "version": "site-3", "parent": "site-2", "live": False, "reasons": ["Its mean Dice <b>"],
        "begun": "2027-03-01T00:00:00+00:00", "pictures": ["1.png"],
    })  # fmt: skip
    held = {"case": "a", "submission": "0001-anna", "label_id": "x", "state": "held", "reasons": ["It seems flipped."],
            "dice": 0.4, "releasable": True}  # fmt: skip
    manager.folder.note_check(held, PICTURE)
    return manager


@pytest.fixture
def client(manager: TrainingManager, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    accounts = tmp_path / "accounts.json"
    write_known_accounts(accounts)

    def make(**config):
        from starlette.testclient import TestClient

        folder = tmp_path / "standin"
        folder.mkdir(exist_ok=True)
        stock, _, app = guarded(monkeypatch, folder, ServerConfig(accounts=accounts, **config))
        app.training = manager
        return TestClient(stock, base_url="http://127.0.0.1:8000", client=("127.0.0.1", 50000))

    return make


def test_programs_get_the_history_as_json(client):
    served = client()
    content = served.get("/vhi/models", headers=signed_in(served, "root")).json()
    shipped = read_live(MODEL_DIR).manifest.version
    assert [(one["version"], one["state"]) for one in content["versions"]] == [
        (shipped, "earlier"), ("site-2", "live"), ("site-3", "rejected"),
    ]  # fmt: skip
    assert content["live"] == "site-2"
    assert content["versions"][1]["dice"] == {"hold-out": {"measure": "3-D Dice", "version": 0.93, "before": 0.9, "cases": 1}}
    assert content["versions"][0]["dice"]["cross-validation"]["version"] > 0.9
    assert content["versions"][2]["reasons"] == ["Its mean Dice is 0.13 below."]
    assert [one["case"] for one in content["quarantine"]] == ["a"]
    assert content["waiting"] == 0


def test_browsers_get_a_page_whose_only_script_is_its_own(client):
    served = client()
    answer = served.get("/vhi/models", headers=signed_in(served, "root") | HTML)
    assert answer.headers["content-type"].startswith("text/html")
    page = answer.text
    (script,) = re.findall(r"<script>(.*?)</script>", page, re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    assert f"script-src 'sha256-{digest}'" in answer.headers["content-security-policy"]
    assert "data:image/svg+xml" in page  # Dice over time
    assert page.count(base64.b64encode(PICTURE).decode()) == 2  # of the label and of the session
    assert "It seems flipped." in page
    assert "Its mean Dice &lt;b&gt;" in page
    # only what was accepted can be gone back to
    assert re.findall(r"live\?version=([^\"]+)", page) == [read_live(MODEL_DIR).manifest.version]
    assert re.findall(r"release\?case=([^\"]+)", page) == ["a&amp;submission=0001-anna"]


def test_readers_see_no_history_and_change_nothing(client, manager):
    served = client()
    headers = signed_in(served)
    for method, path in (
        ("GET", "/vhi/models"),
        ("POST", "/vhi/models/live?version=site-2"),
        ("POST", "/vhi/models/release?case=a&submission=0001-anna"),
        ("POST", "/vhi/models/set-aside?case=a&submission=0001-anna"),
        ("POST", "/vhi/models/pin?version=site-2"),
        ("POST", "/vhi/models/unpin"),
        ("POST", "/vhi/models/compare?a=site-2&b=site-3"),
        ("POST", "/train/"),
        ("POST", "/train/disease_region"),
        ("DELETE", "/train/"),
    ):
        answer = served.request(method, path, headers=headers)
        assert (answer.status_code, "administrator" in answer.json()["detail"]) == (403, True), path
    assert served.get("/train/", headers=headers).json()["status"] == "NONE"
    assert manager.folder.held()


def test_readers_may_train_where_the_site_says_so(client):
    served = client(train_by="reader")
    answer = served.post("/train/", json={}, headers=signed_in(served))
    assert (answer.status_code, "nothing new to learn" in answer.json()["detail"]) == (422, True)
    assert served.delete("/train/", headers=signed_in(served)).json() is None


def test_a_page_signed_in_by_cookie_needs_the_sessions_mark(client, manager):
    served = client()
    served.post("/login", data={"username": "root", "password": PASSWORDS["root"]}, headers={"Origin": "http://127.0.0.1:8000"})
    path = "/vhi/models/release?case=a&submission=0001-anna"
    assert served.post(path).status_code == 403
    assert manager.folder.held()
    answer = served.post(path, headers={"X-CSRF-Token": cookie_of(served)})
    assert answer.json() == {"case": "a", "submission": "0001-anna", "state": "released"}
    assert manager.folder.held() == ()
    assert [(one["event"], one["reader"]) for one in manager.service.audit.entries()] == [("label released", "root")]
    assert served.post(path, headers={"X-CSRF-Token": cookie_of(served)}).status_code == 404


def test_an_administrator_goes_back_to_an_earlier_version_but_not_to_a_rejected_one(client, manager):
    served = client()
    headers, shipped = signed_in(served, "root"), read_live(MODEL_DIR).manifest.version

    def back_to(version: str):
        return served.post("/vhi/models/live", params={"version": version}, headers=headers)

    with manager.folder.lock():
        assert back_to(shipped).status_code == 409
    assert "was rejected" in back_to("site-3").json()["detail"]
    assert back_to("site-9").status_code == 422
    assert back_to("../site-2").status_code == 400
    assert manager.service.networks.manifest().version == "site-2"
    assert back_to(shipped).json() == {"live": shipped}
    assert manager.service.networks.manifest().version == shipped
    make_live(manager.service.networks.folder, "site-2")


def test_the_live_version_is_pinned_and_a_released_label_taken_back_by_the_page(client, manager):
    served = client()
    headers = signed_in(served, "root")

    def post(path: str, **params: str):
        return served.post(f"/vhi/models/{path}", params=params, headers=headers)

    def page() -> str:
        return served.get("/vhi/models", headers=headers | HTML).text

    assert post("pin", version="site-2").json() == {"pinned": "site-2"}
    assert "pinned by root" in page()
    assert "take the pin off first" in post("live", version=read_live(MODEL_DIR).manifest.version).json()["detail"]
    assert post("unpin").json() == {"unpinned": "site-2"}
    assert "pinned by" not in page()
    label = {"case": "a", "submission": "0001-anna"}
    post("release", **label)
    assert "Take back" in page()
    # a label whose submission there is none of cannot be meant
    assert "has no submission '0001-anna'" in post("set-aside", **label).json()["detail"]
    assert "compared with itself" in post("compare", a="site-2", b="site-2").json()["detail"]
    assert "Dice, before and after" in page()
    assert "mean 3-D Dice: 0.9000 to 0.9300" in page()
    assert "Mean slice Dice, before and after" not in page()
