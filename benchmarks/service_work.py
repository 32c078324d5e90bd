"""One piece of a server's work in this process, by whichever build is on PYTHONPATH; benchmarks/before_after.py runs it.

Prints seconds by the clock, CPU seconds and resident memory [MB] as JSON. The scan's regions were computed before.
"""

from __future__ import annotations

import json
import statistics
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

REPEATS = 7
CASE, READER = "case-1", "anna"


def main() -> None:
    """`WORK STUDIES DATA`, where WORK is first, setting or click."""
    what, studies, data = sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3])
    from lib.service.service import VhiService

    before = VhiService(studies, data=data)
    with before.cases.loaded(before.cases.of_image(f"{CASE}_STIR")[0]) as scans:
        before._measuring.automatic.of(scans)
    service = VhiService(studies, data=data)
    image, costs = f"{CASE}_STIR", []
    if what == "first":
        costs = [cost_of(lambda: service.vhi(image, READER, {}))]
    else:
        voxels = [tuple(one["voxel"]) for one in service.vhi(image, READER, {}).facts["lesions"]]
        service.clean(image, READER, {}, voxels[:1], [])
        for n in range(REPEATS):
            if what == "setting":
                costs.append(cost_of(partial(service.vhi, image, READER, {"min_pixels": 5 + n})))
            else:
                costs.append(cost_of(partial(service.clean, image, READER, {}, voxels[: n + 2], [])))
    wall, cpu = (statistics.median(one[n] for one in costs) for n in (0, 1))
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    print(json.dumps({"wall_s": wall, "cpu_s": cpu, "memory_mb": pages * 4096 / 1e6}))


def cost_of(work: Callable[[], object]) -> tuple[float, float]:
    start, cpu = time.perf_counter(), time.process_time()
    work()
    return time.perf_counter() - start, time.process_time() - cpu


if __name__ == "__main__":
    main()
