"""How much longer an inference takes while the server trains; target: a median under twice the idle one.

Phantoms of 336 x 336 x 25 behind `serve`, one client, requests one after the other. `disease_region` runs the networks: what was
kept of the case is removed before each request. `vhi` measures anew, with another setting each time, from regions that are kept.
Idle and training take turns, so that what else the machine does falls on both: training is started and stopped as viewers do it,
and goes on with the same session.

    PYTHONPATH=apps/vhi:tests python benchmarks/training_latency.py
"""

from __future__ import annotations

import argparse
import json
import shutil
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import requests
from rich.console import Console
from rich.table import Table

from lib.phantom.study import make_phantom
from lib.studies.nifti import write_labels, write_volume
from serving import APP, Server, serving

SHAPE = (336, 336, 25)
LEARNT, ASKED = ("l1", "l2"), ("a1", "a2")
# memory holds one case, so that taking turns with two leaves nothing in it
OPTIONS = ("--set", "loaded_cases=1", "--set", "kept_results=1", "--set", "train_holdout=0")


def write_studies(folder: Path) -> dict[str, bytes]:
    """The cases; the label map of each that is learnt."""
    labels = {}
    for n, case in enumerate((*LEARNT, *ASKED)):
        study = make_phantom(n + 11, SHAPE)
        write_volume(folder / f"{case}_T1W.nii.gz", study.t1w)
        write_volume(folder / f"{case}_STIR.nii.gz", study.stir)
        path = folder.parent / "label.nii.gz"
        write_labels(path, study.disease_region.data.astype("uint8"), study.disease_region.grid)
        labels[case] = path.read_bytes()
    return {case: labels[case] for case in LEARNT}


def infer(server: Server, model: str, case: str, **params: object) -> float:
    """Seconds from request to whole answer."""
    start = time.perf_counter()
    form = {"params": json.dumps(params)}
    url = f"{server.url}/infer/{model}"
    answer = requests.post(url, params={"image": f"{case}_STIR", "output": "image"}, data=form, timeout=600)
    taken = time.perf_counter() - start
    if answer.status_code != 200:
        raise SystemExit(f"{model} answered {answer.status_code}: {answer.text[:200]}")
    return taken


def block(server: Server, data: Path, count: int, first: int) -> dict[str, list[float]]:
    """Seconds of `count` inferences of each kind."""
    times: dict[str, list[float]] = {"disease_region (networks)": [], "vhi": []}
    for n in range(count):
        shutil.rmtree(data / "precomputed" / ASKED[n % 2], ignore_errors=True)
        times["disease_region (networks)"].append(infer(server, "disease_region", ASKED[n % 2]))
        times["vhi"].append(infer(server, "vhi", ASKED[n % 2], first_multiple=1.0 + (first + n) * 1e-4))
    return times


@contextmanager
def training(server: Server) -> Iterator[None]:
    """The members learn until the block ends."""
    requests.post(f"{server.url}/train/", json={"steps": 100_000}, timeout=120).raise_for_status()
    until(lambda: requests.get(f"{server.url}/train/", timeout=60).json()["progress"]["state"] == "training")
    try:
        yield
        now = requests.get(f"{server.url}/train/", timeout=60).json()
        if now["status"] != "RUNNING":
            raise SystemExit(f"training ended while it was measured: {now['details']}")
    finally:
        requests.delete(f"{server.url}/train/", timeout=120)


def until(what: Callable[[], bool]) -> None:
    end = time.monotonic() + 600
    while not what():
        if time.monotonic() > end:
            raise SystemExit("it took too long")
        time.sleep(0.5)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--count", type=int, default=8, help="inferences of each kind in a block")
    asked = parser.parse_args()
    results: dict[str, dict[str, list[float]]] = {"idle": {}, "training": {}}

    def add(state: str, times_of: dict[str, list[float]]) -> None:
        for kind, times in times_of.items():
            results[state].setdefault(kind, []).extend(times)

    with tempfile.TemporaryDirectory(prefix="vhi-bench-") as name:
        folder = Path(name)
        studies, data = folder / "studies", folder / "data"
        studies.mkdir()
        labels = write_studies(studies)
        command = [str(APP), "serve", "--studies", str(studies), "--data", str(data), "--port", "{port}", *OPTIONS]
        with serving(studies, folder / "work", command=command) as server:
            for case, label in labels.items():
                form = {"params": json.dumps({"label_info": [{"name": "disease region", "idx": 1}], "client_id": "reader"})}
                url = f"{server.url}/datastore/label?image={case}_STIR"
                requests.put(url, files={"label": ("x.nii.gz", label)}, data=form, timeout=600).raise_for_status()
            block(server, data, 2, 0)  # what the first requests load
            for n in range(asked.rounds):
                add("idle", block(server, data, asked.count, 1000 * n))
                with training(server):
                    add("training", block(server, data, asked.count, 1000 * n + 500))
    table = Table("inference", "idle: median s", "worst", "training: median s", "worst", "training / idle", box=None)
    for kind in results["idle"]:
        idle, busy = (results[state][kind] for state in ("idle", "training"))
        medians = statistics.median(idle), statistics.median(busy)
        numbers = (medians[0], max(idle), medians[1], max(busy), medians[1] / medians[0])
        table.add_row(kind, *(f"{one:.2f}" for one in numbers))
    Console().print(table)


if __name__ == "__main__":
    main()
