"""Phantoms that several files of tests read are made once in a run, by the process that asks first; making one takes seconds."""

from __future__ import annotations

import os
import pickle
from pathlib import Path

from lib.phantom.study import PhantomStudy, make_phantom

FOLDER = "VHI_TESTS_MADE_PHANTOMS"  # where they are kept; benchmarks name none, and make each


def phantom_once(seed: int, shape: tuple[int, int, int]) -> PhantomStudy:
    """The phantom that `make_phantom` makes of a seed, in a shape `(I, J, K)`."""
    if FOLDER not in os.environ:
        return make_phantom(seed, shape)
    path = Path(os.environ[FOLDER]) / f"{seed}-{'-'.join(map(str, shape))}.pickle"
    if not path.exists():
        part = path.with_suffix(f".{os.getpid()}")
        part.write_bytes(pickle.dumps(make_phantom(seed, shape)))
        part.replace(path)
    study: PhantomStudy = pickle.loads(path.read_bytes())
    return study
