"""Lesions whose numbers decide: large ones were kept, small ones removed."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from lib.cleaning.features import FEATURES
from lib.cleaning.table import LesionTable

SIZE, CONTRAST = (list(FEATURES).index(name) for name in ("size", "contrast"))


@pytest.fixture
def table() -> Callable[..., LesionTable]:
    """A patient with 40 lesions of 1 to 40 voxels; readers keep those above `limit`, and `wrong` turns every decision round."""

    def made(patient: str, limit: int = 30, *, readers: tuple[str, ...] = ("R1", "R2"), wrong: bool = False) -> LesionTable:
        rng = np.random.default_rng(sum(map(ord, patient)))
        voxels = rng.permutation(np.arange(1, 41))
        features = rng.normal(size=(40, len(FEATURES)))
        features[:, SIZE] = np.log10(voxels)
        features[:, CONTRAST] = 2.0 + 0.001 * features[:, CONTRAST]  # so that a lesion weighs about its voxels
        kept = np.repeat((voxels > limit)[:, np.newaxis], len(readers), axis=1)
        return LesionTable(patient, patient, readers, features, voxels, kept != wrong)

    return made
