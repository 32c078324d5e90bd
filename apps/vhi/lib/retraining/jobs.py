"""The work that a session gives to processes of one thread each: checking labels, training a member, measuring both ensembles.

A job is picklable, keeps what it did in the session's folder, and does the same again when it is started again.
"""

from __future__ import annotations

import json
import logging
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from ..core.disease_region import Member, dice
from ..core.orientation import DisplayOrientation
from ..core.protocol import Ensemble
from ..core.volume import Mask, Volume
from ..engine.members import load_members
from ..errors import ModelError
from ..figures.canvas import png_bytes
from ..figures.slice_dice import failure_figure
from ..files import write_atomically
from ..nets.fit import Slices, fit
from ..nets.weights import load_networks, member_of
from ..readings.data_folder import make_folder
from ..records import read_remakable, write_json
from ..studies.labelled import LabelledCase
from ..studies.nifti import write_mask
from ..training.network_training import NetworkTraining
from ..training.run import Measured, measure_case
from ..training.scans import probabilities, read_labelled, region_of
from ..versions import Version, read_version
from .entries import Entry
from .gate import HOLDOUT, PHANTOMS
from .kinds import other_scanners
from .phantom_regression import phantom_regression_cases
from .quarantine import Check, check_label

logger = logging.getLogger("vhi.retraining")
MEASURED, CANDIDATE, PICTURES = "measured.json", "candidate", 4
# steps between two checkpoints, reports of progress and looks for a wish to stop
EVERY = 10
_BOOTSTRAP_STREAM = 3
_DPI = 110


@dataclass(frozen=True)
class Checking:
    """Compare labels with the live ensemble; the regions that readers only rated are made first, by the version they rated.

    Parameters
    ----------
    folder : Path
        The session's.
    entries : tuple of Entry
        All of the session.
    unchecked : frozenset of str
        The keys of the labels to be checked.
    version : str
        The live one.
    usual : dict
        By label the Dice between that version's regions and right labels of such scans.
    """

    folder: Path
    model_dir: Path
    version: str
    entries: tuple[Entry, ...]
    unchecked: frozenset[str]
    usual: dict[str, float]

    def __call__(self) -> dict[str, tuple[Check, bytes | None]]:
        """The check of each label, and a picture of the slice that fits worst, where one does, by key of the label."""
        for entry in self.entries:
            if entry.rated_version is not None and not entry.label_path(self.folder).exists():
                rated = load_members(self.model_dir, entry.rated_version)
                write_mask(entry.label_path(self.folder), region_by(entry.read_t1w(self.folder), rated))
        live = load_members(self.model_dir, self.version)
        asked = [entry for entry in self.entries if entry.key in self.unchecked]
        regions = {entry.case_id: region_by(entry.read_t1w(self.folder), live) for entry in asked}
        checks = {}
        for entry in asked:
            others = {case_id: other for case_id, other in regions.items() if case_id != entry.case_id}
            t1w, label = entry.read_t1w(self.folder), entry.read_label(self.folder)
            checks[entry.key] = check_label(label, t1w, regions[entry.case_id], others, self.usual[entry.key])
        checks = other_scanners(self.entries, checks)
        return {entry.key: (checks[entry.key], self._drawn(entry, checks[entry.key], regions[entry.case_id])) for entry in asked}

    def _drawn(self, entry: Entry, check: Check, region: Mask) -> bytes | None:
        if not check.reasons:
            return None
        return _picture(entry.read_t1w(self.folder), entry.read_label(self.folder), region, entry)


