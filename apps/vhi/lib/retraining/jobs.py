"""What a session has done by processes of one thread each: checking labels, training a member, measuring both ensembles.

A job is picklable, keeps what it did in the session's folder, and does the same again when it is started again.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ..core.disease_region import Member, dice
from ..core.orientation import Hanging
from ..core.volume import Mask, Volume
from ..figures import failure_figure, png_bytes
from ..files import write_atomically
from ..nets.fit import Slices, TrainedNetwork, fit, read_trained
from ..nets.recipes import Recipe
from ..nets.weights import load_members, load_networks, member_of
from ..studies.labelled import Case
from ..studies.nifti import write_mask
from ..training.run import Measured, measure_case
from ..training.scans import probabilities, read_labelled, region_of
from ..versions import read_version
from .entries import Entry
from .gate import HOLDOUT, SENTINEL
from .quarantine import Check, check_label
from .sentinel import sentinel_cases

MEASURED, PICTURES = "measured.json", 4
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
        The cases whose label is to be checked.
    version : str
        The live one.
    usual : float
        Dice between its regions and right labels.
    """

    folder: Path
    model_dir: Path
    version: str
    entries: tuple[Entry, ...]
    unchecked: frozenset[str]
    usual: float

    def __call__(self) -> dict[str, tuple[Check, bytes | None]]:
        """What was found and a picture of the slice that fits worst, where something was, by case id."""
        for entry in self.entries:
            if entry.rated_version is not None and not entry.label_path(self.folder).exists():
                rated = load_members(self.model_dir, entry.rated_version)
                write_mask(entry.label_path(self.folder), region_by(entry.read_t1w(self.folder), rated))
        live = load_members(self.model_dir, self.version)
        asked = [entry for entry in self.entries if entry.case_id in self.unchecked]
        regions = {entry.case_id: region_by(entry.read_t1w(self.folder), live) for entry in asked}
        found = {}
        for entry in asked:
            t1w, label, region = entry.read_t1w(self.folder), entry.read_label(self.folder), regions[entry.case_id]
            others = {case_id: other for case_id, other in regions.items() if case_id != entry.case_id}
            check = check_label(label, t1w, region, others, self.usual)
            found[entry.case_id] = check, _picture(t1w, label, region, entry) if check.reasons else None
        return found


@dataclass(frozen=True)
class MemberTraining:
    """Fine-tune one member of the live version, or train it from random weights.

    Parameters
    ----------
    folder : Path
        Receives checkpoint and curve; `member0` ...
    number : int
        Of the member.
    recipe : Recipe
    seed : int
        Of the member.
    new, replay : tuple of Case
        What it learns, and what it learnt before; `recipe.pseudo` slices of each batch are of the latter.
    model_dir, parent : Path, str
        The live version.
    scratch : bool
    """

    folder: Path
    number: int
    recipe: Recipe
    seed: int
    new: tuple[Case, ...]
    replay: tuple[Case, ...]
    model_dir: Path
    parent: str
    scratch: bool

    @property
    def name(self) -> str:
        return self.folder.name

    def __call__(self) -> None:
        multiple = self.recipe.multiple
        slices = self._drawn(Slices.of([read_labelled(case) for case in self.new], multiple))
        before = [read_labelled(case) for case in self.replay] if self.recipe.pseudo else []
        start = None if self.scratch else load_networks(read_version(self.model_dir, self.parent))[self.number]
        fit(
            self.recipe, self.seed, slices, self.folder, start=start, every=EVERY,
            pseudo=Slices.of(before, multiple) if before else None,
        )  # fmt: skip

    def _drawn(self, slices: Slices) -> Slices:
        """A bootstrap sample: as many slices, drawn with replacement. Of slices, not of cases: with few cases a member would
        often miss a whole correction."""
        picked = np.random.default_rng([self.seed, _BOOTSTRAP_STREAM]).integers(len(slices), size=len(slices))
        return Slices(slices.images[picked], slices.masks[picked])

    def read(self) -> TrainedNetwork:
        return read_trained(self.folder, self.recipe)


