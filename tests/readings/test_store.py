"""Submissions are kept, found again, and nobody's are lost."""

import dataclasses
import json
import multiprocessing
import os
import random
import signal
import time
from pathlib import Path

import numpy as np
import pytest

from drawing import pair
from lib.core.pipeline import measure_vhi
from lib.core.settings import VhiSettings
from lib.core.volume import Grid, Mask
from lib.errors import ConflictError, InputError, NotFoundError, OutputError, RequestError
from lib.files import sha256_of
from lib.readings import data_folder as data_folder
from lib.readings.audit import AuditLog
from lib.readings.leases import Leases
from lib.readings.store import ReadingStore, now, stored_segment
from lib.readings.submission import Submission, reading_number
from lib.studies.nifti import write_mask

GRID = Grid((6, 5, 4), np.diag([1.0, 2.0, 3.0, 1.0]))


def box(size: int) -> Mask:
    data = np.zeros(GRID.shape, dtype=bool)
    data[:size] = True
    return Mask(data, GRID)


def hand_in(
    store: ReadingStore, case_id: str = "1013", reader: str = "anna", parts=("inflammation",), size: int = 1, **facts
) -> Submission:
    def write(folder: Path, number: int) -> Submission:
        segments = []
        for name in parts:
            path = folder / f"{name.replace(' ', '_')}.nii.gz"
            write_mask(path, box(size))
            segments.append(stored_segment(name, path, box(size).voxels))
        filled = {"reading": 1, "method": "semi-automatic", **facts}
        return Submission(case_id, number, reader, created=now(), segments=tuple(segments), **filled)

    return store.append(case_id, reader, write)


@pytest.fixture
def store(tmp_path):
    return ReadingStore(tmp_path / "data")


def test_a_submission_is_read_back_as_it_was_made(store):
    made = hand_in(
        store,
        rating="corrected",
        changes={"boundary_edits": [[3, 7]]},
        messages=("One.", "Two."),
        model={"version": "1"},
        measured=True,
    )
    again = ReadingStore(store.root).get("1013", "0001-anna")
    assert again == made
    np.testing.assert_array_equal(store.read_segment(again, "inflammation").data, box(1).data)
    assert store.read_segment(again, "disease region") is None


def test_nothing_is_overwritten_and_numbers_rise_whoever_submits(store):
    for reader in ("anna", "ben", "anna"):
        hand_in(store, reader=reader)
    assert [one.submission_id for one in store.of_case("1013")] == ["0001-anna", "0002-ben", "0003-anna"]
    assert store.newest("1013", "anna").number == 3
    assert store.newest("1013", "eva") is None


def test_a_part_is_found_in_the_newest_submission_that_holds_it(store):
    hand_in(store, parts=("normal bone", "disease region"))
    hand_in(store, parts=("inflammation",))
    hand_in(store, parts=("normal bone",), reading=2)
    assert store.newest("1013", "anna", 1, "normal bone").number == 1
    assert store.newest("1013", "anna", 1).number == 2
    assert store.newest("1013", "anna", 2, "disease region") is None


def test_the_first_readers_region_is_shared_and_follows_their_amendments(store):
    hand_in(store, parts=("inflammation",), reader="eva")
    hand_in(store, parts=("normal bone",), reader="ben")
    hand_in(store, parts=("normal bone",), reader="anna")
    assert store.shared("1013", "normal bone").reader == "ben"
    hand_in(store, parts=("normal bone",), reader="ben")
    hand_in(store, parts=("normal bone",), reader="ben", reading=2)
    assert store.shared("1013", "normal bone").number == 4
    assert store.shared("1013", "disease region") is None


def test_an_administrator_chooses_what_is_shared(store):
    hand_in(store, parts=("normal bone",), reader="ben")
    hand_in(store, parts=("normal bone",), reader="anna")
    store.share("1013", "0002-anna", ["normal bone"])
    assert ReadingStore(store.root).shared("1013", "normal bone").reader == "anna"
    with pytest.raises(RequestError, match="holds no 'disease region'"):
        store.share("1013", "0002-anna")
    with pytest.raises(NotFoundError, match="no submission '0009-anna'"):
        store.share("1013", "0009-anna", ["normal bone"])


