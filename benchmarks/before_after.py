"""What work costs with this build and with the one of commit 06ad96e, in pairs: time, CPU time and peak memory.

Both builds do the same work in turn, before and after alternately, so that a busy machine slows them alike; a row is the median
of the pairs' ratios. A row's bar is what the ratio may be at most. Both keep the bytecode of their modules, as Python does for
users, whatever PYTHONDONTWRITEBYTECODE says here. With VHI_DATA set the scans are published ones, else phantoms.

    bash benchmarks/before.sh FOLDER
    PYTHONPATH=apps/vhi python benchmarks/before_after.py FOLDER [--pairs 7] [--only WORK ...] [--scans 24]

Prints the table of docs/performance.md. `--save FILE` keeps what was measured as JSON, `--history FILE` adds a line of medians,
and `--figure FILE.svg` draws all lines of that history.
"""

from __future__ import annotations

import argparse
import csv
import ctypes
import json
import os
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

from lib.figures.canvas import new_chart, svg_bytes, tidy
from lib.figures.paper import FAINT_INK, INK

HERE = Path(__file__).resolve().parents[1]
PAIRS = 7
QUIET: dict[str, Any] = {"check": False, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
PR_SET_CHILD_SUBREAPER = 36  # of Linux's prctl
REST_S = 5.0  # what is loaded beside the work of a server that has started is loaded by then


@dataclass(frozen=True)
class Cost:
    """Of one piece of work: seconds by the clock, CPU seconds of all its processes, peak memory of the largest [MB]."""

    wall_s: float
    cpu_s: float
    memory_mb: float


@dataclass(frozen=True)
class Build:
    """A checkout with its environment in `.venv`."""

    folder: Path

    def command(self, *arguments: str) -> list[str]:
        return [str(self.folder / ".venv/bin/python"), str(self.folder / "main.py"), *arguments]


@dataclass(frozen=True)
class Scans:
    """T1W and STIR files, and how many a batch has."""

    pairs: tuple[tuple[Path, Path], ...]
    batch: int


@dataclass(frozen=True)
class Work:
    """What both builds do. `run` gets the build, a new empty folder and the scans; bars are ratios after / before at most.

    What takes minutes, or needs a browser, is done `when_asked` alone, by `--only`.
    """

    name: str
    run: Callable[[Build, Path, Scans], Cost]
    wall_bar: float | None = None
    cpu_bar: float | None = None
    memory_bar: float | None = None
    when_asked: bool = False


def cost_of(command: Sequence[str], **environment: str) -> Cost:
    """Run a program that must succeed; its children count, also those that end after it."""
    # they become ours then: workers of a batch are children of a process that nobody waits for
    _adopt_orphans(True)
    start = time.perf_counter()
    with tempfile.TemporaryFile() as said:
        process = subprocess.Popen(command, stdout=said, stderr=said, env=os.environ | environment)
        _, status, usage = os.wait4(process.pid, 0)
        wall = time.perf_counter() - start
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            said.seek(0)
            sys.exit(f"{' '.join(command)} ended with {process.returncode}: {said.read().decode(errors='replace')[-2000:]}")
    usages = [usage]
    with suppress(ChildProcessError):
        while True:
            usages.append(os.wait4(-1, 0)[2])
    _adopt_orphans(False)  # not those of other works, which leave processes of their own
    return Cost(wall, sum(one.ru_utime + one.ru_stime for one in usages), max(one.ru_maxrss for one in usages) / 1e3)


def _adopt_orphans(wanted: bool) -> None:
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, int(wanted), 0, 0, 0)


def measure_cold(build: Build, folder: Path, scans: Scans) -> Cost:
    """`measure` of two files, from the process's start to the written report, in the default forms."""
    t1w, stir = scans.pairs[0]
    return cost_of(build.command("measure", "--t1w", str(t1w), "--stir", str(stir), "--out", str(folder / "out")))


def batch(build: Build, folder: Path, scans: Scans, *more: str) -> Cost:
    """`batch` on the workers of this machine, one a core."""
    with (folder / "cases.csv").open("w", newline="") as file:
        rows = [[f"S{n:04d}", *map(str, scans.pairs[n % len(scans.pairs)])] for n in range(scans.batch)]
        csv.writer(file).writerows([["case", "t1w", "stir"], *rows])
    return cost_of(build.command("batch", str(folder / "cases.csv"), "--out", str(folder / "out"), *more))


