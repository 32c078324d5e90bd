"""The folder: files that come, go, change and break by hand, and an index that always follows."""

from __future__ import annotations

import gc
import gzip
import json
import os
import sqlite3
import time

import pytest

from embedded import bytes_of, place_of, slice_of
from lib.archive.archive_folder import ArchiveFolder
from lib.archive.index import Index
from lib.errors import ConflictError, InputError, OutputError
from lib.pacs.register import Register

pytestmark = pytest.mark.slow  # seconds in all


def instances(served) -> set[str]:
    return {one["00080018"]["Value"][0] for one in served.matches("/instances")}


def test_files_are_served_whatever_they_are_called(serve, tmp_path, objects):
    folder = tmp_path / "archive"
    (folder / "deep" / "er").mkdir(parents=True)
    (folder / "deep" / "er" / "IM0001").write_bytes(objects["plain"])
    (folder / "räport.DCM").write_bytes(objects["sr"])
    (folder / "notes.txt").write_text("no image")
    (folder / "DICOMDIR.txt").write_bytes(b"")
    served = serve(folder)
    assert len(instances(served)) == 2
    assert served.running.skipped == {}
    assert served.get(place_of(objects["plain"]), "*/*").status_code == 200


def test_files_put_in_by_hand_are_found_without_a_restart(served, objects):
    (served.folder / "by hand").mkdir()
    (served.folder / "by hand" / "one.dcm").write_bytes(objects["enhanced"])
    assert instances(served) == set()
    served.running.archive.rescan()
    assert len(instances(served)) == 1
    (served.folder / "by hand" / "two.dcm").write_bytes(objects["seg"])
    served.running.archive.rescan()
    assert len(instances(served)) == 2


def test_the_archive_looks_by_itself(serve, objects):
    served = serve(look_every_s=0.1)
    (served.folder / "one.dcm").write_bytes(objects["plain"])
    until = time.monotonic() + 30
    while not instances(served) and time.monotonic() < until:
        time.sleep(0.05)
    assert len(instances(served)) == 1


def test_files_that_go_are_no_longer_found(served, objects):
    served.post(objects["plain"], objects["seg"])
    file = next(path for path in served.files() if path.stem in place_of(objects["plain"]))
    file.unlink()
    answer = served.get(place_of(objects["plain"]), "*/*")
    assert answer.status_code == 404
    assert "is gone from the archive's folder" in answer.json()["detail"]
    served.running.archive.rescan()
    assert len(instances(served)) == 1
    for path in served.files():
        path.unlink()
    served.running.archive.rescan()
    assert served.matches("/studies") == []
    assert served.matches("/series") == []


def test_a_folder_that_goes_and_one_that_is_renamed(served, objects):
    served.post(objects["plain"], objects["seg"])
    served.running.archive.rescan()
    study = served.files()[0].parents[1]
    study.rename(study.with_name("renamed"))
    served.running.archive.rescan()
    assert len(instances(served)) == 2
    assert served.get(place_of(objects["plain"]), "*/*").status_code == 200


def test_a_file_that_is_cut_is_skipped_and_named_until_it_is_whole(served, objects, caplog):
    (served.folder / "cases").mkdir()
    path = served.folder / "cases" / "half.dcm"
    path.write_bytes(objects["plain"][:-100])
    served.running.archive.rescan()
    (served.folder / "cases" / "empty.dcm").write_bytes(b"")
    served.running.archive.rescan()
    assert instances(served) == set()
    assert "cases/half.dcm is truncated: it ends 100 bytes too early" in served.running.skipped["cases/half.dcm"]
    # the log names no file: the list in the archive's own folder does
    assert "2 files are not served; .dicomweb/skipped.json" in caplog.text
    assert "half" not in caplog.text
    assert json.loads((served.folder / ".dicomweb" / "skipped.json").read_text()) == served.running.skipped
    assert "cases/empty.dcm is no DICOM file" in served.running.skipped["cases/empty.dcm"]
    told = caplog.text.count("not served")
    served.running.archive.rescan()
    assert caplog.text.count("not served") == told  # once
    # a copy that was still under way: the folder itself does not change any more
    time.sleep(0.01)
    path.write_bytes(objects["plain"])
    served.running.archive.rescan()
    assert len(instances(served)) == 1
    assert list(served.running.skipped) == ["cases/empty.dcm"]
    (served.folder / "cases" / "empty.dcm").unlink()
    served.running.archive.rescan()
    assert served.running.skipped == {}


def test_a_file_changed_in_place_is_read_again_when_everything_is(served, objects):
    one = slice_of()
    (served.folder / "one.dcm").write_bytes(bytes_of(one))
    served.running.archive.rescan()
    one.PatientID = "changed"
    (served.folder / "one.dcm").write_bytes(bytes_of(one))
    served.running.archive.rescan(everything=True)
    assert [study["00100020"]["Value"] for study in served.matches("/studies")] == [["changed"]]


