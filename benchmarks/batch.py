"""A batch of many scans: scans per minute and memory, on the workers of this machine.

The scans are links to a few different ones: the published eight with VHI_DATA set, else phantoms. Everything is done that `batch`
does, networks and reports included. Memory is that of all processes together, read twice a second, and its growth from the first
to the second half shows whether a longer batch would need more.

    PYTHONPATH=apps/vhi python benchmarks/batch.py [SCANS [JOBS]]     # 24 scans, one job per core; 1000 take hours
"""

from __future__ import annotations

import csv
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import psutil
from rich.console import Console
from rich.table import Table

MAIN = Path(__file__).parents[1] / "main.py"


def scans(folder: Path) -> list[tuple[Path, Path]]:
    """T1W and STIR of the scans that there are."""
    if "VHI_DATA" in os.environ:
        images = Path(os.environ["VHI_DATA"]) / "images_study"
        t1ws = sorted((images / "T1W").glob("*_T1W.nii.gz"))
        return [(one, images / "STIR" / one.name.replace("T1W", "STIR")) for one in t1ws]
    for seed in range(2):
        subprocess.run([sys.executable, str(MAIN), "phantom", "--seed", str(seed), "--out", str(folder / str(seed))], check=True)
    return [(folder / str(seed) / "t1w.nii.gz", folder / str(seed) / "stir.nii.gz") for seed in range(2)]


def memory_gb(process: psutil.Process) -> float:
    """Memory of a process and its descendants that is theirs alone, shared pages divided [GB]."""
    total = 0
    for one in [process, *process.children(recursive=True)]:
        try:
            total += one.memory_full_info().pss
        except psutil.Error:  # ended meanwhile
            continue
    return total / 1e9


def main() -> None:
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 24
    jobs = int(sys.argv[2]) if len(sys.argv) > 2 else len(os.sched_getaffinity(0))
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        there = scans(folder)
        with (folder / "cases.csv").open("w", newline="") as file:
            rows = [[f"S{n:04d}", *(str(path) for path in there[n % len(there)])] for n in range(count)]
            csv.writer(file).writerows([["case", "t1w", "stir"], *rows])
        out = folder / "out"
        command = [sys.executable, str(MAIN), "batch", str(folder / "cases.csv"), "--out", str(out), "--jobs", str(jobs)]
        start = time.perf_counter()
        process = psutil.Popen(command, stdout=subprocess.DEVNULL)
        first, second = 0.0, 0.0
        while process.poll() is None:
            half = sum(1 for _ in out.glob("*/vhi.json")) * 2 < count
            now = memory_gb(process)
            first, second = (max(first, now), second) if half else (first, max(second, now))
            time.sleep(0.5)
        seconds = time.perf_counter() - start
        if process.returncode:
            raise SystemExit(f"The batch ended with {process.returncode}.")
        done = len(list(out.glob("*/vhi.json")))
    table = Table("scans", "workers", "seconds", "scans per minute", "peak memory, first half (GB)", "second half (GB)")
    table.add_row(str(done), str(jobs), f"{seconds:.0f}", f"{60 * done / seconds:.1f}", f"{first:.2f}", f"{second:.2f}")
    Console().print(table)


if __name__ == "__main__":
    main()