def batch_json(build: Build, folder: Path, scans: Scans) -> Cost:
    """The same without reports; the build before always wrote them."""
    return batch(build, folder, scans, *(("--forms", "json") if build.folder == HERE else ()))


def server_start(build: Build, folder: Path, scans: Scans) -> Cost:
    """`serve` of no studies, from the command to the first answered `/info/`; memory is what is resident once it rests."""
    (folder / "studies").mkdir()
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
    start = time.perf_counter()
    command = build.command("serve", "--studies", str(folder / "studies"), "--port", str(port))
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        while not answers(f"http://127.0.0.1:{port}/info/"):
            if process.poll() is not None:
                sys.exit(f"{' '.join(command)} ended with {process.returncode} before it answered.")
            time.sleep(0.02)
        wall, cpu = time.perf_counter() - start, cpu_of(process.pid)
        time.sleep(REST_S)
        pages = int(Path(f"/proc/{process.pid}/statm").read_text().split()[1])
    finally:
        process.terminate()
        process.wait()
    return Cost(wall, cpu, pages * os.sysconf("SC_PAGE_SIZE") / 1e6)


def answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=60) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False


def cpu_of(pid: int) -> float:
    """CPU seconds of a process so far."""
    user, system = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[11:13]
    return (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")


def service_work(what: str) -> Callable[[Build, Path, Scans], Cost]:
    """A piece of a server's work on a case whose regions were computed before, see service_work.py."""

    def run(build: Build, folder: Path, scans: Scans) -> Cost:
        studies, data = folder.parent / "studies", folder.parent / f"data-{build.folder.name}"
        for name, file in zip(("t1w", "stir"), scans.pairs[0], strict=True):
            place = studies / "case-1" / f"{name}.nii.gz"
            if not place.exists():
                place.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(file, place)
        command = [
            str(build.folder / ".venv/bin/python"),
            str(HERE / "benchmarks/service_work.py"),
            what,
            str(studies),
            str(data),
        ]
        environment = os.environ | {"PYTHONPATH": str(build.folder / "apps/vhi"), "OMP_NUM_THREADS": "1"}
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
        if done.returncode:
            sys.exit(f"{' '.join(command)} ended with {done.returncode}: {done.stderr[-2000:]}")
        return Cost(**json.loads(done.stdout.splitlines()[-1]))

    return run


def opening(build: Build, folder: Path, scans: Scans) -> Cost:
    """A phantom's case opens in the browser until VHI is shown, see opening.py; needs Chromium and playwright in both builds."""
    # -P: the build's own viewer.py, not the one beside opening.py
    command = [str(build.folder / ".venv/bin/python"), "-P", str(HERE / "benchmarks/opening.py")]
    path = os.pathsep.join(str(build.folder / one) for one in ("apps/vhi", "tests", "benchmarks"))
    done = subprocess.run(command, env=os.environ | {"PYTHONPATH": path}, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"{' '.join(command)} ended with {done.returncode}: {done.stderr[-2000:]}")
    return Cost(**json.loads(done.stdout.splitlines()[-1]))


def retraining(build: Build, folder: Path, scans: Scans) -> Cost:
    """Two new phantom cases from labels to the gate's word, by the build's own retraining.py, which tells that word; minutes."""
    command = [str(build.folder / ".venv/bin/python"), str(build.folder / "benchmarks/retraining.py"), "--cases", "2"]
    return cost_of(command, PYTHONPATH=str(build.folder / "apps/vhi"), OMP_NUM_THREADS="1")


WORKS = (
    Work("measure, cold", measure_cold, wall_bar=0.35, cpu_bar=0.35),
    Work("batch with reports", batch, wall_bar=1 / 3.5, memory_bar=1.0),
    Work("batch, numbers alone", batch_json, wall_bar=1 / 5, memory_bar=1.0),
    Work("server, to its first answer; at rest", server_start, wall_bar=0.33, memory_bar=0.5),
    Work("first `vhi` of a precomputed case", service_work("first"), cpu_bar=0.5),
    Work("`vhi` with a changed setting", service_work("setting"), cpu_bar=0.33),
    Work("a cleaning click", service_work("click"), cpu_bar=0.1),
    Work("a case opens in the browser to VHI", opening, wall_bar=0.68, when_asked=True),
    Work("retraining, two new cases", retraining, cpu_bar=0.6, when_asked=True),
)


def scans_of(folder: Path, before: Build, batch: int) -> Scans:
    """The published scans, or phantoms that the build before made."""
    if "VHI_DATA" in os.environ:
        images = Path(os.environ["VHI_DATA"]) / "images_study"
        t1ws = sorted((images / "T1W").glob("*_T1W.nii.gz"))
        pairs = ((one, images / "STIR" / one.name.replace("T1W", "STIR")) for one in t1ws)
        return Scans(tuple(pair for pair in pairs if is_measured(pair, folder)), batch)
    for seed in range(2):
        cost_of(before.command("phantom", "--seed", str(seed), "--out", str(folder / str(seed))))
    return Scans(tuple((folder / str(seed) / "t1w.nii.gz", folder / str(seed) / "stir.nii.gz") for seed in range(2)), batch)


def is_measured(pair: tuple[Path, Path], folder: Path) -> bool:
    """Whether a scan gets a number from this build; where its normal bone is refused, `measure` ends with 2."""
    scan = ("--t1w", str(pair[0]), "--stir", str(pair[1]))
    command = Build(HERE).command("measure", *scan, "--forms", "json", "--out", str(folder / pair[0].name))
    return subprocess.run(command, **QUIET).returncode == 0


def paired(work: Work, builds: tuple[Build, Build], scans: Scans, pairs: int, folder: Path) -> list[tuple[Cost, Cost]]:
    """Before and after in turn; the first of the two alternates."""
    done = []
    for n in range(pairs):
        costs: dict[Build, Cost] = {}
        for build in builds if n % 2 == 0 else builds[::-1]:
            with tempfile.TemporaryDirectory(dir=folder) as place:
                costs[build] = work.run(build, Path(place), scans)
        before, after = (costs[build] for build in builds)
        print(f"{work.name}, pair {n + 1}: CPU {before.cpu_s:.2f} and {after.cpu_s:.2f} s", file=sys.stderr, flush=True)
        done.append((before, after))
    return done


def ratio(pairs: Sequence[tuple[Cost, Cost]], what: str) -> float:
    """Median of after / before."""
    return statistics.median(getattr(after, what) / getattr(before, what) for before, after in pairs)


def row(work: Work, pairs: Sequence[tuple[Cost, Cost]]) -> str:
    """A line of the Markdown table."""
    bars = {"wall_s": work.wall_bar, "cpu_s": work.cpu_bar, "memory_mb": work.memory_bar}
    cells = [work.name]
    for what, digits in (("wall_s", 2), ("cpu_s", 2), ("memory_mb", 0)):
        before, after = (statistics.median(getattr(pair[side], what) for pair in pairs) for side in (0, 1))
        bar = f" (at most {bars[what]:.2f})" if bars[what] else ""
        cells += [f"{before:.{digits}f} → {after:.{digits}f}", f"{ratio(pairs, what):.2f}{bar}"]
    return "| " + " | ".join([*cells, str(len(pairs))]) + " |"


def history_line(measured: dict[str, list[tuple[Cost, Cost]]], scans: int) -> str:
    """Commit, day and medians of what was measured, as one line of JSON; nothing of the machine but its cores and load."""
    commit = subprocess.run(
        ["git", "-C", str(HERE), "rev-parse", "HEAD"], capture_output=True, text=True, check=True
    ).stdout.strip()
    figures = {
        work: {
            what: {
                "before": round(statistics.median(getattr(before, what) for before, _ in pairs), 3),
                "after": round(statistics.median(getattr(after, what) for _, after in pairs), 3),
                "ratio": round(ratio(pairs, what), 3),
            }
            for what in ("wall_s", "cpu_s", "memory_mb")
        }
        | {"pairs": len(pairs)}
        for work, pairs in measured.items()
    }
    machine = {"cores": os.cpu_count(), "load": round(os.getloadavg()[1], 1)}
    return json.dumps({"commit": commit, "date": time.strftime("%Y-%m-%d"), **machine, "scans": scans, "figures": figures})


def history_figure(runs: Sequence[dict[str, Any]]) -> Figure:
    """The ratio that each work has its bar for, run by run: the newest filled, earlier ones as rings, the bar as a line."""
    works = [(work, "cpu_s" if work.cpu_bar else "wall_s", work.cpu_bar or work.wall_bar or 1.0) for work in WORKS]
    figure = new_chart(150, 12 * len(works))
    ax = tidy(figure.add_subplot())
    for place, (work, what, bar) in enumerate(works):
        ratios = [run["figures"][work.name][what]["ratio"] for run in runs if work.name in run["figures"]]
        ax.plot(ratios[:-1], [place] * len(ratios[:-1]), "o", markersize=4, markerfacecolor="white", color=FAINT_INK)
        ax.plot(ratios[-1:], [place] * len(ratios[-1:]), "o", markersize=5, color=INK)
        ax.plot([bar, bar], [place - 0.35, place + 0.35], color="tab:red", linewidth=1.5)
    said = {"cpu_s": "CPU", "wall_s": "time"}
    ax.set_yticks(range(len(works)), [f"{work.name.replace('`', '')} ({said[what]})" for work, what, _ in works])
    ax.invert_yaxis()
    ax.set_xscale("log")
    ax.set_xticks([0.1, 0.2, 0.5, 1.0], ["0.1", "0.2", "0.5", "1"])
    ax.minorticks_off()
    ax.set_xlabel(f"after / before, medians; {len(runs)} runs, {runs[0]['date']} to {runs[-1]['date']}; line: at most")
    return figure


def main() -> None:
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("before", type=Path, help="Worktree of the build before, as before.sh makes it.")
    parser.add_argument("--pairs", type=int, default=PAIRS)
    usual = [work.name for work in WORKS if not work.when_asked]
    parser.add_argument("--only", nargs="*", choices=[work.name for work in WORKS], default=usual)
    parser.add_argument("--scans", type=int, default=24, help="Of a batch.")
    parser.add_argument("--batch-pairs", type=int, help="Pairs of the batches, which take longest; as many as of the others.")
    parser.add_argument("--save", type=Path)
    parser.add_argument("--history", type=Path, help="JSON lines, one a run.")
    parser.add_argument("--figure", type=Path, help="Drawn from the history.")
    asked = parser.parse_args()
    if asked.figure and not asked.history:
        parser.error("--figure draws a history: pass --history FILE too.")
    builds = Build(asked.before.resolve()), Build(HERE)
    measured: dict[str, list[tuple[Cost, Cost]]] = {}
    with tempfile.TemporaryDirectory() as name:
        scans = scans_of(Path(name), builds[0], asked.scans)
        for work in (one for one in WORKS if one.name in asked.only):
            pairs = asked.batch_pairs if asked.batch_pairs and work.run in (batch, batch_json) else asked.pairs
            measured[work.name] = paired(work, builds, scans, pairs, Path(name))
    print(f"{os.cpu_count()} cores, load {os.getloadavg()[1]:.1f}, {asked.scans} scans a batch, {time.strftime('%Y-%m-%d')}\n")
    print("| work | time (s) | ratio | CPU (s) | ratio | memory (MB) | ratio | pairs |")
    print("|---|---|---|---|---|---|---|---|")
    for work in WORKS:
        if work.name in measured:
            print(row(work, measured[work.name]))
    if asked.save:
        kept = {work: [[asdict(cost) for cost in pair] for pair in pairs] for work, pairs in measured.items()}
        asked.save.write_text(json.dumps(kept, indent=1) + "\n")
    if asked.history:
        asked.history.parent.mkdir(parents=True, exist_ok=True)
        with asked.history.open("a") as file:
            file.write(history_line(measured, asked.scans) + "\n")
    if asked.figure:
        runs = [json.loads(line) for line in asked.history.read_text().splitlines()]
        asked.figure.write_bytes(svg_bytes(history_figure(runs)))


if __name__ == "__main__":
    main()
