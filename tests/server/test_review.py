"""The review's routes: for administrators alone, whatever a reader tries."""

from __future__ import annotations

import csv
import gzip
import io

import numpy as np
import pytest

from lib.datastores.case_datastore import CaseDatastore
from standin import PASSWORDS, signed_in
from study_folder import INFLAMMATION, StudyFolder

pytestmark = pytest.mark.slow  # seconds in all

FORM = {"username": "anna", "password": PASSWORDS["anna"]}


@pytest.fixture(params=[False, True], ids=["open", "blinded"])
def served(request, client, accounts, tmp_path):
    """Two readings of one case, which differ in two voxels; `asked` is what a review of them names."""
    study_folder = StudyFolder(tmp_path / "studies")
    study_folder.add_case("a")
    made = client(accounts=accounts)
    made.vhi.service = service = study_folder.service(several_readers=True, blinded=request.param, seed=5)
    made.vhi.store = CaseDatastore(service)
    image = f"{service.cases.index.cases[0].case_id}_STIR"
    study_folder.draw_regions(service, image)
    anna, ben = (np.zeros(study_folder.grid.shape, bool) for _ in range(2))
    anna[9:11, 1, 1] = True
    ben[9:11, 2, 1] = True
    names = [
        study_folder.submit(service, (INFLAMMATION, one), image=image, reader=who) for who, one in (("anna", anna), ("ben", ben))
    ]
    made.asked = {"image": image, "first": names[0].submission_id, "second": names[1].submission_id}
    return made


def test_an_administrator_sees_compares_and_records_and_the_worklist_says_so(served):
    root, asked = signed_in(served, "root"), served.asked
    facts = served.get("/vhi/review", params={"image": asked["image"]}, headers=root).json()
    assert [one["reader"] for one in facts["readings"]] == ["anna", "ben"]
    content = served.get("/vhi/review/differences", params=asked, headers=root).json()
    assert [(one["slice"], one["differing_mm3"]) for one in content["slices"]] == [(1, 24.0)]
    labels = served.get("/vhi/review/labels", params=asked, headers=root)
    assert sorted(set(gzip.decompress(labels.content)[-480:])) == [0, 1, 2]
    row = served.get("/vhi/worklist/rows?reader=anna", headers=root).json()["rows"][0]
    assert (row["readings"], row["reviewed"]) == (2, False)
    kept = served.post("/vhi/review", json={**asked, "slice": 1, "reason": "artefact", "note": '=1+1, "faint"'}, headers=root)
    assert (kept.status_code, kept.json()["by"]) == (200, "root")
    assert served.get("/vhi/worklist/rows?reader=anna", headers=root).json()["rows"][0]["reviewed"] is True
    listed = served.get("/vhi/reviews", headers=root).json()["reviews"]
    assert listed == [kept.json()]
    text = served.get("/vhi/reviews?form=csv", headers=root)
    assert text.headers["content-type"].startswith("text/csv")
    (line,) = csv.DictReader(io.StringIO(text.text))
    assert (line["reason"], line["slice"], line["note"]) == ("artefact", "1", '\'=1+1, "faint"')


def test_a_reader_and_nobody_get_neither_the_data_nor_the_page_nor_a_word_of_others(served):
    asked = served.asked
    body = {**asked, "slice": None, "reason": "artefact", "note": ""}
    served.post("/vhi/review", json=body, headers=signed_in(served, "root"))
    anna = signed_in(served)
    for headers, status in ((anna, 403), ({}, 401)):
        for path in ("/vhi/review", "/vhi/review/", "/vhi/review/differences", "/vhi/review/labels", "/vhi/reviews"):
            for method in ("GET", "HEAD"):
                answer = served.request(method, path, params=asked, headers=headers)
                assert answer.status_code in ((status,) if method == "GET" else (status, 405)), path
                assert "ben" not in answer.text
        answer = served.post("/vhi/review", json=body, headers=headers)
        assert answer.status_code == status
    rows = served.get("/vhi/worklist/rows", headers=anna).json()["rows"]
    assert not {"readings", "reviewed"} & set(rows[0])
    assert len(list(served.vhi.service.reviewing.reviews.all())) == 1
    # the page, signed in as a browser is
    served.post("/login", data=FORM)
    page = served.get("/ohif/monai-label", params={"StudyInstanceUIDs": "1.2.3", "review": "1"})
    assert (page.status_code, "administrators" in page.json()["detail"]) == (403, True)


def test_unusable_requests_are_answered_in_a_sentence(served):
    root, asked = signed_in(served, "root"), served.asked
    body = {**asked, "slice": None, "reason": "artefact", "note": ""}
    for change, status in (({"reason": "x"}, 400), ({"slice": 3}, 400), ({"slice": -1}, 422), ({"first": "0099-eva"}, 400)):
        answer = served.post("/vhi/review", json={**body, **change}, headers=root)
        assert answer.status_code == status, answer.text
        assert answer.json()["detail"].count("\n") == 0
    assert served.get("/vhi/review?image=nobody_STIR", headers=root).status_code == 404
    assert served.get("/vhi/reviews", headers=root).json() == {"reviews": []}
