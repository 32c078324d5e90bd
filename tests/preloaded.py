"""Imported once by the process that the tests' training processes are forked from: torch, and the gate's phantoms as they are kept."""

from __future__ import annotations

import os
from functools import partial
from pathlib import Path

from lib.retraining import phantom_regression, retraining_session  # noqa: F401 (brings torch)
from pooling import PHANTOMS, made_once

phantom_regression.make_phantom = partial(made_once, Path(os.environ[PHANTOMS]))
