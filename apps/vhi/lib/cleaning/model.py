"""The proposal: a version of the forest on disk, and what it says about the lesions of a scan."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from safetensors.numpy import load, save

from ..core.pipeline import VhiResult
from ..core.proposal import LesionProposal, Proposal
from ..errors import ModelError
from ..versions import Version, read_live, verify
from .features import FEATURES, lesion_features
from .forest import Forest
from .reasons import reasons_of
from .rule import limits_of
from .table import LesionTable, tables_in, tensors_of

MOST_UNCERTAIN = 10
UNSURE = 0.15  # a decision whose opposite is less likely than this is not put before a reader


@dataclass(frozen=True, eq=False)
class CleaningModel:
    """A trained version.

    Parameters
    ----------
    version : str
    forest : Forest
    limit : float
        Probability from which a lesion of a hundredth of the expected inflammation is kept (`lib.cleaning.rule`).
    tables : tuple of LesionTable
        What it learnt from: lesions as numbers, no image.
    """

    version: str
    forest: Forest
    limit: float
    tables: tuple[LesionTable, ...] = ()

    def as_bytes(self) -> bytes:
        """Plain arrays, as `lib.versions` keeps them."""
        names = np.frombuffer("\n".join(FEATURES).encode(), dtype=np.uint8)
        own = {"features": names, "limit": np.array([self.limit])}
        tensors = {**self.forest.tensors(), **own, **tensors_of(self.tables)}
        return bytes(save({name: np.ascontiguousarray(array) for name, array in tensors.items()}))

    @classmethod
    def of(cls, content: bytes, version: str) -> CleaningModel:
        """From what `as_bytes` gave.

        Raises
        ------
        ModelError
            Damaged, or of a program with other features.
        """
        try:
            tensors = load(content)
            names, limit = tensors["features"].tobytes().decode().split("\n"), float(tensors["limit"][0])
        except Exception as error:  # the reader of the format raises errors of its own, which have no common name
            raise ModelError(f"Version {version} of the cleaning model cannot be read ({error}); restore it.") from error
        if names != list(FEATURES):
            raise ModelError(f"Version {version} of the cleaning model was trained on other features; train a new one.")
        return cls(version, Forest.of(tensors), limit, tables_in(tensors))


def load_cleaning(root: Path) -> CleaningModel:
    """The live version below a model folder, verified.

    Raises
    ------
    ModelError
        Missing, corrupt or swapped.
    """
    return model_of(read_live(root))


def model_of(version: Version) -> CleaningModel:
    """A version from disk, verified.

    Raises
    ------
    ModelError
    """
    return CleaningModel.of(verify(version), version.manifest.version)


def propose(result: VhiResult, model: CleaningModel) -> Proposal:
    """What a model proposes for an automatic result."""
    features = lesion_features(result)
    probability = model.forest.probability(features)
    voxels = np.array([lesion.voxels for lesion in result.lesions], dtype=np.int64)
    limits = limits_of(probability, voxels, model.limit)
    keep = probability >= limits
    reasons = reasons_of(features, model.forest.contributions(features), keep)
    lesions = tuple(
        LesionProposal(lesion, bool(kept), float(p), reason)
        for lesion, kept, p, reason in zip(result.lesions, keep, probability, reasons, strict=True)
    )
    return Proposal(model.version, model.limit, lesions, _uncertain(probability, keep, voxels, limits))


def _uncertain(probability: np.ndarray, keep: np.ndarray, voxels: np.ndarray, limit: np.ndarray) -> tuple[int, ...]:
    # as far from the limit as it goes on its own side: 0 at the limit, 1 at certainty
    sure = np.where(keep, (probability - limit) / (1 - limit), (limit - probability) / limit)
    wrong = (1 - sure) / 2
    order = np.argsort(-wrong * voxels, kind="stable")
    return tuple(int(n) + 1 for n in order if wrong[n] >= UNSURE)[:MOST_UNCERTAIN]
