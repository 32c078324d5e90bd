"""Sites of few patients from their start to the tenth session, many times over: what goes live, what it gains, what it costs.

A site has two, three, four or ten patients, phantoms as its scanner shows them (contrast, coil fall-off and noise are drawn for
each site), and a live version of one small network that learnt three phantoms of the plain scanner. In the first session each
patient's first scan is labelled, in each later one another visit of one patient. A reader's label is the truth, somewhat larger
or smaller at sites with such a reader, and one in eight is flipped or moved. All else is the product's own session with its usual
settings: quarantine, hold-out, patients left out in turn, gate, lineage. After each session the new version, also a rejected one,
is measured on scans that nobody handed in: four as the site's scanner shows other patients, and four of the plain scanner. Both
against the truth ("site", "plain"), the former also against what the site's reader would have drawn ("drawn"): what the gate
promises of the hold-out can hold for that alone, since all that it knows of such scans are the reader's labels.

So that many sites can be played, scans and the gate's seven phantoms are small, networks see their pixels of 2.1 mm as they are
and make forty steps in a session, versions have no engine file, no pictures are drawn, and all work is done in this process.
Results are one JSON file a site in the working folder: a killed run goes on.

    PYTHONPATH=apps/vhi python benchmarks/simulated_sites.py WORK [--seeds N] [--sessions N]
"""

from __future__ import annotations

import argparse
import json
import shutil
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor, Future
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
import torch
from rich.console import Console
from rich.table import Table
from scipy import ndimage

from lib.core.disease_region import dice, segment_disease_region
from lib.core.normalise import TRAINING_PIXEL_SPACING_MM, NetworkFrame
from lib.core.volume import Mask, Volume
from lib.errors import InputError, VhiError
from lib.files import write_atomically
from lib.nets.augment import Augmentation
from lib.nets.fit import Slices, fit
from lib.nets.recipes import Recipe
from lib.nets.weights import load_members, pack
from lib.phantom.study import PhantomStudy, make_phantom
from lib.provenance import now
from lib.readings.data_folder import make_folder
from lib.readings.store import ReadingStore, stored_segment
from lib.readings.submission import Submission
from lib.retraining import candidate_version, jobs, phantom_regression, retraining_session
from lib.retraining.config import TrainConfig, TrainOptions
from lib.retraining.holdout import PATIENTS
from lib.retraining.patients import StudyCases
from lib.retraining.phantom_regression import phantom_regression_cases
from lib.retraining.prepare import prepare
from lib.retraining.retraining_folder import RetrainingFolder
from lib.studies.nifti import write_mask, write_scan
from lib.studies.pairing import CaseFinder
from lib.versions import Manifest, TrainingCase, publish, read_version
from lib.versions.site import models_in_use

SIZES = (2, 3, 4, 10)
SHAPE = (96, 96, 6)
PIXEL_MM = 200 / 96
STEPS = 40
# the widest of the gate's margins
BOUND = TrainConfig().train_sentinel_margin
REGION = "disease region"
# seeds of phantoms: of visits, each another anatomy; and of unseen scans, as shown by the scanner of the site and the plain one
VISITS, UNSEEN = range(1000, 1030), (range(2000, 2004), range(2004, 2008))
SETS = ("site", "drawn", "plain")
Look = Callable[[PhantomStudy], Volume]
# T1W, and by set what its region is
Scan = tuple[Volume, dict[str, np.ndarray]]


class InThisProcess(Executor):
    """Does each job when it is handed in."""

    def submit(self, job: Callable[..., Any], /, *given: Any, **named: Any) -> Future[Any]:
        done: Future[Any] = Future()
        try:
            done.set_result(job(*given, **named))
        except Exception as error:
            done.set_exception(error)
        return done


@cache
def phantom(seed: int) -> PhantomStudy:
    """Sites show the same anatomies, each as its own scanner and readers do."""
    return make_phantom(seed, SHAPE)


def small_reference(seed: int) -> tuple[Volume, Mask]:
    return phantom(seed).t1w, phantom(seed).disease_region


@contextmanager
def smaller() -> Iterator[None]:
    """The product's sessions with less to compute, as the docstring says."""
    with patch.object(phantom_regression, "reference_phantom", small_reference):
        small_cases = list(phantom_regression_cases())
    frame_of = NetworkFrame.of.__func__  # type: ignore[attr-defined]

    def own_pixels(cls: type[NetworkFrame], t1w: Volume, *, air: bool = False) -> NetworkFrame:
        frame: NetworkFrame = frame_of(cls, t1w, PIXEL_MM, air=air)
        return frame

    @contextmanager
    def in_this_process(count: int) -> Iterator[Executor]:
        yield InThisProcess()

    with (
        patch.object(retraining_session, "processes", in_this_process),
        patch.object(jobs, "phantom_regression_cases", lambda: iter(small_cases)),
        patch.object(NetworkFrame, "of", classmethod(own_pixels)),
        patch.object(jobs, "_drawn_slice", lambda *slice_of: b""),
        patch.object(jobs, "load_members", load_members),
        patch.object(candidate_version, "publish_networks", publish),
    ):
        yield


