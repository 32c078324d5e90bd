"""Start time, download and save latency of a server on the embedded archive and on Orthanc, in one table, in one run.

One phantom of 336 x 336 x 25 as a DICOM study. Each archive runs in a process of its own with a password; the server is started
by `serve --pacs` on each. Every time is from request to whole answer, the median where it is measured several times.

    PYTHONPATH=apps/vhi:tests python benchmarks/pacs.py
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pydicom
import requests
from rich.console import Console
from rich.table import Table

from archives import MAIN, Archive, Orthanc, Study, phantom_study, serving_archive, why_no_orthanc
from lib.pacs.client import Archive as Client
from serving import Server

SHAPE = (336, 336, 25)
ASKED, DOWNLOADED, SAVED = 15, 7, 3
FRAMES = {"Accept": 'multipart/related; type="application/octet-stream"; transfer-syntax=*'}
WHOLE = {"Accept": 'multipart/related; type="application/dicom"; transfer-syntax=*'}


class EmbeddedProcess(Archive):
    """The embedded archive as the command `archive` starts it."""

    name = "embedded"

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.user, self.password = "vhi-embedded", "a password for the benchmark"
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/dicom-web"

    def start(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        secret = self.folder.with_name("embedded-password")
        secret.write_text(self.password)
        command = [sys.executable, str(MAIN), "archive", str(self.folder), "--port", str(self.port)]
        self._process = subprocess.Popen(
            [*command, "--user", self.user, "--password-file", str(secret)], stdout=subprocess.DEVNULL
        )
        while self._process.poll() is None:
            try:
                self.query("/studies?limit=1")
            except OSError:
                time.sleep(0.02)
            else:
                return
        raise SystemExit("the embedded archive did not start")

    def stop(self) -> None:
        if self._process is not None:
            self._process.terminate()
            self._process.wait(20)
            self._process = None


def seconds(work: Callable[[], Any]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def median(count: int, work: Callable[[], Any]) -> float:
    work()  # what the first one loads
    return statistics.median(seconds(work) for _ in range(count))


def asked(session: requests.Session, url: str, headers: dict[str, str] | None = None) -> requests.Response:
    answer = session.get(url, headers=headers, timeout=600)
    answer.raise_for_status()
    return answer


@contextmanager
def started(archive: Archive) -> Iterator[float]:
    try:
        yield seconds(archive.start)
    finally:
        archive.stop()


def of_archive(archive: Archive, study: Study, folder: Path) -> dict[str, float]:
    """What an archive does by itself."""
    times = {"first store of the study (2 x 25 instances)": seconds(lambda: archive.store(study.files()))}
    session = requests.Session()
    session.auth = archive.auth
    series = f"{archive.url}/studies/{study.study_uid}/series/{study.stir_uid}"
    client = Client(archive.url, archive.user, archive.password)
    number = iter(range(1000))
    times["search of studies"] = median(ASKED, lambda: asked(session, f"{archive.url}/studies?PatientID=P3"))
    times["headers of a series"] = median(ASKED, lambda: asked(session, f"{series}/metadata"))
    times["download of a series, by the server's client"] = median(
        DOWNLOADED, lambda: client.download_series(study.study_uid, study.stir_uid, folder / f"{next(number)}")
    )
    times["download of a series, as a viewer"] = median(DOWNLOADED, lambda: asked(session, series, WHOLE))
    times["one frame, as a viewer"] = median(ASKED, lambda: asked(session, _frame(series, study), FRAMES))
    return times


def _frame(series: str, study: Study) -> str:
    uid = pydicom.dcmread(study.files("STIR")[5], stop_before_pixels=True).SOPInstanceUID
    return f"{series}/instances/{uid}/frames/1"


def of_server(server: Server, archive: Archive, study: Study) -> dict[str, float]:
    """What a reader waits for."""
    until_case = seconds(lambda: wait_for(lambda: study.study_uid in [one["case"] for one in _cases(server)]))
    session = requests.Session()
    series = f"{server.url}/proxy/dicom/wado/studies/{study.study_uid}/series/{study.stir_uid}"
    times = {
        "download of a series through the gateway": median(DOWNLOADED, lambda: asked(session, series, WHOLE)),
        "one frame through the gateway": median(ASKED, lambda: asked(session, _frame(series, study), FRAMES)),
        "from ready to the first case": until_case,
    }
    form = {"params": json.dumps({"result_extension": ".nii.gz"})}
    query = {"image": study.stir_uid, "output": "image"}
    region = requests.post(f"{server.url}/infer/disease_region", params=query, data=form, timeout=600).content
    saved, stored = [], []
    for number in range(SAVED + 1):
        start = time.perf_counter()
        answer = _save(server, study, region, f"reader{number}")
        saved.append(time.perf_counter() - start)
        wait_for(lambda: _sent(server) > number)  # noqa: B023
        stored.append(time.perf_counter() - start)
        if answer["archive"] is None:
            raise SystemExit("nothing was delivered")
    times["save: VHI measured, report and DICOM written"] = statistics.median(saved[1:])
    times["save until SEG and SR are in the archive"] = statistics.median(stored[1:])
    modalities = {one["00080060"]["Value"][0] for one in archive.query(f"/studies/{study.study_uid}/series")}
    if not {"SEG", "SR"} <= modalities:
        raise SystemExit(f"the archive holds {modalities}")
    return times


def wait_for(condition: Callable[[], bool]) -> None:
    while not condition():
        time.sleep(0.02)


def _cases(server: Server) -> list[dict[str, Any]]:
    return requests.get(f"{server.url}/vhi/cases", timeout=600).json()["cases"]


def _sent(server: Server) -> int:
    return requests.get(f"{server.url}/vhi/archive", timeout=600).json()["sent"]


def _save(server: Server, study: Study, region: bytes, reader: str) -> dict[str, Any]:
    params = json.dumps({"label_info": [{"name": "disease region", "idx": 1}], "client_id": reader})
    answer = requests.put(
        f"{server.url}/datastore/label?image={study.stir_uid}",
        files={"label": ("region.nii.gz", region)},
        data={"params": params},
        timeout=600,
    )
    if answer.status_code != 200:
        raise SystemExit(f"the save answered {answer.status_code}: {answer.text[:300]}")
    return answer.json()


def bench(archive: Archive, study: Study, folder: Path) -> dict[str, float]:
    (folder / "series").mkdir(parents=True)
    with started(archive) as start_s:
        times = {"archive: process start to first answer, empty": start_s, **of_archive(archive, study, folder / "series")}
        begin = time.perf_counter()
        with serving_archive(archive, folder / "work") as server:
            times["server: process start to first answer"] = time.perf_counter() - begin
            times |= of_server(server, archive, study)
    with started(archive) as again_s:
        times["archive: start with the study in it"] = again_s
    return times


def main() -> None:
    if reason := why_no_orthanc():
        print(f"Not measured: {reason}")
        return
    with tempfile.TemporaryDirectory(prefix="vhi-pacs-") as folder:
        root = Path(folder)
        study = phantom_study(root / "phantom", shape=SHAPE)
        kinds: dict[str, type[Archive]] = {"embedded": EmbeddedProcess, "orthanc": Orthanc}
        results = {name: bench(kind(root / name / "archive"), study, root / name) for name, kind in kinds.items()}
    table = Table("", "embedded", "Orthanc", title=f"One study, two series of {' x '.join(map(str, SHAPE))}: milliseconds")
    for row in results["embedded"]:
        table.add_row(row, *(f"{results[name][row] * 1000:.0f}" for name in kinds))
    Console(width=110).print(table)


if __name__ == "__main__":
    main()
