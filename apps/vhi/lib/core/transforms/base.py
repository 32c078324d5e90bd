"""What every post-transform is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from ..setting import check_settings
from ..volume import Grid

KEYS = ("grade",)


@dataclass(frozen=True)
class PostTransform:
    """Base of the post-transforms: replaces the grade maps in a dictionary.

    The dictionary holds ``grade`` ((I, J, K) uint8, 0/1/2), ``disease_region`` ((I, J, K) bool) and ``grid`` (Grid).
    Lower `order` runs first.
    """

    order: ClassVar[int] = 0
    keys: ClassVar[tuple[str, ...]] = KEYS

    def __post_init__(self) -> None:
        check_settings(self)

    def __call__(self, data: Mapping[str, Any]) -> dict[str, Any]:
        changed = {key: self.apply(data[key], data["grid"], data["disease_region"]) for key in self.keys if key in data}
        return {**data, **changed}

    def apply(self, grade: np.ndarray, grid: Grid, disease_region: np.ndarray) -> np.ndarray:
        """The new `(I, J, K)` uint8 grade map; the given one is not changed."""
        raise TypeError(f"{type(self).__name__} does not say what it does to a grade map.")