def test_finished_is_who_handed_in_inflammation_by_reading(store):
    hand_in(store, "a", "anna")
    hand_in(store, "b", "anna", parts=("normal bone",))
    hand_in(store, "c", "ben")
    hand_in(store, "b", "anna", reading=2)
    assert store.finished("anna", 1) == {"a"}
    assert store.finished("anna", 2) == {"b"}
    assert store.finished() == {"a", "b", "c"}


def test_the_newest_rating_of_each_reader_counts(store):
    hand_in(store, rating="satisfactory")
    hand_in(store, rating="failed")
    hand_in(store, reader="ben", rating="corrected")
    hand_in(store)
    assert store.ratings() == {"1013": {"anna": "failed", "ben": "corrected"}}


@pytest.mark.parametrize("reader", ["", "..", "a/b", "../x", "a b", "x" * 65, "-x", "unknown reader", "a\n", None])
def test_a_reader_without_a_usable_name_is_refused(store, reader):
    with pytest.raises(RequestError, match="set the user name"):
        hand_in(store, reader=reader)


@pytest.mark.parametrize("case_id", ["../1013", "", ".", "a/b", "x" * 65, "1013\n"])
def test_a_case_id_cannot_leave_the_folder(store, case_id):
    with pytest.raises(RequestError, match="case id"):
        hand_in(store, case_id)


@pytest.mark.parametrize(
    ("facts", "sentence"),
    [
        ({"method": "guess"}, "method is 'guess'"),
        ({"rating": "good"}, "rating is 'good'"),
        ({"reading": 0}, "reading is 0"),
        ({"reading": True}, "reading is True"),
        ({"reading": 100}, "reading is 100"),
    ],
)
def test_a_submission_that_says_something_unknown_is_refused_and_leaves_nothing(store, facts, sentence):
    with pytest.raises(RequestError, match=sentence):
        hand_in(store, **facts)
    assert list((store.root / "cases" / "1013" / "submissions").iterdir()) == []


def test_a_file_that_was_exchanged_on_disk_is_refused(store):
    made = hand_in(store)
    write_mask(store.folder_of(made) / "inflammation.nii.gz", box(3))
    with pytest.raises(InputError, match="not the file that was kept"):
        store.read_segment(made, "inflammation")


def test_a_damaged_record_is_refused_and_named(store):
    made = hand_in(store)
    (store.folder_of(made) / "submission.json").write_text("{")
    with pytest.raises(InputError, match=r"submission\.json is damaged: it is not a submission"):
        ReadingStore(store.root).of_case("1013")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("number", "1"),
        ("number", True),
        ("reading", 1.0),
        ("created", None),
        ("measured", "false"),
        ("messages", "a text"),
        ("effort", []),
        ("scans", ["a"]),
        ("segments", {"0": {}}),
        ("segments", [["inflammation"]]),
        ("segments", [{"name": "inflammation", "file": 1, "voxels": 1, "sha256": "a"}]),
        ("result", "12.5"),
    ],
)
def test_a_field_that_is_something_else_is_damage_and_named(store, name, value):
    made = hand_in(store)
    path = store.folder_of(made) / "submission.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), name: value}))
    with pytest.raises(InputError, match=r"submission\.json is damaged: it is not a submission"):
        ReadingStore(store.root).of_case("1013")
    assert list(ReadingStore(store.root).intact()) == []


def test_a_newer_program_s_folder_and_submission_are_refused(store):
    made = hand_in(store)
    path = store.folder_of(made) / "submission.json"
    path.write_text(path.read_text().replace('"schema": 4', '"schema": 5'))
    with pytest.raises(InputError, match="schema 5, this program reads 4"):
        ReadingStore(store.root).of_case("1013")
    (store.root / "format.json").write_text('{"format": 99}')
    with pytest.raises(InputError, match="format 99, this program reads up to 1"):
        ReadingStore(store.root)


