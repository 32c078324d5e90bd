"""The view that browsers have of a blinded study follows its archive."""

from __future__ import annotations

import numpy as np
import pydicom
import requests
from pydicom.uid import generate_uid

from archived_case import ArchivedCase
from lib.datastores.viewed import viewed_archive_of

FRAME = {"Accept": 'multipart/related; type="application/octet-stream"'}


def frames(viewed, study_uid: str) -> list[int]:
    """The status of the first frame of every instance that is listed."""
    at, auth = f"{viewed.url}/studies/{study_uid}", (viewed.user, viewed.password)
    listed = requests.get(f"{at}/instances", auth=auth, headers={"Accept": "application/dicom+json"}, timeout=60).json()
    named = [(one["0020000E"]["Value"][0], one["00080018"]["Value"][0]) for one in listed]
    return [
        requests.get(f"{at}/series/{series}/instances/{sop}/frames/1", auth=auth, headers=FRAME, timeout=60).status_code
        for series, sop in named
    ]


def one_more_slice(archived_case, role: str, folder) -> None:
    """Store a copy of the last slice one step further on."""
    before, last = sorted(
        (pydicom.dcmread(path) for path in archived_case.study.files(role)), key=lambda one: int(one.InstanceNumber)
    )[-2:]
    here, there = (np.array(one.ImagePositionPatient, float) for one in (before, last))
    last.ImagePositionPatient = [round(float(value), 6) for value in 2 * there - here]
    last.InstanceNumber = int(last.InstanceNumber) + 1
    last.SOPInstanceUID = last.file_meta.MediaStorageSOPInstanceUID = generate_uid()
    last.save_as(folder / f"{role}.dcm")
    archived_case.archive.store([folder / f"{role}.dcm"])


def test_after_a_series_changed_and_was_copied_ahead_its_frames_are_shown(archive, tmp_path):
    archived_case = ArchivedCase(tmp_path / "site", archive)
    service = archived_case.service(blinded=True, seed=11)
    viewed, (case,) = viewed_archive_of(service), service.cases.index.cases
    viewed.show(case.shown.study_uid)
    before = frames(viewed, case.shown.study_uid)
    assert set(before) == {200}
    for role in ("T1W", "STIR"):
        one_more_slice(archived_case, role, tmp_path)
    while service.cases.look():
        pass
    (changed,) = service.cases.refresh().cases
    assert changed.path("STIR") != case.path("STIR")
    with service.cases.loaded(changed):  # as computing ahead does
        pass
    viewed.show(case.shown.study_uid)
    assert frames(viewed, case.shown.study_uid) == [200] * (len(before) + 2)
