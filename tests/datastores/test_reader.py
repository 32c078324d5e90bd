"""Who is reading."""

import pytest

from lib.datastores.reader import named_reader_of, reader_of
from lib.errors import RequestError
from lib.server.identity import Identity, _identity


@pytest.fixture
def login():
    token = _identity.set(Identity("anna", "reader"))
    yield
    _identity.reset(token)


def test_without_login_the_viewer_says_who_reads():
    assert reader_of({"client_id": "bela"}) == "bela"
    assert reader_of({"user": "bela"}) == "bela"


@pytest.mark.usefixtures("login")
def test_a_login_cannot_be_talked_over():
    assert reader_of({"client_id": "bela", "user": "bela"}) == "anna"


@pytest.mark.parametrize("params", [{}, {"client_id": None}, {"client_id": ""}, {"client_id": "user-xyz"}])
def test_nobody_is_named_until_somebody_sets_the_name(params):
    assert reader_of(params) is None
    with pytest.raises(RequestError, match="Application Settings > MONAI Label > Client/User-ID"):
        named_reader_of(params)


def test_a_name_is_a_text():
    with pytest.raises(RequestError, match="client_id must be a name, found dict"):
        reader_of({"client_id": {"a": 1}})