def test_two_files_of_one_instance_that_differ_are_both_withheld_until_one_is_gone(served):
    one = slice_of()
    (served.folder / "a.dcm").write_bytes(bytes_of(one))
    served.running.archive.rescan()
    assert len(instances(served)) == 1
    one.PixelData = bytes(len(one.PixelData))
    (served.folder / "b.dcm").write_bytes(bytes_of(one))
    served.running.archive.rescan()
    assert instances(served) == set()
    assert set(served.running.skipped) == {"a.dcm", "b.dcm"}
    assert "one instance by their UID and differ, so neither is served" in served.running.skipped["a.dcm"]
    (served.folder / "b.dcm").unlink()
    served.running.archive.rescan()
    assert len(instances(served)) == 1
    assert served.running.skipped == {}


@pytest.mark.parametrize("form", ["gzipped", "without preamble"])
def test_dicom_that_is_not_served_as_it_lies_there_is_named(served, objects, form):
    content = gzip.compress(objects["plain"]) if form == "gzipped" else objects["plain"][132:]
    (served.folder / "IM0001").write_bytes(content)
    served.running.archive.rescan()
    assert "IM0001 is no DICOM file: it has no DICM mark" in served.running.skipped["IM0001"]


def test_the_same_instance_twice_is_served_once_and_told(served, objects):
    for name in ("a.dcm", "b.dcm"):
        (served.folder / name).write_bytes(objects["plain"])
    served.running.archive.rescan()
    assert len(instances(served)) == 1
    assert served.running.skipped == {"b.dcm": "b.dcm holds the same instance as a.dcm; remove one of them."}
    (served.folder / "a.dcm").unlink()
    served.running.archive.rescan()
    assert served.get(place_of(objects["plain"]), "*/*").status_code == 200
    assert served.running.skipped == {}


def test_what_is_stored_replaces_a_damaged_file_of_its_own_name(served, objects):
    served.post(objects["plain"])
    (file,) = served.files()
    file.write_bytes(objects["plain"][:-50])
    served.running.archive.rescan(everything=True)
    assert instances(served) == set()
    assert served.post(objects["plain"]).status_code == 200
    assert file.read_bytes() == objects["plain"]
    assert len(instances(served)) == 1
    assert served.running.skipped == {}


@pytest.mark.parametrize("damage", ["gone", "rubbish", "cut", "overwritten", "another version"])
def test_an_index_that_is_damaged_is_made_anew(serve, objects, damage):
    first = serve()
    first.post(*objects.values())
    expected = instances(first)
    first.running.stop()
    index = first.folder / ".dicomweb" / "index.sqlite"
    content = index.read_bytes()
    if damage == "gone":
        index.unlink()
    elif damage == "rubbish":
        index.write_bytes(os.urandom(5000))
    elif damage == "cut":
        index.write_bytes(content[: len(content) // 3])
    elif damage == "overwritten":
        index.write_bytes(content[:4096] + b"\xff" * (len(content) - 4096))
    else:
        with sqlite3.connect(index) as connection:
            connection.execute("PRAGMA user_version = 99")
        connection.close()
    again = serve(first.folder)
    assert instances(again) == expected
    assert again.get(place_of(objects["seg"]) + "/metadata").status_code == 200


def test_an_index_damaged_while_it_is_served_is_made_anew(served, objects, monkeypatch):
    served.post(*objects.values())
    expected = instances(served)
    real = Index._all
    broken = []

    def malformed(self, sql, values=()):
        if not broken:
            broken.append(sql)
            raise sqlite3.DatabaseError("database disk image is malformed")
        return real(self, sql, values)

    monkeypatch.setattr(Index, "_all", malformed)
    answer = served.get("/instances")
    assert answer.status_code == 503
    assert "is being made anew" in answer.json()["detail"]
    served.running.archive.rescan()
    assert instances(served) == expected


# from Python 3.13 on, a connection that nobody closed is told
@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("kind", [Index, Register])
def test_what_is_given_up_without_a_word_closes_its_file(tmp_path, kind):
    (tmp_path / "folder").mkdir()
    kind(tmp_path / "whole.sqlite")
    (tmp_path / "damaged.sqlite").write_bytes(b"no database" * 100)
    kind(tmp_path / "damaged.sqlite")
    with pytest.raises(OutputError, match="cannot be opened"):
        kind(tmp_path / "folder")
    gc.collect()


def test_a_folder_has_one_archive(served):
    with pytest.raises(ConflictError, match="is served by another archive; stop that one"):
        ArchiveFolder(served.folder)
    served.running.stop()
    ArchiveFolder(served.folder).close()


def test_a_folder_that_is_not_there_is_refused(tmp_path):
    with pytest.raises(InputError, match="is no folder; pass the folder of the DICOM files"):
        ArchiveFolder(tmp_path / "nothing")


def test_links_do_not_lead_out_of_the_folder(served, tmp_path, objects):
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "one.dcm").write_bytes(objects["plain"])
    (served.folder / "link").symlink_to(tmp_path / "outside")
    (served.folder / "link.dcm").symlink_to(tmp_path / "outside" / "one.dcm")
    served.running.archive.rescan()
    assert instances(served) == set()
