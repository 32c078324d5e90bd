"""How errors are told to clients."""

import sqlite3

import pytest

from lib.errors import VhiError
from lib.server.refusals import NO_ROOM, for_readers, has_no_room, refusal_of


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


UID = "1.2.826.0.1.3680043.8.498.12"


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        ("The archive http://h:8042/dicom-web cannot be reached; check it.", "The archive cannot be reached; check it."),
        (f"The archive https://h/d has no series {UID}; it may be gone.", "The archive has no such series; it may be gone."),
        ("At http://h/d there is no DICOMweb (status 404).", "At its address there is no DICOMweb (status 404)."),
        (f"Case {UID} is not for anna now: STIR of case {UID} waits.", "This case is not for anna now: STIR of this case waits."),
        (f"There is no image {UID}_T1W here.", "There is no such image here."),
        (f"Two series fit: 2 'T1 cor' ({UID}), 3 ({UID}).", "Two series fit: 2 'T1 cor', 3."),
        (f"A series of study {UID} changed, see https://h/x.", "A series of this study changed, see."),
        ("Case 2.25.290711234567 waits; images (2.25.290711234567) come.", "This case waits; images come."),
        ("Case 1013 needs version 3.10.0; 0.5 mm were found.", "Case 1013 needs version 3.10.0; 0.5 mm were found."),
    ],
)
def test_readers_are_shown_neither_uids_nor_addresses(said, shown):
    assert for_readers(said) == shown
    assert refusal_of(VhiError(said)).sentence == shown
