"""The viewer in a headless Chromium, over an archive that holds two phantoms: what the tests of `tests/ohif` share.

Slice order is where viewers go wrong, so that the two studies number their slices in opposite directions along the normal.
"""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import requests

import waiting
from archives import Archive, Study, phantom_study, serving_archive
from lib.studies.dicomize import Labels
from serving import Server

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
# software rendering, as on machines without a graphics card
FLAGS = ["--no-sandbox", "--use-gl=angle", "--use-angle=swiftshader", "--enable-unsafe-swiftshader", "--ignore-gpu-blocklist"]
# the images alone are drawn so, and not the page around them: opening a case takes two thirds of the processor's time
FLAGS += ["--disable-gpu-compositing", "--disable-gpu-rasterization"]
FLAGS += ["--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync"]
PATIENCE_S = 240.0  # of a busy machine that draws without a graphics card
SIZE = {"width": 1600, "height": 900}
# pixels of the window for each of the page's, which lie where they lie: without a graphics card a drawing takes time for each of them
COARSE = 1.0 if os.environ.get("VHI_SCREENSHOTS") else 0.5
WINDOW = {"viewport": SIZE, "device_scale_factor": COARSE}
OPEN = "#vhi-undo"  # in the page once a case can be drawn in; it can be measured before
PICTURED = "#vhi-panel[data-pictured='true']"  # all images of the case are there, in their windows
# each image is there, and lesions in it: a sixteenth of it is grey at least, and something has a colour
DRAWN = """() => [...document.querySelectorAll('canvas.cornerstone-canvas')].every((canvas) => {
  const { data } = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height);
  let [grey, coloured] = [0, 0];
  for (let n = 0; n < data.length; n += 4) {
    grey += data[n] > 10 && data[n] === data[n + 2];
    coloured += data[n] - data[n + 2] > 50;
  }
  return coloured && grey > data.length / 64;
})"""

# console errors that are no fault of the page
HARMLESS = (
    "fonts.googleapis.com",  # the viewer's style sheets ask for fonts of another host, which its policy refuses
    "/assets/android-chrome-144x144.png",  # an icon that the viewer's manifest names and its build lacks
    "/train/",  # MONAI Label's panel asks whether training runs; 404 says no
)


# sentences of the page are looked at whenever it changes: none shows a reader a UID or an address
SENTENCES = r"""() => {
  const [told, places] = [new Set(), '#vhi-panel, #vhi-stored, #vhi-training, #vhi-banner, #problem, #worklist .faint'];
  const look = () => {
    for (const place of document.querySelectorAll(places)) {
      const texts = [place, ...place.querySelectorAll('[title]')].flatMap((one) => [one.textContent, one.title]);
      for (const text of texts) {
        const [found] = text.match(/.{0,60}(\d+(\.\d+){4,}|2\.25\.\d|https?:\/\/).{0,20}/) ?? [];
        if (found && !told.has(found)) window.vhiUnfit(found);
        told.add(found);
      }
    }
  };
  let planned = null;
  const plan = () => (planned ??= setTimeout(() => { planned = null; look(); }, 20));
  new MutationObserver(plan).observe(document, { subtree: true, childList: true, characterData: true });
}"""


def why_no_browser() -> str | None:
    """The reason why the browser tests cannot run here; None when they can."""
    try:
        import playwright.sync_api  # noqa: F401
    except ImportError:
        return "playwright is not installed (requirements-dev.txt)"
    return None if CHROMIUM else "Chromium is not installed (Debian package chromium)"


@contextmanager
def chromium(profile: Path | None = None) -> Iterator[Any]:
    """A headless browser.

    With a profile, a folder, it has a first context that is kept there: what the browser compiled of the viewer's scripts serves
    again, which takes a third off opening a case. While it is open this thread has a running event loop, so that nothing else here
    may start one.
    """
    from playwright.sync_api import sync_playwright

    with sync_playwright() as driver:
        started = partial(driver.chromium.launch, executable_path=CHROMIUM, args=FLAGS)
        if profile is not None:
            started = partial(driver.chromium.launch_persistent_context, profile, **started.keywords, **WINDOW)
        browser = started() if profile is None else started().browser
        yield browser
        browser.close()


@dataclass
class Watch:
    """Errors in a page."""

    errors: list[str] = field(default_factory=list)

    def over(self, page: Any) -> None:
        """Note every error of a page from now on, and every sentence in it that holds a UID or an address."""
        page.expose_function("vhiUnfit", lambda text: self.errors.append(f"a reader is told: {text}"))
        page.add_init_script(f"({SENTENCES})()")
        page.on("pageerror", lambda error: self.errors.append(f"page error: {error}"))
        page.on("console", self._note)

    def _note(self, message: Any) -> None:
        said = f"{message.text} {message.location.get('url', '')}"
        is_error = message.type == "error" or "Error Boundary" in said
        if is_error and not any(one in said for one in HARMLESS):
            self.errors.append(f"console: {said}")


@dataclass(frozen=True)
class ViewerServer:
    """A running server over an archive, and the two studies in it by the direction of their InstanceNumbers."""

    archive: Archive
    server: Server
    studies: dict[str, Study]

    @property
    def url(self) -> str:
        return self.server.url

    def address(self, study: Study) -> str:
        """Where the viewer shows a study for reading."""
        return f"{self.url}/ohif/monai-label?StudyInstanceUIDs={study.study_uid}"


def two_phantoms(folder: Path) -> dict[str, Study]:
    """Phantoms of two patients; their lesions differ, and are asymmetric along every axis."""
    return {
        name: phantom_study(folder / name, seed, labels=Labels(f"PHANTOM-{seed}", "20250601", descending))
        for name, seed, descending in (("ascending", 3, False), ("descending", 4, True))
    }


@contextmanager
def viewer_over(
    archive: Archive, studies: dict[str, Study], work: Path, *options: str, **environment: str
) -> Iterator[ViewerServer]:
    """Store the studies in a running archive, and serve it; the server knows them when this begins."""
    for study in studies.values():
        archive.store(study.files())
    with serving_archive(archive, work, *options, **environment) as server:
        wanted = {one.study_uid for one in studies.values()}
        wait_for(lambda: wanted <= known_cases(server, "--accounts" in options))
        yield ViewerServer(archive, server, studies)


def known_cases(server: Server, login: bool = False) -> set[str]:
    """The cases that the server offers."""
    from standin import PASSWORDS

    session = requests.Session()
    if login:
        form = {"username": "root", "password": PASSWORDS["root"], "grant_type": "password"}
        token = session.post(f"{server.url}/auth/token", data=form, timeout=60).json()["access_token"]
        session.headers["Authorization"] = f"Bearer {token}"
    return {one["case"] for one in session.get(f"{server.url}/vhi/cases", timeout=60).json()["cases"]}


wait_for = partial(waiting.wait_for, within_s=PATIENCE_S)


def screenshot_folder(otherwise: Path) -> Path:
    """Where screenshots are left: the folder that VHI_SCREENSHOTS names."""
    folder = Path(os.environ.get("VHI_SCREENSHOTS") or otherwise)
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def file_name(text: str) -> str:
    return re.sub(r"[^A-Za-z0-9]+", "-", text).strip("-")


def show_series(page: Any) -> None:
    """Open the list of series, which is folded while a case is read."""
    page.locator("[data-cy='side-panel-header-left']").click()


def dismiss_notice(page: Any) -> None:
    """Confirm the viewer's own notice (for investigational use only), which a browser shows once."""
    notice = page.locator('[data-cy="confirm-and-hide-button"]')
    if notice.count():
        notice.click()
