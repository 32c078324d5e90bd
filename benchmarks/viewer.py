"""How many clicks and seconds a reading in the browser takes: headless Chromium, the embedded archive, 336 x 336 x 25 phantoms.

"warm": the browser has seen the viewer before and the server has precomputed the case, as with every case but a reader's first. A
case opens by a click on "Read VHI" in the list of studies; the script clicks "Measure VHI" as soon as that can be done, which is
while the images still load, and the clock stops when both numbers are on screen and, in both images, the coloured lesions. The
whole reading removes every lesion that is none in truth (vessels, fluid), one click each, rates the region and submits; the clock
stops when the report's answer is in the panel.

Seconds are those of the clock, and of the processors, which a busy machine changes less: what a graphics card would do (drawing,
here in software), the rest of the browser, the server with its archive.

With `--removals`, how long until a removal is seen, on the heaviest published scan (3002): 30 lesions that are on screen, each
removed by one real event, in turn a press on its line of the list, a click in the image, and the key x. The clock starts with the
event's own time stamp, which counts a busy page too. It stops at the frame (`requestAnimationFrame`) after the first one in which
the pixels about the lesion are others in both images: that one is out then. How long the viewer's own drawing takes, which
follows what the page draws at once, is told beside it. Once while the server rests; once while two other clients have it measure
the scan over and over, by settings that are new to it. No removal waits for the answer to the one before.

    PYTHONPATH=apps/vhi:tests python benchmarks/viewer.py
    VHI_DATA=<folder> PYTHONPATH=apps/vhi:tests python benchmarks/viewer.py --removals
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import requests
from rich.console import Console
from rich.table import Table

from archives import MAIN, Study, dicomized, phantom_study, real_pair
from browsing import PLACE
from lib.studies.dicom_series import read_series
from lib.studies.dicomize import Labels
from lib.studies.nifti import read_labels
from serving import Server, serving
from viewing import DRAWN, PATIENCE_S, SIZE, chromium, dismiss_notice, wait_for, why_no_browser

REPEATS = 3
REMOVALS = 30
HEAVIEST = "3002"
LOOKING_MS = 1000  # a person looks at a lesion first
# by which event each way of removing begins
EVENTS = {"list": "click", "image": "mouseup", "key x": "keydown"}
# arms the clock; what it says comes by `window.vhiTimed`: milliseconds until a change is seen, and until the viewer has drawn it
ARM = """([kind, voxel]) => {
  const pixels = () => window.viewerSession.reading.labelmap.viewportIds().map((id) => {
    const viewport = window.services.cornerstoneViewportService.getCornerstoneViewport(id);
    const [x, y] = viewport.worldToCanvas(window.viewerSession.reading.labelmap.worldAt(voxel));
    const canvas = viewport.element.querySelector('canvas');
    const scale = canvas.width / canvas.clientWidth;
    return canvas.getContext('2d').getImageData(x * scale - 30, y * scale - 30, 60, 60).data.join();
  });
  const before = pixels();
  const isOther = () => pixels().every((one, n) => one !== before[n]);
  window.vhiTimed = new Promise((resolve, reject) => {
    const [end, drawn] = [new AbortController(), new Set()];
    const listen = (type, work) => window.addEventListener(type, work, { capture: true, signal: end.signal });
    let [begun, seen] = [null, null];
    const look = () => requestAnimationFrame(() => {
      if (isOther()) requestAnimationFrame(() => (seen = performance.now() - begun)); // the frame with it is out
      else look();
    });
    listen(kind, ({ timeStamp }) => {
      begun = timeStamp;
      look();
    });
    listen('CORNERSTONE_IMAGE_RENDERED', ({ detail }) => {
      if (seen === null || drawn.add(detail.viewportId).size < 2) return;
      end.abort();
      requestAnimationFrame(() => resolve([seen, performance.now() - begun, isOther()]));
    });
    setTimeout(() => reject(new Error('nothing was drawn within a minute')), 60000);
  });
}"""
SHAPE = (336, 336, 25)
SHOWN = "() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))"


class Reader:
    """A window of the viewer whose clicks are counted."""

    def __init__(self, page: Any, url: str) -> None:
        self.page, self.url, self.clicks = page, url, 0

    def click(self, selector: str) -> None:
        self.page.locator(selector).click()
        self.clicks += 1

    def to_list(self, study: Study) -> None:
        """The list of studies, with this one's row unfolded."""
        self.page.goto(f"{self.url}/ohif/", wait_until="domcontentloaded")
        self.page.locator(f"[data-cy='studyRow-{study.study_uid}']").click()
        self.page.locator(f"[data-cy='mode-monai-label-{study.study_uid}']").wait_for()
        dismiss_notice(self.page)
        self.clicks = 0

    def open_and_measure(self, study: Study) -> None:
        self.click(f"[data-cy='mode-monai-label-{study.study_uid}']")
        self.click("#vhi-measure:enabled")
        self.page.locator("[data-vhi='sensitive']").wait_for()
        self.page.wait_for_function(DRAWN, polling=50)
        self.page.evaluate(SHOWN)

    def removal(self, study: Study, how: str, lesion: dict[str, Any]) -> tuple[float, float]:
        """Milliseconds until a lesion on screen is seen to be gone from both images, and until the viewer has drawn that."""
        row = self.page.locator(f"tr[data-lesion='{lesion['id']}']")
        row.locator("td").first.click()
        self.page.evaluate(SHOWN)
        if how == "image":
            x, y = self.page.evaluate(PLACE, [study.stir_uid, lesion["voxel"]])
            self.page.mouse.move(round(x), round(y))  # what is between pixels is cut off
        elif how == "list":
            row.get_by_role("button").hover()
        self.page.wait_for_timeout(LOOKING_MS)
        self.page.evaluate(ARM, [EVENTS[how], lesion["voxel"]])
        if how == "key x":
            self.page.keyboard.press("x")
        else:
            self.page.mouse.down()
            self.page.mouse.up()
        seen, drawn, is_other = self.page.evaluate("window.vhiTimed")
        if not is_other:
            raise RuntimeError(f"lesion {lesion['id']} is drawn as before after it was removed by {how}")
        return float(seen), float(drawn)

    def clean_and_submit(self, wrong: list[int]) -> None:
        for lesion in wrong:
            self.click(f"[data-lesion='{lesion}'] button:enabled")
            self.page.locator(f"[data-lesion='{lesion}'].removed").wait_for()
        self.page.locator("#vhi-rating").select_option("satisfactory")
        self.clicks += 2  # the list unfolds, and a line is chosen
        self.click("#vhi-submit:enabled")
        self.page.locator("#vhi-submitted").wait_for()


