"""Both archives, asked as viewers and servers ask them: one set of answers."""

from __future__ import annotations

import pytest


def test_what_was_stored_is_found_again_after_a_restart(own_archive, study):
    own_archive.store(study.files())
    own_archive.restart()
    found = own_archive.query(f"/series?StudyInstanceUID={study.study_uid}")
    assert {one["0020000E"]["Value"][0] for one in found} == {study.t1w_uid, study.stir_uid}


@pytest.mark.pacs
def test_orthanc_wants_its_password(orthanc):
    import httpx

    assert httpx.get(f"{orthanc.url}/studies").status_code == 401
