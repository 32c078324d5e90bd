"""Imported once by the process that the tests' training processes are forked from: torch, and small phantoms for the gate."""

from __future__ import annotations

import gc
import os
from functools import partial
from pathlib import Path

import skimage.measure  # noqa: F401

import lib.nets.pool_imports  # noqa: F401 (as for the training processes of a site)
from lib.retraining import phantom_regression, retraining_session  # noqa: F401 (brings torch)
from pooling import PHANTOMS, small_reference

phantom_regression.reference_phantom = partial(small_reference, Path(os.environ[PHANTOMS]))
gc.freeze()