@dataclass(frozen=True)
class MemberTraining(NetworkTraining):
    """Fine-tune one member of the live version, or train it from random weights.

    Parameters
    ----------
    number : int
        Of the member.
    new, replay : tuple of Case
        What it learns, and what it learnt before; `recipe.pseudo` slices of each batch are of the latter.
    model_dir, parent : Path, str
        The live version.
    scratch : bool
    kind : str or None
        Of scans, where it becomes networks of their own.
    """

    number: int
    new: tuple[LabelledCase, ...]
    replay: tuple[LabelledCase, ...]
    model_dir: Path
    parent: str
    scratch: bool
    kind: str | None = None

    def __call__(self) -> None:
        multiple, spacing = self.recipe.multiple, self.recipe.pixel_spacing_mm
        new = [read_labelled(case) for case in self.new]
        slices = self._drawn(Slices.of(new, multiple, pixel_spacing_mm=spacing))
        before = [read_labelled(case) for case in self.replay] if self.recipe.pseudo else []
        start = None if self.scratch else load_networks(read_version(self.model_dir, self.parent), self.kind)[self.number]
        fit(
            self.recipe, self.seed, slices, self.folder, start=start, every=EVERY, any_length=True,
            pseudo=Slices.of(before, multiple, pixel_spacing_mm=spacing) if before else None,
        )  # fmt: skip

    def _drawn(self, slices: Slices) -> Slices:
        """A bootstrap sample: as many slices, drawn with replacement. Of slices, not of cases: with few cases a member would
        often miss a whole correction."""
        picked = np.random.default_rng([self.seed, _BOOTSTRAP_STREAM]).integers(len(slices), size=len(slices))
        return Slices(slices.images[picked], slices.masks[picked])


@dataclass(frozen=True)
class LeavingOut:
    """A short training without some patients, and the 3-D Dice of that network and of the one it began from on their scans."""

    training: MemberTraining
    left_out: tuple[Entry, ...]

    def __call__(self) -> dict[str, dict[str, float]]:
        """`live` and `candidate` by key of the label."""
        self.training()
        folder, recipe = self.training.folder.parent, self.training.recipe
        parent = read_version(self.training.model_dir, self.training.parent)
        flip = parent.manifest.of_kind(self.training.kind).flip
        before = load_networks(parent, self.training.kind)[self.training.number]
        ensembles = [
            Ensemble([member_of(net, recipe.layout(), flip=flip)], pixel_spacing_mm=recipe.pixel_spacing_mm)
            for net in (before, self.training.read())
        ]
        dices = {}
        for entry in self.left_out:
            t1w, label = entry.read_t1w(folder), entry.read_label(folder)
            live, candidate = (measured_case(t1w, label, members)[0]["dice"] for members in ensembles)
            dices[entry.key] = {"live": live, "candidate": candidate}
        return dices


@dataclass(frozen=True)
class VersionMeasurement:
    """Dice of the stored candidate, of the live version and of all that were live before, on the hold-out and on the phantoms.

    Everything is measured as a server answers: by the weights of a file, loaded as a server loads them.

    Parameters
    ----------
    folder : Path
        The session's; `candidate` in it is the model folder that holds the candidate.
    candidate, parent : str
        Versions.
    earlier : tuple of str
        Versions of `model_dir`.
    """

    folder: Path
    model_dir: Path
    parent: str
    candidate: str
    earlier: tuple[str, ...]
    holdout: tuple[Entry, ...]

    def __call__(self) -> Mapping[str, Any]:
        """`measured.json`: by set, "live" and "candidate", and case id: `lib.training.run.Measured` with the 3-D `dice`;
        "earlier": by version and case id that Dice alone.

        `pictures/` in the session's folder receives the slices on which the candidate falls most behind.
        """
        live = load_members(self.model_dir, self.parent)
        candidate = load_members(self.folder / CANDIDATE, self.candidate)
        earlier = [KnownDice(self.folder.parent, read_version(self.model_dir, version)) for version in self.earlier]
        measured: dict[str, dict[str, dict[str, Any]]] = {
            case_set: {"live": {}, "candidate": {}, "earlier": {}} for case_set in (HOLDOUT, PHANTOMS)
        }
        worst: list[tuple[float, str, Callable[[], bytes]]] = []
        for case_set, case_id, label_id, t1w, truth in self._cases():
            before, _ = measured_case(t1w, truth, live)
            after, region = measured_case(t1w, truth, candidate)
            measured[case_set]["live"][case_id], measured[case_set]["candidate"][case_id] = before, after
            for known in list(earlier):
                version = known.version.manifest.version
                try:
                    version_dice = known.dice(label_id, t1w, truth)
                except ModelError as error:
                    # its mean over some of the cases would be compared with those over all
                    logger.warning("Version %s is not compared with: %s", version, error)
                    earlier.remove(known)
                    for results in measured.values():
                        results["earlier"].pop(version, None)
                    continue
                measured[case_set]["earlier"].setdefault(version, {})[case_id] = version_dice
            worst += _lowest(case_id, t1w, truth, region, before["slice_dice"], after["slice_dice"])
            worst = sorted(worst, key=lambda picture: picture[:2])[:PICTURES]
        for known in earlier:
            known.write()
        (self.folder / "pictures").mkdir(exist_ok=True)
        for n, (_, _, draw) in enumerate(worst):
            write_atomically(self.folder / "pictures" / f"{n + 1}.png", draw())
        write_atomically(self.folder / MEASURED, (json.dumps(measured, indent=1) + "\n").encode())
        return measured

    def _cases(self) -> Iterator[tuple[str, str, str, Volume, Mask]]:
        for entry in self.holdout:
            key = f"{entry.case_id}/{entry.label_id}"
            yield HOLDOUT, entry.case_id, key, entry.read_t1w(self.folder), entry.read_label(self.folder)
        for name, t1w, truth in phantom_regression_cases():
            yield PHANTOMS, name, name, t1w, truth


