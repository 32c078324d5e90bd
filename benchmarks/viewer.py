"""How many clicks and seconds a reading in the browser takes: headless Chromium, the embedded archive, 336 x 336 x 25 phantoms.

"warm": the browser has seen the viewer before and the server has precomputed the case, as with every case but a reader's first. A
case opens by a click on "Read VHI" in the list of studies; the script clicks "Measure VHI" as soon as that can be done, which is
while the images still load, and the clock stops when both numbers are on screen and, in both images, the coloured lesions. The
whole reading removes every lesion that is none in truth (vessels, fluid), one click each, rates the region and submits; the clock
stops when the report's answer is in the panel.

Seconds are those of the clock, and of the processors, which a busy machine changes less: what a graphics card would do (drawing,
here in software), the rest of the browser, the server with its archive.

    PYTHONPATH=apps/vhi:tests python benchmarks/viewer.py
"""

from __future__ import annotations

import os
import statistics
import tempfile
import time
from collections import Counter
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import requests
from rich.console import Console
from rich.table import Table

from archives import MAIN, Study, phantom_study
from lib.studies.dicom_series import read_series
from lib.studies.dicomize import Labels
from lib.studies.nifti import read_labels
from serving import Server, serving
from viewing import DRAWN, PATIENCE_S, SIZE, chromium, dismiss_notice, wait_for, why_no_browser

REPEATS = 3
REMOVALS = 30
# milliseconds from a click on a button of the list until both images are drawn again, measured in the page
WATCH_DRAWN = """() => {
  window.vhiClicked = 0;
  const click = () => Object.assign(window, { vhiClicked: performance.now(), vhiDrawn: [] });
  window.addEventListener('click', click, { capture: true });
  window.addEventListener('CORNERSTONE_IMAGE_RENDERED', () => window.vhiDrawn?.push(performance.now() - window.vhiClicked),
    { capture: true });
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

    def milliseconds_of_removals(self, count: int) -> list[float]:
        """Until a removal, or a restoration, is drawn in both images; whatever the server is doing."""
        self.page.evaluate(WATCH_DRAWN)
        found = []
        for n in range(count):
            rows = self.page.locator("tr[data-lesion] button:enabled")
            self.page.evaluate("() => { window.vhiDrawn = []; }")
            rows.nth(n % rows.count()).click()
            self.page.wait_for_function("() => window.vhiDrawn.length >= 2")
            found.append(float(self.page.evaluate("window.vhiDrawn[1]")))
        return found

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
    found: list[dict[str, Any]] = answer.json()["lesions"]
    return found


def wrong_ones(lesions: list[dict[str, Any]], study: Study) -> list[int]:
    """Numbers of the lesions that lie on none of the phantom's."""
    truth, grid = read_labels(study.t1w.parent / "truth" / "lesions.nii.gz", "lesions")
    shown = read_series(study.folder / "STIR", "STIR")[0].grid
    to_truth = np.linalg.inv(grid.affine) @ shown.affine
    voxels = {one["id"]: tuple(np.rint(to_truth @ [*one["voxel"], 1])[:3].astype(int)) for one in lesions}
    return [number for number, voxel in voxels.items() if not truth[voxel]]


def main() -> None:
    """Print one table."""
    reason = why_no_browser()
    if reason:
        print(reason)
        return
    with tempfile.TemporaryDirectory(prefix="vhi-bench-") as name:
        folder = Path(name)
        study = phantom_study(folder / "archive" / "p3", 3, SHAPE, labels=Labels("P3", "20250601"))
        options = ["--archive", str(folder / "archive"), "--data", str(folder / "data"), "--set", "pacs_settle_s=0"]
        command = [str(MAIN), "serve", *options, "--port", "{port}"]
        with serving(folder, folder, command=command) as server, chromium() as browser:
            wait_for(lambda: requests.get(f"{server.url}/vhi/cases", timeout=60).json()["cases"])
            wrong = wrong_ones(lesions_of(server, study), study)
            context = browser.new_context(viewport=SIZE)
            context.set_default_timeout(PATIENCE_S * 1000)
            reader = Reader(context.new_page(), server.url)
            opened = [timed(reader, study, []) for _ in range(REPEATS + 1)]
            reader.page.evaluate("localStorage.setItem('vhi_reader', 'bench')")
            whole = [timed(reader, study, wrong, submit=True) for _ in range(REPEATS)]
            drawn = reader.milliseconds_of_removals(REMOVALS)
            context.close()
    kinds = ("drawing", "browser", "server")
    table = Table("", "clicks", "median s", "worst s", *(f"{kind} s" for kind in kinds), box=None, pad_edge=False)
    rows = {"first case of a browser to VHI": opened[:1], "warm: a case opens to VHI": opened[1:]}
    rows[f"whole reading, {len(wrong)} lesions removed"] = whole
    for what, found in rows.items():
        seconds = [one[1] for one in found]
        busy = [statistics.median(one[2][kind] for one in found) for kind in kinds]
        table.add_row(what, str(found[0][0]), *(f"{one:.1f}" for one in (statistics.median(seconds), max(seconds), *busy)))
    Console().print(table)
    middle, worst = statistics.median(drawn), max(drawn)
    print(f"{REMOVALS} removals and restorations, from the click to both images: median {middle:.0f} ms, worst {worst:.0f} ms")


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
    while found := {pid for pid, parent in parents.items() if parent in own} - own:
        own |= found
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
