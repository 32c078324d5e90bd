"""The service's answers: plain values, on the grid of the series that was asked for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ..core.volume import Grid

Voxel = tuple[int, int, int]


@dataclass(frozen=True, eq=False)
class Answer:
    """Labels for a viewer and facts for a reader.

    Parameters
    ----------
    labels : (I, J, K) uint8 array
        On `grid`, the grid of the series asked for.
    names : mapping
        Segment name to value, the values that are present, rising; of an empty map the name that would be.
    facts : mapping
        Ready for JSON. Always `case`, `warnings` and `messages` (lists of sentences).
    """

    labels: np.ndarray
    names: Mapping[str, int]
    grid: Grid
    facts: Mapping[str, Any] = field(repr=False)


def names_present(labels: np.ndarray, names: Mapping[str, int]) -> dict[str, int]:
    """The names whose value occurs in `labels`, `(I, J, K)` whole numbers, by value; the first name alone where none does."""
    present = {name: value for name, value in sorted(names.items(), key=lambda item: item[1]) if (labels == value).any()}
    return present or dict(sorted(names.items(), key=lambda item: item[1])[:1])
