"""Training processes of the tests start in a moment: forked from one that has imported torch, instead of importing it each.

The gate's phantoms, which depend on their seed alone, are made once for all of them, and smaller than the gate's own.
"""

from __future__ import annotations

import os
import pickle
from multiprocessing import forkserver, get_context
from pathlib import Path
from typing import Any

import pytest

from lib.phantom.study import PhantomStudy, make_phantom
from lib.retraining.phantom_regression import PROTOCOLS, SEEDS

TESTS = Path(__file__).parent
PHANTOMS = "VHI_TESTS_PHANTOMS"
# of those that the tests' networks learn; the gate's own take three times as long to measure
SHAPE = (112, 112, 9)


def made_once(folder: Path, seed: int, shape: tuple[int, int, int]) -> PhantomStudy:
    """The phantom of a seed in `SHAPE`, made by the first process that asks and kept in a folder for the others."""
    path = folder / f"{seed}.pickle"
    if not path.exists():
        part = path.with_suffix(f".{os.getpid()}")
        part.write_bytes(pickle.dumps(make_phantom(seed, SHAPE)))
        part.replace(path)
    study: PhantomStudy = pickle.loads(path.read_bytes())
    return study


def make_ahead(folder: Path, shape: tuple[int, int, int]) -> Path:
    """Make the gate's phantoms in a shape of their own, for processes whose environment names the folder."""
    for seed in range(SEEDS[0], SEEDS[-1] + len(PROTOCOLS) + 1):
        (folder / f"{seed}.pickle").write_bytes(pickle.dumps(make_phantom(seed, shape)))
    return folder


def environment_of(phantoms: Path) -> dict[str, str]:
    """The environment of a process that imports `preloaded.py`, with phantoms kept in a folder."""
    searched = os.pathsep.join((str(TESTS.parent / "apps" / "vhi"), str(TESTS)))
    return {"PYTHONPATH": searched, "OMP_NUM_THREADS": "1", PHANTOMS: str(phantoms)}


def forking(phantoms: Path) -> Any:
    """The context of processes that are forked from one that imports `preloaded.py`; that one ends with this one."""
    found = get_context("forkserver")
    found.set_forkserver_preload(["preloaded"])
    with pytest.MonkeyPatch.context() as patched:
        for name, value in environment_of(phantoms).items():
            patched.setenv(name, value)
        forkserver.ensure_running()
    return found
