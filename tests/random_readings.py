"""Readings of random actions in the browser, by real mouse and key events, with what must come of them worked out beside it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
import requests

from archived_case import numbers_of
from browsing import INFLAMMATION, Reader, by_reader, in_archive, number
from viewing import wait_for

GRADES = ("sensitive", "conservative")


class RandomReading:
    """One reader who measures, does something at random for a while, and submits; again and again."""

    def __init__(self, reader: Reader, rng: np.random.Generator, actions: Sequence[str]) -> None:
        self.reader, self.rng, self.actions = reader, rng, actions
        self.clicks: list[dict[str, Any]] = []
        self._steps: list[list[dict[str, Any]]] = []  # clicks before each step that can be undone
        self._undone: list[list[dict[str, Any]]] = []
        self.handed_in: list[dict[str, Any]] | None = None  # clicks of the newest submission
        self.done: list[str] = []

    @property
    def page(self) -> Any:
        return self.reader.page

    def run(self) -> None:
        """From a measurement to a submission."""
        self.done = []
        self.measure()
        for action in self.rng.choice(self.actions, 5):
            getattr(self, str(action))()
            self.reader.rest()
            self.done.append(str(action))
        self.on_screen = self._numbers()
        self.bits = self.reader.bits()
        with self.page.expect_response(lambda one: "/datastore/label" in one.url) as answer:
            self.page.locator("#vhi-submit").click()
        assert answer.value.status == 200, (answer.value.text(), self.done)
        self.page.locator("#vhi-submitted").wait_for()
        self.reader.rest()
        self.handed_in = list(self.clicks)

    # actions --------------------------------------------------------------------------------------------------------------

    def measure(self) -> None:
        before = self.reader.cells()
        self.page.locator("#vhi-measure").click()
        self.page.locator("[data-vhi='sensitive']").wait_for()
        self.reader.rest()
        self._step(before, [])

    def remove(self) -> None:
        self._click("tr.kept, tr.part", "remove")

    def restore(self) -> None:
        self._click("tr.removed", "restore")

    def _click(self, rows: str, what: str) -> None:
        matching = self.page.locator(rows)
        if not matching.count():
            return
        lesion = int(matching.nth(int(self.rng.integers(matching.count()))).get_attribute("data-lesion"))
        self.reader.row(lesion).get_by_role("button").click()
        self.reader.rest()
        # a step also where it changes no voxel, as of a lesion that was removed and painted again
        self._steps.append(self.clicks)
        self._undone = []
        self.clicks = [*self.clicks, {"what": what, "lesion": lesion}]

    def paint(self) -> None:
        self._stroke("brush")

    def erase(self) -> None:
        self._stroke("eraser")

    def _stroke(self, tool: str) -> None:
        """Of inflammation, over a lesion that is on the list."""
        rows = self.page.locator("tr[data-lesion]")
        lesion = int(self.rng.integers(min(4, rows.count())))
        rows.nth(lesion).click()
        self.page.locator(f"[data-segment='{INFLAMMATION}']").click()
        if not self.page.locator(f"[data-tool='{tool}'][aria-pressed='true']").count():
            self.reader.take(tool)
        before = self.reader.cells()
        voxel = self.page.evaluate("(n) => window.viewerSession.reading.facts.lesions[n].voxel", lesion)
        self.reader.dab(voxel, int(self.rng.integers(-6, 7)), int(self.rng.integers(-6, 7)))
        self.reader.rest()
        self._step(before, self.clicks)

    def undo(self) -> None:
        if len(self._steps) > 1:  # the first is the first measurement
            self._undone.append(self.clicks)
            self.clicks = self._steps.pop()
            self.page.keyboard.press("Control+z")

    def redo(self) -> None:
        if self._undone:
            self._steps.append(self.clicks)
            self.clicks = self._undone.pop()
            self.page.keyboard.press("Control+Shift+Z")

    def bone(self) -> None:
        self._region("normal_bone")

    def region(self) -> None:
        self._region("disease_region")

    def _region(self, model: str) -> None:
        before = self.reader.cells()
        self.page.locator(f"[data-proposal='{model}']").click()
        self.reader.rest()
        self._step(before, self.clicks)

    def option(self) -> None:
        """Another size of the smallest group; it counts from the next measurement on."""
        if not self.page.locator("input[name='min_pixels']").is_visible():
            self.page.locator("summary", has_text="Options").click()
        self.page.locator("input[name='min_pixels']").fill(str(self.rng.integers(3, 7)))
        self.page.keyboard.press("Tab")

    def reload(self) -> None:
        unsent = self.page.locator("#vhi-kept").count()
        if unsent:
            self.reader.kept()
        self.page.reload()
        self.reader.settled("go-on")
        self._steps, self._undone = [], []
        if unsent:
            return
        self.clicks = list(self.handed_in or [])
        if self.handed_in is None:
            self.measure()

    def _step(self, before: np.ndarray, clicks: list[dict[str, Any]]) -> None:
        if not np.array_equal(before, self.reader.cells()):
            self._steps.append(self.clicks)
            self._undone = []
        self.clicks = clicks

    # what must be so ------------------------------------------------------------------------------------------------------

    def _numbers(self) -> dict[str, int]:
        return {grade: number(self.page.locator(f"[data-vhi='{grade}']").inner_text()) for grade in GRADES}

    def check_submission(self) -> None:
        """The store and the JSON report hold what was on screen, and the clicks that were made."""
        url, image = self.reader.viewer_server.url, self.reader.study.stir_uid
        who = {"image": image, "reader": self.reader.name}
        made = requests.get(f"{url}/vhi/submissions", params=who, timeout=60).json()[-1]
        report = requests.get(f"{url}/vhi/report", params={**who, "form": "json"}, timeout=60).json()
        shown = {grade: round(report["vhi_mm3"][grade]) for grade in GRADES}
        assert shown == self.on_screen, self.done
        facts = self.page.evaluate("window.viewerSession.reading.now")
        assert facts["voxels"] == report["voxels"], self.done
        assert facts["thresholds"] == report["thresholds"], self.done
        voxels = {one["name"]: one["voxels"] for one in made["segments"]}
        for name, bit in (("disease region", 1), ("normal bone", 2), ("inflammation", 4)):
            assert voxels.get(name, 0) == np.count_nonzero(self.bits & bit), (name, self.done)
        sent = [(one["what"], self._lesion_at(one["voxel"])) for one in made["decisions"]["clicks"]]
        clicked = [(one["what"], one["lesion"]) for one in self.clicks]
        assert sent == clicked, f"{sent} were sent, {clicked} were made by {self.done}"
        self._check_corrections(made["corrections"])
        self.report = report

    def _lesion_at(self, voxel: list[int]) -> int:
        return int(self.page.evaluate("(voxel) => window.viewerSession.reading.state.measured.lesions.at(voxel)", voxel))

    def _check_corrections(self, corrections: dict[str, Any]) -> None:
        """By the eraser and the brush: what is on screen beside what the clicks leave of the measurement."""
        left = self.reader.voxels("window.viewerSession.reading.state.left") > 0
        automatic = self.reader.voxels("window.viewerSession.reading.state.measured.grades") > 0
        final = self.bits & 4 > 0
        hand = corrections["hand"]
        assert sum(voxels for _, voxels in hand["erased"]) == np.count_nonzero(left & ~final), self.done
        assert sum(voxels for _, voxels in hand["restored"]) == np.count_nonzero(~left & automatic & final), self.done
        assert hand["painted"] + hand["painted_below_threshold"] == np.count_nonzero(final & ~automatic), self.done
        gone = np.count_nonzero(automatic & ~left)
        assert sum(voxels for _, voxels in corrections["clicks"]["removed"]) == gone, self.done
        assert corrections["proposal"]["removed"] == []

    def check_archive(self) -> None:
        """The newest structured report in the archive says what the last submission's report says."""
        archive, study = self.reader.viewer_server.archive, self.reader.study

        def newest() -> Any:
            reports = by_reader(in_archive(archive, study, "SR"), self.reader.name)
            return max(reports, key=lambda one: (one.ContentDate, one.ContentTime)) if len(reports) >= 10 else None

        numbers = numbers_of(wait_for(newest))
        for grade in GRADES:
            assert numbers[f"VHI at the {grade} threshold"]["Volume"] == pytest.approx(self.report["vhi_mm3"][grade], rel=1e-6)
