"""How long a case takes to open in the browser until VHI is shown, by whichever build is on PYTHONPATH; before_after.py runs it.

PYTHONPATH holds a build's `apps/vhi`, `tests` and `benchmarks`, of which viewer.py says what is timed. Prints seconds by the
clock, CPU seconds of browser and server, and the resident memory of the server [MB] as JSON: medians of cases that open warm.
"""

from __future__ import annotations

import json
import statistics
import tempfile
from pathlib import Path

import requests
from viewer import REPEATS, SHAPE, Reader, lesions_of, timed

import viewing
from archives import MAIN, phantom_study
from lib.studies.dicomize import Labels
from serving import serving
from viewing import PATIENCE_S, SIZE, chromium, wait_for

# the same for both builds: drawing in software
FLAGS = ["--no-sandbox", "--use-gl=angle", "--use-angle=swiftshader", "--enable-unsafe-swiftshader", "--ignore-gpu-blocklist"]
FLAGS += ["--disable-gpu-compositing", "--disable-gpu-rasterization", "--no-first-run", "--disable-background-networking"]
FLAGS += ["--disable-component-update", "--disable-sync"]


def main() -> None:
    viewing.FLAGS[:] = FLAGS
    with tempfile.TemporaryDirectory(prefix="vhi-bench-") as name:
        folder = Path(name)
        study = phantom_study(folder / "archive" / "p3", 3, SHAPE, labels=Labels("P3", "20250601"))
        options = ["--archive", str(folder / "archive"), "--data", str(folder / "data"), "--set", "pacs_settle_s=0"]
        command = [str(MAIN), "serve", *options, "--port", "{port}"]
        with serving(folder, folder, command=command) as server, chromium() as browser:
            wait_for(lambda: requests.get(f"{server.url}/vhi/cases", timeout=60).json()["cases"])
            lesions_of(server, study)
            context = browser.new_context(viewport=SIZE)
            context.set_default_timeout(PATIENCE_S * 1000)
            reader = Reader(context.new_page(), server.url)
            warm = [timed(reader, study, []) for _ in range(REPEATS + 1)][1:]
            pages = int(Path(f"/proc/{server.process.pid}/statm").read_text().split()[1])
            context.close()
    wall = statistics.median(seconds for _, seconds, _ in warm)
    cpu = statistics.median(sum(busy[kind] for kind in ("drawing", "browser", "server")) for _, _, busy in warm)
    print(json.dumps({"wall_s": wall, "cpu_s": cpu, "memory_mb": pages * 4096 / 1e6}))


if __name__ == "__main__":
    main()
