"""From submitted labels to a published version: how long a whole session takes with the shipped networks and the full recipe.

A site of phantoms of the published protocol: readers hand in the true regions of some cases, one more case is held out. Then a
session as the server has it: copy, check, fine-tune every member of the live version, measure the old and the new ensemble,
decide, publish. No web in it: handing in takes seconds beside this. `cpu` is the time of all processes, which a busy machine
changes little; `wall` is what it took here and now.

    PYTHONPATH=apps/vhi python benchmarks/retraining.py [--cases N] [--jobs N] [--steps N]
"""

from __future__ import annotations

import argparse
import os
import resource
import tempfile
import time
from pathlib import Path

from rich.console import Console
from rich.table import Table

from lib import fork_server
from lib.cli.ensemble import MODEL_DIR
from lib.phantom.study import PhantomStudy, make_phantom
from lib.readings.store import ReadingStore, now, stored_segment
from lib.readings.submission import Submission
from lib.retraining.candidates import REGION
from lib.retraining.config import TrainConfig, TrainOptions
from lib.retraining.holdout import HoldOut
from lib.retraining.patients import StudyCases
from lib.retraining.prepare import prepare
from lib.retraining.retraining_folder import RetrainingFolder
from lib.retraining.retraining_session import run
from lib.studies.nifti import write_mask, write_scan
from lib.studies.pairing import CaseFinder


def names_of(data: Path, share: float, learnt: int) -> list[str]:
    """The first case names that the hold-out rule lets be learnt, and the first that it holds out."""
    rule = HoldOut(RetrainingFolder(data).root, share)
    sides: dict[str, list[str]] = {"train": [], "holdout": []}
    for name in (f"case-{n}" for n in range(1000)):
        sides[rule.side(name, str)].append(name)
    return sides["train"][:learnt] + sides["holdout"][:1]


def hand_in(store: ReadingStore, studies: Path, name: str, phantom: PhantomStudy) -> None:
    """A case among the studies, and a reader's label of it."""
    write_scan(studies / f"{name}_T1W.nii.gz", phantom.t1w)
    write_scan(studies / f"{name}_STIR.nii.gz", phantom.stir)

    def write(folder: Path, number: int) -> Submission:
        path = folder / "disease_region.nii.gz"
        write_mask(path, phantom.disease_region)
        segments = (stored_segment(REGION, path, phantom.disease_region.voxels),)
        return Submission(name, number, "reader", 1, "semi-automatic", now(), segments)

    store.append(name, "reader", write)


def cpu_s() -> float:
    """Of this process, of all that it waited for, and of the forks that trained."""
    fork_server.end()
    return sum(
        used.ru_utime + used.ru_stime for used in map(resource.getrusage, (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cases", type=int, default=2, help="new labels that are learnt")
    parser.add_argument("--jobs", type=int, default=2, help="networks trained at a time")
    parser.add_argument("--steps", type=int, help="of each network, instead of the usual ones")
    asked = parser.parse_args()
    # the pool's processes import this script, and torch with it, before the pool can tell them: two threads each would wait for
    # each other most of the time
    os.environ["OMP_NUM_THREADS"] = "1"
    config, options = TrainConfig(train_jobs=asked.jobs), TrainOptions(steps=asked.steps)
    entered: dict[str, float] = {}

    def note(said: dict[str, object]) -> None:
        entered.setdefault(str(said["state"]), time.perf_counter())

    with tempfile.TemporaryDirectory() as place:
        studies = Path(place)
        store = ReadingStore(studies / ".vhi")
        for seed, name in enumerate(names_of(store.root, config.train_holdout, asked.cases), start=1):
            hand_in(store, studies, name, make_phantom(seed))
        begun, cpu_begun = time.perf_counter(), cpu_s()
        cases = StudyCases.of(store.root, CaseFinder(studies))
        prepare(store, cases, MODEL_DIR, code_version="0", config=config, options=options)
        result = run(store.root, on_progress=lambda said: note(dict(said)))
        ended = time.perf_counter()
    print(f"{asked.cases} new cases, {result['steps']} steps, {asked.jobs} networks at a time")
    table = Table("step", "wall s", box=None)
    marks = [("copying", begun), *entered.items()]
    for (what, at), (_, until) in zip(marks, [*marks[1:], ("", ended)], strict=True):
        table.add_row(what, f"{until - at:.1f}")
    console = Console()
    console.print(table)
    console.print(f"{result['state']}: {'; '.join(result['reasons']) or 'no worse than the live version'}", highlight=False)
    console.print(f"wall {(ended - begun) / 60:.1f} min, cpu {(cpu_s() - cpu_begun) / 60:.1f} min", highlight=False)


if __name__ == "__main__":
    main()