def test_an_older_folder_is_upgraded_step_by_step(store, monkeypatch):
    seen = []
    monkeypatch.setattr(data_folder, "FORMAT", 3)
    monkeypatch.setattr(data_folder, "UPGRADES", {1: lambda root: seen.append((1, root)), 2: lambda root: seen.append((2, root))})
    ReadingStore(store.root)
    assert seen == [(1, store.root), (2, store.root)]
    assert json.loads((store.root / "format.json").read_text())["format"] == 3


def test_a_folder_of_another_study_is_refused(tmp_path):
    ReadingStore(tmp_path, {"blinded": True, "seed": 1})
    with pytest.raises(ConflictError, match="belongs to a study"):
        ReadingStore(tmp_path)


def test_a_place_that_cannot_be_written_is_refused(tmp_path):
    (tmp_path / "data").write_text("")
    with pytest.raises(OutputError, match="cannot be written"):
        ReadingStore(tmp_path / "data")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_without_permission_is_refused(tmp_path):
    tmp_path.chmod(0o500)
    with pytest.raises(OutputError, match="may not write there"):
        ReadingStore(tmp_path / "data")
    tmp_path.chmod(0o700)


def test_what_a_reader_was_shown_is_remembered(store):
    assert store.settings_shown("1013", "anna", 1) is None
    scan = pair(np.random.default_rng(0), (24, 20, 6))
    settings = VhiSettings.from_values({"min_pixels": 6})
    automatic = measure_vhi(
        scan.t1w, scan.stir, normal_bone=scan.normal_bone, disease_region=scan.disease_region, settings=settings
    )
    store.note_shown("1013", "anna", 1, automatic, {"automatic_id": "a1", "vhi_mm3": 7.0})
    again = ReadingStore(store.root)
    assert again.settings_shown("1013", "anna", 1) == automatic.settings.stored()
    assert again.settings_shown("1013", "anna", 1)["min_pixels"] == 6
    assert again.display("1013", "anna", 1)["vhi_mm3"] == 7
    np.testing.assert_array_equal(again.displayed_lesions("1013", "anna", 1).mask, automatic.grade > 0)
    assert store.settings_shown("1013", "anna", 2) is None


def test_leases_run_out_and_belong_to_one(tmp_path):
    seconds = [1000.0]
    leases = Leases(tmp_path / "leases", minutes=2, clock=lambda: seconds[0])
    leases.take("1013", "anna")
    assert leases.holder("1013") == "anna"
    leases.release("1013", "ben")
    assert leases.holder("1013") == "anna"
    seconds[0] += 121
    assert leases.holder("1013") is None
    leases.take("1013", "ben")
    leases.release("1013", "ben")
    assert leases.holder("1013") is None


def write_for_ever(root: str, seed: int, acknowledge: int) -> None:
    """A server that keeps submissions and says each one's id and hash once it is kept."""
    store, log = ReadingStore(Path(root)), AuditLog(Path(root, "audit.jsonl"))
    rng = random.Random(seed)
    while True:
        made = hand_in(
            store, f"case{rng.randrange(3)}", rng.choice(("anna", "ben")), ("normal bone", "inflammation"), rng.randrange(1, 6)
        )
        log.append("changed", reader=made.reader, case=made.case_id, submission=made.submission_id)
        os.write(acknowledge, f"{made.case_id} {made.submission_id} {made.segments[1].sha256}\n".encode())


