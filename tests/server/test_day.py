"""A simulated day of reading, its clock moved by hours: descriptors, memory and temporary files stay as they are.

VHI_HOURS makes it longer.
"""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path

import pytest

from study_folder import StudyFolder
from useddata import answers, asking

pytestmark = [
    pytest.mark.server,
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform != "linux", reason="descriptors and memory are counted in /proc"),
]
HOURS = int(os.environ.get("VHI_HOURS", "5"))
WARM = 12  # until the threads and caches have what they keep
MOST_MIB = 25.0  # a leak of one scan or report an hour is more


def descriptors() -> int:
    return len(os.listdir("/proc/self/fd"))


def resident_mib() -> float:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


def test_a_day_of_reading_leaves_descriptors_memory_and_temporary_files_flat(tmp_path, monkeypatch):
    study_folder, clock = StudyFolder(tmp_path / "studies"), [1_700_000_000.0]
    for case in "ab":
        study_folder.add_case(case)
    (tmp_path / "temporary").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temporary"))
    monkeypatch.setattr("time.time", lambda: clock[0])
    kept: list[tuple[int, float, int]] = []
    # so few that the caches are full once the first hours are over
    with asking(monkeypatch, study_folder, kept_results="2", loaded_cases="2") as client:
        for hour in range(WARM + HOURS):
            clock[0] += 3600 if hour % 4 else -900  # now and then it is set back
            for case in "ab":
                found = answers(client, study_folder, case, study_folder.bone)
                assert {route: status for route, (status, _) in found.items() if status >= 500} == {}
                assert found["submit"][0] == 200, found["submit"]
            files = sum(len(names) for _, _, names in os.walk(tmp_path / "temporary"))
            kept.append((descriptors(), resident_mib(), files))
    before, after = kept[WARM - 1], kept[-1]
    print(f"{HOURS} hours: descriptors, MiB and temporary files {before} -> {after}")
    assert after[0] <= before[0] + 2
    assert after[1] <= before[1] + MOST_MIB
    assert after[2] <= before[2]
    leases = study_folder.folder / ".vhi" / "leases"
    assert all(path.stat().st_size for path in leases.rglob("*.json"))
