"""Drafts: kept whole, one for each case, reader and reading, and never taken for a reading."""

import base64
import json

import numpy as np
import pytest

from lib.errors import ConflictError, InputError, RequestError
from lib.readings.drafts import Draft, Drafts, voxels_of_runs
from lib.readings.finished import finished_readings
from lib.readings.store import ReadingStore


def runs(*pairs: tuple[int, int]) -> str:
    """A map in runs of (length, value), written with Python's whole numbers of any size."""
    content = bytearray()
    for length, value in pairs:
        number = 128 * length + value
        while number >= 128:
            content.append(128 + number % 128)
            number //= 128
        content.append(number)
    return base64.b64encode(bytes(content)).decode()


@pytest.fixture
def store(tmp_path) -> ReadingStore:
    return ReadingStore(tmp_path)


@pytest.fixture
def drafts(store) -> Drafts:
    return Drafts(store)


def test_a_draft_is_found_again_by_its_reader_and_reading_alone(drafts, store):
    made = Draft({"clicks": [1]}, runs((24, 3)))
    drafts.save("1013", "anna", 1, made, None)
    assert drafts.find("1013", "anna", 1) == made
    assert Drafts(ReadingStore(store.root)).find("1013", "anna", 1) == made  # after a restart
    for other in (("1013", "anna", 2), ("1013", "berta", 1), ("1014", "anna", 1)):
        assert drafts.find(*other) is None


def test_of_two_windows_the_one_that_saved_last_keeps_its_draft_and_the_other_is_told(drafts):
    first, theirs = Draft({"n": 1}, ""), Draft({"n": 2}, "")
    drafts.save("1013", "anna", 1, first, None)
    drafts.save("1013", "anna", 1, theirs, first.revision)
    with pytest.raises(ConflictError, match="Another window of yours has gone on with this case") as stale:
        drafts.save("1013", "anna", 1, Draft({"n": 3}, ""), first.revision)
    assert stale.value.facts == {"revision": theirs.revision, "saved": theirs.saved}
    with pytest.raises(ConflictError, match="Another window"):
        drafts.save("1013", "anna", 1, Draft({"n": 4}, ""), None)
    with pytest.raises(ConflictError, match="Another window"):
        drafts.remove("1013", "anna", 1, first.revision)
    assert drafts.find("1013", "anna", 1) == theirs


def test_a_draft_that_was_handed_in_in_another_window_is_not_saved_over(drafts):
    first = Draft({}, "")
    drafts.save("1013", "anna", 1, first, None)
    drafts.remove("1013", "anna", 1, first.revision)
    assert drafts.find("1013", "anna", 1) is None
    drafts.remove("1013", "anna", 1, first.revision)  # again: it is gone, which was wanted
    with pytest.raises(ConflictError, match="handed in or thrown away") as stale:
        drafts.save("1013", "anna", 1, Draft({}, ""), first.revision)
    assert stale.value.facts == {"revision": None}


def test_who_takes_over_replaces_whatever_is_there_and_two_drafts_never_have_one_revision(drafts):
    one, other = Draft({"n": 1}, ""), Draft({"n": 1}, "")
    assert one.revision != other.revision
    drafts.save("1013", "anna", 1, one, "*")
    drafts.save("1013", "anna", 1, other, "*")
    assert drafts.find("1013", "anna", 1) == other


def test_a_draft_is_no_reading(drafts, store):
    drafts.save("1013", "anna", 1, Draft({"clicks": [1]}, runs((24, 3))), None)
    assert store.cases() == ()
    assert store.of_case("1013") == ()
    assert store.finished() == frozenset()
    assert finished_readings(store.root) == ()


@pytest.mark.parametrize("content", ["", "{", '{"schema": 1, "left": 1}', "[]"])
def test_a_damaged_draft_is_told_and_can_be_thrown_away(drafts, store, content):
    drafts.save("1013", "anna", 1, Draft({}, ""), None)
    (store.root / "cases/1013/drafts/anna-1.json").write_text(content)
    with pytest.raises(InputError, match="damaged|cannot be read"):
        drafts.find("1013", "anna", 1)
    drafts.remove("1013", "anna", 1, "*")
    assert drafts.find("1013", "anna", 1) is None


def test_a_draft_of_a_newer_program_is_refused(drafts, store):
    drafts.save("1013", "anna", 1, Draft({}, ""), None)
    path = store.root / "cases/1013/drafts/anna-1.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "schema": 2}))
    with pytest.raises(InputError, match="schema 2, this program reads 1; update the program"):
        drafts.find("1013", "anna", 1)


def test_what_a_killed_server_left_half_written_is_gone_after_its_next_start(drafts, store):
    drafts.save("1013", "anna", 1, Draft({}, ""), None)
    half = store.root / "cases/1013/drafts/.anna-1.json.partial-x"
    half.write_text("{")
    ReadingStore(store.root)
    assert not half.exists()


@pytest.mark.parametrize("reader", ["", "../anna", "a/b", "x" * 65])
def test_a_name_that_could_not_be_a_files_is_refused(drafts, reader):
    with pytest.raises(RequestError, match="reader is not known, or the name cannot be used"):
        drafts.find("1013", reader, 1)


def test_voxels_of_a_map_are_counted_as_a_slow_reader_counts_them():
    rng = np.random.default_rng(3)
    for _ in range(50):
        pairs = [
            (int(length), int(value)) for length, value in zip(rng.integers(1, 300_000, 9), rng.integers(0, 128, 9), strict=True)
        ]
        assert voxels_of_runs(runs(*pairs)) == sum(length for length, _ in pairs)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("no base64!", "not base64"),
        ("", "broke off"),
        (base64.b64encode(b"\x01\x80").decode(), "broke off"),
        (base64.b64encode(b"\x80" * 20 + b"\x01").decode(), "longer than any scan"),
    ],
)
def test_what_is_no_map_in_runs_is_refused(text, said):
    with pytest.raises(RequestError, match=said):
        voxels_of_runs(text)
