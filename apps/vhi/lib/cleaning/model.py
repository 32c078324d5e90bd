"""The proposal: a version of the forest on disk, and what it says about the lesions of a scan."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from safetensors.numpy import load, save

from ..core.anatomy import Anatomy, anatomy_of
from ..core.pipeline import VhiResult
from ..core.proposal import LesionProposal, Proposal
from ..errors import ModelError
from ..versions import Version, read_live, verify
from .features import FEATURES, above_l4_5, lesion_features
from .forest import Forest
from .reasons import reasons_of
from .rule import BY_CONTRAST, BY_VOLUME, RULES, limits_of, probability_of, weight_of
from .table import LesionTable, tables_in, tensors_of

MOST_UNCERTAIN = 10
UNSURE = 0.15  # a decision whose opposite is less likely than this is not put before a reader


@dataclass(frozen=True, eq=False)
class CleaningModel:
    """A trained version of the cleaning model.

    Parameters
    ----------
    version : str
    forest : Forest
    limit : float
        Probability from which a lesion of a hundredth of the expected inflammation is kept (`lib.cleaning.rule`).
    tables : tuple of LesionTable
        What it learnt from: lesions as numbers, no image.
    rule : int
        By which it decides (`lib.cleaning.rule.RULES`), as its limit was chosen for it.
    """

    version: str
    forest: Forest
    limit: float
    tables: tuple[LesionTable, ...] = ()
    rule: int = BY_CONTRAST

    def decided(self, features: np.ndarray, voxels: np.ndarray, left_out: np.ndarray | None) -> tuple[np.ndarray, np.ndarray]:
        """The probability that readers keep each lesion of a scan, and the one from which it is kept; `(lesions,)` each.

        Parameters
        ----------
        features : (lesions, len(FEATURES)) float array
        voxels : (lesions,) int array
        left_out : (lesions,) bool array or None
            Lesions that the method leaves out.
        """
        if self.rule == BY_VOLUME:
            probability = self.forest.probability(features)
            return probability, limits_of(probability, voxels, self.limit, least=1.0)
        probability = probability_of(self.forest, features, left_out)
        return probability, limits_of(probability, weight_of(features, voxels), self.limit)

    def as_bytes(self) -> bytes:
        """Plain arrays, as `lib.versions` keeps them."""
        names = np.frombuffer("\n".join(FEATURES).encode(), dtype=np.uint8)
        own = {"features": names, "limit": np.array([self.limit]), "rule": np.array([self.rule])}
        tensors = {**self.forest.tensors(), **own, **tensors_of(self.tables)}
        return bytes(save({name: np.ascontiguousarray(array) for name, array in tensors.items()}))

    @classmethod
    def of(cls, content: bytes, version: str) -> CleaningModel:
        """The model that `as_bytes` wrote.

        Raises
        ------
        ModelError
            Damaged, or of a program with other features or another rule.
        """
        try:
            tensors = load(content)
            names, limit = tensors["features"].tobytes().decode().split("\n"), float(tensors["limit"][0])
            stated = int(tensors["rule"][0]) if "rule" in tensors else None
        except Exception as error:  # the reader of the format raises errors of its own, which have no common name
            raise ModelError(f"Version {version} of the cleaning model cannot be read ({error}); restore it.") from error
        if names != list(FEATURES):
            raise ModelError(f"Version {version} of the cleaning model was trained on other features; train a new one.")
        tables = tables_in(tensors)
        # the first versions state none: they learnt what the method leaves out, or decide as they did before that was known
        rule = stated or (BY_CONTRAST if any(table.left_out is not None for table in tables) else BY_VOLUME)
        if rule not in RULES:
            raise ModelError(
                f"Version {version} of the cleaning model decides by rule {rule}, which this version of the program does not "
                "know; update the program, or take another version."
            )
        return cls(version, Forest.of(tensors), limit, tables, rule)


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


def proposer(result: VhiResult, model: CleaningModel) -> Callable[[VhiResult], Proposal]:
    """The proposals of a model for automatic results of one scan and region, at any thresholds; the anatomy is found once."""
    anatomy = result.anatomy or anatomy_of(result.t1w, result.disease_region.mask)
    return lambda at: propose(at, model, anatomy)


def propose(result: VhiResult, model: CleaningModel, anatomy: Anatomy | None = None) -> Proposal:
    """The proposal of a model for an automatic result; `anatomy` of its T1W and region is found when absent."""
    anatomy = anatomy or result.anatomy or anatomy_of(result.t1w, result.disease_region.mask)
    features = lesion_features(result, anatomy.context)
    left_out = None if model.rule == BY_VOLUME else above_l4_5(result, anatomy)
    voxels = np.array([lesion.voxels for lesion in result.lesions], dtype=np.int64)
    probability, limits = model.decided(features, voxels, left_out)
    keep = probability >= limits
    reasons = reasons_of(features, model.forest.contributions(features), keep, left_out)
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
