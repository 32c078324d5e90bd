"""A server killed at any moment: the next one starts, and every submission that was acknowledged is there, whole."""

from __future__ import annotations

import gzip
import hashlib
import json
import os
import random
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import nibabel
import numpy as np
import pytest
import requests

from drawing import pair
from lib.readings.audit import AuditLog
from lib.readings.store import ReadingStore
from lib.studies.nifti import write_volume
from serving import free_port, server_environment

pytestmark = [pytest.mark.server, pytest.mark.slow]
KILLS = 24
LONGEST_S = 5.0  # several saves
CASES = ("one", "two")
READERS = ("anna", "bert")


class Savers:
    """Two readers who save as fast as they are answered, each another mask, and remember what was acknowledged."""

    def __init__(self, scans: dict[str, tuple[np.ndarray, np.ndarray]], affine: np.ndarray) -> None:
        self.scans, self.affine = scans, affine
        self.acknowledged: dict[tuple[str, str], str] = {}
        self.sent = 0
        self.refused: list[str] = []

    def save_until_killed(self, url: str, reader: str, seed: int) -> None:
        rng = np.random.default_rng(seed)
        while True:
            case = CASES[int(rng.integers(len(CASES)))]
            region, bone = self.scans[case]
            labels = np.where(region, 1, 0).astype(np.uint8)
            labels[bone] = 2
            labels[region & ~bone & (rng.random(region.shape) < 0.02)] = 1
            own = region & ~bone & (rng.random(region.shape) < 0.9)
            labels[region & ~bone & ~own] = 0
            content = gzip.compress(nibabel.Nifti1Image(labels, self.affine).to_bytes(), 1)
            names = [{"name": "disease region", "idx": 1}, {"name": "normal bone", "idx": 2}]
            self.sent += 1
            try:
                answer = requests.put(
                    f"{url}/datastore/label",
                    params={"image": f"{case}_STIR"},
                    files={"label": ("label.nii.gz", content)},
                    data={"params": json.dumps({"client_id": reader, "label_info": names})},
                    timeout=60,
                )
            except requests.RequestException:
                return  # killed
            if answer.status_code != 200:
                self.refused.append(answer.text[:300])
                return
            bone_sent = hashlib.sha256(np.ascontiguousarray(labels == 2).tobytes()).hexdigest()
            self.acknowledged[case, answer.json()["submission"]] = bone_sent


def wait_for(url: str, process: subprocess.Popen[str]) -> None:
    until = time.monotonic() + 60
    while time.monotonic() < until and process.poll() is None:
        try:
            requests.get(f"{url}/vhi/health", timeout=5)
        except requests.ConnectionError:
            time.sleep(0.02)
        else:
            return
    raise AssertionError("the next server did not start")


def test_every_acknowledged_submission_survives_kills_at_random_moments(tmp_path: Path):
    studies = tmp_path / "studies"
    studies.mkdir()
    scans, affine = {}, np.eye(4)
    for number, case in enumerate(CASES):
        scan = pair(np.random.default_rng(number))
        write_volume(studies / f"{case}_T1W.nii.gz", scan.t1w)
        write_volume(studies / f"{case}_STIR.nii.gz", scan.stir)
        scans[case], affine = (scan.disease_region.data, scan.normal_bone.data), scan.stir.grid.affine
    variables = server_environment(studies, {"models": str(tmp_path / "none")}, OMP_NUM_THREADS="1")
    rng, savers = random.Random(4), Savers(scans, affine)
    program = [sys.executable, str(Path(__file__).with_name("forking.py"))]
    log = (tmp_path / "server.log").open("w")
    with subprocess.Popen(program, env=variables, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, text=True) as parent:
        assert parent.stdin
        assert parent.stdout
        try:
            while parent.stdout.readline().strip() not in ("ready", ""):
                pass
            for kill in range(KILLS + 1):
                port = free_port()
                url = f"http://127.0.0.1:{port}"
                parent.stdin.write(f"{port}\n")
                parent.stdin.flush()
                server = next(int(line) for line in iter(parent.stdout.readline, "") if line.strip().isdigit())
                wait_for(url, parent)
                if kill == KILLS:
                    listed = {
                        (case, one["id"])
                        for case in CASES
                        for one in requests.get(f"{url}/vhi/submissions", params={"image": f"{case}_T1W"}, timeout=60).json()
                    }
                    os.kill(server, signal.SIGTERM)
                    break
                threads = [
                    threading.Thread(target=savers.save_until_killed, args=(url, reader, 100 * kill + n))
                    for n, reader in enumerate(READERS)
                ]
                for thread in threads:
                    thread.start()
                time.sleep(rng.uniform(0.0, LONGEST_S))
                os.kill(server, signal.SIGKILL)
                for thread in threads:
                    thread.join(60)
        finally:
            parent.stdin.close()
            parent.terminate()
    assert savers.refused == []
    assert len(savers.acknowledged) > KILLS / 4
    assert savers.sent > len(savers.acknowledged)  # some were cut off by a kill
    assert set(savers.acknowledged) <= listed
    store = ReadingStore(studies / ".vhi")
    for (case, submission_id), bone_sent in savers.acknowledged.items():
        bone = store.read_segment(store.get(case, submission_id), "normal bone")  # checks the file's sha256 too
        assert bone is not None
        assert hashlib.sha256(np.ascontiguousarray(bone.data).tobytes()).hexdigest() == bone_sent
    assert not [path for path in (studies / ".vhi").rglob("*") if "partial" in path.name]
    AuditLog(studies / ".vhi" / "audit.jsonl").verify()
    print(f"{KILLS} kills, {savers.sent} sent, {len(savers.acknowledged)} acknowledged, {len(listed)} on disk")
