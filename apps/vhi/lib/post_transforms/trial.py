"""A chain tried once on a small grade map, so that what cannot work is refused before anything is measured."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..core.chain import Chain
from ..core.volume import Grid
from ..errors import SettingsError
from .outcome import check_outcome

# pixels of 0.7 mm, slices 3.3 mm apart, as in the published protocol
_GRID = Grid((24, 20, 4), np.diag([0.7, 0.7, 3.3, 1.0]))


def example() -> tuple[np.ndarray, np.ndarray]:
    """A grade map with what steps treat differently, and a disease region around it; `(24, 20, 4)` uint8 and bool.

    Groups of 1, 3 and 4 pixels, pixels joined by corners alone, a ring with a hole, one closed by corners alone, and a lesion of
    both grades through three slices.
    """
    grade = np.zeros(_GRID.shape, dtype=np.uint8)
    grade[2, 2, 0] = 1
    grade[2:5, 5, 0] = 1
    grade[2:4, 9:11, 0] = 2
    for n in range(4):
        grade[8 + n, 2 + n, 1] = 1
    grade[14:17, 2:5, 1] = 2
    grade[15, 3, 1] = 0
    for i, j in ((9, 10), (10, 9), (10, 11), (11, 10)):
        grade[i, j, 2] = 1
    grade[15:21, 10:16, 1:4] = 1
    grade[16:20, 11:15, 1:4] = 2
    region = np.zeros(_GRID.shape, dtype=bool)
    region[1:22, 1:18] = True
    return grade, region


def check_trial(chain: Chain, source: str) -> None:
    """Run a chain on the example, and on a map without any inflammation.

    Raises
    ------
    SettingsError
        A step fails, or makes of it what no chain may make.
    """
    grade, region = example()
    for start in (grade, np.zeros_like(grade)):
        data: dict[str, Any] = {"grade": start, "grid": _GRID, "disease_region": region}
        for number, step in enumerate(chain.steps, start=1):
            before = data["grade"]
            data = step(data)
            check_outcome(before, data["grade"], region, f"{source}, step {number}")
    again: dict[str, Any] = {"grade": grade, "grid": _GRID, "disease_region": region}
    first = _through(chain, again)
    if not np.array_equal(first, _through(chain, again)):
        raise SettingsError(f"{source} gives another map each time; a chain may draw nothing at random.")


def _through(chain: Chain, data: dict[str, Any]) -> np.ndarray:
    for step in chain.steps:
        data = step(data)
    grade: np.ndarray = data["grade"]
    return grade
