"""The scores of each case by each version of the networks, kept beside the regions so that the next case is chosen at once.

One file per version, `scores/<version>.json`, replaced whole; a cache that may be deleted at any time:

`version`, `sha256`, `method`   of the weights, and of the automatic regions (`lib.service.automatic.METHOD`)
`cases`                         by case: `key` of its regions, `disagreement`, `entropy`, `features` (`lib.core.active_learning`),
                                and `labels`: mean slice Dice of the networks' region with each submitted one, by submission
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ..core.active_learning import FEATURES
from ..core.disease_region import slice_dice
from ..core.segment_names import DISEASE_REGION
from ..core.volume import Mask
from ..errors import DamagedError, InputError, VhiError
from ..readings.data_folder import make_folder
from ..readings.store import ReadingStore
from ..readings.submission import Submission
from ..records import read_json, write_json
from ..studies.pairing import Case
from ..versions import Manifest
from .automatic import METHOD, Automatic
from .scans import ScanReader

# written after so many new entries, and when there is nothing left to do
WRITE_AFTER = 20
KEPT_FILES = 4
# labels compared at a time, so that the background thread looks up again soon
AT_A_TIME = 20
Entry = Mapping[str, Any]
log = logging.getLogger("vhi.service")


class Scores:
    """The scores of the live version; safe between threads.

    Parameters
    ----------
    root : Path
        The folder of score files.
    automatic : Automatic
        The regions that the scores are about.
    """

    def __init__(self, root: Path, automatic: Automatic) -> None:
        self.root, self._automatic = root, automatic
        self._lock = threading.Lock()
        self._of: Manifest | None = None
        self._cases: dict[str, dict[str, Any]] = {}
        self._unwritten = 0

    def live(self) -> tuple[Manifest, Mapping[str, Entry]]:
        """The live version and what it made of the cases so far.

        Raises
        ------
        ModelError
            There is no live version.
        """
        manifest = self._automatic.networks.manifest()
        with self._lock:
            self._turn_to(manifest)
            return manifest, {case_id: dict(entry) for case_id, entry in self._cases.items()}

    def note(self, case: Case, sha256: Mapping[str, str], manifest: Manifest) -> None:
        """Take in what was noted beside a case's regions, which lie on disk."""
        key = self._automatic.key(sha256, manifest)
        with self._lock:
            self._turn_to(manifest)
            if self._cases.get(case.case_id, {}).get("key") == key:
                return
        try:
            info = self._automatic.info(case.case_id, sha256, manifest) or {}
        except DamagedError as error:
            log.warning("a score is missing: %s", error)
            return
        entry: dict[str, Any] = {"key": key, "disagreement": info.get("member_disagreement"), "labels": {}}
        entry |= {name: info.get(name) for name in ("entropy", "features")}
        with self._lock:
            if self._of == manifest:
                self._cases[case.case_id] = entry
                self._unwritten += 1

    def compare_labels(self, cases: Sequence[Case], readings: ReadingStore, scans: ScanReader) -> int:
        """Compare the newest submitted regions with the networks'; how many were left for the next time."""
        manifest, known = self.live()
        n_left = 0
        submitted = {case_id for case_id, _ in readings.intact()}
        for case in (case for case in cases if case.case_id in submitted and case.case_id in known):
            for submission in newest_regions(readings, case.case_id):
                if submission.submission_id in known[case.case_id]["labels"]:
                    continue
                n_left += 1
                if n_left <= AT_A_TIME:
                    self._compare(case, submission, readings, scans, manifest)
        return max(0, n_left - AT_A_TIME)

    def _compare(self, case: Case, submission: Submission, readings: ReadingStore, scans: ScanReader, manifest: Manifest) -> None:
        dice: float | None = None
        try:
            label = readings.read_segment(submission, DISEASE_REGION)
            mask = self._automatic.mask(case.case_id, scans.known(case) or {}, manifest)
            if label is not None and mask is not None and label.data.shape == mask.data.shape:
                dice = mean_slice_dice(mask, label)
        except VhiError as error:
            log.warning("a label was not compared: %s", error)
        with self._lock:
            if self._of == manifest and case.case_id in self._cases:
                self._cases[case.case_id]["labels"][submission.submission_id] = dice
                self._unwritten += 1

    def write(self, *, all_done: bool) -> None:
        """Bring what is new to the disk, unless it is little and more is coming.

        Raises
        ------
        OutputError
        """
        with self._lock:
            if self._of is None or not self._unwritten or not (all_done or self._unwritten >= WRITE_AFTER):
                return
            make_folder(self.root)
            write_json(self._path(self._of), {**_head(self._of), "cases": self._cases})
            self._unwritten = 0
        for old in sorted(self.root.glob("*.json"), key=lambda path: path.stat().st_mtime_ns)[:-KEPT_FILES]:
            old.unlink(missing_ok=True)

    def forget_but(self, case_ids: Collection[str]) -> None:
        """Drop cases that are no longer there."""
        with self._lock:
            gone = self._cases.keys() - set(case_ids)
            for case_id in gone:
                del self._cases[case_id]
            self._unwritten += len(gone)

    def _turn_to(self, manifest: Manifest) -> None:
        """Hold the scores of that version; those of the one before stay as they were last written."""
        if self._of == manifest:
            return
        self._of, self._cases, self._unwritten = manifest, {}, 0
        try:
            kept = read_json(self._path(manifest)) or {}
            if {name: kept.get(name) for name in _head(manifest)} == _head(manifest):
                self._cases = {str(case_id): dict(entry) for case_id, entry in kept["cases"].items()}
        except (InputError, AttributeError, KeyError, TypeError, ValueError) as error:
            log.warning("scores are gathered again, because those kept are damaged: %s", error)

    def _path(self, manifest: Manifest) -> Path:
        return self.root / f"{manifest.version}.json"


def newest_regions(readings: ReadingStore, case_id: str) -> tuple[Submission, ...]:
    """The newest submission with a disease region of each reader of a case."""
    newest = {
        submission.reader: submission
        for submission in readings.of_case(case_id)
        if submission.segment(DISEASE_REGION) is not None
    }
    return tuple(newest.values())


def mean_slice_dice(a: Mask, b: Mask) -> float | None:
    """Mean 2-D Dice over the slices where either mask is; None where both are empty."""
    dices = slice_dice(a.data, b.data)
    return None if np.isnan(dices).all() else round(float(np.nanmean(dices)), 4)


def features_in(entries: Mapping[str, Entry]) -> dict[str, Sequence[float]]:
    """The features of the cases that have all of them."""
    return {case_id: entry["features"] for case_id, entry in entries.items() if len(entry.get("features") or ()) == len(FEATURES)}


def _head(manifest: Manifest) -> dict[str, Any]:
    return {"version": manifest.version, "sha256": manifest.sha256, "method": METHOD}
