"""One of MONAI's dictionary transforms as a step of a chain: numpy in and out, and what it gives is checked.

Importing this module imports MONAI.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import monai.transforms
import numpy as np
import torch
from monai.data import MetaTensor

from ..core.volume import Grid
from ..errors import SettingsError
from .outcome import check_keys, check_outcome

GRADE, REGION = "grade", "disease_region"


class MonaiStep:
    """A step that MONAI does.

    Parameters
    ----------
    target : str
        Its full name.
    arguments : mapping
        As in the chain's file.
    transform : MapTransform
    """

    def __init__(self, target: str, arguments: Mapping[str, Any], transform: monai.transforms.MapTransform) -> None:
        self.target, self.arguments, self.transform = target, dict(arguments), transform

    @classmethod
    def of(cls, target: str, arguments: Mapping[str, Any], source: str) -> MonaiStep:
        """Build a step.

        Parameters
        ----------
        target : str
            One of `MONAI_TARGETS` in `chain_file`, with its package.
        arguments : mapping
        source : str
            How messages call it.

        Raises
        ------
        SettingsError
            Arguments that the transform does not take.
        """
        check_keys(arguments.get("keys"), source)
        try:
            transform = getattr(monai.transforms, target.rsplit(".", 1)[1])(**arguments)
        except (TypeError, ValueError, KeyError, AttributeError, ImportError) as error:
            raise SettingsError(f"{source}: {target} does not take these arguments: {_one_line(error)}.") from error
        return cls(target, arguments, transform)

    def config(self) -> dict[str, Any]:
        """The step as a chain's file writes it."""
        entry: dict[str, Any] = json.loads(json.dumps({"_target_": self.target, **self.arguments}))
        return entry

    def __call__(self, data: Mapping[str, Any]) -> dict[str, Any]:
        """A new dictionary with another grade map.

        Raises
        ------
        SettingsError
            The transform fails, or makes of the map what no step may make.
        """
        grade, grid, region = data[GRADE], data["grid"], data[REGION]
        given = {GRADE: _tensor(grade, grid), REGION: _tensor(region, grid)}
        try:
            answer = self.transform(given)[GRADE]
        except Exception as error:  # whatever their code raises is a fault of the chain, which the user can change
            raise SettingsError(f"The post-transform {self.target} fails: {_one_line(error)}.") from error
        return {**data, GRADE: self._checked(answer, grade, grid, region)}

    def _checked(self, answer: Any, grade: np.ndarray, grid: Grid, region: np.ndarray) -> np.ndarray:
        if isinstance(answer, MetaTensor) and not np.allclose(np.asarray(answer.affine), grid.affine, atol=1e-4):
            raise SettingsError(f"The post-transform {self.target} moves the map to another grid; the grid must stay.")
        channels = np.asarray(answer.detach().cpu() if isinstance(answer, torch.Tensor) else answer)
        if channels.shape[:1] != (1,):
            raise SettingsError(f"The post-transform {self.target} gives {channels.shape[:1]} channels; a grade map has one.")
        check_outcome(grade, channels[0], region, f"The post-transform {self.target}")
        return channels[0].astype(np.uint8)


def _tensor(array: np.ndarray, grid: Grid) -> MetaTensor:
    """A channel-first (1, I, J, K) copy with its place in the patient (RAS+ mm)."""
    copy = torch.from_numpy(np.array(array, dtype=np.uint8, order="C")[np.newaxis])
    return MetaTensor(copy, affine=torch.from_numpy(grid.affine.copy()))


def _one_line(error: Exception) -> str:
    return " ".join((str(error) or type(error).__name__).split())[:200].rstrip(".")
