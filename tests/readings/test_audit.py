"""The chain of events holds, and shows where it was broken."""

import json
import threading

import pytest

from lib.errors import InputError, OutputError
from lib.readings.audit import FIRST, AuditLog


@pytest.fixture
def log(tmp_path):
    log = AuditLog(tmp_path / "audit.jsonl")
    log.append("opened", reader="anna", case="1013")
    log.append("changed", reader="anna", case="1013", submission="0001-anna")
    log.append("exported", reader="ben", case="1013", form="pdf")
    return log


def test_events_are_kept_in_order_with_who_and_what(log):
    entries = list(log.entries())
    assert [(one["event"], one["reader"], one["submission"]) for one in entries] == [
        ("opened", "anna", None),
        ("changed", "anna", "0001-anna"),
        ("exported", "ben", None),
    ]
    assert entries[0]["previous"] == FIRST
    assert entries[2]["form"] == "pdf"
    assert log.verify() == 3


def test_another_process_continues_the_chain(log):
    AuditLog(log.path).append("login", reader="eva")
    log.append("login", reader="ben")
    assert log.verify() == 5


@pytest.mark.parametrize("line", [0, 1])
def test_an_altered_line_shows(log, line):
    lines = log.path.read_text().splitlines()
    lines[line] = lines[line].replace("anna", "eva")
    log.path.write_text("\n".join(lines) + "\n")
    with pytest.raises(InputError, match=f"altered at or before line {line + 2}"):
        log.verify()


def test_a_removed_line_shows(log):
    lines = log.path.read_text().splitlines()
    log.path.write_text("\n".join([lines[0], lines[2]]) + "\n")
    with pytest.raises(InputError, match="altered at or before line 2"):
        log.verify()


@pytest.mark.parametrize("torn", [1, 20, -1])
def test_a_line_that_was_cut_off_is_closed_and_the_chain_goes_on(log, torn):
    """After 1 byte, after 20, and when only the newline is missing."""
    content = log.path.read_bytes()
    start = content.rstrip(b"\n").rfind(b"\n") + 1
    log.path.write_bytes(content[:torn] if torn < 0 else content[: start + torn])
    cut = log.path.read_bytes()
    again = AuditLog(log.path)
    assert again.verify() == (3 if torn < 0 else 2)
    again.append("opened", reader="eva", case="1012")
    assert log.path.read_bytes().startswith(cut)  # append-only
    assert again.verify() == (4 if torn < 0 else 3)
    assert list(again.entries())[-1]["after_torn_line"] is True


def test_two_cuts_one_after_the_other(log):
    with log.path.open("ab") as file:
        file.write(b'{"time": "2\n{"ti')
    log.append("login", reader="ben")
    assert log.verify() == 4


def test_a_line_longer_than_a_block_is_continued(log):
    log.append("changed", reader="anna", note="x" * 200_000)
    AuditLog(log.path).append("login", reader="ben")
    assert log.verify() == 5


def test_threads_and_several_logs_of_one_file_do_not_break_it(log):
    logs = [log, AuditLog(log.path), AuditLog(log.path)]

    def work(one):
        for _ in range(20):
            one.append("opened", reader="anna", case="1013")

    threads = [threading.Thread(target=work, args=(one,)) for one in logs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert log.verify() == 63


def test_a_place_that_cannot_be_written_is_refused(tmp_path):
    (tmp_path / "audit.jsonl").mkdir()
    with pytest.raises(OutputError, match="cannot be written"):
        AuditLog(tmp_path / "audit.jsonl").append("login", reader="anna")


def test_an_empty_log_is_whole(tmp_path):
    log = AuditLog(tmp_path / "audit.jsonl")
    assert log.verify() == 0
    assert list(log.entries()) == []


def test_every_line_is_one_json_object(log):
    assert all(isinstance(json.loads(line), dict) for line in log.path.read_text().splitlines())