@dataclass
class Site:
    """A folder of studies with a data folder; `look` is how its scanner shows a phantom."""

    folder: Path
    shipped: Path
    look: Look

    @property
    def data(self) -> Path:
        return self.folder / ".vhi"

    def label(self, case_id: str, study: PhantomStudy, drawn: np.ndarray) -> None:
        """Scans of a case, and a reader's region of it."""
        for contrast in ("T1W", "STIR"):
            write_scan(self.folder / f"{case_id}_{contrast}.nii.gz", self.look(study))

        def write(folder: Path, number: int) -> Submission:
            region = Mask(drawn, study.grid, REGION)
            write_mask(folder / "disease_region.nii.gz", region)
            segment = stored_segment(REGION, folder / "disease_region.nii.gz", region.voxels)
            return Submission(case_id, number, "reader", 1, "semi-automatic", now(), (segment,))

        ReadingStore(self.data).append(case_id, "reader", write)

    def learn(self, seed: int) -> dict[str, Any]:
        """A session; `state` "none" where there was nothing to learn."""
        cases = StudyCases.of(self.data, CaseFinder(self.folder))
        try:
            prepare(
                ReadingStore(self.data, read_only=True),
                cases,
                self.shipped,
                code_version="0",
                config=TrainConfig(),
                options=TrainOptions(steps=STEPS, seed=seed),
            )
        except InputError as error:
            return {"state": "none", "live": False, "reasons": [str(error)]}
        return retraining_session.run(self.data)

    def measured(self, version: str) -> dict[str, Any]:
        """What the gate measured of a version, case by case."""
        gate = read_version(models_in_use(self.data, self.shipped), version).manifest.gate
        return {} if gate is None else {"cases": gate["cases"]}

    def dice(self, scans: Sequence[Scan], version: str | None = None) -> dict[str, float]:
        """Mean 3-D Dice by set, of a version or of what is live, as a server answers."""
        members = load_members(models_in_use(self.data, self.shipped), version)
        dices_of: dict[str, list[float]] = {name: [] for name in SETS}
        for t1w, wanted in scans:
            try:
                region = segment_disease_region(t1w, members).mask.data
            except VhiError:
                region = np.zeros(t1w.data.shape, bool)
            for name, truth in wanted.items():
                dices_of[name].append(dice(region, truth))
        return {name: float(np.mean(dices)) for name, dices in dices_of.items()}


def start(root: Path) -> Path:
    """The version that all sites begin with."""
    if not root.exists():
        recipe = Recipe(
            "tiny", steps=300, batch=4, learning_rate=5e-3, widths=(16, 32, 64), shuffle=4,
            augmentation=Augmentation(rotation_deg=8.0, elastic=0.01),
        )  # fmt: skip
        learnt = [make_phantom(seed, SHAPE) for seed in (1, 2, 3)]
        slices = Slices.of([(one.t1w, one.disease_region) for one in learnt], recipe.multiple)
        net = fit(recipe, 0, slices, root.parent / "start")
        manifest = Manifest(
            version="tiny-1", created="2026-01-01T00:00:00+00:00", code_version="0", sha256="", network=recipe.layout(),
            members=1, pixel_spacing_mm=TRAINING_PIXEL_SPACING_MM, recipes=[recipe.as_dict()], seeds=[0],
            training_cases=[TrainingCase(f"start-{n}", f"{n}") for n in range(3)], flip=False,
        )  # fmt: skip
        publish(root, manifest, pack([net]))
    return root


def look_of(rng: np.random.Generator) -> Look:
    """How a site's scanner shows a phantom's T1W."""
    power, fall, noise = rng.uniform(0.75, 1.3), rng.uniform(-0.5, 0.5), rng.uniform(0, 0.04)

    def shown(study: PhantomStudy) -> Volume:
        data = np.clip(study.t1w.data, 0, None)
        bright = float(np.percentile(data, 99))
        ramp = np.exp(fall * np.linspace(-1, 1, data.shape[0]))[:, None, None]
        grains = np.random.default_rng(study.seed).normal(0, noise * bright, data.shape)
        return replace(study.t1w, data=np.abs(bright * (data / bright) ** power * ramp + grains).astype(np.float32))

    return shown


def drawn_by(rng: np.random.Generator, habit: int, truth: np.ndarray) -> np.ndarray:
    """A reader's label: as is their habit; one in eight is flipped, or moved by 3 pixels."""
    drawn = by_habit(habit, truth)
    if rng.random() < 1 / 8:
        return np.flip(drawn, int(rng.integers(3))) if rng.random() < 0.5 else np.roll(drawn, 3, int(rng.integers(2)))
    return drawn


