"""A random forest as plain arrays: no pickle, and every answer can be followed node by node."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields

import numpy as np

from ..errors import ModelError


@dataclass(frozen=True, eq=False)
class Forest:
    """Decision trees one after the other.

    Parameters
    ----------
    roots : (trees,) int array
        Node that each tree begins at.
    feature : (nodes,) int array
        Which feature a node asks for; -1 at a leaf.
    limit : (nodes,) float array
        Where it is at most this, the way goes left.
    left, right : (nodes,) int array
        The next nodes; a leaf's are the leaf itself.
    value : (nodes,) float array
        Share of kept lesions, weighted, among those that came by in training.
    """

    roots: np.ndarray
    feature: np.ndarray
    limit: np.ndarray
    left: np.ndarray
    right: np.ndarray
    value: np.ndarray

    def __post_init__(self) -> None:
        nodes = self.feature.size
        one_size = all(getattr(self, name).shape == (nodes,) for name in ("limit", "left", "right", "value"))
        ends = (self.roots, self.left, self.right)
        if not one_size or not self.roots.size or any(part.min() < 0 or part.max() >= nodes for part in ends):
            raise ModelError("The trees of the cleaning model do not fit together; restore the version from where it came.")

    def probability(self, features: np.ndarray) -> np.ndarray:
        """`(lesions, features)` to `(lesions,)`: mean share of kept lesions where each one ends."""
        node = np.broadcast_to(self.roots, (len(features), self.roots.size))
        while (self.feature[node] >= 0).any():
            node = self._next(features, node)
        return np.asarray(self.value[node].mean(axis=1))

    def contributions(self, features: np.ndarray) -> np.ndarray:
        """How far each feature moved the probability on the way through the trees; `(lesions, features)` in and out.

        With the mean value of the roots they add up to `probability` (Saabas 2014, "Interpreting random forests").
        """
        moved = np.zeros(features.shape)
        node = np.broadcast_to(self.roots, (len(features), self.roots.size))
        lesion = np.broadcast_to(np.arange(len(features))[:, np.newaxis], node.shape)
        while True:
            inner = self.feature[node] >= 0
            if not inner.any():
                return moved / self.roots.size
            after = self._next(features, node)
            step = self.value[after] - self.value[node]
            np.add.at(moved, (lesion[inner], self.feature[node][inner]), step[inner])
            node = after

    def _next(self, features: np.ndarray, node: np.ndarray) -> np.ndarray:
        # single precision: as the trees were grown
        asked = np.take_along_axis(features.astype(np.float32), np.maximum(self.feature[node], 0), axis=1)
        return np.where(asked <= self.limit[node], self.left[node], self.right[node])

    def tensors(self) -> dict[str, np.ndarray]:
        """The trees as arrays by name, `forest.roots`, `forest.feature` and so on; shapes and types as in `Forest`."""
        return {f"forest.{field.name}": getattr(self, field.name) for field in fields(self)}

    @classmethod
    def of(cls, tensors: Mapping[str, np.ndarray]) -> Forest:
        """The forest whose arrays `tensors` gave, shapes and types as in `Forest`.

        Raises
        ------
        ModelError
            Parts are missing, or do not fit together.
        """
        try:
            return cls(**{field.name: tensors[f"forest.{field.name}"] for field in fields(cls)})
        except KeyError as error:
            raise ModelError(f"The cleaning model lacks {error}; restore the version from where it came.") from error
