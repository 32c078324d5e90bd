"""How errors are told to clients."""

import sqlite3

import pytest

from lib.server.answers import NO_ROOM, has_no_room, refusal_of


def test_an_error_of_the_database_module_itself_is_an_incident_and_no_full_disk():
    database = sqlite3.connect(":memory:")
    database.close()
    with pytest.raises(sqlite3.ProgrammingError, match="closed") as closed:
        database.execute("SELECT 1")
    assert not has_no_room(closed.value)
    refusal = refusal_of(closed.value)
    assert (refusal.status, "incident number" in refusal.sentence) == (500, True)


def test_a_database_that_is_full_is_a_full_disk(tmp_path):
    database = sqlite3.connect(tmp_path / "full.db")
    database.execute("PRAGMA max_page_count = 2")
    database.execute("CREATE TABLE rows (content BLOB)")
    with pytest.raises(sqlite3.OperationalError, match="full") as full:
        database.execute("INSERT INTO rows VALUES (zeroblob(100000))")
    refusal = refusal_of(full.value)
    assert (refusal.status, refusal.sentence) == (507, NO_ROOM)
