"""Training processes of the tests start in a moment: forked from one that has imported torch, instead of importing it each.

Instead of the gate's phantoms they read smaller ones, which are made once for all of them.
"""

from __future__ import annotations

import os
import pickle
from collections.abc import Callable
from dataclasses import replace
from multiprocessing import forkserver, get_context
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lib.core.normalise import TRAINING_PIXEL_SPACING_MM
from lib.core.volume import Grid
from lib.phantom.study import PhantomStudy
from lib.retraining.phantom_regression import REFERENCE_SEEDS, Scan
from phantoms_once import phantom_once

TESTS = Path(__file__).parent
PHANTOMS = "VHI_TESTS_PHANTOMS"
Maker = Callable[[int, tuple[int, int, int]], PhantomStudy]
# of those that the tests' networks learn; the gate's own take three times as long to measure
SHAPE = (112, 112, 9)


def fine_phantom(seed: int, shape: tuple[int, int, int] = SHAPE) -> PhantomStudy:
    """A phantom of a body so small that its pixels are those of the networks, which else would see three times as many each way."""
    study = phantom_once(seed, shape)
    to_fine = np.diag([*(TRAINING_PIXEL_SPACING_MM / np.array(study.grid.spacing_mm[:2])), 1.0, 1.0])
    grid = Grid(study.grid.shape, study.grid.affine @ to_fine)
    parts = ("t1w", "stir", "disease_region", "normal_bone", "vessels")
    return replace(study, **{name: replace(getattr(study, name), grid=grid) for name in parts})


def small_reference(folder: Path, seed: int) -> Scan:
    """T1W and region of the phantom of a seed in `SHAPE`, made by the first process that asks and kept in a folder for the others."""
    path = folder / f"{seed}.pickle"
    if not path.exists():
        part = path.with_suffix(f".{os.getpid()}")
        part.write_bytes(pickle.dumps(fine_phantom(seed)))
        part.replace(path)
    study: PhantomStudy = pickle.loads(path.read_bytes())
    return study.t1w, study.disease_region


def make_ahead(folder: Path, shape: tuple[int, int, int], make: Maker = fine_phantom) -> Path:
    """Make the gate's phantoms in a shape of their own, for processes whose environment names the folder."""
    for seed in REFERENCE_SEEDS:
        (folder / f"{seed}.pickle").write_bytes(pickle.dumps(make(seed, shape)))
    return folder


def environment_of(phantoms: Path) -> dict[str, str]:
    """The environment of a process that imports `preloaded.py`, with phantoms kept in a folder."""
    searched = os.pathsep.join((str(TESTS.parent / "apps" / "vhi"), str(TESTS)))
    return {"PYTHONPATH": searched, "OMP_NUM_THREADS": "1", PHANTOMS: str(phantoms)}


def server_environment_of(phantoms: Path) -> dict[str, str]:
    """The environment of a server whose training processes read the gate's phantoms from a folder."""
    searched = (str(TESTS.parent / "apps" / "vhi"), str(TESTS / "kept_phantoms"), str(TESTS))
    return {"PYTHONPATH": os.pathsep.join(searched), PHANTOMS: str(phantoms)}


def forking(phantoms: Path) -> Any:
    """The context of processes that are forked from one that imports `preloaded.py`; that one ends with this one."""
    context = get_context("forkserver")
    context.set_forkserver_preload(["preloaded"])
    with pytest.MonkeyPatch.context() as patched:
        for name, value in environment_of(phantoms).items():
            patched.setenv(name, value)
        forkserver.ensure_running()
    return context
