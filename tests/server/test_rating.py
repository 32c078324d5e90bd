"""`POST /vhi/rating`: what a client may send, and who rated."""

from __future__ import annotations

import pytest

from standin import signed_in

RATING = {"image": "one_T1W", "rating": "satisfactory"}


def test_a_rating_is_kept_under_the_login(client, accounts):
    server = client(accounts=accounts)
    answer = server.post("/vhi/rating", json={**RATING, "client_id": "somebody else"}, headers=signed_in(server))
    assert answer.json() == {"submission": "0001-anna", "rating": "satisfactory"}
    assert server.vhi.store.rated == [("one_T1W", "satisfactory", "anna", 1)]
    assert server.post("/vhi/rating", json=RATING).status_code == 401


def test_without_accounts_the_client_says_who_rates(client):
    server = client()
    assert server.post("/vhi/rating", json={**RATING, "client_id": "carla", "reading": 2}).status_code == 200
    assert server.vhi.store.rated == [("one_T1W", "satisfactory", "carla", 2)]


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({}, 422),
        ({**RATING, "rating": "good"}, 422),
        ({**RATING, "rating": ["failed"]}, 422),
        ({**RATING, "reading": 0}, 422),
        ({**RATING, "client_id": "x" * 65}, 422),
        ({**RATING, "image": "../one"}, 400),
        ({**RATING, "image": "two_T1W"}, 404),
        ("failed", 422),
    ],
)
def test_what_is_no_rating_is_refused_in_one_sentence(client, body, status):
    server = client()
    answer = server.post("/vhi/rating", json=body)
    assert answer.status_code == status
    assert "\n" not in answer.json()["detail"]
    assert server.vhi.store.rated == []
