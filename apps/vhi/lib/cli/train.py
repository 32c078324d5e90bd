"""`train`: an ensemble from a folder of labelled scans.

Networks are trained side by side in processes of one thread each, which on a CPU is faster than one process of many threads.
Each run keeps its own checkpoint under the output folder, so the command can be killed and given again.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from lib.cli.ensemble import MODEL_DIR
from lib.cli.provenance import code_version

if TYPE_CHECKING:
    from multiprocessing.queues import Queue

    from lib.core.volume import Mask, Volume
    from lib.nets.fit import Progress, Recipe
    from lib.studies.labelled import Case, LabelledData

FOLDS = 4
# A fold answers "how good is such a network on unseen subjects" and is not shipped; it may be shorter.
FOLD_STEPS = 1200


def train(
    data: Annotated[Path, typer.Option(help="Folder of labelled scans (layouts: docs/model-card.md).", exists=True)],
    out: Annotated[Path, typer.Option(help="Working folder: checkpoints, learning curves, pseudo-labels. Resumed if not empty.")],
    model_dir: Annotated[Path, typer.Option(help="Model folder that receives the new version.")] = MODEL_DIR,
    recipe: Annotated[str, typer.Option(help="quick (minutes) or paper (the published recipe; hours).")] = "quick",
    folds: Annotated[bool, typer.Option("--folds", help="Also measure by four-fold cross-validation over subjects.")] = False,
    version: Annotated[str | None, typer.Option(help="Id of the new version; by default recipe and time.")] = None,
    parent: Annotated[str | None, typer.Option(help="Id of the version it comes from, noted in the manifest.")] = None,
    jobs: Annotated[int, typer.Option(help="Networks trained at a time; 0 for one per core.")] = 0,
) -> None:
    """Train a disease-region ensemble of three and publish it as a new version."""
    from datetime import UTC, datetime

    from lib.errors import InputError
    from lib.nets.cpu import available_cores
    from lib.studies.labelled import find_labelled
    from lib.versions import read_version

    if recipe not in ("quick", "paper"):
        raise InputError(f"There is no recipe {recipe!r}; choose quick or paper.")
    created = datetime.now(UTC)
    version = version or f"{recipe}-{created:%Y%m%d-%H%M%S}"
    if (model_dir / "versions" / version).exists():
        raise InputError(f"Version {version} exists in {model_dir}; versions are never overwritten, choose another id.")
    if parent is not None:
        read_version(model_dir, parent)
    found = find_labelled(data)
    runs = _train_all(found, out, recipe, folds, jobs or available_cores())
    published = _publish(found, runs, model_dir, version, parent, created.isoformat(timespec="seconds"))
    typer.echo(f"Version {version} is live: {published}")


@dataclass
class Run:
    """One network to train: its folder, recipe and seed, and the cases that it learns and is measured on."""

    folder: Path
    recipe: Recipe
    seed: int
    cases: tuple[Case, ...]
    held_out: tuple[Case, ...] = ()
    unlabelled: tuple[Case, ...] = ()
    slice_dice: dict[str, list[float]] = field(default_factory=dict)

    def __call__(self, queue: Queue[Any]) -> dict[str, list[float]]:
        """Train in this process, and return the slice Dice of the held-out cases."""
        from lib.nets.fit import Slices, fit
        from lib.nets.weights import member_of

        held_out = [_read(case) for case in self.held_out]
        pseudo = [(_read_t1w(case), _read_pseudo_label(self.folder.parent, case)) for case in self.unlabelled]
        net = fit(
            self.recipe, self.seed, Slices.of([_read(case) for case in self.cases]), self.folder,
            pseudo=Slices.of(pseudo) if pseudo else None,
            validation=Slices.of(held_out) if held_out else None,
            report=lambda progress: queue.put((self.folder.name, progress)),
        )  # fmt: skip
        return _slice_dice([member_of(net)], self.held_out)


def _train_all(found: LabelledData, out: Path, recipe: str, folds: bool, jobs: int) -> dict[str, Run]:
    """Teachers, then the student that also learns their masks of the unlabelled scans, and the folds beside it."""
    import os
    from concurrent.futures import ProcessPoolExecutor
    from dataclasses import replace
    from multiprocessing import active_children, get_context
    from threading import Thread

    from lib.nets.fit import PAPER, QUICK, STUDENT

    base = PAPER if recipe == "paper" else QUICK
    student = recipe == "quick" and bool(found.unlabelled)
    runs = [Run(out / f"member{seed}", base, seed, found.study) for seed in range(2 if student else 3)]
    later = [Run(out / "member2", STUDENT, 2, found.study, unlabelled=found.unlabelled)] if student else []
    if folds:
        steps = FOLD_STEPS if recipe == "quick" else base.steps
        fold_recipe = replace(base, name=f"{base.name}-fold", steps=steps)
        for n in range(min(FOLDS, len(found.study))):
            held_out = found.study[n::FOLDS]
            rest = tuple(case for case in found.study if case not in held_out)
            later.append(Run(out / f"fold{n}", fold_recipe, 0, rest, held_out))

    # a long-lived training process wants its freed memory kept: page faults cost as much as the arithmetic
    os.environ |= {"MALLOC_MMAP_MAX_": "0", "MALLOC_TRIM_THRESHOLD_": "100000000000"}
    spawn = get_context("spawn")
    with (
        spawn.Manager() as manager,
        ProcessPoolExecutor(jobs, mp_context=spawn, initializer=_one_thread) as pool,
    ):
        queue: Any = manager.Queue()
        names = {run.folder.name: run.recipe.steps for run in runs + later}
        display = Thread(target=_show_progress, args=(queue, names), daemon=True)
        display.start()
        try:
            for batch in (runs, later):
                if batch is later and student:
                    _write_pseudo_labels(found.unlabelled, [run.folder for run in runs], base, out)
                futures = [pool.submit(run, queue) for run in batch]
                for run, future in zip(batch, futures, strict=True):
                    run.slice_dice = future.result()
        except BaseException:
            queue.put(None)
            display.join()
            # without this the pool would wait hours for the other networks; their checkpoints stay
            for process in active_children():
                process.terminate()
            raise
        queue.put(None)
        display.join()
    return {run.folder.name: run for run in runs + later}


def _one_thread() -> None:
    """For a worker that has not imported torch yet."""
    import os

    os.environ["OMP_NUM_THREADS"] = "1"


def _show_progress(queue: Queue[Any], steps: dict[str, int]) -> None:
    """Bars on a terminal, lines elsewhere, until None arrives."""
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn

    console = Console()
    counter = TextColumn("{task.completed:.0f}/{task.total:.0f} {task.fields[text]}")
    with Progress(
        TextColumn("{task.description:8}"), BarColumn(), counter, console=console, disable=not console.is_terminal
    ) as bars:
        tasks = {name: bars.add_task(name, total=total, text="waiting", visible=False) for name, total in steps.items()}
        while (message := queue.get()) is not None:
            name, progress = message
            bars.update(tasks[name], completed=progress.step, text=_line(progress), visible=True)
            if not console.is_terminal:
                console.print(f"{name} {progress.step}/{progress.steps} {_line(progress)}", soft_wrap=True)


def _line(progress: Progress) -> str:
    held_out = "" if progress.validation_dice != progress.validation_dice else f", held out {progress.validation_dice:.3f}"
    return f"loss {progress.loss:.3f}, soft Dice {progress.soft_dice:.3f}{held_out}, {progress.left_s / 60:.0f} min left"


def _write_pseudo_labels(cases: tuple[Case, ...], folders: list[Path], recipe: Recipe, out: Path) -> None:
    """The teachers' masks, once: a resumed run must find those it began with."""
    import io

    import numpy as np

    from lib.files import write_atomically
    from lib.nets.fit import read_trained
    from lib.nets.weights import member_of

    missing = [case for case in cases if not _pseudo_label(out, case).exists()]
    members = [member_of(read_trained(folder, recipe)) for folder in folders] if missing else []
    for case in missing:
        path = _pseudo_label(out, case)
        path.parent.mkdir(parents=True, exist_ok=True)
        content = io.BytesIO()
        np.save(content, _segment(_read_t1w(case), members).data)
        write_atomically(path, content.getvalue())