def by_habit(habit: int, truth: np.ndarray) -> np.ndarray:
    """The truth, grown or shrunk in every slice."""
    around = ndimage.generate_binary_structure(2, 1)[:, :, None]
    change = {-1: ndimage.binary_erosion, 1: ndimage.binary_dilation}.get(habit)
    return truth if change is None else np.asarray(change(truth, around))


def played(work: Path, shipped: Path, patients: int, seed: int, sessions: int) -> dict[str, Any]:
    """One site from its start to its last session, from its file or played now."""
    path = work / f"site-{patients}-{seed}.json"
    if path.exists():
        stored: dict[str, Any] = json.loads(path.read_text())
        return stored
    began = time.process_time()
    folder = work / f"site-{patients}-{seed}"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    rng = np.random.default_rng([patients, seed])
    site = Site(folder, shipped, look_of(rng))
    habit = int(rng.integers(-1, 2))
    visits = iter(rng.permutation(VISITS))
    other, plain = (tuple(map(phantom, seeds)) for seeds in UNSEEN)
    unseen: list[Scan] = [
        *(
            (site.look(one), {"site": truth, "drawn": by_habit(habit, truth)})
            for one in other
            for truth in [one.disease_region.data]
        ),
        *((one.t1w, {"plain": one.disease_region.data}) for one in plain),
    ]
    make_folder(RetrainingFolder(site.data).root)
    table = RetrainingFolder(site.data).root / PATIENTS
    lines = ["case,patient"]
    rounds = [{"state": "start", "live": True} | site.dice(unseen)]
    for n in range(sessions):
        for patient in range(patients) if n == 0 else [int(rng.integers(patients))]:
            case_id, study = f"s{seed}p{patient}v{n}", phantom(int(next(visits)))
            lines.append(f"{case_id},s{seed}p{patient}")
            table.write_text("\n".join(lines) + "\n")
            site.label(case_id, study, drawn_by(rng, habit, study.disease_region.data))
        result = site.learn(n)
        facts = {name: result.get(name) for name in ("state", "live", "reasons", "compared", "holdout", "learnt", "held")}
        version = result.get("version")
        rounds.append(facts | (site.measured(version) | site.dice(unseen, version) if version else {}))
    result = {
        "patients": patients,
        "seed": seed,
        "habit": habit,
        "rounds": rounds,
        "cpu_s": round(time.process_time() - began, 1),
    }
    write_atomically(path, (json.dumps(result, indent=1) + "\n").encode())
    shutil.rmtree(folder)
    return result


def row(sites: Sequence[dict[str, Any]]) -> list[str]:
    """Of all sites of a size: hold-outs, publications, mean gain at the end by set; by set how far what went live lay below the
    best version that was live before on the same scans, at worst, and how often beyond the bound."""
    published, gains, behind = 0, [], dict[str, list[float]]()
    for site in sites:
        live = [one for one in site["rounds"] if one["live"]]
        published += len(live) - 1
        gains.append([live[-1][name] - live[0][name] for name in SETS])
        for name in SETS:
            reached = [one[name] for one in live]
            behind.setdefault(name, []).extend(after - max(reached[:n]) for n, after in enumerate(reached) if n)
    held_out = sum(any(one.get("holdout") for one in site["rounds"]) for site in sites)
    went_live = sum(any(one["live"] for one in site["rounds"][1:]) for site in sites)
    sessions = sum(len(site["rounds"]) - 1 for site in sites)
    return [
        str(sites[0]["patients"]), str(len(sites)), str(held_out), f"{published} of {sessions}", str(went_live),
        *(f"{gain:+.4f}" for gain in np.mean(gains, axis=0)),
        *(f"{min(moved):+.4f}, {sum(change < -BOUND for change in moved)}" if moved else "-" for moved in behind.values()),
    ]  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("work", type=Path)
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--sessions", type=int, default=10)
    asked = parser.parse_args()
    torch.set_num_threads(1)
    asked.work.mkdir(parents=True, exist_ok=True)
    sites: dict[int, list[dict[str, Any]]] = {patients: [] for patients in SIZES}
    with smaller():
        shipped = start(asked.work / "shipped" / "disease_region")
        for seed in range(asked.seeds):
            for patients, played_sites in sites.items():
                played_sites.append(played(asked.work, shipped, patients, seed, asked.sessions))
                print(f"seed {seed}, {patients} patients: {played_sites[-1]['cpu_s']} CPU s", flush=True)
    titles = (
        "patients", "sites", "with hold-out", "published", "sites with one", *(f"gain: {name}" for name in SETS),
        *(f"below best, beyond {BOUND:g}: {name}" for name in SETS),
    )  # fmt: skip
    table = Table(*titles, title=f"Unseen scans, Dice; {asked.sessions} sessions a site")
    for played_sites in sites.values():
        table.add_row(*row(played_sites))
    Console(width=180).print(table)
    print(f"{sum(one['cpu_s'] for played_sites in sites.values() for one in played_sites) / 60:.1f} CPU minutes")


if __name__ == "__main__":
    main()
