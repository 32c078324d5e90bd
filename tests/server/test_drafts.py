"""`/vhi/draft` over HTTP: one's own only, on the grid of the case, never over another window's work."""

from __future__ import annotations

import pytest

from lib.service.service import VhiService
from readings.test_drafts import runs
from standin import cookie_of, signed_in
from study_folder import StudyFolder

pytestmark = pytest.mark.slow  # seconds in all

VOXELS = 12 * 10 * 4
ADDRESS = "/vhi/draft?image=a_STIR"
BODY = {"state": {"clicks": [{"what": "remove", "voxel": [1, 2, 3]}]}, "map": runs((VOXELS, 3))}


@pytest.fixture
def over(client, tmp_path):
    """A guarded server over one handmade case, `a`; `over(blinded=True)` hides its name."""

    def make(*, accounts=None, **config):
        study_folder = StudyFolder(tmp_path / "studies")
        study_folder.add_case("a")
        made = client(accounts=accounts)
        made.vhi.service = study_folder.service(**config)
        return made

    return make


def test_a_draft_is_kept_found_replaced_and_thrown_away(over):
    server = over()
    address = f"{ADDRESS}&reader=anna"
    assert server.get(address).json() == {}
    made = server.put(address, json=BODY)
    assert made.status_code == 200
    revision = made.json()["revision"]
    assert made.headers["etag"] == f'"{revision}"'
    assert server.get(address).json() == {**BODY, **made.json(), "schema": 1}
    again = server.put(address, json={**BODY, "state": {}}, headers={"If-Match": f'"{revision}"'}).json()["revision"]
    assert server.get(address).json()["state"] == {}
    assert server.delete(address).status_code == 428
    assert server.delete(address, headers={"If-Match": f'"{again}"'}).status_code == 200
    assert server.get(address).json() == {}


def test_a_window_that_is_behind_is_told_of_the_other_one(over):
    server = over()
    address = f"{ADDRESS}&reader=anna"
    first = server.put(address, json=BODY).json()
    second = server.put(address, json=BODY, headers={"If-Match": first["revision"]}).json()
    late = server.put(address, json=BODY, headers={"If-Match": first["revision"]})
    assert late.status_code == 409
    assert late.json() == {"detail": "Another window of yours has gone on with this case.", **second}
    assert server.delete(address, headers={"If-Match": first["revision"]}).status_code == 409


def test_each_gets_their_own_an_administrator_too(over, accounts):
    server = over(accounts=accounts)
    assert server.put(ADDRESS, json=BODY).status_code == 401
    assert server.put(ADDRESS, json=BODY, headers=signed_in(server)).status_code == 200
    assert server.get(ADDRESS, headers=signed_in(server, "root")).json() == {}
    other = server.get(f"{ADDRESS}&reader=anna", headers=signed_in(server, "root"))
    assert (other.status_code, other.json()["detail"]) == (
        403,
        "root is signed in now, and this page was opened by anna; sign in as before.",
    )
    assert server.get(f"{ADDRESS}&reader=anna", headers=signed_in(server)).json()["map"] == BODY["map"]


def test_a_page_signed_in_by_cookie_needs_the_logins_mark(over, accounts):
    server = over(accounts=accounts)
    server.post(
        "/login", data={"username": "anna", "password": "correct horse battery"}, headers={"Origin": "http://127.0.0.1:8000"}
    )
    assert server.put(ADDRESS, json=BODY).status_code == 403
    assert server.put(ADDRESS, json=BODY, headers={"X-CSRF-Token": cookie_of(server)}).status_code == 200


def test_a_second_reading_has_a_draft_of_its_own_once_the_first_is_finished(over):
    server = over()
    early = server.put(f"{ADDRESS}&reader=anna&reading=2", json=BODY)
    assert (early.status_code, "which is not finished" in early.json()["detail"]) == (400, True)


def test_drafts_of_a_blinded_study_lie_under_the_alias(over):
    server = over(blinded=True, seed=5)
    service: VhiService = server.vhi.service
    (case,) = service.cases.index.cases
    assert case.case_id != "a"
    address = f"/vhi/draft?image={case.image_id('STIR')}&reader=anna"
    assert server.put(address, json=BODY).status_code == 200
    assert (service.readings.root / "cases" / case.case_id / "drafts" / "anna-1.json").is_file()
    assert server.get(f"{ADDRESS}&reader=anna").status_code == 404


@pytest.mark.parametrize(
    ("query", "body", "status", "said"),
    [
        ("&reader=anna", {**BODY, "map": runs((VOXELS + 1, 3))}, 400, "has 481 voxels, STIR of case a has 480"),
        ("&reader=anna", {**BODY, "map": runs((1 << 27, 3))}, 400, "has 134217728 voxels"),
        ("&reader=anna", {**BODY, "map": "?"}, 400, "not base64"),
        ("&reader=anna", {**BODY, "state": [1]}, 422, "cannot be read"),
        ("&reader=anna", {"map": ""}, 422, "cannot be read"),
        ("&reader=anna&reading=0", BODY, 422, "cannot be read"),
        ("&reader=anna", {**BODY, "state": {"text": "x" * (1 << 20)}}, 413, "larger than 1 MiB"),
        ("", BODY, 400, "reader is not known"),
        ("&reader=../x", BODY, 400, "reader is not known"),
    ],
)
def test_what_is_no_draft_of_this_case_is_refused_in_one_sentence(over, query, body, status, said):
    server = over()
    answer = server.put(ADDRESS + query, json=body)
    assert (answer.status_code, said in answer.json()["detail"]) == (status, True), answer.text
    assert not list(server.vhi.service.readings.root.glob("cases/*/drafts/*.json"))


def test_a_submission_takes_the_draft_along_that_it_hands_in_and_no_other(over):
    server = over()
    address = f"{ADDRESS}&reader=carla"
    first = server.put(address, json=BODY).json()["revision"]
    rating = {"image": "one_T1W", "rating": "failed", "client_id": "carla"}
    server.vhi.store.get_image_uri = lambda image: ""  # the stand-in's datastore takes a rating of any image
    assert server.post("/vhi/rating", json={**rating, "image": "a_STIR"}).status_code == 200
    assert server.get(address).json() != {}  # another client, which knows of no draft
    second = server.put(address, json=BODY, headers={"If-Match": first}).json()["revision"]
    assert server.post("/vhi/rating", json={**rating, "image": "a_STIR", "draft": first}).status_code == 200
    assert server.get(address).json()["revision"] == second  # another window has gone on
    assert server.post("/vhi/rating", json={**rating, "image": "a_STIR", "draft": second}).status_code == 200
    assert server.get(address).json() == {}
