"""`measure` end to end, from process start to written report, against importing torch alone; and `--help`.

Both are whole processes, run in turn, so that a busy machine slows them alike. The disease region is computed and normal bone
proposed. With VHI_DATA set the scan is a published one (1013), else a phantom.

    PYTHONPATH=apps/vhi python benchmarks/measure.py
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from rich.console import Console
from rich.table import Table

MAIN = Path(__file__).parents[1] / "main.py"
ROUNDS = 5


def run(*command: str) -> tuple[float, float]:
    """Wall seconds and peak resident memory [GB] of one process that succeeds."""
    start = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"{' '.join(command)} ended with {process.returncode}")
    return time.perf_counter() - start, usage.ru_maxrss / 1e6


def scan(folder: Path) -> tuple[str, Path, Path]:
    if "VHI_DATA" in os.environ:
        images = Path(os.environ["VHI_DATA"]) / "images_study"
        return "1013", images / "T1W/1013_T1W.nii.gz", images / "STIR/1013_STIR.nii.gz"
    run(sys.executable, str(MAIN), "phantom", "--out", str(folder / "phantom"))
    return "phantom", folder / "phantom/t1w.nii.gz", folder / "phantom/stir.nii.gz"


def main() -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        which, t1w, stir = scan(folder)
        measure = [sys.executable, str(MAIN), "measure", "--t1w", str(t1w), "--stir", str(stir), "--out", str(folder / "out")]
        commands = {
            "import torch": [sys.executable, "-c", "import torch"],
            f"measure ({which})": measure,
            "main.py --help": [sys.executable, str(MAIN), "--help"],
        }
        for command in commands.values():
            run(*command)  # the first of each reads its files from disk
        rounds = [{what: run(*command) for what, command in commands.items()} for _ in range(ROUNDS)]
    table = Table("process", "wall, median (s)", "lowest - highest", "peak memory (GB)")
    seconds = {what: [one[what][0] for one in rounds] for what in commands}
    for what, times in seconds.items():
        memory = max(one[what][1] for one in rounds)
        table.add_row(what, f"{statistics.median(times):.2f}", f"{min(times):.2f} - {max(times):.2f}", f"{memory:.2f}")
    Console().print(table)
    torch, measured = (statistics.median(seconds[what]) for what in list(commands)[:2])
    Console().print(f"measure takes {measured:.2f} s; 2.5 x the torch import + 3 s is {2.5 * torch + 3:.2f} s", highlight=False)


if __name__ == "__main__":
    main()