@dataclass(frozen=True)
class Measuring:
    """2-D Dice of the live and of the candidate ensemble on the hold-out and on the phantoms."""

    folder: Path
    model_dir: Path
    parent: str
    flip: bool
    trainings: tuple[MemberTraining, ...]
    holdout: tuple[Entry, ...]

    def __call__(self) -> Mapping[str, Any]:
        """`measured.json`: by set, "live" and "candidate", and case id: `lib.training.run.Measured` with the 3-D `dice`.

        `pictures/` in the session's folder receives the slices on which the candidate falls most behind.
        """
        live = load_members(self.model_dir, self.parent)
        candidate = [member_of(training.read(), training.recipe.layout(), flip=self.flip) for training in self.trainings]
        measured: dict[str, dict[str, dict[str, Measured]]] = {
            what: {"live": {}, "candidate": {}} for what in (HOLDOUT, SENTINEL)
        }
        worst: list[tuple[float, str, bytes]] = []
        for what, case_id, t1w, truth in self._cases():
            before, _ = measured_case(t1w, truth, live)
            after, region = measured_case(t1w, truth, candidate)
            measured[what]["live"][case_id], measured[what]["candidate"][case_id] = before, after
            worst += _lowest(case_id, t1w, truth, region, before["slice_dice"], after["slice_dice"])
        (self.folder / "pictures").mkdir(exist_ok=True)
        for n, (_, _, content) in enumerate(sorted(worst)[:PICTURES]):
            write_atomically(self.folder / "pictures" / f"{n + 1}.png", content)
        write_atomically(self.folder / MEASURED, (json.dumps(measured, indent=1) + "\n").encode())
        return measured

    def _cases(self) -> Iterator[tuple[str, str, Volume, Mask]]:
        for entry in self.holdout:
            yield HOLDOUT, entry.case_id, entry.read_t1w(self.folder), entry.read_label(self.folder)
        for name, t1w, truth in sentinel_cases():
            yield SENTINEL, name, t1w, truth


def measured_case(t1w: Volume, truth: Mask, members: Sequence[Member]) -> tuple[Measured, Mask]:
    measured, _, region = measure_case(t1w, truth, members)
    return measured | {"dice": round(dice(region.data, truth.data), 5)}, region


def region_by(t1w: Volume, members: Sequence[Member]) -> Mask:
    return region_of(np.mean(probabilities(t1w, members), axis=0), t1w)


def _lowest(
    case_id: str, t1w: Volume, truth: Mask, region: Mask, before: list[float | None], after: list[float | None]
) -> list[tuple[float, str, bytes]]:
    """The slice of a case on which the candidate lies furthest behind, if it does on any: its gain, case and picture."""
    gains = [math.inf if a is None or b is None else b - a for a, b in zip(before, after, strict=True)]
    k = int(np.argmin(gains))
    if not gains[k] < 0:
        return []
    title = f"{case_id}, slice {k + 1}: Dice {after[k]:.2f}, live version {before[k]:.2f}"
    return [(gains[k], case_id, _drawn_slice(t1w, truth, region, k, title))]


def _picture(t1w: Volume, label: Mask, region: Mask, entry: Entry) -> bytes | None:
    """The slice on which a label and the live ensemble's region differ most."""
    if label.data.shape != t1w.data.shape:
        return None
    k = int(np.count_nonzero(label.data ^ region.data, axis=(0, 1)).argmax())
    return _drawn_slice(t1w, label, region, k, f"{entry.case_id}, {entry.submission}, slice {k + 1}")


def _drawn_slice(t1w: Volume, label: Mask, region: Mask, k: int, title: str) -> bytes:
    hanging = Hanging.of(t1w.grid)
    image, drawn, answer = (hanging.hang(array)[k] for array in (t1w.data, label.data, region.data))
    return png_bytes(failure_figure(image, drawn, answer, title), _DPI)