def lesions_of(server: Server, study: Study) -> list[dict[str, Any]]:
    url = f"{server.url}/infer/vhi?image={study.stir_uid}&output=json"
    answer = requests.post(url, data={"params": '{"show": "both"}'}, timeout=600)
    answer.raise_for_status()
    lesions: list[dict[str, Any]] = answer.json()["lesions"]
    return lesions


def wrong_ones(lesions: list[dict[str, Any]], study: Study) -> list[int]:
    """Numbers of the lesions that lie on none of the phantom's."""
    truth, grid = read_labels(study.t1w.parent / "truth" / "lesions.nii.gz", "lesions")
    shown = read_series(study.folder / "STIR", "STIR")[0].grid
    to_truth = np.linalg.inv(grid.affine) @ shown.affine
    voxels = {one["id"]: tuple(np.rint(to_truth @ [*one["voxel"], 1])[:3].astype(int)) for one in lesions}
    return [number for number, voxel in voxels.items() if not truth[voxel]]


@dataclass(frozen=True)
class ServedStudy:
    """The server over an archive with one study, and a window of the viewer."""

    server: Server
    study: Study
    reader: Reader


@contextmanager
def opened(study: Study, folder: Path) -> Iterator[ServedStudy]:
    """Serve the archive in `folder`, which holds the study, and open a browser."""
    options = ["--archive", str(folder / "archive"), "--data", str(folder / "data"), "--set", "pacs_settle_s=0"]
    command = [str(MAIN), "serve", *options, "--port", "{port}"]
    with serving(folder, folder, command=command) as server, chromium() as browser:
        wait_for(lambda: requests.get(f"{server.url}/vhi/cases", timeout=60).json()["cases"])
        context = browser.new_context(viewport=SIZE)
        context.set_default_timeout(PATIENCE_S * 1000)
        yield ServedStudy(server, study, Reader(context.new_page(), server.url))
        context.close()


