"""Results in the outbox arrive in the archive, once, whatever happens meanwhile."""

from __future__ import annotations

import os
import signal
import threading
from pathlib import Path

import pytest

from archived_case import INFLAMMATION, ArchivedCase
from lib.errors import ArchiveError, OutputError
from lib.pacs.outbox import Outbox, OutboxState
from programs import ran
from serving import APP

WITHIN_S = 60


class Post:
    """Takes parcels, or says what is wrong."""

    def __init__(self) -> None:
        self.taken: list[list[str]] = []
        self.wrong: dict[str, Exception] = {}
        self.arrived = threading.Event()

    def __call__(self, files: list[Path]) -> None:
        for path in files:
            if path.name in self.wrong:
                raise self.wrong[path.name]
        self.taken.append([path.name for path in files])
        self.arrived.set()


def outbox(root: Path, post: Post) -> Outbox:
    return Outbox(root, post, first_wait_s=0.01, longest_wait_s=0.05)


def files(root: Path, *names: str) -> list[Path]:
    for name in names:
        (root / name).write_text(name)
    return [root / name for name in names]


def test_a_parcel_is_sent_whole_and_once(tmp_path):
    post = Post()
    box = outbox(tmp_path, post)
    box.put("a~0001-anna", files(tmp_path, "seg.dcm", "sr.dcm"))
    assert box.state() == OutboxState(1, 0, None)
    assert box.send() == 1
    box.put("a~0001-anna", files(tmp_path, "seg.dcm", "sr.dcm"))
    assert box.send() == 0
    assert post.taken == [["seg.dcm", "sr.dcm"]]
    assert box.state() == OutboxState(0, 1, None)
    assert box.has_sent("a~0001-anna")


def test_what_cannot_be_stored_waits_with_the_reason_and_holds_nothing_else_up(tmp_path):
    post = Post()
    post.wrong["a.dcm"] = ArchiveError("The archive is full.")
    box = outbox(tmp_path, post)
    for name in ("a", "b", "c"):
        box.put(name, files(tmp_path, f"{name}.dcm"))
    box.send()
    assert post.taken == [["b.dcm"], ["c.dcm"]]
    assert box.state() == OutboxState(1, 2, "The archive is full.")
    post.wrong.clear()
    box.send()
    assert box.state() == OutboxState(0, 3, None)


def test_an_archive_that_is_away_is_asked_three_times_in_a_row_and_every_parcel_gets_its_turn(tmp_path):
    asked = []

    def away(paths):
        asked.append(paths[0].name)
        raise ArchiveError("It cannot be reached.")

    box = Outbox(tmp_path, away)
    for name in "abcde":
        box.put(name, files(tmp_path, f"{name}.dcm"))
    box.send()
    assert sorted(asked) == ["a.dcm", "b.dcm", "c.dcm"]
    box.send()
    assert {"d.dcm", "e.dcm"} < set(asked[3:])


def test_a_fault_of_the_program_or_a_file_that_is_gone_stops_nothing(tmp_path):
    post = Post()
    post.wrong["a.dcm"] = KeyError("Patient^Name")
    box = outbox(tmp_path, post)
    for name in ("a", "b"):
        box.put(name, files(tmp_path, f"{name}.dcm"))
    box.send()
    assert post.taken == [["b.dcm"]]
    assert "KeyError" in box.state().last_error
    assert "Patient" not in box.state().last_error
    (tmp_path / "a.dcm").unlink()
    box.send()
    assert box.state().last_error == ("a.dcm is gone from the data folder, so it cannot be stored; restore it from a backup.")


def test_it_sends_in_the_background_and_tries_again_by_itself(tmp_path):
    post = Post()
    post.wrong["a.dcm"] = ArchiveError("Not now.")
    box = outbox(tmp_path, post)
    box.start()
    box.put("a", files(tmp_path, "a.dcm"))
    box.put("b", files(tmp_path, "b.dcm"))
    assert post.arrived.wait(WITHIN_S)
    assert post.taken == [["b.dcm"]]
    post.arrived.clear()
    post.wrong.clear()
    assert post.arrived.wait(WITHIN_S)
    box.stop()
    assert post.taken == [["b.dcm"], ["a.dcm"]]