def _pseudo_label(out: Path, case: Case) -> Path:
    return out / "pseudo_labels" / f"{case.case_id}.npy"


def _read_pseudo_label(out: Path, case: Case) -> Mask:
    import numpy as np

    from lib.core.volume import Mask

    return Mask(np.load(_pseudo_label(out, case)), _read_t1w(case).grid)


def _read_t1w(case: Case) -> Volume:
    from lib.studies.nifti import read_volume

    return read_volume(case.t1w, f"T1W {case.case_id}")


def _read(case: Case) -> tuple[Volume, Mask]:
    from lib.core.volume import check_same_grid
    from lib.errors import InputError
    from lib.studies.nifti import read_mask

    if case.disease_region is None:
        raise InputError(f"{case.t1w} has no manual disease region.")
    t1w, mask = _read_t1w(case), read_mask(case.disease_region, f"disease region {case.case_id}")
    check_same_grid(t1w, mask)
    return t1w, mask


def _segment(t1w: Volume, members: list[Any]) -> Mask:
    """The members' disease region; here an empty one is an answer like any other, with a Dice of zero."""
    import numpy as np

    from lib.core.disease_region import DiseaseRegionError, segment_disease_region
    from lib.core.volume import Mask

    try:
        return segment_disease_region(t1w, members).mask
    except DiseaseRegionError:
        return Mask(np.zeros(t1w.grid.shape, dtype=bool), t1w.grid)


