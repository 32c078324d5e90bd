"""Finished readings of all readers, read beside a running server."""

import json

import numpy as np
import pytest

from lib.core.volume import Grid, Mask
from lib.errors import InputError
from lib.readings.finished import finished_readings
from lib.readings.store import ReadingStore, now, stored_segment
from lib.readings.submission import Submission
from lib.studies.nifti import write_mask

GRID = Grid((6, 5, 4), np.diag([1.0, 2.0, 3.0, 1.0]))


def hand_in(store, case_id, reader, size, *, report=None, parts=("inflammation",), **facts):
    data = np.zeros(GRID.shape, dtype=bool)
    data[:size] = True

    def write(folder, number):
        segments = []
        for name in parts:
            path = folder / f"{name.replace(' ', '_')}.nii.gz"
            write_mask(path, Mask(data, GRID, name))
            segments.append(stored_segment(name, path, int(data.sum())))
        if report is not None:
            (folder / "vhi.json").write_text(json.dumps(report))
        filled = {"reading": 1, "method": "semi-automatic", "measured": report is not None, **facts}
        return Submission(case_id, number, reader, created=now(), segments=tuple(segments), **filled)

    return store.append(case_id, reader, write)


REPORT = {"vhi_mm3": {"sensitive": 90.0, "conservative": 30.0}, "voxels": {"sensitive": 15, "conservative": 5}}


def test_the_newest_submission_of_each_reading_counts(tmp_path):
    store = ReadingStore(tmp_path / "data", {"seed": 7})
    hand_in(store, "A", "anna", 1, report={"vhi_mm3": {}, "voxels": {}})
    hand_in(store, "A", "anna", 2, report=REPORT, rating="failed")
    hand_in(store, "A", "ben", 3, method="manual", reading=2)
    hand_in(store, "A", "eva", 3, parts=("normal bone",))
    anna, ben = finished_readings(tmp_path / "data")
    assert (anna.case, anna.reader, anna.reading, anna.method, anna.rating) == ("A", "anna", 1, "semi-automatic", "failed")
    assert anna.numbers == {"vhi_mm3": 90.0, "vhi_voxels": 15.0, "vhi_conservative_mm3": 30.0, "vhi_conservative_voxels": 5.0}
    assert anna.read_mask().voxels == 2 * 5 * 4
    # 3 x 5 x 4 voxels of 6 mm3
    assert ben.numbers == {"vhi_mm3": 360.0, "vhi_voxels": 60.0}
    assert (ben.method, ben.reading) == ("manual", 2)


def test_cases_of_a_blinded_study_get_their_names_back(tmp_path):
    store = ReadingStore(tmp_path / "data")
    hand_in(store, "case-0123456789", "anna", 1, method="manual")
    (tmp_path / "data" / "aliases.json").write_text(json.dumps({"case-0123456789": "S01_follow_up"}))
    assert [one.case for one in finished_readings(tmp_path / "data")] == ["S01_follow_up"]


def test_nothing_is_changed_and_a_foreign_folder_is_refused(tmp_path):
    store = ReadingStore(tmp_path / "data")
    hand_in(store, "A", "anna", 1, method="manual")
    leftover = tmp_path / "data" / "cases" / "A" / "submissions" / ".x.partial-1"
    leftover.mkdir()
    finished_readings(tmp_path / "data")
    assert leftover.exists(), "a server may be writing it"
    with pytest.raises(InputError, match="is not the data folder of a server"):
        finished_readings(tmp_path)
    assert list(tmp_path.iterdir()) == [tmp_path / "data"]


def test_a_damaged_report_is_named(tmp_path):
    store = ReadingStore(tmp_path / "data")
    hand_in(store, "A", "anna", 1, report={"vhi_mm3": {}})
    with pytest.raises(InputError, match=r"vhi\.json is damaged"):
        finished_readings(tmp_path / "data")


def test_a_reading_says_which_post_transforms_measured_it(tmp_path):
    store = ReadingStore(tmp_path / "data", {"seed": 7})
    for case, name in (("a", "site"), ("b", "paper")):
        record = {"name": name, "sha256": "0123456789abcdef", "config": {}}
        hand_in(store, case, "anna", 1, report={**REPORT, "provenance": {"post_transforms": record}})
    hand_in(store, "c", "anna", 1, report=REPORT)
    hand_in(store, "d", "anna", 1, method="manual")
    chains = [one.chain for one in finished_readings(tmp_path / "data")]
    assert [str(one) for one in chains] == ["site (0123456789ab)", "paper", "paper", "None"]
    assert chains[1] == chains[2]


def test_effort_stands_beside_the_numbers_as_far_as_it_is_known(tmp_path):
    store = ReadingStore(tmp_path / "data", {"seed": 7})
    hand_in(store, "a", "anna", 1, report=REPORT, effort={"seconds": 61.5, "clicks": 7, "seconds_by": "viewer"})
    hand_in(store, "b", "anna", 1, report=REPORT)
    first, second = finished_readings(tmp_path / "data")
    assert (first.numbers["seconds"], first.numbers["clicks"]) == (61.5, 7.0)
    assert "boundary_edits" not in first.numbers
    assert not {"seconds", "clicks"} & set(second.numbers)


@pytest.mark.parametrize("facts", [{"effort": {"clicks": "many"}}, {"corrections": {"hand": 3}}, {"corrections": {"other": {}}}])
def test_effort_and_corrections_that_are_something_else_are_damage_and_named(tmp_path, facts):
    hand_in(ReadingStore(tmp_path / "data", {"seed": 7}), "a", "anna", 1, report=REPORT, **facts)
    with pytest.raises(InputError, match=r"submission\.json is damaged: its effort or corrections"):
        finished_readings(tmp_path / "data")


def test_who_changed_how_many_voxels_stands_beside_the_numbers(tmp_path):
    store = ReadingStore(tmp_path / "data", {"seed": 7})
    corrections = {
        "proposal": {"removed": [[3, 5], [4, 2]]},
        "clicks": {"removed": [[1, 8]], "restored": []},
        "hand": {"erased": [[2, 1]], "restored": [[1, 2]], "painted": 3, "painted_below_threshold": 4},
        "regions": {"appeared": 6, "outside": 0, "below_threshold": 1},
    }
    hand_in(store, "a", "anna", 1, report=REPORT, corrections=corrections)
    (found,) = finished_readings(tmp_path / "data")
    assert {name: value for name, value in found.numbers.items() if not name.startswith("vhi")} == {
        "proposal_removed_voxels": 7.0,
        "clicks_removed_voxels": 8.0,
        "clicks_restored_voxels": 0.0,
        "hand_erased_voxels": 1.0,
        "hand_painted_voxels": 9.0,
        "regions_changed_voxels": 7.0,
    }