def test_what_waits_is_there_after_a_restart_and_half_written_parcels_are_not(tmp_path):
    box = outbox(tmp_path, Post())
    box.put("a", files(tmp_path, "a.dcm"))
    (tmp_path / "outbox" / "waiting" / ".b.json.partial-x").write_text("{")
    post = Post()
    later = outbox(tmp_path, post)
    assert later.state().waiting == 1
    later.send()
    assert post.taken == [["a.dcm"]]
    assert not list((tmp_path / "outbox" / "waiting").iterdir())


def test_a_folder_that_cannot_be_written_is_told(tmp_path):
    (tmp_path / "outbox").write_text("")
    with pytest.raises(OutputError, match="cannot be written"):
        outbox(tmp_path, Post())


# with archives ------------------------------------------------------------------------------------------------------------


@pytest.fixture
def archived_case(own_archive, tmp_path):
    return ArchivedCase(tmp_path / "site", own_archive)


def test_submissions_made_while_the_archive_is_away_arrive_once_it_is_back(archived_case):
    service = archived_case.service()
    archived_case.draw_regions(service)
    archived_case.archive.stop()
    outbox = service.delivery.outbox
    outbox.start()
    for lesion in (1, 2, 1):
        made = archived_case.submit(service, (INFLAMMATION, archived_case.lesions == lesion))
        assert made.measured
    assert outbox.send() == 0
    state = outbox.state()
    assert (state.waiting, state.sent) == (5, 0)
    assert "cannot be reached" in state.last_error
    assert archived_case.archive.url in state.last_error
    outbox.stop()
    # this server stops as well, and both come back, the archive last
    again = archived_case.service()
    outbox = again.delivery.outbox
    outbox.start()
    assert outbox.state().waiting == 5
    archived_case.archive.start()
    until_empty(outbox)
    assert outbox.state() == OutboxState(0, 5, None)
    # five Segmentations on STIR but the first, of the region alone, which is on T1W; reports of all but that
    assert (len(archived_case.stored("SEG")), len(archived_case.stored("SR"))) == (5, 4)
    outbox.stop()


def test_a_wrong_password_is_told_and_nothing_is_lost(archived_case):
    if not archived_case.archive.password:
        pytest.skip("the embedded archive asks for no password")
    archived_case.draw_regions(archived_case.service())
    right = archived_case.client
    archived_case.client = type(right)(archived_case.archive.url, archived_case.archive.user, "not-the-password")
    service = archived_case.service()
    assert service.delivery.outbox.send() == 0
    assert "refuses the login" in service.delivery.outbox.state().last_error
    assert "not-the-password" not in service.delivery.outbox.state().last_error
    archived_case.client = right
    service = archived_case.service()
    assert service.delivery.outbox.send() == 2


KILLED = """
import os, signal, sys
from pathlib import Path
from lib.pacs.client import Archive
from lib.pacs.outbox import Outbox
root, url, user, password, moment = sys.argv[1:]
archive = Archive(url, user or None, password or None)
def store(files):
    if moment == "before":
        os.kill(os.getpid(), signal.SIGKILL)
    archive.store(files)
    if moment == "after":
        os.kill(os.getpid(), signal.SIGKILL)
print(Outbox(Path(root), store).send(), flush=True)
"""


@pytest.mark.parametrize("moment", ["before", "after"])
def test_a_process_killed_while_it_sends_loses_nothing_and_nothing_comes_twice(archived_case, moment, tmp_path):
    service = archived_case.service()
    archived_case.draw_regions(service)
    made = archived_case.submit(service, (INFLAMMATION, archived_case.lesions == 2))
    root, archive = service.readings.root, archived_case.archive

    def send(moment):
        arguments = [str(root), archive.url, archive.user, archive.password, moment]
        return ran(["-c", KILLED, *arguments], tmp_path, {**os.environ, "PYTHONPATH": str(APP)})

    for _ in range(2):
        assert send(moment).returncode == -signal.SIGKILL
    # killed after storing, it stored the same parcel twice
    assert len(archived_case.stored("SEG")) == (0 if moment == "before" else 1)
    done = send("never")
    assert (done.returncode, done.stdout.strip()) == (0, "3"), done.stdout
    found = [*archived_case.stored("SEG"), *archived_case.stored("SR")]
    assert len(found) == 5
    assert len({one.SOPInstanceUID for one in found}) == 5
    assert service.delivery.delivery_state(made)["stored"]


def until_empty(outbox: Outbox) -> None:
    waited = threading.Event()
    for _ in range(20 * WITHIN_S):
        if not outbox.state().waiting:
            return
        waited.wait(0.05)
    raise AssertionError(f"{outbox.state()} after {WITHIN_S} s")
