"""Imported once by the process that the tests' training processes are forked from: torch, and small phantoms for the gate."""

from __future__ import annotations

import gc
import os
from functools import partial
from pathlib import Path

import skimage.measure  # noqa: F401
import torch._dynamo  # noqa: F401 (which the first optimiser of a process imports, in a second)

from lib.retraining import phantom_regression, retraining_session  # noqa: F401 (brings torch)
from pooling import PHANTOMS, small_reference

phantom_regression.reference_phantom = partial(small_reference, Path(os.environ[PHANTOMS]))
gc.freeze()
