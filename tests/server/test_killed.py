"""A server killed, or asked to end, at any moment: the next one starts, and every submission that was acknowledged is there, whole.

In between the share of the studies goes away, and the disk is full when the server is killed. By hand for longer: VHI_KILLS,
VHI_TERMINATIONS and VHI_CLIENTS.
"""

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
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import nibabel
import numpy as np
import pytest
import requests

from drawing import pair
from lib.datafolder.check import problems_of
from lib.readings.audit import AuditLog
from lib.readings.store import ReadingStore
from lib.studies.nifti import write_volume
from serving import free_port, server_environment
from smalldisk import fill, mount, unmount
from waiting import wait_for as waited_for

pytestmark = [pytest.mark.server, pytest.mark.slow]
KILLS = int(os.environ.get("VHI_KILLS", "10"))
TERMINATIONS = int(os.environ.get("VHI_TERMINATIONS", "2"))
LONGEST_S = 5.0  # several saves
DISK_MIB = 512
CASES = ("one", "two")
READERS = tuple(f"reader{n}" for n in range(int(os.environ.get("VHI_CLIENTS", "4"))))
# answers to who asks while the studies are away or the disk is full, or while the server ends
NOT_NOW = (503, 507)


class Savers:
    """Two readers who save as fast as they are answered, each another mask, and remember what was acknowledged."""

    def __init__(self, scans: dict[str, tuple[np.ndarray, np.ndarray]], affine: np.ndarray) -> None:
        self.scans, self.affine = scans, affine
        self.acknowledged: dict[tuple[str, str], str] = {}
        self.sent = 0
        self.refused: list[str] = []
        self.not_now: Counter[int] = Counter()

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
            if answer.status_code in NOT_NOW:
                self.not_now[answer.status_code] += 1
                continue
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


def lose_share(studies: Path, savers: Savers) -> None:
    """The studies are gone until somebody was told so."""
    before, elsewhere = savers.not_now[503], studies.with_name("share")
    studies.rename(elsewhere)
    studies.mkdir()
    try:
        waited_for(lambda: savers.not_now[503] > before, 60, "a refusal while the share is away")
    finally:
        studies.rmdir()
        elsewhere.rename(studies)


@pytest.fixture
def data(tmp_path: Path) -> Iterator[Path]:
    """The data folder, on a disk of its own where one can be mounted."""
    place = tmp_path / "data"
    place.mkdir()
    is_own = not mount(place, DISK_MIB)
    yield place
    if is_own:
        waited_for(lambda: not unmount(place), 60, "the end of the last server, which has files open there")


def fill_disk(data: Path, savers: Savers) -> Path | None:
    """The data folder's disk is full, and somebody was told so; None where the disk is not its own to fill."""
    if not data.is_mount():
        return None
    before, filler = savers.not_now[507], fill(data)
    waited_for(lambda: savers.not_now[507] > before, 60, "a refusal while the disk is full")
    return filler


def test_every_acknowledged_submission_survives_kills_at_random_moments(tmp_path: Path, data: Path):
    studies = tmp_path / "studies"
    studies.mkdir()
    scans, affine = {}, np.eye(4)
    for number, case in enumerate(CASES):
        scan = pair(np.random.default_rng(number))
        write_volume(studies / f"{case}_T1W.nii.gz", scan.t1w)
        write_volume(studies / f"{case}_STIR.nii.gz", scan.stir)
        scans[case], affine = (scan.disease_region.data, scan.normal_bone.data), scan.stir.grid.affine
    variables = server_environment(studies, {"models": str(tmp_path / "none"), "data": str(data)}, OMP_NUM_THREADS="1")
    rng, savers = random.Random(4), Savers(scans, affine)
    program = [sys.executable, str(Path(__file__).with_name("forking.py"))]
    log = (tmp_path / "server.log").open("w")
    with subprocess.Popen(program, env=variables, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, text=True) as parent:
        assert parent.stdin
        assert parent.stdout
        try:
            while parent.stdout.readline().strip() not in ("ready", ""):
                pass
            ends = [signal.SIGKILL] * KILLS + [signal.SIGTERM] * TERMINATIONS
            rng.shuffle(ends)
            for kill, end in enumerate([*ends, None]):
                port = free_port()
                url = f"http://127.0.0.1:{port}"
                parent.stdin.write(f"{port}\n")
                parent.stdin.flush()
                server = next(int(line) for line in iter(parent.stdout.readline, "") if line.strip().isdigit())
                wait_for(url, parent)
                if end is None:
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
                if kill % 4 == 1:
                    lose_share(studies, savers)
                filler = fill_disk(data, savers) if kill % 4 == 3 else None
                os.kill(server, end)
                for thread in threads:
                    thread.join(60)
                if filler:
                    filler.unlink()
        finally:
            parent.stdin.close()
            parent.terminate()
    assert savers.refused == []
    assert len(savers.acknowledged) > KILLS / 4
    assert savers.not_now[503] > 0  # the share was away for some
    assert savers.not_now[507] > 0 or not data.is_mount()  # and for some the disk was full
    assert savers.sent > len(savers.acknowledged)  # some were cut off by a kill
    assert set(savers.acknowledged) <= listed
    store = ReadingStore(data)
    for (case, submission_id), bone_sent in savers.acknowledged.items():
        bone = store.read_segment(store.get(case, submission_id), "normal bone")  # checks the file's sha256 too
        assert bone is not None
        assert hashlib.sha256(np.ascontiguousarray(bone.data).tobytes()).hexdigest() == bone_sent
    assert not [path for path in data.rglob("*") if "partial" in path.name]
    AuditLog(data / "audit.jsonl").verify()
    assert problems_of(data) == ()
    print(
        f"{KILLS} kills, {TERMINATIONS} ends, {len(READERS)} clients, {dict(savers.not_now)} refused for now, {savers.sent} sent, {len(savers.acknowledged)} acknowledged, {len(listed)} on disk"
    )