@pytest.mark.slow
def test_killed_at_any_moment_every_acknowledged_submission_is_there_whole(tmp_path):
    root, rng = tmp_path / "data", random.Random(7)
    ReadingStore(root)
    acknowledged: list[str] = []
    leftovers = 0
    fork = multiprocessing.get_context("fork")
    for round_ in range(36):
        reading_end, writing_end = os.pipe()
        writer = fork.Process(target=write_for_ever, args=(str(root), round_, writing_end))
        writer.start()
        os.close(writing_end)
        with os.fdopen(reading_end) as said:
            acknowledged.append(said.readline())
            time.sleep(rng.uniform(0, 0.1))
            os.kill(writer.pid, signal.SIGKILL)
            writer.join()
            acknowledged += said.readlines()
        leftovers += len(list(root.glob("cases/*/submissions/.*.partial-*")))
        store = ReadingStore(root)  # the next start
        assert not list(root.glob("cases/*/submissions/.*"))
        AuditLog(root / "audit.jsonl").verify()
        hand_in(store, "case0", "eva")  # and it takes new ones
    found = {one.submission_id: one for case_id in store.cases() for one in ReadingStore(root).of_case(case_id)}
    assert len(acknowledged) >= 36
    assert leftovers > 0  # writers were killed in the middle
    for line in acknowledged:
        case_id, submission_id, sha256 = line.split()
        folder = root / "cases" / case_id / "submissions" / submission_id
        assert sha256_of(folder / "inflammation.nii.gz") == sha256
    assert found
    for case_id in store.cases():
        for one in store.of_case(case_id):
            for stored in one.segments:
                assert store.read_segment(one, stored.name).voxels == stored.voxels
    events = {(one["case"], one["submission"]) for one in AuditLog(root / "audit.jsonl").entries()}
    assert events >= {tuple(line.split()[:2]) for line in acknowledged}


def test_two_stores_of_one_folder_never_take_one_number(store):
    other = ReadingStore(store.root)
    for n in range(6):
        hand_in((store, other)[n % 2], reader=("anna", "ben")[n % 2])
    assert [one.number for one in store.of_case("1013")] == [1, 2, 3, 4, 5, 6]
    assert [one.number for one in other.of_case("1013")] == [1, 2, 3, 4, 5, 6]


def test_a_submission_cannot_pretend_to_be_another(store):
    def write(folder, number):
        return Submission("1013", number + 1, "anna", 1, "manual", now(), ())

    with pytest.raises(OutputError, match="describes itself as"):
        store.append("1013", "anna", write)
    assert store.of_case("1013") == ()


def test_a_submission_is_frozen(store):
    with pytest.raises(dataclasses.FrozenInstanceError):
        hand_in(store).reader = "ben"


def test_a_submission_of_the_schema_before_is_read_still(store):
    path = store.folder_of(hand_in(store)) / "submission.json"
    content = json.loads(path.read_text())
    for name in ("corrections", "decisions", "result"):
        del content[name]
    content["segments"] = [{k: v for k, v in one.items() if k != "proposal"} for one in content["segments"]]
    path.write_text(json.dumps({**content, "schema": 1}))
    (found,) = ReadingStore(store.root).of_case("1013")
    assert (found.schema, found.corrections, found.segments[0].proposal) == (1, {}, None)


def test_a_lease_is_never_believed_for_longer_than_it_was_to_last(tmp_path):
    clock = [1_000_000.0]
    leases = Leases(tmp_path / "leases", 120, lambda: clock[0])
    leases.take("1013", "anna")
    assert leases.holder("1013") == "anna"
    clock[0] -= 60  # a time server stepped back by a minute
    assert leases.holder("1013") == "anna"
    clock[0] -= 365 * 86400  # the clock had been a year ahead
    assert leases.holder("1013") is None
    assert Leases(tmp_path / "leases", 10_000_000, lambda: clock[0]).holder("1013") is None  # its own length counts


@pytest.mark.parametrize("content", ["", "{", "[]", "{}", '{"reader": "anna", "until": "soon"}', '{"reader": 1, "until": 2e9}'])
def test_a_damaged_lease_holds_nobody(tmp_path, content):
    leases = Leases(tmp_path / "leases", 120, lambda: 1_000.0)
    (tmp_path / "leases" / "1013.json").write_text(content)
    assert leases.holder("1013") is None
    leases.take("1013", "ben")
    assert leases.holder("1013") == "ben"


@pytest.mark.parametrize(("value", "number"), [("2", 2), (" 3 ", 3), (4, 4)])
def test_the_number_of_a_reading_may_be_a_text(value, number):
    assert reading_number(value) == number


@pytest.mark.parametrize("value", ["\u00b2", "1.0", "", "100", "1e0", 1.0, True, None, [1], {}])
def test_what_is_no_number_of_a_reading_is_refused(value):
    with pytest.raises(RequestError, match="The reading is"):
        reading_number(value)