def main() -> None:
    """Print one table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--removals", action="store_true", help="how long until a removal is seen")
    asked = parser.parse_args()
    if reason := why_no_browser():
        sys.exit(reason)
    if asked.removals and "VHI_DATA" not in os.environ:
        sys.exit("Set VHI_DATA to the folder of published scans.")
    with tempfile.TemporaryDirectory(prefix="vhi-bench-") as name:
        (removals if asked.removals else readings)(Path(name))


def removals(folder: Path) -> None:
    study = dicomized(folder / "archive" / HEAVIEST, *real_pair(Path(os.environ["VHI_DATA"]), HEAVIEST))
    heads = ("median ms", "worst ms", *(f"{how}: median, worst" for how in EVENTS), "viewer's drawing: median, worst")
    table = Table(f"{REMOVALS} removals", *heads, box=None, pad_edge=False)
    with opened(study, folder) as served:
        reader, page = served.reader, served.reader.page
        lesions = lesions_of(served.server, study)
        reader.to_list(study)
        reader.open_and_measure(study)
        page.locator("[data-tool='remove']").click()
        chosen = [
            lesions[n] for n in np.linspace(0, len(lesions) - 1, 2 * REMOVALS).astype(int)
        ]  # from the largest to the smallest
        table.add_row("server at rest", *removed(reader, study, chosen[::2]))
        page.locator("#vhi-panel[aria-busy='false']:not(:has(.behind))").wait_for()
        with measuring(served.server, study) as done:
            row = removed(reader, study, chosen[1::2])
        table.add_row(f"while it makes {len(done)} measurements", *row)
    Console(width=150).print(f"{HEAVIEST}, {len(lesions)} lesions", table, sep="\n")


def removed(reader: Reader, study: Study, lesions: list[dict[str, Any]]) -> list[str]:
    """Remove the lesions in turn by each way: median and worst [ms] of all, of each way, and of the viewer's own drawing."""
    ways = [list(EVENTS)[n % len(EVENTS)] for n in range(len(lesions))]
    took = [reader.removal(study, how, lesion) for how, lesion in zip(ways, lesions, strict=True)]
    seen, drawn = zip(*took, strict=True)
    of_each = [[ms for ms, one in zip(seen, ways, strict=True) if one == how] for how in EVENTS]
    total = [f"{statistics.median(seen):.0f}", f"{max(seen):.0f}"]
    return total + [f"{statistics.median(one):.0f}, {max(one):.0f}" for one in (*of_each, drawn)]


@contextmanager
def measuring(server: Server, study: Study) -> Iterator[list[int]]:
    """Two clients have the scan measured over and over, each time by other settings; what is yielded counts the answers."""
    done: list[int] = []
    is_over = threading.Event()

    def measure(own: int) -> None:
        url = f"{server.url}/infer/vhi?image={study.stir_uid}&output=json"
        for n in range(1_000_000):
            if is_over.is_set():
                return
            params = {"client_id": f"busy-{own}", "first_multiple": 1.5 + 0.001 * (2 * n + own)}
            requests.post(url, data={"params": json.dumps(params)}, timeout=600).raise_for_status()
            done.append(n)

    clients = [threading.Thread(target=measure, args=(own,)) for own in range(2)]
    for one in clients:
        one.start()
    try:
        yield done
    finally:
        is_over.set()
        for one in clients:
            one.join()


def readings(folder: Path) -> None:
    study = phantom_study(folder / "archive" / "p3", 3, SHAPE, labels=Labels("P3", "20250601"))
    with opened(study, folder) as served:
        reader = served.reader
        wrong = wrong_ones(lesions_of(served.server, study), study)
        cold_and_warm = [timed(reader, study, []) for _ in range(REPEATS + 1)]
        reader.page.evaluate("localStorage.setItem('vhi_reader', 'bench')")
        whole = [timed(reader, study, wrong, submit=True) for _ in range(REPEATS)]
    kinds = ("drawing", "browser", "server")
    table = Table("", "clicks", "median s", "worst s", *(f"{kind} s" for kind in kinds), box=None, pad_edge=False)
    rows = {"first case of a browser to VHI": cold_and_warm[:1], "warm: a case opens to VHI": cold_and_warm[1:]}
    rows[f"whole reading, {len(wrong)} lesions removed"] = whole
    for what, runs in rows.items():
        seconds = [one[1] for one in runs]
        busy = [statistics.median(one[2][kind] for one in runs) for kind in kinds]
        table.add_row(what, str(runs[0][0]), *(f"{one:.1f}" for one in (statistics.median(seconds), max(seconds), *busy)))
    Console().print(table)


def timed(reader: Reader, study: Study, wrong: list[int], *, submit: bool = False) -> tuple[int, float, Counter[str]]:
    """Clicks, seconds and seconds of processors from the click that opens a case."""
    reader.to_list(study)
    reader.page.wait_for_timeout(2000)  # what the list still does is not the case's
    busy, start = processors(), time.perf_counter()
    reader.open_and_measure(study)
    if submit:
        reader.clean_and_submit(wrong)
    return reader.clicks, time.perf_counter() - start, processors() - busy


def processors() -> Counter[str]:
    """Seconds that what descends from this process has kept processors busy so far, by what it is (Linux)."""
    parents, spent = {}, {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):  # it has just ended
            fields = path.read_text().rpartition(")")[2].split()
            pid, command = int(path.parent.name), (path.parent / "cmdline").read_text()
            parents[pid] = int(fields[1])
            spent[pid] = kind_of(command), (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
    own = {os.getpid()}
    while children := {pid for pid, parent in parents.items() if parent in own} - own:
        own |= children
    total: Counter[str] = Counter()
    for pid in own & set(spent):
        total[spent[pid][0]] += spent[pid][1]  # type: ignore[assignment]
    return total


def kind_of(command: str) -> str:
    if "type=gpu-process" in command:
        return "drawing"
    return "server" if str(MAIN) in command else "browser" if "chromium" in command else "script"


if __name__ == "__main__":
    main()