class KnownDice:
    """3-D Dice that a version reached, measured once for each case and kept: `measured/<version>.json` in retraining's folder."""

    def __init__(self, root: Path, version: Version) -> None:
        self.version = version
        self._path = root / "measured" / f"{version.manifest.version}.json"
        record = read_remakable(self._path, sha256=str, dice=dict)
        same = record is not None and record["sha256"] == version.manifest.sha256
        self._dice: dict[str, float] = dict(record["dice"]) if record is not None and same else {}
        self._members: Sequence[Member] = ()

    def dice(self, label_id: str, t1w: Volume, truth: Mask) -> float:
        """Of one case, by what tells its label from any other."""
        if label_id not in self._dice:
            manifest = self.version.manifest
            self._members = self._members or load_members(self.version.folder.parent.parent, manifest.version)
            self._dice[label_id] = measured_case(t1w, truth, self._members)[0]["dice"]
        return self._dice[label_id]

    def write(self) -> None:
        make_folder(self._path.parent)
        write_json(self._path, {"sha256": self.version.manifest.sha256, "dice": self._dice})


def measured_case(t1w: Volume, truth: Mask, members: Sequence[Member]) -> tuple[Measured, Mask]:
    """`measure_case` with the 3-D Dice as `dice`, 0 to 1, and the ensemble's region on the grid of T1W."""
    measured, _, region = measure_case(t1w, truth, members)
    return measured | {"dice": round(dice(region.data, truth.data), 7)}, region


def region_by(t1w: Volume, members: Sequence[Member]) -> Mask:
    """The disease region that an ensemble finds, on the grid of T1W; empty where it finds none."""
    return region_of(probabilities(t1w, members)[0], t1w)


def _lowest(
    case_id: str, t1w: Volume, truth: Mask, region: Mask, before: list[float | None], after: list[float | None]
) -> list[tuple[float, str, Callable[[], bytes]]]:
    """The slice of a case on which the candidate lies furthest behind, if it does on any: its gain, case and what draws it."""
    gains = [math.inf if a is None or b is None else b - a for a, b in zip(before, after, strict=True)]
    k = int(np.argmin(gains))
    if not gains[k] < 0:
        return []
    title = f"{case_id}, slice {k + 1}: Dice {after[k]:.2f}, live version {before[k]:.2f}"
    return [(gains[k], case_id, partial(_drawn_slice, t1w, truth, region, k, title))]


def _picture(t1w: Volume, label: Mask, region: Mask, entry: Entry) -> bytes | None:
    """The slice on which a label and the live ensemble's region differ most."""
    if label.data.shape != t1w.data.shape:
        return None
    k = int(np.count_nonzero(label.data ^ region.data, axis=(0, 1)).argmax())
    return _drawn_slice(t1w, label, region, k, f"{entry.case_id}, {entry.submission}, slice {k + 1}")


def _drawn_slice(t1w: Volume, label: Mask, region: Mask, k: int, title: str) -> bytes:
    hanging = DisplayOrientation.of(t1w.grid)
    image, drawn, answer = (hanging.hang(array)[k] for array in (t1w.data, label.data, region.data))
    return png_bytes(failure_figure(image, drawn, answer, title), _DPI)
