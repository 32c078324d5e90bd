"""The worklist's routes: who sees whose list, and where the front door leads."""

from __future__ import annotations

import re

import pytest

from standin import PASSWORDS, signed_in
from study_folder import StudyFolder, finish

FORM = {"username": "anna", "password": PASSWORDS["anna"]}


@pytest.fixture
def served(client, accounts, tmp_path):
    """A server with accounts over three handmade cases, of which anna has finished one and ben another."""
    study_folder = StudyFolder(tmp_path / "studies")
    for case_id in "abc":
        study_folder.add_case(case_id)
    made = client(accounts=accounts)
    made.vhi.service = study_folder.service()
    finish(made.vhi.service, "a", "anna")
    finish(made.vhi.service, "b", "ben")
    return made


def test_the_front_door_leads_through_the_login_to_the_worklist_page(served):
    served.follow_redirects = False
    assert served.get("/").headers["location"] == "/vhi/worklist"
    assert served.get("/vhi/worklist").headers["location"] == "/login?next=/vhi/worklist"
    assert served.post("/login", data={**FORM, "next": "/vhi/worklist"}).headers["location"] == "/vhi/worklist"
    page = served.get("/vhi/worklist")
    assert page.status_code == 200
    assert "script-src 'self';" in page.headers["content-security-policy"]
    own = re.findall(r'(?:src|href)="(/[^"]+)"', page.text)
    assert {served.get(address).status_code for address in own} == {200}


def test_a_reader_sees_the_own_list_alone_and_an_administrator_that_of_others_and_the_progress(served):
    anna, root = signed_in(served), signed_in(served, "root")
    rows = served.get("/vhi/worklist/rows", headers=anna).json()
    assert {row["case"]: row["state"] for row in rows["rows"]} == {"c": "open", "b": "elsewhere", "a": "done"}
    assert rows["reader"] == "anna"
    refused = served.get("/vhi/worklist/rows?reader=ben", headers=anna)
    assert (refused.status_code, "own worklist alone" in refused.json()["detail"]) == (403, True)
    of_ben = served.get("/vhi/worklist/rows?reader=ben", headers=root).json()
    assert {row["case"]: row["state"] for row in of_ben["rows"]} == {"c": "open", "a": "elsewhere", "b": "done"}
    assert served.get("/vhi/worklist/progress", headers=anna).status_code == 403
    progress = served.get("/vhi/worklist/progress", headers=root).json()
    assert progress == {
        "cases": 3,
        "readers": [{"reader": "anna", "reading": 1, "done": 1}, {"reader": "ben", "reading": 1, "done": 1}],
    }


def test_unusable_questions_are_refused_in_one_sentence(served):
    anna = signed_in(served)
    for query, status in {"state=lost": 400, "reading=0": 422, "limit=0": 422, "limit=5000": 422}.items():
        answer = served.get(f"/vhi/worklist/rows?{query}", headers=anna)
        assert answer.status_code == status
        assert answer.json()["detail"].count("\n") == 0


def test_nobody_sees_rows_without_a_login(served):
    assert served.get("/vhi/worklist/rows").status_code == 401
