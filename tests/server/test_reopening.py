"""`/vhi/reading`: a reader's own readings, previews that keep nothing, and both numbers where another one would be kept."""

from __future__ import annotations

from standin import signed_in

MAP = {"label": ("drawn.nii.gz", b"map")}


def test_a_reader_is_answered_with_their_own_reading_alone(client, accounts):
    served = client(accounts=accounts)
    for path in ("/vhi/reading", "/vhi/reading/label"):
        assert served.get(f"{path}?image=one_T1W").status_code == 401
    headers = signed_in(served)
    # who is signed in counts, whatever the query says
    found = served.get("/vhi/reading?image=one_T1W&reading=2&client_id=root", headers=headers)
    assert found.json() == {"reader": "anna", "reading": 2, "dice": None}
    label = served.get("/vhi/reading/label?image=one_T1W&client_id=root", headers=headers)
    assert (label.content, label.headers["content-type"]) == (b"anna 1", "application/gzip")


def test_the_name_in_the_query_counts_where_nobody_signs_in(client):
    served = client()
    assert served.get("/vhi/reading?image=one_T1W&client_id=ben").json()["reader"] == "ben"
    for query, status in (("image=../x", 400), ("image=two_T1W", 404), ("image=one_T1W&reading=0", 422), ("reading=1", 422)):
        answer = served.get(f"/vhi/reading?{query}")
        assert answer.status_code == status, query
        assert isinstance(answer.json()["detail"], str)


def test_a_preview_is_evaluated_and_nothing_is_saved(client, accounts):
    served = client(accounts=accounts)
    form = {"params": '{"label_info": [{"name": "inflammation"}]}'}
    assert served.post("/vhi/reading/preview?image=one_T1W", files=MAP, data=form).status_code == 401
    answer = served.post("/vhi/reading/preview?image=one_T1W", files=MAP, data=form, headers=signed_in(served))
    told = {"result_id": "f00d", "file": "label.nii.gz", "who": "anna", "label_info": [{"name": "inflammation"}]}
    assert answer.json() == told
    assert served.vhi.store.saved == []
    headers = signed_in(served)
    for sent in (
        {"files": {"label": ("x.exe", b"1")}},
        {"files": {"label": ("x.nii.gz", b"")}},
        {"files": MAP, "data": {"params": "["}},
    ):
        assert served.post("/vhi/reading/preview?image=one_T1W", headers=headers, **sent).status_code == 400


def test_a_page_of_another_origin_cannot_have_a_number_previewed(client, accounts):
    served = client(accounts=accounts)
    headers = {**signed_in(served), "Origin": "https://elsewhere.example"}
    assert served.post("/vhi/reading/preview?image=one_T1W", files=MAP, headers=headers).status_code == 403


def test_another_number_than_the_displayed_one_is_refused_with_both(client):
    served = client()
    form = {"params": '{"displayed": "abcd", "label_info": []}'}
    answer = served.put("/datastore/label?image=one_T1W", files=MAP, data=form)
    assert answer.status_code == 409
    content = answer.json()
    assert content["displayed"] == {"result_id": "abcd"}
    assert content["would_be"]["vhi_mm3"] == {"sensitive": 48.0, "conservative": 24.0}
    assert "48 mm3 at the sensitive" in content["detail"]
