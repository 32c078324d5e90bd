"""The whole server on a real archive: submissions go there, and what readers store there comes back as submissions."""

from __future__ import annotations

import json
from functools import partial
from typing import Any

import numpy as np
import pytest
import requests

import waiting
from archived_case import BONE, INFLAMMATION, REGION, ArchivedCase, flipped, numbers_of, seg_of
from archives import serving_archive
from lib.studies.nifti import read_volume, write_labels
from lib.studies.registration import labels_at

pytestmark = [pytest.mark.server, pytest.mark.pacs, pytest.mark.filterwarnings("ignore:The string")]
PATIENCE_S = 300.0


wait_for = partial(waiting.wait_for, every_s=0.5)


def test_submissions_go_to_the_archive_and_corrections_come_from_there(own_orthanc, tmp_path):
    archived_case = ArchivedCase(tmp_path / "site", own_orthanc)
    with serving_archive(own_orthanc, tmp_path / "work", "--model-dir", str(tmp_path / "no-model")) as server:

        def ask(path: str) -> dict[str, Any]:
            return requests.get(server.url + path, timeout=PATIENCE_S).json()

        def submissions() -> list[dict[str, Any]]:
            return ask("/vhi/cases")["cases"][0]["submissions"]

        def submit(name: str, mask: np.ndarray) -> dict[str, Any]:
            image = tmp_path / "image.nii.gz"
            found = requests.get(
                f"{server.url}/datastore/image", params={"image": archived_case.study.stir_uid}, timeout=PATIENCE_S
            )
            image.write_bytes(found.content)
            grid = read_volume(image, "STIR").grid
            write_labels(tmp_path / "label.nii.gz", labels_at(mask.astype(np.uint8), archived_case.grid, grid), grid)
            params = {"label_info": [{"name": name, "idx": 1}], "client_id": "anna"}
            found = requests.put(
                f"{server.url}/datastore/label",
                params={"image": archived_case.study.stir_uid},
                data={"params": json.dumps(params)},
                files={"label": ("label.nii.gz", (tmp_path / "label.nii.gz").read_bytes())},
                timeout=PATIENCE_S,
            )
            assert found.status_code == 200, found.text
            return found.json()

        wait_for(lambda: ask("/vhi/cases")["cases"], PATIENCE_S, "the study became a case")
        submit(REGION, archived_case.region)
        submit(BONE, archived_case.bone)
        own_orthanc.stop()
        info = submit(INFLAMMATION, archived_case.lesions == 2)
        assert info["measured"]
        assert not info["archive"]["stored"]
        assert wait_for(lambda: ask("/vhi/archive")["last_error"], PATIENCE_S, "the outbox failed")
        assert ask("/vhi/archive")["waiting"] >= 1
        own_orthanc.start()
        wait_for(lambda: not ask("/vhi/archive")["waiting"], PATIENCE_S, "the outbox emptied")
        # regions alone were handed in first: what is measured with them nobody has cleaned
        names = {
            group["Volume"]: name
            for one in archived_case.stored("SR")
            for name, group in numbers_of(one).items()
            if name.endswith("at the sensitive threshold")
        }
        assert sorted(names) == [24.0, 72.0]
        assert names[72.0].startswith("Uncleaned volume")

        wrong = flipped(seg_of(archived_case, {INFLAMMATION: archived_case.lesions == 2}, creator="ben", omit_empty_frames=False))
        right = seg_of(archived_case, {INFLAMMATION: archived_case.lesions == 1}, creator="ben", written="20250603 120000")
        own_orthanc.store([wrong, right])
        wait_for(lambda: len(submissions()) == 4, PATIENCE_S, "the correction was taken")
        assert (submissions()[-1]["reader"], submissions()[-1]["measured"]) == ("ben", True)
        (refused,) = ask("/vhi/archive")["refused"]
        assert (refused["segmentation"], refused["reader"]) == (wrong.SOPInstanceUID, "ben")
        assert "flipped along the slices" in refused["reason"]
        wait_for(lambda: len(archived_case.stored("SR")) == 3, PATIENCE_S, "the correction's report was stored")
    log = server.log.read_text()
    assert "Traceback" not in log
    assert archived_case.patient not in log
