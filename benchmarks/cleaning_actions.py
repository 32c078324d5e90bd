"""How many actions clean a published scan, when every gesture may be used and a reader's mind is known.

An action is one gesture as the server takes it: a click, a lasso on one slice with at most twelve corners, all on a slice, beyond
a line, a part, a size. What a reader has in mind: a lesion is kept where two of the four manual readings overlap it by 25% or
more. A greedy planner, which knows that, takes the gesture that puts most right, again and again; gestures go through JSON, and
the server's own replay says what they leave. The proposal is that of a model of the other patients.

    VHI_DATA=<folder> PYTHONPATH=apps/vhi python benchmarks/cleaning_actions.py
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table

from lib.cleaning.evaluation import CLOSE, leave_one_patient_out
from lib.core.cleaning import lesion_field
from lib.core.gestures import AREAS, LesionField, replay
from lib.core.pipeline import VhiResult
from lib.core.polygon import inside_polygon
from lib.service.gestures import on_stir, parse_gestures
from lib.studies.reader_masks import read_inflammation
from lib.studies.registration import placed
from lib.training.cleaning import CleanedScan, cleaned_scans

OVERLAP, READINGS = 0.25, 2
CORNERS = 12
CENTRES = 24  # of lassos that are tried in a slice
STEPS = 150  # by which the corners of the best lassos are moved
ANGLES = 12  # of lines
MOST_ACTIONS = 400
Json = dict[str, Any]


@dataclass(frozen=True, eq=False)
class Mind:
    """The lesions of a scan and what is right for each, by id; `weight` is what a wrong decision costs."""

    field: LesionField
    right: np.ndarray
    weight: np.ndarray

    def gain(self, what: str, taken: np.ndarray, keep: np.ndarray) -> float:
        """How much less is wrong after an action on the lesions `taken`."""
        return self.wrong(keep) - self.wrong(_after(what, taken, keep))

    def wrong(self, keep: np.ndarray) -> float:
        return float(self.weight[keep != self.right].sum())


def _after(what: str, taken: np.ndarray, keep: np.ndarray) -> np.ndarray:
    if what == "only":
        return taken.copy()
    return keep | taken if what == "restore" else keep & ~taken


def right_of(scan: CleanedScan, result: VhiResult) -> np.ndarray:
    """`(lesions + 1,)` bool: which lesions the readers keep."""
    labels, count = result.lesion_labels, len(result.lesions)
    size = np.bincount(labels.ravel(), minlength=count + 1)
    votes: np.ndarray = np.zeros(count + 1, dtype=int)
    for reading in scan.readings:
        mask = placed(read_inflammation(reading)[0], result.stir.grid).data
        votes = votes + (np.bincount(labels[mask], minlength=count + 1) >= OVERLAP * np.maximum(size, 1))
    right: np.ndarray = votes >= READINGS
    right[0] = False
    return right


def actions(mind: Mind, keep: np.ndarray, goal: float) -> list[Json]:
    """Gestures until what is wrong costs no more than `goal`."""
    planner, done = Planner(mind), list[Json]()
    while mind.wrong(keep) > goal and len(done) < MOST_ACTIONS:
        gesture = planner.best(keep)
        done.append(gesture)
        (parsed,) = parse_gestures([gesture], "gestures", on_stir)
        left = replay(mind.field, [parsed], keep).keep
        assert (left.all(axis=1) == left.any(axis=1)).all()  # whole lesions alone
        keep = np.asarray(left.any(axis=1))
    return done


class Planner:
    """Finds the gesture that puts most right."""

    def __init__(self, mind: Mind) -> None:
        self.mind, self.field = mind, mind.field
        self.rng = np.random.default_rng(0)
        self.fixed = [(gesture, self._taken(gesture)) for gesture in self._fixed()]
        self.slices = [SliceOf(self.field, k) for k in range(self.field.labels.shape[2])]

    def _taken(self, gesture: Json) -> np.ndarray:
        (parsed,) = parse_gestures([{"what": "remove", **gesture}], "gestures", on_stir)
        return parsed.taken(self.field)  # type: ignore[union-attr]

    def _fixed(self) -> Iterator[Json]:
        """All that need no place but a slice, a part, a size or a line."""
        field = self.field
        for k in np.unique(field.index[:, 2]):
            yield {"scope": "on slice", "slice": int(k)}
        anatomy = field.anatomy()[0] if field.anatomy else None
        known = anatomy is not None and anatomy.is_known
        for area in [None, *AREAS] if known else ():
            for side in (None, "left", "right", "midline"):
                if area or side:
                    yield {"scope": "part", **({"part": area} if area else {}), **({"side": side} if side else {})}
        for voxels in np.unique(field.voxels[1:])[:: max(1, len(np.unique(field.voxels[1:])) // 40)]:
            yield {"scope": "smaller", "below_mm3": (float(voxels) + 0.5) * field.grid.voxel_volume_mm3}
        low, high = field.index[:, :2].min(axis=0), field.index[:, :2].max(axis=0)
        middle, half = (low + high) / 2, float(np.linalg.norm(high - low)) / 2
        for angle in np.linspace(0, 2 * np.pi, ANGLES, endpoint=False):
            across, along = np.array([np.cos(angle), np.sin(angle)]), np.array([-np.sin(angle), np.cos(angle)])
            for offset in np.linspace(-half, half, 25)[1:-1]:
                at = middle + offset * across
                line = [(at - half * along).tolist(), (at + half * along).tolist()]
                yield {"scope": "beyond line", "line": line, "side": (at + half * across).tolist()}

    def best(self, keep: np.ndarray) -> Json:
        choices = [(0.0, Json())]
        for gesture, taken in self.fixed:
            if taken.any():
                choices += [
                    (self.mind.gain(what, taken, keep), {"what": what, **gesture}) for what in ("remove", "restore", "only")
                ]
        wrong = np.flatnonzero(keep != self.mind.right)
        worst = int(wrong[np.argmax(self.mind.weight[wrong])])
        voxel = self.field.index[np.argmax(self.field.lesion == worst)].tolist()
        click = {"what": "remove" if keep[worst] else "restore", "scope": "lesion", "voxel": voxel}
        choices.append((float(self.mind.weight[worst]), click))
        choices += self._lassos(keep)
        return max(choices, key=lambda choice: choice[0])[1]

    def _lassos(self, keep: np.ndarray) -> list[tuple[float, Json]]:
        candidates = []
        for here in self.slices:
            for what in ("remove", "restore"):
                worth = np.where(keep == (what == "remove"), np.where(keep != self.mind.right, 1, -1) * self.mind.weight, 0.0)
                for inside in (True, False):
                    signed = worth if inside else -worth
                    most = np.maximum(worth, 0)[here.ids].sum()
                    candidates.append((most, here, what, inside, signed))
        candidates.sort(key=lambda candidate: -candidate[0])
        best: list[tuple[float, Json]] = []
        for most, here, what, inside, signed in candidates:
            if best and most <= max(gain for gain, _ in best):
                break  # none of the others can be better
            polygon = here.lasso(signed, self.rng)
            if polygon is None:
                continue
            gesture = {"scope": "lasso", "slice": here.k, "polygon": polygon.tolist(), "inside": inside}
            best.append((self.mind.gain(what, self._taken(gesture), keep), {"what": what, **gesture}))
        return best


class SliceOf:
    """The lesions of one slice, and polygons around some of them."""

    def __init__(self, field: LesionField, k: int) -> None:
        here = field.index[:, 2] == k
        self.k, self.points, lesion = k, field.index[here, :2].astype(float), field.lesion[here]
        self.ids, self.which = np.unique(lesion, return_inverse=True)
        self.size = np.bincount(self.which)
        sums = [np.bincount(self.which, weights=self.points[:, axis]) for axis in (0, 1)]
        self.centre = np.stack(sums, axis=1) / np.maximum(self.size, 1)[:, None]

    def lasso(self, worth: np.ndarray, rng: np.random.Generator) -> np.ndarray | None:
        """Twelve corners around lesions that are worth something, by id; None where none is."""
        value = worth[self.ids]
        wanted = np.flatnonzero(value > 0)
        if not wanted.size:
            return None
        middles = [self.centre[wanted].mean(axis=0), *self.centre[rng.permutation(wanted)[:CENTRES]]]
        middles += [self.centre[rng.choice(wanted, 3)].mean(axis=0) for _ in range(CENTRES)]
        stars = [self._star(middle, value, turn) for middle in middles for turn in (0.0, np.pi / CORNERS)]
        scored = sorted(((self._score(star, value), n) for n, star in enumerate(stars)), reverse=True)
        return max((self._moved(stars[n], score, value, rng) for score, n in scored[:2]), key=lambda one: one[0])[1]

    def _star(self, middle: np.ndarray, value: np.ndarray, turn: float) -> np.ndarray:
        """The corner of each direction as far out as pays."""
        away = self.centre - middle
        angle = (np.arctan2(away[:, 1], away[:, 0]) - turn) % (2 * np.pi)
        sector = np.rint(angle / (2 * np.pi / CORNERS)).astype(int) % CORNERS
        distance, reach = np.hypot(*away.T) + np.sqrt(self.size / np.pi) + 1.0, np.full(CORNERS, 1.5)
        for n in range(CORNERS):
            own = np.flatnonzero(sector == n)
            own = own[np.argsort(distance[own])]
            total = np.cumsum(value[own])
            if own.size and total.max() > 0:
                reach[n] = distance[own[np.argmax(total)]] + 0.5
        directions = turn + np.arange(CORNERS) * 2 * np.pi / CORNERS
        return middle + reach[:, None] * np.stack([np.cos(directions), np.sin(directions)], axis=1)

    def _score(self, polygon: np.ndarray, value: np.ndarray) -> float:
        hit = np.bincount(self.which[inside_polygon(self.points, polygon.tolist())], minlength=len(self.ids))
        return float(value[(hit > 0) & (2 * hit >= self.size)].sum())

    def _moved(self, polygon: np.ndarray, score: float, value: np.ndarray, rng: np.random.Generator) -> tuple[float, np.ndarray]:
        """Corners moved as long as that pays."""
        for _ in range(STEPS):
            other = polygon.copy()
            other[rng.integers(CORNERS)] += rng.normal(0, 12, 2)
            if (moved_score := self._score(other, value)) >= score:
                polygon, score = other, moved_score
        return score, polygon


Start = Callable[[], np.ndarray]


def main() -> None:
    """Print one table."""
    if "VHI_DATA" not in os.environ:
        sys.exit("Set VHI_DATA to the folder of published scans with readers' masks.")
    console = Console(width=150, highlight=False)
    scans = cleaned_scans(Path(os.environ["VHI_DATA"]))
    results = {scan.case_id: scan.measure() for scan in scans}
    tables = [one for scan in scans for one in scan.tables(results[scan.case_id])]
    proposed = {one.table.case_id: one.keep for one in leave_one_patient_out(tables)}
    table = Table(
        "scan",
        "lesions",
        "kept",
        "raw, 5%",
        "proposal, 5%",
        "proposal, all",
        "clicks alone: raw, 5%",
        "proposal, 5%",
        "proposal, all",
    )
    rows = []
    for scan in scans:
        result = results[scan.case_id]
        field, right = lesion_field(result), right_of(scan, result)
        volume, each = field.voxels.astype(float), np.ones(field.count + 1)
        volume[0] = 0
        each[0] = 0
        every = np.arange(field.count + 1) > 0
        proposal = np.concatenate([[False], proposed[scan.case_id]])
        goal = CLOSE * float(volume[right].sum())
        by_volume, by_count = Mind(field, right, volume), Mind(field, right, each)
        row = [
            len(actions(by_volume, every, goal)),
            len(actions(by_volume, proposal, goal)),
            len(actions(by_count, proposal, 0.0)),
        ]
        row += [_clicks(volume, every != right, goal), _clicks(volume, proposal != right, goal), int((proposal != right).sum())]
        rows.append(row)
        table.add_row(scan.case_id, str(field.count), str(right.sum()), *map(str, row))
        console.print(f"{scan.case_id}: {row}")
    table.add_row("median", "", "", *(f"{value:g}" for value in np.median(np.array(rows), axis=0)))
    console.print(table)


def _clicks(volume: np.ndarray, wrong: np.ndarray, goal: float) -> int:
    """How many lesions are clicked, the largest first."""
    left = np.sort(volume[wrong])[::-1]
    return int(np.argmax(left.sum() - np.cumsum(np.concatenate([[0], left])) <= goal))


if __name__ == "__main__":
    main()
