"""Stand-in for `vtk`: what the MONAI Label module uses of it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np


class vtkCommand:
    ModifiedEvent = "ModifiedEvent"


class vtkMatrix4x4:
    def __init__(self) -> None:
        self.array = np.eye(4)

    def MultiplyDoublePoint(self, point: Sequence[float]) -> tuple[float, ...]:
        return tuple(float(x) for x in self.array @ np.asarray(point, dtype=float))


class vtkStringArray:
    def __init__(self) -> None:
        self.values: list[str] = []

    def InsertNextValue(self, value: str) -> None:
        self.values.append(value)


class mutable:
    def __init__(self, value: str) -> None:
        self.value = value

    def __str__(self) -> str:
        return self.value
