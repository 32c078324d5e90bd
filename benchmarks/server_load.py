"""How long `GET /info/` and a save take while 8 clients infer, idle and loaded, beside MONAI Label's own server in the same run.

Four phantoms of 336 x 336 x 25. Each of 8 clients asks for `vhi` over and over with another setting each time, so that it is
measured anew, on three of the cases; one more client asks for `/info/` and saves a label map of the fourth. The stock server is
MONAI Label's own, unguarded, with its own folder datastore and the same inference tasks; its save copies the file, ours measures
VHI and writes the report before it answers. Every time is from request to whole answer.

    PYTHONPATH=apps/vhi:tests python benchmarks/server_load.py
"""

from __future__ import annotations

import itertools
import json
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import requests
from rich.console import Console
from rich.table import Table

from lib.phantom.study import PhantomStudy, make_phantom
from lib.studies.nifti import write_labels, write_volume
from serving import APP, Server, serving

CLIENTS = 8
CASES = ("p1", "p2", "p3", "p4")
INFOS, SAVES = 40, 8
NAMES = [{"name": "disease region", "idx": 1}, {"name": "normal bone", "idx": 2}]

STOCK_APP = """
from pathlib import Path
from monailabel.interfaces.app import MONAILabelApp
from lib.infers import infer_tasks
from lib.service.service import VhiService

class StockApp(MONAILabelApp):
    def __init__(self, app_dir, studies, conf):
        self.service = VhiService(Path(studies), data=Path(app_dir) / "data")
        super().__init__(app_dir, studies, conf)

    def init_infers(self):
        return infer_tasks(self.service)

    def init_strategies(self):
        return {}

    def infer(self, request, datastore=None):
        file, facts = self._infers[request["model"]](request)
        return {"label": file, "tag": "original", "file": file, "params": facts}
"""


def seconds(call: Callable[[], requests.Response]) -> float:
    start = time.perf_counter()
    answer = call()
    taken = time.perf_counter() - start
    if answer.status_code != 200:
        raise SystemExit(f"{answer.request.method} {answer.url} answered {answer.status_code}: {answer.text[:200]}")
    return taken


def infer(server: Server, case: str, first_multiple: float) -> requests.Response:
    params = json.dumps({"first_multiple": first_multiple, "client_id": "load"})
    url = f"{server.url}/infer/vhi"
    return requests.post(url, params={"image": f"{case}_STIR", "output": "image"}, data={"params": params}, timeout=600)


@contextmanager
def load(server: Server, answered: list[float]) -> Iterator[None]:
    """8 clients who infer until the block ends."""
    stop, number = threading.Event(), itertools.count()

    def work(client: int) -> None:
        while not stop.is_set():
            answered.append(seconds(lambda: infer(server, CASES[client % 3], 1.0 + next(number) * 1e-4)))

    threads = [threading.Thread(target=work, args=(client,)) for client in range(CLIENTS)]
    for thread in threads:
        thread.start()
    time.sleep(2.0)
    try:
        yield
    finally:
        stop.set()
        for thread in threads:
            thread.join()


def times(server: Server, label: bytes) -> tuple[list[float], list[float]]:
    """Seconds of `/info/` and of saves, in turn."""
    infos, saves = [], []
    for n in range(INFOS):
        infos.append(seconds(lambda: requests.get(f"{server.url}/info/", timeout=600)))
        if n % (INFOS // SAVES) == 0:
            files, fields = {"label": ("x.nii.gz", label)}, {"params": json.dumps({"label_info": NAMES, "client_id": "reader"})}
            url = f"{server.url}/datastore/label?image={CASES[3]}_STIR"
            saves.append(seconds(lambda: requests.put(url, files=files, data=fields, timeout=600)))  # noqa: B023
        time.sleep(0.05)
    return infos, saves


def bench(server: Server, label: bytes) -> dict[str, tuple[list[float], list[float]]]:
    for case in CASES:
        infer(server, case, 1.5).raise_for_status()  # the regions are computed, as they are for cases that a reader opens
    times(server, label)  # what the first requests load
    answered: list[float] = []
    idle = times(server, label)
    with load(server, answered):
        loaded = times(server, label)
    peak = Path(f"/proc/{server.process.pid}/status").read_text().partition("VmHWM:")[2].split()[0]
    return {"idle": idle, "loaded": loaded, "inferences": (answered, [int(peak) / 1e6])}


def main() -> None:
    """Print one table."""
    with tempfile.TemporaryDirectory(prefix="vhi-bench-") as name:
        folder = Path(name)
        label = write_studies(folder)
        (folder / "stock").mkdir()
        (folder / "stock" / "main.py").write_text(STOCK_APP)
        stock = ["-m", "uvicorn", "monailabel.app:app", "--host", "127.0.0.1", "--port", "{port}", "--log-level", "warning"]
        guarded = [str(APP), "serve", "--studies", str(folder / "studies"), "--port", "{port}"]
        servers = {
            "stock": (folder / "stock-studies", stock, {"MONAI_LABEL_APP_DIR": str(folder / "stock")}),
            "vhi": (folder / "studies", guarded, {}),
        }
        results = {}
        for which, (studies, command, environment) in servers.items():
            with serving(studies, folder / f"work-{which}", command=command, **environment) as server:
                results[which] = bench(server, label)
            print(f"{which} done", file=sys.stderr)
    table = Table(
        "server", "request", "idle: median ms", "worst", "8 clients infer: median ms", "worst", "loaded / idle", box=None
    )
    for column in table.columns[2:]:
        column.justify = "right"
    for which, times in results.items():
        for n, request in enumerate(("GET /info/", "PUT /datastore/label")):
            idle, loaded = ([1000 * one for one in times[state][n]] for state in ("idle", "loaded"))
            medians = statistics.median(idle), statistics.median(loaded)
            numbers = (medians[0], max(idle), medians[1], max(loaded))
            table.add_row(which, request, *(f"{one:.0f}" for one in numbers), f"{medians[1] / medians[0]:.1f}")
        inferences = times["inferences"][0]
        table.add_row(
            which, f"POST /infer/vhi, {len(inferences)} answered", "", "", f"{1000 * statistics.median(inferences):.0f}"
        )
        table.add_row(which, f"peak memory {times['inferences'][1][0]:.1f} GB")
    Console(width=140).print(table)


def write_studies(folder: Path) -> bytes:
    """The same four cases as two folders; the label map that is saved."""
    label = b""
    for number, case in enumerate(CASES):
        study: PhantomStudy = make_phantom(number)
        for studies in ("studies", "stock-studies"):
            (folder / studies).mkdir(exist_ok=True)
            write_volume(folder / studies / f"{case}_T1W.nii.gz", study.t1w)
            write_volume(folder / studies / f"{case}_STIR.nii.gz", study.stir)
        labels = study.disease_region.data.astype("uint8")
        labels[study.normal_bone.data] = 2
        write_labels(folder / "label.nii.gz", labels, study.stir.grid)
        label = (folder / "label.nii.gz").read_bytes()
    return label


if __name__ == "__main__":
    main()
