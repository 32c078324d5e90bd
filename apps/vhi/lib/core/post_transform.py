"""The base of every post-transform."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from .setting import check_settings, settings_of
from .volume import Grid

KEYS = ("grade",)
# where public names of the post-transforms live: as a chain's file writes them
NAMESPACE = "vhi.transforms"


@dataclass(frozen=True)
class PostTransform:
    """Base of the post-transforms: replaces the grade maps in a dictionary.

    The dictionary holds ``grade`` ((I, J, K) uint8, 0/1/2), ``disease_region`` ((I, J, K) bool) and ``grid`` (Grid).
    Lower `order` runs first. `switch` names the setting without which nothing is done; None for one that always does something.
    """

    order: ClassVar[int] = 0
    keys: ClassVar[tuple[str, ...]] = KEYS
    switch: ClassVar[str | None] = None

    def __post_init__(self) -> None:
        check_settings(self)

    @property
    def is_on(self) -> bool:
        """Whether it does anything, with these settings."""
        return self.switch is None or bool(getattr(self, self.switch))

    @classmethod
    def argument_names(cls) -> tuple[str, ...]:
        """Its settings as arguments of a step that is named in a chain: all but a tick box that switches it on."""
        return tuple(
            setting.name for setting in settings_of(cls) if not (setting.name == cls.switch and isinstance(setting.default, bool))
        )

    def config(self) -> dict[str, Any]:
        """The step as a chain's file writes it, with every argument."""
        arguments = {name: getattr(self, name) for name in self.argument_names()}
        return {"_target_": f"{NAMESPACE}.{type(self).__name__}", "keys": self.keys[0], **arguments}

    def __call__(self, data: Mapping[str, Any]) -> dict[str, Any]:
        changed = {key: self.apply(data[key], data["grid"], data["disease_region"]) for key in self.keys if key in data}
        return {**data, **changed}

    def apply(self, grade: np.ndarray, grid: Grid, disease_region: np.ndarray) -> np.ndarray:
        """The new `(I, J, K)` uint8 grade map; the given one is not changed. `disease_region` is `(I, J, K)` bool."""
        raise TypeError(f"{type(self).__name__} does not say what it does to a grade map.")