def _slice_dice(members: list[Any], cases: tuple[Case, ...]) -> dict[str, list[float]]:
    """Slice Dice on the original grid, of each labelled case, where it has one."""
    import numpy as np

    from lib.core.disease_region import slice_dice

    dices = {}
    for case in cases:
        t1w, mask = _read(case)
        per_slice = slice_dice(_segment(t1w, members), mask)
        dices[case.case_id] = [round(float(d), 4) for d in per_slice[~np.isnan(per_slice)]]
    return dices


def _summary(what: str, dices: dict[str, list[float]]) -> dict[str, Any] | None:
    """2-D Dice per slice: over all slices, and per case."""
    import numpy as np

    if not dices:
        return None
    every = np.concatenate(list(dices.values()))
    return {
        "what": what,
        "slices": len(every),
        "mean_slice_dice": round(float(every.mean()), 4),
        "lowest_slice_dice": round(float(every.min()), 4),
        "cases": {case: {"mean": round(float(np.mean(d)), 4), "lowest": min(d), "slices": len(d)} for case, d in dices.items()},
    }


def _publish(found: LabelledData, runs: dict[str, Run], model_dir: Path, version: str, parent: str | None, created: str) -> Path:
    """Measure the ensemble on the labelled cases that no member learnt, and add the version."""
    from lib.core.normalise import TRAINING_PIXEL_SPACING_MM
    from lib.files import sha256_of
    from lib.nets.cpu import bf16_matrix_units
    from lib.nets.fit import read_trained
    from lib.nets.weights import member_of, pack
    from lib.versions import Manifest, TrainingCase, publish

    members = [run for name, run in runs.items() if name.startswith("member")]
    nets = [read_trained(run.folder, run.recipe) for run in members]
    ensemble = [member_of(net) for net in nets]
    folds: dict[str, list[float]] = {}
    for name, run in runs.items():
        if name.startswith("fold"):
            folds |= run.slice_dice
    atypical, test = _slice_dice(ensemble, found.atypical), _slice_dice(ensemble, found.test)
    metrics = {
        "cross_validation": _summary("one network per fold, trained without the subjects it is measured on", folds),
        "atypical": _summary("this ensemble on scans with very abnormal marrow that no member learnt", atypical),
        "test": _summary("this ensemble on test scans that no member learnt", test),
    }
    recipe = members[0].recipe
    manifest = Manifest(
        version=version,
        created=created,
        code_version=code_version(),
        sha256="",
        network={"widths": list(recipe.widths), "shuffle": recipe.shuffle, "bias": recipe.bias},
        members=len(nets),
        pixel_spacing_mm=TRAINING_PIXEL_SPACING_MM,
        recipes=[run.recipe.as_dict() | {"precision": "bfloat16" if bf16_matrix_units() else "float32"} for run in members],
        seeds=[run.seed for run in members],
        training_cases=[
            TrainingCase(case.case_id, sha256_of(case.disease_region)) for case in found.study if case.disease_region is not None
        ],
        unlabelled_cases=sorted({case.case_id for run in members for case in run.unlabelled}),
        metrics=metrics,
        parent=parent,
    )
    return publish(model_dir, manifest, pack(nets)).folder
