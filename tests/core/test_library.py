"""scipy.ndimage loaded in the quick way."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow  # seconds in all

APP = Path(__file__).parents[2] / "apps" / "vhi"
LISTED = (
    "import json, numpy as np; from scipy._lib._array_api import FunctionDoc; from scipy import stats\n"
    "named = {name: getattr(ndimage, name) for name in ndimage.__all__}\n"
    "a = np.random.default_rng(0).random((6, 7, 8))\n"
    "computed = [ndimage.label(a > 0.5)[0].tolist(), ndimage.gaussian_filter(a, 1.5).tolist(), ndimage.zoom(a, 2).tolist(),\n"
    "            ndimage.rotate(a, 20).tolist(), ndimage.grey_closing(a, 3).tolist()]\n"
    "np.testing.assert_allclose(1, 1)\n"
    "print(json.dumps([sorted(named), {n: f.__module__ for n, f in named.items()}, computed, FunctionDoc.__module__,\n"
    "                  'Notes' in stats.norm.fit.__doc__ or stats.ttest_ind.__doc__.count('Array API')]))"
)


def told(way: str) -> list[object]:
    """The answer of a new process about scipy.ndimage that it imported this way."""
    done = subprocess.run([sys.executable, "-c", f"{way}\n{LISTED}"], cwd=APP, capture_output=True, text=True, check=True)
    return json.loads(done.stdout)


def test_functions_and_numbers_are_those_of_scipy_and_its_parser_is_back_afterwards():
    assert told("from lib.core.library import ndimage") == told("from scipy import ndimage")
